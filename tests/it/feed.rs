//! The change feed: what a cursor brings however much was missed, and a feed that stalls or falls silent.

use std::time::{Duration, Instant};

use mongodb::bson::{Bson, Document, Uuid, doc};
use serde_json::{Value, json};
use tavolo_schema::id::FacilityId;
use tavolo_store::changes::{BoardChange, News, Start};

use crate::{
    harness::{Client, OwnDatabase, Socket, World, text, until},
    proxy::{Fate, Proxy},
};

const WATCH: &str = "subscription($filter: OccupancyFilter, $after: String) {
    occupancyChanged(filter: $filter, after: $after) { cursor kind capacity { installed } }
}";

async fn watch(hub: &Client, facility: &str, after: Option<&str>) -> Socket {
    hub.subscribe("operator", WATCH, json!({ "filter": { "facility": facility }, "after": after })).await
}

/// Enters so many changes into the ledger of a facility, each a transaction of its own, far faster than acts could be
/// performed: the n-th says that n places are installed.
async fn enter(world: &World, facility: &str, changes: i32) {
    let ledger = world.driver().await.collection::<Document>("ledger");
    let id = Bson::from(Uuid::from_bytes(*uuid::Uuid::from(FacilityId::decode(facility).unwrap()).as_bytes()));
    let last = ledger.find_one(doc! { "facility": id }).sort(doc! { "revision": -1 }).await.unwrap().unwrap();
    // Far from those of acts to come.
    let revision = last.get_i64("revision").unwrap() + 1_000_000;
    let entries = (1..=changes).map(|number| {
        let mut entry = last.clone();
        entry.insert("_id", Uuid::new());
        entry.insert("revision", revision + i64::from(number));
        entry.get_document_mut("after").unwrap().insert("installed", number);
        entry
    });
    assert_eq!(ledger.insert_many(entries).await.unwrap().inserted_ids.len(), usize::try_from(changes).unwrap());
}

/// The next messages, which tell of these changes and of no others.
async fn told(socket: &mut Socket, changes: std::ops::RangeInclusive<i32>) -> Vec<String> {
    let mut cursors = Vec::new();
    for installed in changes {
        let event = socket.event().await;
        assert_eq!((&event["kind"], &event["capacity"]["installed"]), (&json!("CHANGED"), &json!(installed)));
        cursors.push(text(&event["cursor"]));
    }
    cursors
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_is_told_every_change_however_many_and_whoever_else_is_there() {
    let world = World::new().await;
    let (hub, other) = (world.hub().await, world.hub().await);
    let facility = world.house(&hub, 9).await;
    let mut stays = watch(&hub, &facility, None).await;
    let state = text(&stays.event().await["cursor"]);
    enter(&world, &facility, 2_000).await;
    // One that has read all the time.
    let cursors = told(&mut stays, 1..=2_000).await;
    // At one hub an equal subscriber is there, at the other nobody is.
    for hub in [&hub, &other] {
        let mut back = watch(hub, &facility, Some(&state)).await;
        assert_eq!(told(&mut back, 1..=2_000).await, cursors);
        drop(back);
        for missed in [300, 100, 1] {
            let reached = usize::try_from(1_999 - missed).unwrap();
            let mut back = watch(hub, &facility, Some(&cursors[reached])).await;
            assert_eq!(told(&mut back, 2_001 - missed..=2_000).await, cursors[reached + 1..], "{missed}");
        }
    }
    // And nothing after it but what comes next.
    let mut back = watch(&other, &facility, Some(&cursors[1_500])).await;
    told(&mut back, 1_502..=2_000).await;
    enter(&world, &facility, 1).await;
    assert_eq!(told(&mut back, 1..=1).await, told(&mut stays, 1..=1).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_never_left_is_told_every_change_when_the_feed_catches_up() {
    let mut world = World::new().await;
    let proxy = Proxy::before(&world.settings.uri).await;
    world.settings.uri = proxy.uri();
    let hub = world.hub().await;
    let facility = world.house(&hub, 9).await;
    let mut sockets = [watch(&hub, &facility, None).await, watch(&hub, &facility, None).await];
    for socket in &mut sockets {
        assert_eq!(socket.event().await["kind"], "CURRENT");
    }
    proxy.decide(Fate::Hold);
    enter(&world, &facility, 2_000).await;
    proxy.decide(Fate::Pass);
    let [one, another] = &mut sockets;
    let (one, another) = tokio::join!(told(one, 1..=2_000), told(another, 1..=2_000));
    assert_eq!(one, another);
}

/// What `/readyz` says.
async fn ready(hub: &Client) -> Value {
    hub.http.get(format!("http://{}/readyz", hub.address)).send().await.unwrap().json().await.unwrap()
}

async fn feed_age(hub: &Client) -> f64 {
    let figures = hub.http.get(format!("http://{}/metrics", hub.address)).send().await.unwrap().text().await.unwrap();
    let line = figures.lines().find_map(|line| line.strip_prefix("tavolo_feed_age_seconds "));
    line.unwrap().parse().unwrap()
}

const ADMIT: &str =
    "mutation($input: AdmitGuestInput!, $key: String) { admitGuest(input: $input, idempotencyKey: $key) {
    stay { id facility { capacity { occupied } } } irregularities { code } } }";

#[tokio::test(flavor = "multi_thread")]
async fn a_feed_that_falls_silent_is_noticed_and_nothing_is_missed() {
    let mut world = World::new().await;
    let proxy = Proxy::before(&world.settings.uri).await;
    let other = world.hub().await;
    world.settings.uri = proxy.uri();
    world.following.silence = Duration::from_secs(6);
    let hub = world.hub().await;
    let facility = world.house(&other, 9).await;
    let (guest, second) = (other.guest("operator").await, world.house(&other, 9).await);
    until("the hub has them", || async { hub.pool(&second).await["accredited"] == 9 }).await;
    let (mut socket, mut of_act) = (watch(&hub, &facility, None).await, watch(&hub, &second, None).await);
    assert_eq!(socket.event().await["kind"], "CURRENT");
    assert_eq!(of_act.event().await["kind"], "CURRENT");
    until("it follows", || async { ready(&hub).await["database"] == "following" }).await;

    proxy.decide(Fate::Swallow);
    until("the connection is dead", || async { proxy.swallowed() == 1 }).await;
    let cut = Instant::now();
    enter(&world, &facility, 150).await;
    until("the hub suspects something", || async { ready(&hub).await["database"] == "silent" }).await;
    assert!(ready(&hub).await["lastAnswerSecondsAgo"].as_f64().unwrap() >= 3.0);
    assert!(feed_age(&hub).await >= 3.0);
    assert_eq!(hub.pool(&facility).await["occupied"], 0, "the board still answers");

    // An act is written, and not waited for in vain.
    let order = json!({ "input": { "guest": guest, "facility": second, "category": "ORDINARY" }, "key": "dark" });
    let began = Instant::now();
    let answer = hub.send("operator", ADMIT, order.clone()).await;
    let took = began.elapsed();
    assert_eq!(answer["errors"][0]["extensions"]["code"], "OUTCOME_PENDING", "{answer}");
    // However long ago it was, the board does not show it.
    world.clock.advance(Duration::from_secs(61));
    let answer = hub.send("operator", ADMIT, order.clone()).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "OUTCOME_PENDING", "{answer}");
    assert_eq!(ready(&hub).await["database"], "silent", "all this before the feed is opened anew");
    assert!(took < Duration::from_millis(1_500), "it waited for {took:?}");

    told(&mut socket, 1..=150).await;
    assert_eq!(of_act.event().await["kind"], "CHANGED");
    until("the hub follows again", || async { ready(&hub).await["database"] == "following" }).await;
    assert!(cut.elapsed() < Duration::from_secs(12), "after {:?}", cut.elapsed());
    let answer = hub.send("operator", ADMIT, order).await;
    let stay = &answer["data"]["admitGuest"]["stay"];
    assert_eq!(stay["facility"]["capacity"][0]["occupied"], 1, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_feed_can_be_resumed_moves_on_although_nothing_happens_at_the_table() {
    let world = World::new().await;
    let driver = world.driver().await;
    let beside = OwnDatabase::new();
    let neighbour = driver.client().database(beside.name()).collection::<Document>("things");
    let mut feed = world.store.follow(Start::SecondsBack(0)).await.unwrap();
    let mut checkpoints = Vec::new();
    for number in 0..3 {
        neighbour.insert_one(doc! { "number": number }).await.unwrap();
        let News::Nothing(Some(checkpoint)) = feed.next().await.unwrap() else { panic!("the neighbour's is not ours") };
        checkpoints.push(checkpoint);
    }
    let written = checkpoints.iter().map(|checkpoint| format!("{checkpoint:?}")).collect::<Vec<_>>();
    assert!(written.is_sorted_by(|one, next| one < next), "{written:?}");
    assert!(world.store.remove_member("analyst").await.unwrap());
    let mut resumed = world.store.follow(Start::Checkpoint(checkpoints.pop().unwrap())).await.unwrap();
    let News::Group(group) = resumed.next().await.unwrap() else {
        panic!("what came after the checkpoint comes first")
    };
    assert!(matches!(&group.changes[..], [BoardChange::MemberRemoved(subject)] if subject == "analyst"));
}
