// The caches of Apollo Client and of urql, each with the recipe of `examples/cache`: two widgets that show different fields
// of one facility cost two requests, and what one of them is told later the other one shows.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { ApolloClient, gql, HttpLink, InMemoryCache } from "@apollo/client";
import { Client, fetchExchange } from "@urql/core";
import { cacheExchange } from "@urql/exchange-graphcache";
import { buildSchema, introspectionFromSchema, isObjectType } from "graphql";
import { CACHE as APOLLO } from "../../examples/cache/apollo.mjs";
import { CACHE as URQL } from "../../examples/cache/urql.mjs";
import { PATIENCE, place } from "./stage.mjs";

const PLAN = `query Plan($id: ID!) {
  facility(by: { id: $id }) {
    id name address { street } municipality { id name } occupancy { installed }
    capacity { id category installed blocks { id places } }
  }
}`;
const PEOPLE = `query People($id: ID!) {
  facility(by: { id: $id }) {
    id code address { number } municipality { id population } occupancy { free ...Numbers }
    capacity { id occupied ...Numbers }
  }
}
fragment Numbers on PlaceNumbers { allocable precision }`;
const INSTALL = `mutation Install($input: InstallPlacesInput!) {
  installPlaces(input: $input) { outcome facility { id occupancy { installed } capacity { id installed } } }
}`;

const schema = buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));

/** A second is long for whoever would ask again at once. */
const quiet = () => new Promise((done) => setTimeout(done, 1_000));

/** `fetch` as the Province, and how often it was used. */
function counted() {
  const used = { times: 0 };
  const asked = (url, init) => {
    used.times += 1;
    return fetch(url, { ...init, headers: { ...init.headers, ...place.province } });
  };
  return [asked, used];
}

/** What two widgets show in the end, and how many requests it took. */
async function twoWidgets(watch, act, used) {
  const id = await place.house();
  const [plan, people] = [{}, {}];
  watch(PLAN, { id }, (shown) => Object.assign(plan, shown));
  watch(PEOPLE, { id }, (shown) => Object.assign(people, shown));
  await quiet();
  assert.equal(used.times, 2);
  assert.equal(plan.facility.capacity[0].installed, 10);
  assert.equal(people.facility.capacity[0].allocable, 0);
  await act(INSTALL, { input: { facility: id, category: "ORDINARY", installed: 12 } });
  await quiet();
  assert.equal(used.times, 3, "the act is the third, and nobody asks again");
  assert.equal(plan.facility.capacity[0].installed, 12);
  assert.equal(plan.facility.occupancy.installed, 12);
  assert.deepEqual([people.facility.address.number, plan.facility.address.street], ["7", "Via dei Gelsomini"]);
}

describe("two widgets with different fields of one facility", PATIENCE, () => {
  test("cost Apollo two requests", async () => {
    const [asked, used] = counted();
    const client = new ApolloClient({
      cache: new InMemoryCache(APOLLO),
      link: new HttpLink({ uri: place.graphql, fetch: asked }),
    });
    const watches = [];
    const watch = (query, variables, show) => {
      const watched = client.watchQuery({ query: gql(query), variables });
      watches.push(watched.subscribe({ next: ({ data }) => data && show(data) }));
    };
    await twoWidgets(watch, (mutation, variables) => client.mutate({ mutation: gql(mutation), variables }), used);
    watches.forEach((own) => own.unsubscribe());
    client.stop();
  });

  test("cost urql two requests", async () => {
    const [asked, used] = counted();
    const client = new Client({
      url: place.graphql,
      exchanges: [cacheExchange({ ...URQL, schema: introspectionFromSchema(schema) }), fetchExchange],
      fetch: asked,
      preferGetMethod: false,
    });
    const watches = [];
    const watch = (query, variables, show) => {
      watches.push(client.query(query, variables).subscribe(({ data }) => data && show(data)));
    };
    await twoWidgets(watch, (mutation, variables) => client.mutation(mutation, variables).toPromise(), used);
    watches.forEach((own) => own.unsubscribe());
  });
});

test("the recipes know every type of the contract that has no id", () => {
  const own = Object.values(schema.getTypeMap()).filter((type) => isObjectType(type) && !type.name.startsWith("__"));
  // Pages and payloads are of one request; the roots are no objects.
  const part = (name) =>
    /(Connection|Edge|Payload|PageInfo)$/.test(name) || /^(Query|Mutation|Subscription)$/.test(name);
  const without = own.filter((type) => !type.getFields().id && !part(type.name)).map((type) => type.name);
  const known = (names) => names.filter((name) => !part(name)).sort();
  assert.deepEqual(known(Object.keys(APOLLO.typePolicies)), without.sort());
  assert.deepEqual(known(Object.keys(URQL.keys)), without.sort());
  for (const [name, objects] of Object.entries(APOLLO.possibleTypes)) {
    const possible = schema.getPossibleTypes(schema.getType(name)).map((type) => type.name);
    assert.deepEqual([...objects].sort(), possible.sort(), name);
  }
});
