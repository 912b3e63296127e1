/**
 * The hub as one viewer sees it. This is all that a partner's page needs to know of the protocol:
 * one socket, over which questions are asked and changes followed.
 */
import type { Client, SubscribePayload } from "graphql-ws";
import { CloseCode } from "graphql-ws";
import { openSocket, UNAUTHENTICATED } from "../socket";
import type { Document } from "./graph/documents";

export type Connection =
  | { phase: "connecting" }
  | { phase: "live" }
  /** Since then nothing is heard; the socket tries again by itself. */
  | { phase: "lost"; since: Date }
  /** The token is not, or no longer, valid. */
  | { phase: "refused" }
  /** The hub does not understand what is asked: it says why. */
  | { phase: "failed"; reason: string };

export interface Hub {
  /** Asks once. After a lost connection it is asked again, until there is an answer; a refusal is an error. */
  ask<Answer, Variables>(document: Document<Answer, Variables>, variables: Variables): Promise<Answer>;
  /**
   * Follows a subscription as long as the hub is open. After a lost connection it is asked again, with the
   * variables as they are by then: a getter for `after` goes on where the last message left off.
   */
  follow<Answer, Variables>(
    document: Document<Answer, Variables>,
    variables: Variables,
    take: (data: Answer) => void,
  ): void;
  close(): void;
}

export function openHub(root: string, token: string | undefined, tell: (connection: Connection) => void): Hub {
  const socket = openSocket(root, token);
  let open = true;
  const notify = (connection: Connection) => open && tell(connection);
  watch(socket, notify);

  function subscribe<Answer, Variables>(
    query: Document<Answer, Variables>,
    variables: Variables,
    take: (data: Answer) => void,
    fail: (reason: string) => void,
  ) {
    return socket.subscribe<Answer>({ query, variables } as SubscribePayload, {
      next({ data, errors }) {
        if (data) take(data);
        else if (errors) fail(messages(errors));
      },
      // A socket that was closed for good has been told of by `watch`.
      error: (fault) => Array.isArray(fault) && fail(messages(fault)),
      complete() {},
    });
  }

  return {
    ask: (document, variables) =>
      new Promise((answer, refuse) => subscribe(document, variables, answer, (reason) => refuse(new Error(reason)))),
    follow: (document, variables, take) =>
      subscribe(document, variables, take, (reason) => notify({ phase: "failed", reason })),
    close() {
      open = false;
      void socket.dispose();
    },
  };
}

function watch(socket: Client, tell: (connection: Connection) => void): void {
  let since: Date | undefined;
  socket.on("connected", () => {
    since = undefined;
    tell({ phase: "live" });
  });
  socket.on("closed", (event) => {
    const code = (event as CloseEvent).code;
    const refused = code === UNAUTHENTICATED || code === CloseCode.Forbidden;
    // Every attempt in vain is closed as well: it is lost since the first.
    since ??= new Date();
    tell(refused ? { phase: "refused" } : { phase: "lost", since });
  });
}

function messages(errors: readonly { message: string }[]): string {
  return errors.map(({ message }) => message).join("; ");
}
