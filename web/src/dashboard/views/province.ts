/** The province at a glance: the four numbers, and the same by category. */
import { arrange, h, Keyed, write } from "../dom";
import type { Places, Totals } from "../graph/types";
import type { Speech } from "../language";
import type { Data } from "../store";
import { patchOver, placesCells, placesHeadings, words } from "./places";
import type { Desk, View } from "./view";

const FIGURES = ["free", "occupied", "reserved", "blocked"] as const;

export function provinceView({ speech }: Desk): View {
  const { t } = speech;
  const figures = FIGURES.map((figure) => figureOf(figure, speech));
  const bar = shareBar();
  const heading = h("h2", { id: "province-heading" }, t.province);
  const summary = h("span");
  const why = h("p", { class: "quiet", hidden: true }, t.whyCoarse);
  const over = h("span", { class: "badge over", hidden: true });
  const categories = categoriesTable(speech);
  const element = h(
    "section",
    { class: "province", "aria-labelledby": "province-heading" },
    heading,
    h("dl", { class: "figures" }, ...figures.map(({ element }) => element)),
    bar.element,
    h("p", { class: "summary" }, summary, " ", over),
    why,
    categories.element,
  );
  return {
    element,
    update(data) {
      categories.update(data);
      if (!data.province) return;
      const { capacity } = data.province;
      for (const figure of figures) figure.patch(capacity);
      bar.patch(capacity);
      write(heading, capacity.precision === "BANDED" ? t.provinceYesterday : t.province);
      write(summary, summaryWords(data.province, speech));
      why.hidden = capacity.precision === "EXACT";
      patchOver(over, capacity, speech);
    },
  };
}

function summaryWords({ capacity, facilities }: Totals, speech: Speech): string {
  const { t, people, rate } = speech;
  const { occupied, allocable, precision } = capacity;
  const words = t.summary(people(occupied, precision), allocable, rate(capacity), facilities);
  return precision === "EXACT" ? words : `${words}; ${t.told[precision]}`;
}

function figureOf(figure: (typeof FIGURES)[number], speech: Speech) {
  const { t } = speech;
  const value = h("span", { class: "value" }, "–");
  const element = h(
    "div",
    { class: `figure ${figure}` },
    h("dt", {}, t[figure]),
    h("dd", {}, value, h("span", { class: "note" }, t.notes[figure])),
  );
  return { element, patch: (places: Places) => write(value, words(figure, places, speech)) };
}

/** How the allocable places are shared out; the summary below says it in words. */
function shareBar() {
  const parts = (["occupied", "reserved", "free"] as const).map((part) => ({
    part,
    element: h("span", { class: part }),
  }));
  const element = h("div", { class: "share", "aria-hidden": "true" }, ...parts.map(({ element }) => element));
  return {
    element,
    patch(places: Places) {
      element.hidden = places.precision === "WITHHELD";
      // Coarse parts need not add up to the whole; they share it out as they are to each other.
      for (const { part, element } of parts) element.style.flexGrow = String(places[part] ?? 0);
    },
  };
}

function categoriesTable(speech: Speech) {
  const { t } = speech;
  const body = h("tbody");
  const rows = new Keyed<Totals, HTMLTableRowElement>(({ category }) => {
    const { cells, told, patch } = placesCells(speech);
    const element = h("tr", {}, h("th", { scope: "row" }, t.categories[category!], told), ...cells);
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
