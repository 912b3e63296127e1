import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { load } from "./load.mjs";

const { dayMovement, facilityMovement, latest, totalsMovement } = await load("movements.ts");

const pool = (numbers = {}) => ({
  accredited: 20,
  installed: 20,
  blocked: 1,
  occupied: 12,
  reserved: 2,
  free: 5,
  precision: "EXACT",
  ...numbers,
});
const WITHHELD = { occupied: null, reserved: null, free: null, precision: "WITHHELD" };

/** A message of `occupancyChanged`. */
const message = (parts = {}) => ({
  cursor: "cursor",
  kind: "CHANGED",
  cause: null,
  occurredAt: "2026-11-23T09:00:00Z",
  category: "ORDINARY",
  capacity: pool(),
  facility: { id: "id", code: "KR-F-0001", name: "Casa", municipality: { istatCode: "101010", name: "Crotone" } },
  ...parts,
});

describe("a movement of a facility", () => {
  test("says what happened where, and the places after it", () => {
    assert.deepEqual(facilityMovement(message({ cause: "ADMISSION" })), {
      kind: "facility",
      key: "cursor",
      at: "2026-11-23T09:00:00Z",
      facility: { code: "KR-F-0001", name: "Casa" },
      municipality: "Crotone",
      category: "ORDINARY",
      cause: "ADMISSION",
      places: pool(),
    });
  });

  test("is none where nothing caused it", () => {
    for (const kind of ["CURRENT", "RESYNC", "CHANGED"]) assert.equal(facilityMovement(message({ kind })), undefined);
  });

  test("names no municipality that the viewer is not told", () => {
    const facility = { ...message().facility, municipality: null };
    assert.equal(facilityMovement(message({ cause: "DISCHARGE", facility })).municipality, undefined);
  });
});

describe("a movement of a day", () => {
  test("says every number that is another than the day before", () => {
    const capacity = pool({ occupied: 10, reserved: 3, blocked: 0, installed: 21, accredited: 22, free: 8 });
    const movement = dayMovement(message({ capacity }), pool());
    assert.deepEqual(movement.differences, [
      { measure: "occupied", before: 12, after: 10, coarse: false },
      { measure: "reserved", before: 2, after: 3, coarse: false },
      { measure: "blocked", before: 1, after: 0, coarse: false },
      { measure: "installed", before: 20, after: 21, coarse: false },
      { measure: "accredited", before: 20, after: 22, coarse: false },
    ]);
    assert.equal(movement.kind, "day");
    assert.deepEqual(movement.places, capacity);
  });

  test("is none without a difference, or without a day before", () => {
    assert.equal(dayMovement(message(), pool()), undefined);
    assert.equal(dayMovement(message({ capacity: pool({ occupied: 10 }) }), undefined), undefined);
  });

  test("is none where a state is told, or an act", () => {
    const capacity = pool({ occupied: 10 });
    for (const parts of [{ kind: "CURRENT" }, { kind: "RESYNC" }, { cause: "DISCHARGE" }]) {
      assert.equal(dayMovement(message({ capacity, ...parts }), pool()), undefined);
    }
  });

  test("has a key of its own, though a whole day has one cursor", () => {
    const facility = { ...message().facility, code: "KR-F-0002" };
    const others = [{}, { category: "UNACCOMPANIED_MINOR" }, { facility }];
    const keys = others.map(
      (parts) => dayMovement(message({ capacity: pool({ occupied: 10 }), ...parts }), pool()).key,
    );
    assert.equal(new Set(keys).size, keys.length, keys.join());
  });
});

describe("a movement of a municipality", () => {
  const crotone = { istatCode: "101010", name: "Crotone" };
  const movement = (before, after) =>
    totalsMovement(crotone, { capacity: before }, { capacity: after }, "2026-11-23T09:00:00Z");

  test("is the difference of two totals", () => {
    const after = pool({ blocked: 2 });
    assert.deepEqual(movement(pool(), after), {
      kind: "totals",
      key: "101010 2026-11-23T09:00:00Z",
      at: "2026-11-23T09:00:00Z",
      municipality: "Crotone",
      differences: [{ measure: "blocked", before: 1, after: 2, coarse: false }],
      places: after,
    });
    assert.equal(movement(pool(), pool()), undefined);
  });

  test("takes steps of people for what they are, and places as they are", () => {
    for (const precision of ["ROUNDED", "BANDED"]) {
      const { differences } = movement(
        pool({ precision, occupied: 10 }),
        pool({ precision, occupied: 20, blocked: 3 }),
      );
      assert.deepEqual(differences, [
        { measure: "occupied", before: 10, after: 20, coarse: true },
        { measure: "blocked", before: 1, after: 3, coarse: false },
      ]);
    }
    const yesterday = { precision: "DAY_BEFORE" };
    const [difference] = movement(pool(yesterday), pool({ ...yesterday, occupied: 13 })).differences;
    assert.equal(difference.coarse, false);
  });

  test("is none of people who are told in another way than before", () => {
    assert.equal(movement(pool(), pool({ precision: "ROUNDED", occupied: 10, reserved: 0 })), undefined);
    const { differences } = movement(pool({ precision: "BANDED", occupied: 10 }), pool({ installed: 21 }));
    assert.deepEqual(
      differences.map(({ measure }) => measure),
      ["installed"],
    );
  });

  test("is none of people who are not told", () => {
    assert.equal(movement(pool(WITHHELD), pool(WITHHELD)), undefined);
    assert.equal(movement(pool(WITHHELD), pool()), undefined);
    assert.equal(movement(pool(), pool(WITHHELD)), undefined);
    assert.equal(movement(pool(), pool({ reserved: null })), undefined);
    assert.equal(movement(pool({ reserved: null }), pool()), undefined);
  });
});

test("the last eight movements are kept, the latest first", () => {
  const all = Array.from({ length: 10 }, (_, at) => facilityMovement(message({ cause: "ADMISSION", cursor: `${at}` })));
  const kept = all.reduce((known, movement) => {
    const before = [...known];
    const next = latest(known, movement);
    assert.deepEqual(known, before, "who draws compares references, so the list itself stays as it is");
    return next;
  }, []);
  assert.deepEqual(
    kept.map(({ key }) => key),
    ["9", "8", "7", "6", "5", "4", "3", "2"],
  );
});
