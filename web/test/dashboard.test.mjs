import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { openPage } from "./browser.mjs";
import { accessible, dashboard, routed, shown } from "./dashboard.mjs";

describe("what the dashboard tells, and whom", { timeout: 900_000 }, () => {
  const stage = dashboard();

  test("anonymous people see totals, and neither facility nor address", async (t) => {
    const told = [];
    const prepare = (page) =>
      page.on("websocket", (socket) => socket.on("framereceived", ({ payload }) => told.push(String(payload))));
    const page = await stage.open(t, { prepare });
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
    const block = await stage.blockPlace();
    await page.locator(".movements li").getByText("1 posto bloccato in più").first().waitFor();
    await stage.ask(`mutation { unblockPlaces(input: { block: "${block}" }) { irregularities { code } } }`);
    await page.locator(".movements li").getByText("1 posto bloccato in meno").first().waitFor();
    assert.doesNotMatch(told.join(), /KR-F-|street/);
  });

  test("the public is told of people in steps, and how", async (t) => {
    const page = await stage.open(t);
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

    const english = await stage.open(t, { locale: "en-GB" });
    await english.getByRole("row", { name: /^Crotone in steps of five about \d+ about \d*[05] / }).waitFor();
    await english.getByRole("row", { name: /^Carfizzi yesterday, in steps of ten about \d+ about \d*0 / }).waitFor();
  });

  test("the public is told of a step, and of no arrival or departure", async (t) => {
    const page = await stage.open(t);
    // From wherever the number stands, seven more or fewer are beyond what does not show.
    await stage.discharge(7);
    const moved = page.locator(".movements li").filter({ hasText: "Crotone: occupati da circa" }).first();
    await moved.waitFor();
    const [, before, after] = (await moved.innerText()).match(/da circa (\d*[05]) a circa (\d*[05])/);
    assert.notEqual(before, after);
    assert.match(await moved.innerText(), /ora circa \d+ occupati, circa \d+ liberi, a passi di cinque/);
    assert.doesNotMatch(await page.locator(".movements").innerText(), /post[oi] occupat[oi] in (più|meno)/);
    await page.getByText("un passo non è quanti sono arrivati o partiti").waitFor();
  });

  test("a member is told everything as it is", async (t) => {
    const page = await stage.open(t, { as: "prefecture" });
    await page.locator(".choice").getByRole("button", { name: "24 ore" }).waitFor();
    assert.match(await shown(page, ".figure.occupied .value"), /^\d+$/);
    assert.doesNotMatch(await page.locator("main").innerText(), /circa|passi|\bieri\b|non dett/);
    await stage.agrees(page);
  });

  test("an analyst is told of facilities by the day", async (t) => {
    const day = routed((message) => {
      if (message.type !== "next" || !message.payload.data.occupancyChanged) return;
      const { facility, category, capacity } = message.payload.data.occupancyChanged;
      if (facility.code === "KR-F-0003" && category === "ORDINARY") day.state = { message, capacity };
    });
    const page = await stage.open(t, { as: "analyst", prepare: day.prepare });
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
    const page = await openPage(t, stage.browser, stage.hub.url, "/#/facility/KR-F-0001", { locale: "it-IT" });
    await page.getByText("La struttura KR-F-0001 non c’è, o chi guarda non può vederla.").waitFor();
  });

  test("a token shows the facilities, and stays in the session", async (t) => {
    const page = await stage.open(t);
    await page.getByText("Chi guarda: Pubblico").click();
    await page.getByLabel("Gettone (token)").fill(stage.tokens.province);
    await page.getByRole("button", { name: "Usa il gettone" }).click();
    await page.getByText("Chi guarda: Provincia di Crotone").waitFor();
    await page.locator(".facilities tbody tr").nth(19).waitFor();
    assert.equal(page.url(), `${stage.hub.url}/`);
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
      const page = await openPage(t, stage.browser, stage.hub.url, `/#token=${stage.tokens.analyst}`, {
        locale,
        prepare,
      });
      await page.locator('.status[data-phase="live"]').waitFor();
      assert.equal(asked.length, 1);
      assert.match(asked[0], question);
      assert.equal(await page.evaluate(() => sessionStorage.getItem("tavolo.as")), then);
      assert.equal(page.url(), `${stage.hub.url}/`);
    }
  });

  test("a token in the address is used, and leaves it", async (t) => {
    const page = await stage.open(t, { path: "/" });
    page.once("dialog", (dialog) => dialog.accept());
    await page.goto(`${stage.hub.url}/#token=${stage.tokens.analyst}`);
    await page.locator(".facilities tbody tr").first().waitFor();
    assert.equal(page.url(), `${stage.hub.url}/`);
    await page.goto(`${stage.hub.url}/#/facility/KR-F-0001`);
    await page.locator(".about").waitFor();
    // An analyst sees facilities, and no address.
    assert.doesNotMatch(await page.locator(".about").innerText(), /Indirizzo/);
  });

  test("a link with a token asks before it takes the place of whoever looks", async (t) => {
    const page = await stage.open(t, { as: "province", expected: /status of 401/ });
    await page.getByText("Chi guarda: Provincia di Crotone").waitFor();
    for (const [token, question, answer, then] of [
      [stage.tokens.analyst, /un gettone di «.+»/, "dismiss", "province"],
      ["unknown", /un gettone che l’hub non riconosce/, "dismiss", "province"],
      [stage.tokens.prefecture, /un gettone di «Prefettura di Crotone» \(Prefettura\)/, "accept", "token"],
    ]) {
      const shown = page.waitForEvent("dialog");
      await page.evaluate((token) => (location.hash = `token=${token}`), token);
      const dialog = await shown;
      assert.match(dialog.message(), question);
      await dialog[answer]();
      await page.waitForFunction((as) => sessionStorage.getItem("tavolo.as") === as, then);
      assert.equal(page.url(), `${stage.hub.url}/`);
    }
    await page.getByText("Chi guarda: Prefettura di Crotone").waitFor();
  });

  test("a token that is not valid is told as such, and the public may go on", async (t) => {
    const prepare = (page) => page.once("dialog", (dialog) => dialog.accept());
    const expected = /status of 401/;
    const page = await openPage(t, stage.browser, stage.hub.url, "/#token=expired", {
      locale: "it-IT",
      prepare,
      expected,
    });
    await page.getByText("Il gettone non è valido, o non lo è più.").waitFor();
    await page.locator(".status").getByRole("button", { name: "Continua come pubblico" }).click();
    await page.locator(".municipalities tbody tr").first().waitFor();
  });
});
