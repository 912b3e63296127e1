/** The drawing of a history. uPlot draws on a canvas; the table below it says the same to everybody. */
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { h, write } from "../dom";
import type { NumbersPrecision } from "../graph/contract";
import type { Speech } from "../language";

export interface Point {
  /** Milliseconds since 1970. */
  at: number;
  /** Null where it was not told. */
  occupied: number | null;
  allocable: number;
  precision: NumbersPrecision;
}

const HEIGHT = 260;

export function chart(speech: Speech) {
  const { t } = speech;
  const canvas = h("div", { class: "canvas", "aria-hidden": "true" });
  const readout = h("p", { class: "readout" });
  const keys = (["occupied", "allocable"] as const).map((series) =>
    h("li", {}, h("span", { class: `swatch ${series}`, "aria-hidden": "true" }), t[series]),
  );
  const element = h("div", { class: "chart" }, canvas, h("ul", { class: "legend" }, ...keys), readout);
  let points: Point[] = [];
  let plot: uPlot | undefined;

  const tell = (at: number | null | undefined) => {
    const point = points[at ?? points.length - 1];
    write(readout, point ? pointWords(point, speech) : "");
  };

  function draw(next: Point[]): void {
    points = next;
    const columns = [points.map(({ at }) => at / 1000), points.map((p) => p.occupied), points.map((p) => p.allocable)];
    if (plot) plot.setData(columns as uPlot.AlignedData);
    else if (canvas.clientWidth > 0)
      plot = new uPlot(options(canvas, speech, tell), columns as uPlot.AlignedData, canvas);
    tell(undefined);
  }

  new ResizeObserver(() => {
    if (plot) plot.setSize({ width: canvas.clientWidth, height: HEIGHT });
    else if (points.length > 0) draw(points);
  }).observe(canvas);
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    matchMedia(query).addEventListener("change", () => plot?.redraw(false, true));
  }
  return { element, draw };
}

function pointWords({ at, occupied, allocable, precision }: Point, { t, moment, people }: Speech): string {
  const when = moment(new Date(at));
  return occupied === null ? t.notToldIn(when, allocable) : t.historyAt(when, people(occupied, precision), allocable);
}

function options(canvas: HTMLElement, speech: Speech, tell: (at: number | null | undefined) => void): uPlot.Options {
  const colour = (name: string) => () => getComputedStyle(canvas).getPropertyValue(name);
  const axis: uPlot.Axis = {
    stroke: colour("--quiet"),
    grid: { stroke: colour("--line"), width: 1 },
    ticks: { stroke: colour("--line"), width: 1 },
    font: "13px Titillium Web, sans-serif",
  };
  const paths = uPlot.paths.stepped!({ align: 1 });
  return {
    width: canvas.clientWidth,
    height: HEIGHT,
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Europe/Rome"),
    legend: { show: false },
    cursor: { y: false, drag: { x: false } },
    scales: { y: { range: (_plot, _least, most) => [0, Math.max(1, Math.ceil(most * 1.08))] } },
    axes: [
      { ...axis, values: (_plot, splits, _at, _space, increment) => splits.map((s) => tick(s, increment, speech)) },
      { ...axis, size: 44, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000] },
    ],
    series: [
      {},
      { stroke: colour("--accent"), fill: colour("--accent-soft"), width: 2, paths, points: { show: false } },
      { stroke: colour("--quiet"), width: 2, dash: [6, 4], paths, points: { show: false } },
    ],
    hooks: { setCursor: [(plot) => tell(plot.cursor.idx)] },
  };
}

/** Days where the ticks are days apart, hours where they are nearer. */
function tick(seconds: number, increment: number, speech: Speech): string {
  const date = new Date(seconds * 1000);
  return increment >= 86_400 ? speech.shortDay(date) : speech.hour(date);
}
