import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { fits } from "./browser.mjs";
import { accessible, dashboard, focused, shown, until } from "./dashboard.mjs";

const FIRST_PAINT_BYTES = 150_000;
/** What the browser says of a hub that is not there. */
const NO_HUB = /WebSocket connection to|ERR_CONNECTION_REFUSED/;

describe("the dashboard in use", { timeout: 900_000 }, () => {
  const stage = dashboard();

  test("facilities are sorted and filtered", async (t) => {
    const page = await stage.open(t, { as: "province" });
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    const heading = page.getByRole("columnheader", { name: "Liberi" }).last();
    await heading.getByRole("button").click();
    await page.locator('.facilities th.col-free[aria-sort="descending"]').waitFor();
    await page.waitForFunction(() => {
      const free = [...document.querySelectorAll(".facilities td.col-free")].map((cell) => Number(cell.textContent));
      return free.every((places, at) => at === 0 || places <= free[at - 1]);
    });

    await page.getByLabel("Cerca").fill("0005");
    await page.locator("main").getByText("1 di 20 strutture").waitFor();
    await page.getByLabel("Cerca").fill("");
    await page.locator(".facilities").getByLabel("Categoria").selectOption("UNACCOMPANIED_MINOR");
    await page
      .locator("main")
      .getByText(/^\d+ di 20 strutture$/)
      .waitFor();
    await page.locator(".facilities").getByLabel("Categoria").selectOption("");
    await page.getByRole("button", { name: "Crotone", exact: true }).click();
    await page.locator("main").getByText("10 di 20 strutture").waitFor();
  });

  test("over-capacity and a suspended accreditation are told in words", async (t) => {
    const page = await stage.open(t, { as: "province" });
    const name = page.getByRole("row", { name: /KR-F-0003/ });
    await name.waitFor();
    assert.match(await name.innerText(), /Accreditat/);
    const { facility } = await stage.ask(
      '{ facility(by: { code: "KR-F-0003" }) { accreditation { id } capacity { occupied } } }',
    );
    const { accreditation } = facility;
    await stage.ask(`mutation { suspendAccreditation(input: { accreditation: "${accreditation.id}", reason: "Verifica" })
      { irregularities { code } } }`);
    await page.getByRole("row", { name: /KR-F-0003.*Accreditamento sospeso/ }).waitFor();
    await page.getByRole("row", { name: /KR-F-0003.*Oltre la capienza di \d+/ }).waitFor();
    await page.locator(".filter").getByLabel("Mostra").selectOption("over");
    await page.locator("main").getByText("1 di 20 strutture").waitFor();

    await stage.ask(`mutation { decideAccreditation(input: { accreditation: "${accreditation.id}", outcome: ACCREDITED })
      { irregularities { code } } }`);
    await page.locator("main").getByText("Nessuna struttura corrisponde.").waitFor();
  });

  test("an expired accreditation is told in words, and found", async (t) => {
    // On the demonstration nothing expires for a year: on the way to the page, everything has.
    const expire = (text) =>
      text
        .replaceAll(/"accreditation":\{.*?\}/g, '"accreditation":null')
        .replaceAll(
          /"status":"ACCREDITED"(.*?)"validUntil":"[\d-]+"/g,
          '"status":"EXPIRED"$1"validUntil":"2020-03-01"',
        );
    const prepare = (page) =>
      page.routeWebSocket("**/graphql/ws", (socket) => {
        const server = socket.connectToServer();
        server.onMessage((message) => socket.send(expire(String(message))));
      });
    const page = await stage.open(t, { as: "province", prepare });
    await page.getByRole("row", { name: /KR-F-0002.*Accreditamento scaduto il 1 mar 2020/ }).waitFor();
    await page.locator(".filter").getByLabel("Mostra").selectOption("accreditation");
    await page.locator("main").getByText("20 strutture", { exact: true }).waitFor();
    await accessible(page);
  });

  test("movements appear as they happen", async (t) => {
    const page = await stage.open(t, { as: "province" });
    const before = await shown(page, ".as-of");
    await page.locator(".movements li").nth(1).waitFor();
    assert.match(await shown(page, ".movements li"), /(Arrivo|Uscita|Posti|blocco|Accreditamento)/);
    await page.waitForFunction((text) => document.querySelector(".as-of").textContent !== text, before);
  });

  test("the past is drawn, told as a table, and goes on", async (t) => {
    const page = await stage.open(t, { as: "province" });
    await page.getByText("I valori in tabella").click();
    const rows = page.locator(".values tbody tr");
    await rows.nth(29).waitFor();
    assert.ok(await page.locator(".chart canvas").isVisible());
    await until(async () => {
      const [past, now] = [await shown(page, ".values tbody td"), await shown(page, ".figure.occupied .value")];
      return past === now;
    });
    await page.getByRole("button", { name: "Metti in pausa" }).click();
    await page.getByRole("button", { name: "un anno" }).click();
    await page.locator('.choice [aria-pressed="true"]', { hasText: "un anno" }).waitFor();
    await rows.nth(51).waitFor();
    await page.getByRole("button", { name: "24 ore" }).click();
    await page.waitForFunction(() => {
      const shown = document.querySelectorAll(".values tbody tr").length;
      return shown >= 24 && shown <= 27;
    });
  });

  test("a lost connection is shown and caught up with, without a reload", async (t) => {
    const asked = [];
    const prepare = (page) =>
      page.on("websocket", (socket) => socket.on("framesent", ({ payload }) => asked.push(String(payload))));
    const page = await stage.open(t, { as: "province", expected: NO_HUB, prepare });
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    await page.evaluate(() => (window.notReloaded = true));

    await stage.hub.halt();
    try {
      await page.getByText(/^Collegamento perso alle \d\d:\d\d:\d\d/).waitFor();
      assert.ok(await page.locator(".facilities tbody tr").first().isVisible(), "what was known stays");
      await accessible(page);
    } finally {
      asked.length = 0;
      await stage.hub.resume();
    }
    await page.locator('.status[data-phase="live"]').waitFor();
    assert.equal(await page.evaluate(() => window.notReloaded), true);
    const again = asked.find((frame) => frame.includes("occupancyChanged"));
    assert.match(JSON.parse(again).payload.variables.after, /\S/);
    await stage.agrees(page);
  });

  test("it can be paused, and then says so", async (t) => {
    const page = await stage.open(t, { as: "province" });
    await page.locator(".chart canvas").waitFor();
    await page.getByRole("button", { name: "Metti in pausa" }).click();
    await page.getByText("In pausa", { exact: true }).waitFor();
    const frozen = await page.locator("main").innerText();
    await stage.differs(page);
    assert.equal(await page.locator("main").innerText(), frozen);
    await accessible(page);
    await page.getByRole("button", { name: "Riprendi" }).click();
    await stage.agrees(page);
  });

  test("it speaks the browser's language, or the one that was chosen", async (t) => {
    const page = await stage.open(t, { locale: "en-GB" });
    await page.getByRole("heading", { name: "The municipalities" }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    await page.getByRole("button", { name: "IT", exact: true }).click();
    await page.getByRole("heading", { name: "I comuni" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "I comuni" }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "it");

    const other = await stage.open(t, { locale: "de-DE" });
    await other.getByRole("heading", { name: "I comuni" }).waitFor();
  });

  test("the keyboard reaches everything", async (t) => {
    const page = await stage.open(t, { as: "province" });
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    await page.keyboard.press("Tab");
    assert.equal(await focused(page), "Vai al contenuto");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    assert.match(await focused(page), /^Belvedere di Spinello: nessun posto/);
    await page.keyboard.press("ArrowDown");
    assert.match(await focused(page), /^Caccuri: /);
    await page.keyboard.press("End");
    assert.match(await focused(page), /^Verzino: /);
    await page.keyboard.press("Enter");
    await page.locator('.map [aria-selected="true"]').waitFor();
    await page.getByRole("heading", { name: "Andamento: Verzino" }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator('.municipalities tbody [aria-pressed="true"]').waitFor();
    await page.locator(".facilities th.col-rate button").focus();
    await page.keyboard.press("Space");
    await page.locator('.facilities th.col-rate[aria-sort="descending"]').waitFor();
  });

  test("on paper there is nothing to press", async (t) => {
    const page = await stage.open(t, { as: "province", colorScheme: "dark" });
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    for (const control of [".actions", ".filter", ".languages", ".viewer", ".choice"]) {
      assert.equal(await page.locator(control).first().isVisible(), false, control);
    }
    assert.ok(await page.locator(".as-of").isVisible());
    const colours = await page.evaluate(() => {
      const { backgroundColor, color } = getComputedStyle(document.body);
      return [backgroundColor, color];
    });
    assert.deepEqual(colours, ["rgb(255, 255, 255)", "rgb(23, 50, 77)"]);
  });

  test("nothing is cut off on a telephone", async (t) => {
    const page = await stage.open(t, { as: "province", viewport: { width: 360, height: 740 } });
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    assert.ok(await fits(page), "the province");
    await page.getByText(/^Chi guarda:/).click();
    assert.ok(await fits(page), "who looks");
    await page.goto(`${stage.hub.url}/#/facility/KR-F-0005`);
    await page.locator(".about").waitFor();
    assert.ok(await fits(page), "a facility");
    const ofPublic = await stage.open(t, { viewport: { width: 360, height: 740 } });
    assert.ok(await fits(ofPublic), "the public");
  });

  for (const state of [
    { name: "the public" },
    { name: "the public in the dark", colorScheme: "dark" },
    { name: "the public on a telephone", viewport: { width: 360, height: 740 } },
    { name: "an analyst", as: "analyst" },
    { name: "an analyst in the dark", as: "analyst", colorScheme: "dark" },
    { name: "the Province, in English", as: "province", locale: "en-GB" },
    { name: "the Province in the dark", as: "province", colorScheme: "dark" },
    { name: "a facility", as: "province", path: "/#/facility/KR-F-0005" },
    { name: "a facility in the dark", as: "province", path: "/#/facility/KR-F-0005", colorScheme: "dark" },
    { name: "the Province on a telephone", as: "province", viewport: { width: 360, height: 740 } },
  ]) {
    test(`axe finds nothing wrong: ${state.name}`, async (t) => {
      const page = await stage.open(t, state);
      if (state.as) await page.locator(".facilities tbody tr, .about").first().waitFor();
      await accessible(page);
      await page.getByText(/^(Chi guarda|Who looks):/).click();
      for (const details of await page.locator("details.values summary").all()) await details.click();
      await page.getByRole("button", { name: "Crotone", exact: true }).or(page.locator(".about")).first().click();
      await accessible(page);
    });
  }

  test("all that is loaded weighs less than 150 kB compressed", async (t) => {
    const weights = {};
    const prepare = (page) =>
      page.on("response", async (response) => {
        const body = await response.body();
        weights[new URL(response.url()).pathname] = gzipSync(body, { level: 6 }).length;
      });
    const page = await stage.open(t, { as: "province", prepare });
    await page.evaluate(() => document.fonts.ready);
    await page.waitForLoadState("networkidle");
    const total = Object.values(weights).reduce((sum, bytes) => sum + bytes, 0);
    t.diagnostic(`${total} bytes`);
    assert.ok(
      Object.keys(weights).some((path) => path.endsWith(".woff2")),
      "the typeface is counted",
    );
    assert.ok(total < FIRST_PAINT_BYTES, JSON.stringify(weights, null, 2));
  });

  test("a municipality with protected places alone is not among the totals of the public", async (t) => {
    await stage.registerMinors("Verzino");
    const page = await stage.open(t);
    await page.getByRole("row", { name: /^Crotone / }).waitFor();
    assert.equal(await page.getByRole("row", { name: /^Verzino/ }).count(), 0);
    assert.doesNotMatch(await page.locator("main").innerText(), /NaN|null|undefined/);
    await accessible(page);

    const member = await stage.open(t, { as: "province" });
    await member.getByRole("row", { name: /^Verzino \d \d 0 0 8 \d+\s?%$/ }).waitFor();
  });

  test("the footer leads everywhere it says", async (t) => {
    const page = await stage.open(t);
    const links = await page.locator("footer a").evaluateAll((all) => all.map((link) => link.href));
    const paths = links.map((link) => new URL(link).pathname);
    assert.deepEqual(paths.slice(0, 4), ["/graphiql/", "/graphql/schema.graphql", "/healthz", "/readyz"]);
    for (const link of links) {
      const answer = await page.request.get(link);
      assert.equal(answer.status(), 200, link);
    }
  });
});
