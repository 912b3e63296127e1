/** A facility's row. Over-capacity and a missing accreditation are told in words, and marked. */
import { accreditationWords, standing, today } from "../accreditation";
import { h, mark, write } from "../dom";
import type { PlaceCategory } from "../graph/contract";
import type { Speech } from "../language";
import { facilityAddress } from "../route";
import type { FacilityRow } from "../store";
import { placesCells } from "./places";

export function drawFacility({ code }: FacilityRow, speech: Speech) {
  const name = h("a", { href: facilityAddress(code) });
  const categories = h("span", { class: "quiet" });
  const municipality = h("td", { class: "col-municipality" });
  const places = placesCells(speech);
  const state = h("span");
  const element = h(
    "tr",
    {},
    h("th", { scope: "row", class: "col-facility" }, name, categories, places.told),
    municipality,
    ...places.cells,
    h("td", { class: "col-state" }, places.over, state),
  );
  return {
    element,
    patch(row: FacilityRow) {
      const day = today();
      write(name, row.name);
      write(categories, `${row.code} · ${categoryWords(row.pools.keys(), speech)}`);
      write(municipality, row.municipality?.name ?? "");
      places.patch(row.occupancy);
      write(state, accreditationWords(row, day, speech));
      mark(state, "class", `badge ${standing(row, day)}`);
    },
  };
}

function categoryWords(categories: Iterable<PlaceCategory>, { t }: Speech): string {
  return Array.from(categories, (category) => t.categories[category]).join(", ");
}
