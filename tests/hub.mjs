// The hub for tests that know it from outside only: the pages in `web/test`, the clients in `tests/foreign`.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { built } from "./built.mjs";

const START_LIMIT_MS = 240_000;
const STOP_LIMIT_MS = 30_000;

/** The hub under test: the one at TAVOLO_TEST_URL, or else a demo of its own on a free port. */
export async function startHub() {
  const url = process.env.TAVOLO_TEST_URL;
  return url ? { url: new URL(url).origin, stop: async () => {} } : startDemo();
}

/** A demo of its own on a free port. It keeps its address and its data when it is started again. */
export async function startDemo() {
  const data = await mkdtemp(join(tmpdir(), "tavolo-test-"));
  const discard = () => rm(data, { recursive: true, force: true, maxRetries: 5 });
  try {
    let demo = await run(data, "127.0.0.1:0");
    const { url } = demo;
    return {
      url,
      halt: () => demo.stop(),
      resume: async () => void (demo = await run(data, new URL(url).host)),
      stop: () => demo.stop().finally(discard),
    };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function run(data, listen) {
  // The key of its database is beside the data, and not in the home of whoever runs the tests.
  const env = { ...process.env, XDG_STATE_HOME: data };
  const stdio = ["ignore", "pipe", "inherit"];
  const demo = spawn(process.env.TAVOLO_BIN ?? built("tavolo"), ["demo", "--listen", listen, "--data", data], {
    env,
    stdio,
  });
  // A binary that cannot be started never ends: the error of its start does for it.
  const ended = once(demo, "exit").catch(() => {});
  // Whatever ends the tests, the hub and its database must not outlive them.
  const end = () => demo.kill("SIGTERM");
  const exit = () => process.exit(1);
  process.once("exit", end).once("SIGTERM", exit).once("SIGINT", exit);

  async function stop() {
    process.off("exit", end).off("SIGTERM", exit).off("SIGINT", exit);
    end();
    const lastResort = setTimeout(() => demo.kill("SIGKILL"), STOP_LIMIT_MS);
    await ended;
    clearTimeout(lastResort);
  }

  try {
    await once(demo, "spawn");
    return { url: await announced(demo.stdout), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The address that the demo prints once it listens. */
async function announced(stdout) {
  const signal = AbortSignal.timeout(START_LIMIT_MS);
  try {
    for await (const line of createInterface({ input: stdout, signal })) {
      const [url] = line.match(/http:\/\/127\.0\.0\.1:\d+/) ?? [];
      if (url) return url;
    }
    throw new Error("the hub announced no address: it ended, or four minutes were not enough");
  } finally {
    // Nobody reads what it prints from now on; a full pipe would block it.
    stdout.resume();
  }
}
