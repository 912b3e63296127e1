// The dashboard of a demonstration of one's own, and what its tests ask and wait for.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before } from "node:test";
import { startDemo } from "../../tests/hub.mjs";
import { launchBrowser, openPage } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
export const CROTONE = "101010";

/** Starts a demonstration and a browser for the tests of the `describe` around, and hands back what they work with. */
export function dashboard() {
  const own = {};

  before(async () => {
    // One of its own, since it is halted.
    own.hub = await startDemo();
    own.browser = await launchBrowser();
    own.tokens = await (await fetch(`${own.hub.url}/demo/tokens.json`)).json();
  });

  after(async () => {
    await own.browser?.close();
    await own.hub?.stop();
  });

  /** The page, once it shows numbers. `as` is a role of the demonstration; without one, the public looks. */
  async function open(t, { path = "/", as, locale = "it-IT", ...options } = {}) {
    const prepare = async (page) => {
      if (as) await page.addInitScript((role) => sessionStorage.setItem("tavolo.as", role), as);
      await options.prepare?.(page);
    };
    const page = await openPage(t, own.browser, own.hub.url, path, { locale, ...options, prepare });
    await page.locator('.status[data-phase="live"]').waitFor();
    await page
      .locator(path === "/" ? ".municipalities tbody tr" : ".facility dl")
      .first()
      .waitFor();
    return page;
  }
  /** Takes a place of Crotone out of service, and returns the block. */
  async function blockPlace() {
    const { facilities } = await ask(
      `{ facilities(filter: { municipality: "${CROTONE}", freePlacesAtLeast: 1 }, first: 1) { nodes { id capacity { category free } } } }`,
    );
    const [{ id, capacity }] = facilities.nodes;
    const { category } = capacity.find(({ free }) => free > 0);
    const { blockPlaces } = await ask(`mutation { blockPlaces(input: {
      facility: "${id}", category: ${category}, places: 1, reason: WORKS }) { block { id } } }`);
    return blockPlaces.block.id;
  }

  /** Registers a facility with eight accredited places for minors in a municipality that has no other places. */
  async function registerMinors(municipality) {
    const { facilities, municipalities } = await ask(
      "{ facilities(first: 1) { nodes { operator { id } holder { id } } } municipalities { name istatCode } }",
    );
    const { istatCode } = municipalities.find(({ name }) => name === municipality);
    const [{ operator, holder }] = facilities.nodes;
    const { registerFacility } = await ask(`mutation { registerFacility(input: {
      name: "Casa dei Ragazzi", type: MINORS_COMMUNITY, municipality: "${istatCode}",
      operator: "${operator.id}", holder: "${holder.id}",
      address: { street: "Via della Prova", number: "1", postalCode: "88819" } })
      { facility { id } irregularities { code path } } }`);
    assert.ok(registerFacility.facility, JSON.stringify(registerFacility));
    const { id } = registerFacility.facility;
    const places = "category: UNACCOMPANIED_MINOR";
    await ask(
      `mutation { installPlaces(input: { facility: "${id}", ${places}, installed: 8 }) { irregularities { code } } }`,
    );
    const { submitAccreditation } = await ask(`mutation { submitAccreditation(input: {
      facility: "${id}", places: [{ ${places}, places: 8 }] }) { accreditation { id } } }`);
    await ask(`mutation { decideAccreditation(input: {
      accreditation: "${submitAccreditation.accreditation.id}", outcome: ACCREDITED }) { irregularities { code } } }`);
  }

  /** So many guests leave Crotone. */
  async function discharge(guests) {
    const { facilities } = await ask(
      `{ facilities(filter: { municipality: "${CROTONE}", category: ORDINARY }, first: 20) {
        nodes { stays(first: 20, status: OPEN) { nodes { id } } } } }`,
    );
    const stays = facilities.nodes.flatMap(({ stays }) => stays.nodes).slice(0, guests);
    assert.equal(stays.length, guests);
    for (const { id } of stays) {
      await ask(
        `mutation { dischargeGuest(input: { stay: "${id}", reason: TERM_EXPIRED }) { irregularities { code } } }`,
      );
    }
  }

  /** Asks the hub as the Province. */
  async function ask(query) {
    const response = await fetch(`${own.hub.url}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${own.tokens.province}`, "content-type": "application/json" },
      body: JSON.stringify({ query }),
    });
    const { data, errors } = await response.json();
    assert.equal(errors, undefined);
    return data;
  }

  /** Occupied places of Crotone as the hub says and as the page shows. */
  async function occupied(page) {
    const { occupancy } = await ask(
      "{ occupancy(groupBy: MUNICIPALITY) { municipality { istatCode } capacity { occupied } } }",
    );
    const { capacity } = occupancy.find((group) => group.municipality.istatCode === CROTONE);
    const row = page.getByRole("row", { name: /^Crotone / }).first();
    return { hub: String(capacity.occupied), page: await row.locator(".col-occupied").innerText() };
  }

  /** Waits until the page shows what the hub says. The life of the demonstration goes on between the two questions. */
  async function agrees(page) {
    await until(async () => {
      const { hub, page: onPage } = await occupied(page);
      return hub === onPage;
    });
  }

  async function differs(page) {
    await until(async () => {
      const { hub, page: onPage } = await occupied(page);
      return hub !== onPage;
    });
  }

  return Object.assign(own, { open, blockPlace, registerMinors, discharge, ask, agrees, differs });
}

/** Looks at what the hub tells a page over its socket, and tells the page more. */
export function routed(look) {
  const route = {
    prepare: (page) =>
      page.routeWebSocket("**/graphql/ws", (socket) => {
        const server = socket.connectToServer();
        route.tell = (message) => socket.send(JSON.stringify(message));
        server.onMessage((text) => {
          look(JSON.parse(text));
          socket.send(text);
        });
      }),
  };
  return route;
}

/** Asks again until the answer is yes; the limit of the tests ends what never comes. */
export async function until(condition) {
  while (!(await condition()));
}

export async function shown(page, selector) {
  return page.locator(selector).first().innerText();
}

/** What has the focus, by its name. */
export async function focused(page) {
  return page.evaluate(() => document.activeElement.ariaLabel ?? document.activeElement.innerText);
}

export async function accessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert.deepEqual(found, []);
}
