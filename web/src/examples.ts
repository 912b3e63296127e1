import accreditationsToExpire from "./examples/accreditations-to-expire.graphql?raw";
import admitGuest from "./examples/admit-guest.graphql?raw";
import exitsByReason from "./examples/exits-by-reason.graphql?raw";
import freePlaces from "./examples/free-places-by-municipality.graphql?raw";
import freePlacesTonight from "./examples/free-places-tonight.graphql?raw";
import lengthOfStay from "./examples/length-of-stay.graphql?raw";
import liveOccupancy from "./examples/live-occupancy.graphql?raw";
import occupancyOverAYear from "./examples/occupancy-over-a-year.graphql?raw";
import oneFacility from "./examples/one-facility-in-depth.graphql?raw";
import registerGuest from "./examples/register-guest.graphql?raw";

/** Every visit registers somebody else: nobody comes upon the guest or the keys of an earlier visit. */
const visit = Date.now().toString(36);

/** The day that is so many days from today. */
function day(distance: number): string {
  const then = new Date();
  then.setUTCDate(then.getUTCDate() + distance);
  return then.toISOString().slice(0, 10);
}

/** Somebody's birth date, of 18 to 40 years ago. */
function birthDate(): string {
  const born = new Date();
  born.setUTCFullYear(born.getUTCFullYear() - 18, 0, -Math.floor(Math.random() * 22 * 365));
  return born.toISOString().slice(0, 10);
}

/** The last half-year that is published to whoever may not see persons: it ended thirty days ago, or earlier. */
function publishedHalfYear(): { from: string; to: string } {
  const then = new Date();
  then.setUTCDate(then.getUTCDate() - 29);
  const year = then.getUTCFullYear();
  return then.getUTCMonth() < 6
    ? { from: `${year - 1}-07-01`, to: `${year - 1}-12-31` }
    : { from: `${year}-01-01`, to: `${year}-06-30` };
}

/** The tabs of a first visit; GraphiQL names each after its operation. */
export const examples = [
  { query: freePlacesTonight },
  { query: freePlaces },
  { query: accreditationsToExpire, variables: json({ until: day(90) }) },
  { query: lengthOfStay, variables: json(publishedHalfYear()) },
  { query: exitsByReason, variables: json(publishedHalfYear()) },
  { query: occupancyOverAYear, variables: json({ from: `${day(-365)}T00:00:00Z`, filter: {} }) },
  { query: oneFacility, variables: json({ code: "KR-F-0001" }) },
  {
    query: registerGuest,
    // NGR is no country: this is to be refused at first.
    variables: json({ citizenship: "NGR", validateOnly: true, birthDate: birthDate(), key: `register-${visit}` }),
  },
  { query: admitGuest, variables: json({ guest: "", facility: "", key: `admit-${visit}` }) },
  { query: liveOccupancy },
];

function json(variables: Record<string, unknown>): string {
  return JSON.stringify(variables, null, 2);
}
