/** What is honest to say of a facility's accreditation on a day. */
import type { Accreditation, Accreditations } from "./graph/types";
import type { Speech } from "./language";

export type Standing = "inForce" | "expiring" | "missing";

/** So many days before its end an accreditation is said to expire. */
const EXPIRES_WITHIN_DAYS = 90;

const DAY_MS = 86_400_000;

/** Swedish dates are those of ISO 8601. */
const ROMAN_DAY = new Intl.DateTimeFormat("sv-SE", { timeZone: "Europe/Rome" });

/** Today in the province. */
export function today(): string {
  return ROMAN_DAY.format(new Date());
}

export function standing({ accreditation: current }: Pick<Accreditations, "accreditation">, day: string): Standing {
  if (!current) return "missing";
  return current.validUntil && daysBetween(day, current.validUntil) <= EXPIRES_WITHIN_DAYS ? "expiring" : "inForce";
}

/** The same in words. */
export function accreditationWords(facility: Accreditations, day: string, speech: Speech): string {
  const words = speech.t.accreditation;
  const { accreditation: current, accreditations } = facility;
  if (current) {
    if (!current.validUntil) return words.openEnded;
    const until = speech.day(current.validUntil);
    return standing(facility, day) === "expiring" ? words.expiring(until) : words.inForce(until);
  }
  const latest = accreditations[0];
  return latest ? statusWords(latest, day, speech) : words.none;
}

/** One accreditation in words, whether in force or not. */
export function statusWords(accreditation: Accreditation, day: string, speech: Speech): string {
  const words = speech.t.accreditation;
  const { status, validFrom, validUntil } = accreditation;
  if (status !== "ACCREDITED" && status !== "EXPIRED") return words[status];
  if (validFrom && validFrom > day) return words.future(speech.day(validFrom));
  if (!validUntil) return words.openEnded;
  const until = speech.day(validUntil);
  return status === "EXPIRED" ? words.expired(until) : words.inForce(until);
}

function daysBetween(from: string, until: string): number {
  return (Date.parse(until) - Date.parse(from)) / DAY_MS;
}
