//! What an earlier version had published of protected places goes when the database is migrated.

use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value, json};
use tavolo::serve::open_store;

use crate::{
    harness::{World, until},
    statistics::ask,
};

#[tokio::test(flavor = "multi_thread")]
async fn totals_of_all_categories_are_not_told_any_more() {
    let world = World::new().await;
    let driver = world.driver().await;
    let [publications, tables, meta] =
        ["publications", "statisticsTables", "meta"].map(|name| driver.collection::<Document>(name));
    let published = |category: Bson, number: i64| {
        doc! {
            "_id": { "cell": { "municipality": null, "category": category }, "number": number },
            "at": mongodb::bson::DateTime::from_millis(world.clock.now().millis()),
            "people": { "occupied": 40, "reserved": 0, "overCapacity": 0 }, "precision": "ROUNDED",
        }
    };
    publications.insert_many([published(Bson::Null, 1), published("ORDINARY".into(), 1)]).await.unwrap();
    let months = vec![0; 6];
    let group = |category: Bson, municipality: Bson, hosted: i32| {
        doc! {
            "category": category, "municipality": municipality, "hosted": hosted, "personDays": hosted * 30,
            "entries": hosted, "exits": 0, "monthlyEntries": months.clone(), "monthlyExits": months.clone(),
        }
    };
    let none: [i32; 0] = [];
    let rows =
        ["reasons", "lengths", "citizenships", "sexes", "ages"].map(|row| (row.to_owned(), Bson::from(none.to_vec())));
    let groups = vec![
        group(Bson::Null, Bson::Null, 95),
        group("ORDINARY".into(), Bson::Null, 70),
        group("UNACCOMPANIED_MINOR".into(), Bson::Null, 20),
        group("MENTAL_HEALTH_OR_DISABILITY".into(), Bson::Null, 5),
        group(Bson::Null, "101010".into(), 95),
    ];
    let made_at = mongodb::bson::DateTime::from_millis(world.clock.now().millis());
    let rows: Document = rows.into_iter().collect();
    tables.insert_one(doc! { "_id": "2026-H1", "madeAt": made_at, "groups": groups, "rows": rows }).await.unwrap();
    let earlier = doc! { "$set": { "version": 7 } };
    meta.update_one(doc! { "_id": "schema" }, earlier).await.unwrap();

    open_store(&world.settings).await.unwrap();
    assert_eq!(publications.count_documents(doc! {}).await.unwrap(), 1);
    let hub = world.hub().await;
    hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 10).await;
    for (filter, hosted) in [
        (Value::Null, json!(70)),
        (json!({ "category": "ORDINARY" }), json!(70)),
        (json!({ "category": "UNACCOMPANIED_MINOR" }), json!(20)),
        (json!({ "category": "MENTAL_HEALTH_OR_DISABILITY" }), Value::Null),
        (json!({ "municipality": "101010" }), Value::Null),
    ] {
        let told = ask(&hub, "analyst", filter.clone(), "2026-01-01", "2026-06-30").await;
        assert_eq!(told["hosted"]["count"], hosted, "{filter}");
    }
    // A hub of the earlier version that is still there goes on; nothing is heard of it.
    publications.insert_one(published(Bson::Null, 2)).await.unwrap();
    hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 5).await;
    let province = "{ occupancy(groupBy: PROVINCE) { facilities } }";
    let both = json!([{ "facilities": 2 }]);
    until("the board goes on", async || hub.data("", province, Value::Null).await["occupancy"] == both).await;
    world.hub().await;
}
