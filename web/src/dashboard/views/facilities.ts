/** The facilities that the viewer sees: found, sorted, and honest about what is wrong. */
import { standing, today } from "../accreditation";
import { arrange, h, Keyed, mark, write } from "../dom";
import { seesFacilities, type Data, type FacilityRow } from "../store";
import { facilitiesFilter } from "./facilities-filter";
import { drawFacility } from "./facility-row";
import { NUMBERS } from "./places";
import type { Desk, View } from "./view";

/** How often rows change places by themselves: faster, nobody could follow. */
const REARRANGED_APART_MS = 1000;

const COLUMNS = ["facility", "municipality", ...NUMBERS, "rate", "state"] as const;
type Column = (typeof COLUMNS)[number];

export function facilitiesView(desk: Desk): View {
  const { t } = desk.speech;
  const filter = facilitiesFilter(desk.speech, arrangeAnew);
  const table = facilitiesTable(desk, arrangeAnew);
  const shown = h("p", { class: "quiet" });
  const hidden = h("p", {}, t.facilitiesHidden);
  const content = h("div", {}, filter.element, shown, table.element);
  const element = h(
    "section",
    { class: "facilities", "aria-labelledby": "facilities-heading" },
    h("h2", { id: "facilities-heading" }, t.facilities),
    hidden,
    content,
  );
  let arrangedAt = -Infinity;
  let chosen: string | undefined;
  let askedFor = false;

  function arrangeAnew(): void {
    askedFor = true;
    desk.store.redraw();
  }

  function arrangeRows({ facilities }: Data, rows: Map<string, HTMLTableRowElement>): void {
    const matching = [...facilities.values()].filter(
      (row) => filter.matches(row) && (!chosen || row.municipality?.istatCode === chosen),
    );
    table.arrange(matching, rows);
    write(shown, matching.length === 0 ? t.none : t.facilitiesShown(matching.length, facilities.size));
  }

  return {
    element,
    update(data) {
      const sees = seesFacilities(data);
      hidden.hidden = sees || data.viewer === undefined;
      content.hidden = !sees;
      if (!sees) return;
      const rows = table.patch(data);
      const byReader = askedFor || chosen !== desk.chosen;
      const resting = performance.now() < arrangedAt + REARRANGED_APART_MS || table.inUse();
      if (!byReader && resting) return;
      [askedFor, chosen, arrangedAt] = [false, desk.chosen, performance.now()];
      arrangeRows(data, rows);
      if (byReader) desk.announce(shown.textContent);
    },
  };
}

function facilitiesTable({ speech }: Desk, onSort: () => void) {
  const { t, collator } = speech;
  let sorted: { by: Column; descending: boolean } = { by: "facility", descending: false };
  const body = h("tbody");
  const rows = new Keyed<FacilityRow, HTMLTableRowElement>((row) => drawFacility(row, speech));
  const headings = COLUMNS.map((column) => {
    const button = h("button", { type: "button", class: "link" }, t[column]);
    const heading = h("th", { scope: "col", class: `col-${column}` }, button);
    button.addEventListener("click", () => {
      sorted = { by: column, descending: sorted.by === column ? !sorted.descending : isNumber(column) };
      markSorted();
      onSort();
    });
    return { column, heading };
  });

  function markSorted(): void {
    for (const { column, heading } of headings) {
      const order = sorted.descending ? "descending" : "ascending";
      mark(heading, "aria-sort", column === sorted.by ? order : "none");
    }
  }

  function compare(a: FacilityRow, b: FacilityRow): number {
    const [x, y] = [sortKey(a, sorted.by), sortKey(b, sorted.by)];
    const order = typeof x === "number" ? x - (y as number) : collator.compare(x, y as string);
    return (sorted.descending ? -order : order) || a.code.localeCompare(b.code);
  }

  markSorted();
  return {
    element: h(
      "table",
      { class: "table table-sm places" },
      h("caption", { class: "visually-hidden" }, t.facilitiesCaption),
      h("thead", {}, h("tr", {}, ...headings.map(({ heading }) => heading))),
      body,
    ),
    /** Brings the rows up to date where they are. */
    patch({ facilities }: Data): Map<string, HTMLTableRowElement> {
      const elements = rows.update(facilities);
      return new Map([...facilities.keys()].map((id, at) => [id, elements[at]!]));
    },
    arrange(matching: FacilityRow[], elements: Map<string, HTMLTableRowElement>): void {
      arrange(
        body,
        matching.sort(compare).map(({ id }) => elements.get(id)!),
      );
    },
    /** Rows stay where they are while the reader is at one of them. */
    inUse: () => body.contains(document.activeElement),
  };
}

function isNumber(column: Column): boolean {
  return column !== "facility" && column !== "municipality";
}

function sortKey(row: FacilityRow, column: Column): string | number {
  switch (column) {
    case "facility":
      return row.name;
    case "municipality":
      return row.municipality?.name ?? "";
    case "rate":
      return row.occupancy.occupancyRate ?? -1;
    case "state":
      return gravity(row);
    default:
      // What is not told comes before all others, as in the graph.
      return row.occupancy[column] ?? -1;
  }
}

/** How much is wrong: over-capacity first, then what the accreditation lacks. */
function gravity(row: FacilityRow): number {
  const lacking = { missing: 2, expiring: 1, inForce: 0 }[standing(row, today())];
  return (row.occupancy.overCapacity ?? 0) * 10 + lacking;
}
