//! Totals, as anybody may watch them.

use serde_json::{Value, json};

use crate::harness::{Client, Socket, World, text};

const WATCH: &str = "subscription($filter: OccupancyFilter, $by: OccupancyGrouping!) {
    totalsChanged(filter: $filter, groupBy: $by) {
        kind asOf groups { municipality { istatCode } category facilities capacity { installed occupied free } }
    }
}";

async fn watch(hub: &Client, subject: &str, filter: Value, by: &str) -> Socket {
    hub.subscribe(subject, WATCH, json!({ "filter": filter, "by": by })).await
}

async fn install(hub: &Client, facility: &str, category: &str, places: i32) {
    let input = json!({ "facility": facility, "category": category, "installed": places });
    hub.act("province", "installPlaces", "facility { id }", input).await;
}

fn group(municipality: &str, facilities: i32, installed: i32, free: i32) -> Value {
    json!({
        "municipality": { "istatCode": municipality }, "category": null, "facilities": facilities,
        "capacity": { "installed": installed, "occupied": 0, "free": free },
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn totals_that_change_are_those_that_are_asked_for() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let one = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 5).await;
    hub.facility(bodies.other_operator, bodies.province, "ORDINARY", 3).await;
    let mut anybody = watch(&hub, "operator", Value::Null, "MUNICIPALITY").await;
    let mut minors = watch(&hub, "prefecture", json!({ "category": "UNACCOMPANIED_MINOR" }), "CATEGORY").await;

    let state = anybody.event().await;
    assert_eq!((&state["kind"], &state["asOf"]), (&json!("CURRENT"), &json!(world.clock.now().to_string())));
    assert_eq!(state["groups"], json!([group("101010", 2, 8, 8)]));
    assert_eq!(minors.event().await["groups"], json!([]), "a state, even when it is empty");

    install(&hub, &one, "ORDINARY", 4).await;
    let change = anybody.event().await;
    assert_eq!(change["kind"], "CHANGED");
    assert_eq!(change["groups"], json!([group("101010", 2, 7, 7)]));

    hub.accredit(&one, "UNACCOMPANIED_MINOR", 2).await;
    let groups = minors.event().await["groups"].take();
    assert_eq!((&groups[0]["category"], &groups[0]["facilities"]), (&json!("UNACCOMPANIED_MINOR"), &json!(1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_that_did_not_change_is_not_sent() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let one = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 5).await;
    hub.facility(bodies.operator, bodies.municipality, "UNACCOMPANIED_MINOR", 3).await;
    let mut socket = watch(&hub, "operator", Value::Null, "CATEGORY").await;
    assert_eq!(socket.event().await["groups"].as_array().unwrap().len(), 2);
    install(&hub, &one, "ORDINARY", 4).await;
    let groups = socket.event().await["groups"].take();
    let categories: Vec<String> = groups.as_array().unwrap().iter().map(|group| text(&group["category"])).collect();
    assert_eq!(categories, ["ORDINARY"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_looks_closer_counts_what_the_viewer_sees() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let own = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 5).await;
    let other = hub.facility(bodies.other_operator, bodies.municipality, "ORDINARY", 3).await;
    for (subject, expected) in [("", 0), ("operator", 1), ("other_operator", 1), ("analyst", 2)] {
        let mut by_operator = watch(&hub, subject, Value::Null, "OPERATOR").await;
        assert_eq!(by_operator.event().await["groups"].as_array().unwrap().len(), expected, "{subject}");
    }
    let mut foreign = watch(&hub, "operator", json!({ "facility": other }), "PROVINCE").await;
    let mut mine = watch(&hub, "operator", json!({ "facility": own }), "PROVINCE").await;
    assert_eq!(foreign.event().await["groups"], json!([]));
    assert_eq!(mine.event().await["groups"][0]["capacity"]["installed"], 5);
    install(&hub, &other, "ORDINARY", 2).await;
    install(&hub, &own, "ORDINARY", 4).await;
    assert_eq!(mine.event().await["groups"][0]["capacity"]["installed"], 4);
    // Had it been told of the other facility, it would have been before this.
    foreign.send(json!({ "type": "ping" })).await;
    assert_eq!(foreign.next().await["type"], "pong");
}
