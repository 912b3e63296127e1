//! Accreditations: every state against every act, allowed or refused, as the table in `schema` says.

use serde_json::{Value, json};

use crate::{
    harness::{Client, World, blocking, text},
    stage::{Setting, Stage, accepted, assert_books_agree, books},
};

/// The acts, in the order of the columns below.
const ACTS: [&str; 5] = ["submit", "accredit", "reject", "suspend", "revoke"];

/// Which acts each state allows. A new accreditation takes the place of earlier ones, so what is to last comes last.
const ALLOWED: [(&str, [bool; 5]); 7] = [
    ("DRAFT", [true, false, false, false, false]),
    ("SUBMITTED", [false, true, true, false, false]),
    ("REJECTED", [false, false, false, false, false]),
    ("SUSPENDED", [false, true, false, false, true]),
    ("REVOKED", [false, false, false, false, false]),
    ("EXPIRED", [false, false, false, false, false]),
    ("ACCREDITED", [false, false, false, true, true]),
];

fn places() -> Value {
    json!([{ "category": "ORDINARY", "places": 2 }])
}

/// The mutation and input of an act on an accreditation.
fn ordered(act: &str, facility: &str, accreditation: &str) -> (&'static str, Value) {
    let reason = "Verbale 9";
    match act {
        "submit" => {
            ("submitAccreditation", json!({ "facility": facility, "accreditation": accreditation, "places": places() }))
        }
        "accredit" => ("decideAccreditation", json!({ "accreditation": accreditation, "outcome": "ACCREDITED" })),
        "reject" => {
            ("decideAccreditation", json!({ "accreditation": accreditation, "outcome": "REJECTED", "reason": reason }))
        }
        "suspend" => ("suspendAccreditation", json!({ "accreditation": accreditation, "reason": reason })),
        _ => ("revokeAccreditation", json!({ "accreditation": accreditation, "reason": reason })),
    }
}

/// Brings a new accreditation into a state; what is to expire has today as its last day.
async fn brought_to(hub: &Client, facility: &str, state: &str) -> String {
    let draft = json!({ "facility": facility, "places": places(), "draft": true });
    let accreditation = accepted(hub, "submitAccreditation", "accreditation", draft).await;
    let way: &[&str] = match state {
        "DRAFT" => &[],
        "SUBMITTED" => &["submit"],
        "REJECTED" => &["submit", "reject"],
        "SUSPENDED" => &["submit", "accredit", "suspend"],
        "REVOKED" => &["submit", "accredit", "revoke"],
        _ => &["submit", "accredit"],
    };
    for act in way {
        let (mutation, mut input) = ordered(act, facility, &accreditation);
        if state == "EXPIRED" && *act == "accredit" {
            input["validUntil"] = json!("2026-11-23");
        }
        accepted(hub, mutation, "accreditation", input).await;
    }
    accreditation
}

#[tokio::test]
async fn each_state_allows_its_own_acts_and_no_other() {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    let facility = &stage.facility;
    let mut accreditations = Vec::new();
    for (state, allowed) in ALLOWED {
        accreditations.push((state, allowed, brought_to(&hub, facility, state).await));
    }
    world.clock.advance_days(1);

    let before = books(&world).await;
    for (state, allowed, accreditation) in &accreditations {
        let document = "query($id: ID!) { accreditation(by: { id: $id }) { status } }";
        let data = hub.data("analyst", document, json!({ "id": accreditation })).await;
        assert_eq!(data["accreditation"]["status"], *state);
        for (act, allowed) in ACTS.into_iter().zip(allowed) {
            let (mutation, input) = ordered(act, facility, accreditation);
            let checked = json!({ "input": input, "only": true });
            let checked = hub.order("province", mutation, "accreditation { id }", checked).await;
            let payload = &checked["data"][mutation];
            let expected: &[&str] = if *allowed { &[] } else { &["TRANSITION_NOT_ALLOWED"] };
            assert_eq!(blocking(payload), expected, "{act} when {state}");

            let refused =
                || payload["irregularities"].as_array().unwrap().iter().find(|found| found["severity"] == "BLOCK");
            if let Some(refused) = refused() {
                assert_eq!(refused["path"], "input.accreditation");
                assert_eq!(refused["message"], format!("Lo stato {state} non consente questo atto."));
                let payload = hub.act("province", mutation, "accreditation { id }", input).await;
                assert_eq!(payload["accreditation"], Value::Null, "{act} when {state}");
            }
        }
    }
    assert_eq!(books(&world).await, before, "nothing was written");

    // What the table allows is also done, and leads where the table says.
    for (from, act, to) in [
        ("DRAFT", "submit", "SUBMITTED"),
        ("SUBMITTED", "reject", "REJECTED"),
        ("ACCREDITED", "suspend", "SUSPENDED"),
        ("SUSPENDED", "revoke", "REVOKED"),
    ] {
        let (_, _, accreditation) = accreditations.iter().find(|(state, ..)| *state == from).unwrap();
        let (mutation, input) = ordered(act, facility, accreditation);
        let payload = hub.act("province", mutation, "accreditation { status }", input).await;
        assert_eq!(payload["accreditation"]["status"], to, "{act} when {from}");
    }
    assert_books_agree(&world).await;
    world.end().await;
}

#[tokio::test]
async fn a_decision_is_checked_for_places_validity_and_reason() {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    let before = books(&world).await;
    let wanted = |places: Value| json!({ "facility": stage.facility, "places": places });
    let decided = |field: &str, value: Value| {
        let mut input = json!({ "accreditation": stage.submitted, "outcome": "ACCREDITED" });
        input[field] = value;
        input
    };
    let mut reversed = decided("validFrom", json!("2027-01-02"));
    reversed["validUntil"] = json!("2027-01-01");
    let rejected = |reason: Value| json!({ "accreditation": stage.submitted, "outcome": "REJECTED", "reason": reason });
    let stopped = |reason: &str| json!({ "accreditation": stage.accreditation, "reason": reason });
    let twice = json!([{ "category": "ORDINARY", "places": 1 }, { "category": "ORDINARY", "places": 1 }]);
    let count = |places: i32| json!([{ "category": "ORDINARY", "places": places }]);
    let foreign = json!({ "facility": stage.facility, "accreditation": world_unknown(), "places": count(1) });
    for (mutation, input, code, path) in [
        ("submitAccreditation", wanted(json!([])), "NO_PLACES_REQUESTED", "input.places"),
        ("submitAccreditation", wanted(twice), "DUPLICATE_CATEGORY", "input.places.1"),
        ("submitAccreditation", wanted(count(0)), "NUMBER_OUT_OF_RANGE", "input.places.0.places"),
        ("submitAccreditation", wanted(count(1_001)), "NUMBER_OUT_OF_RANGE", "input.places.0.places"),
        ("submitAccreditation", foreign, "UNKNOWN_ACCREDITATION", "input.accreditation"),
        ("decideAccreditation", decided("places", json!([])), "NO_PLACES_REQUESTED", "input.places"),
        ("decideAccreditation", decided("validFrom", json!("2030-01-01")), "", ""),
        ("decideAccreditation", reversed, "PERIOD_REVERSED", "input.validUntil"),
        ("decideAccreditation", decided("validUntil", json!("2026-11-22")), "PERIOD_REVERSED", "input.validUntil"),
        (
            "decideAccreditation",
            decided("accreditation", world_unknown()),
            "UNKNOWN_ACCREDITATION",
            "input.accreditation",
        ),
        ("decideAccreditation", rejected(Value::Null), "REASON_MISSING", "input.reason"),
        ("decideAccreditation", rejected(json!("  ")), "REASON_MISSING", "input.reason"),
        ("suspendAccreditation", stopped(" "), "REASON_MISSING", "input.reason"),
        ("revokeAccreditation", stopped(""), "REASON_MISSING", "input.reason"),
    ] {
        let order = json!({ "input": input, "only": code.is_empty() });
        let answer = hub.order("province", mutation, "accreditation { id }", order).await;
        let payload = &answer["data"][mutation];
        let found: Vec<(String, String)> = payload["irregularities"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| (text(&found["code"]), text(&found["path"])))
            .collect();
        let expected: Vec<(String, String)> =
            if code.is_empty() { Vec::new() } else { vec![(code.into(), path.into())] };
        assert_eq!(found, expected, "{mutation} {input}");
        assert_eq!(payload["accreditation"], Value::Null);
    }
    assert_eq!(books(&world).await, before, "nothing was written");

    // More places than exist are a warning: the places may be built until then.
    let payload = hub.act("province", "submitAccreditation", "accreditation { status }", wanted(count(5))).await;
    assert_eq!(payload["accreditation"]["status"], "SUBMITTED");
    assert_eq!(payload["irregularities"][0]["code"], "MORE_PLACES_THAN_INSTALLED");
    assert_eq!(payload["irregularities"][0]["severity"], "WARN");
    world.end().await;
}

fn world_unknown() -> Value {
    json!(tavolo_schema::id::AccreditationId::fresh(crate::harness::TestClock::new().now()).encode())
}
