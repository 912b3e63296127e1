// The letter of `graphql-transport-ws`, message by message. `validateMessage` of `graphql-ws` reads all that the hub says.
// The codes and reasons of a close are the protocol's; where it leaves the reason to the hub, the code alone is compared.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { on, once } from "node:events";
import { request } from "node:http";
import { describe, test } from "node:test";
import { GRAPHQL_TRANSPORT_WS_PROTOCOL as PROTOCOL, validateMessage } from "graphql-ws";
import WebSocket from "ws";
import { LIVE, PATIENCE, place, said, url, WHO } from "./stage.mjs";

const INIT = { type: "connection_init", payload: place.province };
const ACK = { type: "connection_ack" };

/** An open socket. */
async function dial(t, protocols = PROTOCOL) {
  const socket = new WebSocket(place.socket, protocols);
  t.after(() => socket.terminate());
  const messages = on(socket, "message", { close: ["close"] });
  const closed = once(socket, "close");
  await once(socket, "open");
  return {
    say: (...all) => all.forEach((message) => socket.send(JSON.stringify(message))),
    send: (data) => socket.send(data),
    /** The hub's next message; nothing when it has closed the socket. */
    async hear() {
      const { value } = await messages.next();
      return value && validateMessage(JSON.parse(value[0]));
    },
    /** The code and the reason with which the hub closes the socket, saying nothing else before. */
    async end() {
      assert.equal(await this.hear(), undefined);
      const [code, reason] = await closed;
      return [code, String(reason)];
    },
  };
}

/** A socket of the Province that has been acknowledged. */
async function seated(t) {
  const line = await dial(t);
  line.say(INIT);
  assert.deepEqual(await line.hear(), ACK);
  return line;
}

function subscribe(id, query, variables) {
  return { id, type: "subscribe", payload: { query, variables } };
}

describe("graphql-transport-ws", { ...PATIENCE, concurrency: true }, () => {
  for (const [what, data] of [
    ["what is no JSON", "{"],
    ["a list", JSON.stringify([INIT])],
    ["a message without a type", "{}"],
    ["an unknown message", '{"type":"start","id":"1"}'],
    ["a subscribe without an id", JSON.stringify({ type: "subscribe", payload: { query: WHO } })],
    ["a subscribe without a document", '{"type":"subscribe","id":"1","payload":{}}'],
    ["a complete without an id", '{"type":"complete"}'],
    ["a message of the hub's", '{"type":"next","id":"1","payload":{}}'],
    ["binary", Buffer.from(JSON.stringify(subscribe("1", WHO)))],
  ]) {
    test(`${what} closes with 4400`, async (t) => {
      const line = await seated(t);
      line.send(data);
      assert.equal((await line.end())[0], 4400);
    });
  }

  test("binary instead of the first message closes with 4400", async (t) => {
    const line = await dial(t);
    line.send(Buffer.from(JSON.stringify(INIT)));
    assert.equal((await line.end())[0], 4400);
  });

  test("subscribe before connection_init closes with 4401", async (t) => {
    const line = await dial(t);
    line.say(subscribe("1", WHO));
    assert.deepEqual(await line.end(), [4401, "Unauthorized"]);
  });

  test("subscribe before connection_ack is not lost", async (t) => {
    const line = await dial(t);
    line.say(INIT, subscribe("1", WHO));
    assert.deepEqual(await line.hear(), ACK);
    assert.equal((await line.hear()).type, "next");
  });

  test("a token that is not valid closes with 4401", async (t) => {
    const line = await dial(t);
    line.say({ ...INIT, payload: { authorization: "Bearer x.y.z" } });
    assert.equal((await line.end())[0], 4401);
  });

  test("no subprotocol closes with 4406", async (t) => {
    const line = await dial(t, []);
    assert.deepEqual(await line.end(), [4406, "Subprotocol not acceptable"]);
  });

  // `ws` itself gives up on a hub that chooses none of its subprotocols, so this reads the bytes.
  test("another subprotocol closes with 4406", async (t) => {
    const { headers, first } = await upgrade(t, "graphql-ws");
    assert.equal(headers["sec-websocket-protocol"], undefined);
    const bytes = await first();
    assert.equal(bytes[0], 0x88, "a close frame");
    assert.equal(bytes.readUInt16BE(2), 4406);
  });

  test("the right one among subprotocols is chosen", async (t) => {
    const { headers } = await upgrade(t, `graphql-ws, ${PROTOCOL}`);
    assert.equal(headers["sec-websocket-protocol"], PROTOCOL);
  });

  test("its header has the name that the client writes", async (t) => {
    for (const name of ["Sec-WebSocket-Protocol", "sec-websocket-protocol"]) {
      const { rawHeaders } = await upgrade(t, PROTOCOL, name);
      assert.ok(rawHeaders.includes(name), rawHeaders.join(" "));
    }
  });

  test("no connection_init in time closes with 4408", async (t) => {
    const line = await dial(t);
    assert.deepEqual(await line.end(), [4408, "Connection initialisation timeout"]);
  });

  for (const [what, id, end] of [
    ["a", "1", [4409, "Subscriber for 1 already exists"]],
    // A reason has 123 bytes at most, an id 128.
    ["an overlong", "x".repeat(128), [4409]],
  ]) {
    test(`a second subscribe under ${what} running id closes with 4409`, async (t) => {
      const facility = await place.house();
      const line = await seated(t);
      line.say(subscribe(id, LIVE, { facility }));
      assert.equal((await line.hear()).type, "next");
      line.say(subscribe(id, WHO));
      assert.deepEqual((await line.end()).slice(0, end.length), end);
    });
  }

  test("a second connection_init closes with 4429", async (t) => {
    const line = await seated(t);
    line.say(INIT);
    assert.deepEqual(await line.end(), [4429, "Too many initialisation requests"]);
  });

  test("the hub completes an answered query, and its id is free again", async (t) => {
    const line = await seated(t);
    for (let turn = 0; turn < 2; turn += 1) {
      line.say(subscribe("1", WHO));
      const payload = { data: { viewer: { role: "PROVINCE" } } };
      assert.deepEqual(await line.hear(), { id: "1", type: "next", payload });
      assert.deepEqual(await line.hear(), { id: "1", type: "complete" });
    }
  });

  test("what the client completes says nothing more, and its id is free again", async (t) => {
    const facility = await place.house();
    const line = await seated(t);
    line.say(subscribe("1", LIVE, { facility }));
    assert.equal((await line.hear()).id, "1");
    line.say({ id: "1", type: "complete" }, subscribe("2", LIVE, { facility }));
    assert.equal((await line.hear()).id, "2");
    for (const installed of [11, 12]) {
      await place.install(facility, installed);
      const { id, payload } = await line.hear();
      assert.equal(id, "2");
      assert.deepEqual(said(payload), ["CHANGED", "PLACES_INSTALLED", installed]);
    }
    line.say(subscribe("1", WHO));
    assert.deepEqual([(await line.hear()).type, (await line.hear()).type], ["next", "complete"]);
  });

  test("complete of an unknown id is no fault", async (t) => {
    const line = await seated(t);
    line.say({ id: "7", type: "complete" }, { type: "ping" });
    assert.equal((await line.hear()).type, "pong");
  });

  test("error ends an operation without complete, and its id is free again", async (t) => {
    const line = await seated(t);
    line.say(subscribe("1", "{ nothing }"));
    const { id, type, payload } = await line.hear();
    assert.deepEqual([id, type, payload[0].extensions.code], ["1", "error", "BAD_REQUEST"]);
    line.say(subscribe("1", WHO));
    assert.equal((await line.hear()).type, "next");
  });

  test("the named operation of a document is run", async (t) => {
    const line = await seated(t);
    const message = subscribe("1", `query A { nodes(ids: []) { id } } query B ${WHO}`);
    message.payload.operationName = "B";
    line.say(message);
    assert.deepEqual((await line.hear()).payload.data, { viewer: { role: "PROVINCE" } });
  });

  test("pong has the payload of its ping, before connection_init too", async (t) => {
    const payload = { at: [1, "due", null] };
    const line = await dial(t);
    line.say({ type: "ping", payload });
    assert.deepEqual(await line.hear(), { type: "pong", payload });
    line.say(INIT);
    assert.deepEqual(await line.hear(), ACK);
    line.say({ type: "ping", payload });
    assert.deepEqual(await line.hear(), { type: "pong", payload });
    line.say({ type: "pong" }, { type: "pong", payload }, { type: "ping" });
    assert.equal((await line.hear()).type, "pong");
  });
});

/** The hub's answer to an upgrade, and what it then sends by itself. */
async function upgrade(t, protocols, name = "sec-websocket-protocol") {
  const headers = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": randomBytes(16).toString("base64"),
    [name]: protocols,
  };
  const [response, socket, head] = await once(request(`${url}/graphql/ws`, { headers }).end(), "upgrade");
  t.after(() => socket.destroy());
  const first = async () => (head.length ? head : (await once(socket, "data"))[0]);
  return { headers: response.headers, rawHeaders: response.rawHeaders, first };
}
