//! Faults of entry: what is refused, with which code, and that nothing was written then.

mod duplicates;
mod reach;

use serde_json::{Value, json};
use tavolo_schema::id::{BlockId, FacilityId, GuestId, HouseholdId, OrganisationId, StayId};

use crate::{
    harness::{Client, TestClock, World, blocking, codes, person, text},
    stage::{Setting, Stage, accepted, assert_books_agree, books, hours_ago, provisional_tax_code},
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
async fn refused(world: &World, hub: &Client, subject: &str, mutation: &str, input: Value, expected: &[&str]) -> Value {
    let before = books(world).await;
    let payload = hub.act(subject, mutation, "__typename", input.clone()).await;
    assert_eq!(blocking(&payload), expected, "{mutation} {input}\n{payload:#}");
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

/// A facility with places of every category.
async fn of_every_category(hub: &Client, world: &World) -> String {
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    hub.accredit(&facility, "UNACCOMPANIED_MINOR", 3).await;
    hub.accredit(&facility, "MENTAL_HEALTH_OR_DISABILITY", 3).await;
    facility
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

#[tokio::test]
async fn every_tax_code_vector_is_judged_at_the_door() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut seen = 0;
    for line in include_str!("../../examples/data/tax_code_vectors.csv").lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let mut input = person();
        input["taxCode"] = json!(columns[0]);
        if columns[2] == "true" {
            let payload = hub.act("operator", "registerGuest", "guest { taxCode }", input).await;
            assert_eq!(payload["guest"]["taxCode"], columns[0], "{line}\n{payload:#}");
        } else {
            let payload = refused(&world, &hub, "operator", "registerGuest", input, &["TAX_CODE_INVALID"]).await;
            assert_eq!(findings(&payload), pairs(&[("TAX_CODE_INVALID", "input.taxCode")]), "{line}");
        }
        seen += 1;
    }
    assert_eq!(seen, 17);
    // As people type it: the same code again, in lower case and with blanks around it.
    let mut input = person();
    input["taxCode"] = json!(" kfrcnd96c12z335w ");
    refused(&world, &hub, "operator", "registerGuest", input, &["DUPLICATE_PERSON"]).await;
}

#[tokio::test]
async fn a_guest_is_checked_as_a_whole_and_every_problem_told_at_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let changed = |changes: Value| {
        let mut input = person();
        for (field, value) in changes.as_object().unwrap() {
            input[field] = value.clone();
        }
        input
    };
    let household = json!({ "id": HouseholdId::fresh(world.clock.now()).encode() });
    for (changes, code, path) in [
        (json!({ "surname": " " }), "TEXT_MISSING", "input.surname"),
        (json!({ "birthDate": "2026-11-24" }), "DATE_IN_FUTURE", "input.birthDate"),
        (json!({ "birthDate": "1915-11-22" }), "AGE_IMPLAUSIBLE", "input.birthDate"),
        (json!({ "unaccompaniedMinor": true }), "NOT_A_MINOR", "input.unaccompaniedMinor"),
        (json!({ "citizenships": [] }), "CITIZENSHIP_MISSING", "input.citizenships"),
        (json!({ "citizenships": ["NGA", "XYZ"] }), "UNKNOWN_COUNTRY", "input.citizenships.1"),
        (json!({ "languages": ["eng", "english"] }), "UNKNOWN_LANGUAGE", "input.languages.1"),
        (json!({ "taxCode": "KFRCND96C12Z335X" }), "TAX_CODE_INVALID", "input.taxCode"),
        (json!({ "household": household }), "UNKNOWN_HOUSEHOLD", "input.household.id"),
    ] {
        let payload = refused(&world, &hub, "operator", "registerGuest", changed(changes), &[code]).await;
        assert_eq!(findings(&payload), pairs(&[(code, path)]));
    }
    let all = changed(json!({
        "surname": "", "birthDate": "2030-01-01", "citizenships": ["QQQ"], "languages": ["x"], "taxCode": "1",
        "household": household,
    }));
    let expected = [
        "TEXT_MISSING",
        "DATE_IN_FUTURE",
        "UNKNOWN_COUNTRY",
        "UNKNOWN_LANGUAGE",
        "TAX_CODE_INVALID",
        "UNKNOWN_HOUSEHOLD",
    ];
    refused(&world, &hub, "operator", "registerGuest", all, &expected).await;

    // The same person: by a code it is refused, by particulars it is marked.
    let known = changed(json!({ "taxCode": provisional_tax_code(1), "cuiCode": "CUI1", "vestanetCode": "KR1" }));
    accepted(&hub, "registerGuest", "guest", known.clone()).await;
    for (field, value) in
        [("taxCode", json!(provisional_tax_code(1))), ("cuiCode", json!("cui1 ")), ("vestanetCode", json!("KR1"))]
    {
        let same = changed(json!({ field: value }));
        let payload = refused(&world, &hub, "province", "registerGuest", same, &["DUPLICATE_PERSON"]).await;
        assert_eq!(findings(&payload), pairs(&[("DUPLICATE_PERSON", &format!("input.{field}"))]));
    }
    let mut alike = known;
    for field in ["taxCode", "cuiCode", "vestanetCode"] {
        alike[field] = Value::Null;
    }
    let payload = hub.act("province", "registerGuest", "guest { id }", alike).await;
    assert_eq!(findings(&payload), pairs(&[("POSSIBLE_DUPLICATE", "input")]));
    assert!(payload["guest"]["id"].is_string());

    let italian = changed(json!({ "citizenships": ["ITA"], "givenNames": "" }));
    let payload = hub.act("operator", "registerGuest", "guest { givenNames }", italian).await;
    assert_eq!(findings(&payload), pairs(&[("ITALIAN_CITIZEN", "input.citizenships.0")]));
    assert_eq!(payload["guest"]["givenNames"], "");
    let mismatch = changed(json!({ "taxCode": "HSSMNA01M65Z345L" }));
    let payload = hub.act("operator", "registerGuest", "guest { id }", mismatch).await;
    assert_eq!(codes(&payload), ["TAX_CODE_MISMATCH"; 3], "date, sex and country");
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
