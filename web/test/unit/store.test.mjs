import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { load } from "./load.mjs";
import { valuesOf } from "./schema.mjs";

const { isMember, seesFacilities, Store } = await load("store.ts");

/** A store in a browser whose clock stands until it is moved on; frames come when the clock stands. */
function opened(t) {
  const clock = t.mock.timers;
  clock.enable({ apis: ["setTimeout", "Date"], now: 1_000_000 });
  t.mock.method(performance, "now", () => Date.now());
  globalThis.requestAnimationFrame = (draw) => setTimeout(draw, 0);
  t.after(() => delete globalThis.requestAnimationFrame);
  const drawings = [];
  const store = new Store(() => drawings.push(Date.now()));
  const pass = (milliseconds) => {
    clock.tick(milliseconds);
    clock.tick(0);
  };
  return { store, drawings, pass };
}

describe("the store", () => {
  test("has many changes drawn at once, and at most every 200 ms", (t) => {
    const { store, drawings, pass } = opened(t);
    for (const asOf of ["1", "2", "3"]) store.change((data) => (data.asOf = asOf));
    assert.equal(drawings.length, 0, "nothing is drawn between two messages");
    pass(0);
    assert.equal(drawings.length, 1);
    assert.equal(store.shown.asOf, "3");
    pass(50);
    store.change((data) => (data.asOf = "4"));
    store.change((data) => (data.asOf = "5"));
    pass(149);
    assert.equal(drawings.length, 1);
    pass(1);
    assert.equal(drawings.length, 2);
    assert.equal(drawings[1] - drawings[0], 200);
    pass(1_000);
    assert.equal(drawings.length, 2, "nothing changed");
    store.redraw();
    pass(0);
    assert.equal(drawings.length, 3);
  });

  test("shows what was known when it was paused, until it is resumed", (t) => {
    const { store, drawings, pass } = opened(t);
    const change = (at) =>
      store.change((data) => {
        data.asOf = at;
        data.movements = [{ key: at }, ...data.movements];
        for (const known of [data.categories, data.municipalities, data.facilities]) known.set(at, {});
      });
    const shown = ({ asOf, movements, categories, municipalities, facilities }) => [
      asOf,
      movements.map(({ key }) => key).join(),
      ...[categories, municipalities, facilities].map((known) => [...known.keys()].join()),
    ];
    change("1");
    store.pause();
    assert.equal(store.paused, true);
    pass(0);
    assert.equal(drawings.length, 1);
    change("2");
    pass(1_000);
    assert.equal(drawings.length, 1, "nobody draws what is not to be shown");
    assert.deepEqual(shown(store.shown), ["1", "1", "1", "1", "1"]);
    store.resume();
    assert.equal(store.paused, false);
    pass(0);
    assert.equal(drawings.length, 2);
    assert.deepEqual(shown(store.shown), ["2", "2,1", "1,2", "1,2", "1,2"]);
  });
});

test("members are all but analysts and the public", () => {
  assert.equal(isMember({}), false, "nobody has said yet who looks");
  const strangers = valuesOf("Role").filter((role) => !isMember({ viewer: { role } }));
  assert.deepEqual(strangers, ["ANALYST", "PUBLIC"]);
});

test("facilities are for whoever sees operational data of somebody", () => {
  const sees = (...sight) => seesFacilities({ viewer: { sight: sight.map((classes) => ({ classes })) } });
  assert.equal(seesFacilities({}), false);
  assert.equal(sees(), false);
  assert.equal(sees(["PUBLIC"]), false);
  assert.equal(sees(["PUBLIC"], ["PUBLIC", "OPERATIONAL"]), true);
});
