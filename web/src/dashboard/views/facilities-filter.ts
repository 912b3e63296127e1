/** What the reader looks for among the facilities. */
import { standing, today } from "../accreditation";
import { h } from "../dom";
import type { PlaceCategory } from "../graph/contract";
import type { Speech } from "../language";
import type { FacilityRow } from "../store";

type Condition = keyof typeof CONDITIONS;

const CONDITIONS = {
  all: () => true,
  free: ({ occupancy }: FacilityRow) => (occupancy.free ?? 0) > 0,
  over: ({ occupancy }: FacilityRow) => (occupancy.overCapacity ?? 0) > 0,
  accreditation: (row: FacilityRow) => standing(row, today()) === "missing",
  expiring: (row: FacilityRow) => standing(row, today()) === "expiring",
};

export function facilitiesFilter({ t, language }: Speech, onChange: () => void) {
  const search = h("input", { type: "search", class: "form-control", placeholder: t.searchHint, autocomplete: "off" });
  const category = select({ "": t.all, ...t.categories });
  const condition = select(t.conditions);
  for (const input of [search, category, condition]) input.addEventListener("input", onChange);
  return {
    element: h(
      "div",
      { class: "filter", role: "search", "aria-label": t.facilities },
      h("label", {}, t.search, search),
      h("label", {}, t.category, category),
      h("label", {}, t.show, condition),
    ),
    matches(row: FacilityRow): boolean {
      const text = search.value.trim().toLocaleLowerCase(language);
      return (
        CONDITIONS[condition.value as Condition](row) &&
        (category.value === "" || row.pools.has(category.value as PlaceCategory)) &&
        `${row.name} ${row.code} ${row.municipality?.name}`.toLocaleLowerCase(language).includes(text)
      );
    },
  };
}

function select(options: Record<string, string>): HTMLSelectElement {
  const all = Object.entries(options).map(([value, text]) => h("option", { value }, text));
  return h("select", { class: "form-select" }, ...all);
}
