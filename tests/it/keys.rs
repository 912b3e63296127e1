//! The key of the database, the fingerprints made with it, and how long an act remembers its idempotency key.

use std::{path::Path, process::Output};

use async_graphql::{InputType, Request, Value as GraphValue, Variables};
use futures_util::{StreamExt, TryStreamExt};
use mongodb::{
    Collection,
    bson::{Bson, DateTime, Document, Uuid, doc},
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tavolo::serve::open_store;
use tavolo_resolvers::{Answer, Viewer};
use tavolo_schema::guest::RegisterGuestInput;
use tavolo_store::{Key, Store, StoreError, key::SECRET_BYTES};
use tokio::time::timeout;

use crate::{
    commands::tavolo,
    harness::{Client, PATIENCE, World, database_key, person, text, watch},
};

/// Another secret than that of the tests' databases.
fn other_key() -> Key {
    Key::new(&[8; SECRET_BYTES]).unwrap()
}

/// Registers a guest under a key of the operator's, and hands back the guest's id or the code of the error.
async fn register(hub: &Client, input: &Value, key: &str) -> String {
    let answer = hub.order("operator", "registerGuest", "guest { id }", json!({ "input": input, "key": key })).await;
    let guest = answer["data"]["registerGuest"]["guest"]["id"].as_str();
    guest.map_or_else(|| text(&answer["errors"][0]["extensions"]["code"]), str::to_owned)
}

async fn acts(world: &World) -> Collection<Document> {
    world.driver().await.collection("acts")
}

/// The record of the act with a key.
async fn record(world: &World, key: &str) -> Document {
    acts(world).await.find_one(doc! { "key": key }).await.unwrap().expect("a record")
}

/// The store of a world without its key.
async fn keyless(world: &World) -> Store {
    open_store(&world.settings).await.unwrap()
}

#[tokio::test]
async fn nobody_can_try_guesses_of_an_input_on_the_record_of_an_act() {
    let world = World::new().await;
    let hub = world.hub().await;
    let input = person();
    register(&hub, &input, "k").await;
    let record = record(&world, "k").await;
    let told = record.get_str("fingerprint").unwrap();
    let read = RegisterGuestInput::parse(Some(GraphValue::from_json(input).unwrap()));
    let read = read.unwrap_or_else(|_| panic!("an input"));
    assert_eq!(told, world.store.fingerprint("operator", "k", &read).unwrap(), "it is the very input");
    let elsewhere = keyless(&world).await;
    assert!(matches!(elsewhere.fingerprint("operator", "k", &read), Err(StoreError::NoKey)));

    // What can be made of the input and of everything that stands in the record, without the key.
    let body = serde_json::to_vec(&read).unwrap();
    let mut salts: Vec<String> = record.values().map(|value| value.as_str().unwrap_or_default().to_owned()).collect();
    salts.push(String::new());
    for subject in &salts {
        for key in &salts {
            let (mut framed, mut plain) = (Sha256::new(), Sha256::new());
            for part in [subject.as_bytes(), key.as_bytes(), &body] {
                framed.update(part.len().to_be_bytes());
                framed.update(part);
                plain.update(part);
            }
            for hash in [framed.finalize(), plain.finalize()] {
                let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
                assert!(!record.to_string().contains(&hash), "made of {subject:?} and {key:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_database_is_opened_with_its_own_key_alone() {
    let world = World::new().await;
    assert!(keyless(&world).await.has_key().await.unwrap());
    let refused = keyless(&world).await.with_key(other_key()).await.unwrap_err();
    assert!(matches!(&refused, StoreError::OtherKey(name) if *name == world.settings.database), "{refused}");
    assert!(keyless(&world).await.with_key(database_key()).await.is_ok());
    let meta = world.driver().await.collection::<Document>("meta").find_one(doc! { "_id": "key" }).await.unwrap();
    let fields: Vec<String> = meta.unwrap().keys().cloned().collect();
    assert_eq!(fields, ["_id", "database", "check"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_hubs_that_open_a_new_database_with_keys_of_their_own_one_is_let() {
    let world = World::new().await;
    let meta = world.driver().await.collection::<Document>("meta");
    meta.delete_one(doc! { "_id": "key" }).await.unwrap();
    let stores = [keyless(&world).await, keyless(&world).await];
    let [one, other] = stores;
    let (one, other) = tokio::join!(one.with_key(database_key()), other.with_key(other_key()));
    assert_eq!(u8::from(one.is_ok()) + u8::from(other.is_ok()), 1);
}

/// What a command says to standard output, and its one line of error.
async fn said(world: &World, command: &[&str], key_file: &Path) -> (Option<i32>, String, String) {
    let database = ["--mongodb-uri", &world.settings.uri, "--database", &world.settings.database];
    let key_file = ["--key-file", key_file.to_str().unwrap()];
    let Output { status, stdout, stderr } = tavolo(&[command, &database, &key_file].concat()).output().await.unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

#[tokio::test]
async fn a_hub_without_the_key_of_its_database_says_so_in_one_line_and_does_not_start() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    for command in [&["serve", "--listen", "127.0.0.1:0"][..], &["seed", "--add", "--guests", "1"]] {
        let (code, _, line) = said(&world, command, &file).await;
        assert_eq!((code, line.matches('\n').count()), (Some(1), 1), "{line}");
        assert!(
            line.contains(file.to_str().unwrap()) && line.contains("copy the key file of its other hubs"),
            "{line}"
        );
        assert!(!file.exists(), "none is made where one is missing");
    }
    let made = tavolo(&["key", "make", "--key-file", file.to_str().unwrap()]).output().await.unwrap();
    assert!(made.status.success());
    let (code, _, line) = said(&world, &["serve", "--listen", "127.0.0.1:0"], &file).await;
    assert_eq!((code, line.matches('\n').count()), (Some(1), 1), "{line}");
    assert!(line.contains("is not that of database") && line.contains("key file of its other hubs"), "{line}");
    let secret = std::fs::read_to_string(&file).unwrap();
    assert!(!line.contains(secret.trim()), "{line}");
    let again = tavolo(&["key", "make", "--key-file", file.to_str().unwrap()]).output().await.unwrap();
    assert_eq!(again.status.code(), Some(1), "it is there");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), secret);
}

#[tokio::test]
async fn the_first_start_of_a_new_database_makes_the_key() {
    let world = World::new().await;
    world.driver().await.collection::<Document>("meta").delete_one(doc! { "_id": "key" }).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("state/tavolo/key");
    let seed = ["seed", "--add", "--facilities", "1", "--guests", "1"];
    let (code, _, line) = said(&world, &seed, &file).await;
    assert_eq!(code, Some(0), "{line}");
    assert!(file.exists());
    assert_eq!(said(&world, &seed, &file).await.0, Some(0), "and the second finds it");
    assert!(keyless(&world).await.with_key(database_key()).await.is_err(), "it is the file's now");
}

#[tokio::test]
async fn the_doctor_looks_for_the_key_of_the_database() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let finding = async || {
        let (_, found, _) = said(&world, &["doctor", "--json", "--listen", "127.0.0.1:0"], &file).await;
        let found: Vec<Value> = serde_json::from_str(&found).unwrap();
        found.into_iter().find(|finding| finding["check"] == "key file").expect("a finding")
    };
    assert_eq!(finding().await["verdict"], "FAIL", "it is not there");
    std::fs::write(&file, "nonsense").unwrap();
    assert_eq!(finding().await["verdict"], "FAIL", "it is none");
    std::fs::remove_file(&file).unwrap();
    assert!(tavolo(&["key", "make", "--key-file", file.to_str().unwrap()]).status().await.unwrap().success());
    assert_eq!(finding().await["verdict"], "FAIL", "it is another's");
    std::fs::copy(crate::harness::database_key_file(), &file).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(finding().await["verdict"], "WARN", "anybody may read it");
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    assert_eq!(finding().await["verdict"], "OK");
    world.driver().await.collection::<Document>("meta").delete_one(doc! { "_id": "key" }).await.unwrap();
    assert_eq!(finding().await["verdict"], "OK", "the database will be kept with it");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(finding().await["verdict"], "OK", "a hub will make it");
    assert!(!file.exists());
}

#[tokio::test]
async fn a_lost_key_is_replaced_and_orders_of_before_are_answered_from_their_records() {
    let world = World::new().await;
    let hub = world.hub().await;
    let input = person();
    let guest = register(&hub, &input, "k").await;
    assert_eq!(register(&hub, &person(), "k").await, "IDEMPOTENCY_KEY_REUSED");
    world.stop_hub(&hub).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key");
    let (code, _, line) = said(&world, &["key", "replace"], &file).await;
    assert_eq!(code, Some(1));
    assert!(line.contains("tavolo key make"), "{line}");
    assert_eq!(record(&world, "k").await.get_str("fingerprint").unwrap().len(), 64, "nothing has changed");

    let made = tavolo(&["key", "make", "--key-file", file.to_str().unwrap()]).output().await.unwrap();
    assert!(made.status.success());
    let (code, told, line) = said(&world, &["key", "replace"], &file).await;
    assert_eq!(code, Some(0), "{line}");
    assert!(told.contains("1 fingerprints") && told.contains("answered from their records"), "{told}");
    assert_eq!(record(&world, "k").await.get_str("fingerprint").unwrap(), "");
    assert!(keyless(&world).await.with_key(database_key()).await.is_err(), "the old key is none any more");

    let again = keyless(&world).await;
    assert_eq!(again.replace_key(&database_key()).await.unwrap(), 0);
    let hub = world.hub().await;
    assert_eq!(register(&hub, &input, "k").await, guest);
    assert_eq!(register(&hub, &person(), "k").await, guest, "whatever the input");
}

#[tokio::test]
async fn fingerprints_of_an_older_version_are_taken_away() {
    let world = World::new().await;
    let hub = world.hub().await;
    let guest = register(&hub, &person(), "k").await;
    world.stop_hub(&hub).await;
    let readable = doc! { "$set": { "fingerprint": "0123456789abcdef" } };
    acts(&world).await.update_one(doc! { "key": "k" }, readable).await.unwrap();
    let meta = world.driver().await.collection::<Document>("meta");
    meta.update_one(doc! { "_id": "schema" }, doc! { "$set": { "version": 2 } }).await.unwrap();
    let hub = world.hub().await;
    assert_eq!(record(&world, "k").await.get_str("fingerprint").unwrap(), "");
    assert_eq!(register(&hub, &person(), "k").await, guest, "it is answered from its record");
}

/// Keeps time as a hub of its own.
async fn keep_time(world: &World) {
    world.store.keep_time(tavolo_schema::id::fresh(world.clock.now()), world.clock.now()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_is_remembered_for_a_month_and_then_forgotten_without_a_word_to_subscribers() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let member = hub.graph.hub().live_board.board().member("operator").cloned();
    let document = "subscription($id: ID!) { occupancyChanged(filter: { facility: $id }) { kind cause } }";
    let request = Request::new(document).variables(Variables::from_json(json!({ "id": facility })));
    let mut watcher = Box::pin(watch(&hub, request, Viewer { member, ..Viewer::default() }));
    let mut next = async || {
        let answer = timeout(PATIENCE, watcher.next()).await.expect("an event in time").expect("no end");
        let Answer::Next(json) = answer else { panic!("{answer:?}") };
        serde_json::from_str::<Value>(&json).unwrap()["data"]["occupancyChanged"].take()
    };
    assert_eq!(next().await["kind"], "CURRENT");

    let input = person();
    let guest = register(&hub, &input, "k").await;
    let kept = record(&world, "k").await;
    world.clock.advance_days(30);
    keep_time(&world).await;
    assert_eq!(record(&world, "k").await, kept);
    assert_eq!(register(&hub, &input, "k").await, guest, "after a month");
    assert_eq!(register(&hub, &person(), "k").await, "IDEMPOTENCY_KEY_REUSED");

    world.clock.advance_days(6);
    register(&hub, &person(), "young").await;
    keep_time(&world).await;
    let id = kept.get("_id").cloned().unwrap();
    let mut left = kept;
    left.remove("key");
    left.remove("fingerprint");
    assert_eq!(acts(&world).await.find_one(doc! { "_id": id }).await.unwrap(), Some(left), "the record stays");
    assert_eq!(record(&world, "young").await.get_str("fingerprint").unwrap().len(), 64);

    let block = json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS" });
    hub.act("operator", "blockPlaces", "block { id }", block).await;
    assert_eq!(next().await, json!({ "kind": "CHANGED", "cause": "PLACES_BLOCKED" }), "the board did not begin anew");
    assert_ne!(register(&hub, &input, "k").await, guest, "the key is free again");
}

#[tokio::test]
async fn however_many_keys_there_are_they_are_forgotten_a_batch_at_a_time() {
    let world = World::new().await;
    let acts = acts(&world).await;
    let old = DateTime::from_millis(world.clock.now().plus_millis(-36 * 86_400_000).millis());
    let made = (0..2_500).map(|number| {
        doc! {
            "_id": Uuid::new(), "act": "REGISTER_GUEST", "subject": "operator", "role": "OPERATOR",
            "organisation": Bson::Null, "registeredAt": old, "key": format!("k{number}"), "fingerprint": "f",
            "answer": "null", "irregularities": [],
        }
    });
    acts.insert_many(made).await.unwrap();
    keep_time(&world).await;
    let left: Vec<Document> = acts.find(doc! {}).await.unwrap().try_collect().await.unwrap();
    assert_eq!(left.len(), 2_500);
    assert!(left.iter().all(|act| !act.contains_key("key") && !act.contains_key("fingerprint")));
}
