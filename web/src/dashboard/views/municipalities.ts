/** The municipalities as a map and as a table that says the same. Either chooses what the rest is about. */
import { arrange, h, Keyed, mark, write } from "../dom";
import type { Totals } from "../graph/types";
import { mapView, MUNICIPALITIES } from "./map";
import { placesCells, placesHeadings } from "./places";
import type { Desk, View } from "./view";

export function municipalitiesView(desk: Desk): View {
  const { t } = desk.speech;
  const map = mapView(desk);
  const table = municipalitiesTable(desk);
  const without = h("p", { class: "quiet" });
  const reset = h("button", { type: "button", class: "btn btn-outline-primary btn-xs" }, t.wholeProvince);
  reset.addEventListener("click", () => desk.choose(undefined));
  const element = h(
    "section",
    { class: "municipalities", "aria-labelledby": "municipalities-heading" },
    h("h2", { id: "municipalities-heading" }, t.municipalities),
    map.element,
    h("div", {}, table.element, without, reset),
  );
  return {
    element,
    update(data) {
      map.update(data);
      table.update(data);
      write(without, t.municipalitiesWithout(MUNICIPALITIES.length - data.municipalities.size));
      reset.hidden = desk.chosen === undefined;
    },
  };
}

function municipalitiesTable(desk: Desk): View {
  const { speech } = desk;
  const body = h("tbody");
  const buttons = new Map<string, HTMLButtonElement>();
  const rows = new Keyed<Totals, HTMLTableRowElement>(({ municipality }) => {
    const { istatCode, name } = municipality!;
    const { cells, told, patch } = placesCells(speech);
    const button = h("button", { type: "button", class: "link" }, name);
    button.addEventListener("click", () => desk.choose(desk.chosen === istatCode ? undefined : istatCode));
    buttons.set(istatCode, button);
    const element = h("tr", {}, h("th", { scope: "row" }, button, told), ...cells);
    return { element, patch: ({ capacity }) => patch(capacity) };
  });
  const { t, collator } = speech;
  const byName = ([, a]: [string, Totals], [, b]: [string, Totals]) =>
    collator.compare(a.municipality!.name, b.municipality!.name);
  return {
    element: h(
      "table",
      { class: "table table-sm places" },
      h("caption", { class: "visually-hidden" }, t.municipalities),
      h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t.municipality), ...placesHeadings(speech))),
      body,
    ),
    update(data) {
      arrange(body, rows.update([...data.municipalities].sort(byName)));
      for (const [istatCode, button] of buttons) mark(button, "aria-pressed", String(istatCode === desk.chosen));
    },
  };
}
