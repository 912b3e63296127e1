// Every example against one hub: what it prints and shows is looked at for its substance, and acts are done under its
// eyes. Run by `make examples`. Nobody else acts, so each change an example hears of is one of ours.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { connect, createServer as createTcpServer } from "node:net";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { built } from "../tests/built.mjs";
import { startHub } from "../tests/hub.mjs";

const { chromium } = createRequire(new URL("../web/package.json", import.meta.url))("playwright-core");

/** For a machine that is busy with other things: what is waited for comes much sooner. Reaching it is a failure. */
const PATIENCE_MS = 90_000;
const path = (name) => fileURLToPath(new URL(name, import.meta.url));
const SUBSCRIBER = built("examples/subscriber");

describe("the examples", { timeout: 900_000 }, () => {
  let hub, tokens, folder, site, stranger;

  before(async () => {
    [site, stranger] = [await servePage(), await servePage()];
    process.env.TAVOLO_ORIGINS = site.url;
    process.env.TAVOLO_NO_ACTIVITY = "true";
    hub = await startHub();
    tokens = await (await fetch(`${hub.url}/demo/tokens.json`)).json();
    folder = await mkdtemp(join(tmpdir(), "tavolo-examples-"));
    // A hub that begins with a table publishes what anybody is told of it a moment later.
    while ((await occupancy("MUNICIPALITY", null)).some(({ precision }) => precision === "WITHHELD"));
  });

  after(async () => {
    await hub?.stop();
    await Promise.all([site, stranger].map((server) => server?.stop()));
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  /** Asks as the Province, as another member, or as anybody. */
  async function ask(query, variables = {}, as = "province") {
    const member = as ? { authorization: `Bearer ${tokens[as]}` } : {};
    const response = await fetch(`${hub.url}/graphql`, {
      method: "POST",
      headers: { "content-type": "application/json", ...member },
      body: JSON.stringify({ query, variables }),
    });
    const { data, errors } = await response.json();
    assert.equal(errors, undefined, JSON.stringify(errors));
    return data;
  }

  const occupancy = async (groupBy, as) => {
    const query = `{ occupancy(groupBy: ${groupBy}) { capacity { allocable free precision } } }`;
    return (await ask(query, {}, as)).occupancy.map(({ capacity }) => capacity);
  };

  /** Takes one place out of service, and tells of which facility. */
  async function act() {
    const { facilities } = await ask("{ facilities(first: 50) { nodes { id code capacity { category free } } } }");
    const pools = facilities.nodes.flatMap(({ id, code, capacity }) => capacity.map((pool) => ({ id, code, ...pool })));
    const { id, code, category, free } = pools.reduce((best, pool) => (pool.free > best.free ? pool : best));
    const input = { facility: id, category, places: 1, reason: "WORKS" };
    const block = "mutation($input: BlockPlacesInput!) { blockPlaces(input: $input) { block { id } } }";
    assert.ok((await ask(block, { input })).blockPlaces.block);
    return { code, category, free: free - 1 };
  }

  /** Starts an example as a member, or as anybody. */
  function start(t, command, args, { as: role = "province", url = hub.url, cwd, ...env } = {}) {
    const { TAVOLO_ORIGINS, TAVOLO_NO_ACTIVITY, ...outside } = process.env;
    const member = role ? { TAVOLO_TOKEN: tokens[role] } : {};
    const running = new Running(spawn(command, args, { cwd, env: { ...outside, TAVOLO_URL: url, ...member, ...env } }));
    t.after(() => running.stop());
    return running;
  }

  /** What the examples that print a table say of the whole. */
  const sum = async (as) => {
    const [towns, [province]] = [await occupancy("MUNICIPALITY", as), await occupancy("PROVINCE", as)];
    const { free, allocable, precision } = province;
    return `${towns.length} municipalities, ${free} free of ${allocable} places (${precision})`;
  };

  test("python: a data frame, a chart and a change", async (t) => {
    const chart = join(folder, "free-places.png");
    const expected = await sum("province");
    const env = { TAVOLO_CHART: chart, TAVOLO_EVENTS: "1", MPLCONFIGDIR: folder };
    const python = start(t, process.env.TAVOLO_PYTHON, [path("python/free_places.py")], env);
    await python.says(/^now KR-F-\d+ \d+ free$/);
    const { code, free } = await act();
    await python.says(new RegExp(`^PLACES_BLOCKED: ${code} in .+, ${free} free$`));
    assert.equal(await python.code(), 0, python.text);
    assert.ok(python.lines.includes(expected), `${expected}\n${python.text}`);
    assert.match(python.text, /^101010 +Crotone +\d+ +\d+ +\d+ +\d+ +EXACT +0\.\d+$/m);
    const image = await readFile(chart);
    assert.equal(image.subarray(1, 4).toString(), "PNG");
    assert.ok(image.length > 10_000, `${image.length} bytes`);
  });

  test("python: what anybody is told", async (t) => {
    const expected = await sum(null);
    const env = { TAVOLO_CHART: join(folder, "public.png"), MPLCONFIGDIR: folder };
    const python = start(t, process.env.TAVOLO_PYTHON, [path("python/free_places.py")], { as: null, ...env });
    assert.equal(await python.code(), 0, python.text);
    assert.match(expected, / free of \d+ places \(ROUNDED\)$/);
    assert.ok(python.lines.includes(expected), `${expected}\n${python.text}`);
    assert.match(python.text, /^101010 +Crotone +\d+ +\d*[05] +\d*[05] +\d+ +ROUNDED +0\.\d+$/m);
    assert.match(python.text, /^\d+ +Carfizzi +\d+ +\d*0 +0 +\d+ +BANDED +\d\.\d+$/m);
  });

  const noR = spawnSync("Rscript", ["-e", "library(httr2); library(jsonlite)"]).status !== 0;
  test("R: a data frame", { skip: noR && "R with httr2 and jsonlite is not installed" }, async (t) => {
    const expected = await sum(null);
    const r = start(t, "Rscript", [path("r/free_places.R")], { as: null });
    assert.equal(await r.code(), 0, r.text);
    assert.ok(r.lines.includes(expected), `${expected}\n${r.text}`);
    assert.match(r.text, /^ *101010 +Crotone +\d+ +\d*[05] +\d+ +ROUNDED +0\.\d+$/m);
  });

  describe("page", () => {
    let browser;
    before(async () => {
      const executablePath = process.env.TAVOLO_CHROMIUM ?? "/usr/bin/chromium";
      browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-dev-shm-usage"] });
    });
    after(() => browser?.close());

    async function watch(t, url, token) {
      const page = await browser.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      t.after(() => page.close());
      await page.goto(url);
      await page.getByLabel("Hub").fill(hub.url);
      await page.getByLabel("Token").fill(token);
      await page.getByRole("button").click();
      return page;
    }

    test("of another origin shows every pool and each change", async (t) => {
      const page = await watch(t, site.url, tokens.province);
      await page.getByRole("status").getByText("Connected").waitFor();
      const { facilities } = await ask("{ facilities(first: 50) { nodes { capacity { category } } } }");
      const pools = facilities.nodes.flatMap(({ capacity }) => capacity).length;
      await page.locator(`tbody tr:nth-child(${pools})`).waitFor();
      const { code, category, free } = await act();
      const cell = page.locator(`#${code}-${category} td:nth-child(5)`);
      await cell.getByText(String(free), { exact: true }).waitFor();
      assert.equal(await page.locator("tbody tr").count(), pools);
    });

    test("tells an analyst of yesterday, and leaves out what is not told", async (t) => {
      const page = await watch(t, site.url, tokens.analyst);
      const cells = (category) => page.locator(`tr[id$="-${category}"]`).first().locator("td");
      await cells("UNACCOMPANIED_MINOR").first().waitFor();
      assert.deepEqual((await cells("UNACCOMPANIED_MINOR").allInnerTexts()).slice(3), ["–", "–", "not told"]);
      const [occupied, free, told] = (await cells("ORDINARY").allInnerTexts()).slice(3);
      assert.match(`${occupied} ${free} ${told}`, /^\d+ \d+ at the end of yesterday$/);
    });

    test("is told when its token is refused", async (t) => {
      const page = await watch(t, site.url, "nonsense");
      await page.getByRole("status").getByText("Refused").waitFor();
    });

    test("of an origin that was not named opens no socket", async (t) => {
      const page = await watch(t, stranger.url, tokens.province);
      await page.getByRole("status").getByText("Connection lost").waitFor();
      assert.equal(await page.locator("tbody tr").count(), 0);
    });
  });

  test("rust: a subscriber misses nothing over a break, and repeats nothing", async (t) => {
    const line = await breakable(new URL(hub.url).port);
    t.after(() => line.stop());
    const subscriber = start(t, SUBSCRIBER, [], { url: line.url });
    const blocked = ({ code, free }) => new RegExp(` CHANGED PLACES_BLOCKED ${code} .+, ${free} free$`);
    await subscriber.says(/ CURRENT - KR-F-\d+ /);
    await subscriber.says(blocked(await act()));
    line.cut();
    const missed = await act();
    line.mend();
    await subscriber.says(blocked(missed));
    const last = await act();
    await subscriber.says(blocked(last));
    const changes = subscriber.lines.filter((printed) => printed.includes(" CHANGED "));
    assert.equal(changes.length, 3, subscriber.text);
    const after = subscriber.lines.slice(subscriber.lines.indexOf(changes[0]));
    assert.ok(!after.some((printed) => printed.includes(" CURRENT ")), subscriber.text);
  });

  test("rust: a subscriber is told what an analyst is told", async (t) => {
    const subscriber = start(t, SUBSCRIBER, [], { as: "analyst" });
    await subscriber.says(/ CURRENT - KR-F-\d+ ORDINARY: \d+ occupied, \d+ free at the end of the day before$/);
    await subscriber.says(/ CURRENT - KR-F-\d+ UNACCOMPANIED_MINOR: \? occupied, \? free, not told$/);
  });

  test("curl: a query", async (t) => {
    const curl = start(t, path("curl/query.sh"), [], { as: null });
    assert.equal(await curl.code(), 0, curl.text);
    const groups = JSON.parse(curl.text).data.occupancy;
    assert.deepEqual(
      groups.map(({ capacity }) => capacity),
      await occupancy("MUNICIPALITY", null),
    );
  });

  test("curl: server-sent events", async (t) => {
    const curl = start(t, path("curl/live.sh"), []);
    await curl.says(/^data: .*"kind":"CURRENT"/);
    const { code, free } = await act();
    await curl.says(
      new RegExp(`^data: .*"CHANGED","cause":"PLACES_BLOCKED",.*"${code}".*"free":${free},"precision":"EXACT"}`),
    );
  });

  test("curl: an export", async (t) => {
    const curl = start(t, path("curl/export.sh"), [], { cwd: folder });
    assert.equal(await curl.code(), 0, curl.text);
    const [, name] = curl.text.match(/^(tavolo-facilities-\d{4}-\d\d-\d\d\.csv) \d+ bytes$/m) ?? [];
    assert.ok(name, curl.text);
    const [head, ...rows] = (await readFile(join(folder, name), "utf8")).trimEnd().split("\r\n");
    assert.match(head, /,free\b/);
    const { facilities } = await ask("{ facilities(first: 50) { nodes { capacity { category } } } }");
    assert.equal(rows.length, facilities.nodes.flatMap(({ capacity }) => capacity).length);
  });

  test("grafana: every question of the dashboard has an answer", async () => {
    const { panels } = JSON.parse(await readFile(path("grafana/dashboards/tavolo.json")));
    assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
    const graphs = panels.flatMap(({ targets = [] }) => targets).filter(({ type }) => type === "graphql");
    assert.ok(graphs.length >= 6, `${graphs.length} questions`);
    for (const { url, url_options, root_selector, columns } of graphs) {
      const response = await fetch(hub.url + url, {
        method: url_options.method,
        headers: { "content-type": url_options.body_content_type },
        body: JSON.stringify({ query: url_options.body_graphql_query }),
      });
      const rows = select(await response.json(), root_selector);
      assert.ok(rows.length > 0);
      for (const row of rows) {
        // What is not told is null: Grafana then shows nothing.
        const values = columns.map(({ selector, type }) => [selector, type, select(row, selector)]);
        for (const [selector, type, value] of values) assert.ok(value === null || typeof value === type, selector);
        assert.ok(values.some(([, , value]) => value !== null));
      }
    }
  });

  test("grafana: every figure of the dashboard is one of the hub's", async () => {
    const dashboard = await readFile(path("grafana/dashboards/tavolo.json"), "utf8");
    const figures = await (await fetch(`${hub.url}/metrics`)).text();
    const named = new Set(dashboard.match(/\btavolo_[a-z_]+/g));
    assert.ok(named.size >= 5, [...named].join());
    for (const name of named) assert.match(figures, new RegExp(`^${name}[ {]`, "m"));
  });
});

/** What a selector such as `data.occupancy` names. */
const select = (value, selector) => selector.split(".").reduce((part, name) => part[name], value);

/** A program in progress, with what it has printed. */
class Running {
  lines = [];
  #child;
  #closed;
  #rest = "";
  #wake = () => {};

  constructor(child) {
    this.#child = child;
    this.#closed = once(child, "close");
    this.#closed.catch(() => {});
    child.stderr.on("data", (bytes) => process.stderr.write(bytes));
    child.stdout.setEncoding("utf8").on("data", (text) => {
      const lines = (this.#rest + text).split("\n");
      this.#rest = lines.pop();
      this.lines.push(...lines);
      this.#wake();
    });
    child.once("close", () => this.#wake());
  }

  get text() {
    return [...this.lines, this.#rest].join("\n");
  }

  /** Resolves when it prints a line like this, or has printed it before. */
  async says(pattern) {
    const deadline = Date.now() + PATIENCE_MS;
    while (!this.lines.some((line) => pattern.test(line))) {
      const ended = this.#child.exitCode !== null;
      assert.ok(!ended && Date.now() < deadline, `${ended ? "ended" : "waited"} without ${pattern}:\n${this.text}`);
      const { promise, resolve } = withResolvers();
      this.#wake = resolve;
      const limit = setTimeout(resolve, deadline - Date.now());
      await promise;
      clearTimeout(limit);
    }
  }

  /** The exit code, or null when it had to be ended. */
  async code() {
    const limit = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE_MS);
    const [code] = await this.#closed;
    clearTimeout(limit);
    return code;
  }

  async stop() {
    this.#child.kill("SIGKILL");
    await this.#closed;
  }
}

function withResolvers() {
  let resolve;
  return { promise: new Promise((settle) => (resolve = settle)), resolve };
}

async function listening(server) {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${server.address().port}`;
}

/** A partner's own web server, with the page. */
async function servePage() {
  const types = { ".html": "text/html", ".js": "text/javascript" };
  const server = createServer(async ({ url }, response) => {
    const name = { "/": "index.html", "/page.js": "page.js" }[url];
    if (!name) return response.writeHead(404).end();
    response.writeHead(200, { "content-type": `${types[extname(name)]}; charset=utf-8` });
    response.end(await readFile(path(`page/${name}`)));
  });
  const url = await listening(server);
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  return { url, stop };
}

/** A line to the hub that can be cut and mended. */
async function breakable(port) {
  const open = new Set();
  let cut = false;
  const server = createTcpServer((near) => {
    if (cut) return near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      open.add(from);
      from
        .on("error", () => {})
        .on("close", () => {
          open.delete(from);
          to.destroy();
        });
      from.pipe(to);
    }
  });
  const url = await listening(server);
  const sever = () => open.forEach((socket) => socket.destroy());
  return {
    url,
    cut: () => {
      cut = true;
      sever();
    },
    mend: () => (cut = false),
    stop: () => {
      server.close();
      sever();
    },
  };
}
