//! The limits of streams: who may hold how many open and run how much on them, and what that costs.

use std::time::Duration;

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tavolo::edge::Settings;
use tokio_tungstenite::tungstenite;

use crate::harness::{Client, Socket, World, until};

const TOTALS: &str = "subscription { totalsChanged(groupBy: PROVINCE) { kind } }";

/// Costs two for each pool.
const CHANGES: &str = "subscription($facility: ID) { occupancyChanged(filter: { facility: $facility }) { kind } }";

fn init(hub: &Client, subject: &str) -> Value {
    let payload = json!({ "authorization": format!("Bearer {}", hub.token(subject)) });
    json!({ "type": "connection_init", "payload": if subject.is_empty() { json!({}) } else { payload } })
}

fn subscribe(id: impl ToString, query: &str, variables: Value) -> Value {
    json!({ "id": id.to_string(), "type": "subscribe", "payload": { "query": query, "variables": variables } })
}

/// A socket that has said nothing yet, from an address in the word of a proxy; or with what it is refused.
async fn handshake(hub: &Client, address: &str) -> Result<Socket, StatusCode> {
    let headers = [("sec-websocket-protocol", "graphql-transport-ws"), ("x-forwarded-for", address)];
    hub.socket_with(&headers).await.map_err(|error| match error {
        tungstenite::Error::Http(response) => response.status(),
        other => panic!("{other}"),
    })
}

fn events(hub: &Client, subject: &str, query: &str) -> RequestBuilder {
    let request = hub.http.post(format!("http://{}/graphql/stream", hub.address)).json(&json!({ "query": query }));
    if subject.is_empty() { request } else { request.bearer_auth(hub.token(subject)) }
}

/// Settings that take a proxy's word on this machine.
fn behind_a_proxy() -> Settings {
    Settings { trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()], ..Settings::default() }
}

/// Whether a member is let in on a socket, and not told that there is no room.
async fn a_member_gets_in(hub: &Client) -> bool {
    let Ok(mut socket) = handshake(hub, "192.0.2.1").await else { return false };
    socket.send(init(hub, "analyst")).await;
    socket.next_or_close().await.is_ok_and(|message| message["type"] == "connection_ack")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_so_many_streams_and_the_hub_so_many_in_all() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { sockets: 3, sockets_per_member: 2, ..Settings::default() }).await;
    let open = async |subject: &str| {
        let mut socket = hub.bare_socket().await;
        socket.send(init(&hub, subject)).await;
        socket
    };
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut socket = open("operator").await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        held.push(socket);
    }
    assert_eq!(open("operator").await.close_code().await, 4429);
    let asked = |subject: &str| events(&hub, subject, TOTALS);
    let refused = asked("operator").send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[header::RETRY_AFTER], "10");
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    let streaming = asked("").send().await.unwrap();
    assert_eq!(streaming.status(), StatusCode::OK);
    assert_eq!(handshake(&hub, "192.0.2.1").await.err(), Some(StatusCode::SERVICE_UNAVAILABLE));
    assert_eq!(asked("analyst").send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    drop((streaming, held));
    until("there is room again", async || a_member_gets_in(&hub).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_addresses_of_one_ipv6_network_share_their_streams() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { sockets_per_member: 1, ..behind_a_proxy() }).await;
    let asked = async |address: &str| events(&hub, "", TOTALS).header("x-forwarded-for", address).send().await.unwrap();
    let held = asked("2001:db8:0:1::1").await;
    assert_eq!(held.status(), StatusCode::OK);
    assert_eq!(asked("2001:db8:0:1:ffff::2").await.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(asked("2001:db8:0:2::1").await.status(), StatusCode::OK);
    let mut socket = handshake(&hub, "2001:db8:0:1::3").await.unwrap();
    socket.send(init(&hub, "")).await;
    assert_eq!(socket.close_code().await, 4429);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_said_who_it_is_has_a_share_as_well() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { sockets_per_member: 2, ..behind_a_proxy() }).await;
    let mut first = handshake(&hub, "2001:db8:0:1::1").await.unwrap();
    let mut second = handshake(&hub, "2001:db8:0:1::2").await.unwrap();
    let mut elsewhere = handshake(&hub, "2001:db8:0:2::1").await.unwrap();
    let mut third = handshake(&hub, "2001:db8:0:1::3").await.unwrap();
    assert_eq!(first.close_code().await, 4408, "who has said nothing for longest makes room");
    for socket in [&mut second, &mut third] {
        socket.send(init(&hub, "operator")).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
    }
    elsewhere.send(init(&hub, "operator")).await;
    assert_eq!(elsewhere.close_code().await, 4429, "a member has two");
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_lock_no_member_out() {
    let world = World::new().await;
    let patient = Duration::from_secs(3_600);
    let hub = world.hub_with(Settings { sockets_per_member: 5, init_within: patient, ..behind_a_proxy() }).await;
    let mut silent = Vec::new();
    for _ in 0..7 {
        silent.push(handshake(&hub, "192.0.2.1").await.unwrap());
    }
    assert!(a_member_gets_in(&hub).await, "by its first message");
    let token = format!("Bearer {}", hub.token("operator"));
    let headers = [
        ("sec-websocket-protocol", "graphql-transport-ws"),
        ("x-forwarded-for", "192.0.2.1"),
        ("authorization", token.as_str()),
    ];
    let mut named = Vec::new();
    for _ in 0..5 {
        named.push(hub.socket_with(&headers).await.unwrap());
    }
    let refused = hub.socket_with(&headers).await.err();
    let tungstenite::Error::Http(refused) = refused.expect("a member has five") else { panic!("no answer") };
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    for mut socket in named {
        // Without a token in it, it is the one of the handshake.
        socket.send(init(&hub, "")).await;
        assert_eq!(socket.next().await["type"], "connection_ack", "by the handshake");
    }
    assert_eq!(silent[0].close_code().await, 4408);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_tenth_of_the_hub_is_for_members() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { sockets: 10, ..Settings::default() }).await;
    let mut held = Vec::new();
    for _ in 0..9 {
        held.push(hub.socket("").await);
    }
    assert_eq!(events(&hub, "", TOTALS).send().await.unwrap().status(), StatusCode::SERVICE_UNAVAILABLE);
    let mut anybody = hub.bare_socket().await;
    anybody.send(init(&hub, "")).await;
    assert_eq!(anybody.close_code().await, 1013, "clients come back after this");
    until("a member has the last place", async || a_member_gets_in(&hub).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn those_who_say_nothing_from_many_networks_lock_no_member_out() {
    let world = World::new().await;
    let patient = Duration::from_secs(3_600);
    let hub = world.hub_with(Settings { sockets: 40, init_within: patient, ..behind_a_proxy() }).await;
    let mut silent = Vec::new();
    for network in 0..60 {
        // Whoever is closed needs a moment to go.
        silent.extend(handshake(&hub, &format!("2001:db8:0:{network}::1")).await);
    }
    until("a member gets in", async || a_member_gets_in(&hub).await).await;
    assert_eq!(silent[0].close_code().await, 4408, "who has said nothing for longest makes room");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_runs_so_many_operations_on_all_its_streams_together() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { sockets_per_member: 3, ..Settings::default() }).await;
    let mut sockets = [hub.socket("operator").await, hub.socket("operator").await];
    for id in 0..15 {
        let socket = &mut sockets[id % 2];
        socket.send(subscribe(id, TOTALS, json!({}))).await;
        assert_eq!(socket.next().await["type"], "next");
    }
    let refused = events(&hub, "operator", TOTALS).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.json::<Value>().await.unwrap()["errors"][0]["extensions"]["code"], "UNAVAILABLE");
    let [mut one, mut other] = sockets;
    one.send(json!({ "id": "0", "type": "complete" })).await;
    one.send(subscribe("again", TOTALS, json!({}))).await;
    assert_eq!(one.next().await["id"], "again", "one has ended");
    other.send(subscribe("more", TOTALS, json!({}))).await;
    assert_eq!(other.close_code().await, 4429);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_counts_by_what_it_keeps_and_what_it_does_not_declare_is_not_kept() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { sockets_per_member: 1, ..Settings::default() }).await;
    let mut socket = hub.socket("operator").await;
    socket.send(subscribe("1", TOTALS, json!({ "undeclared": "x".repeat(40_000) }))).await;
    assert_eq!(socket.next().await["type"], "next");
    let commented = format!("{TOTALS} # {}", "x".repeat(2_000));
    socket.send(subscribe("2", &commented, json!({}))).await;
    assert_eq!(socket.next().await["type"], "next");
    let declared =
        "subscription($facility: ID) { totalsChanged(filter: { facility: $facility }, groupBy: PROVINCE) { kind } }";
    socket.send(subscribe("3", declared, json!({ "facility": "x".repeat(2_000) }))).await;
    assert_eq!(socket.close_code().await, 4429);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_costs_as_much_as_there_is_of_it() {
    let world = World::new().await;
    let hub = world.hub().await;
    // The entrance, and not much more.
    let poor = world.hub_with(Settings { member_budget: 106, ..Settings::default() }).await;
    let (operator, holder) = (world.bodies.operator, world.bodies.municipality);
    let facility = hub.facility(operator, holder, "ORDINARY", 3).await;
    for _ in 0..2 {
        hub.facility(operator, holder, "ORDINARY", 3).await;
    }
    until("both hubs know all three", async || {
        poor.data("", "{ occupancy(groupBy: PROVINCE) { facilities } }", json!({})).await["occupancy"][0]["facilities"]
            == 3
    })
    .await;
    for (subject, variables) in [("province", json!({})), ("prefecture", json!({ "facility": null }))] {
        let mut socket = poor.socket(subject).await;
        socket.send(subscribe("all", CHANGES, variables)).await;
        let refused = socket.next().await;
        assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("all")));
        assert_eq!(refused["payload"][0]["extensions"]["code"], "TOO_COSTLY");
    }
    let mut socket = poor.socket("operator").await;
    socket.send(subscribe("one", CHANGES, json!({ "facility": facility }))).await;
    assert_eq!(socket.next().await["payload"]["data"]["occupancyChanged"]["kind"], "CURRENT");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_asked_on_a_stream_is_paid_for() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { member_budget: 300, ..Settings::default() }).await;
    let mut socket = hub.socket("operator").await;
    let dear = "{ facilities(first: 100) { nodes { id code name } } }";
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": dear } })).await;
    let refused = socket.next().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("1")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "TOO_COSTLY");
    assert!(refused["payload"][0]["extensions"]["correlationId"].is_string());
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": { "query": "{ viewer { role } }" } })).await;
    assert_eq!(socket.next().await["payload"]["data"]["viewer"]["role"], "OPERATOR");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_watched_is_paid_for_again_and_ends_when_it_cannot_be() {
    let world = World::new().await;
    let soon = Duration::from_millis(50);
    let settings = Settings { member_budget: 150, ping_every: soon, due_every: soon, ..Settings::default() };
    let hub = world.hub_with(settings).await;
    let dear =
        "subscription { totalsChanged(groupBy: PROVINCE) { kind asOf a: kind b: kind c: kind d: kind e: kind } }";
    let mut socket = hub.socket("operator").await;
    socket.send(subscribe("1", dear, json!({}))).await;
    assert_eq!(socket.next().await["type"], "next");
    let ended = socket.next().await;
    assert_eq!((&ended["type"], &ended["id"]), (&json!("error"), &json!("1")));
    assert_eq!(ended["payload"][0]["extensions"]["code"], "BUDGET_EXHAUSTED");
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await["type"], "pong", "the socket goes on");

    let text = events(&hub, "analyst", dear).send().await.unwrap().text().await.unwrap();
    let told: Vec<&str> = text.split("\n\n").filter(|event| event.starts_with("event")).collect();
    assert_eq!(told.len(), 3, "{text}");
    assert!(told[1].contains("BUDGET_EXHAUSTED") && told[2].starts_with("event: complete"), "{text}");
}
