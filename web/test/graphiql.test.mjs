import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { startHub } from "../../tests/hub.mjs";
import { fits, launchBrowser, openPage } from "./browser.mjs";

describe("GraphiQL", { timeout: 900_000 }, () => {
  let hub;
  let browser;

  before(async () => {
    hub = await startHub();
    browser = await launchBrowser();
  });

  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  const open = (t, path, options) => openPage(t, browser, hub.url, path, options);

  async function openGraphiQL(t, { fragment = "", ...rest } = {}) {
    const page = await open(t, `/graphiql/${fragment}`, rest);
    await ready(page);
    return page;
  }

  test("GraphiQL opens with its examples and its panes", async (t) => {
    const page = await openGraphiQL(t);
    const tabs = await page.getByRole("tab").allInnerTexts();
    assert.deepEqual(tabs, [
      "PostiLiberiStasera",
      "PostiLiberiPerComune",
      "AccreditamentiInScadenza",
      "DurataMedia",
      "UscitePerMotivo",
      "OccupazioneUltimoAnno",
      "UnaStrutturaDaVicino",
      "RegistraOspite",
      "AmmettiOspite",
      "OccupazioneInDiretta",
    ]);
    for (const pane of ["Documentation Explorer", "GraphiQL Explorer", "History"]) {
      await page.getByRole("button", { name: `Show ${pane}` }).click();
      await page.getByRole("button", { name: `Hide ${pane}` }).waitFor();
    }
  });

  test("the first example shows the places of each municipality", async (t) => {
    const page = await openGraphiQL(t);
    await run(page, "PostiLiberiPerComune");
    const { data } = await result(page, '"occupancy"');
    const names = data.occupancy.map((row) => row.municipality.name);
    assert.ok(names.includes("Crotone"), names.join());
    const precisions = new Set(data.occupancy.map(({ capacity }) => capacity.precision));
    assert.deepEqual([...precisions], ["EXACT"], "to a member");
  });

  test("what analysts ask is answered as it stands there", async (t) => {
    const page = await openGraphiQL(t);
    await exploreAs(page, "analyst");
    for (const [tab, holds] of [
      [
        "PostiLiberiStasera",
        ({ provincia, ordinari, minori }) =>
          provincia[0].capacity.precision === "ROUNDED" &&
          ordinari.every(({ capacity: { free, precision } }) => free !== null && precision !== "WITHHELD") &&
          minori.every(({ capacity: { free, precision } }) => free === null && precision === "WITHHELD"),
      ],
      ["AccreditamentiInScadenza", ({ accreditations }) => accreditations.totalCount > 0],
      ["DurataMedia", ({ statistics }) => statistics.roundedTo === 5 && statistics.lengthOfStay.meanDays > 0],
      [
        "UscitePerMotivo",
        ({ statistics }) => statistics.madeAt && statistics.exitsByReason.some((row) => row.count >= 5),
      ],
      [
        "OccupazioneUltimoAnno",
        ({ occupancyHistory }) =>
          occupancyHistory.length >= 12 && occupancyHistory.every(({ capacity }) => capacity.occupied % 5 === 0),
      ],
    ]) {
      await selectTab(page, tab);
      await runByKeyboard(page);
      const { data, errors } = await result(page, "{");
      assert.ok(!errors && holds(data), `${tab}: ${JSON.stringify(errors ?? data)}`);
    }
  });

  test("a hub that is no demonstration asks for a token before it is asked for the schema", async (t) => {
    const asked = [];
    const page = await open(t, "/graphiql/", {
      prepare: async (page) => {
        page.on("request", (request) => request.method() === "POST" && asked.push(request.headers().authorization));
        await page.route("**/demo/tokens.json", (route) => route.fulfill({ status: 204 }));
      },
    });
    await page.getByText("Chi chiede?").waitFor();
    assert.deepEqual(asked, []);
    const tokens = await (await fetch(`${hub.url}/demo/tokens.json`)).json();
    await page.getByLabel("Gettone", { exact: true }).fill(tokens.analyst);
    await page.getByRole("button", { name: "Usa" }).click();
    await ready(page);
    await page.waitForFunction(() => document.querySelector(".graphiql-query-editor"));
    assert.ok(asked.length > 0 && asked.every((header) => header === `Bearer ${tokens.analyst}`), asked.join());
  });

  test("the public sees neither address nor guest, the province does", async (t) => {
    const page = await openGraphiQL(t);
    await exploreAs(page, "public");
    await run(page, "UnaStrutturaDaVicino");
    const { facility } = (await result(page, '"data"')).data;
    assert.equal(facility?.address ?? null, null);
    const guests = facility?.stays?.nodes.map((stay) => stay.guest) ?? [];
    assert.ok(guests.every((guest) => guest === null));

    await exploreAs(page, "province");
    await run(page, "UnaStrutturaDaVicino");
    const { data } = await result(page, '"data"');
    assert.equal(typeof data.facility.address.street, "string");
  });

  test("a guest is refused, corrected, registered and admitted, as the examples say", async (t) => {
    const page = await openGraphiQL(t);
    await run(page, "RegistraOspite");
    const refused = (await result(page, '"registerGuest"')).data.registerGuest;
    assert.equal(refused.guest, null);
    assert.deepEqual(refused.irregularities.map(briefly), ["UNKNOWN_COUNTRY BLOCK input.citizenships.0"]);

    await setVariables(page, { citizenship: "NGA" });
    await runByKeyboard(page);
    const checked = (await result(page, '"irregularities": []')).data.registerGuest;
    assert.equal(checked.guest, null);

    await setVariables(page, { validateOnly: false });
    await runByKeyboard(page);
    const { guest } = (await result(page, '"id"')).data.registerGuest;

    // The life of the demonstration goes on: a facility may be full at this moment.
    for (const code of ["KR-F-0001", "KR-F-0002", "KR-F-0003", "KR-F-0004", "KR-F-0005"]) {
      await selectTab(page, "UnaStrutturaDaVicino");
      await setVariables(page, { code });
      await runByKeyboard(page);
      const { facility } = (await result(page, `"${code}"`)).data;
      await selectTab(page, "AmmettiOspite");
      await setVariables(page, { guest: guest.id, facility: facility.id, key: guest.id });
      await runByKeyboard(page);
      const { stay, irregularities } = (await result(page, '"admitGuest"')).data.admitGuest;
      if (stay) return assert.equal(stay.status, "OPEN");
      assert.ok(
        irregularities.map(briefly).includes("NO_FREE_PLACE BLOCK input.category"),
        JSON.stringify(irregularities),
      );
    }
    assert.fail("five facilities are full");
  });

  test("live occupancy shows the current state, then changes", async (t) => {
    const page = await openGraphiQL(t);
    await run(page, "OccupazioneInDiretta");
    const { newestFirst } = await result(page, '"CHANGED"');
    const kinds = newestFirst.map((message) => message.data.occupancyChanged.kind);
    assert.equal(kinds.at(-1), "CURRENT");
    assert.equal(kinds.at(0), "CHANGED");
  });

  test("a subscription outlives its socket", async (t) => {
    const page = await openGraphiQL(t);
    let sockets = 0;
    let notice;
    const noticed = new Promise((resolve) => (notice = resolve));
    await page.routeWebSocket("**/graphql/ws", (socket) => {
      sockets += 1;
      if (sockets === 1) socket.close({ code: 1012, reason: "restart" });
      else return noticed.then(() => void socket.connectToServer());
    });
    // Playwright routes the sockets of documents loaded after this.
    await page.reload();
    await ready(page);
    await run(page, "OccupazioneInDiretta");
    const { interruption } = await result(page, '"interruption"');
    assert.equal(interruption, "The hub closed the socket: 1012 restart. Trying again.");
    notice();
    assert.equal((await result(page, '"CURRENT"')).interruption, undefined);
    assert.equal(sockets, 2);
  });

  test("changing who asks takes the schema anew and closes the socket", async (t) => {
    const page = await openGraphiQL(t);
    const opened = page.waitForEvent("websocket");
    await run(page, "OccupazioneInDiretta");
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
    page.once("dialog", (dialog) => dialog.accept());
    const introspection = page.waitForRequest(`${hub.url}/graphql`);
    await page.goto(`${hub.url}/graphiql/#token=${token}`);
    assert.equal((await introspection).headers().authorization, `Bearer ${token}`);
    assert.equal(page.url(), `${hub.url}/graphiql/`);
    assert.equal(await page.getByLabel("Gettone", { exact: true }).inputValue(), token);
    assert.equal(await page.evaluate(() => localStorage.length), 0);
    await page.locator(".explore-as output", { hasText: "Provincia di Crotone" }).waitFor();
  });

  test("a link with a token asks before it takes the place of whoever asks", async (t) => {
    const page = await openGraphiQL(t);
    const tokens = await (await page.request.get(`${hub.url}/demo/tokens.json`)).json();
    await exploreAs(page, "analyst");
    const shown = page.waitForEvent("dialog");
    await page.evaluate((token) => (location.hash = `token=${token}`), tokens.prefecture);
    const dialog = await shown;
    assert.match(dialog.message(), /un gettone di «Prefettura di Crotone» \(Prefettura\)/);
    await dialog.dismiss();
    await ready(page);
    assert.equal(await page.getByLabel("Chi chiede").inputValue(), "analyst");
    assert.equal(page.url(), `${hub.url}/graphiql/`);
  });

  test("a token that is not valid is told as such", async (t) => {
    const prepare = (page) => page.once("dialog", (dialog) => dialog.accept());
    const page = await openGraphiQL(t, { fragment: "#token=expired", expected: /status of 401/, prepare });
    await run(page, "PostiLiberiPerComune");
    const { errors } = await result(page, '"errors"');
    assert.deepEqual(
      errors.map(({ message, extensions }) => [message, extensions.code]),
      [["the token is not valid", "UNAUTHENTICATED"]],
    );
    await run(page, "OccupazioneInDiretta");
    const live = await result(page, "socket");
    assert.match(live.errors[0].message, /^The hub closed the socket: 4401 Unauthorized\. Choose anew who asks/);
  });

  test("a hub that is gone is told as such", async (t) => {
    const page = await openGraphiQL(t, { expected: /ERR_CONNECTION_REFUSED|status of 502/ });
    await page.route("**/graphql", (route) => route.abort("connectionrefused"));
    await run(page, "PostiLiberiPerComune");
    assert.deepEqual(await result(page, "does not answer"), {
      errors: [{ message: "The hub does not answer. Is it running?" }],
    });
    await page.route("**/graphql", (route) => route.fulfill({ status: 502, body: "<h1>Bad Gateway</h1>" }));
    await runByKeyboard(page);
    assert.match((await result(page, "502")).errors[0].message, /^This is not the hub's answer/);
  });

  for (const [width, height] of [
    [1280, 800],
    [390, 844],
  ]) {
    test(`nothing is cut off at ${width} by ${height}`, async (t) => {
      const page = await openGraphiQL(t, { viewport: { width, height } });
      await run(page, "UnaStrutturaDaVicino");
      await result(page, '"facility"');
      assert.ok(await fits(page), "GraphiQL");
      for (const part of [".graphiql-query-editor", ".graphiql-editor-tool", ".graphiql-response"]) {
        const box = await page.locator(part).boundingBox();
        assert.ok(box.width > 300 || box.width > width / 3, `${part} is ${box.width} wide`);
        assert.ok(box.x >= 0 && box.x + box.width <= width, `${part} is beside the page`);
        assert.ok(box.y >= 0 && box.y + box.height <= height, `${part} is below the page`);
      }
    });
  }
});

async function ready(page) {
  await page.waitForFunction(() => globalThis.__MONACO?.editor.getEditors().length >= 4);
}

async function exploreAs(page, viewer) {
  await page.getByLabel("Chi chiede").selectOption(viewer);
  await ready(page);
}

/** The header that the introspection carries once `viewer` is chosen. */
async function authorizationAfter(page, viewer) {
  const introspection = page.waitForRequest((request) => request.postData()?.includes("__schema"));
  await exploreAs(page, viewer);
  return (await introspection).headers().authorization;
}

async function run(page, tab) {
  await selectTab(page, tab);
  await page.getByRole("button", { name: "Execute query" }).click();
}

/** Runs what is in the current tab as the examples say: by Ctrl-Enter, the cursor in the query. */
async function runByKeyboard(page) {
  await page.evaluate(begin);
  await page.keyboard.press("Control+Enter");
}

async function selectTab(page, name) {
  await page.getByRole("tab", { name }).click();
  await page.getByRole("tab", { name, selected: true }).waitFor();
}

/** Changes variables of the current tab. Not by keyboard, as Monaco closes brackets and quotes by itself. */
async function setVariables(page, changes) {
  await page.evaluate((changes) => {
    const models = globalThis.__MONACO.editor.getModels();
    const variables = models.find((model) => model.uri.path.endsWith("variables.json"));
    variables.setValue(JSON.stringify({ ...JSON.parse(variables.getValue()), ...changes }, null, 2));
  }, changes);
}

/** Runs in the page: puts the cursor into the query, and empties the result pane for what comes next. */
function begin() {
  const { getEditors, getModels } = globalThis.__MONACO.editor;
  getModels()
    .find((model) => model.uri.path.endsWith("response.json"))
    .setValue("");
  getEditors()
    .find((editor) => editor.getModel()?.uri.path.endsWith("operation.graphql"))
    .focus();
}

function briefly({ code, severity, path }) {
  return `${code} ${severity} ${path}`;
}

/** The answer in the result pane, once it contains `text`. */
async function result(page, text) {
  const shown = await page.waitForFunction(resultWith, text);
  return JSON.parse(await shown.jsonValue());
}

/** Runs in the page, where only Monaco's model has the whole text: it draws the lines in sight. */
function resultWith(text) {
  const models = globalThis.__MONACO.editor.getModels();
  const shown = models.find((model) => model.uri.path.endsWith("response.json")).getValue();
  return shown.includes(text) && shown;
}
