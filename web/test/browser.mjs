// The browser for the tests of the pages.

import assert from "node:assert/strict";
import { chromium } from "playwright-core";

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
/** For a machine that is busy with other things: what is waited for comes much sooner. */
const PATIENCE_MS = 90_000;

export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.TAVOLO_CHROMIUM ?? "/usr/bin/chromium",
    args: CHROMIUM_FLAGS,
  });
}

/** A page in a session of its own, which must neither ask anybody but the hub nor complain of what is not `expected`. */
export async function openPage(t, browser, origin, path, { expected, prepare, ...context } = {}) {
  const page = await browser.newPage(context);
  page.setDefaultTimeout(PATIENCE_MS);
  const complaints = watch(page, origin, expected);
  t.after(async () => {
    await page.close();
    assert.deepEqual(complaints, []);
  });
  await prepare?.(page);
  await page.goto(origin + path);
  return page;
}

/** Collects what a page must never do: ask another origin, log an error (a CSP violation is one), throw. */
function watch(page, origin, expected) {
  const complaints = [];
  const host = new URL(origin).host;
  const own = (url) => /^(data|blob):/.test(url) || new URL(url).host === host;
  page.on("request", (request) => own(request.url()) || complaints.push(request.url()));
  page.on("websocket", (socket) => own(socket.url()) || complaints.push(socket.url()));
  page.on("console", (message) => {
    if (message.type() === "error" && !expected?.test(message.text())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  return complaints;
}

export async function fits(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= innerWidth);
}
