import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { chromium } from "playwright-core";
import { startHub } from "./hub.mjs";

const CHROMIUM_FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--disable-dev-shm-usage",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const LIVE_LIMIT_MS = 60_000;

describe("the pages of the hub", { timeout: 300_000 }, () => {
  let hub;
  let browser;

  before(async () => {
    hub = await startHub();
    browser = await chromium.launch({
      executablePath: process.env.TAVOLO_CHROMIUM ?? "/usr/bin/chromium",
      args: CHROMIUM_FLAGS,
    });
  });

  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  /** A page in a session of its own, which must neither ask anybody but the hub nor complain. */
  async function open(t, path) {
    const page = await browser.newPage();
    const complaints = watch(page, hub.url);
    t.after(async () => {
      await page.close();
      assert.deepEqual(complaints, []);
    });
    await page.goto(hub.url + path);
    return page;
  }

  async function openGraphiQL(t) {
    const page = await open(t, "/graphiql/");
    await ready(page);
    return page;
  }

  test("the start page leads everywhere it says", async (t) => {
    const page = await open(t, "/");
    const links = await page.getByRole("link").evaluateAll((all) => all.map((link) => link.href));
    const paths = links.map((link) => new URL(link).pathname);
    assert.deepEqual(paths, ["/graphiql/", "/graphql/schema.graphql", "/healthz", "/readyz"]);
    for (const link of links) {
      const answer = await page.request.get(link);
      assert.equal(answer.status(), 200, link);
    }
    await page.getByRole("link", { name: "GraphiQL" }).click();
    await ready(page);
  });

  test("GraphiQL opens with its examples and its panes", async (t) => {
    const page = await openGraphiQL(t);
    const tabs = await page.getByRole("tab").allInnerTexts();
    assert.deepEqual(tabs, ["FreePlacesByMunicipality", "OneFacilityInDepth", "RegisterGuest", "LiveOccupancy"]);
    for (const pane of ["Documentation Explorer", "GraphiQL Explorer", "History"]) {
      await page.getByRole("button", { name: `Show ${pane}` }).click();
      await page.getByRole("button", { name: `Hide ${pane}` }).waitFor();
    }
  });

  test("the first example shows the places of each municipality", async (t) => {
    const page = await openGraphiQL(t);
    await run(page, "FreePlacesByMunicipality");
    const { data } = await result(page, '"occupancy"');
    const names = data.occupancy.map((row) => row.municipality.name);
    assert.ok(names.includes("Crotone"), names.join());
  });

  test("the public sees neither address nor guest, the province does", async (t) => {
    const page = await openGraphiQL(t);
    await exploreAs(page, "public");
    await run(page, "OneFacilityInDepth");
    const { facility } = (await result(page, '"data"')).data;
    assert.equal(facility?.address ?? null, null);
    const guests = facility?.stays?.nodes.map((stay) => stay.guest) ?? [];
    assert.ok(guests.every((guest) => guest === null));

    await exploreAs(page, "province");
    await run(page, "OneFacilityInDepth");
    const { data } = await result(page, '"data"');
    assert.equal(typeof data.facility.address.street, "string");
  });

  test("registering a guest names what is irregular", async (t) => {
    const page = await openGraphiQL(t);
    await page.getByRole("tab", { name: "RegisterGuest" }).click();
    // A tab with two operations: the button becomes a menu once GraphiQL has read them.
    await page.locator(".graphiql-execute-button[aria-haspopup=menu]").click();
    await page.getByRole("menuitem", { name: "RegisterGuest" }).click();
    const { data } = await result(page, '"data"');
    const codes = data.registerGuest.irregularities.map(({ code }) => code);
    assert.deepEqual(codes, ["TAX_CODE_MISMATCH"]);
  });

  test("live occupancy shows the current state, then changes", async (t) => {
    const page = await openGraphiQL(t);
    await run(page, "LiveOccupancy");
    const { newestFirst } = await result(page, '"CHANGED"', LIVE_LIMIT_MS);
    const kinds = newestFirst.map((message) => message.data.occupancyChanged.kind);
    assert.equal(kinds.at(-1), "CURRENT");
    assert.equal(kinds.at(0), "CHANGED");
  });

  test("a subscription outlives its socket", async (t) => {
    const page = await openGraphiQL(t);
    let sockets = 0;
    await page.routeWebSocket("**/graphql/ws", (socket) => {
      sockets += 1;
      if (sockets === 1) socket.close({ code: 1012, reason: "restart" });
      else socket.connectToServer();
    });
    // Playwright routes the sockets of documents loaded after this.
    await page.reload();
    await ready(page);
    await run(page, "LiveOccupancy");
    await result(page, '"CURRENT"');
    assert.equal(sockets, 2);
  });

  test("changing who asks takes the schema anew and closes the socket", async (t) => {
    const page = await openGraphiQL(t);
    const opened = page.waitForEvent("websocket");
    await run(page, "LiveOccupancy");
    const socket = await opened;
    await result(page, '"CURRENT"');

    const closed = socket.waitForEvent("close");
    assert.equal(await authorizationAfter(page, "public"), undefined);
    await closed;
    assert.equal(await page.evaluate(resultWith, ""), "");
    assert.match(await authorizationAfter(page, "province"), /^Bearer ./);
  });

  test("a token in the fragment is used and leaves the address bar", async (t) => {
    const page = await open(t, "/");
    const tokens = await (await page.request.get(`${hub.url}/demo/tokens.json`)).json();
    const token = tokens.province.token ?? tokens.province;
    const introspection = page.waitForRequest(`${hub.url}/graphql`);
    await page.goto(`${hub.url}/graphiql/#token=${token}`);
    assert.equal((await introspection).headers().authorization, `Bearer ${token}`);
    assert.equal(page.url(), `${hub.url}/graphiql/`);
    assert.equal(await page.getByLabel("Token", { exact: true }).inputValue(), token);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
  });
});

/** Collects what a page must never do: ask another origin, log an error (a CSP violation is one), throw. */
function watch(page, origin) {
  const complaints = [];
  const host = new URL(origin).host;
  const own = (url) => /^(data|blob):/.test(url) || new URL(url).host === host;
  page.on("request", (request) => own(request.url()) || complaints.push(request.url()));
  page.on("websocket", (socket) => own(socket.url()) || complaints.push(socket.url()));
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}

async function ready(page) {
  await page.waitForFunction(() => globalThis.__MONACO?.editor.getEditors().length >= 4);
}

async function exploreAs(page, viewer) {
  await page.getByLabel("Explore as").selectOption(viewer);
  await ready(page);
}

/** The header that the introspection carries once `viewer` is chosen. */
async function authorizationAfter(page, viewer) {
  const introspection = page.waitForRequest((request) => request.postData()?.includes("__schema"));
  await exploreAs(page, viewer);
  return (await introspection).headers().authorization;
}

async function run(page, tab) {
  await page.getByRole("tab", { name: tab }).click();
  await page.getByRole("button", { name: "Execute query" }).click();
}

/** The answer in the result pane, once it contains `text`. */
async function result(page, text, timeout = 15_000) {
  const shown = await page.waitForFunction(resultWith, text, { timeout });
  return JSON.parse(await shown.jsonValue());
}

/** Runs in the page, where only Monaco's model has the whole text: it draws the lines in sight. */
function resultWith(text) {
  const models = globalThis.__MONACO.editor.getModels();
  const shown = models.find((model) => model.uri.path.endsWith("response.json")).getValue();
  return shown.includes(text) && shown;
}
