/**
 * The map of the province. To assistive technology it is a list box of the municipalities, each of which
 * says its numbers; the arrow keys move in it.
 */
import { geoMercator, geoPath } from "d3-geo";
import type { FeatureCollection } from "geojson";
import { feature } from "topojson-client";
import type { GeometryCollection, Topology } from "topojson-specification";
import boundaries from "../../../../examples/data/crotone_municipalities.topo.json";
import { h, mark, svg, write } from "../dom";
import type { Totals } from "../graph/types";
import type { Speech } from "../language";
import type { Desk, View } from "./view";

const WIDTH = 440;
const HEIGHT = 560;

/** Lower bounds of the bands of occupancy; below the first one is the band before it. */
const BANDS = [0.5, 0.7, 0.85, 1];

interface Shape {
  istatCode: string;
  name: string;
  outline: string;
  /** Where its number stands. */
  centre: [number, number];
}

/** By name. */
export const MUNICIPALITIES = shapes();

function shapes(): Shape[] {
  const topology = boundaries as unknown as Topology<{ municipalities: GeometryCollection }>;
  const collection = feature(topology, topology.objects.municipalities) as FeatureCollection;
  const path = geoPath(geoMercator().fitSize([WIDTH, HEIGHT], collection)).digits(1);
  return collection.features
    .map((municipality) => ({
      istatCode: String(municipality.properties!.com_istat_code),
      name: String(municipality.properties!.name),
      outline: path(municipality)!,
      centre: path.centroid(municipality),
    }))
    .sort((a, b) => a.name.localeCompare(b.name, "it"));
}

export function mapView(desk: Desk): View {
  const { t } = desk.speech;
  const readout = h("p", { class: "readout" }, t.mapNumbers);
  const options = MUNICIPALITIES.map((shape) => optionOf(shape, desk, readout));
  moveByKeys(options.map(({ path }) => path));
  const drawing = svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "none" },
    hatching(),
    ...options.map(({ path }) => path),
    svg("g", { "aria-hidden": "true" }, ...options.map(({ number }) => number)),
  );
  const key = legend(desk.speech);
  const element = h(
    "div",
    { class: "map" },
    h("div", { role: "listbox", "aria-label": t.mapLabel, "aria-describedby": "map-hint" }, drawing),
    readout,
    key.element,
    h("p", { class: "visually-hidden", id: "map-hint" }, t.mapHint),
    h("p", { class: "credits" }, t.mapCredits),
  );
  return {
    element,
    update({ municipalities }) {
      for (const option of options) option.update(municipalities.get(option.istatCode));
      key.untold.hidden = ![...municipalities.values()].some(({ capacity }) => capacity.precision === "WITHHELD");
    },
  };
}

function optionOf({ istatCode, name, outline, centre }: Shape, desk: Desk, readout: Element) {
  const path = svg("path", { d: outline, role: "option", "aria-selected": "false" });
  const number = svg("text", { x: centre[0], y: centre[1] });
  const tell = () => write(readout, path.getAttribute("aria-label") ?? name);
  const hush = () => write(readout, desk.speech.t.mapNumbers);
  const choose = () => desk.choose(desk.chosen === istatCode ? undefined : istatCode);
  path.addEventListener("click", choose);
  path.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    choose();
  });
  for (const begin of ["pointerenter", "focus"]) path.addEventListener(begin, tell);
  for (const end of ["pointerleave", "blur"]) path.addEventListener(end, hush);
  return {
    istatCode,
    path,
    number,
    update(totals: Totals | undefined) {
      mark(path, "class", band(totals));
      mark(path, "aria-label", words(name, totals, desk.speech));
      mark(path, "aria-selected", String(desk.chosen === istatCode));
      mark(number, "class", band(totals));
      // Without "about": the map is small, and its words and the table say it.
      write(number, totals ? desk.speech.people(totals.capacity.free, "EXACT") : "");
    },
  };
}

/** One of the options takes part in the order of the tab key; the arrows move on. */
function moveByKeys(paths: SVGPathElement[]): void {
  paths.forEach((path, at) => {
    path.setAttribute("tabindex", at === 0 ? "0" : "-1");
    path.addEventListener("focus", () => {
      for (const other of paths) mark(other, "tabindex", other === path ? "0" : "-1");
    });
    path.addEventListener("keydown", (event) => {
      const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: -1 }[
        event.key
      ];
      if (to === undefined) return;
      event.preventDefault();
      paths.at(to % paths.length)!.focus();
    });
  });
}

function band(totals: Totals | undefined): string {
  if (!totals) return "none";
  const { occupancyRate: rate, overCapacity, precision } = totals.capacity;
  if (precision === "WITHHELD") return "untold";
  if (rate === null) return "none";
  if (overCapacity) return "over";
  return `band-${BANDS.filter((bound) => rate >= bound).length}`;
}

function words(name: string, totals: Totals | undefined, { t, people, rate }: Speech): string {
  if (!totals) return t.noPlacesIn(name);
  const { free, occupied, allocable, overCapacity, precision } = totals.capacity;
  if (precision === "WITHHELD") return t.notToldIn(name, allocable);
  const places = t.placesIn(
    name,
    people(free, precision),
    people(occupied, precision),
    allocable,
    rate(totals.capacity),
  );
  const told = precision === "EXACT" ? places : `${places}, ${t.told[precision]}`;
  return overCapacity ? `${told}. ${t.overCapacity(people(overCapacity, precision))}` : told;
}

function legend({ t }: Speech) {
  const bands = t.bands.map((text, at) => ({ text, swatch: `band-${at}` }));
  const all = [...bands, { text: t.over, swatch: "over" }, { text: t.noPlaces, swatch: "none" }];
  const item = ({ text, swatch }: { text: string; swatch: string }) =>
    h("li", {}, h("span", { class: `swatch ${swatch}`, "aria-hidden": "true" }), text);
  const untold = item({ text: t.notTold, swatch: "untold" });
  return { element: h("ul", { class: "legend", "aria-label": t.legend }, ...all.map(item), untold), untold };
}

/** What is over capacity is hatched as well: a colour alone would not be seen by everybody. */
function hatching(): SVGDefsElement {
  const pattern = {
    id: "hatching",
    width: 7,
    height: 7,
    patternUnits: "userSpaceOnUse",
    patternTransform: "rotate(45)",
  };
  return svg(
    "defs",
    {},
    svg(
      "pattern",
      pattern,
      svg("rect", { class: "hatching-ground", width: 7, height: 7 }),
      svg("rect", { class: "hatching-line", width: 3, height: 7 }),
    ),
  );
}
