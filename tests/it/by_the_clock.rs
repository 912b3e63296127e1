//! What changes by the clock alone: seen at once, entered into the books by one hub, told to those who watch.

use std::{pin::Pin, time::Duration};

use async_graphql::{Request, Variables};
use futures_util::{Stream, StreamExt};
use mongodb::bson::doc;
use serde_json::{Value, json};
use tavolo_resolvers::{Answer, Viewer};
use tavolo_schema::{OccupancyCause, PlaceCategory, id::FacilityId};

use crate::{
    harness::{Client, PATIENCE, World, blocking, text, watch},
    stage::{accepted, assert_books_agree},
};

const WATCH: &str = "subscription($id: ID!) { occupancyChanged(filter: { facility: $id }) { kind cause occurredAt
    capacity { accredited blocked allocable occupied free overCapacity } } }";

/// A watcher inside the process, whose token does not run out while the clock is moved.
struct Watcher(Pin<Box<dyn Stream<Item = Answer> + Send>>);

impl Watcher {
    fn new(hub: &Client, subject: &str, facility: &str) -> Self {
        let member = hub.graph.hub().live_board.board().member(subject).cloned();
        let request = Request::new(WATCH).variables(Variables::from_json(json!({ "id": facility })));
        Self(Box::pin(watch(hub, request, Viewer { member, ..Viewer::default() })))
    }

    async fn next(&mut self) -> Value {
        let answer = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("an event in time").expect("no end");
        let Answer::Next(json) = answer else { panic!("{answer:?}") };
        let mut answer: Value = serde_json::from_str(&json).unwrap();
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"]["occupancyChanged"].take()
    }
}

async fn places(hub: &Client, facility: &str) -> Value {
    let document =
        "query($id: ID!) { facility(by: { id: $id }) { accreditation { status } capacity { accredited blocked
        allocable occupied free overCapacity } } }";
    hub.data("prefecture", document, json!({ "id": facility })).await["facility"].take()
}

/// Keeps time as a hub of its own, and tells whether anything changed.
async fn keep_time(world: &World) -> bool {
    let hub = tavolo_schema::id::fresh(world.clock.now());
    world.store.keep_time(hub, world.clock.now()).await.unwrap() > 0
}

async fn causes(world: &World, facility: &str) -> Vec<OccupancyCause> {
    let id = FacilityId::decode(facility).unwrap();
    let ledger = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    ledger.iter().map(|entry| entry.cause).collect()
}

async fn try_to_admit(hub: &Client, guest: &str, facility: &str) -> Vec<String> {
    blocking(&hub.admit("operator", guest, facility).await)
}

#[tokio::test]
async fn a_block_announced_for_later_begins_and_ends_by_itself() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let guest = hub.guest("operator").await;
    let block = json!({
        "facility": facility, "category": "ORDINARY", "places": 2, "reason": "WORKS", "from": "2026-11-25",
        "until": "2026-11-26",
    });
    let block = accepted(&hub, "blockPlaces", "block", block).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { capacity { blocks { id } } } }";
    let blocks = async || hub.data("operator", document, json!({ "id": facility })).await;
    let mut watcher = Watcher::new(&hub, "operator", &facility);
    assert_eq!(watcher.next().await["kind"], "CURRENT");
    let free = json!({
        "accredited": 2, "blocked": 0, "allocable": 2, "occupied": 0, "free": 2, "overCapacity": 0,
    });
    let blocked = json!({
        "accredited": 2, "blocked": 2, "allocable": 0, "occupied": 0, "free": 0, "overCapacity": 0,
    });
    assert_eq!(places(&hub, &facility).await["capacity"], json!([free]));

    // Midnight in Rome is 23:00 of the day before in UTC.
    world.clock.advance_days(1);
    world.clock.advance(Duration::from_secs(15 * 3_600 - 1));
    assert_eq!(places(&hub, &facility).await["capacity"], json!([free]), "the last second of the day before");
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(places(&hub, &facility).await["capacity"], json!([blocked]), "nobody had to keep time for that");
    assert_eq!(try_to_admit(&hub, &guest, &facility).await, ["NO_FREE_PLACE"]);

    assert_eq!(blocks().await["facility"]["capacity"][0]["blocks"], json!([{ "id": block }]));

    keep_time(&world).await;
    let event = watcher.next().await;
    assert_eq!((&event["kind"], &event["cause"]), (&json!("CHANGED"), &json!("BLOCK_BEGAN")));
    assert_eq!(event["capacity"], blocked);
    assert!(!keep_time(&world).await, "what was entered is not entered again");

    world.clock.advance_days(2);
    assert_eq!(places(&hub, &facility).await["capacity"], json!([free]));
    keep_time(&world).await;
    let event = watcher.next().await;
    assert_eq!((&event["kind"], &event["cause"]), (&json!("CHANGED"), &json!("BLOCK_ENDED")));
    assert_eq!(event["capacity"], free);
    assert_eq!(blocks().await["facility"]["capacity"][0]["blocks"], json!([]));
    assert_eq!(try_to_admit(&hub, &guest, &facility).await, Vec::<String>::new());
    assert_eq!(
        causes(&world, &facility).await[2..],
        [OccupancyCause::BlockBegan, OccupancyCause::BlockEnded, OccupancyCause::Admission]
    );
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_block_can_be_lifted_before_it_begins_and_not_after_it_has_ended() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let block = |from: &str, until: &str| {
        json!({
            "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS", "from": from, "until": until,
        })
    };
    let later = accepted(&hub, "blockPlaces", "block", block("2026-12-01", "2026-12-02")).await;
    let today = accepted(&hub, "blockPlaces", "block", block("2026-11-23", "2026-11-24")).await;
    let lifted = hub.act("operator", "unblockPlaces", "facility { id }", json!({ "block": later })).await;
    assert_eq!(lifted["irregularities"], json!([]));
    assert_eq!(lifted["facility"]["id"], json!(facility));
    world.clock.advance_days(2);
    let refused = hub.act("operator", "unblockPlaces", "facility { id }", json!({ "block": today })).await;
    assert_eq!(blocking(&refused), ["UNKNOWN_BLOCK"], "what has ended stays as it was");
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn an_accreditation_expires_after_its_last_day_and_nobody_is_evicted() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let data = hub.data("province", document, json!({ "id": facility })).await;
    let accreditation = text(&data["facility"]["accreditation"]["id"]);
    let reason = json!({ "accreditation": accreditation, "reason": "Verbale 1" });
    accepted(&hub, "suspendAccreditation", "accreditation", reason).await;
    let until = json!({ "accreditation": accreditation, "outcome": "ACCREDITED", "validUntil": "2026-11-24" });
    accepted(&hub, "decideAccreditation", "accreditation", until).await;
    let first = hub.guest("operator").await;
    assert_eq!(try_to_admit(&hub, &first, &facility).await, Vec::<String>::new());
    let mut watcher = Watcher::new(&hub, "operator", &facility);
    assert_eq!(watcher.next().await["kind"], "CURRENT");

    world.clock.advance_days(1);
    let second = hub.guest("operator").await;
    assert_eq!(places(&hub, &facility).await["accreditation"]["status"], "ACCREDITED", "its last day");
    assert_eq!(try_to_admit(&hub, &second, &facility).await, Vec::<String>::new());
    assert_eq!(watcher.next().await["cause"], "ADMISSION");
    let last_day = world.clock.now().to_string();

    world.clock.advance_days(1);
    let third = hub.guest("operator").await;
    let expired = json!({
        "accredited": 0, "blocked": 0, "allocable": 0, "occupied": 2, "free": 0, "overCapacity": 2,
    });
    let document = "query($id: ID!) { accreditation(by: { id: $id }) { status facility { accreditation { id }
        irregularities { code } capacity { accredited blocked allocable occupied free overCapacity } } } }";
    let expect_expired = async || {
        let data = hub.data("operator", document, json!({ "id": accreditation })).await;
        let irregularities = json!([{ "code": "HOSTING_WITHOUT_ACCREDITATION" }]);
        assert_eq!(
            data["accreditation"],
            json!({ "status": "EXPIRED", "facility": {
                "accreditation": null, "irregularities": irregularities, "capacity": [expired],
            } })
        );
        assert_eq!(try_to_admit(&hub, &third, &facility).await, ["NO_ACCREDITATION_IN_FORCE"]);
    };
    expect_expired().await;
    keep_time(&world).await;
    let event = watcher.next().await;
    assert_eq!((&event["kind"], &event["cause"]), (&json!("CHANGED"), &json!("ACCREDITATION_EXPIRED")));
    assert_eq!(event["capacity"], expired);
    expect_expired().await;
    assert!(!keep_time(&world).await, "what was entered is not entered again");
    let stored = world.store.snapshot().await.unwrap().accreditations;
    assert_eq!(stored[0].status, tavolo_schema::AccreditationStatus::Expired);

    // An arrival on the last day that is registered today was allowed on its day.
    let late = json!({ "guest": third, "facility": facility, "category": "ORDINARY", "occurredAt": last_day });
    let payload = hub.act("operator", "admitGuest", "stay { status }", late).await;
    assert_eq!(payload["stay"]["status"], "OPEN", "{payload:#}");
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn an_accreditation_granted_for_later_comes_into_force_on_its_day() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let data = hub.data("province", document, json!({ "id": facility })).await;
    let reason = json!({ "accreditation": data["facility"]["accreditation"]["id"], "reason": "Nuovo bando" });
    accepted(&hub, "revokeAccreditation", "accreditation", reason).await;
    let places_wanted = json!({ "facility": facility, "places": [{ "category": "ORDINARY", "places": 1 }] });
    let later = accepted(&hub, "submitAccreditation", "accreditation", places_wanted).await;
    let decision = json!({ "accreditation": later, "outcome": "ACCREDITED", "validFrom": "2026-11-26" });
    accepted(&hub, "decideAccreditation", "accreditation", decision).await;
    let guest = hub.guest("operator").await;
    let mut watcher = Watcher::new(&hub, "operator", &facility);
    assert_eq!(watcher.next().await["capacity"]["accredited"], 0);

    assert_eq!(places(&hub, &facility).await["accreditation"], Value::Null, "granted, but not yet in force");
    assert_eq!(try_to_admit(&hub, &guest, &facility).await, ["NO_ACCREDITATION_IN_FORCE"]);
    world.clock.advance_days(3);
    assert_eq!(places(&hub, &facility).await["accreditation"]["status"], "ACCREDITED");
    keep_time(&world).await;
    let event = watcher.next().await;
    assert_eq!(event["cause"], "ACCREDITATION_BEGAN");
    assert_eq!(event["capacity"]["accredited"], 1);
    let yesterday = json!({
        "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": "2026-11-25T10:00:00Z",
    });
    let refused = hub.act("operator", "admitGuest", "stay { id }", yesterday).await;
    assert_eq!(blocking(&refused), ["NO_ACCREDITATION_IN_FORCE"], "it was not in force on the day of the arrival");
    assert_eq!(try_to_admit(&hub, &guest, &facility).await, Vec::<String>::new());
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn who_arrived_before_a_suspension_can_still_be_registered_and_who_came_after_cannot() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let before = world.clock.now().to_string();
    world.clock.advance_days(1);
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let data = hub.data("province", document, json!({ "id": facility })).await;
    let reason = json!({ "accreditation": data["facility"]["accreditation"]["id"], "reason": "Verbale 7" });
    accepted(&hub, "suspendAccreditation", "accreditation", reason).await;
    let arrival = |guest: &str, at: &str| json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": at });
    let (one, other) = (hub.guest("operator").await, hub.guest("operator").await);
    let today = world.clock.now().to_string();
    let refused = hub.act("operator", "admitGuest", "stay { id }", arrival(&one, &today)).await;
    assert_eq!(blocking(&refused), ["NO_ACCREDITATION_IN_FORCE"]);
    let payload = hub.act("operator", "admitGuest", "stay { status }", arrival(&other, &before)).await;
    assert_eq!(payload["stay"]["status"], "OPEN", "{payload:#}");
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn who_is_registered_late_needs_a_place_that_was_free_ever_since() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let (first, second) = (hub.guest("operator").await, hub.guest("operator").await);
    let arrival = |guest: &str, at: &str| json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": at });
    let before = world.clock.now().to_string();
    world.clock.advance_days(1);
    let stay = accepted(&hub, "admitGuest", "stay", arrival(&first, &world.clock.now().to_string())).await;
    world.clock.advance_days(1);
    accepted(&hub, "dischargeGuest", "stay", json!({ "stay": stay, "reason": "OTHER" })).await;
    let since = world.clock.now().to_string();
    world.clock.advance_days(1);

    // The bed is free today and was free that evening, but not the day after.
    let refused = hub.act("operator", "admitGuest", "stay { id }", arrival(&second, &before)).await;
    assert_eq!(blocking(&refused), ["NO_FREE_PLACE"]);
    let payload = hub.act("operator", "admitGuest", "stay { status }", arrival(&second, &since)).await;
    assert_eq!(payload["stay"]["status"], "OPEN", "{payload:#}");
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_lifted_block_held_until_it_was_lifted() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let guest = hub.guest("operator").await;
    let blocked = world.clock.now().to_string();
    let block =
        json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS", "from": "2026-11-23" });
    let block = accepted(&hub, "blockPlaces", "block", block).await;
    world.clock.advance_days(2);
    accepted(&hub, "unblockPlaces", "facility", json!({ "block": block })).await;
    assert_eq!(places(&hub, &facility).await["capacity"][0]["blocked"], 0);
    let again = hub.act("operator", "unblockPlaces", "facility { id }", json!({ "block": block })).await;
    assert_eq!(blocking(&again), ["UNKNOWN_BLOCK"]);

    let late = json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": blocked });
    let refused = hub.act("operator", "admitGuest", "stay { id }", late).await;
    assert_eq!(blocking(&refused), ["NO_FREE_PLACE"]);
    assert_eq!(try_to_admit(&hub, &guest, &facility).await, Vec::<String>::new());
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn what_nobody_noticed_in_time_is_entered_for_its_own_days() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let block = json!({
        "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS", "from": "2026-11-25", "until": "2026-11-25",
    });
    accepted(&hub, "blockPlaces", "block", block).await;
    world.clock.advance_days(4);
    assert!(keep_time(&world).await);
    let (id, category) = (FacilityId::decode(&facility).unwrap(), PlaceCategory::Ordinary);
    let ledger = world.store.ledger_of(id, category).await.unwrap();
    let told: Vec<(OccupancyCause, String, i32)> = ledger[ledger.len() - 2..]
        .iter()
        .map(|entry| (entry.cause, entry.occurred_at.to_string(), entry.after.blocked))
        .collect();
    let expected = [
        (OccupancyCause::BlockBegan, "2026-11-24T23:00:00.000Z".into(), 1),
        (OccupancyCause::BlockEnded, "2026-11-25T23:00:00.000Z".into(), 0),
    ];
    assert_eq!(told, expected);
    let document = "query($facility: ID!) { occupancy(at: \"2026-11-25T11:00:00Z\", filter: { facility: $facility }, groupBy: CATEGORY) {
        capacity { blocked free } } }";
    let data = hub.data("operator", document, json!({ "facility": facility })).await;
    assert_eq!(data["occupancy"][0]["capacity"], json!({ "blocked": 1, "free": 1 }));
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_damaged_record_does_not_stop_the_clock_for_others() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut blocked = Vec::new();
    for _ in 0..3 {
        let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
        let block = json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS", "from": "2026-11-24" });
        accepted(&hub, "blockPlaces", "block", block).await;
        blocked.push(facility);
    }
    let pools = world.driver().await.collection::<mongodb::bson::Document>("pools");
    let first = pools.find_one(doc! {}).sort(doc! { "_id": 1 }).await.unwrap().unwrap();
    let damage = doc! { "$set": { "blocks.0.from": "the day before yesterday" } };
    let damaged = pools.update_one(doc! { "_id": first.get("_id").unwrap() }, damage);
    damaged.bypass_document_validation(true).await.unwrap();
    world.clock.advance_days(1);
    let keeper = tavolo_schema::id::fresh(world.clock.now());
    assert!(world.store.keep_time(keeper, world.clock.now()).await.is_err(), "it is told");
    let mut begun = 0;
    for facility in &blocked {
        begun +=
            causes(&world, facility).await.into_iter().filter(|cause| *cause == OccupancyCause::BlockBegan).count();
    }
    assert_eq!(begun, 2);
}

#[tokio::test]
async fn one_hub_at_a_time_keeps_time() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let block = |from: &str| json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS", "from": from });
    accepted(&hub, "blockPlaces", "block", block("2026-11-25")).await;
    accepted(&hub, "blockPlaces", "block", block("2026-11-26")).await;
    let (one, other) = (tavolo_schema::id::fresh(world.clock.now()), tavolo_schema::id::fresh(world.clock.now()));
    let keep = async |hub| world.store.keep_time(hub, world.clock.now()).await.unwrap();
    // Half a minute before the first block begins, one hub takes the lease for a minute and a half.
    world.clock.advance(Duration::from_secs(24 * 3_600 + 15 * 3_600 - 30));
    assert_eq!(keep(one).await, 0, "nothing is due yet");
    world.clock.advance(Duration::from_secs(40));
    assert_eq!(keep(other).await, 0, "the lease is held by the first");
    assert_eq!(keep(one).await, 1);
    // A day later the first has not renewed.
    world.clock.advance_days(1);
    assert_eq!(keep(other).await, 1);
    assert_eq!(causes(&world, &facility).await[2..], [OccupancyCause::BlockBegan, OccupancyCause::BlockBegan]);
    assert_books_agree(&world).await;
}
