//! A subscriber whose right to be told changes or ends.

use serde_json::json;

use super::{WATCH, arrival, house_in_carfizzi, watch};
use crate::harness::{SIGNER, World, until};

#[tokio::test(flavor = "multi_thread")]
async fn when_a_membership_ends_so_do_the_sockets_of_its_member_and_nobody_elses() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
    let mut analyst = watch(&hub, "analyst", &facility, None).await;
    let mut idle = hub.socket("analyst").await;
    let mut prefecture = watch(&hub, "prefecture", &facility, None).await;
    assert_eq!(analyst.event().await["kind"], "CURRENT");
    assert_eq!(prefecture.event().await["kind"], "CURRENT");
    assert!(world.store.remove_member("analyst").await.unwrap());
    assert_eq!(analyst.close_code().await, 4403);
    assert_eq!(idle.close_code().await, 4403);
    arrival(&hub, &facility).await;
    assert_eq!(prefecture.event().await["kind"], "CHANGED");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_in_another_role_is_sent_what_the_new_role_sees() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = world.house(&hub, 5).await;
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
    let facility = world.house(&hub, 5).await;
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
