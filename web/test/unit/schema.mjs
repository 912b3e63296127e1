// The contract.

import { readFileSync } from "node:fs";
import { buildSchema } from "graphql";

export const schema = buildSchema(readFileSync(new URL("../../../schema/schema.graphql", import.meta.url), "utf8"));

/** Every value of an enum. */
export const valuesOf = (name) =>
  schema
    .getType(name)
    .getValues()
    .map((value) => value.name);
