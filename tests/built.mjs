// Where cargo puts what it builds for tests: in the folder that CARGO_TARGET_DIR or its configuration names, else `target`.

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** The path of a program of the debug build, such as `tavolo` or `examples/subscriber`. */
export function built(name) {
  const args = ["metadata", "--format-version", "1", "--no-deps"];
  const metadata = execFileSync("cargo", args, { cwd: ROOT, encoding: "utf8", maxBuffer: 2 ** 26 });
  return join(JSON.parse(metadata).target_directory, "debug", name);
}
