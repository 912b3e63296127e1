//! The books that cannot be poisoned: an act refuses what does not agree, a check tells it, a repair makes it agree.

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use tavolo_schema::{OccupancyCause, PlaceCategory, id::FacilityId};

use crate::{
    commands::tavolo,
    harness::{Client, World, blocking, mongodb_uri, mutation_document, text, until},
    stage::{assert_books_agree, books},
};

/// A facility with eight places and two guests, and one of the stays.
async fn house(world: &World, hub: &Client) -> (String, String) {
    let facility = world.house(hub, 8).await;
    let mut stay = String::new();
    for _ in 0..2 {
        let guest = hub.guest("operator").await;
        let payload = hub.admit("operator", &guest, &facility).await;
        assert_eq!(blocking(&payload), Vec::<String>::new());
        stay = text(&payload["stay"]["id"]);
    }
    (facility, stay)
}

/// Changes the pool by hand, and waits until the hub's board shows it.
async fn damage(world: &World, hub: &Client, facility: &str, change: Document) {
    let pools = world.driver().await.collection::<Document>("pools");
    let mut pool = pools.find_one(doc! {}).await.unwrap().unwrap();
    for (field, value) in change {
        pool.insert(field, value);
    }
    let occupied = pool.get_i32("occupied").unwrap();
    let id = pool.get_document("_id").unwrap().clone();
    pools.replace_one(doc! { "_id": id }, pool).await.unwrap();
    let id = FacilityId::decode(facility).unwrap();
    let shown = || {
        let board = hub.graph.hub().live_board.board();
        std::future::ready(board.facility(id).unwrap().pool(PlaceCategory::Ordinary).unwrap().occupied == occupied)
    };
    until("the board shows the damage", shown).await;
}

/// What a command says to standard output, and its exit code.
async fn said(world: &World, command: &[&str]) -> (Option<i32>, String, String) {
    let uri = mongodb_uri();
    let database = ["--mongodb-uri", &uri, "--database", &world.settings.database];
    let output = tavolo(&[command, &database].concat()).output().await.unwrap();
    let read = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), read(output.stdout), read(output.stderr))
}

#[tokio::test(flavor = "multi_thread")]
async fn no_act_is_entered_on_a_pool_whose_books_do_not_agree() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, stay) = house(&world, &hub).await;
    let guest = hub.guest("operator").await;
    damage(&world, &hub, &facility, doc! { "occupied": 5 }).await;
    let before = books(&world).await;
    let admission = json!({ "guest": guest, "facility": facility, "category": "ORDINARY" });
    let acts: [(&str, &str, Value); 5] = [
        ("operator", "admitGuest", admission.clone()),
        ("operator", "dischargeGuest", json!({ "stay": stay, "reason": "TERM_EXPIRED" })),
        ("operator", "installPlaces", json!({ "facility": facility, "category": "ORDINARY", "installed": 9 })),
        (
            "operator",
            "blockPlaces",
            json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS" }),
        ),
        ("province", "admitGuest", admission.clone()),
    ];
    for (subject, mutation, input) in acts {
        for validate_only in [true, false] {
            let document = mutation_document(mutation, "irregularities { code severity path message(language: EN) }");
            let variables = json!({ "input": input, "only": validate_only });
            let payload = hub.data(subject, &document, variables).await[mutation].take();
            assert_eq!(blocking(&payload), ["BOOKS_DISAGREE"], "{mutation}: {payload}");
            let message = text(&payload["irregularities"][0]["message"]);
            assert!(message.contains("tavolo repair"), "{message}");
        }
    }
    assert_eq!(books(&world).await, before, "nothing was entered");
    damage(&world, &hub, &facility, doc! { "occupied": 2 }).await;
    let payload = hub.act("operator", "admitGuest", "stay { id }", admission).await;
    assert_eq!(blocking(&payload), Vec::<String>::new());
    assert_books_agree(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_counter_is_repaired_without_an_entry() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, _) = house(&world, &hub).await;
    damage(&world, &hub, &facility, doc! { "occupied": 5 }).await;
    let told = "KR-F-0001 ORDINARY: occupied: 5 in the pool, 2 in the ledger\n\
                KR-F-0001 ORDINARY: occupied: 5 in the pool, 2 open stays\n";
    let before = books(&world).await;
    let (code, out, _) = said(&world, &["check"]).await;
    assert_eq!((code, out.starts_with(told)), (Some(1), true), "{out}");
    let (code, out, _) = said(&world, &["repair"]).await;
    let shown = "KR-F-0001 ORDINARY: the pool alone is corrected, the ledger is right\n\
                 nothing was written: say --write to enter the corrections\n";
    assert_eq!((code, out), (Some(0), format!("{told}{shown}")));
    assert_eq!(books(&world).await, before, "a check and a dry run write nothing");
    let (code, out, _) = said(&world, &["repair", "--write"]).await;
    assert_eq!((code, out.ends_with("1 pools, 4 ledger entries, 2 open stays\n")), (Some(0), true), "{out}");
    assert_eq!(said(&world, &["check"]).await.0, Some(0));
    let (code, out, _) = said(&world, &["repair", "--write"]).await;
    assert_eq!((code, out.lines().count()), (Some(0), 1), "there is nothing left: {out}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_is_wrong_gets_an_entry_of_correction_that_everybody_is_shown() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, _) = house(&world, &hub).await;
    let watch = "subscription { occupancyChanged { kind cause capacity { occupied } } }";
    let mut socket = hub.subscribe("operator", watch, json!({})).await;
    assert_eq!(socket.event().await["kind"], "CURRENT");
    // As an act wrote it that took over a damaged counter: one guest came, and the ledger says four.
    let ledger = world.driver().await.collection::<Document>("ledger");
    let wrong = doc! { "$set": { "deltas.occupied": 4, "after.occupied": 5 } };
    ledger.update_one(doc! { "revision": 4_i64 }, wrong).await.unwrap();
    // A ledger that was changed by hand makes the hub begin anew: before the correction, or that would be in the state.
    while socket.event().await["kind"] != "RESYNC" {}
    let (code, out, _) = said(&world, &["check"]).await;
    let told = "KR-F-0001 ORDINARY: occupied: 2 in the pool, 5 in the ledger\n";
    assert_eq!((code, out.starts_with(told)), (Some(1), true), "{out}");
    world.clock.advance_days(1);
    let (code, out, _) = said(&world, &["repair", "--write"]).await;
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("KR-F-0001 ORDINARY: entry 5 of the ledger corrects occupied -3\n"), "{out}");
    let mut event = socket.event().await;
    while event["kind"] != "CHANGED" {
        event = socket.event().await;
    }
    assert_eq!((&event["cause"], &event["capacity"]["occupied"]), (&json!("CORRECTION"), &json!(2)));
    let id = FacilityId::decode(&facility).unwrap();
    let entries = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    assert_eq!(entries.last().unwrap().cause, OccupancyCause::Correction);
    assert_books_agree(&world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_entry_and_a_lost_pool_are_made_up() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, _) = house(&world, &hub).await;
    let id = FacilityId::decode(&facility).unwrap();
    let before = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let driver = world.driver().await;
    let lost = driver.collection::<Document>("ledger").delete_one(doc! { "revision": 3_i64 }).await.unwrap();
    assert_eq!(lost.deleted_count, 1);
    driver.collection::<Document>("pools").delete_one(doc! {}).await.unwrap();
    let (code, out, _) = said(&world, &["check"]).await;
    assert_eq!(code, Some(1));
    assert!(out.contains("entry 3 of the ledger is missing") && out.contains("and no pool"), "{out}");
    assert_eq!(said(&world, &["repair", "--write"]).await.0, Some(0));
    let after = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let numbers = |entries: &[tavolo_schema::LedgerEntry]| {
        entries.iter().map(|entry| (entry.revision, entry.deltas, entry.after)).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&after), numbers(&before));
    assert_eq!(after[2].cause, OccupancyCause::Correction);
    let guest = hub.guest("operator").await;
    let payload = hub.admit("operator", &guest, &facility).await;
    assert_eq!(blocking(&payload), Vec::<String>::new(), "the grant is there again");
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_checked_and_not_made() {
    let world = World::new().await;
    let uri = mongodb_uri();
    let client = mongodb::Client::with_uri_str(&uri).await.unwrap();
    let typo = format!("{}_typo", world.settings.database);
    let commands: [&[&str]; 4] = [
        &["check"],
        &["repair", "--write"],
        &["member", "list"],
        &["organisation", "--name", "X", "--kind", "province", "--tax-code", "91000020791"],
    ];
    for command in commands {
        let output = tavolo(&[command, &["--mongodb-uri", &uri, "--database", &typo]].concat()).output().await.unwrap();
        let line = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{command:?}: {line}");
        assert!(line.contains(&format!("database {typo} holds nothing of Tavolo")), "{line}");
    }
    assert!(!client.list_database_names().await.unwrap().contains(&typo));
    let (code, _, line) = said(&world, &["check"]).await;
    assert_eq!(code, Some(1));
    assert!(line.contains("has no places: there is nothing to check"), "{line}");
    // One of an older version is left as it is.
    let meta = world.driver().await.collection::<Document>("meta");
    meta.update_one(doc! { "_id": "schema" }, doc! { "$set": { "version": 1 } }).await.unwrap();
    for command in commands {
        let (code, _, line) = said(&world, command).await;
        assert_eq!(code, Some(1));
        assert!(line.contains("has schema 1") && line.contains("tavolo migrate"), "{line}");
    }
    let schema = meta.find_one(doc! { "_id": "schema" }).await.unwrap().unwrap();
    assert_eq!(schema.get_i32("version").unwrap(), 1);
}
