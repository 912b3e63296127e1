import { CloseCode, createClient, type Client } from "graphql-ws";

/** The hub's close code for a token that is not, or no longer, valid. */
export const UNAUTHENTICATED = 4401;

const LONGEST_WAIT_MS = 15_000;

/** A connection that carries nothing is asked this often whether the hub is still there … */
const PING_EVERY_MS = 10_000;

/** … and given up when nobody answers within this. */
const PONG_WITHIN_MS = 5_000;

/** An address of the hub. `root` leads from the page to the hub, wherever a proxy has put both. */
export function address(root: string, path: string): string {
  return new URL(root + path, location.href).href;
}

/** What says who asks, in the headers of a request and in the first message of a socket. */
export function credentials(token: string | undefined): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}

/** A socket that opens when something is asked, and comes back by itself with all that was asked over it. */
export function openSocket(root: string, token: string | undefined): Client {
  const socket = createClient({
    url: address(root, "graphql/ws").replace(/^http/, "ws"),
    connectionParams: credentials(token),
    keepAlive: PING_EVERY_MS,
    retryAttempts: Infinity,
    retryWait: backOff,
    // Forbidden stays forbidden. A refused connection is no CloseEvent, yet the hub may come back.
    shouldRetry: (fault) => !(fault instanceof CloseEvent && fault.code === CloseCode.Forbidden),
  });
  let silent: ReturnType<typeof setTimeout>;
  socket.on("ping", (received) => {
    if (!received) silent = setTimeout(() => socket.terminate(), PONG_WITHIN_MS);
  });
  socket.on("pong", () => clearTimeout(silent));
  socket.on("closed", () => clearTimeout(silent));
  return socket;
}

/** Doubles from half a second; the random part keeps a restarted hub from meeting everybody at once. */
async function backOff(retries: number): Promise<void> {
  const wait = Math.min(500 * 2 ** retries, LONGEST_WAIT_MS);
  await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
}
