/** The page for one viewer and one language: header, what the address asks for, footer. */
import typefaceLicence from "bootstrap-italia/dist/fonts/Titillium_Web/OFL.txt?url";
import type { Viewer } from "../viewer";
import { announcer } from "./announcer";
import { h, mark } from "./dom";
import type { Connection, Hub } from "./hub";
import { LANGUAGES, type Language, type Speech } from "./language";
import { facilityCode } from "./route";
import type { Store } from "./store";
import { facilityView } from "./views/facility";
import { overview } from "./views/overview";
import { statusView } from "./views/status";
import type { Desk, View } from "./views/view";
import { viewerView } from "./views/viewer";

export interface Surroundings {
  speech: Speech;
  store: Store;
  hub: Hub;
  demo: Record<string, string>;
  viewer: Viewer;
  become(viewer: Viewer): void;
  speakIn(language: Language): void;
}

export interface Page {
  draw(connection: Connection): void;
  /** Shows what the address asks for by now. */
  go(): void;
  /** After a lost connection: what was asked once is asked again. */
  refresh(): void;
}

export function layOut(body: HTMLElement, surroundings: Surroundings): Page {
  const { speech, store, hub, demo, viewer, become } = surroundings;
  const listener = announcer(speech);
  const desk: Desk = {
    speech,
    store,
    hub,
    chosen: undefined,
    choose(istatCode) {
      desk.chosen = istatCode;
      store.redraw();
    },
    announce: (words) => listener.say(words),
  };
  const status = statusView(speech, store, () => become({ as: "public" }));
  const who = viewerView(speech, demo, viewer, become);
  const main = h("main", { id: "content", class: "container-xxl", tabindex: -1 });
  let view = viewOf(desk);

  document.documentElement.lang = speech.language;
  document.title = speech.t.title;
  main.append(view.element);
  body.replaceChildren(
    skipLink(speech),
    header(surroundings, who.element),
    status.element,
    main,
    listener.element,
    footer(speech),
  );
  return {
    draw(connection) {
      status.update(connection);
      who.update(store.shown);
      view.update(store.shown);
      if (!store.paused) listener.update(store.shown);
    },
    go() {
      document.title = speech.t.title;
      view = viewOf(desk);
      main.replaceChildren(view.element);
      scrollTo(0, 0);
      main.querySelector("h1")?.focus();
      store.redraw();
    },
    refresh: () => view.refresh?.(),
  };
}

function viewOf(desk: Desk): View {
  const code = facilityCode();
  return code ? facilityView(desk, code) : overview(desk);
}

function skipLink({ t }: Speech): HTMLElement {
  const link = h("a", { class: "skip", href: "#content" }, t.skip);
  // The address behind the `#` says what is shown, so the jump is made here.
  link.addEventListener("click", (event) => {
    event.preventDefault();
    document.getElementById("content")!.focus();
  });
  return link;
}

function header({ speech, speakIn }: Surroundings, who: Element): HTMLElement {
  const { t, language } = speech;
  const languages = LANGUAGES.map((one) => {
    const button = h("button", { type: "button", lang: one }, one.toUpperCase());
    mark(button, "aria-pressed", String(one === language));
    button.addEventListener("click", () => speakIn(one));
    return button;
  });
  return h(
    "header",
    {},
    h(
      "div",
      { class: "slim" },
      h(
        "div",
        { class: "container-xxl" },
        h("p", {}, t.owner),
        h("div", { class: "languages", role: "group", "aria-label": t.language }, ...languages),
        who,
      ),
    ),
    h(
      "div",
      { class: "brand" },
      h("div", { class: "container-xxl" }, h("a", { href: "#" }, "Tavolo"), h("p", {}, t.claim)),
    ),
  );
}

function footer({ t }: Speech): HTMLElement {
  const links: [string, string][] = [
    ["graphiql/", t.footerLinks.graphiql],
    ["graphql/schema.graphql", t.footerLinks.contract],
    ["healthz", t.footerLinks.health],
    ["readyz", t.footerLinks.ready],
    ["graphiql/licenses.md", t.footerLinks.licences],
    [typefaceLicence, t.footerLinks.typeface],
  ];
  const items = links.map(([href, text]) => h("li", {}, h("a", { href }, text)));
  return h("footer", {}, h("div", { class: "container-xxl" }, h("p", {}, t.footer), h("ul", {}, ...items)));
}
