/** How the people among some places are told to the viewer. The graph says it; the page says it in words. */
import type { NumbersPrecision } from "./graph/contract";

/** Whether a number is the nearest of its steps and not the number itself. */
export function isCoarse(precision: NumbersPrecision): boolean {
  return precision === "ROUNDED" || precision === "BANDED";
}
