/**
 * The dashboard. It is a partner like any other: all it knows it asks the graph for, over one socket.
 *
 * `hub.ts` asks, `live.ts` takes the answers into the store, and the views draw the store. Choosing another
 * viewer begins anew; choosing another language lays out the same data anew.
 */
import "bootstrap-italia/dist/css/bootstrap-italia.min.css";
import "./dashboard.css";
import { adoptFragment, demoTokens, PUBLIC, recall, remember, type Viewer } from "../viewer";
import { openHub, type Connection, type Hub } from "./hub";
import { recallLanguage, rememberLanguage, speak, type Language } from "./language";
import { goLive } from "./live";
import { layOut, type Page } from "./page";
import { Store } from "./store";

/** From the page to the hub. */
const ROOT = "./";

let hub: Hub | undefined;
let page: Page | undefined;
let language = recallLanguage();

await adopt();
const demo = await demoTokens(ROOT);
begin(recall(demo) ?? { as: PUBLIC });

addEventListener("hashchange", async () => {
  if (await adopt()) begin(recall(demo) ?? { as: PUBLIC });
  else page?.go();
});

function adopt(): Promise<boolean> {
  return adoptFragment(ROOT, speak(language).t);
}

/** Shows what this viewer may see. Nothing of what another was told is kept. */
function begin(viewer: Viewer): void {
  hub?.close();
  let connection: Connection = { phase: "connecting" };
  let shown: Page;
  const store = new Store(() => shown.draw(connection));
  const asked = openHub(ROOT, viewer.token, (next) => {
    const back = connection.phase === "lost" && next.phase === "live";
    connection = next;
    if (back) shown.refresh();
    store.redraw();
  });

  function lay(): void {
    shown = layOut(document.body, { speech: speak(language), store, hub: asked, demo, viewer, become, speakIn });
    page = shown;
    store.redraw();
  }

  function speakIn(next: Language): void {
    rememberLanguage((language = next));
    lay();
    document.querySelector<HTMLElement>(`.languages [lang="${next}"]`)?.focus();
  }

  hub = asked;
  lay();
  goLive(asked, store);
}

function become(viewer: Viewer): void {
  remember(viewer);
  begin(viewer);
}
