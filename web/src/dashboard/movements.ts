/** The last movements: as the hub tells them, or for whoever is told states only, as these differ. */
import type { OccupancyCause, PlaceCategory } from "./graph/contract";
import type { FacilityMessage, Municipality, Places, PoolPlaces, Totals } from "./graph/types";
import { isCoarse } from "./precision";

export type Movement = FacilityMovement | DayMovement | TotalsMovement;

export interface FacilityMovement {
  kind: "facility";
  /** Tells one movement from another. */
  key: string;
  at: string;
  facility: { code: string; name: string };
  municipality: string | undefined;
  category: PlaceCategory;
  cause: OccupancyCause;
  /** The places after it. */
  places: PoolPlaces;
}

/** What a day has changed in a facility, for whoever is told no more. */
export interface DayMovement extends Omit<FacilityMovement, "kind" | "cause"> {
  kind: "day";
  differences: Difference[];
}

export interface TotalsMovement {
  kind: "totals";
  key: string;
  at: string;
  municipality: string;
  differences: Difference[];
  /** The places after it. */
  places: Places;
}

/** A number that is another than before. */
export interface Difference {
  measure: Measure;
  before: number;
  after: number;
  /** Both are the nearest steps: that they are so far apart does not say that so many came or went. */
  coarse: boolean;
}

export type Measure = (typeof PEOPLE)[number] | (typeof PLACES)[number];

/** What movements change; the other numbers follow from these. */
const PEOPLE = ["occupied", "reserved"] as const;
const PLACES = ["blocked", "installed", "accredited"] as const;

const KEPT = 8;

export function facilityMovement(event: FacilityMessage): FacilityMovement | undefined {
  if (!event.cause) return undefined;
  return { kind: "facility", key: event.cursor, cause: event.cause, ...about(event) };
}

/** What the last day has changed in a pool whose places were `before` as told the day before. */
export function dayMovement(event: FacilityMessage, before: PoolPlaces | undefined): DayMovement | undefined {
  if (event.kind !== "CHANGED" || event.cause || !before) return undefined;
  const differences = differencesOf(before, event.capacity);
  if (differences.length === 0) return undefined;
  // All that a day has changed is told at once, at one place in the order.
  const key = `${event.cursor} ${event.facility.code} ${event.category}`;
  return { kind: "day", key, differences, ...about(event) };
}

function about({ occurredAt, facility, category, capacity }: FacilityMessage) {
  const { code, name, municipality } = facility;
  return { at: occurredAt, facility: { code, name }, municipality: municipality?.name, category, places: capacity };
}

/** What has changed in a municipality between two of its totals. */
export function totalsMovement(
  municipality: Municipality,
  before: Totals,
  after: Totals,
  at: string,
): TotalsMovement | undefined {
  const differences = differencesOf(before.capacity, after.capacity);
  if (differences.length === 0) return undefined;
  const key = `${municipality.istatCode} ${at}`;
  return { kind: "totals", key, at, municipality: municipality.name, differences, places: after.capacity };
}

/** Numbers that are told in another way than before have not moved by that. */
function differencesOf(before: PoolPlaces, after: PoolPlaces): Difference[] {
  const measures = before.precision === after.precision ? [...PEOPLE, ...PLACES] : PLACES;
  return measures.flatMap((measure) => {
    const [then, now] = [before[measure], after[measure]];
    if (then === null || now === null || then === now) return [];
    const coarse = isCoarse(after.precision) && (PEOPLE as readonly Measure[]).includes(measure);
    return { measure, before: then, after: now, coarse };
  });
}

export function latest(movements: readonly Movement[], movement: Movement): Movement[] {
  return [movement, ...movements].slice(0, KEPT);
}
