/** The cells of a table of places, the same for categories, municipalities and facilities. */
import { h, mark, write } from "../dom";
import type { Places } from "../graph/types";
import type { Speech } from "../language";

/** The columns of numbers, in their order. */
export const NUMBERS = ["free", "occupied", "reserved", "blocked", "allocable"] as const;

export interface PlacesCells {
  cells: HTMLTableCellElement[];
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
  return {
    cells: [...numbers, h("td", { class: "col-rate" }, bar, percentage, over)],
    over,
    patch(places) {
      NUMBERS.forEach((column, at) => write(numbers[at]!, speech.number(places[column])));
      write(percentage, speech.percent(places.occupancyRate));
      patchBar(bar, places);
      patchOver(over, places, speech);
    },
  };
}

function patchBar(bar: HTMLElement, { occupancyRate, overCapacity }: Places): void {
  mark(bar, "class", `bar ${overCapacity > 0 ? "over" : ""}`.trim());
  (bar.firstElementChild as HTMLElement).style.width = `${Math.min(occupancyRate ?? 0, 1) * 100}%`;
}

/** Over-capacity is said in words, not by a colour alone. */
export function patchOver(badge: HTMLElement, { overCapacity }: Places, { t }: Speech): void {
  badge.hidden = overCapacity === 0;
  write(badge, overCapacity === 0 ? "" : t.overCapacity(overCapacity));
}
