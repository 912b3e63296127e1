// Runs `test_gql.py`: the hub as the Python client `gql` sees it.

import assert from "node:assert/strict";
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { PATIENCE, place, url } from "./stage.mjs";

const folder = fileURLToPath(new URL(".", import.meta.url));

describe("the client of gql", PATIENCE, () => {
  test("has its say in Python", async (t) => {
    const { stdout } = await promisify(execFile)("../../scripts/python-venv", ["requirements.txt"], { cwd: folder });
    const unittest = spawn(stdout.trim(), ["-B", "-m", "unittest", "--verbose"], {
      cwd: folder,
      env: {
        ...process.env,
        TAVOLO_TEST_URL: url,
        TAVOLO_TEST_TOKEN: place.province.authorization.split(" ")[1],
        TAVOLO_TEST_FACILITY: await place.house(),
      },
      stdio: ["ignore", "inherit", "inherit"],
      signal: t.signal,
    });
    const [code] = await once(unittest, "exit");
    assert.equal(code, 0);
  });
});
