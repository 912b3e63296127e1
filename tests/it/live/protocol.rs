//! The protocol of the socket: what is answered, what is refused, and with which code a socket is closed.

use serde_json::json;

use super::{WATCH, arrival, watch};
use crate::harness::World;

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
    let facility = world.house(&hub, 9).await;
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
    let facility = world.house(&hub, 1).await;
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
