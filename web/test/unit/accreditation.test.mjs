import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./load.mjs";
import { valuesOf } from "./schema.mjs";

const { accreditationWords, standing, statusWords, today } = await load("accreditation.ts");
const { speak } = await load("language.ts");

const english = speak("en");
const DAY = "2026-11-23";
const accredited = (parts = {}) => ({
  status: "ACCREDITED",
  validFrom: "2026-01-01",
  validUntil: "2028-12-31",
  ...parts,
});
/** A facility whose latest accreditation is in force. */
const inForce = (parts) => ({ accreditation: accredited(parts), accreditations: [accredited(parts)] });
/** A facility of whose accreditations none is in force. */
const lacking = (...accreditations) => ({ accreditation: null, accreditations });

test("today is the day of the province", (t) => {
  t.mock.timers.enable({ apis: ["Date"], now: Date.parse("2026-06-30T21:59:59Z") });
  assert.equal(today(), "2026-06-30");
  t.mock.timers.setTime(Date.parse("2026-06-30T22:00:00Z"));
  assert.equal(today(), "2026-07-01");
  t.mock.timers.setTime(Date.parse("2026-12-31T22:59:59Z"));
  assert.equal(today(), "2026-12-31");
});

for (const [name, facility, expected, words] of [
  ["with years to come is in force", inForce(), "inForce", "Accredited until 31 Dec 2028"],
  ["with 91 days left is in force", inForce({ validUntil: "2027-02-22" }), "inForce", "Accredited until 22 Feb 2027"],
  ["expires within 90 days", inForce({ validUntil: "2027-02-21" }), "expiring", "Accreditation expires on 21 Feb 2027"],
  ["expires on its last day", inForce({ validUntil: DAY }), "expiring", "Accreditation expires on 23 Nov 2026"],
  ["without an end is in force", inForce({ validUntil: null }), "inForce", "Accredited"],
  ["was never asked for", lacking(), "missing", "Never accredited"],
  ["is suspended", lacking(accredited({ status: "SUSPENDED" })), "missing", "Accreditation suspended"],
  ["is revoked", lacking(accredited({ status: "REVOKED" })), "missing", "Accreditation revoked"],
  [
    "has expired",
    lacking(accredited({ status: "EXPIRED", validUntil: "2026-11-22" })),
    "missing",
    "Accreditation expired on 22 Nov 2026",
  ],
  ["begins tomorrow", lacking(accredited({ validFrom: "2026-11-24" })), "missing", "Accredited from 24 Nov 2026"],
]) {
  test(`an accreditation that ${name}`, () => {
    assert.equal(standing(facility, DAY), expected);
    assert.equal(accreditationWords(facility, DAY, english), words);
  });
}

test("the hub says which accreditation is in force, whatever comes later", () => {
  const facility = {
    accreditation: accredited({ validUntil: "2026-12-31" }),
    accreditations: [accredited({ validFrom: "2027-01-01" }), accredited({ validUntil: "2026-12-31" })],
  };
  assert.equal(standing(facility, DAY), "expiring");
  assert.equal(accreditationWords(facility, DAY, english), "Accreditation expires on 31 Dec 2026");
  // By its days it would be in force; the hub knows better.
  assert.equal(standing(lacking(accredited()), DAY), "missing");
});

test("where none is in force, the latest is told", () => {
  const facility = lacking(accredited({ status: "REVOKED" }), accredited({ status: "REJECTED" }));
  assert.equal(accreditationWords(facility, DAY, english), "Accreditation revoked");
});

test("an accreditation is one of the future until its first day", () => {
  assert.equal(statusWords(accredited({ validFrom: "2026-11-24" }), DAY, english), "Accredited from 24 Nov 2026");
  assert.equal(statusWords(accredited({ validFrom: DAY }), DAY, english), "Accredited until 31 Dec 2028");
});

test("every status has its words, in both languages", () => {
  for (const language of ["it", "en"]) {
    const words = valuesOf("AccreditationStatus").map((status) => {
      const said = statusWords(accredited({ status }), DAY, speak(language));
      assert.ok(said, `${status} in ${language}`);
      return said;
    });
    assert.equal(new Set(words).size, words.length, words.join("; "));
  }
});
