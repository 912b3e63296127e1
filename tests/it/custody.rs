//! The migration that works out of a database's past who kept each file: as the acts would have written it.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{Bson, Document, doc},
};
use serde_json::json;
use tavolo::serve::open_store;
use tavolo_schema::id::fresh;

use crate::{
    harness::{Client, World, codes, person},
    lookups::looks,
    stage::accepted,
};

/// Every file, each list of it in one order.
async fn files(driver: &Database) -> BTreeMap<String, BTreeMap<String, String>> {
    let guests = driver.collection::<Document>("guests").find(doc! {}).await.unwrap();
    let guests: Vec<Document> = guests.try_collect().await.unwrap();
    let plain = |value: &Bson| match value {
        Bson::Array(items) => {
            let mut items: Vec<String> = items.iter().map(sorted).collect();
            items.sort();
            items.join(" ")
        }
        other => sorted(other),
    };
    let file = |guest: &Document| guest.iter().map(|(field, value)| (field.clone(), plain(value))).collect();
    guests.iter().map(|guest| (sorted(guest.get("_id").unwrap()), file(guest))).collect()
}

/// A value as text, its fields in the order of their names.
fn sorted(value: &Bson) -> String {
    match value {
        Bson::Document(document) => {
            format!("{:?}", document.iter().map(|(field, value)| (field, sorted(value))).collect::<BTreeMap<_, _>>())
        }
        other => format!("{other:?}"),
    }
}

/// Admits a guest and, if it is to leave again, lets it leave.
async fn hosted(hub: &Client, guest: &str, facility: &str, leaves: bool) {
    hub.clock.advance(std::time::Duration::from_secs(60));
    let admission = json!({ "guest": guest, "facility": facility, "category": "ORDINARY" });
    let stay = accepted(hub, "admitGuest", "stay", admission).await;
    if leaves {
        hub.clock.advance(std::time::Duration::from_secs(60));
        accepted(hub, "dischargeGuest", "stay", json!({ "stay": stay, "reason": "OTHER" })).await;
    }
}

#[tokio::test]
async fn who_kept_a_file_is_worked_out_of_stays_and_acts() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let one = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 9).await;
    let two = hub.facility(bodies.other_operator, bodies.province, "ORDINARY", 9).await;
    let town = hub.facility(bodies.municipality, bodies.municipality, "ORDINARY", 9).await;
    for (opener, path) in [
        ("operator", vec![]),
        ("operator", vec![(&one, false)]),
        ("operator", vec![(&one, true)]),
        ("operator", vec![(&two, false)]),
        ("central_service", vec![(&one, true)]),
        ("province", vec![(&one, true), (&two, true), (&one, true)]),
        ("province", vec![(&two, true), (&one, true), (&two, false)]),
        ("operator", vec![(&town, true), (&one, false)]),
        ("central_service", vec![(&one, true), (&two, true), (&town, false)]),
        ("other_operator", vec![(&one, true), (&town, true), (&two, true), (&town, false)]),
    ] {
        let guest = hub.guest(opener).await;
        for (facility, leaves) in path {
            hosted(&hub, &guest, facility, leaves).await;
        }
    }
    let driver = world.driver().await;
    let before = files(&driver).await;
    assert!(before.values().any(|file| file["formerKeepers"].matches("organisation").count() == 3));

    // The same database as an earlier version has left it.
    let guests = driver.collection::<Document>("guests");
    driver.run_command(doc! { "collMod": "guests", "validator": {} }).await.unwrap();
    let new = doc! { "holder": "", "leftAt": "", "formerKeepers": "", "sight": "" };
    guests.update_many(doc! {}, doc! { "$unset": new }).await.unwrap();
    assert_ne!(files(&driver).await, before);
    driver.collection::<Document>("lookups").drop().await.unwrap();
    for name in ["guests", "stays", "facilities", "pools"] {
        driver.collection::<Document>(name).drop_indexes().await.unwrap();
    }
    let acts = driver.collection::<Document>("acts");
    let mut refused = acts.find_one(doc! { "subject": "operator" }).await.unwrap().unwrap();
    refused.insert("_id", mongodb::bson::Uuid::from_bytes(*fresh(world.clock.now()).as_bytes()));
    refused.insert("registeredAt", mongodb::bson::DateTime::from_millis(world.clock.now().millis()));
    refused.insert("answer", "null");
    refused.insert("outOfSight", ["DUPLICATE_PERSON"]);
    acts.insert_one(refused).await.unwrap();
    let warned = doc! { "$set": { "outOfSight": ["POSSIBLE_DUPLICATE"] } };
    acts.update_one(doc! { "act": "REGISTER_GUEST", "subject": "other_operator" }, warned).await.unwrap();
    let number = acts.count_documents(doc! {}).await.unwrap();
    let version = doc! { "$set": { "version": 2 } };
    driver.collection::<Document>("meta").update_one(doc! { "_id": "schema" }, version).await.unwrap();

    open_store(&world.settings).await.unwrap();
    assert_eq!(files(&driver).await, before);
    let told: Vec<_> = looks(&hub, "province").await.into_iter().map(|look| look["found"].clone()).collect();
    assert_eq!(told.len(), 2);
    assert!(told.contains(&json!(["DUPLICATE_PERSON"])) && told.contains(&json!(["POSSIBLE_DUPLICATE"])));
    assert_eq!(acts.count_documents(doc! {}).await.unwrap(), number - 1, "a refusal is no act");
    assert_eq!(acts.count_documents(doc! { "outOfSight": { "$exists": true } }).await.unwrap(), 0);
    // It is migrated once more, as after a migration that was interrupted, and goes on.
    let version = doc! { "$set": { "version": 2 } };
    driver.collection::<Document>("meta").update_one(doc! { "_id": "schema" }, version).await.unwrap();
    open_store(&world.settings).await.unwrap();
    assert_eq!(files(&driver).await, before);
    let payload = hub.act("operator", "registerGuest", "guest { id }", person()).await;
    assert_eq!(codes(&payload), Vec::<String>::new());
}
