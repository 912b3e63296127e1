// Tools that read the contract and the documents of clients, each as it is, with its defaults.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath } from "node:url";
import { PATIENCE, place } from "./stage.mjs";

const root = fileURLToPath(new URL("../..", import.meta.url));
const here = fileURLToPath(new URL(".", import.meta.url));
const modules = fileURLToPath(new URL("node_modules", import.meta.url));

/** Requests of Schemathesis to each field at the root. */
const EXAMPLES = process.env.TAVOLO_EXAMPLES ?? "15";

const folder = mkdtempSync(join(tmpdir(), "tavolo-tools-"));
after(() => rmSync(folder, { recursive: true, force: true }));

const FACILITY = `query Widget_FacilityQuery($id: ID!) {
  facility(by: { id: $id }) { ...Widget_facility }
}`;
const FRAGMENT = `fragment Widget_facility on Facility {
  id code capacity { id category free } stays(first: 5) { edges { node { id entryAt } } pageInfo { hasNextPage endCursor } }
}`;

/** A project of a client, with the contract and these files. */
function project(name, files) {
  const at = join(folder, name);
  mkdirSync(join(at, "src"), { recursive: true });
  copyFileSync(join(root, "schema/schema.graphql"), join(at, "schema.graphql"));
  symlinkSync(modules, join(at, "node_modules"));
  for (const [path, text] of Object.entries(files)) writeFileSync(join(at, path), text);
  return at;
}

/** Runs a command of the tools, which has to succeed, and hands back what it says. */
function run(at, command, ...options) {
  const done = spawnSync(join(modules, ".bin", command), options, { cwd: at, encoding: "utf8" });
  assert.equal(done.status, 0, `${command}\n${done.stdout}\n${done.stderr}`);
  return done.stdout;
}

test("Relay's compiler takes a page of a connection and refetches a facility by its id", PATIENCE, () => {
  const tagged = `import { graphql } from "react-relay";
    graphql\`${FACILITY}\`;
    graphql\`fragment Widget_facility on Facility @refetchable(queryName: "WidgetRefetchQuery")
      @argumentDefinitions(count: { type: "Int", defaultValue: 5 }, cursor: { type: "String" }) {
      id code capacity { id category free }
      stays(first: $count, after: $cursor) @connection(key: "Widget_stays") { edges { node { id entryAt } } }
    }\`;`;
  const config = { src: "./src", schema: "./schema.graphql", language: "typescript" };
  const at = project("relay", { "src/Widget.ts": tagged, "relay.config.json": JSON.stringify(config) });
  run(at, "relay-compiler");
  const made = readFileSync(join(at, "src/__generated__/WidgetRefetchQuery.graphql.ts"), "utf8");
  assert.match(made, /node\(/);
});

test("graphql-codegen's client preset makes types that the compiler takes", PATIENCE, () => {
  const use = `import { graphql, useFragment } from "./gql";
    const Facility = graphql(\`${FACILITY}\`);
    const Fragment = graphql(\`${FRAGMENT}\`);
    type Answer = NonNullable<(typeof Facility)["__apiType"]> extends (variables: infer _) => infer Result ? Result : never;
    export function free(answer: Answer): number {
      const facility = useFragment(Fragment, answer.facility);
      return (facility?.capacity ?? []).reduce((sum, { free }) => sum + (free ?? 0), 0);
    }`;
  const config = `export default {
    schema: "./schema.graphql", documents: ["src/*.ts"], generates: { "./src/gql/": { preset: "client" } },
  };`;
  const at = project("codegen", { "src/free.ts": use, "codegen.mjs": config });
  run(at, "graphql-codegen", "--config", "codegen.mjs");
  run(
    at,
    "tsc",
    "--noEmit",
    "--strict",
    "--skipLibCheck",
    "--module",
    "esnext",
    "--moduleResolution",
    "bundler",
    "src/free.ts",
  );
});

/** The python of our tools. */
function python() {
  const made = spawnSync(join(root, "scripts/python-venv"), ["requirements-tools.txt"], {
    cwd: here,
    encoding: "utf8",
  });
  assert.equal(made.status, 0, made.stderr);
  return made.stdout.trim();
}

test("ariadne-codegen makes a Python client that Python takes", PATIENCE, () => {
  const config = '[tool.ariadne-codegen]\nschema_path = "schema.graphql"\nqueries_path = "src/facility.graphql"\n';
  const at = project("ariadne", { "src/facility.graphql": `${FACILITY}\n${FRAGMENT}`, "pyproject.toml": config });
  for (const script of [
    ["-m", "ariadne_codegen"],
    ["-c", "import graphql_client as c; c.Client, c.WidgetFacility"],
  ]) {
    const done = spawnSync(python(), script, { cwd: at, encoding: "utf8" });
    assert.equal(done.status, 0, `${done.stdout}\n${done.stderr}`);
  }
});

/** What the hub may answer to an input of the right types: a rule that types do not tell is broken. */
const REFUSALS = ["BAD_REQUEST", "FORBIDDEN", "TOO_COSTLY"];

test("Schemathesis finds no fault of the hub", { timeout: 600_000 }, () => {
  const options = ["run", place.graphql, "--max-examples", EXAMPLES, "--phases", "examples,fuzzing", "--seed", "20"];
  const header = ["--header", `authorization: ${place.province.authorization}`];
  const done = spawnSync(python(), ["-m", "schemathesis.cli", ...options, ...header], {
    cwd: folder,
    encoding: "utf8",
  });
  assert.match(done.stdout, /Fuzzing/, `${done.stdout}\n${done.stderr}`);
  const found = [...done.stdout.matchAll(/^- (?:ST\d+ )?(.+)$/gm)].map(([, what]) => what);
  assert.deepEqual(
    found.filter((what) => what !== "GraphQL client error"),
    [],
    done.stdout,
  );
  const codes = [...done.stdout.matchAll(/"code":"([A-Z_]+)"/g)].map(([, code]) => code);
  assert.deepEqual(
    codes.filter((code) => !REFUSALS.includes(code)),
    [],
    done.stdout,
  );
});
