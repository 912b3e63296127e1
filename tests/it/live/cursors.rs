//! Cursors: who comes back with one, to whichever hub, is told what was missed, once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::json;
use tavolo_schema::{Position, id::FacilityId};
use tavolo_store::key::Seal;
use tavolo_subscriptions::{Cursor, Follower};
use tokio_util::sync::CancellationToken;

use super::{arrival, departure, events, watch};
use crate::harness::{World, text, until};

#[tokio::test(flavor = "multi_thread")]
async fn both_hubs_deliver_the_change_that_one_of_them_made_under_the_same_cursor() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = world.house(&hubs[0], 5).await;
    until("the other hub has the facility", || async { hubs[1].pool(&facility).await["accredited"] == 5 }).await;
    let mut sockets =
        [watch(&hubs[0], "operator", &facility, None).await, watch(&hubs[1], "prefecture", &facility, None).await];
    for socket in &mut sockets {
        assert_eq!(socket.event().await["kind"], "CURRENT");
    }
    for hub in hubs.iter().cycle().take(4) {
        arrival(hub, &facility).await;
        let [one, other] = &mut sockets;
        let (one, other) = (one.event().await, other.event().await);
        assert_eq!(one["cause"], "ADMISSION");
        assert_eq!(one, other);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_back_with_a_cursor_to_any_hub_gets_exactly_what_was_missed() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = world.house(&hubs[0], 20).await;
    let mut stays_on = watch(&hubs[0], "operator", &facility, None).await;
    let state = stays_on.event().await;
    let first = arrival(&hubs[0], &facility).await;
    let seen = stays_on.event().await;
    let seen = text(&seen["cursor"]);

    for hub in hubs.iter().cycle().take(5) {
        arrival(hub, &facility).await;
    }
    departure(&hubs[1], &first).await;
    let mut missed = events(&mut stays_on, 6).await;

    let late = world.hub().await;
    for hub in [&hubs[1], &late] {
        let mut back = watch(hub, "operator", &facility, Some(&seen)).await;
        assert_eq!(events(&mut back, missed.len()).await, missed);
        // From the complete state nothing is missed either.
        let mut from_state = watch(hub, "operator", &facility, state["cursor"].as_str()).await;
        assert_eq!(events(&mut from_state, 1 + missed.len()).await[1..], missed);
        // With the last cursor there is nothing to catch up with.
        let mut up_to_date = watch(hub, "operator", &facility, missed.last().unwrap()["cursor"].as_str()).await;
        arrival(&hubs[0], &facility).await;
        let next = stays_on.event().await;
        for socket in [&mut back, &mut from_state, &mut up_to_date] {
            assert_eq!(socket.event().await, next);
        }
        missed.push(next);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_started_anew_replays_what_happened_before_it_and_while_no_hub_ran() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 9).await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    let state = socket.event().await;
    arrival(&hub, &facility).await;
    arrival(&hub, &facility).await;
    let changes = events(&mut socket, 2).await;
    world.stop_hub(&hub).await;
    assert_eq!(socket.close_code().await, 1012);

    let again = world.hub().await;
    let mut back = watch(&again, "operator", &facility, state["cursor"].as_str()).await;
    assert_eq!(events(&mut back, 2).await, changes);
    arrival(&again, &facility).await;
    assert_eq!(back.event().await["capacity"]["occupied"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_board_of_a_starting_hub_is_true_at_once_and_never_goes_back() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 9).await;
    for _ in 0..3 {
        arrival(&hub, &facility).await;
    }
    let id = FacilityId::decode(&facility).unwrap();
    let (table, follower) = Follower::open(world.store.clone()).await.unwrap();
    let occupied = || table.board().facility(id).unwrap().pools[0].occupied;
    assert_eq!(occupied(), 3);
    assert!(table.board().position() > Position::default(), "the snapshot knows its time");
    assert_eq!(table.board().position().ordinal, u32::MAX, "and has all of that time");
    let mut changes = table.changes();
    let stop = CancellationToken::new();
    let following = tokio::spawn(follower.run(stop.clone()));
    arrival(&hub, &facility).await;
    let mut position = table.board().position();
    while occupied() != 4 {
        changes.changed().await.unwrap();
        assert!(occupied() >= 3, "the board went back to {}", occupied());
        assert!(table.board().position() >= position, "the position went back");
        position = table.board().position();
    }
    stop.cancel();
    following.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_the_middle_of_a_state_is_answered_by_resync() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
    hub.accredit(&facility, "UNACCOMPANIED_MINOR", 3).await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    let states = events(&mut socket, 2).await;
    let mut middle = watch(&hub, "operator", &facility, states[0]["cursor"].as_str()).await;
    let again = events(&mut middle, 2).await;
    for (again, state) in again.iter().zip(&states) {
        assert_eq!(again["kind"], "RESYNC");
        assert_eq!((&again["category"], &again["capacity"]), (&state["category"], &state["capacity"]));
    }
    let mut end = watch(&hub, "operator", &facility, again[1]["cursor"].as_str()).await;
    arrival(&hub, &facility).await;
    for socket in [&mut socket, &mut middle, &mut end] {
        assert_eq!(socket.event().await["kind"], "CHANGED");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_does_not_tell_when_something_happened_elsewhere() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
    let mut cursors = Vec::new();
    for _ in 0..2 {
        let state = watch(&hub, "operator", &facility, None).await.event().await;
        cursors.push(text(&state["cursor"]));
    }
    let [one, other] = [0, 1].map(|at| Cursor::open(&cursors[at], &world.store).unwrap());
    assert_eq!(one, other, "nothing happened");
    assert_ne!(cursors[0], cursors[1], "and nobody can tell");
    let bytes = URL_SAFE_NO_PAD.decode(&cursors[0]).unwrap();
    let seconds = one.position.seconds.to_be_bytes();
    assert!(!bytes.windows(4).any(|window| window == seconds), "the time of the last act is not in it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cursor_from_before_the_buffer_is_answered_by_resync() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
    let long_ago = Cursor::LONG_AGO.seal(&world.store, Seal::Fresh).unwrap();
    // As one that was sealed with a former key.
    let unreadable = if long_ago.starts_with('A') { "B" } else { "A" }.to_owned() + &long_ago[1..];
    for cursor in [long_ago, unreadable] {
        let mut socket = watch(&hub, "operator", &facility, Some(&cursor)).await;
        assert_eq!(socket.event().await["kind"], "RESYNC");
        arrival(&hub, &facility).await;
        assert_eq!(socket.event().await["kind"], "CHANGED");
    }
    let mut socket = watch(&hub, "operator", &facility, Some("bm9uZQ")).await;
    let refused = socket.next().await;
    assert_eq!(
        (&refused["type"], &refused["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("BAD_REQUEST"))
    );
}
