import admitGuest from "./examples/admit-guest.graphql?raw";
import freePlaces from "./examples/free-places-by-municipality.graphql?raw";
import liveOccupancy from "./examples/live-occupancy.graphql?raw";
import oneFacility from "./examples/one-facility-in-depth.graphql?raw";

/** The tabs of a first visit; GraphiQL names each after its first operation. */
export const examples = [
  { query: freePlaces },
  { query: oneFacility, variables: json({ code: "KR-F-0001" }) },
  { query: admitGuest, variables: json({ guest: "", facility: "" }) },
  { query: liveOccupancy },
];

function json(variables: Record<string, string>): string {
  return JSON.stringify(variables, null, 2);
}
