import type { Fetcher, FetcherOpts, FetcherParams, Observable } from "@graphiql/toolkit";
import { getOperationAST, parse, type ExecutionResult } from "graphql";
import type { Client, SubscribePayload } from "graphql-ws";
import { address, credentials, openSocket, UNAUTHENTICATED } from "./socket";

/** Messages of a subscription that the result pane keeps. */
const KEPT_MESSAGES = 50;

/** From the GraphiQL page to the hub. */
export const ROOT = "../";

/** The hub as one viewer sees it: queries by HTTP, subscriptions by a socket that opens when needed. */
export interface Hub {
  fetcher: Fetcher;
  /** Ends what still runs: requests are given up, the socket is closed. */
  close(): void;
}

export function connect(token: string | undefined): Hub {
  const headers = credentials(token);
  const running = new AbortController();
  const socket = openSocket(ROOT, token);
  function post(request: FetcherParams, options?: FetcherOpts) {
    return answer(address(ROOT, "graphql"), {
      method: "POST",
      headers: {
        accept: "application/graphql-response+json, application/json",
        "content-type": "application/json",
        ...headers,
        ...options?.headers,
      },
      body: JSON.stringify(request),
      signal: running.signal,
    });
  }
  return {
    fetcher: (params, options) => {
      const operation = operationOf(params);
      const request = { ...params, operationName: operation?.name?.value };
      return operation?.operation === "subscription" ? follow(socket, request) : post(request, options);
    },
    close() {
      running.abort({ message: "Somebody else asks now." });
      void socket.dispose();
    },
  };
}

/**
 * The operation to run. GraphiQL reads its editor 100 ms late, so right after a change of tab the name it
 * gives is of the tab before; a document with one operation needs no name.
 */
function operationOf({ query, operationName }: FetcherParams) {
  try {
    const document = parse(query);
    return getOperationAST(document, operationName) ?? getOperationAST(document);
  } catch {
    // It does not parse: the hub says where and why.
    return null;
  }
}

/** The hub's answer, whatever its status: its errors say more than that. What is no answer is told as an error. */
async function answer(url: string, request: RequestInit): Promise<ExecutionResult> {
  let response: Response | undefined;
  try {
    response = await fetch(url, request);
    return await response.json();
  } catch (fault) {
    if (request.signal?.aborted) throw fault;
    const message = response
      ? `This is not the hub's answer, but something's in between: ${response.status} ${response.statusText}`.trim()
      : "The hub does not answer. Is it running?";
    return { errors: [{ message }] } as unknown as ExecutionResult;
  }
}

/**
 * A subscription as a log, newest message first. GraphiQL would show the last message only, and of
 * two that come together nobody would ever see the first.
 */
function follow(socket: Client, params: FetcherParams): Observable<ExecutionResult> {
  let received = 0;
  let newestFirst: ExecutionResult[] = [];
  let interruption: string | undefined;
  return {
    subscribe(pane: Pane) {
      const show = () => pane.next({ interruption, received, newestFirst } as ExecutionResult);
      const unsubscribe = socket.subscribe(params as SubscribePayload, {
        next(message) {
          received += 1;
          newestFirst = [message as ExecutionResult, ...newestFirst].slice(0, KEPT_MESSAGES);
          show();
        },
        // An object, as GraphiQL would show the stack of an `Error`.
        error: (fault) => end(() => pane.error(fault instanceof CloseEvent ? { message: closed(fault) } : fault)),
        complete: () => end(() => pane.complete()),
      });
      const unlisten = [
        socket.on("closed", (event) => {
          interruption = `${closed(event as CloseEvent)} Trying again.`;
          show();
        }),
        socket.on("connected", () => {
          if (!interruption) return;
          interruption = undefined;
          show();
        }),
      ];
      function end(tell: () => void) {
        for (const forget of unlisten) forget();
        tell();
      }
      return { unsubscribe: () => end(unsubscribe) };
    },
  } as Observable<ExecutionResult>;
}

interface Pane {
  next(result: ExecutionResult): void;
  error(fault: unknown): void;
  complete(): void;
}

function closed({ code, reason }: CloseEvent): string {
  // Without a closing handshake: the hub is gone, or was never there.
  if (code === 1006) return "The hub does not answer.";
  const advice = code === UNAUTHENTICATED ? " Choose anew who asks; for fresh demo tokens, reload the page." : "";
  return `The hub closed the socket: ${`${code} ${reason}`.trim()}.${advice}`;
}
