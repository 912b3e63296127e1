// GraphQL over HTTP, as the audits and the client of `graphql-http` see it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { createClient, serverAudits } from "graphql-http";
import { PATIENCE, place, WHO } from "./stage.mjs";

const AUDITS = 61;

for (const [who, headers] of [
  ["the public", {}],
  ["the Province", place.province],
]) {
  describe(`the audits of graphql-http, for ${who}`, PATIENCE, () => {
    const fetchFn = (url, init) => fetch(url, { ...init, headers: { ...init?.headers, ...headers } });
    const audits = serverAudits({ url: place.graphql, fetchFn });

    test(`there are ${AUDITS}`, () => assert.equal(audits.length, AUDITS));
    for (const { id, name, fn } of audits) {
      test(`${id} ${name}`, async () => {
        const { status, reason } = await fn();
        assert.equal(status, "ok", reason);
      });
    }
  });
}

/** The one result of a query, by the client of `graphql-http`. */
function ask(headers) {
  const client = createClient({ url: place.graphql, headers, retryAttempts: 0 });
  return new Promise((next, error) => client.subscribe({ query: WHO }, { next, error, complete() {} }));
}

describe("the client of graphql-http", PATIENCE, () => {
  test("asks as the Province", async () => {
    assert.deepEqual((await ask(place.province)).data, { viewer: { role: "PROVINCE" } });
  });

  test("is told that its token is not valid", async () => {
    await assert.rejects(ask({ authorization: "Bearer x.y.z" }), ({ response }) => response.status === 401);
  });
});
