import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { buildSchema, parse, validate } from "graphql";

const examples = new URL("../src/examples/", import.meta.url);
const contract = new URL("../../schema/schema.graphql", import.meta.url);
const schema = buildSchema(readFileSync(contract, "utf8"));

for (const name of readdirSync(examples)) {
  test(`the example ${name} fits the contract`, () => {
    const problems = validate(schema, parse(readFileSync(new URL(name, examples), "utf8")));
    assert.deepEqual(problems.map(String), []);
  });
}
