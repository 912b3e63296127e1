//! Live: what a subscriber is sent, in which order, and what it never misses.

mod access;
mod cursors;
mod faults;
mod protocol;

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Client, Socket, World, blocking, text};

const WATCH: &str = "subscription($filter: OccupancyFilter, $after: String) {
    occupancyChanged(filter: $filter, after: $after) {
        cursor kind facility { id code name } category capacity { installed occupied free }
        cause occurredAt registeredAt
    }
}";

async fn watch(hub: &Client, subject: &str, facility: &str, after: Option<&str>) -> Socket {
    hub.subscribe(subject, WATCH, json!({ "filter": { "facility": facility }, "after": after })).await
}

/// So many events.
async fn events(socket: &mut Socket, count: usize) -> Vec<Value> {
    let mut events = Vec::new();
    while events.len() < count {
        events.push(socket.event().await);
    }
    events
}

/// Admits a new guest at a later instant than everything before.
async fn arrival(hub: &Client, facility: &str) -> String {
    hub.clock.advance(Duration::from_secs(1));
    let guest = hub.guest("operator").await;
    let payload = hub.admit("operator", &guest, facility).await;
    assert_eq!(blocking(&payload), Vec::<String>::new());
    text(&payload["stay"]["id"])
}

async fn departure(hub: &Client, stay: &str) {
    hub.clock.advance(Duration::from_secs(1));
    let input = json!({ "stay": stay, "reason": "VOLUNTARY_ABANDONMENT" });
    let payload = hub.act("operator", "dischargeGuest", "stay { status }", input).await;
    assert_eq!(payload["stay"]["status"], "CLOSED");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_state_comes_first_then_every_change_with_its_cause_and_numbers() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 3).await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    let state = socket.event().await;
    assert_eq!(state["kind"], "CURRENT");
    assert_eq!(state["facility"]["id"], facility);
    assert_eq!(state["category"], "ORDINARY");
    assert_eq!(state["capacity"], json!({ "installed": 3, "occupied": 0, "free": 3 }));
    assert_eq!(state["cause"], Value::Null);

    world.clock.advance(Duration::from_secs(7_200));
    let arrived = "2026-11-23T09:15:00.000Z";
    let guest = hub.guest("operator").await;
    let input = json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": arrived });
    let payload = hub.act("operator", "admitGuest", "stay { id }", input).await;
    let change = socket.event().await;
    assert_eq!(change["kind"], "CHANGED");
    assert_eq!(change["facility"], state["facility"]);
    assert_eq!(change["capacity"], json!({ "installed": 3, "occupied": 1, "free": 2 }));
    assert_eq!(change["cause"], "ADMISSION");
    assert_eq!(change["occurredAt"], arrived);
    assert_eq!(change["registeredAt"], world.clock.now().to_string());
    assert_ne!(change["cursor"], state["cursor"]);

    departure(&hub, &text(&payload["stay"]["id"])).await;
    let change = socket.event().await;
    assert_eq!((&change["kind"], &change["cause"]), (&json!("CHANGED"), &json!("DISCHARGE")));
    assert_eq!(change["capacity"], json!({ "installed": 3, "occupied": 0, "free": 3 }));
}

/// Registers a facility in another municipality and equips it.
async fn house_in_carfizzi(world: &World, hub: &Client, category: &str) -> String {
    let input = json!({
        "name": "Casa Carfizzi", "type": "APARTMENT", "municipality": "101003",
        "address": { "street": "Via Roma", "number": "1", "postalCode": "88817" },
        "operator": world.bodies.other_operator.encode(), "holder": world.bodies.municipality.encode(),
    });
    let payload = hub.act("province", "registerFacility", "facility { id }", input).await;
    let facility = text(&payload["facility"]["id"]);
    hub.accredit(&facility, category, 4).await;
    facility
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_chooses_by_facility_municipality_operator_and_category() {
    let world = World::new().await;
    let hub = world.hub().await;
    let crotone = world.house(&hub, 2).await;
    let carfizzi = house_in_carfizzi(&world, &hub, "ORDINARY").await;
    hub.accredit(&carfizzi, "UNACCOMPANIED_MINOR", 3).await;
    let other = world.bodies.other_operator.encode();
    let all = vec![(&crotone, "ORDINARY"), (&carfizzi, "ORDINARY"), (&carfizzi, "UNACCOMPANIED_MINOR")];
    let both_in_carfizzi = all[1..].to_vec();
    for (filter, expected) in [
        (json!({}), all.clone()),
        (json!({ "facility": carfizzi }), both_in_carfizzi.clone()),
        (json!({ "municipality": "101010" }), all[..1].to_vec()),
        (json!({ "operator": other }), both_in_carfizzi),
        (json!({ "category": "ORDINARY" }), all[..2].to_vec()),
        (json!({ "municipality": "101003", "category": "UNACCOMPANIED_MINOR" }), all[2..].to_vec()),
    ] {
        let mut socket = hub.subscribe("province", WATCH, json!({ "filter": filter })).await;
        let states = events(&mut socket, expected.len()).await;
        let seen: Vec<_> = states
            .iter()
            .map(|state| (text(&state["facility"]["id"]), text(&state["category"]), text(&state["kind"])))
            .collect();
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(facility, category)| (facility.clone(), category.to_owned(), "CURRENT".to_owned()))
            .collect();
        assert_eq!(seen, expected, "{filter}");
        // The next thing is a change that the filter wants, and not one more state.
        let (facility, category, _) = &expected[0];
        let input = json!({ "facility": facility, "category": category, "installed": 9 });
        hub.act("province", "installPlaces", "facility { id }", input).await;
        assert_eq!(socket.event().await["cause"], "PLACES_INSTALLED", "{filter}");
        let input = json!({ "facility": facility, "category": category, "installed": 8 });
        hub.act("province", "installPlaces", "facility { id }", input).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_filter_or_the_role_leaves_out_is_never_delivered() {
    let world = World::new().await;
    let hub = world.hub().await;
    let crotone = world.house(&hub, 2).await;
    let carfizzi = house_in_carfizzi(&world, &hub, "ORDINARY").await;
    let mut one = hub.subscribe("province", WATCH, json!({ "filter": { "municipality": "101003" } })).await;
    let mut own = hub.subscribe("other_operator", WATCH, json!({})).await;
    for socket in [&mut one, &mut own] {
        assert_eq!(socket.event().await["facility"]["id"], carfizzi);
    }
    for installed in [5, 6] {
        for facility in [&crotone, &carfizzi] {
            let input = json!({ "facility": facility, "category": "ORDINARY", "installed": installed });
            hub.act("province", "installPlaces", "facility { id }", input).await;
        }
        for socket in [&mut one, &mut own] {
            let event = socket.event().await;
            assert_eq!(
                (&event["facility"]["id"], &event["capacity"]["installed"]),
                (&json!(carfizzi), &json!(installed))
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_reads_its_own_writes_in_the_next_query() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 1).await;
    let guest = hub.guest("operator").await;
    for _ in 0..15 {
        let payload = hub.admit("operator", &guest, &facility).await;
        assert_eq!(blocking(&payload), Vec::<String>::new());
        assert_eq!(hub.pool(&facility).await["occupied"], 1);
        departure(&hub, &text(&payload["stay"]["id"])).await;
        assert_eq!(hub.pool(&facility).await["occupied"], 0);
    }
}
