/** A facility's own page: all that the viewer may see of it. */
import { accreditationWords, standing, statusWords, today } from "../accreditation";
import { h, mark, write } from "../dom";
import { facilityDocument } from "../graph/documents";
import type { FacilityDetails } from "../graph/types";
import type { Speech } from "../language";
import type { Data, FacilityRow } from "../store";
import { HistoryView } from "./history";
import { placesCells, placesHeadings } from "./places";
import type { Desk, View } from "./view";

export function facilityView(desk: Desk, code: string): View {
  const { t, language } = desk.speech;
  const heading = h("h1", { tabindex: -1 }, code);
  const state = h("p", {}, t.facilityLoading);
  const about = h("div");
  const content = h("div", {}, about);
  let history: HistoryView | undefined;
  let known: FacilityRow | undefined;

  function load(): void {
    const variables = { code, language: language.toUpperCase() as Uppercase<typeof language> };
    desk.hub.ask(facilityDocument, variables).then(
      ({ facility }) => (facility ? show(facility) : hide(t.facilityUnknown(code))),
      ({ message }: Error) => hide(t.unanswered(message)),
    );
  }

  function show(facility: FacilityDetails): void {
    const { id, name } = facility;
    write(state, "");
    write(heading, name);
    about.replaceChildren(...details(facility, desk.speech));
    // The reader may have gone elsewhere meanwhile.
    if (heading.isConnected) document.title = `${name} · Tavolo`;
    if (history) return;
    const now = (data: Data) => data.facilities.get(id)?.occupancy;
    history = new HistoryView(desk, { name, filter: { facility: id }, now });
    content.append(history.element);
  }

  function hide(words: string): void {
    write(state, words);
    about.replaceChildren();
  }

  load();
  return {
    element: h(
      "article",
      { class: "facility" },
      h("p", {}, h("a", { href: "#" }, `← ${t.back}`)),
      heading,
      state,
      content,
    ),
    update(data) {
      const row = [...data.facilities.values()].find((facility) => facility.code === code);
      // Its row has changed, so the rest may have changed as well.
      if (known && row && row !== known) load();
      known = row;
      history?.update(data);
    },
    refresh() {
      load();
      history?.refresh();
    },
  };
}

function details(facility: FacilityDetails, speech: Speech): HTMLElement[] {
  const { t } = speech;
  const day = today();
  const badge = h("span", { class: "badge" }, accreditationWords(facility, day, speech));
  mark(badge, "class", `badge ${standing(facility, day)}`);
  return [
    h("p", {}, `${facility.code} · ${t.types[facility.type]} `, badge),
    card("places", t.placesHeading, placesTable(facility, speech)),
    card("about", t.facility, facts(facility, speech)),
    card("accreditations", t.accreditations, accreditations(facility, speech)),
    card("irregularities", t.irregularities, irregularities(facility, speech)),
  ];
}

function card(name: string, title: string, content: Element): HTMLElement {
  const id = `${name}-heading`;
  return h("section", { class: name, "aria-labelledby": id }, h("h2", { id }, title), content);
}

function placesTable({ capacity }: FacilityDetails, speech: Speech): HTMLElement {
  const { t } = speech;
  const rows = capacity.map((pool) => {
    const { cells, told, patch } = placesCells(speech);
    patch(pool);
    return h("tr", {}, h("th", { scope: "row" }, t.categories[pool.category], told), ...cells);
  });
  const blocks = capacity.flatMap((pool) => pool.blocks);
  const heads = h("tr", {}, h("th", { scope: "col" }, t.category), ...placesHeadings(speech));
  return h(
    "div",
    {},
    h(
      "table",
      { class: "table table-sm places" },
      h("caption", {}, t.byCategory),
      h("thead", {}, heads),
      h("tbody", {}, ...rows),
    ),
    blocks.length > 0 && h("h3", {}, t.blocks),
    blocks.length > 0 &&
      list(
        blocks.map(({ places, reason, from, until }) =>
          t.block(places, t.blockReasons[reason], speech.day(from), until ? speech.day(until) : undefined),
        ),
      ),
  );
}

function facts(facility: FacilityDetails, { t, number }: Speech): HTMLElement {
  const { address, rooms, bathrooms } = facility;
  const roomWords = rooms.map(({ letter, beds, squareMetres }) => t.room(letter, beds, number(squareMetres)));
  const all: [string, string | undefined | null][] = [
    [t.municipality, facility.municipality?.name],
    [t.address, address && `${address.street} ${address.number}, ${address.postalCode}`],
    [t.operator, facility.operator?.name],
    [t.holder, facility.holder?.name],
    [t.project, facility.projectCode],
    [t.rooms, roomWords.join("; ") || t.roomsNotDeclared],
    [t.bathrooms, bathrooms === null ? undefined : number(bathrooms)],
    [t.barrierFree, facility.barrierFree ? t.yes : t.no],
  ];
  const shown = all.filter(([, value]) => value);
  return h(
    "dl",
    { class: "facts" },
    ...shown.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value!))),
  );
}

function accreditations({ accreditations }: FacilityDetails, speech: Speech): HTMLElement {
  const { t } = speech;
  if (accreditations.length === 0) return h("p", {}, t.accreditationsNone);
  return list(
    accreditations.map((accreditation) => {
      const words = statusWords(accreditation, today(), speech);
      return accreditation.actNumber ? `${words} (${t.act(accreditation.actNumber)})` : words;
    }),
  );
}

function irregularities({ irregularities }: FacilityDetails, { t }: Speech): HTMLElement {
  if (irregularities.length === 0) return h("p", {}, t.irregularitiesNone);
  return list(irregularities.map(({ message, legalReference }) => `${message} (${legalReference})`));
}

function list(lines: string[]): HTMLElement {
  return h("ul", {}, ...lines.map((line) => h("li", {}, line)));
}
