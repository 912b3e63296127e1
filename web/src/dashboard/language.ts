/** The language of the page: the one chosen before, else the browser's if it is spoken here, else Italian. */
import type { NumbersPrecision } from "./graph/contract";
import type { Places } from "./graph/types";
import { isCoarse } from "./precision";
import { en } from "./texts/en";
import { it, type Texts } from "./texts/it";

export type Language = "it" | "en";

export const LANGUAGES: readonly Language[] = ["it", "en"];

/** Days and hours are those of the province, wherever the reader is. */
const TIME_ZONE = "Europe/Rome";
const KEY = "tavolo.language";

/** The words of one language, and how it writes numbers and times. */
export interface Speech {
  language: Language;
  t: Texts;
  /** The order of names. */
  collator: Intl.Collator;
  number(value: number): string;
  /** A number of people as it is told: "about" where it is coarse, a dash where it is not told. */
  people(value: number | null, precision: NumbersPrecision): string;
  /** The occupancy as a percentage, told like the people it is made of; a dash when there is none. */
  rate(places: Pick<Places, "occupancyRate" | "overCapacity" | "precision">): string;
  /** Hours, minutes and seconds of an instant. */
  time(instant: string | Date): string;
  /** Day, hours, minutes and seconds of an instant. */
  second(instant: string | Date): string;
  /** Day, hours and minutes of an instant. */
  moment(instant: string | Date): string;
  /** Day and month of an instant. */
  shortDay(instant: Date): string;
  /** Hours and minutes of an instant. */
  hour(instant: Date): string;
  /** A civil day, such as `2026-11-23`. */
  day(date: string): string;
}

export function recallLanguage(): Language {
  const spoken = [localStorage.getItem(KEY), ...navigator.languages].map((tag) => tag?.slice(0, 2).toLowerCase());
  return spoken.find((tag) => isLanguage(tag)) ?? "it";
}

export function rememberLanguage(language: Language): void {
  localStorage.setItem(KEY, language);
}

function isLanguage(tag: string | undefined): tag is Language {
  return (LANGUAGES as readonly (string | undefined)[]).includes(tag);
}

export function speak(language: Language): Speech {
  // British dates: the day comes before the month, as everywhere in Europe.
  const locale = language === "it" ? "it-IT" : "en-GB";
  const dates = (options: Intl.DateTimeFormatOptions, timeZone = TIME_ZONE) => {
    const format = new Intl.DateTimeFormat(locale, { ...options, timeZone });
    return (instant: string | Date) => format.format(new Date(instant));
  };
  const t = language === "it" ? it : en;
  const numbers = new Intl.NumberFormat(locale);
  const percents = new Intl.NumberFormat(locale, { style: "percent", maximumFractionDigits: 0 });
  const told = (value: number | null, precision: NumbersPrecision, format: Intl.NumberFormat) => {
    if (value === null) return "–";
    return isCoarse(precision) ? t.about(format.format(value)) : format.format(value);
  };
  return {
    language,
    t,
    collator: new Intl.Collator(locale),
    number: (value) => numbers.format(value),
    people: (value, precision) => told(value, precision, numbers),
    rate({ occupancyRate: rate, overCapacity, precision }) {
      // A step up from the number may be more than there are places, and nobody is too many.
      const full = rate !== null && isCoarse(precision) && !overCapacity ? Math.min(rate, 1) : rate;
      return told(full, precision, percents);
    },
    time: dates({ timeStyle: "medium" }),
    moment: dates({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" }),
    second: dates({ day: "numeric", month: "short", hour: "2-digit", minute: "2-digit", second: "2-digit" }),
    shortDay: dates({ day: "numeric", month: "short" }),
    hour: dates({ hour: "2-digit", minute: "2-digit" }),
    day: dates({ dateStyle: "medium" }, "UTC"),
  };
}
