//! The same person again: who is told of whom, and what is kept of it.

use std::{collections::BTreeSet, time::Duration};

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};

use super::{findings, pairs};
use crate::{
    harness::{World, person},
    stage::provisional_tax_code,
};

/// What the records of acts keep of findings about people out of sight, in the order of the acts.
async fn told_out_of_sight(world: &World) -> Vec<Document> {
    let acts = world.driver().await.collection::<Document>("acts");
    let told = acts.find(doc! { "outOfSight": { "$exists": true } }).sort(doc! { "registeredAt": 1 }).await.unwrap();
    told.try_collect().await.unwrap()
}

#[tokio::test]
async fn that_somebody_is_known_to_others_is_told_by_an_order_alone_and_is_on_record() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut known = person();
    for (field, value) in [("taxCode", &*provisional_tax_code(1)), ("cuiCode", "CUI1"), ("vestanetCode", "KR1")] {
        known[field] = json!(value);
    }
    hub.act("operator", "registerGuest", "guest { id }", known.clone()).await;
    let mut alike = known.clone();
    for field in ["taxCode", "cuiCode", "vestanetCode"] {
        alike[field] = Value::Null;
    }
    let mut questions = vec![known.clone(), alike.clone()];
    questions.extend(["taxCode", "cuiCode", "vestanetCode"].map(|field| {
        let mut same = person();
        same[field] = known[field].clone();
        same
    }));
    let check = async |subject: &str, input: &Value| {
        let only = json!({ "input": input, "only": true });
        hub.order(subject, "registerGuest", "__typename", only).await["data"]["registerGuest"].take()
    };
    // A check tells of those alone whose files the member sees, and leaves no trace.
    for question in &questions {
        assert_eq!(findings(&check("other_operator", question).await), [], "{question}");
        assert_ne!(findings(&check("operator", question).await), [], "{question}");
    }
    assert_eq!(told_out_of_sight(&world).await, []);

    // An order tells that there is somebody, but not by which code.
    let mut key = 0;
    for question in &questions[2..] {
        key += 1;
        let order = json!({ "input": question, "key": format!("prova {key}") });
        let answer = hub.order("other_operator", "registerGuest", "guest { id }", order).await;
        world.clock.advance(Duration::from_secs(1));
        assert_eq!(findings(&answer["data"]["registerGuest"]), pairs(&[("DUPLICATE_PERSON", "input")]), "{question}");
    }
    let both = hub.act("other_operator", "registerGuest", "guest { id }", known).await;
    assert_eq!(findings(&both), pairs(&[("DUPLICATE_PERSON", "input"), ("POSSIBLE_DUPLICATE", "input")]));
    world.clock.advance(Duration::from_secs(1));
    let warned = hub.act("other_operator", "registerGuest", "guest { id }", alike).await;
    assert_eq!(findings(&warned), pairs(&[("POSSIBLE_DUPLICATE", "input")]));
    assert!(warned["guest"]["id"].is_string(), "it is only a warning");

    let told = told_out_of_sight(&world).await;
    let codes = told.iter().map(|act| act.get_array("outOfSight").unwrap().iter().map(|code| code.as_str().unwrap()));
    let (code, likeness) = ("DUPLICATE_PERSON", "POSSIBLE_DUPLICATE");
    let expected = [vec![code], vec![code], vec![code], vec![code, likeness], vec![likeness]];
    assert_eq!(codes.map(Vec::from_iter).collect::<Vec<_>>(), expected);
    for act in &told {
        assert_eq!(act.get_str("subject").unwrap(), "other_operator");
        assert_eq!(act.get_str("act").unwrap(), "REGISTER_GUEST");
        assert!(act.get_datetime("registeredAt").is_ok());
    }
    for refusal in &told[..4] {
        let fields: BTreeSet<&str> = refusal.keys().map(String::as_str).collect();
        let kept = ["_id", "act", "answer", "fingerprint", "irregularities", "organisation", "outOfSight"];
        assert_eq!(fields, BTreeSet::from_iter(kept.into_iter().chain(["registeredAt", "role", "subject"])));
        assert_eq!(refusal.get_str("answer").unwrap(), "null");
        assert_eq!(refusal.get_str("fingerprint").unwrap(), "");
        assert!(refusal.get_array("irregularities").unwrap().is_empty());
    }
    world.end().await;
}
