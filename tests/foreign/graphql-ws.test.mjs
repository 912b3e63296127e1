// Subscriptions over a socket, as the client of `graphql-ws` lives with them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClient } from "graphql-ws";
import WebSocket from "ws";
import { ask, hear, LIVE, MUTATION, PATIENCE, place, said, WHO } from "./stage.mjs";

const PROVINCE = [{ data: { viewer: { role: "PROVINCE" } } }];

/** A client, and what it counted: the sockets it opened, and the messages it got by operation. */
function open(t, options) {
  const seen = { sockets: 0, next: new Map() };
  const client = createClient({
    url: place.socket,
    webSocketImpl: WebSocket,
    connectionParams: place.province,
    retryAttempts: 0,
    ...options,
  });
  client.on("opened", () => (seen.sockets += 1));
  client.on("message", ({ type, id }) => {
    if (type === "next") seen.next.set(id, (seen.next.get(id) ?? 0) + 1);
  });
  t.after(() => client.dispose());
  return { client, seen };
}

describe("the client of graphql-ws", PATIENCE, () => {
  test("asks, and the hub completes", async (t) => {
    const { client } = open(t, { connectionAckWaitTimeout: 10_000 });
    assert.deepEqual(await ask(client, WHO), PROVINCE);
  });

  test("is the public without a token", async (t) => {
    const { client } = open(t, { connectionParams: undefined });
    assert.deepEqual(await ask(client, WHO), [{ data: { viewer: { role: "PUBLIC" } } }]);
  });

  test("gets the state, then each change", async (t) => {
    const facility = await place.house();
    const { client } = open(t);
    const live = client.iterate({ query: LIVE, variables: { facility } });
    assert.deepEqual(await hear(live), ["CURRENT", null, 10]);
    for (const installed of [11, 12]) {
      await place.install(facility, installed);
      assert.deepEqual(await hear(live), ["CHANGED", "PLACES_INSTALLED", installed]);
    }
  });

  test("runs many operations on one socket, and one that it completes leaves the others alone", async (t) => {
    const facility = await place.house();
    const { client, seen } = open(t);
    const lives = [1, 2, 3].map(() => client.iterate({ query: LIVE, variables: { facility } }));
    for (const live of lives) assert.deepEqual(await hear(live), ["CURRENT", null, 10]);
    const [first, ...others] = lives;
    await first.return();
    for (const installed of [11, 12]) {
      await place.install(facility, installed);
      for (const live of others) assert.deepEqual(await hear(live), ["CHANGED", "PLACES_INSTALLED", installed]);
    }
    assert.deepEqual(await ask(client, WHO), PROVINCE);
    assert.deepEqual([...seen.next.values()], [1, 3, 3, 1]);
    assert.equal(seen.sockets, 1);
  });

  test("goes on where it was after its line has frozen", async (t) => {
    const facility = await place.house();
    let away;
    const { client, seen } = open(t, { retryAttempts: 1, retryWait: () => away });
    const variables = { facility };
    const live = client.iterate({ query: LIVE, variables });
    const current = (await live.next()).value;
    assert.deepEqual(said(current), ["CURRENT", null, 10]);
    variables.after = current.data.occupancyChanged.cursor;
    away = place.install(facility, 11).then(() => place.install(facility, 12));
    client.terminate();
    for (const installed of [11, 12]) assert.deepEqual(await hear(live), ["CHANGED", "PLACES_INSTALLED", installed]);
    assert.equal(seen.sockets, 2);
  });

  test("gets a pong for each ping", async (t) => {
    const { client } = open(t, { lazy: false, keepAlive: 20 });
    for (let left = 3; left > 0; left -= 1) {
      await new Promise((resolve) => {
        const forget = client.on("pong", (received) => {
          if (!received) return;
          forget();
          resolve();
        });
      });
    }
  });

  test("is told at once and for good that its token is not valid", async (t) => {
    const connectionParams = { authorization: "Bearer x.y.z" };
    const { client, seen } = open(t, { connectionParams, retryAttempts: 5, retryWait: async () => {} });
    await assert.rejects(ask(client, WHO), ({ code }) => code === 4401);
    assert.equal(seen.sockets, 1);
  });

  for (const [what, query] of [
    ["a mutation", MUTATION],
    ["a document with an unknown field", "subscription { weatherChanged }"],
    ["a document that does not parse", "subscription {"],
  ]) {
    test(`is told of ${what} by an error, and the socket goes on`, async (t) => {
      const { client, seen } = open(t, { lazy: false });
      await assert.rejects(ask(client, query), ([{ extensions }]) => extensions.code === "BAD_REQUEST");
      assert.deepEqual(await ask(client, WHO), PROVINCE);
      assert.equal(seen.sockets, 1);
    });
  }
});
