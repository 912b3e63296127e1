//! The same person again: who is told of whom, and what is kept of it.

use std::{collections::BTreeSet, time::Duration};

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use super::{findings, pairs};
use crate::{
    harness::{Client, World, codes, person, text},
    lookups::looks,
    stage::provisional_tax_code,
};

/// A person of whom everything is known, the same without codes, and others who have one code each.
fn questions() -> (Value, Value, Vec<Value>) {
    let mut known = person();
    for (field, value) in [("taxCode", &*provisional_tax_code(1)), ("cuiCode", "CUI1"), ("vestanetCode", "KR1")] {
        known[field] = json!(value);
    }
    let mut alike = known.clone();
    for field in ["taxCode", "cuiCode", "vestanetCode"] {
        alike[field] = Value::Null;
    }
    let by_code = ["taxCode", "cuiCode", "vestanetCode"].map(|field| {
        let mut same = person();
        same[field] = known[field].clone();
        same
    });
    (known, alike, by_code.to_vec())
}

async fn checked(hub: &Client, subject: &str, input: &Value) -> Value {
    let only = json!({ "input": input, "only": true });
    hub.order(subject, "registerGuest", "__typename", only).await["data"]["registerGuest"].take()
}

#[tokio::test]
async fn that_somebody_is_known_to_others_is_told_by_an_order_alone_and_is_on_record() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (known, alike, by_code) = questions();
    let payload = hub.act("operator", "registerGuest", "guest { id }", known.clone()).await;
    let guest = text(&payload["guest"]["id"]);
    let facility = hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 5).await;
    hub.admit("operator", &guest, &facility).await;
    let before = looks(&hub, "province").await.len();
    // A check tells of those alone whose files the member sees, and leaves no trace.
    for question in by_code.iter().chain([&known, &alike]) {
        assert_eq!(findings(&checked(&hub, "other_operator", question).await), [], "{question}");
        assert_ne!(findings(&checked(&hub, "operator", question).await), [], "{question}");
    }
    assert_eq!(looks(&hub, "province").await.len(), before);

    // An order tells that there is somebody, but not by which code.
    for (number, question) in by_code.iter().enumerate() {
        world.clock.advance(Duration::from_secs(1));
        let order = json!({ "input": question, "key": format!("prova {number}") });
        let answer = hub.order("other_operator", "registerGuest", "guest { id }", order).await;
        assert_eq!(findings(&answer["data"]["registerGuest"]), pairs(&[("DUPLICATE_PERSON", "input")]), "{question}");
    }
    world.clock.advance(Duration::from_secs(1));
    let both = hub.act("other_operator", "registerGuest", "guest { id }", known).await;
    assert_eq!(findings(&both), pairs(&[("DUPLICATE_PERSON", "input"), ("POSSIBLE_DUPLICATE", "input")]));
    world.clock.advance(Duration::from_secs(1));
    let warned = hub.act("other_operator", "registerGuest", "guest { id }", alike).await;
    assert_eq!(findings(&warned), pairs(&[("POSSIBLE_DUPLICATE", "input")]));
    assert!(warned["guest"]["id"].is_string(), "it is only a warning");

    let (code, likeness) = ("DUPLICATE_PERSON", "POSSIBLE_DUPLICATE");
    let expected = [vec![code], vec![code], vec![code], vec![code, likeness], vec![likeness]];
    let of_whom = |found: &[&str], guests: Value| {
        json!({
            "act": "REGISTER_GUEST", "subject": "other_operator", "role": "OPERATOR",
            "organisation": { "id": world.bodies.other_operator.encode() }, "found": found, "guests": guests,
        })
    };
    // The Province and whoever hosts the guest are told whose file it was; who looked is not.
    let told: Vec<Value> = expected.iter().map(|found| of_whom(found, json!([{ "id": guest }]))).collect();
    assert_eq!(looks(&hub, "operator").await, told);
    assert_eq!(looks(&hub, "province").await[before..], told);
    assert_eq!(looks(&hub, "other_operator").await, [] as [Value; 0]);
    // Nothing of the input is kept, and of a refused order nothing but the look.
    let driver = world.driver().await;
    let acts = driver.collection::<Document>("acts").count_documents(doc! { "subject": "other_operator" }).await;
    assert_eq!(acts.unwrap(), 1);
    let look = driver.collection::<Document>("lookups").find_one(doc! { "found": [code, likeness] }).await.unwrap();
    let look = look.unwrap();
    let fields: BTreeSet<&str> = look.keys().map(String::as_str).collect();
    assert_eq!(fields, BTreeSet::from(["_id", "act", "at", "files", "found", "organisation", "role", "subject"]));
}

#[tokio::test]
async fn beyond_sight_is_not_looked_while_anything_else_keeps_an_order_from_being_performed() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (known, alike, by_code) = questions();
    hub.act("operator", "registerGuest", "guest { id }", known.clone()).await;
    let before = looks(&hub, "province").await.len();
    for mut question in by_code.into_iter().chain([known, alike, person()]) {
        question["languages"] = json!(["x"]);
        let payload = hub.act("other_operator", "registerGuest", "guest { id }", question.clone()).await;
        assert_eq!(codes(&payload), ["UNKNOWN_LANGUAGE"], "{question}");
    }
    assert_eq!(looks(&hub, "province").await.len(), before);
}
