import type { Hub } from "../hub";
import type { Speech } from "../language";
import type { Data, Store } from "../store";

/** A part of the page. It is made once for a language and a viewer, and then brought up to date. */
export interface View {
  element: Element;
  update(data: Data): void;
  /** What it had asked for may have changed while the connection was lost. */
  refresh?(): void;
}

/** What the views share. */
export interface Desk {
  speech: Speech;
  store: Store;
  hub: Hub;
  /** ISTAT code of the municipality that the reader has chosen. */
  chosen: string | undefined;
  choose(istatCode: string | undefined): void;
  /** Tells who listens what came of an act of theirs. */
  announce(words: string): void;
}
