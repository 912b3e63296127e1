// The contract beside the released one: what would break a client is not taken away before it has been deprecated in a
// release (docs/contract.md). graphql-inspector says what breaks.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CriticalityLevel, DiffRule, diff } from "@graphql-inspector/core";
import { buildSchema } from "graphql";

const contract = (name) => buildSchema(readFileSync(new URL(`../../schema/${name}`, import.meta.url), "utf8"));

/** What would break a client of the first that asks the second. */
async function breaking(released, next) {
  const changes = await diff(released, next, [DiffRule.suppressRemovalOfDeprecatedField]);
  return changes
    .filter(({ criticality }) => criticality.level === CriticalityLevel.Breaking)
    .map(({ message }) => message);
}

test("nothing breaks a client of the released contract", async () => {
  assert.deepEqual(await breaking(contract("released.graphql"), contract("schema.graphql")), []);
});

test("what is taken away without a word would be found", async () => {
  const kept = buildSchema('type Query { name: String old: String @deprecated(reason: "name") }');
  assert.deepEqual(await breaking(kept, buildSchema("type Query { name: String }")), []);
  assert.equal((await breaking(kept, buildSchema('type Query { old: String @deprecated(reason: "name") }'))).length, 1);
});
