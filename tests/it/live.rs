//! Live: what a subscriber is sent, in which order, and what it never misses.

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mongodb::bson::doc;
use serde_json::{Value, json};
use tavolo::local_mongod::LocalMongod;
use tavolo_schema::{PlaceCategory, Position, contract_name, id::FacilityId};
use tavolo_store::key::Seal;
use tavolo_subscriptions::{Cursor, Follower};
use tokio_util::sync::CancellationToken;

use crate::{
    harness::{Client, SIGNER, Socket, World, blocking, text, until},
    stage::assert_books_agree,
};

const WATCH: &str = "subscription($filter: OccupancyFilter, $after: String) {
    occupancyChanged(filter: $filter, after: $after) {
        cursor kind facility { id code name } category capacity { installed occupied free }
        cause occurredAt registeredAt
    }
}";

/// A facility of Crotone with so many ordinary places.
async fn house(world: &World, hub: &Client, places: i32) -> String {
    hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", places).await
}

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
    let facility = house(&world, &hub, 3).await;
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
    let crotone = house(&world, &hub, 2).await;
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
    let crotone = house(&world, &hub, 2).await;
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
async fn both_hubs_deliver_the_change_that_one_of_them_made_under_the_same_cursor() {
    let world = World::new().await;
    let hubs = [world.hub().await, world.hub().await];
    let facility = house(&world, &hubs[0], 5).await;
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
    let facility = house(&world, &hubs[0], 20).await;
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
    let facility = house(&world, &hub, 9).await;
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
    let facility = house(&world, &hub, 9).await;
    for _ in 0..3 {
        arrival(&hub, &facility).await;
    }
    let id = FacilityId::decode(&facility).unwrap();
    let (table, follower) = Follower::open(world.store.clone()).await.unwrap();
    let occupied = || table.board().place(id).unwrap().pools[0].occupied;
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
    let facility = house(&world, &hub, 5).await;
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
    let facility = house(&world, &hub, 5).await;
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
    let facility = house(&world, &hub, 5).await;
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

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_executed_is_answered_by_an_error_message_and_the_socket_goes_on() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut socket = hub.socket("operator").await;
    let mutation = "mutation { dischargeGuest(input: { stay: \"x\", reason: OTHER }) { stay { id } } }";
    let two = format!("query Ask {{ viewer {{ role }} }} {mutation}").replace("mutation {", "mutation Do {");
    for payload in [
        json!({ "query": WATCH, "variables": { "after": "nonsense" } }),
        json!({ "query": mutation }),
        json!({ "query": two, "operationName": "Do" }),
        json!({ "query": "subscription { occupancyChanged { secret } }" }),
        json!({ "query": "subscription {" }),
        json!({ "query": "{ nothing }" }),
    ] {
        socket.send(json!({ "id": "a", "type": "subscribe", "payload": payload })).await;
        let answer = socket.next().await;
        assert_eq!((&answer["type"], &answer["id"]), (&json!("error"), &json!("a")), "{payload}");
        let errors = answer["payload"].as_array().unwrap();
        assert!(!errors.is_empty());
        for error in errors {
            assert_eq!(error["extensions"]["code"], "BAD_REQUEST", "{payload}");
        }
    }
    let query = json!({ "query": two, "operationName": "Ask" });
    socket.send(json!({ "id": "a", "type": "subscribe", "payload": query })).await;
    let answer = socket.next().await;
    assert_eq!(answer["payload"]["data"], json!({ "viewer": { "role": "OPERATOR" } }));
    assert_eq!(socket.next().await, json!({ "type": "complete", "id": "a" }));
    socket.send(json!({ "type": "ping", "payload": { "at": 7 } })).await;
    assert_eq!(socket.next().await, json!({ "type": "pong", "payload": { "at": 7 } }));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_client_completes_is_not_sent_any_more() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 9).await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    assert_eq!(socket.next().await["id"], "1");
    let payload = json!({ "query": WATCH, "variables": { "filter": { "facility": facility } } });
    socket.send(json!({ "id": "2", "type": "subscribe", "payload": payload })).await;
    assert_eq!(socket.next().await["id"], "2");
    socket.send(json!({ "id": "1", "type": "complete" })).await;
    for occupied in 1..=3 {
        arrival(&hub, &facility).await;
        let message = socket.next().await;
        assert_eq!(message["id"], "2");
        assert_eq!(message["payload"]["data"]["occupancyChanged"]["capacity"]["occupied"], occupied);
    }
    // The id is free again.
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ viewer { role } }" } })).await;
    assert_eq!(socket.next().await["payload"]["data"]["viewer"]["role"], "OPERATOR");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_breaks_the_protocol_is_sent_away_with_its_code() {
    let world = World::new().await;
    let hub = world.hub().await;
    let subscribe =
        json!({ "id": "1", "type": "subscribe", "payload": { "query": "subscription { occupancyChanged { kind } }" } });
    for (message, code) in [
        (json!({ "type": "nonsense" }), 4400),
        (json!("nonsense"), 4400),
        (json!({ "id": "1" }), 4400),
        (subscribe.clone(), 4401),
        (json!({ "type": "connection_init", "payload": { "authorization": "Bearer x.y.z" } }), 4401),
        (
            json!({ "type": "connection_init", "payload": { "Authorization": format!("Bearer {}", hub.token("stranger")) } }),
            4403,
        ),
    ] {
        let mut socket = hub.bare_socket().await;
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, code, "{message}");
    }
    for (message, code) in [
        (json!({ "type": "nonsense" }), 4400),
        (json!({ "id": "1", "type": "subscribe" }), 4400),
        (json!({ "id": "", "type": "subscribe", "payload": { "query": "{ viewer { role } }" } }), 4400),
        (json!({ "id": "x".repeat(129), "type": "subscribe", "payload": { "query": "{ viewer { role } }" } }), 4400),
        (json!({ "id": "2", "type": "ping", "payload": { "long": "x".repeat(64 * 1024) } }), 1009),
        (json!({ "id": "2", "type": "subscribe", "payload": { "variables": {} } }), 4400),
        (subscribe.clone(), 4409),
        (json!({ "type": "connection_init" }), 4429),
    ] {
        let mut socket = hub.socket("operator").await;
        socket.send(subscribe.clone()).await;
        socket.send(message.clone()).await;
        assert_eq!(socket.close_code().await, code, "{message}");
    }
    let mut unprotocolled = hub.socket_with(&[]).await.unwrap();
    assert_eq!(unprotocolled.close_code().await, 4406);
    let mut silent = hub.bare_socket().await;
    assert_eq!(silent.close_code().await, 4408);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_is_no_message_even_if_it_holds_what_one_would_hold() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut socket = hub.socket("operator").await;
    socket.send(json!(["ping", null])).await;
    assert_eq!(socket.close_code().await, 4400);
    let mut socket = hub.socket("operator").await;
    let payload = json!(["{ viewer { role } }", null, null, null]);
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    assert_eq!(socket.close_code().await, 4400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_has_a_hundred_operations_and_not_one_more() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 1).await;
    let mut socket = hub.socket("operator").await;
    let subscribe = |id: usize| {
        let payload = json!({ "query": WATCH, "variables": { "filter": { "facility": facility } } });
        json!({ "id": id.to_string(), "type": "subscribe", "payload": payload })
    };
    for id in 0..100 {
        socket.send(subscribe(id)).await;
        assert_eq!(socket.next().await["id"], id.to_string());
    }
    socket.send(subscribe(100)).await;
    assert_eq!(socket.close_code().await, 4429);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_membership_ends_so_do_the_sockets_of_its_member_and_nobody_elses() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 5).await;
    let mut analyst = watch(&hub, "analyst", &facility, None).await;
    let mut idle = hub.socket("analyst").await;
    let mut prefecture = watch(&hub, "prefecture", &facility, None).await;
    assert_eq!(analyst.event().await["kind"], "CURRENT");
    assert_eq!(prefecture.event().await["kind"], "CURRENT");
    assert!(world.store.remove_member("analyst").await.unwrap());
    let removed = Instant::now();
    assert_eq!(analyst.close_code().await, 4403);
    assert_eq!(idle.close_code().await, 4403);
    assert!(removed.elapsed() < Duration::from_secs(2), "after {:?}", removed.elapsed());
    arrival(&hub, &facility).await;
    assert_eq!(prefecture.event().await["kind"], "CHANGED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_in_another_role_is_sent_what_the_new_role_sees() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 5).await;
    let mut socket = hub.subscribe("analyst", WATCH, json!({})).await;
    assert_eq!(socket.event().await["facility"]["id"], facility);
    let members = world.store.members().await.unwrap();
    let mut member = members.into_iter().find(|member| member.subject == "analyst").unwrap();
    member.role = tavolo_schema::Role::Operator;
    member.organisation = world.bodies.other_operator;
    world.store.put_member(&member).await.unwrap();
    until("the board has the new role", || async {
        hub.data("analyst", "{ viewer { role } }", json!({})).await["viewer"]["role"] == "OPERATOR"
    })
    .await;
    arrival(&hub, &facility).await;
    let own = house_in_carfizzi(&world, &hub, "ORDINARY").await;
    assert_eq!(socket.event().await["facility"]["id"], own);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_socket_ends_with_its_token() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 5).await;
    // The clock stands still; the socket's timer runs for the second that the token has left by it.
    let token = SIGNER.sign("operator", hub.clock.now(), 1).unwrap();
    let mut socket = hub.bare_socket().await;
    let payload = json!({ "authorization": format!("Bearer {token}") });
    socket.send(json!({ "type": "connection_init", "payload": payload })).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
    let payload = json!({ "query": WATCH, "variables": { "filter": { "facility": facility } } });
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    assert_eq!(socket.event().await["kind"], "CURRENT");
    assert_eq!(socket.close_code().await, 4401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_reads_its_own_writes_in_the_next_query() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 1).await;
    let guest = hub.guest("operator").await;
    for _ in 0..15 {
        let payload = hub.admit("operator", &guest, &facility).await;
        assert_eq!(blocking(&payload), Vec::<String>::new());
        assert_eq!(hub.pool(&facility).await["occupied"], 1);
        departure(&hub, &text(&payload["stay"]["id"])).await;
        assert_eq!(hub.pool(&facility).await["occupied"], 0);
    }
}

/// What `/readyz` says of the database.
async fn link(hub: &Client) -> Value {
    let answer = hub.http.get(format!("http://{}/readyz", hub.address)).send().await.unwrap();
    assert!(answer.status().is_success());
    answer.json::<Value>().await.unwrap()["database"].take()
}

const ADMIT: &str =
    "mutation($input: AdmitGuestInput!, $key: String) { admitGuest(input: $input, idempotencyKey: $key) {
    stay { id } irregularities { code severity path message } } }";

/// Repeats one order until it is answered, as a client should.
async fn admit_patiently(hub: &Client, guest: &str, facility: &str) {
    let input = json!({ "guest": guest, "facility": facility, "category": "ORDINARY" });
    let order = json!({ "input": input, "key": format!("arrival of {guest}") });
    until("the act goes through", || async {
        let answer = hub.send("operator", ADMIT, order.clone()).await;
        match answer.get("errors") {
            None => {
                assert_eq!(blocking(&answer["data"]["admitGuest"]), Vec::<String>::new());
                true
            }
            Some(errors) => {
                // Written or not, it is to be repeated.
                let code = text(&errors[0]["extensions"]["code"]);
                assert!(["UNAVAILABLE", "OUTCOME_PENDING"].contains(&code.as_str()), "{errors}");
                false
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn when_mongod_is_killed_and_comes_back_subscriptions_survive_and_miss_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = LocalMongod::start(folder.path(), None).await.unwrap();
    let port = mongod.port();
    let mut world = World::at(mongod.uri()).await;
    world.settings.patience = Duration::from_secs(1);
    let (hub, other) = (world.hub().await, world.hub().await);
    let facility = house(&world, &hub, 20).await;
    let mut guests = Vec::new();
    for _ in 0..9 {
        guests.push(hub.guest("operator").await);
    }
    let mut sockets =
        [watch(&hub, "operator", &facility, None).await, watch(&hub, "prefecture", &facility, None).await];
    for socket in &mut sockets {
        assert_eq!(socket.event().await["kind"], "CURRENT");
    }
    admit_patiently(&hub, &guests[0], &facility).await;
    assert_eq!(link(&hub).await, "following");

    mongod.kill().await;
    assert_eq!(hub.pool(&facility).await["occupied"], 1, "the board still answers");
    let began = Instant::now();
    let order = json!({ "input": { "guest": guests[1], "facility": facility, "category": "ORDINARY" } });
    let answer = hub.send("operator", ADMIT, order).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    let refused_after = began.elapsed();
    until("the hub knows", || async { link(&hub).await == "lost" }).await;
    assert_eq!(hub.pool(&facility).await["occupied"], 1, "the board answers on");

    let mongod = LocalMongod::start(folder.path(), Some(port)).await.unwrap();
    for guest in &guests[1..5] {
        world.clock.advance(Duration::from_secs(1));
        admit_patiently(&other, guest, &facility).await;
    }
    for guest in &guests[5..] {
        world.clock.advance(Duration::from_secs(1));
        admit_patiently(&hub, guest, &facility).await;
    }
    until("the hub follows again", || async { link(&hub).await == "following" }).await;

    let id = FacilityId::decode(&facility).unwrap();
    let ledger = world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap();
    let written: Vec<_> = ledger
        .iter()
        .filter(|entry| entry.stay.is_some())
        .map(|entry| (contract_name(entry.cause), entry.after.occupied, entry.registered_at.to_string()))
        .collect();
    assert_eq!(written.len(), guests.len());
    for socket in &mut sockets {
        let sent: Vec<_> = events(socket, written.len())
            .await
            .iter()
            .map(|event| {
                let occupied = i32::try_from(event["capacity"]["occupied"].as_i64().unwrap()).unwrap();
                assert_eq!(event["kind"], "CHANGED");
                (text(&event["cause"]), occupied, text(&event["registeredAt"]))
            })
            .collect();
        assert_eq!(sent, written);
    }
    assert_books_agree(&world).await;
    assert!(refused_after < 5 * world.settings.patience, "an answer came after {refused_after:?}");
    drop(world);
    mongod.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_by_hand_makes_the_hub_begin_anew_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 5).await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    let state = socket.event().await;
    let update = doc! { "$set": { "name": "Casa Mano" } };
    let facilities = world.driver().await.collection::<mongodb::bson::Document>("facilities");
    assert_eq!(facilities.update_many(doc! {}, update).await.unwrap().modified_count, 1);

    let anew = socket.event().await;
    assert_eq!((&anew["kind"], &anew["facility"]["name"]), (&json!("RESYNC"), &json!("Casa Mano")));
    arrival(&hub, &facility).await;
    let change = socket.event().await;
    assert_eq!((&change["kind"], &change["capacity"]["occupied"]), (&json!("CHANGED"), &json!(1)), "{change}");
    assert_eq!(link(&hub).await, "following");

    // A hub that starts now has the same history before it.
    let late = world.hub().await;
    let mut back = watch(&late, "operator", &facility, state["cursor"].as_str()).await;
    let resync = back.event().await;
    assert_eq!((&resync["kind"], &resync["capacity"]["occupied"]), (&json!("RESYNC"), &json!(1)));
    arrival(&late, &facility).await;
    assert_eq!(back.event().await["kind"], "CHANGED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_document_stops_the_feed_until_it_is_repaired_and_no_longer() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = house(&world, &hub, 5).await;
    let other = house(&world, &hub, 1).await;
    let guest = hub.guest("operator").await;
    let mut socket = watch(&hub, "operator", &facility, None).await;
    assert_eq!(socket.event().await["kind"], "CURRENT");
    let facilities = world.driver().await.collection::<mongodb::bson::Document>("facilities");
    let sound = facilities.find_one(doc! {}).sort(doc! { "code": 1 }).await.unwrap().unwrap();
    let mut damaged = sound.clone();
    damaged.insert("facilityType", "CASTLE");
    let id = sound.get("_id").unwrap().clone();
    facilities.replace_one(doc! { "_id": id.clone() }, damaged).bypass_document_validation(true).await.unwrap();
    until("the hub knows", || async { link(&hub).await == "lost" }).await;
    assert_eq!(hub.pool(&facility).await["free"], 5, "the board still answers");

    // An act is written, and not answered from a board that does not show it, however long ago it was.
    let input = json!({ "guest": guest, "facility": other, "category": "ORDINARY" });
    for _ in 0..2 {
        let answer = hub.send("operator", ADMIT, json!({ "input": input, "key": "in the dark" })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "OUTCOME_PENDING", "{answer}");
        world.clock.advance(std::time::Duration::from_secs(61));
    }

    facilities.replace_one(doc! { "_id": id }, sound).await.unwrap();
    until("the hub follows again", || async { link(&hub).await == "following" }).await;
    let answer = hub.send("operator", ADMIT, json!({ "input": input, "key": "in the dark" })).await;
    assert!(answer["data"]["admitGuest"]["stay"]["id"].is_string(), "{answer}");
    arrival(&hub, &facility).await;
    // The state anew after each look that found the document sound, then the change.
    let mut last = socket.event().await;
    for _ in 0..5 {
        if last["capacity"]["occupied"] == 1 {
            break;
        }
        last = socket.event().await;
    }
    assert_eq!(last["capacity"]["occupied"], 1, "{last}");
    let late = world.hub().await;
    assert_eq!(late.pool(&facility).await["occupied"], 1);
    arrival(&late, &facility).await;
    assert_eq!(late.pool(&facility).await["occupied"], 2);
}
