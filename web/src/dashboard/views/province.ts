/** The province at a glance: the four numbers, and the same by category. */
import { arrange, h, Keyed, write } from "../dom";
import type { Places, Totals } from "../graph/types";
import type { Speech } from "../language";
import type { Data } from "../store";
import { patchOver, placesCells, placesHeadings } from "./places";
import type { Desk, View } from "./view";

const FIGURES = ["free", "occupied", "reserved", "blocked"] as const;

export function provinceView({ speech }: Desk): View {
  const { t } = speech;
  const figures = FIGURES.map((figure) => figureOf(figure, speech));
  const bar = shareBar();
  const summary = h("p", { class: "summary" });
  const over = h("span", { class: "badge over", hidden: true });
  const categories = categoriesTable(speech);
  const element = h(
    "section",
    { class: "province", "aria-labelledby": "province-heading" },
    h("h2", { id: "province-heading" }, t.province),
    h("dl", { class: "figures" }, ...figures.map(({ element }) => element)),
    bar.element,
    h("p", { class: "summary" }, summary, " ", over),
    categories.element,
  );
  return {
    element,
    update(data) {
      categories.update(data);
      if (!data.province) return;
      const { capacity, facilities } = data.province;
      for (const figure of figures) figure.patch(capacity);
      bar.patch(capacity);
      write(
        summary,
        t.summary(capacity.occupied, capacity.allocable, speech.percent(capacity.occupancyRate), facilities),
      );
      patchOver(over, capacity, speech);
    },
  };
}

function figureOf(figure: (typeof FIGURES)[number], { t, number }: Speech) {
  const value = h("span", { class: "value" }, "–");
  const element = h(
    "div",
    { class: `figure ${figure}` },
    h("dt", {}, t[figure]),
    h("dd", {}, value, h("span", { class: "note" }, t.notes[figure])),
  );
  return { element, patch: (places: Places) => write(value, number(places[figure])) };
}

/** How the allocable places are shared out; the summary below says it in words. */
function shareBar() {
  const parts = (["occupied", "reserved", "free"] as const).map((part) => ({
    part,
    element: h("span", { class: part }),
  }));
  return {
    element: h("div", { class: "share", "aria-hidden": "true" }, ...parts.map(({ element }) => element)),
    patch(places: Places) {
      for (const { part, element } of parts) element.style.flexGrow = String(places[part]);
    },
  };
}

function categoriesTable(speech: Speech) {
  const { t } = speech;
  const body = h("tbody");
  const rows = new Keyed<Totals, HTMLTableRowElement>(({ category }) => {
    const { cells, patch } = placesCells(speech);
    const element = h("tr", {}, h("th", { scope: "row" }, t.categories[category!]), ...cells);
    return { element, patch: ({ capacity }) => patch(capacity) };
  });
  const element = h(
    "table",
    { class: "table table-sm places" },
    h("caption", {}, t.byCategory),
    h("thead", {}, h("tr", {}, h("th", { scope: "col" }, t.category), ...placesHeadings(speech))),
    body,
  );
  return { element, update: (data: Data) => arrange(body, rows.update(data.categories)) };
}
