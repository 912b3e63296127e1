import { createGraphiQLFetcher, type Fetcher, type FetcherParams, type Observable } from "@graphiql/toolkit";
import { getOperationAST, parse, type ExecutionResult } from "graphql";
import { CloseCode, createClient, type Client, type SubscribePayload } from "graphql-ws";

/** Messages of a subscription that the result pane keeps. */
const KEPT_MESSAGES = 50;

const LONGEST_WAIT_MS = 15_000;

/** The hub as one viewer sees it: queries by HTTP, subscriptions by a socket that opens when needed. */
export interface Hub {
  fetcher: Fetcher;
  /** Ends what still runs: requests are given up, the socket is closed. */
  close(): void;
}

export function connect(token: string | undefined): Hub {
  const headers: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {};
  const running = new AbortController();
  const socket = createClient({
    url: new URL("../graphql/ws", location.href).href.replace(/^http/, "ws"),
    connectionParams: headers,
    lazy: true,
    retryAttempts: Infinity,
    retryWait: backOff,
    // Forbidden stays forbidden. A refused connection is no CloseEvent, yet the hub may come back.
    shouldRetry: (fault) => !(fault instanceof CloseEvent && fault.code === CloseCode.Forbidden),
  });
  const post = createGraphiQLFetcher({
    url: "../graphql",
    headers,
    fetch: (url, request) => fetch(url, { ...request, signal: running.signal }),
    // The hub answers in one piece; the plain fetcher also asks for `application/graphql-response+json`.
    enableIncrementalDelivery: false,
  });
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

/**
 * A subscription as a log, newest message first. GraphiQL would show the last message only, and of
 * two that come together nobody would ever see the first.
 */
function follow(socket: Client, params: FetcherParams): Observable<ExecutionResult> {
  let received = 0;
  let newestFirst: ExecutionResult[] = [];
  return {
    subscribe(pane: Pane) {
      const unsubscribe = socket.subscribe(params as SubscribePayload, {
        next(message) {
          received += 1;
          newestFirst = [message as ExecutionResult, ...newestFirst].slice(0, KEPT_MESSAGES);
          pane.next({ received, newestFirst } as ExecutionResult);
        },
        error: (fault) => pane.error(fault instanceof CloseEvent ? closed(fault) : fault),
        complete: () => pane.complete(),
      });
      return { unsubscribe };
    },
  } as Observable<ExecutionResult>;
}

interface Pane {
  next(result: ExecutionResult): void;
  error(fault: unknown): void;
  complete(): void;
}

function closed({ code, reason }: CloseEvent): Error {
  return new Error(`The hub closed the socket: ${code} ${reason}`.trim());
}

/** Doubles from half a second; the random part keeps a restarted hub from meeting everybody at once. */
async function backOff(retries: number): Promise<void> {
  const wait = Math.min(500 * 2 ** retries, LONGEST_WAIT_MS);
  await new Promise((resolve) => setTimeout(resolve, wait * (0.5 + Math.random() / 2)));
}
