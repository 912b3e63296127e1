//! Times of arrivals and departures.

use serde_json::json;
use tavolo_schema::id::StayId;

use super::{accredited, findings, pairs, refused, registered};
use crate::{
    harness::{World, codes},
    stage::{accepted, assert_books_agree, hours_ago},
};

#[tokio::test]
async fn times_are_in_order_and_not_in_the_future() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, _) = accredited(&hub, &world, 3).await;
    let guest = hub.guest("operator").await;
    let entry = |guest: &str, at: &str| json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": at });
    let exit = |stay: &str, at: &str| json!({ "stay": stay, "reason": "OTHER", "occurredAt": at });

    // A minute is how far clocks may differ; what lies further ahead is the future.
    let soon = "2026-11-23T08:01:00.001Z";
    let payload = refused(&world, &hub, "operator", "admitGuest", entry(&guest, soon), &["DATE_IN_FUTURE"]).await;
    assert_eq!(payload["irregularities"][0]["path"], "input.occurredAt");
    let stay = accepted(&hub, "admitGuest", "stay", entry(&guest, &hours_ago(&hub, 3))).await;
    refused(&world, &hub, "operator", "dischargeGuest", exit(&stay, soon), &["DATE_IN_FUTURE"]).await;
    let early = hours_ago(&hub, 4);
    let payload =
        refused(&world, &hub, "operator", "dischargeGuest", exit(&stay, &early), &["EXIT_BEFORE_ENTRY"]).await;
    assert_eq!(payload["irregularities"][0]["path"], "input.occurredAt");
    accepted(&hub, "dischargeGuest", "stay", exit(&stay, &hours_ago(&hub, 1))).await;
    let once_more = exit(&stay, &hours_ago(&hub, 0));
    refused(&world, &hub, "operator", "dischargeGuest", once_more, &["STAY_ALREADY_CLOSED"]).await;
    let both = exit(&stay, &early);
    let both_codes = &["STAY_ALREADY_CLOSED", "EXIT_BEFORE_ENTRY"];
    refused(&world, &hub, "operator", "dischargeGuest", both, both_codes).await;
    let overlap = entry(&guest, &hours_ago(&hub, 2));
    refused(&world, &hub, "operator", "admitGuest", overlap, &["STAY_OVERLAPS"]).await;
    accepted(&hub, "admitGuest", "stay", entry(&guest, &hours_ago(&hub, 1))).await;

    let ahead = hub.guest("operator").await;
    let input = entry(&ahead, "2026-11-23T08:01:00.000Z");
    let payload = hub.act("operator", "admitGuest", "stay { entryAt }", input).await;
    assert_eq!(payload["stay"]["entryAt"], "2026-11-23T08:00:00.000Z", "by our clock");

    // A newborn registered today did not arrive yesterday; and nothing was accredited then.
    let newborn = registered(&hub, json!({ "birthDate": "2026-11-23" })).await;
    let input = entry(&newborn, "2026-11-22T10:00:00Z");
    let expected = &["ENTRY_BEFORE_BIRTH", "WRONG_CATEGORY", "NO_ACCREDITATION_IN_FORCE"];
    refused(&world, &hub, "province", "admitGuest", input, expected).await;
    let unknown = exit(&StayId::fresh(world.clock.now()).encode(), &hours_ago(&hub, 0));
    refused(&world, &hub, "operator", "dischargeGuest", unknown, &["UNKNOWN_STAY"]).await;
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_late_registration_is_accepted_and_marked() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, _) = accredited(&hub, &world, 3).await;
    let arrival = world.clock.now().to_string();
    // Thursday is the third working day after Monday, Friday the fourth.
    world.clock.advance_days(3);
    let entry = async |at: &str| {
        let guest = hub.guest("operator").await;
        let input = json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": at });
        hub.act("operator", "admitGuest", "stay { id entryAt registeredAt }", input).await
    };
    let in_time = entry(&arrival).await;
    assert_eq!(in_time["irregularities"], json!([]));
    world.clock.advance_days(1);
    let late = entry(&arrival).await;
    assert_eq!(findings(&late), pairs(&[("LATE_REGISTRATION", "input.occurredAt")]));
    assert_eq!(late["irregularities"][0]["severity"], "WARN");
    assert_eq!(late["stay"]["entryAt"], "2026-11-23T08:00:00.000Z");
    assert_eq!(late["stay"]["registeredAt"], "2026-11-27T08:00:00.000Z");
    let exit = json!({ "stay": late["stay"]["id"], "reason": "OTHER", "occurredAt": arrival });
    let payload = hub.act("operator", "dischargeGuest", "stay { status }", exit).await;
    assert_eq!(codes(&payload), ["LATE_REGISTRATION"]);
    assert_eq!(payload["stay"]["status"], "CLOSED");
    assert_books_agree(&world).await;
}
