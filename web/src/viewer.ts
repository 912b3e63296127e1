import type { Role, ViewerQuery } from "./dashboard/graph/contract";
import viewerDocument from "./dashboard/graph/viewer.graphql?raw";
import type { Texts } from "./dashboard/texts/it";
import { address, credentials } from "./socket";

/**
 * Who asks, as chosen in the bar: nobody in particular, a role of the demo, or the holder of a token.
 *
 * The choice lives in sessionStorage: it ends with the browser tab, and no other tab sees it.
 */
export interface Viewer {
  /** `PUBLIC`, `OWN_TOKEN`, or the name of a demo role. */
  as: string;
  /** The token sent with every request; none for the public. */
  token?: string;
}

/** For whom the hub takes the holder of a token. */
export interface Body {
  role: Role;
  organisation: string;
}

export const PUBLIC = "public";
export const OWN_TOKEN = "token";

/** The tokens of the demo hub by role. Every other hub answers 204: then there are none. */
export async function demoTokens(root: string): Promise<Record<string, string>> {
  const response = await fetch(address(root, "demo/tokens.json"));
  if (response.status !== 200) return {};
  const byRole = Object.entries<string | { token: string }>(await response.json());
  return Object.fromEntries(byRole.map(([role, entry]) => [role, typeof entry === "string" ? entry : entry.token]));
}

/**
 * Moves a token handed over as `#token=…` into the session, and takes it out of the address bar. Says whether it did.
 *
 * A link must not decide for whom somebody acts: the reader is asked, and told which body it is.
 */
export async function adoptFragment(root: string, t: Pick<Texts, "adoptToken" | "roles">): Promise<boolean> {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return false;
  history.replaceState(null, "", location.pathname + location.search);
  if (sessionStorage.getItem("tavolo.token") !== token) {
    const body = await bodyOf(root, token);
    if (!confirm(t.adoptToken(body && { organisation: body.organisation, role: t.roles[body.role] }))) return false;
  }
  remember({ as: OWN_TOKEN, token });
  return true;
}

/** The body that a token speaks for; none when the hub does not know it, or does not answer. */
export async function bodyOf(root: string, token: string): Promise<Body | undefined> {
  try {
    const response = await fetch(address(root, "graphql"), {
      method: "POST",
      headers: { "content-type": "application/json", ...credentials(token) },
      body: JSON.stringify({ query: viewerDocument }),
    });
    const { data }: { data?: ViewerQuery | null } = await response.json();
    const viewer = data?.viewer;
    return viewer?.organisation ? { role: viewer.role, organisation: viewer.organisation.name } : undefined;
  } catch {
    return undefined;
  }
}

export function remember({ as, token }: Viewer): void {
  sessionStorage.setItem("tavolo.as", as);
  if (as === OWN_TOKEN && token) sessionStorage.setItem("tavolo.token", token);
  else sessionStorage.removeItem("tavolo.token");
}

/** The viewer chosen before in this session, if any; a role of a demo that is gone was none. */
export function recall(demo: Record<string, string>): Viewer | undefined {
  const as = sessionStorage.getItem("tavolo.as");
  const token = sessionStorage.getItem("tavolo.token") ?? undefined;
  if (as === PUBLIC) return { as };
  if (as === OWN_TOKEN) return { as, token };
  return as && Object.hasOwn(demo, as) ? { as, token: demo[as] } : undefined;
}
