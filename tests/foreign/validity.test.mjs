// What graphql-js refuses before it executes anything, the hub refuses before it executes anything, and nothing else.
// Documents are made at random from the contract, and most have a fault or two. `TAVOLO_CASES` is how many,
// `TAVOLO_SEED` which ones.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import * as graphql from "graphql";
import { PATIENCE, place } from "./stage.mjs";

const CASES = Number(process.env.TAVOLO_CASES ?? 2_000);
const SEED = Number(process.env.TAVOLO_SEED ?? 20);

/** Requests beside each other. */
const BESIDE = 8;

/** How often there is a fault where there can be one. */
const FAULTS = 0.012;

const schema = graphql.buildSchema(readFileSync(new URL("../../schema/schema.graphql", import.meta.url), "utf8"));
scalar("Date", /^\d{4}-\d\d-\d\d$/);
scalar("DateTime", /^\d{4}-\d\d-\d\dT.*Z$/);

function scalar(name, shape) {
  const type = schema.getType(name);
  type.parseValue = (value) => {
    if (typeof value !== "string" || !shape.test(value)) throw new Error(`no ${name}`);
    return value;
  };
  type.parseLiteral = (node) => type.parseValue(node.value);
}

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
function random(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Makes one request. */
class Maker {
  constructor(seed) {
    this.random = random(seed);
    this.declared = [];
    this.values = {};
    this.fragments = [];
    // A fault that is one for each place would leave few documents whole.
    this.faulty = this.chance(0.7);
  }

  chance(of) {
    return this.random() < of;
  }

  fault(times = 1) {
    return this.faulty && this.chance(FAULTS * times);
  }

  choose(from) {
    return from[Math.floor(this.random() * from.length)];
  }

  request() {
    const kind = this.chance(0.25) ? "mutation" : "query";
    const root = kind === "query" ? schema.getQueryType() : schema.getMutationType();
    const body = this.selection(root, 0, kind === "query" ? 3 : 1);
    if (this.fault(3)) this.declare(this.choose(["ID", "Int!", "Facility", "Nothing", "[String!]"]));
    if (this.fault(3)) this.fragments.push(`fragment Lonely on ${this.choose(["Facility", "Nothing", "ID"])} { id }`);
    if (this.fault(3) && this.fragments.length) this.fragments.push(this.choose(this.fragments));
    if (this.fault(3) && this.declared.length) this.declared.push(this.choose(this.declared));
    const variables = this.declared.length ? `(${this.declared.join(", ")})` : "";
    const operations = [`${kind} Q${variables}${this.directive(true)} ${body}`];
    if (this.fault()) operations.push(this.choose(["{ viewer { role } }", "query Q { viewer { role } }"]));
    const query = [...operations, ...this.fragments].join("\n");
    return { query, variables: this.values, operationName: "Q" };
  }

  directive(misplaced = false) {
    if (misplaced) return this.fault() ? this.choose([" @include(if: true)", " @nothing"]) : "";
    if (this.fault()) {
      return this.choose([
        " @nothing",
        " @include",
        " @skip(if: 1)",
        " @include(if: true) @include(if: true)",
        " @oneOf",
      ]);
    }
    if (!this.chance(0.05)) return "";
    const value = this.chance(0.5) ? "true" : this.variable(new graphql.GraphQLNonNull(graphql.GraphQLBoolean));
    return ` @${this.choose(["include", "skip"])}(if: ${value})`;
  }

  selection(type, level, most = 4) {
    const fields = Object.values(type.getFields()).filter(
      (field) => level < 4 || graphql.isLeafType(graphql.getNamedType(field.type)),
    );
    const count = 1 + Math.floor(this.random() * most);
    const selected = [];
    for (let at = 0; at < count && fields.length; at += 1) selected.push(this.field(this.choose(fields), type, level));
    if (this.chance(0.1) || selected.length === 0) selected.push("__typename");
    if (graphql.isAbstractType(type) || this.fault(2)) selected.push(this.inline(type, level));
    if (this.chance(0.08) && level > 0) selected.push(this.spread(type, level));
    return `{ ${selected.join(" ")} }`;
  }

  inline(type, level) {
    const objects = this.fault(4) ? Object.values(schema.getTypeMap()) : [type, ...this.possible(type)];
    const on = this.choose(objects.filter((own) => graphql.isCompositeType(own) && own.getFields));
    return `... on ${on.name} ${this.selection(on, level + 1, 2)}`;
  }

  possible(type) {
    return graphql.isAbstractType(type) ? schema.getPossibleTypes(type) : [];
  }

  spread(type, level) {
    if (this.fault(2)) return "...Nowhere";
    const name = `F${this.fragments.length}`;
    this.fragments.push("");
    const at = this.fragments.length - 1;
    const on = this.fault() ? this.choose(["Nothing", "ID", "Stay"]) : type.name;
    const body = this.selection(type, level + 1, 2);
    const circle = this.fault() ? ` ... on ${type.name} { ...${name} }` : "";
    this.fragments[at] = `fragment ${name} on ${on} ${body.slice(0, -1)}${circle} }`;
    return `...${name}`;
  }

  field(field, type, level) {
    const alias = this.chance(0.3) ? `${this.choose(["a", "b", "c", field.name])}: ` : "";
    const name = this.fault() ? `${field.name}s` : field.name;
    const to = graphql.getNamedType(field.type);
    const leaf = graphql.isLeafType(to) !== this.fault();
    // A place that is not there can be asked for what is in it.
    const within = graphql.isLeafType(to) ? schema.getType("Viewer") : to;
    const below = leaf ? "" : ` ${this.selection(within, level + 1)}`;
    return `${alias}${name}${this.argumentsOf(field, type)}${this.directive()}${below}`;
  }

  argumentsOf(field, type) {
    const given = [];
    for (const argument of field.args) {
      // Nothing is to be written, whatever is wrong beside it.
      if (argument.name === "validateOnly") given.push("validateOnly: true");
      else if ((graphql.isRequiredArgument(argument) && !this.fault()) || this.chance(0.3)) {
        given.push(`${argument.name}: ${this.value(argument.type, argument.defaultValue !== undefined)}`);
      }
    }
    if (this.fault()) given.push("nothing: 1");
    if (this.fault() && given.length && type !== schema.getMutationType()) given.push(this.choose(given));
    return given.length ? `(${given.join(", ")})` : "";
  }

  /** A value of a type as it is written, or a variable of the type. */
  value(type, hasDefault = false) {
    if (this.fault())
      return this.choose(["null", "1", "1.5", '"text"', "TRUE", "true", "[]", "[[1]]", "{}", "$nothing"]);
    if (this.chance(0.25)) return this.variable(type, hasDefault);
    if (graphql.isNonNullType(type)) return this.value(type.ofType);
    if (graphql.isListType(type)) {
      if (this.chance(0.2)) return this.literal(type.ofType);
      return `[${[1, 2].map(() => this.value(type.ofType)).join(", ")}]`;
    }
    return this.chance(0.03) ? "null" : this.literal(type);
  }

  literal(type) {
    const own = graphql.getNullableType(type);
    if (graphql.isListType(own)) return this.literal(own.ofType);
    if (graphql.isEnumType(own)) return this.choose(own.getValues()).name;
    if (!graphql.isInputObjectType(own)) return JSON.stringify(this.scalar(own));
    const fields = Object.values(own.getFields());
    const wanted = own.isOneOf
      ? [this.choose(fields)]
      : fields.filter((field) => (graphql.isRequiredInputField(field) && !this.fault()) || this.chance(0.3));
    const given = wanted.map((field) => {
      const kind =
        own.isOneOf && !this.fault(5) ? new graphql.GraphQLNonNull(graphql.getNullableType(field.type)) : field.type;
      return `${field.name}: ${this.value(kind, field.defaultValue !== undefined)}`;
    });
    if (this.fault(2)) given.push("nothing: 1");
    if (this.fault(2) && given.length) given.push(this.choose(given));
    return `{ ${given.join(", ")} }`;
  }

  scalar(type) {
    switch (type.name) {
      case "Int":
        return this.fault(2) ? 2_147_483_648 : this.choose([1, 2, 5]);
      case "Float":
        return this.choose([1, 2.5]);
      case "Boolean":
        return this.chance(0.5);
      case "ID":
        return this.chance(0.2) ? 5 : "b25lIG9mIG5vdGhpbmc";
      case "Date":
        return this.fault(2) ? "yesterday" : "2026-06-30";
      case "DateTime":
        return this.fault(2) ? "yesterday" : "2026-06-30T08:00:00Z";
      default:
        return "text";
    }
  }

  variable(type, hasDefault = false) {
    let declared = type.toString();
    if (this.fault(2)) declared = this.choose(["ID", "String", "Int!", "[ID!]!", "Boolean"]);
    else if (hasDefault && this.chance(0.5)) declared = declared.replace(/!$/, "");
    else if (!declared.endsWith("!") && this.chance(0.3)) declared += "!";
    const own = graphql.typeFromAST(schema, graphql.parseType(declared));
    return this.declare(declared, this.json(own));
  }

  declare(type, value) {
    const name = `v${this.declared.length}`;
    let written = "";
    if (this.fault()) written = " = {}";
    else if (this.chance(0.1) && typeof value === "number") written = ` = ${value}`;
    this.declared.push(`$${name}: ${type}${written}${this.directive(true)}`);
    if (value !== undefined && !this.fault()) this.values[name] = value;
    return `$${name}`;
  }

  /** A value of a type as it is sent. */
  json(type) {
    if (this.fault()) return this.choose([null, 1, 1.5, "text", true, [], {}]);
    if (graphql.isNonNullType(type)) return this.json(type.ofType);
    if (graphql.isListType(type)) return this.chance(0.2) ? this.json(type.ofType) : [this.json(type.ofType)];
    if (graphql.isEnumType(type)) return this.choose(type.getValues()).name;
    if (!graphql.isInputObjectType(type)) return this.scalar(type);
    const fields = Object.values(type.getFields());
    const wanted = type.isOneOf
      ? [this.choose(fields)]
      : fields.filter((field) => graphql.isRequiredInputField(field) || this.chance(0.3));
    const given = wanted.map((field) => [field.name, this.json(field.type)]);
    if (this.fault()) given.push(["nothing", 1]);
    return Object.fromEntries(given);
  }
}

/** Variables that may be null, in an input of which exactly one field is given. */
function nullableInOneOf(document) {
  const found = [];
  const types = new graphql.TypeInfo(schema);
  const nullable = new Set();
  graphql.visit(document, {
    VariableDefinition({ variable, type }) {
      if (type.kind !== graphql.Kind.NON_NULL_TYPE) nullable.add(variable.name.value);
    },
  });
  const visitor = {
    ObjectField({ value }) {
      const own = graphql.getNamedType(types.getParentInputType());
      const isOneOf = graphql.isInputObjectType(own) && own.isOneOf;
      if (isOneOf && value.kind === graphql.Kind.VARIABLE && nullable.has(value.name.value)) {
        found.push({ message: `$${value.name.value} may be null` });
      }
    },
  };
  graphql.visit(document, graphql.visitWithTypeInfo(types, visitor));
  return found;
}

/** What graphql-js finds wrong before it would execute anything. */
function expected({ query, variables, operationName }) {
  const document = graphql.parse(query);
  const invalid = graphql.validate(schema, document);
  // graphql-js 16 overlooks it where the input itself may not be null.
  if (!invalid.length) invalid.push(...nullableInOneOf(document));
  if (invalid.length) return invalid.map((error) => error.message);
  const operation = graphql.getOperationAST(document, operationName);
  const { errors } = graphql.getVariableValues(schema, operation.variableDefinitions ?? [], variables);
  return (errors ?? []).map((error) => error.message);
}

/** What the hub finds wrong before it executes anything; `undefined` when that is only how large the request is. */
async function found(request) {
  const response = await fetch(place.graphql, {
    method: "POST",
    headers: { "content-type": "application/json", ...place.province },
    body: JSON.stringify(request),
  });
  const answer = await response.json();
  if ("data" in answer) return [];
  const codes = answer.errors.map((error) => error.extensions.code);
  if (codes.some((code) => code === "TOO_COSTLY")) return undefined;
  assert.deepEqual([...new Set(codes)], ["BAD_REQUEST"], JSON.stringify(answer));
  return answer.errors.map((error) => error.message);
}

test(`of ${CASES} requests the hub refuses those that graphql-js refuses`, PATIENCE, async () => {
  const unlike = [];
  const count = { refused: 0, executed: 0, large: 0 };
  const one = async (number) => {
    const request = new Maker(SEED * 1_000_000 + number).request();
    const [ours, theirs] = [await found(request), expected(request)];
    if (!ours) count.large += 1;
    else if (ours.length > 0 !== theirs.length > 0) unlike.push({ number, ...request, ours, theirs });
    else count[ours.length ? "refused" : "executed"] += 1;
  };
  for (let from = 0; from < CASES; from += BESIDE) {
    await Promise.all(Array.from({ length: Math.min(BESIDE, CASES - from) }, (_, at) => one(from + at)));
  }
  assert.deepEqual(unlike.slice(0, 5), [], `${unlike.length} were judged otherwise`);
  assert.ok(count.refused > CASES / 5 && count.executed > CASES / 5 && count.large < CASES / 20, JSON.stringify(count));
});
