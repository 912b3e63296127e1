// What urql's graphcache has to know of the graph: `cacheExchange(CACHE)`. What has an id is known by it without a word; the
// rest is part of the object that it was asked below. Add `schema`, an introspection of the hub, for fragments on interfaces.

const PARTS = [
  "Address",
  "AgeBandCount",
  "CapacityNumbers",
  "CategoryPlaces",
  "CitizenshipCount",
  "Count",
  "ExitReasonCount",
  "Irregularity",
  "LengthBandCount",
  "LengthOfStay",
  "MonthMovements",
  "OccupancyEvent",
  "OccupancyGroup",
  "OccupancyPoint",
  "Room",
  "SexCount",
  "Sight",
  "Statistics",
  "TotalsEvent",
  "Viewer",
];

export const CACHE = { keys: Object.fromEntries(PARTS.map((name) => [name, () => null])) };
