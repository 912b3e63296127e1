// A hub that stops and starts again: clients come back by themselves, and nothing is missed or repeated.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as sse from "graphql-sse";
import * as ws from "graphql-ws";
import WebSocket from "ws";
import { startDemo } from "../hub.mjs";
import { LIVE, PATIENCE, Place, said } from "./stage.mjs";

/** A subscription that hands its last cursor back whenever its client comes back. */
function follow(client, facility) {
  const variables = { facility };
  const live = client.iterate({ query: LIVE, variables });
  return async () => {
    const { value } = await live.next();
    const heard = said(value);
    variables.after = value.data.occupancyChanged.cursor;
    return heard;
  };
}

describe("a restart of the hub", PATIENCE, () => {
  test("is outlived by the clients of graphql-ws and graphql-sse", async (t) => {
    const hub = await startDemo();
    t.after(() => hub.stop());
    const place = await Place.at(hub.url);
    const facility = await place.house();
    let away;
    const closes = [];
    const socket = ws.createClient({
      url: place.socket,
      webSocketImpl: WebSocket,
      connectionParams: place.province,
      retryWait: () => away,
      on: { closed: ({ code }) => closes.push(code) },
    });
    const stream = sse.createClient({ url: place.stream, headers: place.province, retry: () => away });
    t.after(() => Promise.all([socket.dispose(), stream.dispose()]));
    const followers = [socket, stream].map((client) => follow(client, facility));
    const all = async (...expected) => {
      for (const hear of followers) assert.deepEqual(await hear(), expected);
    };

    await all("CURRENT", null, 10);
    await place.install(facility, 11);
    await all("CHANGED", "PLACES_INSTALLED", 11);

    // Nobody is back before two changes have happened.
    away = (async () => {
      await hub.halt();
      await hub.resume();
      for (const installed of [12, 13]) await place.install(facility, installed);
    })();
    for (const installed of [12, 13]) await all("CHANGED", "PLACES_INSTALLED", installed);
    assert.deepEqual(closes, [1012]);
    await place.install(facility, 14);
    await all("CHANGED", "PLACES_INSTALLED", 14);
  });
});
