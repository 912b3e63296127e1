/** The last movements as they happen. */
import { arrange, h, Keyed, write } from "../dom";
import type { Difference, Movement } from "../movements";
import type { Speech } from "../language";
import { isCoarse } from "../precision";
import { isMember, seesFacilities, type Data } from "../store";
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
      write(note, [movements.length === 0 && t.movementsNone, toldHow(data, speech)].filter(Boolean).join(" "));
      arrange(list, items.update(movements.map((movement) => [movement.key, movement])));
    },
  };
}

/** How movements are told to this viewer, where it is not each as it happens. */
function toldHow(data: Data, { t }: Speech): string {
  if (!data.viewer || isMember(data)) return "";
  return seesFacilities(data) ? t.movementsByDay : t.movementsOfTotals;
}

function item(movement: Movement, speech: Speech): HTMLLIElement {
  const { t } = speech;
  if (movement.kind === "totals") {
    const what = h(
      "span",
      {},
      h("strong", {}, movement.municipality),
      `: ${differences(movement.differences, speech)}`,
    );
    return h("li", {}, time(movement, speech), what, h("span", { class: "quiet" }, after(movement, speech)));
  }
  const { facility, municipality, category } = movement;
  const link = h("a", { href: facilityAddress(facility.code) }, facility.name);
  const where = [municipality, t.categories[category], after(movement, speech)].filter(Boolean).join(" · ");
  const [name, what] =
    movement.kind === "facility"
      ? [movement.cause, h("span", {}, h("strong", {}, t.causes[movement.cause]), ": ", link)]
      : ["day", h("span", {}, link, `: ${differences(movement.differences, speech)}`)];
  return h("li", { class: name.toLowerCase() }, time(movement, speech), what, h("span", { class: "quiet" }, where));
}

/** When it happened; of what a day has changed, the day. */
function time({ kind, at }: Movement, speech: Speech): HTMLTimeElement {
  return h("time", { datetime: at }, kind === "day" ? speech.shortDay(new Date(at)) : speech.time(at));
}

function differences(all: readonly Difference[], { t, people }: Speech): string {
  const words = ({ measure, before, after, coarse }: Difference) =>
    coarse
      ? t.step(measure, people(before, "ROUNDED"), people(after, "ROUNDED"))
      : t.difference(measure, after - before);
  return all.map(words).join(", ");
}

/** The people after it, as they are told. */
function after({ kind, places: { occupied, free, precision } }: Movement, { t, people }: Speech): string {
  if (precision === "WITHHELD") return t.told.WITHHELD;
  const words = (kind === "day" ? t.afterDay : t.after)(people(occupied, precision), people(free, precision));
  return isCoarse(precision) ? `${words}, ${t.told[precision]}` : words;
}
