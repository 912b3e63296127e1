//! Accreditations: every state against every act, allowed or refused, as the table in `schema` says.

use serde_json::{Value, json};

use crate::{
    harness::{Client, World, blocking, text},
    stage::{Setting, Stage, accepted, assert_books_agree, books},
};

/// The acts, in the order of the columns below.
const ACTS: [&str; 5] = ["submit", "accredit", "reject", "suspend", "revoke"];

/// Which acts each state allows.
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
    let mut accreditations = Vec::new();
    for (state, allowed) in ALLOWED {
        // A new accreditation takes the place of earlier ones of its facility.
        let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
        let accreditation = brought_to(&hub, &facility, state).await;
        accreditations.push((state, allowed, facility, accreditation));
    }
    world.clock.advance_days(1);

    let before = books(&world).await;
    for (state, allowed, facility, accreditation) in &accreditations {
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
        let (_, _, facility, accreditation) = accreditations.iter().find(|(state, ..)| *state == from).unwrap();
        let (mutation, input) = ordered(act, facility, accreditation);
        let payload = hub.act("province", mutation, "accreditation { status }", input).await;
        assert_eq!(payload["accreditation"]["status"], to, "{act} when {from}");
    }
    assert_books_agree(&world).await;
}

/// What an accreditation says, and the places accredited today by category.
async fn standing(hub: &Client, accreditation: &str) -> (Value, Value, Value) {
    let document = "query($id: ID!) { accreditation(by: { id: $id }) {
        status validUntil facility { capacity { category accredited } } } }";
    let mut found = hub.data("province", document, json!({ "id": accreditation })).await["accreditation"].take();
    let pools = found["facility"]["capacity"].as_array().unwrap();
    let places = pools.iter().map(|pool| pool["accredited"].clone()).collect();
    (found["status"].take(), found["validUntil"].take(), places)
}

/// Grants places from a day on.
async fn granted(hub: &Client, facility: &str, places: &[(&str, i32)], from: &str) -> String {
    let places: Vec<Value> =
        places.iter().map(|(category, places)| json!({ "category": category, "places": places })).collect();
    let input = json!({ "facility": facility, "places": places });
    let accreditation = accepted(hub, "submitAccreditation", "accreditation", input).await;
    let input = json!({ "accreditation": accreditation, "outcome": "ACCREDITED", "validFrom": from });
    accepted(hub, "decideAccreditation", "accreditation", input).await
}

async fn suspended_and_reinstated(hub: &Client, facility: &str, accreditation: &str) {
    for act in ["suspend", "accredit"] {
        let (mutation, input) = ordered(act, facility, accreditation);
        accepted(hub, mutation, "accreditation", input).await;
    }
}

#[tokio::test]
async fn what_is_reinstated_undoes_nothing_that_was_decided_since() {
    const MINORS: &str = "UNACCOMPANIED_MINOR";
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 10).await;
    hub.accredit(&facility, MINORS, 5).await;
    let first = granted(&hub, &facility, &[("ORDINARY", 10), (MINORS, 5)], "2026-11-23").await;

    // A variation of a part of it stands.
    let fewer = granted(&hub, &facility, &[("ORDINARY", 8)], "2026-11-23").await;
    suspended_and_reinstated(&hub, &facility, &first).await;
    let (status, first_until, places) = standing(&hub, &first).await;
    assert_eq!((&status, &places), (&json!("ACCREDITED"), &json!([8, 5])));
    assert_eq!(standing(&hub, &fewer).await.0, "ACCREDITED");

    // So does a renewal that has not begun.
    let renewal = granted(&hub, &facility, &[("ORDINARY", 7), (MINORS, 4)], "2027-01-01").await;
    let renewed_until = standing(&hub, &renewal).await.1;
    assert_ne!(standing(&hub, &first).await.1, first_until);
    suspended_and_reinstated(&hub, &facility, &first).await;
    suspended_and_reinstated(&hub, &facility, &fewer).await;
    for accreditation in [&first, &fewer] {
        let (status, until, places) = standing(&hub, accreditation).await;
        assert_eq!((status, until, places), (json!("ACCREDITED"), json!("2026-12-31"), json!([8, 5])));
    }
    world.clock.advance_days(39);
    let begun = standing(&hub, &renewal).await;
    assert_eq!(begun, (json!("ACCREDITED"), renewed_until, json!([7, 4])));
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn an_accreditation_without_a_place_left_is_over() {
    const MINORS: &str = "UNACCOMPANIED_MINOR";
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 10).await;
    hub.accredit(&facility, MINORS, 5).await;
    let both = granted(&hub, &facility, &[("ORDINARY", 10), (MINORS, 5)], "2026-11-23").await;
    let suspended = json!({ "accreditation": both, "reason": "Verbale 9" });
    accepted(&hub, "suspendAccreditation", "accreditation", suspended).await;
    granted(&hub, &facility, &[("ORDINARY", 8)], "2026-11-23").await;
    assert_eq!(standing(&hub, &both).await.0, "SUSPENDED");
    granted(&hub, &facility, &[(MINORS, 3)], "2026-11-23").await;
    let (status, until, places) = standing(&hub, &both).await;
    assert_eq!((status, until, places), (json!("EXPIRED"), json!("2026-11-22"), json!([8, 3])));
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
}

fn world_unknown() -> Value {
    json!(tavolo_schema::id::AccreditationId::fresh(crate::harness::TestClock::new().now()).encode())
}
