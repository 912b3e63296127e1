/** The last movements as they happen. */
import { arrange, h, Keyed, write } from "../dom";
import type { Movement } from "../movements";
import type { Speech } from "../language";
import { seesFacilities } from "../store";
import { facilityAddress } from "../route";
import type { Desk, View } from "./view";

export function movementsView({ speech }: Desk): View {
  const { t } = speech;
  const note = h("p", { class: "quiet" });
  const list = h("ol", { class: "movements" });
  const items = new Keyed<Movement, HTMLLIElement>((movement) => ({ element: item(movement, speech), patch() {} }));
  const element = h(
    "section",
    { class: "last-movements", "aria-labelledby": "movements-heading" },
    h("h2", { id: "movements-heading" }, t.movements),
    note,
    list,
  );
  return {
    element,
    update(data) {
      const { movements } = data;
      const noteOfTotals = seesFacilities(data) ? "" : t.movementsOfTotals;
      write(note, movements.length === 0 ? t.movementsNone : noteOfTotals);
      arrange(list, items.update(movements.map((movement) => [movement.key, movement])));
    },
  };
}

function item(movement: Movement, speech: Speech): HTMLLIElement {
  const { t } = speech;
  const { occupied, free } = movement.places;
  const when = h("time", { datetime: movement.at }, speech.time(movement.at));
  const after = h("span", { class: "quiet" }, t.after(occupied, free));
  if (movement.kind === "totals") {
    const differences = movement.differences.map(([measure, n]) => t.difference(measure, n)).join(", ");
    return h("li", {}, when, h("span", {}, h("strong", {}, movement.municipality), `: ${differences}`), after);
  }
  const { facility, cause, municipality, category } = movement;
  const where = [municipality, t.categories[category]].filter(Boolean).join(" · ");
  return h(
    "li",
    { class: cause.toLowerCase() },
    when,
    h(
      "span",
      {},
      h("strong", {}, t.causes[cause]),
      ": ",
      h("a", { href: facilityAddress(facility.code) }, facility.name),
    ),
    h("span", { class: "quiet" }, `${where} · ${t.after(occupied, free)}`),
  );
}
