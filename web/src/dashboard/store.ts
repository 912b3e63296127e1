/**
 * What the page knows, and who draws it.
 *
 * Changes come as they come; drawing happens between two frames and at most five times a second, since nobody
 * reads faster. Rows and totals are replaced, never changed in place: whoever draws compares references.
 */
import type { PlaceCategory } from "./graph/contract";
import type { Facility, PoolPlaces, Totals, Viewer } from "./graph/types";
import type { Movement } from "./movements";

export interface FacilityRow extends Facility {
  pools: ReadonlyMap<PlaceCategory, PoolPlaces>;
}

export interface Data {
  viewer?: Viewer;
  /** When the data are from, by the hub's clock. */
  asOf?: string;
  province?: Totals;
  categories: Map<string, Totals>;
  municipalities: Map<string, Totals>;
  /** By id; those that the viewer sees. */
  facilities: Map<string, FacilityRow>;
  /** The latest first. */
  movements: Movement[];
}

const DRAWINGS_APART_MS = 200;

export class Store {
  private readonly current: Data = {
    categories: new Map(),
    municipalities: new Map(),
    facilities: new Map(),
    movements: [],
  };
  private frozen: Data | undefined;
  private due = false;
  private lastDrawn = 0;

  constructor(private readonly draw: () => void) {}

  /** What is to be shown: what is known, or what was known when the page was paused. */
  get shown(): Data {
    return this.frozen ?? this.current;
  }

  get paused(): boolean {
    return this.frozen !== undefined;
  }

  change(apply: (data: Data) => void): void {
    apply(this.current);
    if (!this.paused) this.redraw();
  }

  pause(): void {
    const { categories, municipalities, facilities, ...rest } = this.current;
    this.frozen = {
      ...rest,
      categories: new Map(categories),
      municipalities: new Map(municipalities),
      facilities: new Map(facilities),
    };
    this.redraw();
  }

  resume(): void {
    this.frozen = undefined;
    this.redraw();
  }

  /** Has everything drawn soon. */
  redraw(): void {
    if (this.due) return;
    this.due = true;
    const wait = Math.max(0, this.lastDrawn + DRAWINGS_APART_MS - performance.now());
    setTimeout(() => requestAnimationFrame(() => this.drawNow()), wait);
  }

  private drawNow(): void {
    this.due = false;
    this.lastDrawn = performance.now();
    this.draw();
  }
}

/** Whether the viewer is of a body at the table, and so is told of people exactly and at once. */
export function isMember({ viewer }: Pick<Data, "viewer">): boolean {
  return viewer !== undefined && viewer.role !== "ANALYST" && viewer.role !== "PUBLIC";
}

/** Whether the viewer sees single facilities at all, or only totals. */
export function seesFacilities({ viewer }: Pick<Data, "viewer">): boolean {
  return viewer?.sight.some(({ classes }) => classes.includes("OPERATIONAL")) ?? false;
}
