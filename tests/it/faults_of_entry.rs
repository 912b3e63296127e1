//! Faults of entry: what is refused, with which code, and that nothing was written then.

mod categories;
mod duplicates;
mod facilities;
mod guests;
mod reach;
mod times;

use serde_json::{Value, json};
use tavolo_schema::id::{FacilityId, GuestId};

use crate::{
    harness::{Client, TestClock, World, blocking, codes, person, text},
    stage::{accepted, assert_books_agree, books},
};

/// What a payload says, as code and path, in its order.
fn findings(payload: &Value) -> Vec<(String, String)> {
    let found = payload["irregularities"].as_array().unwrap();
    found.iter().map(|found| (text(&found["code"]), text(&found["path"]))).collect()
}

fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    expected.iter().map(|(code, path)| ((*code).into(), (*path).into())).collect()
}

/// Orders an act that must be refused with these blocking codes, and must not have written anything.
pub async fn refused(
    world: &World,
    hub: &Client,
    subject: &str,
    mutation: &str,
    input: Value,
    expected: &[&str],
) -> Value {
    let before = books(world).await;
    let payload = hub.act(subject, mutation, "outcome", input.clone()).await;
    assert_eq!(blocking(&payload), expected, "{mutation} {input}\n{payload:#}");
    assert_eq!(payload["outcome"], "REFUSED", "{mutation} {input}");
    assert_eq!(books(world).await, before, "{mutation} {input} was refused and yet something was written");
    payload
}

fn admission(guest: &str, facility: &str, category: &str) -> Value {
    json!({ "guest": guest, "facility": facility, "category": category })
}

/// A facility whose accreditation in force covers ordinary places, and that accreditation.
async fn accredited(hub: &Client, world: &World, places: i32) -> (String, String) {
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", places).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let data = hub.data("province", document, json!({ "id": facility })).await;
    (facility, text(&data["facility"]["accreditation"]["id"]))
}

#[tokio::test]
async fn an_admission_needs_an_accreditation_in_force_for_the_category() {
    let world = World::new().await;
    let hub = world.hub().await;
    let guest = hub.guest("operator").await;
    let mut needy = person();
    needy["specialNeedDocumented"] = json!(true);
    let needy = accepted(&hub, "registerGuest", "guest", needy).await;
    let expected = &["NO_ACCREDITATION_IN_FORCE"];

    let (facility, accreditation) = accredited(&hub, &world, 1).await;
    let other = admission(&needy, &facility, "MENTAL_HEALTH_OR_DISABILITY");
    let payload = refused(&world, &hub, "operator", "admitGuest", other, expected).await;
    assert_eq!(payload["irregularities"][0]["path"], "input.facility");
    let message = "Nessun accreditamento in vigore il 2026-11-23 per questa categoria.";
    assert_eq!(payload["irregularities"][0]["message"], message);

    let stop = json!({ "accreditation": accreditation, "reason": "Verbale 2" });
    accepted(&hub, "suspendAccreditation", "accreditation", stop.clone()).await;
    let ordinary = admission(&guest, &facility, "ORDINARY");
    refused(&world, &hub, "operator", "admitGuest", ordinary.clone(), expected).await;
    accepted(&hub, "revokeAccreditation", "accreditation", stop).await;
    refused(&world, &hub, "operator", "admitGuest", ordinary.clone(), expected).await;

    // Handed in is not accredited, and rejected is not either.
    let places = json!({ "facility": facility, "places": [{ "category": "ORDINARY", "places": 1 }] });
    let again = accepted(&hub, "submitAccreditation", "accreditation", places).await;
    refused(&world, &hub, "operator", "admitGuest", ordinary.clone(), expected).await;
    let rejection = json!({ "accreditation": again, "outcome": "REJECTED", "reason": "Documenti mancanti" });
    accepted(&hub, "decideAccreditation", "accreditation", rejection).await;
    refused(&world, &hub, "operator", "admitGuest", ordinary, expected).await;
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn the_last_place_is_given_once_and_a_blocked_one_not_at_all() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, _) = accredited(&hub, &world, 2).await;
    let block = json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "HYGIENE" });
    let block = accepted(&hub, "blockPlaces", "block", block).await;
    let (one, other) = (hub.guest("operator").await, hub.guest("operator").await);
    assert_eq!(codes(&hub.admit("operator", &one, &facility).await), Vec::<String>::new());
    let full = admission(&other, &facility, "ORDINARY");
    let payload = refused(&world, &hub, "operator", "admitGuest", full.clone(), &["NO_FREE_PLACE"]).await;
    assert_eq!(payload["irregularities"][0]["path"], "input.category");
    accepted(&hub, "unblockPlaces", "facility", json!({ "block": block })).await;
    assert_eq!(codes(&hub.act("operator", "admitGuest", "stay { id }", full).await), Vec::<String>::new());
    let third = admission(&hub.guest("operator").await, &facility, "ORDINARY");
    refused(&world, &hub, "operator", "admitGuest", third, &["NO_FREE_PLACE"]).await;
    refused(&world, &hub, "operator", "unblockPlaces", json!({ "block": block }), &["UNKNOWN_BLOCK"]).await;
    assert_books_agree(&world).await;
}

/// Registers a person with some particulars changed.
async fn registered(hub: &Client, changes: Value) -> String {
    let mut input = person();
    for (field, value) in changes.as_object().unwrap() {
        input[field] = value.clone();
    }
    accepted(hub, "registerGuest", "guest", input).await
}

#[tokio::test]
async fn an_admission_tells_everything_that_is_wrong_at_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, accreditation) = accredited(&hub, &world, 1).await;
    let guest = hub.guest("operator").await;
    hub.admit("operator", &guest, &facility).await;
    let stop = json!({ "accreditation": accreditation, "reason": "Verbale 3" });
    accepted(&hub, "suspendAccreditation", "accreditation", stop).await;
    let input = json!({
        "guest": guest, "facility": facility, "category": "MENTAL_HEALTH_OR_DISABILITY",
        "occurredAt": "2026-12-24T18:00:00+01:00",
    });
    let payload = hub.act("operator", "admitGuest", "stay { id } facility { id }", input).await;
    let expected = [
        ("DATE_IN_FUTURE", "input.occurredAt"),
        ("GUEST_ALREADY_HOSTED", "input.guest"),
        ("WRONG_CATEGORY", "input.category"),
        ("NO_ACCREDITATION_IN_FORCE", "input.facility"),
    ];
    assert_eq!(findings(&payload), pairs(&expected));
    assert_eq!((&payload["stay"], &payload["facility"]), (&Value::Null, &Value::Null));

    let nobody = GuestId::fresh(TestClock::new().now()).encode();
    let unknown = admission(&nobody, &facility, "ORDINARY");
    refused(&world, &hub, "province", "admitGuest", unknown.clone(), &["UNKNOWN_GUEST"]).await;
    // Who does not see every file is told of the guest when nothing else is wrong.
    refused(&world, &hub, "operator", "admitGuest", unknown, &["NO_ACCREDITATION_IN_FORCE"]).await;
    let nowhere = FacilityId::fresh(TestClock::new().now()).encode();
    let unknown = admission(&guest, &nowhere, "ORDINARY");
    refused(&world, &hub, "operator", "admitGuest", unknown, &["UNKNOWN_FACILITY"]).await;
}
