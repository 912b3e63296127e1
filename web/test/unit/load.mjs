// Modules of the dashboard, read as vite reads them. What they do without a page is tested here without a browser.

import { fileURLToPath } from "node:url";
import { runnerImport } from "vite";

const SOURCES = new URL("../../src/dashboard/", import.meta.url);

export async function load(name) {
  const { module } = await runnerImport(fileURLToPath(new URL(name, SOURCES)), { logLevel: "error" });
  return module;
}
