import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { parse, TypeInfo, validate, visit, visitWithTypeInfo } from "graphql";
import { schema } from "./schema.mjs";

/** Numbers that depend on how exactly people are told to whoever asks. */
const PEOPLE = ["occupied", "reserved", "free", "overCapacity", "occupancyRate", "utilisationRate"];

const folders = ["../../src/examples/", "../../src/dashboard/graph/", "../../../examples/documents/"];
for (const folder of folders.map((path) => new URL(path, import.meta.url))) {
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".graphql"))) {
    const document = parse(readFileSync(new URL(name, folder), "utf8"));

    test(`the document ${name} fits the contract`, () => {
      const problems = validate(schema, document);
      assert.deepEqual(problems.map(String), []);
    });

    test(`the document ${name} asks how people are told where it asks for their numbers`, () => {
      const types = new TypeInfo(schema);
      const misread = [];
      const SelectionSet = ({ selections, loc }) => {
        const names = selections.map((selection) => selection.name?.value);
        const ofPlaces = Object.hasOwn(types.getParentType().getFields(), "precision");
        const asks = names.some((name) => PEOPLE.includes(name));
        if (ofPlaces && asks && !names.includes("precision")) misread.push(loc.startToken.line);
      };
      // Whoever may act is told people as they are.
      const OperationDefinition = ({ operation }) => (operation === "mutation" ? false : undefined);
      visit(document, visitWithTypeInfo(types, { SelectionSet, OperationDefinition }));
      assert.deepEqual(misread, []);
    });
  }
}
