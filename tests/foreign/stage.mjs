// The hub that the clients of this folder share, and what they need to know of it.

import assert from "node:assert/strict";
import { after } from "node:test";
import { startHub } from "../hub.mjs";

/** For a machine that is busy with other things: what is waited for comes much sooner. */
export const PATIENCE = { timeout: 120_000 };

export const WHO = "{ viewer { role } }";

export const MUTATION = 'mutation { unblockPlaces(input: { block: "x" }) { facility { id } } }';

export const LIVE = `subscription Live($facility: ID!, $after: String) {
  occupancyChanged(filter: { facility: $facility }, after: $after) {
    cursor kind cause capacity { installed }
  }
}`;

const ORGANISATIONS = `{
  operators: organisations(filter: { kind: MANAGING_BODY }, first: 1) { nodes { id } }
  holders: organisations(filter: { kind: PROVINCE }, first: 1) { nodes { id } }
}`;
const REGISTER = `mutation Register($input: RegisterFacilityInput!) {
  act: registerFacility(input: $input) { facility { id } irregularities { code severity } }
}`;
const INSTALL = `mutation Install($input: InstallPlacesInput!) {
  act: installPlaces(input: $input) { facility { id } irregularities { code severity } }
}`;

/** A hub as a client meets it: its addresses and its ready tokens. */
export class Place {
  static async at(url) {
    const place = new Place();
    const tokens = await (await fetch(`${url}/demo/tokens.json`)).json();
    place.graphql = `${url}/graphql`;
    place.stream = `${url}/graphql/stream`;
    place.socket = `${url.replace(/^http/, "ws")}/graphql/ws`;
    place.province = { authorization: `Bearer ${tokens.province}` };
    return place;
  }

  /** Asks as the Province, by HTTP POST, and hands back the data. */
  async ask(query, variables) {
    const response = await fetch(this.graphql, {
      method: "POST",
      headers: { "content-type": "application/json", ...this.province },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    assert.equal(errors, undefined);
    return data;
  }

  /** A new facility with ten places. It is not accredited, so that nobody else changes them. */
  async house() {
    const { operators, holders } = await this.ask(ORGANISATIONS);
    const input = {
      name: "Casa Forestiera",
      type: "APARTMENT",
      municipality: "101010",
      address: { street: "Via dei Gelsomini", number: "7", postalCode: "88900" },
      operator: operators.nodes[0].id,
      holder: holders.nodes[0].id,
    };
    const { act } = await this.ask(REGISTER, { input });
    assert.ok(act.facility, JSON.stringify(act.irregularities));
    await this.install(act.facility.id, 10);
    return act.facility.id;
  }

  async install(facility, installed) {
    const { act } = await this.ask(INSTALL, { input: { facility, category: "ORDINARY", installed } });
    assert.ok(act.facility, JSON.stringify(act.irregularities));
  }
}

/** What a message of `LIVE` says, in short. */
export function said({ data, errors }) {
  assert.equal(errors, undefined);
  const { kind, cause, capacity } = data.occupancyChanged;
  return [kind, cause, capacity.installed];
}

/** The next message of a running `LIVE`, in short. */
export async function hear(live) {
  return said((await live.next()).value);
}

/** All that a client of `graphql-ws` or `graphql-sse` is answered. */
export async function ask(client, query) {
  const answers = [];
  for await (const answer of client.iterate({ query })) answers.push(answer);
  return answers;
}

const hub = await startHub();
after(() => hub.stop());

export const place = await Place.at(hub.url);
export const { url } = hub;
