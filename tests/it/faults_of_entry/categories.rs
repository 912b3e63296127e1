//! Which category of places is for whom.

use serde_json::json;

use super::{admission, findings, pairs, refused, registered};
use crate::{
    harness::{Client, World, blocking},
    stage::{accepted, assert_books_agree, books},
};

/// A facility with places of every category.
async fn of_every_category(hub: &Client, world: &World) -> String {
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    hub.accredit(&facility, "UNACCOMPANIED_MINOR", 3).await;
    hub.accredit(&facility, "MENTAL_HEALTH_OR_DISABILITY", 3).await;
    facility
}

#[tokio::test]
async fn a_person_takes_a_place_of_the_right_category_only() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (facility, elsewhere) = (of_every_category(&hub, &world).await, of_every_category(&hub, &world).await);
    let alone = json!({ "birthDate": "2010-05-01", "unaccompaniedMinor": true, "legalStatus": "UNACCOMPANIED_MINOR" });
    let mut alone_in_need = alone.clone();
    alone_in_need["specialNeedDocumented"] = json!(true);
    let adult = registered(&hub, json!({})).await;
    let in_need = registered(&hub, json!({ "specialNeedDocumented": true })).await;
    let alone = registered(&hub, alone).await;
    let alone_in_need = registered(&hub, alone_in_need).await;
    let parent = registered(&hub, json!({ "birthDate": "1990-01-31" })).await;
    let document = "query($id: ID!) { guest(by: { id: $id }) { household { id } } }";
    let found = hub.data("province", document, json!({ "id": parent })).await;
    let family = json!({ "id": found["guest"]["household"]["id"], "role": "CHILD" });
    let child = registered(&hub, json!({ "birthDate": "2016-05-01", "household": family })).await;
    let sibling = registered(&hub, json!({ "birthDate": "2015-05-01", "household": family })).await;

    let columns = ["ORDINARY", "UNACCOMPANIED_MINOR", "MENTAL_HEALTH_OR_DISABILITY"];
    let expect = async |when: &str, who: &str, guest: &str, allowed: [bool; 3]| {
        let before = books(&world).await;
        for (category, allowed) in columns.into_iter().zip(allowed) {
            let order = json!({ "input": admission(guest, &facility, category), "only": true });
            let answer = hub.order("province", "admitGuest", "stay { id }", order.clone()).await;
            let expected = if allowed { vec![] } else { pairs(&[("WRONG_CATEGORY", "input.category")]) };
            assert_eq!(findings(&answer["data"]["admitGuest"]), expected, "{who} in {category}, {when}");
            // Who does not see the file is told by the order alone.
            let answer = hub.order("operator", "admitGuest", "stay { id }", order).await;
            assert_eq!(findings(&answer["data"]["admitGuest"]), [], "{who} in {category}, {when}");
            if !allowed {
                let input = admission(guest, &facility, category);
                refused(&world, &hub, "operator", "admitGuest", input, &["WRONG_CATEGORY"]).await;
            }
        }
        assert_eq!(books(&world).await, before);
    };
    let day = "at the beginning";
    expect(day, "an adult", &adult, [true, false, false]).await;
    expect(day, "an adult with a documented need", &in_need, [true, false, true]).await;
    expect(day, "an unaccompanied minor", &alone, [false, true, false]).await;
    expect(day, "an unaccompanied minor in need", &alone_in_need, [false, true, false]).await;
    expect(day, "a child before the parent", &child, [false, false, false]).await;

    accepted(&hub, "admitGuest", "stay", admission(&parent, &elsewhere, "ORDINARY")).await;
    expect("with the parent elsewhere", "a child", &child, [false, false, false]).await;
    let document = "query($id: ID!) { guest(by: { id: $id }) { stays(status: OPEN) { nodes { id } } } }";
    let found = hub.data("province", document, json!({ "id": parent })).await;
    let exit = json!({ "stay": found["guest"]["stays"]["nodes"][0]["id"], "reason": "TRANSFER_OTHER_PROJECT" });
    accepted(&hub, "dischargeGuest", "stay", exit).await;
    accepted(&hub, "admitGuest", "stay", admission(&parent, &facility, "ORDINARY")).await;
    expect("with the parent in the house", "a child", &child, [true, false, false]).await;
    accepted(&hub, "admitGuest", "stay", admission(&child, &facility, "ORDINARY")).await;
    expect("with the parent in the house", "a sibling", &sibling, [true, false, false]).await;
    assert_books_agree(&world).await;
}

#[tokio::test]
async fn a_brother_under_age_is_no_adult_of_the_household() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = of_every_category(&hub, &world).await;
    // Seventeen today, eighteen tomorrow: the elder brother is of age from his birthday on.
    let elder = registered(&hub, json!({ "birthDate": "2008-11-24", "unaccompaniedMinor": true })).await;
    let document = "query($id: ID!) { guest(by: { id: $id }) { household { id } } }";
    let found = hub.data("province", document, json!({ "id": elder })).await;
    let family = json!({ "id": found["guest"]["household"]["id"], "role": "SIBLING" });
    let younger = registered(&hub, json!({ "birthDate": "2014-02-28", "household": family })).await;
    accepted(&hub, "admitGuest", "stay", admission(&elder, &facility, "UNACCOMPANIED_MINOR")).await;
    let wanted = admission(&younger, &facility, "ORDINARY");
    refused(&world, &hub, "operator", "admitGuest", wanted.clone(), &["WRONG_CATEGORY"]).await;
    world.clock.advance_days(1);
    accepted(&hub, "admitGuest", "stay", wanted).await;
}

#[tokio::test]
async fn a_former_minor_may_keep_to_a_minors_place_for_six_months() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = of_every_category(&hub, &world).await;
    // Eighteen on 1 December 2026; the six months end with 1 June 2027.
    let guest = registered(&hub, json!({ "birthDate": "2008-12-01", "unaccompaniedMinor": true })).await;
    let may = async |category: &str| {
        let order = json!({ "input": admission(&guest, &facility, category), "only": true });
        let answer = hub.order("province", "admitGuest", "stay { id }", order).await;
        let found = blocking(&answer["data"]["admitGuest"]);
        assert!(found.is_empty() || found == ["WRONG_CATEGORY"], "{found:?}");
        found.is_empty()
    };
    for (today, ordinary, minors) in [
        ("2026-11-23", false, true),
        ("2026-11-30", false, true),
        ("2026-12-01", true, true),
        ("2027-06-01", true, true),
        ("2027-06-02", true, false),
    ] {
        while world.clock.now().day().to_string() != today {
            world.clock.advance_days(1);
        }
        assert_eq!((may("ORDINARY").await, may("UNACCOMPANIED_MINOR").await), (ordinary, minors), "on {today}");
    }
}
