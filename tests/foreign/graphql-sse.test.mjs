// Subscriptions over server-sent events, as the client of `graphql-sse`, a plain `fetch` and an EventSource read them.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { EventSource } from "eventsource";
import { createClient } from "graphql-sse";
import { ask, hear, LIVE, MUTATION, PATIENCE, place, said, WHO } from "./stage.mjs";

const ROLE = { data: { viewer: { role: "PROVINCE" } } };

function open(t, headers = place.province) {
  const client = createClient({ url: place.stream, headers, retryAttempts: 0 });
  t.after(() => client.dispose());
  return client;
}

describe("the client of graphql-sse", PATIENCE, () => {
  test("asks, and the hub completes", async (t) => {
    assert.deepEqual(await ask(open(t), WHO), [ROLE]);
  });

  test("is the public without a token", async (t) => {
    assert.deepEqual(await ask(open(t, {}), WHO), [{ data: { viewer: { role: "PUBLIC" } } }]);
  });

  test("gets the state, then each change, until it ends a stream; others go on", async (t) => {
    const facility = await place.house();
    const client = open(t);
    const heard = [];
    const [first, second] = [0, 1].map((stream) =>
      client.iterate({ query: LIVE, variables: { facility } }, { message: () => heard.push(stream) }),
    );
    for (const live of [first, second]) assert.deepEqual(await hear(live), ["CURRENT", null, 10]);
    await place.install(facility, 11);
    for (const live of [first, second]) assert.deepEqual(await hear(live), ["CHANGED", "PLACES_INSTALLED", 11]);
    await first.return();
    for (const installed of [12, 13]) {
      await place.install(facility, installed);
      assert.deepEqual(await hear(second), ["CHANGED", "PLACES_INSTALLED", installed]);
    }
    assert.deepEqual(heard.toSorted(), [0, 0, 1, 1, 1, 1]);
  });

  test("is told of a document that does not fit, and the stream is complete", async (t) => {
    const [answer, ...more] = await ask(open(t), "subscription { weatherChanged }");
    assert.equal(answer.errors[0].extensions.code, "BAD_REQUEST");
    assert.ok(!("data" in answer), "nothing was executed");
    assert.deepEqual(more, []);
  });

  test("is told that its token is not valid", async (t) => {
    const client = open(t, { authorization: "Bearer x.y.z" });
    await assert.rejects(ask(client, WHO), ({ response }) => response.status === 401);
  });

  test("cannot send a mutation", async (t) => {
    await assert.rejects(ask(open(t), MUTATION), ({ response }) => response.status === 405);
  });
});

describe("server-sent events", PATIENCE, () => {
  const headers = { accept: "text/event-stream", ...place.province };
  const ways = {
    POST: (body, signal) =>
      fetch(place.stream, {
        method: "POST",
        headers: { ...headers, "content-type": "application/json" },
        body: JSON.stringify(body),
        signal,
      }),
    GET: ({ query, variables = {} }, signal) =>
      fetch(`${place.stream}?${new URLSearchParams({ query, variables: JSON.stringify(variables) })}`, {
        headers,
        signal,
      }),
  };

  for (const [method, send] of Object.entries(ways)) {
    test(`a query by ${method} is one next and one complete`, async () => {
      const response = await send({ query: WHO });
      assert.equal(response.status, 200);
      assert.match(response.headers.get("content-type"), /^text\/event-stream\b/);
      assert.match(response.headers.get("cache-control"), /^no-(cache|store)$/);
      assert.equal(response.headers.get("content-encoding"), null);
      const [next, complete] = (await response.text()).split(/(?<=\n\n)/);
      assert.equal(next, `event: next\ndata: ${JSON.stringify(ROLE)}\n\n`);
      assert.match(complete, /^event: complete\ndata: ?\n\n$/);
    });

    test(`a subscription by ${method} sends each event whole, as it happens`, async (t) => {
      const facility = await place.house();
      const control = new AbortController();
      t.after(() => control.abort());
      const response = await send({ query: LIVE, variables: { facility } }, control.signal);
      const chunks = response.body.pipeThrough(new TextDecoderStream())[Symbol.asyncIterator]();
      for (const installed of [10, 11]) {
        const { value } = await chunks.next();
        const [, data] = value.match(/^event: next\ndata: (.*)\n\n$/);
        assert.equal(said(JSON.parse(data)).at(-1), installed);
        if (installed === 10) await place.install(facility, 11);
      }
    });
  }

  test("an EventSource, as browsers have it, hears next and complete", async (t) => {
    const source = new EventSource(`${place.stream}?${new URLSearchParams({ query: WHO })}`);
    t.after(() => source.close());
    const heard = [];
    await new Promise((resolve) => {
      for (const type of ["next", "complete", "error"]) {
        source.addEventListener(type, ({ data }) => {
          heard.push([type, data]);
          if (type !== "next") resolve();
        });
      }
    });
    assert.deepEqual(heard, [
      ["next", '{"data":{"viewer":{"role":"PUBLIC"}}}'],
      ["complete", ""],
    ]);
  });
});
