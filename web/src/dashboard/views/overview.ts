/** The whole province on one page. */
import { h } from "../dom";
import { facilitiesView } from "./facilities";
import { movementsView } from "./movements";
import { municipalitiesView } from "./municipalities";
import { provinceView } from "./province";
import type { Desk, View } from "./view";

export function overview(desk: Desk): View {
  const views = [provinceView(desk), municipalitiesView(desk), movementsView(desk), facilitiesView(desk)];
  return {
    element: h(
      "div",
      { class: "overview" },
      h("h1", { tabindex: -1 }, desk.speech.t.heading),
      ...views.map(({ element }) => element),
    ),
    update(data) {
      for (const view of views) view.update(data);
    },
  };
}
