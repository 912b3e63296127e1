/** Keeps the store as the hub tells it: who looks, the totals, and the facilities if the viewer sees any. */
import type { OccupancyEventKind, OccupancyGrouping } from "./graph/contract";
import { facilitiesDocument, totalsDocument, viewerDocument } from "./graph/documents";
import type { FacilityMessage, Totals, TotalsMessage } from "./graph/types";
import type { Hub } from "./hub";
import { dayMovement, facilityMovement, latest, totalsMovement } from "./movements";
import { seesFacilities, type Data, type Store } from "./store";

const GROUPINGS: OccupancyGrouping[] = ["PROVINCE", "CATEGORY", "MUNICIPALITY"];

export function goLive(hub: Hub, store: Store): void {
  hub.follow(viewerDocument, {}, ({ viewer }) => {
    store.change((data) => (data.viewer = viewer));
    if (seesFacilities({ viewer })) followFacilities(hub, store);
  });
  for (const groupBy of GROUPINGS) {
    hub.follow(totalsDocument, { groupBy }, ({ totalsChanged }) =>
      store.change((data) => takeTotals(data, groupBy, totalsChanged)),
    );
  }
}

/** A change tells only the groups that changed. After a lost connection the state comes again. */
function takeTotals(data: Data, groupBy: OccupancyGrouping, { kind, asOf, groups }: TotalsMessage): void {
  data.asOf = data.asOf && data.asOf > asOf ? data.asOf : asOf;
  if (groupBy === "PROVINCE") {
    data.province = groups[0] ?? data.province;
  } else if (groupBy === "CATEGORY") {
    if (kind !== "CHANGED") data.categories.clear();
    for (const group of groups) data.categories.set(group.category!, group);
  } else {
    takeMunicipalities(data, kind, asOf, groups);
  }
}

function takeMunicipalities(data: Data, kind: OccupancyEventKind, asOf: string, groups: Totals[]): void {
  const known = kind === "RESYNC" ? new Map<string, Totals>() : new Map(data.municipalities);
  if (kind !== "CHANGED") data.municipalities.clear();
  for (const group of groups) {
    const municipality = group.municipality!;
    const before = known.get(municipality.istatCode);
    data.municipalities.set(municipality.istatCode, group);
    if (!before || seesFacilities(data)) continue;
    const movement = totalsMovement(municipality, before, group, asOf);
    if (movement) data.movements = latest(data.movements, movement);
  }
}

function followFacilities(hub: Hub, store: Store): void {
  let cursor: string | undefined;
  let kind: OccupancyEventKind | undefined;
  const variables = {
    get after() {
      return cursor;
    },
  };
  hub.follow(facilitiesDocument, variables, ({ occupancyChanged: message }) => {
    // The first message of a state: what was known before counts no more.
    const anew = message.kind !== "CHANGED" && message.kind !== kind;
    ({ cursor, kind } = message);
    store.change((data) => {
      if (anew) data.facilities.clear();
      takeFacility(data, message);
    });
  });
}

function takeFacility(data: Data, message: FacilityMessage): void {
  const { facility, category, capacity } = message;
  const known = data.facilities.get(facility.id)?.pools;
  data.facilities.set(facility.id, { ...facility, pools: new Map(known).set(category, capacity) });
  const movement = facilityMovement(message) ?? dayMovement(message, known?.get(category));
  if (movement) data.movements = latest(data.movements, movement);
}
