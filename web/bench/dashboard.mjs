// What the dashboard costs the reader's machine while 500 facilities change 20 times a second.
//
// `node bench/dashboard.mjs` starts a demonstration of its own, registers the facilities by the graph as the
// Province, opens the page as the Province, and reads the CPU time of the page: of its main thread, and of all
// threads of its process.

import { startDemo } from "../../tests/hub.mjs";
import { launchBrowser } from "../test/browser.mjs";

const FACILITIES = 500;
const CHANGES_A_SECOND = 20;
const SECONDS = 30;
const TOGETHER = 8;
const MOST_OF_A_CORE = 0.3;

const hub = await startDemo();
const browser = await launchBrowser();
try {
  const tokens = await (await fetch(`${hub.url}/demo/tokens.json`)).json();
  const act = graph(hub.url, tokens.province);
  const ids = await facilities(act);
  const page = await openDashboard(tokens.province);
  const idle = await measured(page, async () => pause(5_000));
  const busy = await measured(page, () => changes(act, ids));
  const longest = await page.evaluate(() => Math.max(0, ...window.longTasks));
  console.log(`${await rows(page)} facilities on the page, ${busy.result} changes in ${SECONDS} s`);
  console.log("share of one core    before   meanwhile");
  console.log(`main thread      ${percent(idle.thread)}  ${percent(busy.thread)}`);
  console.log(`process          ${percent(idle.process)}  ${percent(busy.process)}`);
  console.log(`longest task ${longest} ms`);
  process.exitCode = busy.process < MOST_OF_A_CORE ? 0 : 1;
} finally {
  await browser.close();
  await hub.stop();
}

/** Asks the graph with a token; what it refuses is a fault here. */
function graph(url, token) {
  return async (query, variables) => {
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const body = JSON.stringify({ query, variables });
    const { data, errors } = await (await fetch(`${url}/graphql`, { method: "POST", headers, body })).json();
    if (errors) throw new Error(JSON.stringify(errors));
    return data;
  };
}

/** Registers facilities with accredited places until there are enough. */
async function facilities(act) {
  const { facilities, organisations } = await act(`{
    facilities(first: 1) { totalCount nodes { operator { id } holder { id } } }
    organisations(filter: { kind: PROVINCE }) { nodes { id } } }`);
  const operator = facilities.nodes[0].operator.id;
  const holder = organisations.nodes[0].id;
  const ids = [];
  const missing = Array.from({ length: FACILITIES - facilities.totalCount }, (_, at) => at);
  await inGroups(missing, TOGETHER, async (at) => ids.push(await facility(act, at, operator, holder)));
  return ids;
}

async function facility(act, at, operator, holder) {
  const { registerFacility } = await act(
    `mutation ($operator: ID!, $holder: ID!, $name: String!) { registerFacility(input: {
      name: $name, type: APARTMENT, municipality: "101010", operator: $operator, holder: $holder,
      address: { street: "Via della Misura", number: "${at + 1}", postalCode: "88900" } })
      { facility { id } irregularities { code path } } }`,
    { operator, holder, name: `Casa della Misura ${at + 1}` },
  );
  if (!registerFacility.facility) throw new Error(JSON.stringify(registerFacility.irregularities));
  const { id } = registerFacility.facility;
  await install(act, id, 10);
  const { submitAccreditation } = await act(
    `mutation ($id: ID!) { submitAccreditation(input: { facility: $id, places: [{ category: ORDINARY, places: 20 }] })
      { accreditation { id } } }`,
    { id },
  );
  await act(
    `mutation ($id: ID!) { decideAccreditation(input: { accreditation: $id, outcome: ACCREDITED })
      { irregularities { code } } }`,
    { id: submitAccreditation.accreditation.id },
  );
  return id;
}

function install(act, id, places) {
  return act(
    `mutation ($id: ID!, $places: Int!) { installPlaces(input: { facility: $id, category: ORDINARY, installed: $places })
      { irregularities { code } } }`,
    { id, places },
  );
}

/** Changes one facility after the other, so many times a second. Returns how often. */
async function changes(act, ids) {
  const begun = Date.now();
  const running = [];
  let changed = 0;
  for (let at = 0; at < SECONDS * CHANGES_A_SECOND; at++) {
    await pause(begun + (at * 1000) / CHANGES_A_SECOND - Date.now());
    const places = 11 + (Math.floor(at / ids.length) % 2);
    running.push(install(act, ids[at % ids.length], places).then(() => changed++));
  }
  await Promise.all(running);
  return changed;
}

async function openDashboard(token) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  await page.addInitScript(() => {
    window.longTasks = [];
    new PerformanceObserver((list) =>
      window.longTasks.push(...list.getEntries().map(({ duration }) => duration)),
    ).observe({
      type: "longtask",
    });
  });
  await page.goto(`${hub.url}/#token=${token}`);
  await page
    .locator(".facilities tbody tr")
    .nth(FACILITIES - 1)
    .waitFor();
  await page.locator(".facilities table").scrollIntoViewIfNeeded();
  await page.evaluate(() => (window.longTasks.length = 0));
  return page;
}

function rows(page) {
  return page.locator(".facilities tbody tr").count();
}

/** The CPU time that the page took while `work` was done, as shares of the time that went by. */
async function measured(page, work) {
  const [ofPage, ofBrowser] = await Promise.all([page.context().newCDPSession(page), browser.newBrowserCDPSession()]);
  await ofPage.send("Performance.enable", { timeDomain: "threadTicks" });
  async function read() {
    const { metrics } = await ofPage.send("Performance.getMetrics");
    const { processInfo } = await ofBrowser.send("SystemInfo.getProcessInfo");
    return {
      thread: metrics.find(({ name }) => name === "TaskDuration").value,
      process: processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0),
      time: performance.now() / 1000,
    };
  }
  const before = await read();
  const result = await work();
  const after = await read();
  const share = (of) => (after[of] - before[of]) / (after.time - before.time);
  return { thread: share("thread"), process: share("process"), result };
}

async function inGroups(all, size, work) {
  for (let at = 0; at < all.length; at += size) await Promise.all(all.slice(at, at + size).map(work));
}

function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, milliseconds)));
}

function percent(share) {
  return `${(share * 100).toFixed(1)} %`.padStart(10);
}
