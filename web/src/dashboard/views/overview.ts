/** The whole province on one page. */
import { h } from "../dom";
import { facilitiesView } from "./facilities";
import { HistoryView, type Subject } from "./history";
import { MUNICIPALITIES } from "./map";
import { movementsView } from "./movements";
import { municipalitiesView } from "./municipalities";
import { provinceView } from "./province";
import type { Desk, View } from "./view";

export function overview(desk: Desk): View {
  let chosen = desk.chosen;
  const history = new HistoryView(desk, subjectOf(chosen));
  const views = [provinceView(desk), municipalitiesView(desk), history, movementsView(desk), facilitiesView(desk)];
  return {
    element: h(
      "div",
      { class: "overview" },
      h("h1", { tabindex: -1 }, desk.speech.t.heading),
      ...views.map(({ element }) => element),
    ),
    update(data) {
      if (chosen !== desk.chosen) history.show(subjectOf((chosen = desk.chosen)));
      for (const view of views) view.update(data);
    },
    refresh: () => history.refresh(),
  };
}

function subjectOf(istatCode: string | undefined): Subject {
  const municipality = MUNICIPALITIES.find((one) => one.istatCode === istatCode);
  if (!municipality) return { name: "", now: ({ province }) => province?.capacity };
  const { istatCode: code, name } = municipality;
  return { name, filter: { municipality: code }, now: ({ municipalities }) => municipalities.get(code)?.capacity };
}
