/** The cells of a table of places, the same for categories, municipalities and facilities. */
import { h, mark, write } from "../dom";
import type { Places } from "../graph/types";
import type { Speech } from "../language";

/** The columns of numbers, in their order. */
export const NUMBERS = ["free", "occupied", "reserved", "blocked", "allocable"] as const;

export interface PlacesCells {
  cells: HTMLTableCellElement[];
  /** Says how the people are told, unless they are told as they are; it belongs to the heading of the row. */
  told: HTMLElement;
  /** Says that there are more guests than places; it stands in the last cell, unless it is put elsewhere. */
  over: HTMLElement;
  patch(places: Places): void;
}

export function placesHeadings({ t }: Speech): HTMLTableCellElement[] {
  return [...NUMBERS, "rate" as const].map((column) => h("th", { scope: "col", class: `col-${column}` }, t[column]));
}

export function placesCells(speech: Speech): PlacesCells {
  const numbers = NUMBERS.map((column) => h("td", { class: `col-${column}` }));
  const bar = h("span", { class: "bar", "aria-hidden": "true" }, h("span"));
  const percentage = h("span");
  const over = h("span", { class: "badge over", hidden: true });
  const told = h("span", { class: "quiet" });
  return {
    cells: [...numbers, h("td", { class: "col-rate" }, bar, percentage, over)],
    told,
    over,
    patch(places) {
      NUMBERS.forEach((column, at) => write(numbers[at]!, words(column, places, speech)));
      write(percentage, speech.rate(places));
      write(told, speech.t.told[places.precision]);
      patchBar(bar, places);
      patchOver(over, places, speech);
    },
  };
}

/** One of the numbers: places as they are, people as they are told. */
export function words(column: (typeof NUMBERS)[number], places: Places, { number, people }: Speech): string {
  if (column === "blocked" || column === "allocable") return number(places[column]);
  return people(places[column], places.precision);
}

function patchBar(bar: HTMLElement, { occupancyRate, overCapacity, precision }: Places): void {
  const state = precision === "WITHHELD" ? "untold" : overCapacity ? "over" : "";
  mark(bar, "class", `bar ${state}`.trim());
  (bar.firstElementChild as HTMLElement).style.width = `${Math.min(occupancyRate ?? 0, 1) * 100}%`;
}

/** Over-capacity is said in words, not by a colour alone. */
export function patchOver(badge: HTMLElement, { overCapacity, precision }: Places, { t, people }: Speech): void {
  badge.hidden = !overCapacity;
  write(badge, overCapacity ? t.overCapacity(people(overCapacity, precision)) : "");
}
