import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { after, before, describe, test } from "node:test";
import { gzipSync } from "node:zlib";
import { startDemo } from "../../tests/hub.mjs";
import { fits, launchBrowser, openPage } from "./browser.mjs";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FIRST_PAINT_BYTES = 150_000;
const CROTONE = "101010";
/** What the browser says of a hub that is not there. */
const NO_HUB = /WebSocket connection to|ERR_CONNECTION_REFUSED/;

describe("the dashboard", { timeout: 900_000 }, () => {
  let hub;
  let browser;
  let tokens;

  before(async () => {
    // One of its own, since it is halted.
    hub = await startDemo();
    browser = await launchBrowser();
    tokens = await (await fetch(`${hub.url}/demo/tokens.json`)).json();
  });

  after(async () => {
    await browser?.close();
    await hub?.stop();
  });

  /** The page, once it shows numbers. `as` is a role of the demonstration; without one, the public looks. */
  async function open(t, { path = "/", as, locale = "it-IT", ...options } = {}) {
    const prepare = async (page) => {
      if (as) await page.addInitScript((role) => sessionStorage.setItem("tavolo.as", role), as);
      await options.prepare?.(page);
    };
    const page = await openPage(t, browser, hub.url, path, { locale, ...options, prepare });
    await page.locator('.status[data-phase="live"]').waitFor();
    await page
      .locator(path === "/" ? ".municipalities tbody tr" : ".facility dl")
      .first()
      .waitFor();
    return page;
  }

  test("anonymous people see totals, and neither facility nor address", async (t) => {
    const told = [];
    const prepare = (page) =>
      page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => told.push(String(payload))));
    const page = await open(t, { prepare });
    // A hub that begins with a table publishes what anybody is told of it a moment later.
    await page
      .locator(".figure.free .value")
      .getByText(/^circa \d+$/)
      .waitFor();
    assert.ok((await page.locator(".province tbody tr").count()) >= 3);
    const names = await page.locator(".municipalities tbody th button").allInnerTexts();
    assert.ok(names.includes("Crotone"), names.join());
    await page.getByText("le vede chi ha un gettone").waitFor();
    assert.equal(await page.locator(".facilities table").isVisible(), false);
    const block = await blockPlace();
    await page.locator(".movements li").getByText("1 posto bloccato in più").first().waitFor();
    await ask(`mutation { unblockPlaces(input: { block: "${block}" }) { irregularities { code } } }`);
    await page.locator(".movements li").getByText("1 posto bloccato in meno").first().waitFor();
    assert.doesNotMatch(told.join(), /KR-F-|street/);
  });

  test("the public is told of people in steps, and how", async (t) => {
    const page = await open(t);
    const [, steps] = (await shown(page, ".figure.occupied .value")).match(/^circa (\d+)$/);
    assert.equal(steps % 5, 0);
    assert.match(await shown(page, ".province .summary"), /^circa \d+ occupati su \d+ posti .*; a passi di cinque$/);
    await page.getByText("Quante persone ci sono, a chi non è degli enti del tavolo si dice all’ingrosso").waitFor();
    const crotone = page.getByRole("row", { name: /^Crotone a passi di cinque/ });
    assert.match(await crotone.locator(".col-occupied").innerText(), /^circa \d*[05]$/);
    assert.match(await crotone.locator(".col-allocable").innerText(), /^\d+$/, "places are as they are");
    const carfizzi = page.getByRole("row", { name: /^Carfizzi ieri, a passi di dieci/ });
    assert.match(await carfizzi.locator(".col-occupied").innerText(), /^circa \d*0$/);
    const minors = page.getByRole("row", { name: /^Minori stranieri .* ieri, a passi di dieci/ });
    assert.match(await minors.locator(".col-rate").innerText(), /^circa (\d\d?|100)\s?%$/);
    const onMap = page.locator('.map [aria-label^="Crotone: posti liberi circa "]');
    assert.match(
      await onMap.getAttribute("aria-label"),
      /, occupati circa \d*[05] su \d+ \(circa .*\), a passi di cinque/,
    );
    assert.deepEqual(await page.locator(".choice button:visible").allInnerTexts(), ["30 giorni", "un anno"]);
    assert.match(await shown(page, ".history .readout"), /: circa \d*[05] occupati su \d+ assegnabili$/);

    const english = await open(t, { locale: "en-GB" });
    await english.getByRole("row", { name: /^Crotone in steps of five about \d+ about \d*[05] / }).waitFor();
    await english.getByRole("row", { name: /^Carfizzi yesterday, in steps of ten about \d+ about \d*0 / }).waitFor();
  });

  test("the public is told of a step, and of no arrival or departure", async (t) => {
    const page = await open(t);
    // From wherever the number stands, seven more or fewer are beyond what does not show.
    await discharge(7);
    const moved = page.locator(".movements li").filter({ hasText: "Crotone: occupati da circa" }).first();
    await moved.waitFor();
    const [, before, after] = (await moved.innerText()).match(/da circa (\d*[05]) a circa (\d*[05])/);
    assert.notEqual(before, after);
    assert.match(await moved.innerText(), /ora circa \d+ occupati, circa \d+ liberi, a passi di cinque/);
    assert.doesNotMatch(await page.locator(".movements").innerText(), /post[oi] occupat[oi] in (più|meno)/);
    await page.getByText("un passo non è quanti sono arrivati o partiti").waitFor();
  });

  test("a member is told everything as it is", async (t) => {
    const page = await open(t, { as: "prefecture" });
    await page.locator(".choice").getByRole("button", { name: "24 ore" }).waitFor();
    assert.match(await shown(page, ".figure.occupied .value"), /^\d+$/);
    assert.doesNotMatch(await page.locator("main").innerText(), /circa|passi|\bieri\b|non dett/);
    await agrees(page);
  });

  test("an analyst is told of facilities by the day", async (t) => {
    const day = routed((message) => {
      if (message.type !== "next" || !message.payload.data.occupancyChanged) return;
      const { facility, category, capacity } = message.payload.data.occupancyChanged;
      if (facility.code === "KR-F-0003" && category === "ORDINARY") day.state = { message, capacity };
    });
    const page = await open(t, { as: "analyst", prepare: day.prepare });
    await page.getByRole("row", { name: /^Casa .* KR-F-0003 · Ordinari com’era ieri \S+ \d+ \d+ / }).waitFor();
    await page.locator(".facilities").getByLabel("Categoria").selectOption("UNACCOMPANIED_MINOR");
    const untold = page.getByRole("row", { name: /Minori stranieri non accompagnati persone: non detto/ }).first();
    await untold.waitFor({ timeout: 20_000 });
    assert.deepEqual(await untold.locator(".col-free, .col-occupied, .col-reserved").allInnerTexts(), ["–", "–", "–"]);
    assert.match(await untold.locator(".col-allocable").innerText(), /^\d+$/);
    assert.equal(await untold.locator(".bar").isVisible(), false);
    await page.getByText("Ciò che un giorno ha cambiato si dice quando il giorno è finito.").waitFor();
    await page.getByText(/^Chi guarda:/).click();
    await page.getByText("Vede anche le singole strutture, com’erano alla fine di ieri.").waitFor();

    // On the way to the page, a day ends.
    const { message, capacity } = day.state;
    const { occupancyChanged } = message.payload.data;
    const changed = { kind: "CHANGED", cause: null, occurredAt: "2026-11-22T22:59:59.999Z" };
    const after = { ...capacity, occupied: capacity.occupied + 2, free: capacity.free - 2 };
    day.tell({
      ...message,
      payload: { data: { occupancyChanged: { ...occupancyChanged, ...changed, capacity: after } } },
    });
    const moved = page.locator(".movements li", { hasText: occupancyChanged.facility.name });
    assert.match(await moved.innerText(), /^22 nov\s+Casa .+: 2 posti occupati in più\s+Crotone · Ordinari · /);
    assert.match(
      await moved.innerText(),
      new RegExp(`alla fine del giorno ${after.occupied} occupati, ${after.free} liberi$`),
    );

    await untold.getByRole("link").click();
    await page.locator(".about").waitFor();
    await page
      .locator(".places")
      .getByRole("row", { name: /^Minori .* persone: non detto – – – / })
      .waitFor();
    await page
      .locator(".history .readout")
      .getByText(/assegnabili; quante persone ci sono non è detto$/)
      .waitFor();
    assert.deepEqual(await page.locator(".choice button:visible").allInnerTexts(), ["30 giorni", "un anno"]);
    await accessible(page);
  });

  test("a facility's page tells anonymous people nothing", async (t) => {
    const page = await openPage(t, browser, hub.url, "/#/facility/KR-F-0001", { locale: "it-IT" });
    await page.getByText("La struttura KR-F-0001 non c’è, o chi guarda non può vederla.").waitFor();
  });

  test("a token shows the facilities, and stays in the session", async (t) => {
    const page = await open(t);
    await page.getByText("Chi guarda: Pubblico").click();
    await page.getByLabel("Gettone (token)").fill(tokens.province);
    await page.getByRole("button", { name: "Usa il gettone" }).click();
    await page.getByText("Chi guarda: Provincia di Crotone").waitFor();
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    assert.equal(page.url(), `${hub.url}/`);
    assert.equal(await page.evaluate(() => JSON.stringify(localStorage)), "{}");

    await page.reload();
    await page.getByRole("link", { name: "Casa Ulivo", exact: true }).first().click();
    await page.getByRole("heading", { name: "Casa Ulivo", level: 1 }).waitFor();
    assert.match(await page.locator(".about").innerText(), /Indirizzo\s+\S/);
  });

  test("a link with a token asks in a fresh tab too, and names the body and its role", async (t) => {
    for (const [locale, question, answer, then] of [
      ["it-IT", /un gettone di «.+» \(Analista\)/, "dismiss", null],
      ["en-GB", /a token of “.+” \(Analyst\)/, "accept", "token"],
    ]) {
      const asked = [];
      const prepare = (page) =>
        page.on("dialog", (dialog) => {
          asked.push(dialog.message());
          return dialog[answer]();
        });
      const page = await openPage(t, browser, hub.url, `/#token=${tokens.analyst}`, { locale, prepare });
      await page.locator('.status[data-phase="live"]').waitFor();
      assert.equal(asked.length, 1);
      assert.match(asked[0], question);
      assert.equal(await page.evaluate(() => sessionStorage.getItem("tavolo.as")), then);
      assert.equal(page.url(), `${hub.url}/`);
    }
  });

  test("a token in the address is used, and leaves it", async (t) => {
    const page = await open(t, { path: "/" });
    page.once("dialog", (dialog) => dialog.accept());
    await page.goto(`${hub.url}/#token=${tokens.analyst}`);
    await page.locator(".facilities tbody tr").first().waitFor();
    assert.equal(page.url(), `${hub.url}/`);
    await page.goto(`${hub.url}/#/facility/KR-F-0001`);
    await page.locator(".about").waitFor();
    // An analyst sees facilities, and no address.
    assert.doesNotMatch(await page.locator(".about").innerText(), /Indirizzo/);
  });

  test("a link with a token asks before it takes the place of whoever looks", async (t) => {
    const page = await open(t, { as: "province", expected: /status of 401/ });
    await page.getByText("Chi guarda: Provincia di Crotone").waitFor();
    for (const [token, question, answer, then] of [
      [tokens.analyst, /un gettone di «.+»/, "dismiss", "province"],
      ["unknown", /un gettone che l’hub non riconosce/, "dismiss", "province"],
      [tokens.prefecture, /un gettone di «Prefettura di Crotone» \(Prefettura\)/, "accept", "token"],
    ]) {
      const shown = page.waitForEvent("dialog");
      await page.evaluate((token) => (location.hash = `token=${token}`), token);
      const dialog = await shown;
      assert.match(dialog.message(), question);
      await dialog[answer]();
      await page.waitForFunction((as) => sessionStorage.getItem("tavolo.as") === as, then);
      assert.equal(page.url(), `${hub.url}/`);
    }
    await page.getByText("Chi guarda: Prefettura di Crotone").waitFor();
  });

  test("a token that is not valid is told as such, and the public may go on", async (t) => {
    const prepare = (page) => page.once("dialog", (dialog) => dialog.accept());
    const expected = /status of 401/;
    const page = await openPage(t, browser, hub.url, "/#token=expired", { locale: "it-IT", prepare, expected });
    await page.getByText("Il gettone non è valido, o non lo è più.").waitFor();
    await page.locator(".status").getByRole("button", { name: "Continua come pubblico" }).click();
    await page.locator(".municipalities tbody tr").first().waitFor();
  });

  test("facilities are sorted and filtered", async (t) => {
    const page = await open(t, { as: "province" });
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
    const page = await open(t, { as: "province" });
    const name = page.getByRole("row", { name: /KR-F-0003/ });
    await name.waitFor();
    assert.match(await name.innerText(), /Accreditat/);
    const { facility } = await ask(
      '{ facility(by: { code: "KR-F-0003" }) { accreditation { id } capacity { occupied } } }',
    );
    const { accreditation } = facility;
    await ask(`mutation { suspendAccreditation(input: { accreditation: "${accreditation.id}", reason: "Verifica" })
      { irregularities { code } } }`);
    await page.getByRole("row", { name: /KR-F-0003.*Accreditamento sospeso/ }).waitFor();
    await page.getByRole("row", { name: /KR-F-0003.*Oltre la capienza di \d+/ }).waitFor();
    await page.locator(".filter").getByLabel("Mostra").selectOption("over");
    await page.locator("main").getByText("1 di 20 strutture").waitFor();

    await ask(`mutation { decideAccreditation(input: { accreditation: "${accreditation.id}", outcome: ACCREDITED })
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
    const page = await open(t, { as: "province", prepare });
    await page.getByRole("row", { name: /KR-F-0002.*Accreditamento scaduto il 1 mar 2020/ }).waitFor();
    await page.locator(".filter").getByLabel("Mostra").selectOption("accreditation");
    await page.locator("main").getByText("20 strutture", { exact: true }).waitFor();
    await accessible(page);
  });

  test("movements appear as they happen", async (t) => {
    const page = await open(t, { as: "province" });
    const before = await shown(page, ".as-of");
    await page.locator(".movements li").nth(1).waitFor();
    assert.match(await shown(page, ".movements li"), /(Arrivo|Uscita|Posti|blocco|Accreditamento)/);
    await page.waitForFunction((text) => document.querySelector(".as-of").textContent !== text, before);
  });

  test("the past is drawn, told as a table, and goes on", async (t) => {
    const page = await open(t, { as: "province" });
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
    const page = await open(t, { as: "province", expected: NO_HUB, prepare });
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    await page.evaluate(() => (window.notReloaded = true));

    await hub.halt();
    try {
      await page.getByText(/^Collegamento perso alle \d\d:\d\d:\d\d/).waitFor();
      assert.ok(await page.locator(".facilities tbody tr").first().isVisible(), "what was known stays");
      await accessible(page);
    } finally {
      asked.length = 0;
      await hub.resume();
    }
    await page.locator('.status[data-phase="live"]').waitFor();
    assert.equal(await page.evaluate(() => window.notReloaded), true);
    const again = asked.find((frame) => frame.includes("occupancyChanged"));
    assert.match(JSON.parse(again).payload.variables.after, /\S/);
    await agrees(page);
  });

  test("it can be paused, and then says so", async (t) => {
    const page = await open(t, { as: "province" });
    await page.locator(".chart canvas").waitFor();
    await page.getByRole("button", { name: "Metti in pausa" }).click();
    await page.getByText("In pausa", { exact: true }).waitFor();
    const frozen = await page.locator("main").innerText();
    await differs(page);
    assert.equal(await page.locator("main").innerText(), frozen);
    await accessible(page);
    await page.getByRole("button", { name: "Riprendi" }).click();
    await agrees(page);
  });

  test("it speaks the browser's language, or the one that was chosen", async (t) => {
    const page = await open(t, { locale: "en-GB" });
    await page.getByRole("heading", { name: "The municipalities" }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    await page.getByRole("button", { name: "IT", exact: true }).click();
    await page.getByRole("heading", { name: "I comuni" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "I comuni" }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), "it");

    const other = await open(t, { locale: "de-DE" });
    await other.getByRole("heading", { name: "I comuni" }).waitFor();
  });

  test("the keyboard reaches everything", async (t) => {
    const page = await open(t, { as: "province" });
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
    const page = await open(t, { as: "province", colorScheme: "dark" });
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
    const page = await open(t, { as: "province", viewport: { width: 360, height: 740 } });
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    assert.ok(await fits(page), "the province");
    await page.getByText(/^Chi guarda:/).click();
    assert.ok(await fits(page), "who looks");
    await page.goto(`${hub.url}/#/facility/KR-F-0005`);
    await page.locator(".about").waitFor();
    assert.ok(await fits(page), "a facility");
    const ofPublic = await open(t, { viewport: { width: 360, height: 740 } });
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
      const page = await open(t, state);
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
    const page = await open(t, { as: "province", prepare });
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
    await registerMinors("Verzino");
    const page = await open(t);
    await page.getByRole("row", { name: /^Crotone / }).waitFor();
    assert.equal(await page.getByRole("row", { name: /^Verzino/ }).count(), 0);
    assert.doesNotMatch(await page.locator("main").innerText(), /NaN|null|undefined/);
    await accessible(page);

    const member = await open(t, { as: "province" });
    await member.getByRole("row", { name: /^Verzino \d \d 0 0 8 \d+\s?%$/ }).waitFor();
  });

  test("the footer leads everywhere it says", async (t) => {
    const page = await open(t);
    const links = await page.locator("footer a").evaluateAll((all) => all.map((link) => link.href));
    const paths = links.map((link) => new URL(link).pathname);
    assert.deepEqual(paths.slice(0, 4), ["/graphiql/", "/graphql/schema.graphql", "/healthz", "/readyz"]);
    for (const link of links) {
      const answer = await page.request.get(link);
      assert.equal(answer.status(), 200, link);
    }
  });

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
    const response = await fetch(`${hub.url}/graphql`, {
      method: "POST",
      headers: { authorization: `Bearer ${tokens.province}`, "content-type": "application/json" },
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
});

/** Looks at what the hub tells a page over its socket, and tells the page more. */
function routed(look) {
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
async function until(condition) {
  while (!(await condition()));
}

async function shown(page, selector) {
  return page.locator(selector).first().innerText();
}

/** What has the focus, by its name. */
async function focused(page) {
  return page.evaluate(() => document.activeElement.ariaLabel ?? document.activeElement.innerText);
}

async function accessible(page) {
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  const found = violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join("\n  ")}`);
  assert.deepEqual(found, []);
}
