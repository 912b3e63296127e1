/** Occupancy over time, from the ledger, and going on as the numbers change. */
import { today } from "../accreditation";
import { arrange, h, Keyed, mark, write } from "../dom";
import type { HistoryStep, OccupancyFilter } from "../graph/contract";
import { historyDocument } from "../graph/documents";
import type { Places } from "../graph/types";
import { isMember, type Data } from "../store";
import { chart, type Point } from "./chart";
import type { Desk, View } from "./view";

/** Whose places the history is of. */
export interface Subject {
  name: string;
  filter?: OccupancyFilter;
  /** Its places as they are now. */
  now(data: Data): Places | undefined;
}

type Period = "day" | "month" | "year";

const DAY_MS = 86_400_000;
const PERIODS: Record<Period, { length: number; every: HistoryStep }> = {
  day: { length: DAY_MS, every: "HOUR" },
  month: { length: 30 * DAY_MS, every: "DAY" },
  year: { length: 365 * DAY_MS, every: "WEEK" },
};

/** The chart is drawn anew so often at most. */
const DRAWN_APART_MS = 1000;

/** So many points at most are added to a period while the page is open. */
const FINEST = 1000;

export class HistoryView implements View {
  readonly element: Element;
  private readonly heading = h("h2", { id: "history-heading" });
  private readonly state = h("p", { class: "quiet" });
  private readonly told;
  private readonly choice;
  private readonly chart;
  private readonly table;
  private period: Period = "month";
  private points: Point[] = [];
  private requests = 0;
  private drawnAt = -Infinity;
  private readOn = "";

  constructor(
    private readonly desk: Desk,
    private subject: Subject,
  ) {
    this.chart = chart(desk.speech);
    this.table = valuesTable(desk);
    this.told = h("p", { class: "quiet", hidden: true }, desk.speech.t.historyTold);
    this.choice = periodChoice(desk, this.period, (period) => {
      this.period = period;
      void this.load();
    });
    this.element = h(
      "section",
      { class: "history", "aria-labelledby": "history-heading" },
      this.heading,
      this.choice.element,
      this.state,
      this.chart.element,
      this.told,
      this.table.element,
    );
    void this.load();
  }

  show(subject: Subject): void {
    this.subject = subject;
    void this.load();
  }

  refresh(): void {
    void this.load();
  }

  update(data: Data): void {
    const now = this.subject.now(data);
    const member = isMember(data);
    // Hours are for members; for others the page need not ask in vain.
    this.choice.day.hidden = !member;
    this.told.hidden = member || data.viewer === undefined;
    const resting = this.desk.store.paused || performance.now() < this.drawnAt + DRAWN_APART_MS;
    if (!now || resting || this.points.length === 0) return;
    if (now.precision === "DAY_BEFORE") {
      // It is no present: the history has it already, and goes on when the day is over.
      if (this.readOn !== today()) void this.load();
      return;
    }
    const { occupied, allocable, precision } = now;
    this.drawnAt = performance.now();
    this.points = extend(this.points, { at: Date.now(), occupied, allocable, precision }, this.period);
    this.draw();
  }

  private async load(): Promise<void> {
    const { t } = this.desk.speech;
    const request = ++this.requests;
    this.points = [];
    this.readOn = today();
    write(this.heading, this.subject.filter ? t.historyOf(this.subject.name) : t.history);
    write(this.state, t.historyLoading);
    const { points, words } = await readHistory(this.desk, this.subject, this.period);
    // Somebody else's history has been asked for meanwhile.
    if (request !== this.requests) return;
    this.points = points;
    write(this.state, words);
    this.draw();
    // The present comes at its end.
    this.desk.store.redraw();
  }

  private draw(): void {
    this.chart.draw(this.points);
    this.table.update(this.points);
  }
}

/** What the ledger says; else, in words, why it says nothing. */
async function readHistory({ hub, speech: { t } }: Desk, { filter }: Subject, period: Period) {
  const { length, every } = PERIODS[period];
  const to = Date.now();
  try {
    const variables = { filter, from: iso(to - length), to: iso(to), every };
    const { occupancyHistory } = await hub.ask(historyDocument, variables);
    const points = (occupancyHistory ?? []).map(({ at, capacity }): Point => ({ at: Date.parse(at), ...capacity }));
    return { points, words: points.length === 0 ? t.historyEmpty : "" };
  } catch (fault) {
    return { points: [], words: t.unanswered((fault as Error).message) };
  }
}

/** The history with the present at its end. Points that are very near take each other's place. */
function extend(points: readonly Point[], now: Point, period: Period): Point[] {
  const { length } = PERIODS[period];
  const kept = points.filter(({ at }) => at >= now.at - length);
  const [last, beforeLast] = [kept.at(-1), kept.at(-2)];
  if (last && beforeLast && now.at - beforeLast.at < length / FINEST) kept.pop();
  return [...kept, now];
}

function periodChoice({ speech: { t } }: Desk, first: Period, choose: (period: Period) => void) {
  const buttons = (Object.keys(PERIODS) as Period[]).map((period) => {
    const button = h("button", { type: "button", class: "btn btn-xs", "aria-pressed": String(period === first) });
    button.hidden = PERIODS[period].every === "HOUR";
    write(button, t.periods[period]);
    button.addEventListener("click", () => {
      for (const other of buttons) mark(other, "aria-pressed", String(other === button));
      choose(period);
    });
    return button;
  });
  const element = h("div", { class: "choice", role: "group", "aria-label": t.period }, ...buttons);
  return { element, day: buttons[0]! };
}

/** The same values for whoever does not see the chart. */
function valuesTable({ speech }: Desk) {
  const { t } = speech;
  const body = h("tbody");
  const rows = new Keyed<Point, HTMLTableRowElement>(({ at, occupied, allocable, precision }) => ({
    element: h(
      "tr",
      {},
      h("th", { scope: "row" }, speech.moment(new Date(at))),
      h("td", {}, speech.people(occupied, precision)),
      h("td", {}, speech.number(allocable)),
    ),
    patch() {},
  }));
  const heads = [t.moment, t.occupied, t.allocable].map((text) => h("th", { scope: "col" }, text));
  const table = h("table", { class: "table table-sm" }, h("thead", {}, h("tr", {}, ...heads)), body);
  const element = h("details", { class: "values" }, h("summary", {}, t.historyTable), table);
  let latest: Point[] = [];
  const fill = () =>
    element.open && arrange(body, rows.update(latest.map((point) => [String(point.at), point])).reverse());
  element.addEventListener("toggle", fill);
  return {
    element,
    update(points: Point[]) {
      latest = points;
      fill();
    },
  };
}

function iso(time: number): string {
  return new Date(time).toISOString();
}
