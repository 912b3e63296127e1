/** Names for the parts of the answers that the pages speak of. `contract.ts` has the answers whole. */
import type {
  FacilitiesSubscription,
  FacilityQuery,
  PlacesFragment,
  TotalsSubscription,
  ViewerQuery,
} from "./contract";

/** Places, which everybody is told as they are, and the people among them: null where they are not told. */
export type Places = PlacesFragment;

export type Viewer = ViewerQuery["viewer"];

/** A message about totals: the state, the state anew (forget what you knew), or the groups that changed. */
export type TotalsMessage = TotalsSubscription["totalsChanged"];
export type Totals = TotalsMessage["groups"][number];
export type Municipality = NonNullable<Totals["municipality"]>;

/** A message about one pool. Its cause is null for a state, and for what a whole day has changed. */
export type FacilityMessage = FacilitiesSubscription["occupancyChanged"];
/** The places of one category in one facility. */
export type PoolPlaces = FacilityMessage["capacity"];
export type Facility = FacilityMessage["facility"];
/** The one in force by the hub's word, if any, and all of them, the latest first. */
export type Accreditations = Pick<Facility, "accreditation" | "accreditations">;
/** Its days are such as `2026-11-23`. */
export type Accreditation = Facility["accreditations"][number];

export type FacilityDetails = NonNullable<FacilityQuery["facility"]>;
