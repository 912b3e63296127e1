//! Acts: what they do, and what they refuse.

use serde_json::json;

use crate::harness::{World, blocking};

#[tokio::test]
async fn an_admission_is_seen_by_the_next_query_of_the_same_hub() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let guest = hub.guest("operator").await;
    let payload = hub.admit("operator", &guest, &facility).await;
    assert_eq!(blocking(&payload), Vec::<String>::new());
    assert_eq!(payload["stay"]["status"], "OPEN");
    let document = "query($id: ID!) { facility(by: { id: $id }) { capacity { occupied free } } }";
    let data = hub.data("operator", document, json!({ "id": facility })).await;
    assert_eq!(data["facility"]["capacity"], json!([{ "occupied": 1, "free": 1 }]));
    world.end().await;
}
