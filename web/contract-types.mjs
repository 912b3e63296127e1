// Writes the types of what the dashboard asks for and is answered with, made from the contract and the dashboard's
// documents. Types that are the same already are not written again.

import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { plugin } from "@graphql-codegen/typescript-operations";
import { buildSchema, Kind, parse, print, validate } from "graphql";
import { format, resolveConfig } from "prettier";

const CONTRACT = new URL("../schema/schema.graphql", import.meta.url);
const FOLDER = new URL("src/dashboard/graph/", import.meta.url);
const TYPES = fileURLToPath(new URL("contract.ts", FOLDER));

const HEAD = `/** Made by \`npm run types\` from schema/schema.graphql and the documents beside this file. */`;

const made = await types(buildSchema(readFileSync(CONTRACT, "utf8")));
if (!existsSync(TYPES) || made !== readFileSync(TYPES, "utf8")) writeFileSync(TYPES, made);

async function types(schema) {
  const names = readdirSync(FOLDER).filter((name) => name.endsWith(".graphql"));
  const documents = names.map((location) => ({ location, document: read(location, schema) }));
  const scalars = { ID: "string", Date: "string", DateTime: "string" };
  const config = { scalars, strictScalars: true };
  const { prepend, content } = await plugin(schema, eachOnce(documents), config, { outputFile: TYPES });
  const options = await resolveConfig(TYPES, { editorconfig: true });
  return format([HEAD, ...prepend, content].join("\n"), { ...options, filepath: TYPES });
}

function read(name, schema) {
  const document = parse(readFileSync(new URL(name, FOLDER), "utf8"));
  const [problem] = validate(schema, document);
  if (problem) throw new Error(`${name} does not fit the contract: ${problem}`);
  return document;
}

/** Each document can be sent as it stands, so two may define the same fragment; it has one type. */
function eachOnce(documents) {
  const fragments = new Map();
  const isNew = (definition) => {
    if (definition.kind !== Kind.FRAGMENT_DEFINITION) return true;
    const { value } = definition.name;
    const known = fragments.get(value);
    fragments.set(value, print(definition));
    if (known && known !== print(definition)) throw new Error(`Two fragments are named ${value}, and differ.`);
    return !known;
  };
  return documents.map(({ location, document }) => ({
    location,
    document: { ...document, definitions: document.definitions.filter(isNew) },
  }));
}
