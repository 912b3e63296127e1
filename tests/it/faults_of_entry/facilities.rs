//! What is said of a facility and of its places.

use serde_json::{Value, json};
use tavolo_schema::id::{BlockId, FacilityId, OrganisationId};

use super::{findings, pairs, refused};
use crate::{
    harness::{World, codes},
    stage::{Setting, Stage, assert_books_agree},
};

#[tokio::test]
async fn a_facility_is_checked_as_a_whole_and_every_problem_told_at_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (operator, province) = (world.bodies.operator.encode(), world.bodies.province.encode());
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    let house = |changes: Value| {
        let mut input = json!({
            "name": "Casa Nuova", "type": "APARTMENT", "municipality": "101010",
            "address": { "street": "Via Nuova", "number": "1", "postalCode": "88900" },
            "operator": operator, "holder": province,
        });
        for (field, value) in changes.as_object().unwrap() {
            input[field] = value.clone();
        }
        input
    };
    let address = |code: &str| json!({ "street": "Via Nuova", "number": "1", "postalCode": code });
    let nobody = OrganisationId::fresh(world.clock.now()).encode();
    let prefecture = world.bodies.prefecture.encode();
    for (changes, code, path) in [
        (json!({ "name": " " }), "TEXT_MISSING", "input.name"),
        (
            json!({ "address": { "street": "", "number": "1", "postalCode": "88900" } }),
            "TEXT_MISSING",
            "input.address.street",
        ),
        (json!({ "municipality": "080063" }), "UNKNOWN_MUNICIPALITY", "input.municipality"),
        (json!({ "municipality": "101" }), "UNKNOWN_MUNICIPALITY", "input.municipality"),
        (json!({ "address": address("88842") }), "POSTAL_CODE_MISMATCH", "input.address.postalCode"),
        (json!({ "address": address("") }), "POSTAL_CODE_MISMATCH", "input.address.postalCode"),
        (json!({ "operator": nobody }), "UNKNOWN_ORGANISATION", "input.operator"),
        (json!({ "holder": nobody }), "UNKNOWN_ORGANISATION", "input.holder"),
        (json!({ "operator": prefecture }), "WRONG_ORGANISATION_KIND", "input.operator"),
        (json!({ "holder": operator }), "WRONG_ORGANISATION_KIND", "input.holder"),
        (json!({ "bathrooms": -1 }), "NUMBER_OUT_OF_RANGE", "input.bathrooms"),
        (
            json!({ "rooms": [{ "letter": "A", "beds": 0, "squareMetres": 9 }] }),
            "NUMBER_OUT_OF_RANGE",
            "input.rooms.0.beds",
        ),
        (
            json!({ "rooms": [{ "letter": "A", "beds": 4, "squareMetres": 15.9 }] }),
            "ROOM_TOO_SMALL",
            "input.rooms.0.squareMetres",
        ),
        (json!({ "rooms": [{ "letter": "", "beds": 1, "squareMetres": 9 }] }), "TEXT_MISSING", "input.rooms.0.letter"),
        (
            json!({ "rooms": [
                { "letter": "A", "beds": 1, "squareMetres": 9 }, { "letter": "A", "beds": 1, "squareMetres": 9 },
            ] }),
            "DUPLICATE_ROOM",
            "input.rooms.1.letter",
        ),
    ] {
        let payload = refused(&world, &hub, "province", "registerFacility", house(changes), &[code]).await;
        assert_eq!(findings(&payload), pairs(&[(code, path)]));
    }
    let all = house(json!({
        "name": "", "municipality": "101012", "operator": prefecture, "holder": nobody, "bathrooms": 201,
        "rooms": [{ "letter": "A", "beds": 8, "squareMetres": 31 }],
    }));
    let payload = hub.act("province", "registerFacility", "facility { id }", all).await;
    let expected = [
        ("TEXT_MISSING", "input.name"),
        ("POSTAL_CODE_MISMATCH", "input.address.postalCode"),
        ("WRONG_ORGANISATION_KIND", "input.operator"),
        ("UNKNOWN_ORGANISATION", "input.holder"),
        ("NUMBER_OUT_OF_RANGE", "input.bathrooms"),
        ("ROOM_TOO_SMALL", "input.rooms.0.squareMetres"),
        ("TOO_MANY_BEDS", "input.rooms.0.beds"),
    ];
    assert_eq!(findings(&payload), pairs(&expected));
    assert_eq!(payload["facility"], Value::Null);

    let revise = |changes: Value| {
        let mut input = json!({ "facility": stage.facility });
        for (field, value) in changes.as_object().unwrap() {
            input[field] = value.clone();
        }
        input
    };
    for (changes, expected) in [
        (json!({ "expectedRevision": 7 }), "STALE_REVISION"),
        (json!({ "name": "" }), "TEXT_MISSING"),
        (json!({ "address": address("88842") }), "POSTAL_CODE_MISMATCH"),
        (json!({ "rooms": [{ "letter": "A", "beds": 5, "squareMetres": 40 }] }), "MORE_PLACES_THAN_BEDS"),
        (json!({ "facility": FacilityId::fresh(world.clock.now()).encode() }), "UNKNOWN_FACILITY"),
    ] {
        refused(&world, &hub, "operator", "reviseFacility", revise(changes), &[expected]).await;
    }

    // What only deserves a warning is written.
    let warned = house(json!({
        "address": { "street": "Via dei Gelsomini 01", "number": "12/B", "postalCode": "88900" },
        "rooms": [{ "letter": "A", "beds": 2, "squareMetres": 13.9 }, { "letter": "B", "beds": 7, "squareMetres": 40 }],
    }));
    let payload = hub.act("province", "registerFacility", "facility { id }", warned).await;
    let expected = [
        ("SAME_ADDRESS", "input.address"),
        ("ROOM_BELOW_HOUSING_STANDARD", "input.rooms.0.squareMetres"),
        ("TOO_MANY_BEDS", "input.rooms.1.beds"),
    ];
    assert_eq!(findings(&payload), pairs(&expected));
    assert!(payload["facility"]["id"].is_string());
}

#[tokio::test]
async fn places_are_checked_against_beds_guests_and_blocks() {
    let world = World::new().await;
    let hub = world.hub().await;
    let stage = Stage::set(&hub, Setting::in_crotone(1, world.bodies.operator, world.bodies.province)).await;
    let install =
        |installed: i32| json!({ "facility": stage.facility, "category": "ORDINARY", "installed": installed });
    let block = |places: i32, from: Value, until: Value| {
        json!({
            "facility": stage.facility, "category": "ORDINARY", "places": places, "reason": "OTHER", "from": from,
            "until": until,
        })
    };
    let none = Value::Null;
    let nowhere = FacilityId::fresh(world.clock.now()).encode();
    let unknown = json!({ "facility": nowhere, "category": "ORDINARY", "installed": 1 });
    let nothing = json!({ "block": BlockId::fresh(world.clock.now()).encode() });
    for (mutation, input, expected) in [
        ("installPlaces", install(-1), "NUMBER_OUT_OF_RANGE"),
        ("installPlaces", install(1_001), "NUMBER_OUT_OF_RANGE"),
        ("installPlaces", install(7), "MORE_PLACES_THAN_BEDS"),
        ("installPlaces", install(1), "BELOW_OCCUPIED"),
        ("installPlaces", unknown, "UNKNOWN_FACILITY"),
        ("blockPlaces", block(0, none.clone(), none.clone()), "NUMBER_OUT_OF_RANGE"),
        ("blockPlaces", block(2, none.clone(), none.clone()), "BLOCK_EXCEEDS_INSTALLED"),
        ("blockPlaces", block(2, json!("2027-03-24"), none.clone()), "BLOCK_EXCEEDS_INSTALLED"),
        ("blockPlaces", block(1, json!("2026-12-02"), json!("2026-12-01")), "PERIOD_REVERSED"),
        ("blockPlaces", block(1, json!("2026-11-01"), json!("2026-11-22")), "PERIOD_REVERSED"),
        ("unblockPlaces", nothing, "UNKNOWN_BLOCK"),
    ] {
        refused(&world, &hub, "operator", mutation, input, &[expected]).await;
    }
    // The block of three places ends with 24 March.
    let after = block(4, json!("2027-03-25"), none.clone());
    let payload = hub.act("operator", "blockPlaces", "block { id }", after).await;
    assert_eq!(codes(&payload), ["OVER_CAPACITY"], "a damaged house is damaged, guests or not");
    assert!(payload["block"]["id"].is_string());
    refused(&world, &hub, "operator", "installPlaces", install(3), &["BELOW_BLOCKED"]).await;
    refused(
        &world,
        &hub,
        "operator",
        "blockPlaces",
        block(1, none.clone(), json!("2027-03-25")),
        &["BLOCK_EXCEEDS_INSTALLED"],
    )
    .await;

    let big = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 50).await;
    let more = json!({ "facility": big, "category": "ORDINARY", "installed": 51 });
    let payload = hub.act("operator", "installPlaces", "facility { occupancy { installed } }", more).await;
    assert_eq!(codes(&payload), ["ABOVE_FACILITY_CAP"]);
    assert_eq!(payload["facility"]["occupancy"]["installed"], 51);
    assert_books_agree(&world).await;
}
