/** Tells who listens rather than looks what came of an act, and now and then how the numbers move, if they do. */
import { h, write } from "./dom";
import type { Speech } from "./language";
import type { Data } from "./store";

const APART_MS = 30_000;

export function announcer({ t, people }: Speech) {
  const element = h("p", { class: "visually-hidden", role: "status" });
  let toldAt = performance.now();
  let told: string | undefined;
  return {
    element,
    say: (words: string) => write(element, words),
    update({ province }: Data) {
      // What is not told cannot have moved.
      if (!province || province.capacity.precision === "WITHHELD") return;
      const { free, occupied, precision } = province.capacity;
      const words = t.announcement(people(free, precision), people(occupied, precision));
      // What stands on the page when it opens is read there.
      told ??= words;
      if (words === told || performance.now() < toldAt + APART_MS) return;
      toldAt = performance.now();
      write(element, (told = words));
    },
  };
}
