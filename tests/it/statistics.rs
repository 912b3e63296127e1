//! Statistics: counted exactly for whoever sees the persons, protected for everybody else.

use serde_json::{Value, json};

use crate::{
    harness::{Client, World, text},
    stage::accepted,
};

const STATISTICS: &str = "query($filter: OccupancyFilter, $from: Date!, $to: Date!) {
    statistics(filter: $filter, from: $from, to: $to) { from to roundedTo hosted { count suppressed }
    personDays { count suppressed } lengthOfStay { exits { count suppressed } meanDays medianDays bands { band count } }
    exitsByReason { reason count suppressed } movementsByMonth { month entries { count } exits { count } }
    byCitizenship { citizenship count suppressed } bySex { sex count suppressed } byAgeBand { band count suppressed } } }";

async fn ask(hub: &Client, subject: &str, filter: Value, from: &str, to: &str) -> Value {
    let mut data = hub.data(subject, STATISTICS, json!({ "filter": filter, "from": from, "to": to })).await;
    data["statistics"].take()
}

/// The rows of a table that are not zero, by their first field.
fn counts(table: &Value, key: &str) -> Value {
    let rows = table.as_array().unwrap().iter().filter(|row| row["count"] != 0);
    rows.map(|row| json!([row[key], row["count"]])).collect()
}

/// Somebody who arrives and leaves on days of September and October.
struct Guest {
    facility: usize,
    sex: &'static str,
    citizenship: &'static str,
    birth: &'static str,
    arrives: &'static str,
    leaves: Option<(&'static str, &'static str)>,
}

const fn guest(facility: usize, sex: &'static str, citizenship: &'static str, arrives: &'static str) -> Guest {
    Guest { facility, sex, citizenship, birth: "1996-03-12", arrives, leaves: None }
}

/// Three facilities, accredited since August, and their guests: of two operators, held by the Province, and one that the
/// municipality of the first holds. The clock stands at 23 November.
async fn autumn(guests: Vec<Guest>) -> (World, Client, [String; 3]) {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let mut facilities = Vec::new();
    for (operator, holder, town, code) in [
        (bodies.operator, bodies.province, "101010", "88900"),
        (bodies.other_operator, bodies.province, "101012", "88842"),
        (bodies.operator, bodies.municipality, "101010", "88900"),
    ] {
        let input = json!({
            "name": format!("Casa {town}"), "type": "APARTMENT", "municipality": town,
            "address": { "street": format!("Via {town}"), "number": "1", "postalCode": code },
            "operator": operator.encode(), "holder": holder.encode(),
        });
        let facility = accepted(&hub, "registerFacility", "facility", input).await;
        let input = json!({ "facility": facility, "category": "ORDINARY", "installed": 40 });
        accepted(&hub, "installPlaces", "facility", input).await;
        let places = json!([{ "category": "ORDINARY", "places": 40 }]);
        let input = json!({ "facility": facility, "places": places });
        let accreditation = accepted(&hub, "submitAccreditation", "accreditation", input).await;
        let input = json!({ "accreditation": accreditation, "outcome": "ACCREDITED", "validFrom": "2026-08-01" });
        accepted(&hub, "decideAccreditation", "accreditation", input).await;
        facilities.push(facility);
    }
    for (number, guest) in guests.into_iter().enumerate() {
        let input = json!({
            "surname": format!("Prova {number}"), "givenNames": "Persona", "sex": guest.sex, "birthDate": guest.birth,
            "citizenships": [guest.citizenship], "legalStatus": "ASYLUM_APPLICANT",
        });
        let id = accepted(&hub, "registerGuest", "guest", input).await;
        let facility = &facilities[guest.facility];
        let arrives = format!("{}T10:00:00Z", guest.arrives);
        let input = json!({ "guest": id, "facility": facility, "category": "ORDINARY", "occurredAt": arrives });
        let stay = accepted(&hub, "admitGuest", "stay", input).await;
        if let Some((day, reason)) = guest.leaves {
            let input = json!({ "stay": stay, "reason": reason, "occurredAt": format!("{day}T10:00:00Z") });
            accepted(&hub, "dischargeGuest", "stay", input).await;
        }
    }
    let facilities = facilities.try_into().unwrap();
    (world, hub, facilities)
}

#[tokio::test]
async fn whoever_sees_the_persons_is_told_exact_numbers() {
    let left = |guest: Guest, day, reason| Guest { leaves: Some((day, reason)), ..guest };
    let child = Guest { birth: "1960-01-01", ..guest(1, "X", "AFG", "2026-10-20") };
    let (world, hub, facilities) = autumn(vec![
        left(guest(0, "F", "NGA", "2026-09-01"), "2026-10-11", "TERM_EXPIRED"),
        left(guest(0, "M", "NGA", "2026-09-11"), "2026-10-01", "CUSTODY"),
        left(guest(0, "M", "MLI", "2026-09-11"), "2026-10-11", "CUSTODY"),
        guest(0, "M", "MLI", "2026-10-30"),
        // Gone before the period begins, and come after it has ended.
        left(guest(0, "M", "SOM", "2026-09-01"), "2026-10-01", "OTHER"),
        guest(0, "M", "UKR", "2026-11-01"),
        child,
    ])
    .await;
    let all = ask(&hub, "province", Value::Null, "2026-10-02", "2026-10-31").await;
    assert_eq!(all["roundedTo"], 1);
    assert_eq!(all["hosted"], json!({ "count": 4, "suppressed": false }));
    // Nine days each of two who left on the 11th, two of the arrival of the 30th, twelve of that of the 20th.
    assert_eq!(all["personDays"]["count"], 9 + 9 + 2 + 12);
    assert_eq!(all["lengthOfStay"]["exits"]["count"], 2);
    assert_eq!((&all["lengthOfStay"]["meanDays"], &all["lengthOfStay"]["medianDays"]), (&json!(35.0), &json!(35.0)));
    assert_eq!(counts(&all["lengthOfStay"]["bands"], "band"), json!([["UNDER_6_MONTHS", 2]]));
    assert_eq!(counts(&all["exitsByReason"], "reason"), json!([["TERM_EXPIRED", 1], ["CUSTODY", 1]]));
    assert_eq!(counts(&all["byCitizenship"], "citizenship"), json!([["AFG", 1], ["MLI", 2], ["NGA", 1]]));
    assert_eq!(counts(&all["bySex"], "sex"), json!([["F", 1], ["M", 2], ["X", 1]]));
    assert_eq!(counts(&all["byAgeBand"], "band"), json!([["FROM_26_TO_40", 3], ["FROM_61", 1]]));

    let months = ask(&hub, "central_service", Value::Null, "2026-09-01", "2026-11-30").await;
    let expected = json!([
        { "month": "2026-09-01", "entries": { "count": 4 }, "exits": { "count": 0 } },
        { "month": "2026-10-01", "entries": { "count": 2 }, "exits": { "count": 4 } },
        { "month": "2026-11-01", "entries": { "count": 1 }, "exits": { "count": 0 } },
    ]);
    assert_eq!(months["movementsByMonth"], expected);
    assert_eq!(months["to"], "2026-11-23", "the future is cut off");
    assert_eq!(months["lengthOfStay"]["meanDays"], (40.0 + 20.0 + 30.0 + 30.0) / 4.0);

    // An operator is told of its own guests alone, whatever it names.
    let own = ask(&hub, "operator", Value::Null, "2026-10-02", "2026-10-31").await;
    assert_eq!(own["hosted"]["count"], 3);
    let of = |facility: &String| json!({ "facility": facility });
    assert_eq!(ask(&hub, "operator", of(&facilities[0]), "2026-10-02", "2026-10-31").await, own);
    assert_eq!(ask(&hub, "operator", of(&facilities[1]), "2026-10-02", "2026-10-31").await, Value::Null);
    let others = ask(&hub, "other_operator", Value::Null, "2026-10-02", "2026-10-31").await;
    assert_eq!(others["hosted"]["count"], 1);
    assert_eq!(ask(&hub, "", Value::Null, "2026-10-02", "2026-10-31").await, Value::Null);
    world.end().await;
}

/// Thirty men of Nigeria and twelve of Mali in Crotone; ten of Nigeria and two women of Afghanistan in Cutro.
fn crowd() -> Vec<Guest> {
    let mut guests: Vec<Guest> = Vec::new();
    guests.extend((0..30).map(|_| guest(0, "M", "NGA", "2026-09-10")));
    guests.extend((0..7).map(|_| guest(0, "M", "MLI", "2026-09-10")));
    guests.extend((0..10).map(|_| guest(1, "M", "NGA", "2026-09-10")));
    guests.extend((0..2).map(|_| guest(1, "F", "AFG", "2026-09-10")));
    guests
}

#[tokio::test]
async fn whoever_does_not_see_the_persons_is_told_nothing_small() {
    let (world, hub, facilities) = autumn(crowd()).await;
    for subject in ["analyst", "prefecture"] {
        let all = ask(&hub, subject, Value::Null, "2026-09-01", "2026-11-23").await;
        // The running month is not told.
        assert_eq!((&all["from"], &all["to"]), (&json!("2026-09-01"), &json!("2026-10-31")), "{subject}");
        assert_eq!((&all["roundedTo"], &all["hosted"]["count"]), (&json!(5), &json!(50)));
        let rows = all["byCitizenship"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["citizenship"] != "AFG"), "{all:#}");
        assert_eq!(rows.last().unwrap(), &json!({ "citizenship": null, "count": null, "suppressed": true }));
        let women = &all["bySex"][0];
        assert_eq!(women, &json!({ "sex": "F", "count": null, "suppressed": true }));
        assert_eq!(all["bySex"][1]["suppressed"], true, "the men with them: {all:#}");
        for row in all["bySex"].as_array().unwrap().iter().chain(rows) {
            assert!(row["count"].is_null() || row["count"].as_i64().unwrap() % 5 == 0, "{row}");
        }
        // A day more or less changes nothing.
        assert_eq!(ask(&hub, subject, Value::Null, "2026-09-30", "2026-10-01").await, all, "{subject}");
        // Nothing closer than a municipality or a category.
        for filter in [
            json!({ "facility": facilities[0] }),
            json!({ "operator": world.bodies.operator.encode() }),
            json!({ "municipality": "101010", "category": "ORDINARY" }),
        ] {
            let closer = ask(&hub, subject, filter.clone(), "2026-09-01", "2026-10-31").await;
            assert_eq!(closer["hosted"], json!({ "count": null, "suppressed": true }), "{filter}");
            assert!(!closer.to_string().contains("NGA"), "{filter}");
        }
        let current = ask(&hub, subject, Value::Null, "2026-11-01", "2026-11-23").await;
        assert_eq!(current["hosted"]["suppressed"], true);
    }
    world.end().await;
}

#[tokio::test]
async fn a_municipality_is_told_exactly_of_what_it_holds_and_roughly_of_the_rest() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let held = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 3).await;
    let there = hub.facility(bodies.operator, bodies.province, "ORDINARY", 3).await;
    let guest = hub.guest("operator").await;
    hub.admit("operator", &guest, &held).await;
    let ask = async |facility: &String| {
        ask(&hub, "municipality", json!({ "facility": facility }), "2026-11-01", "2026-11-30").await
    };
    assert_eq!(ask(&held).await["hosted"], json!({ "count": 1, "suppressed": false }));
    assert_eq!(ask(&there).await["hosted"], json!({ "count": null, "suppressed": true }));
    world.end().await;
}

#[tokio::test]
async fn a_municipality_cannot_subtract_its_own_guests_from_what_it_is_told_of_all() {
    let guests = |facility, sex, citizenship, people: usize| {
        (0..people).map(move |_| guest(facility, sex, citizenship, "2026-09-10"))
    };
    let held = guests(2, "F", "MLI", 12).chain(guests(2, "M", "MLI", 7));
    let others = guests(0, "F", "NGA", 2).chain(guests(0, "M", "NGA", 21)).chain(guests(0, "X", "NGA", 6));
    let (world, hub, facilities) = autumn(held.chain(others).collect()).await;
    let count = |count: i64| json!({ "count": count, "suppressed": false });
    for filter in [Value::Null, json!({ "municipality": "101010" }), json!({ "category": "ORDINARY" })] {
        let all = ask(&hub, "municipality", filter, "2026-09-01", "2026-10-31").await;
        assert_eq!(all["roundedTo"], 5);
        assert_eq!(all["hosted"], count(19 + 30));
        assert_eq!(counts(&all["byCitizenship"], "citizenship"), json!([["MLI", 19], ["NGA", 30]]));
        // Two women of the others are left out, and the own ones with them.
        assert_eq!(counts(&all["bySex"], "sex"), json!([["F", null], ["M", 7 + 20], ["X", null]]));
        assert_eq!(all["movementsByMonth"][0]["entries"]["count"], 19 + 30);
    }
    let own = ask(&hub, "municipality", json!({ "facility": facilities[2] }), "2026-09-01", "2026-10-31").await;
    assert_eq!((&own["roundedTo"], &own["hosted"]), (&json!(1), &count(19)));
    assert_eq!(counts(&own["bySex"], "sex"), json!([["F", 12], ["M", 7]]));
    // Whoever sees nobody is told of everybody as one.
    let all = ask(&hub, "analyst", Value::Null, "2026-09-01", "2026-10-31").await;
    assert_eq!(all["hosted"], count(50));
    world.end().await;
}

#[tokio::test]
async fn means_are_told_of_many_alone_and_never_of_known_and_others_together() {
    let left =
        |facility, day| Guest { leaves: Some((day, "TERM_EXPIRED")), ..guest(facility, "M", "NGA", "2026-09-01") };
    let mut guests: Vec<Guest> = (0..22).map(|_| left(0, "2026-09-21")).collect();
    guests.extend([left(0, "2026-10-11"), left(2, "2026-10-11")]);
    let (world, hub, facilities) = autumn(guests).await;
    let lengths = async |subject, filter, to| {
        let told = ask(&hub, subject, filter, "2026-09-01", to).await["lengthOfStay"].take();
        json!([told["exits"]["count"], told["meanDays"], told["medianDays"]])
    };
    let there = || json!({ "municipality": "101010" });
    assert_eq!(lengths("analyst", there(), "2026-09-30").await, json!([20, null, null]));
    assert_eq!(lengths("analyst", there(), "2026-10-31").await, json!([25, 22.0, 20.0]));
    assert_eq!(lengths("municipality", there(), "2026-10-31").await, json!([26, null, null]));
    let own = json!({ "facility": facilities[2] });
    assert_eq!(lengths("municipality", own, "2026-10-31").await, json!([1, 40.0, 40.0]));
    world.end().await;
}

#[tokio::test]
async fn a_period_that_cannot_be_is_refused() {
    let world = World::new().await;
    let hub = world.hub().await;
    hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    for (from, to) in [("2026-10-02", "2026-10-01"), ("2026-11-24", "2026-12-31"), ("2010-01-01", "2026-01-01")] {
        let answer = hub.send("province", STATISTICS, json!({ "from": from, "to": to })).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer}");
        assert_eq!(text(&answer["errors"][0]["path"][0]), "statistics");
    }
    world.end().await;
}
