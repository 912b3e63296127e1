//! Guests from both sides: by name, and by the place they had.

use serde_json::json;

use super::Province;
use crate::stage::accepted;

#[tokio::test]
async fn the_stays_of_somebody_by_name_are_those_that_tell_the_name_themselves() {
    let province = Province::new().await;
    let (hub, records) = (&province.hub, &province.records);
    // Guest of a facility in Crotone that the Province holds, then of one that the municipality holds.
    let (there, held) = (&records[1], &records[0]);
    let discharge = json!({ "stay": held.open, "reason": "OTHER" });
    accepted(hub, "dischargeGuest", "stay", discharge).await;
    accepted(hub, "unblockPlaces", "facility", json!({ "block": held.block })).await;
    let document = "query($id: ID!) { guest(by: { id: $id }) { stays { nodes { id facility { id } guest { id } } } } }";
    let stays = async |subject: &str, guest: &str| {
        let data = hub.data(subject, document, json!({ "id": guest })).await;
        data["guest"]["stays"]["nodes"].clone()
    };
    let open = "query($id: ID!) { guest(by: { id: $id }) { stays(status: OPEN) { nodes { id } } } }";
    let found = hub.data("province", open, json!({ "id": there.guest })).await;
    let earlier = &found["guest"]["stays"]["nodes"][0]["id"];
    accepted(hub, "dischargeGuest", "stay", json!({ "stay": earlier, "reason": "OTHER" })).await;
    let admission = json!({ "guest": there.guest, "facility": held.facility, "category": "ORDINARY" });
    let here = accepted(hub, "admitGuest", "stay", admission).await;

    let all = stays("province", &there.guest).await;
    assert_eq!(all.as_array().unwrap().len(), 3);
    let here = json!([{ "id": here, "facility": { "id": held.facility }, "guest": { "id": there.guest } }]);
    assert_eq!(stays("municipality", &there.guest).await, here);
    // That somebody was in the other facility, the municipality sees, without the name.
    let document = "query($id: ID!) { node(id: $id) { id ... on Stay { guest { id } } } }";
    let data = hub.data("municipality", document, json!({ "id": earlier })).await;
    assert_eq!(data["node"], json!({ "id": earlier, "guest": null }));
}
