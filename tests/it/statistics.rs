//! Statistics: counted exactly for whoever sees the persons.

use serde_json::{Value, json};

use crate::{
    harness::{Client, World, text},
    stage::accepted,
};

pub const STATISTICS: &str = "query($filter: OccupancyFilter, $from: Date!, $to: Date!) {
    statistics(filter: $filter, from: $from, to: $to) { from to roundedTo madeAt hosted { count suppressed }
    personDays { count suppressed } lengthOfStay { exits { count suppressed } meanDays medianDays bands { band count suppressed } }
    exitsByReason { reason count suppressed } movementsByMonth { month entries { count } exits { count } }
    byCitizenship { citizenship count suppressed } bySex { sex count suppressed } byAgeBand { band count suppressed }
    arrivalsByCitizenship { citizenship count suppressed } arrivalsBySex { sex count suppressed }
    arrivalsByAgeBand { band count suppressed } } }";

pub async fn ask(hub: &Client, subject: &str, filter: Value, from: &str, to: &str) -> Value {
    let mut data = hub.data(subject, STATISTICS, json!({ "filter": filter, "from": from, "to": to })).await;
    data["statistics"].take()
}

/// The rows of a table that are not zero, by their first field.
pub fn counts(table: &Value, key: &str) -> Value {
    let rows = table.as_array().unwrap().iter().filter(|row| row["count"] != 0);
    rows.map(|row| json!([row[key], row["count"]])).collect()
}

/// Somebody who arrives and leaves on days of September and October.
#[derive(Clone)]
pub struct Guest {
    pub facility: usize,
    pub sex: &'static str,
    pub citizenship: &'static str,
    pub birth: &'static str,
    pub arrives: &'static str,
    pub leaves: Option<(&'static str, &'static str)>,
}

pub const fn guest(facility: usize, sex: &'static str, citizenship: &'static str, arrives: &'static str) -> Guest {
    Guest { facility, sex, citizenship, birth: "1996-03-12", arrives, leaves: None }
}

/// Three facilities, accredited since August, and their guests: of two operators, held by the Province, and one that the
/// municipality of the first holds. The clock stands at 23 November.
pub async fn autumn(guests: Vec<Guest>) -> (World, Client, [String; 3]) {
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
    let facilities = facilities.try_into().unwrap();
    for (number, guest) in guests.into_iter().enumerate() {
        host(&hub, &facilities, number, &guest).await;
    }
    (world, hub, facilities)
}

/// Gives somebody a number and a place, for as long as they stay.
pub async fn host(hub: &Client, facilities: &[String; 3], number: usize, guest: &Guest) {
    let input = json!({
        "surname": format!("Prova {number}"), "givenNames": "Persona", "sex": guest.sex, "birthDate": guest.birth,
        "citizenships": [guest.citizenship], "legalStatus": "ASYLUM_APPLICANT",
    });
    let id = accepted(hub, "registerGuest", "guest", input).await;
    let facility = &facilities[guest.facility];
    let arrives = format!("{}T10:00:00Z", guest.arrives);
    let input = json!({ "guest": id, "facility": facility, "category": "ORDINARY", "occurredAt": arrives });
    let stay = accepted(hub, "admitGuest", "stay", input).await;
    if let Some((day, reason)) = guest.leaves {
        let input = json!({ "stay": stay, "reason": reason, "occurredAt": format!("{day}T10:00:00Z") });
        accepted(hub, "dischargeGuest", "stay", input).await;
    }
}

#[tokio::test]
async fn whoever_sees_the_persons_is_told_exact_numbers() {
    let left = |guest: Guest, day, reason| Guest { leaves: Some((day, reason)), ..guest };
    let child = Guest { birth: "1960-01-01", ..guest(1, "X", "AFG", "2026-10-20") };
    let (_world, hub, facilities) = autumn(vec![
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
    assert_eq!((&all["roundedTo"], &all["madeAt"]), (&json!(1), &Value::Null));
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
    assert_eq!(counts(&all["arrivalsByCitizenship"], "citizenship"), json!([["AFG", 1], ["MLI", 1]]));
    assert_eq!(counts(&all["arrivalsBySex"], "sex"), json!([["M", 1], ["X", 1]]));
    assert_eq!(counts(&all["arrivalsByAgeBand"], "band"), json!([["FROM_26_TO_40", 1], ["FROM_61", 1]]));

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
}
