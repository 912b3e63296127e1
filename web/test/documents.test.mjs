import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { buildSchema, parse, validate } from "graphql";

const contract = new URL("../../schema/schema.graphql", import.meta.url);
const schema = buildSchema(readFileSync(contract, "utf8"));

for (const folder of ["examples", "dashboard/graph"].map((path) => new URL(`../src/${path}/`, import.meta.url))) {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".graphql"))) {
    test(`the document ${name} fits the contract`, () => {
      const problems = validate(schema, parse(readFileSync(new URL(name, folder), "utf8")));
      assert.deepEqual(problems.map(String), []);
    });
  }
}
