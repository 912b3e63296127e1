/**
 * The bar that says whether the page is live and when its data are from.
 *
 * It is brought up to date even while the page is paused: that the connection is lost must not be hidden.
 */
import { h, mark, write } from "../dom";
import type { Connection } from "../hub";
import type { Speech } from "../language";
import type { Store } from "../store";

export function statusView(speech: Speech, store: Store, goPublic: () => void) {
  const { t } = speech;
  const phase = h("p", { class: "phase", role: "status" });
  const asOf = h("p", { class: "as-of" });
  const pause = button(t.pause, () => (store.paused ? store.resume() : store.pause()));
  const print = button(t.print, () => window.print());
  const asPublic = button(t.asPublic, goPublic);
  const element = h(
    "div",
    { class: "status", role: "region", "aria-label": t.connection },
    phase,
    asOf,
    h("div", { class: "actions" }, asPublic, pause, print),
  );
  return {
    element,
    update(connection: Connection) {
      const { paused, shown } = store;
      mark(element, "data-phase", paused && connection.phase === "live" ? "paused" : connection.phase);
      write(phase, phaseWords(connection, paused, speech));
      write(asOf, shown.asOf ? t.asOf(speech.second(shown.asOf)) : t.noData);
      write(pause, paused ? t.resume : t.pause);
      asPublic.hidden = connection.phase !== "refused";
    },
  };
}

function phaseWords(connection: Connection, paused: boolean, { t, time }: Speech): string {
  switch (connection.phase) {
    case "connecting":
      return t.connecting;
    case "live":
      return paused ? t.paused : t.live;
    case "lost":
      return t.lost(time(connection.since));
    case "refused":
      return t.refused;
    case "failed":
      return t.failed(connection.reason);
  }
}

function button(text: string, act: () => void): HTMLButtonElement {
  const element = h("button", { type: "button", class: "btn btn-outline-primary btn-xs" }, text);
  element.addEventListener("click", act);
  return element;
}
