/** The last movements: as the hub tells them, or for whoever sees totals only, as these differ. */
import type { Category, Cause, FacilityMessage, Municipality, Places, PoolPlaces, Totals } from "./graph/types";

export type Movement = FacilityMovement | TotalsMovement;

export interface FacilityMovement {
  kind: "facility";
  /** Tells one movement from another. */
  key: string;
  at: string;
  facility: { code: string; name: string };
  municipality: string | undefined;
  category: Category;
  cause: Cause;
  /** The places after it. */
  places: PoolPlaces;
}

export interface TotalsMovement {
  kind: "totals";
  key: string;
  at: string;
  municipality: string;
  /** By how much each number has changed; none of them is zero. */
  differences: [Measure, number][];
  /** The places after it. */
  places: Places;
}

export type Measure = (typeof MEASURES)[number];

/** What movements change; the other numbers follow from these. */
const MEASURES = ["occupied", "reserved", "blocked", "installed", "accredited"] as const;

const KEPT = 8;

export function facilityMovement({ occupancyChanged: event }: FacilityMessage): FacilityMovement | undefined {
  if (!event.cause) return undefined;
  return {
    kind: "facility",
    key: event.cursor,
    at: event.occurredAt,
    facility: { code: event.facility.code, name: event.facility.name },
    municipality: event.facility.municipality?.name,
    category: event.category,
    cause: event.cause,
    places: event.capacity,
  };
}

/** What has changed in a municipality between two of its totals. */
export function totalsMovement(
  municipality: Municipality,
  before: Totals,
  after: Totals,
  at: string,
): TotalsMovement | undefined {
  const differences = MEASURES.map((measure): [Measure, number] => [
    measure,
    after.capacity[measure] - before.capacity[measure],
  ]).filter(([, difference]) => difference !== 0);
  if (differences.length === 0) return undefined;
  const key = `${municipality.istatCode} ${at}`;
  return { kind: "totals", key, at, municipality: municipality.name, differences, places: after.capacity };
}

export function latest(movements: readonly Movement[], movement: Movement): Movement[] {
  return [movement, ...movements].slice(0, KEPT);
}
