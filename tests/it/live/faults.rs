//! A database that goes, is changed by hand or is damaged while somebody watches.

use std::time::Duration;

use mongodb::bson::doc;
use serde_json::{Value, json};
use tavolo::local_mongod::LocalMongod;
use tavolo_schema::{PlaceCategory, contract_name, id::FacilityId};
use tokio::time::timeout;

use super::{arrival, events, watch};
use crate::{
    harness::{Client, PATIENCE, World, blocking, text, until},
    stage::assert_books_agree,
};

/// What `/readyz` says of the database.
async fn link(hub: &Client) -> Value {
    let answer = hub.http.get(format!("http://{}/readyz", hub.address)).send().await.unwrap();
    assert!(answer.status().is_success());
    answer.json::<Value>().await.unwrap()["database"].take()
}

const ADMIT: &str =
    "mutation($input: AdmitGuestInput!, $key: String) { admitGuest(input: $input, idempotencyKey: $key) {
    stay { id } irregularities { code severity path message } } }";

/// Repeats one order until it is answered, as a client should.
async fn admit_patiently(hub: &Client, guest: &str, facility: &str) {
    let input = json!({ "guest": guest, "facility": facility, "category": "ORDINARY" });
    let order = json!({ "input": input, "key": format!("arrival of {guest}") });
    until("the act goes through", || async {
        let answer = hub.send("operator", ADMIT, order.clone()).await;
        match answer.get("errors") {
            None => {
                assert_eq!(blocking(&answer["data"]["admitGuest"]), Vec::<String>::new());
                true
            }
            Some(errors) => {
                // Written or not, it is to be repeated.
                let code = text(&errors[0]["extensions"]["code"]);
                assert!(["UNAVAILABLE", "OUTCOME_PENDING"].contains(&code.as_str()), "{errors}");
                false
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_mongod_is_killed_and_comes_back_subscriptions_survive_and_miss_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = LocalMongod::start(folder.path(), None).await.unwrap();
    let port = mongod.port();
    let mut world = World::at(mongod.uri()).await;
    world.settings.patience = Duration::from_secs(1);
    let (hub, other) = (world.hub().await, world.hub().await);
    let facility = world.house(&hub, 20).await;
    let mut guests = Vec::new();
    for _ in 0..9 {
        guests.push(hub.guest("operator").await);
    }
    let mut sockets =
        [watch(&hub, "operator", &facility, None).await, watch(&hub, "prefecture", &facility, None).await];
    for socket in &mut sockets {
        assert_eq!(socket.event().await["kind"], "CURRENT");
    }
    admit_patiently(&hub, &guests[0], &facility).await;
    assert_eq!(link(&hub).await, "following");

    mongod.kill().await;
    assert_eq!(hub.pool(&facility).await["occupied"], 1, "the board still answers");
    let order = json!({ "input": { "guest": guests[1], "facility": facility, "category": "ORDINARY" } });
    // The driver alone would look for a server for half a minute.
    let answer = timeout(PATIENCE, hub.send("operator", ADMIT, order)).await.expect("an answer within the patience");
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    until("the hub knows", || async { link(&hub).await == "lost" }).await;
    assert_eq!(hub.pool(&facility).await["occupied"], 1, "the board answers on");

    let mongod = LocalMongod::start(folder.path(), Some(port)).await.unwrap();
    for guest in &guests[1..5] {
        world.clock.advance(Duration::from_secs(1));
        admit_patiently(&other, guest, &facility).await;
    }
    for guest in &guests[5..] {
        world.clock.advance(Duration::from_secs(1));
        admit_patiently(&hub, guest, &facility).await;
    }
    until("the hub follows again", || async { link(&hub).await == "following" }).await;

    let id = FacilityId::decode(&facility).unwrap();
    let ledger = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let written: Vec<_> = ledger
        .iter()
        .filter(|entry| entry.stay.is_some())
        .map(|entry| (contract_name(entry.cause), entry.after.occupied, entry.registered_at.to_string()))
        .collect();
    assert_eq!(written.len(), guests.len());
    for socket in &mut sockets {
        let sent: Vec<_> = events(socket, written.len())
            .await
            .iter()
            .map(|event| {
                let occupied = i32::try_from(event["capacity"]["occupied"].as_i64().unwrap()).unwrap();
                assert_eq!(event["kind"], "CHANGED");
                (text(&event["cause"]), occupied, text(&event["registeredAt"]))
            })
            .collect();
        assert_eq!(sent, written);
    }
    assert_books_agree(&world).await;
    drop(world);
    mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_makes_the_hub_begin_anew_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    let state = socket.event().await;
    let update = doc! { "$set": { "name": "Casa Mano" } };
    let facilities = world.driver().await.collection::<mongodb::bson::Document>("facilities");
    assert_eq!(facilities.update_many(doc! {}, update).await.unwrap().modified_count, 1);

    let anew = socket.event().await;
    assert_eq!((&anew["kind"], &anew["facility"]["name"]), (&json!("RESYNC"), &json!("Casa Mano")));
    arrival(&hub, &facility).await;
    let change = socket.event().await;
    assert_eq!((&change["kind"], &change["capacity"]["occupied"]), (&json!("CHANGED"), &json!(1)), "{change}");
    assert_eq!(link(&hub).await, "following");

    // A hub that starts now has the same history before it.
    let late = world.hub().await;
    let mut back = watch(&late, "operator", &facility, state["cursor"].as_str()).await;
    let resync = back.event().await;
    assert_eq!((&resync["kind"], &resync["capacity"]["occupied"]), (&json!("RESYNC"), &json!(1)));
    arrival(&late, &facility).await;
    assert_eq!(back.event().await["kind"], "CHANGED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_document_stops_the_feed_until_it_is_repaired_and_no_longer() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
    let other = world.house(&hub, 1).await;
    let guest = hub.guest("operator").await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    assert_eq!(socket.event().await["kind"], "CURRENT");
    let facilities = world.driver().await.collection::<mongodb::bson::Document>("facilities");
    let sound = facilities.find_one(doc! {}).sort(doc! { "code": 1 }).await.unwrap().unwrap();
    let mut damaged = sound.clone();
    damaged.insert("facilityType", "CASTLE");
    let id = sound.get("_id").unwrap().clone();
    facilities.replace_one(doc! { "_id": id.clone() }, damaged).bypass_document_validation(true).await.unwrap();
    until("the hub knows", || async { link(&hub).await == "lost" }).await;
    assert_eq!(hub.pool(&facility).await["free"], 5, "the board still answers");

    // An act is written, and not answered from a board that does not show it, however long ago it was.
    let input = json!({ "guest": guest, "facility": other, "category": "ORDINARY" });
    for _ in 0..2 {
        let answer = hub.send("operator", ADMIT, json!({ "input": input, "key": "in the dark" })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "OUTCOME_PENDING", "{answer}");
        world.clock.advance(std::time::Duration::from_secs(61));
    }

    facilities.replace_one(doc! { "_id": id }, sound).await.unwrap();
    until("the hub follows again", || async { link(&hub).await == "following" }).await;
    let answer = hub.send("operator", ADMIT, json!({ "input": input, "key": "in the dark" })).await;
    assert!(answer["data"]["admitGuest"]["stay"]["id"].is_string(), "{answer}");
    arrival(&hub, &facility).await;
    // The state anew after each look that found the document sound, then the change.
    let mut last = socket.event().await;
    for _ in 0..5 {
        if last["capacity"]["occupied"] == 1 {
            break;
        }
        last = socket.event().await;
    }
    assert_eq!(last["capacity"]["occupied"], 1, "{last}");
    let late = world.hub().await;
    assert_eq!(late.pool(&facility).await["occupied"], 1);
    arrival(&late, &facility).await;
    assert_eq!(late.pool(&facility).await["occupied"], 2);
}
