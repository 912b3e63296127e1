//! Whom a member may admit, and what it learns of those whom it may not.

use serde_json::json;

use super::{accredited, admission, refused};
use crate::{
    harness::{Client, World, blocking, codes, person, text},
    stage::{accepted, assert_books_agree},
};

#[tokio::test]
async fn a_guest_with_a_place_gets_no_second_one_and_only_those_who_may_learn_where_the_first_is() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (first, _) = accredited(&hub, &world, 2).await;
    let theirs = hub.facility(world.bodies.other_operator, world.bodies.province, "ORDINARY", 2).await;
    let guest = hub.guest("operator").await;
    hub.admit("operator", &guest, &first).await;
    let expected = &["GUEST_ALREADY_HOSTED"];
    let message = |place: &str| format!("L'ospite è già accolto ({place}): contattare la Provincia.");

    let again = admission(&guest, &first, "ORDINARY");
    let payload = refused(&world, &hub, "operator", "admitGuest", again, expected).await;
    assert_eq!(payload["irregularities"][0]["message"], message("KR-F-0001"), "its own facility");
    let there = admission(&guest, &theirs, "ORDINARY");
    let payload = refused(&world, &hub, "province", "admitGuest", there.clone(), expected).await;
    assert_eq!(payload["irregularities"][0]["message"], message("KR-F-0001"), "the Province knows");
    let unknown = &["UNKNOWN_GUEST"];
    let hosted = refused(&world, &hub, "other_operator", "admitGuest", there.clone(), unknown).await;
    let answer = "Nessun ospite che l'ente possa accogliere: contattare la Provincia.";
    assert_eq!(hosted["irregularities"][0]["message"], answer);

    // A guest whose file a public body keeps may be admitted by whoever was given the id; once hosted, not.
    let sent = hub.guest("central_service").await;
    assert_eq!(blocking(&hub.admit("operator", &sent, &first).await), Vec::<String>::new());
    let taken = admission(&sent, &theirs, "ORDINARY");
    refused(&world, &hub, "other_operator", "admitGuest", taken, unknown).await;

    // After leaving, the file is still the operator's, and to the other one nothing has changed.
    leave(&hub, &guest).await;
    assert_eq!(refused(&world, &hub, "other_operator", "admitGuest", there.clone(), unknown).await, hosted);
    // The Province can move the guest; the file goes along.
    accepted(&hub, "admitGuest", "stay", there).await;
    let document = "query($id: ID!) { guest(by: { id: $id }) { id } }";
    assert_eq!(hub.data("other_operator", document, json!({ "id": guest })).await["guest"]["id"], json!(guest));
    // Whoever hosted the guest once goes on seeing the file, and cannot follow her: hosted or not, the answer is the same.
    assert_eq!(hub.data("operator", document, json!({ "id": guest })).await["guest"]["id"], json!(guest));
    let back = admission(&guest, &first, "ORDINARY");
    assert_eq!(refused(&world, &hub, "operator", "admitGuest", back.clone(), unknown).await, hosted);
    leave(&hub, &guest).await;
    assert_eq!(refused(&world, &hub, "operator", "admitGuest", back, unknown).await, hosted);
    assert_books_agree(&world).await;
}

/// Ends the open stay of a guest, by the Province.
async fn leave(hub: &Client, guest: &str) {
    let document = "query($id: ID!) { guest(by: { id: $id }) { stays(status: OPEN) { nodes { id } } } }";
    let found = hub.data("province", document, json!({ "id": guest })).await;
    let exit = json!({ "stay": found["guest"]["stays"]["nodes"][0]["id"], "reason": "OTHER" });
    accepted(hub, "dischargeGuest", "stay", exit).await;
}

#[tokio::test]
async fn a_guest_of_a_public_body_waits_for_the_first_place_alone() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    // The Province runs a house of its own: whoever leaves it has no place, and a file that no operator keeps.
    let first = hub.facility(bodies.province, bodies.province, "ORDINARY", 1).await;
    let theirs = hub.facility(bodies.operator, bodies.province, "ORDINARY", 1).await;
    let guest = hub.guest("province").await;
    let wanted = admission(&guest, &theirs, "ORDINARY");
    let check = json!({ "input": wanted, "only": true });
    let checked = hub.order("operator", "admitGuest", "__typename", check).await;
    assert_eq!(codes(&checked["data"]["admitGuest"]), Vec::<String>::new());
    accepted(&hub, "admitGuest", "stay", admission(&guest, &first, "ORDINARY")).await;
    refused(&world, &hub, "operator", "admitGuest", wanted.clone(), &["UNKNOWN_GUEST"]).await;
    leave(&hub, &guest).await;
    let mut long_ago = wanted.clone();
    long_ago["occurredAt"] = json!("1990-01-01T10:00:00Z");
    refused(&world, &hub, "operator", "admitGuest", wanted.clone(), &["UNKNOWN_GUEST"]).await;
    refused(&world, &hub, "operator", "admitGuest", long_ago, &["NO_ACCREDITATION_IN_FORCE"]).await;
    accepted(&hub, "admitGuest", "stay", wanted).await;
}

#[tokio::test]
async fn whether_a_need_of_somebody_hosted_is_documented_is_told_to_those_alone_who_see_needs() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 2).await;
    hub.accredit(&facility, "MENTAL_HEALTH_OR_DISABILITY", 1).await;
    for documented in [true, false] {
        let mut input = person();
        input["specialNeedDocumented"] = json!(documented);
        let payload = hub.act("operator", "registerGuest", "guest { id }", input).await;
        let guest = text(&payload["guest"]["id"]);
        let wanted = json!({ "input": admission(&guest, &facility, "MENTAL_HEALTH_OR_DISABILITY"), "only": true });
        let told = async |subject: &str| {
            let answer = hub.order(subject, "admitGuest", "__typename", wanted.clone()).await;
            codes(&answer["data"]["admitGuest"])
        };
        let missing: &[&str] = if documented { &[] } else { &["WRONG_CATEGORY"] };
        assert_eq!(told("province").await, Vec::<String>::new(), "documented: {documented}");
        assert_eq!(told("operator").await, missing, "its own guest");
        hub.admit("operator", &guest, &facility).await;
        assert_eq!(told("province").await, ["GUEST_ALREADY_HOSTED"], "documented: {documented}");
        assert_eq!(told("operator").await, [&["GUEST_ALREADY_HOSTED"], missing].concat(), "its own guest");
    }
}
