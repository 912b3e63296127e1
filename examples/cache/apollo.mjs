// What the cache of Apollo Client 4 has to know of the graph: `new InMemoryCache(CACHE)`. What has an id is known by it
// without a word; the rest is part of the object that it was asked below, and is added to what is known of it there.

/** Objects without an id, of which an object has one at each of its fields. */
const PARTS = [
  "Address",
  "CapacityNumbers",
  "Count",
  "LengthOfStay",
  "PageInfo",
  "Statistics",
  "TotalsEvent",
  "Viewer",
];

/** Objects without an id that come in lists: a list that comes anew takes the place of the old one. */
const ELEMENTS = [
  "AgeBandCount",
  "CategoryPlaces",
  "CitizenshipCount",
  "ExitReasonCount",
  "Irregularity",
  "LengthBandCount",
  "MonthMovements",
  "OccupancyEvent",
  "OccupancyGroup",
  "OccupancyPoint",
  "Room",
  "SexCount",
  "Sight",
];

export const CACHE = {
  possibleTypes: {
    Node: [
      "Accreditation",
      "Block",
      "Capacity",
      "Facility",
      "Guest",
      "Household",
      "Municipality",
      "Organisation",
      "Stay",
    ],
    PlaceNumbers: ["Capacity", "CapacityNumbers"],
    PeopleCount: ["AgeBandCount", "CitizenshipCount", "Count", "ExitReasonCount", "LengthBandCount", "SexCount"],
  },
  typePolicies: Object.fromEntries([
    ...PARTS.map((name) => [name, { keyFields: false, merge: true }]),
    ...ELEMENTS.map((name) => [name, { keyFields: false }]),
    [
      "Query",
      {
        fields: {
          // Each page is kept by itself, and two widgets that ask for different fields of it add to each other.
          ...Object.fromEntries(
            ["facilities", "organisations", "accreditations", "guests", "guestLookups"].map((list) => [
              list,
              { keyArgs: ["filter", "orderBy", "first", "after", "last", "before"], merge: true },
            ]),
          ),
        },
      },
    ],
  ]),
};
