//! Streams of answers: what becomes of those who do not read or are silent, and that each end is counted.

use std::time::Duration;

use reqwest::header;
use serde_json::json;
use tavolo::edge::Settings;
use tavolo_store::key::Seal;
use tavolo_subscriptions::Cursor;

use crate::{
    commands::Served,
    harness::{Client, Socket, TestClock, World, key_file, until},
};

/// Long messages, so that few of them fill what the system keeps for a client.
fn watch() -> String {
    let names: String = (0..150).map(|number| format!("f{number}: facility {{ id code name }} ")).collect();
    format!(
        "subscription($facility: ID!) {{ occupancyChanged(filter: {{ facility: $facility }}) {{ kind cursor capacity {{ installed }} {names} }} }}"
    )
}

async fn watcher(hub: &Client, facility: &str) -> Socket {
    hub.subscribe("operator", &watch(), json!({ "facility": facility })).await
}

/// One for whom the system keeps little.
async fn narrow_watcher(hub: &Client, facility: &str) -> Socket {
    hub.subscribe_narrowly("operator", &watch(), json!({ "facility": facility })).await
}

async fn install(hub: &Client, facility: &str, places: i64) {
    let input = json!({ "facility": facility, "category": "ORDINARY", "installed": places });
    hub.act("province", "installPlaces", "facility { id }", input).await;
}

/// Whether a member who may hold few streams open can open one more on this hub.
async fn finds_a_seat(hub: &Client, subject: &str) -> bool {
    let mut socket = hub.bare_socket().await;
    let payload = json!({ "authorization": format!("Bearer {}", hub.token(subject)) });
    socket.send(json!({ "type": "connection_init", "payload": payload })).await;
    socket.next_or_close().await.is_ok_and(|message| message["type"] == "connection_ack")
}

async fn figure(hub: &Client, name: &str, label: &str) -> f64 {
    let answer = hub.http.get(format!("http://{}/metrics", hub.address)).send().await.unwrap();
    let text = answer.text().await.unwrap();
    let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
    lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_read_is_dropped_and_others_do_not_notice() {
    let world = World::new().await;
    let take_within = Duration::from_millis(300);
    let hub = world.hub_with(Settings { take_within, sockets_per_member: 2, ..Settings::default() }).await;
    let facility = world.house(&hub, 9).await;
    let mut deaf = narrow_watcher(&hub, &facility).await;
    let mut reading = watcher(&hub, &facility).await;
    assert_eq!(deaf.event().await["kind"], "CURRENT");
    assert_eq!(reading.event().await["kind"], "CURRENT");
    let mut places = 0;
    // Far more than the system keeps for anybody.
    while !finds_a_seat(&hub, "operator").await {
        assert!(places < 1_000, "never dropped");
        places += 1;
        install(&hub, &facility, places % 9).await;
        assert_eq!(reading.event().await["capacity"]["installed"], places % 9);
    }
    let mut messages = 0;
    while deaf.next_or_close().await.is_ok() {
        messages += 1;
    }
    assert!(messages < places, "what it did not read was not kept for it: {messages} of {places}");
    assert_eq!(hub.permits.ended("unread"), 1);
}

/// Changes that are far too many for what the system and a ring keep.
const CHANGES: i64 = 220;

/// A hub with a log of so many changes, and one that has not read any of those that there were.
async fn late(world: &mut World, kept: usize) -> (Client, String, Socket) {
    let long = Duration::from_secs(600);
    let patient = Settings { take_within: long, write_within: long, ping_every: long, ..Settings::default() };
    world.following.kept = kept;
    let hub = world.hub_with(patient).await;
    let facility = world.house(&hub, 9).await;
    let mut late = narrow_watcher(&hub, &facility).await;
    assert_eq!(late.event().await["kind"], "CURRENT");
    for change in 1..=CHANGES {
        install(&hub, &facility, change % 9).await;
    }
    (hub, facility, late)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_slow_is_told_every_change_as_long_as_the_log_has_them() {
    let mut world = World::new().await;
    let (hub, facility, mut slow) = late(&mut world, 1_000).await;
    for change in 1..=CHANGES {
        let event = slow.event().await;
        assert_eq!((&event["kind"], &event["capacity"]["installed"]), (&json!("CHANGED"), &json!(change % 9)));
    }
    install(&hub, &facility, 9).await;
    assert_eq!(slow.event().await["capacity"]["installed"], 9);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_too_late_for_the_log_is_told_that_something_is_missing() {
    let mut world = World::new().await;
    let (hub, facility, mut late) = late(&mut world, 20).await;
    let mut change = 0;
    let state = loop {
        let event = late.event().await;
        if event["kind"] != "CHANGED" {
            break event;
        }
        change += 1;
        assert_eq!(event["capacity"]["installed"], change % 9, "none is left out silently");
    };
    assert!(change < CHANGES, "what it did not read was not kept for it");
    assert_eq!((&state["kind"], &state["capacity"]["installed"]), (&json!("RESYNC"), &json!(CHANGES % 9)));
    install(&hub, &facility, 9).await;
    let event = late.event().await;
    assert_eq!((&event["kind"], &event["capacity"]["installed"]), (&json!("CHANGED"), &json!(9)));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_pings_and_takes_no_answer_is_dropped() {
    let world = World::new().await;
    let (take_within, ping_every) = (Duration::from_millis(300), Duration::from_secs(600));
    let hub = world.hub_with(Settings { take_within, ping_every, sockets_per_member: 1, ..Settings::default() }).await;
    let facility = world.house(&hub, 9).await;
    let mut flooding = narrow_watcher(&hub, &facility).await;
    assert!(!finds_a_seat(&hub, "operator").await);
    // Far more answers than the system keeps for anybody.
    for _ in 0..200_000 {
        if flooding.ping().await.is_err() {
            break;
        }
    }
    until("the flooding one is dropped", async || finds_a_seat(&hub, "operator").await).await;
    assert_eq!(hub.permits.ended("unread"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_close_of_a_client_is_answered() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut socket = hub.socket("operator").await;
    socket.close(1000).await;
    let closed = socket.next_or_close().await.unwrap_err().expect("a close frame");
    assert_eq!(u16::from(closed.code), 1000);
    assert!(socket.ends_well().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_sent_away_is_told_why_whatever_else_it_says() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut socket = hub.socket("operator").await;
    let ping = json!({ "type": "ping", "payload": { "long": "x".repeat(1_000) } });
    let wrong = json!({ "type": "nonsense" });
    socket.send_all(std::iter::once(wrong).chain(std::iter::repeat_n(ping, 100))).await;
    assert_eq!(socket.close_code().await, 4400);
    assert!(socket.ends_well().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_silent_is_dropped_and_who_answers_pings_is_not() {
    let world = World::new().await;
    let ping_every = Duration::from_millis(200);
    let hub = world.hub_with(Settings { ping_every, sockets_per_member: 2, ..Settings::default() }).await;
    // A client that is not polled reads no ping and sends no pong.
    let _silent = hub.socket("operator").await;
    let mut there = hub.socket("operator").await;
    assert!(!finds_a_seat(&hub, "operator").await);
    let answering = async {
        loop {
            // Reading answers the pings; nothing else comes.
            if let Err(frame) = there.next_or_close().await {
                panic!("who answers was dropped: {frame:?}");
            }
        }
    };
    tokio::select! {
        () = answering => {}
        () = until("the silent one is dropped", async || finds_a_seat(&hub, "operator").await) => {}
    }
    assert_eq!(hub.permits.ended("silent"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_stream_ends_with_a_membership_and_says_nothing_more() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 9).await;
    let query = json!({ "query": watch(), "variables": { "facility": facility } });
    let request = hub.http.post(format!("http://{}/graphql/stream", hub.address)).json(&query);
    let mut response = request.bearer_auth(hub.token("analyst")).send().await.unwrap();
    assert_eq!(response.headers()[header::CONTENT_TYPE], "text/event-stream");
    assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
    let mut text = String::new();
    while !text.ends_with("\n\n") {
        text += std::str::from_utf8(&response.chunk().await.unwrap().unwrap()).unwrap();
    }
    assert!(text.starts_with("event: next\ndata: {\"data\":{\"occupancyChanged\":{\"kind\":\"CURRENT\""), "{text}");
    assert!(world.store.remove_member("analyst").await.unwrap());
    // A sign of life or what a day has changed may come before the hub knows.
    while let Some(chunk) = response.chunk().await.unwrap() {
        text += std::str::from_utf8(&chunk).unwrap();
    }
    assert!(!text.contains("event: complete"), "no farewell that would keep a client from coming back: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_that_ends_is_not_waited_for_until_a_client_reads() {
    let world = World::new().await;
    let long = Duration::from_secs(600);
    let patient =
        Settings { sockets: 1, take_within: long, write_within: long, ping_every: long, ..Settings::default() };
    let hub = world.hub_with(patient).await;
    let facility = world.house(&hub, 9).await;
    let mut deaf = narrow_watcher(&hub, &facility).await;
    assert_eq!(deaf.event().await["kind"], "CURRENT");
    // More than the system keeps for it.
    for change in 1..=40 {
        install(&hub, &facility, change % 9).await;
    }
    assert!(world.store.remove_member("operator").await.unwrap());
    until("its seat is another's", async || {
        let Ok(mut other) = hub.socket_with(&[("sec-websocket-protocol", "graphql-transport-ws")]).await else {
            return false;
        };
        other.send(json!({ "type": "connection_init" })).await;
        other.next_or_close().await.is_ok_and(|message| message["type"] == "connection_ack")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_end_and_each_state_sent_anew_is_counted_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 9).await;
    // Figures are those of a process, and this one has the hubs of other tests.
    let served = Served::start(&world, &["--keys", key_file().to_str().unwrap()]).await;
    let clock = TestClock::new();
    clock.mend(tavolo::system_clock().now().millis());
    let hub = Client { address: served.address().to_owned(), clock, ..hub };
    let ended = async |reason: &str| figure(&hub, "tavolo_streams_ended_total", &format!("reason=\"{reason}\"")).await;
    let mut watching = watcher(&hub, &facility).await;
    assert_eq!(watching.event().await["kind"], "CURRENT");
    let long_ago = Cursor::LONG_AGO.seal(&world.store, Seal::Fresh).unwrap();
    let back = "subscription($after: String) { occupancyChanged(after: $after) { kind } }";
    let mut back = hub.subscribe("operator", back, json!({ "after": long_ago })).await;
    assert_eq!(back.event().await["kind"], "RESYNC");
    assert_eq!(figure(&hub, "tavolo_resyncs_total", "").await, 1.0);
    back.send(json!({ "type": "nonsense" })).await;
    assert_eq!(back.close_code().await, 4400);
    until("the end of one is counted", async || ended("invalid").await == 1.0).await;
    assert_eq!(ended("no member").await, 0.0);
    assert!(world.store.remove_member("operator").await.unwrap());
    assert_eq!(watching.close_code().await, 4403);
    until("the end of the other is counted", async || ended("no member").await == 1.0).await;
    assert_eq!(figure(&hub, "tavolo_streams_ended_total", "").await, 2.0, "no end is counted twice");
    served.stop().await;
}
