//! Published statistics: one table for each half-year, made once, the same for everybody who may not see persons.

use futures_util::{TryStreamExt, future::join_all};
use mongodb::bson::{Bson, Document, doc};
use serde_json::{Value, json};
use tavolo_schema::{
    Day,
    period::HalfYear,
    statistics_table::{Count, PublishedTable},
};

use crate::{
    harness::{Client, World, text},
    statistics::{Guest, STATISTICS, ask, autumn, counts, guest, host},
};

/// The half-year of the autumn, and its year.
const HALF: (&str, &str) = ("2026-07-01", "2026-12-31");
const YEAR: (&str, &str) = ("2026-01-01", "2026-12-31");

/// Who may not see the persons of all facilities.
const WITHOUT_SIGHT: [&str; 3] = ["analyst", "prefecture", "municipality"];

/// Thirty men of Nigeria and seven of Mali in Crotone; ten of Nigeria and two women of Afghanistan in Cutro; twelve women
/// with the municipality, all but one of Mali. Some have left.
fn crowd() -> Vec<Guest> {
    let several = |people: usize, guest: Guest| std::iter::repeat_n(guest, people);
    let left = |guest: Guest, reason| Guest { leaves: Some(("2026-10-20", reason)), ..guest };
    let men = |facility, citizenship| guest(facility, "M", citizenship, "2026-09-10");
    let women = |facility, citizenship| guest(facility, "F", citizenship, "2026-09-10");
    several(18, men(0, "NGA"))
        .chain(several(12, left(men(0, "NGA"), "TERM_EXPIRED")))
        .chain(several(7, men(0, "MLI")))
        .chain(several(9, left(men(1, "NGA"), "TERM_EXPIRED")))
        .chain(several(1, left(men(1, "NGA"), "CUSTODY")))
        .chain(several(2, women(1, "AFG")))
        .chain(several(11, women(2, "MLI")))
        .chain(several(1, women(2, "SDN")))
        .collect()
}

/// The autumn, seen on the second of February, when its half-year is published.
async fn february() -> (World, Client, [String; 3]) {
    let (world, hub, facilities) = autumn(crowd()).await;
    world.clock.advance_days(71);
    (world, hub, facilities)
}

async fn half(hub: &Client, subject: &str, filter: Value) -> Value {
    ask(hub, subject, filter, HALF.0, HALF.1).await
}

/// Every count of a table that is told, with what there is in truth.
fn close(table: &Value, key: &str, truth: &[(&str, i64)]) {
    let mut total = 0;
    for row in table.as_array().unwrap() {
        let truth = truth.iter().find(|(name, _)| row[key] == *name).map_or(0, |(_, count)| *count);
        let told = row["count"].as_i64().unwrap_or(0);
        assert!(told % 5 == 0 && (told - truth).abs() <= 5, "{truth} is told as {row}");
        assert_eq!(row["suppressed"], told == 0, "{row}");
        total += told;
    }
    let all: i64 = truth.iter().map(|(_, count)| count).sum();
    assert_eq!(total, all / 5 * 5, "{table}");
}

fn suppressed(table: &Value) -> bool {
    table.as_array().unwrap().iter().all(|row| row["count"].is_null() && row["suppressed"] == true)
}

async fn kept(world: &World) -> Vec<Document> {
    let found = world.driver().await.collection::<Document>("statisticsTables").find(doc! {}).await.unwrap();
    found.try_collect().await.unwrap()
}

#[tokio::test]
async fn whoever_does_not_see_the_persons_is_told_the_same_table() {
    let (world, hub, facilities) = february().await;
    let all = half(&hub, "analyst", Value::Null).await;
    assert_eq!((&all["from"], &all["to"], &all["roundedTo"]), (&json!(HALF.0), &json!(HALF.1), &json!(5)));
    assert_eq!(all["madeAt"], world.clock.now().to_string());
    assert_eq!((&all["hosted"]["count"], &all["lengthOfStay"]["exits"]["count"]), (&json!(60), &json!(20)));
    assert_eq!(all["movementsByMonth"][2]["entries"]["count"], 60, "September: {all}");
    close(&all["arrivalsBySex"], "sex", &[("F", 14), ("M", 47)]);
    close(&all["exitsByReason"], "reason", &[("TERM_EXPIRED", 21), ("CUSTODY", 1)]);
    close(&all["lengthOfStay"]["bands"], "band", &[("UNDER_6_MONTHS", 22)]);
    close(&all["arrivalsByAgeBand"], "band", &[("FROM_26_TO_40", 61)]);
    let citizens = all["arrivalsByCitizenship"].as_array().unwrap();
    assert!(citizens.iter().all(|row| row["citizenship"] != "SDN"), "not one of those that are named: {all}");
    assert_eq!(citizens.last().unwrap()["citizenship"], Value::Null);
    let named: i64 = citizens.iter().filter_map(|row| row["count"].as_i64()).sum();
    assert_eq!(named, 60);
    // Who is present is not described.
    assert!(["byCitizenship", "bySex", "byAgeBand"].iter().all(|table| suppressed(&all[table])), "{all}");

    for subject in WITHOUT_SIGHT {
        assert_eq!(half(&hub, subject, Value::Null).await, all, "{subject}");
    }
    // Of a category and a municipality, totals alone.
    for (filter, hosted) in [
        (json!({ "category": "ORDINARY" }), json!(60)),
        (json!({ "category": "UNACCOMPANIED_MINOR" }), Value::Null),
        (json!({ "municipality": "101010" }), json!(45)),
        (json!({ "municipality": "101012" }), json!(10)),
    ] {
        let part = half(&hub, "analyst", filter.clone()).await;
        assert_eq!(part["hosted"]["count"], hosted, "{filter}");
        for table in ["exitsByReason", "arrivalsBySex", "arrivalsByCitizenship", "arrivalsByAgeBand", "bySex"] {
            assert!(suppressed(&part[table]), "{filter} {part}");
        }
        assert!(suppressed(&part["lengthOfStay"]["bands"]) && part["lengthOfStay"]["meanDays"].is_null());
        assert_eq!(half(&hub, "prefecture", filter).await, part);
    }
    // Nothing of anything closer.
    for filter in [
        json!({ "facility": facilities[0] }),
        json!({ "operator": world.bodies.operator.encode() }),
        json!({ "municipality": "101010", "category": "ORDINARY" }),
    ] {
        let closer = half(&hub, "analyst", filter.clone()).await;
        assert_eq!(closer["hosted"], json!({ "count": null, "suppressed": true }), "{filter}");
        assert!(!closer.to_string().contains("\"count\":6"), "{filter}");
    }
    assert_eq!(half(&hub, "", Value::Null).await, Value::Null);
}

#[tokio::test]
async fn a_table_stays_as_it_was_made_whatever_comes_after() {
    let (world, hub, facilities) = february().await;
    let before = half(&hub, "analyst", Value::Null).await;
    let exact = half(&hub, "province", Value::Null).await;
    for number in 0..3 {
        host(&hub, &facilities, 100 + number, &guest(0, "X", "UKR", "2026-10-15")).await;
    }
    world.clock.advance_days(200);
    assert_eq!(half(&hub, "province", Value::Null).await["hosted"]["count"], 61 + 3);
    assert_eq!(exact["hosted"]["count"], 61);
    let other = world.hub().await;
    for hub in [&hub, &other] {
        assert_eq!(half(hub, "prefecture", Value::Null).await, before);
    }
    // The year is its halves, and the first of them is empty.
    let year = ask(&other, "analyst", Value::Null, YEAR.0, YEAR.1).await;
    for table in ["hosted", "personDays", "lengthOfStay", "exitsByReason", "arrivalsBySex", "arrivalsByCitizenship"] {
        assert_eq!(year[table], before[table], "{table}");
    }
    assert_eq!(year["madeAt"], world.clock.now().to_string(), "the later of the two");
    let months = year["movementsByMonth"].as_array().unwrap();
    assert_eq!((months.len(), &months[6..]), (12, &before["movementsByMonth"].as_array().unwrap()[..]));
}

#[tokio::test]
async fn what_is_kept_is_what_is_told_and_nothing_else() {
    let (world, hub, _) = february().await;
    half(&hub, "analyst", Value::Null).await;
    let kept = kept(&world).await;
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].get_str("_id").unwrap(), "2026-H2");
    let names: Vec<&String> = kept[0].keys().collect();
    assert_eq!(names, ["_id", "madeAt", "groups", "rows"]);
    fn numbers(value: &Bson) -> Vec<i32> {
        match value {
            Bson::Int32(number) => vec![*number],
            Bson::Array(all) => all.iter().flat_map(numbers).collect(),
            Bson::Document(all) => all.values().flat_map(numbers).collect(),
            Bson::String(_) | Bson::Null | Bson::DateTime(_) => Vec::new(),
            other => panic!("{other} is kept"),
        }
    }
    let numbers = numbers(&Bson::Document(kept[0].clone()));
    assert!(numbers.len() > 100 && numbers.iter().all(|number| number % 5 == 0), "{numbers:?}");
}

#[tokio::test]
async fn another_period_is_refused_and_the_nearest_are_named() {
    let (world, hub, _) = autumn(crowd()).await;
    let refused = async |subject: &str, filter: Value, from: &str, to: &str| {
        let answer = hub.send(subject, STATISTICS, json!({ "filter": filter, "from": from, "to": to })).await;
        assert_eq!(answer["data"]["statistics"], Value::Null, "{answer}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer}");
        text(&answer["errors"][0]["message"])
    };
    let nearest = "the nearest are 2026-01-01 to 2026-06-30 and 2025-07-01 to 2025-12-31";
    // The four answers that together told two exits of March.
    for (from, to) in [
        ("2026-03-01", "2026-08-31"),
        ("2026-05-01", "2026-08-31"),
        ("2026-04-01", "2026-06-30"),
        ("2026-05-01", "2026-06-30"),
        ("2026-01-01", "2026-06-29"),
        ("2026-01-02", "2026-06-30"),
    ] {
        for subject in WITHOUT_SIGHT {
            let message = refused(subject, Value::Null, from, to).await;
            assert!(message.contains("calendar years and half-years") && message.ends_with(nearest), "{message}");
        }
        assert_eq!(ask(&hub, "province", Value::Null, from, to).await["from"], from);
        assert_eq!(ask(&hub, "operator", Value::Null, from, to).await["from"], from);
    }
    let filter = || json!({ "municipality": "101012" });
    assert!(refused("analyst", filter(), "2026-03-01", "2026-03-31").await.ends_with(nearest));
    for (from, to) in [HALF, YEAR] {
        let message = refused("analyst", Value::Null, from, to).await;
        assert_eq!(message, format!("{from} to {to} is published from 2027-01-30 on; {nearest}"));
    }
    let message = refused("analyst", Value::Null, "2010-01-01", "2010-12-31").await;
    assert!(message.starts_with("2010-01-01 to 2010-12-31 is not published any more"), "{message}");
    assert_eq!(kept(&world).await.len(), 0, "what is refused makes nothing");
    world.clock.advance_days(67);
    assert!(refused("analyst", Value::Null, HALF.0, HALF.1).await.contains("is published from 2027-01-30 on"));
    world.clock.advance_days(1);
    assert_eq!(half(&hub, "analyst", Value::Null).await["hosted"]["count"], 60);
}

#[tokio::test]
async fn of_many_who_ask_at_once_all_are_told_the_same() {
    let (world, hub, _) = february().await;
    let hubs = [hub, world.hub().await];
    let asked = (0..12).map(|number| half(&hubs[number % 2], WITHOUT_SIGHT[number % 3], Value::Null));
    let told = join_all(asked).await;
    assert!(told.iter().all(|table| *table == told[0]), "{told:?}");
    assert_eq!(kept(&world).await.len(), 1);
}

#[tokio::test]
async fn of_tables_made_by_several_hubs_at_once_one_is_kept() {
    let world = World::new().await;
    let half = HalfYear::of("2026-03-01".parse::<Day>().unwrap());
    let tables: Vec<PublishedTable> =
        (0..8).map(|hub| Count::new(half).published(world.clock.now().plus_millis(hub), |_| 0)).collect();
    let outcomes = join_all(tables.iter().map(|table| world.store.keep_statistics_table(table))).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let kept = world.store.statistics_tables(&[half]).await.unwrap();
    assert!(kept.len() == 1 && tables.contains(&kept[&half]), "{kept:?}");
    world.store.keep_statistics_table(&tables[0]).await.unwrap();
    assert_eq!(world.store.statistics_tables(&[half]).await.unwrap(), kept);
}

#[tokio::test]
async fn a_fault_half_way_leaves_nothing_and_the_table_is_made_later() {
    let (world, hub, _) = february().await;
    let stays = world.driver().await.collection::<Document>("stays");
    let damage = doc! { "$set": { "exitReason": "NO_REASON" } };
    let damaged = stays.find_one_and_update(doc! { "exitReason": "CUSTODY" }, damage).await.unwrap().unwrap();
    let answer = hub.send("analyst", STATISTICS, json!({ "from": HALF.0, "to": HALF.1 })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL", "{answer}");
    assert_eq!(kept(&world).await.len(), 0);
    let mend = doc! { "$set": { "exitReason": "CUSTODY" } };
    stays.update_one(doc! { "_id": damaged.get("_id").unwrap() }, mend).await.unwrap();
    assert_eq!(half(&hub, "analyst", Value::Null).await["hosted"]["count"], 60);
}

#[tokio::test]
async fn a_municipality_is_told_exactly_of_what_it_holds_and_like_everybody_of_the_rest() {
    let (_world, hub, facilities) = february().await;
    let own = half(&hub, "municipality", json!({ "facility": facilities[2] })).await;
    assert_eq!((&own["roundedTo"], &own["madeAt"]), (&json!(1), &Value::Null));
    assert_eq!(own["hosted"], json!({ "count": 12, "suppressed": false }));
    assert_eq!(counts(&own["arrivalsByCitizenship"], "citizenship"), json!([["MLI", 11], ["SDN", 1]]));
    let any = ask(&hub, "municipality", json!({ "facility": facilities[2] }), "2026-09-10", "2026-09-10").await;
    assert_eq!(any["hosted"]["count"], 12);
    for filter in [Value::Null, json!({ "municipality": "101010" }), json!({ "category": "ORDINARY" })] {
        let told = half(&hub, "municipality", filter.clone()).await;
        assert_eq!(told, half(&hub, "analyst", filter).await);
        assert_eq!(told["roundedTo"], 5);
    }
    let there = half(&hub, "municipality", json!({ "facility": facilities[0] })).await;
    assert_eq!(there["hosted"], json!({ "count": null, "suppressed": true }));
}

#[tokio::test]
async fn a_row_is_withheld_where_one_body_knows_all_but_a_few() {
    // Nine have left the other operator: whoever runs the first facility could subtract its own.
    let several = |people: usize, guest: Guest| std::iter::repeat_n(guest, people);
    let left = |guest: Guest| Guest { leaves: Some(("2026-10-20", "CUSTODY")), ..guest };
    let guests = several(25, left(guest(0, "M", "NGA", "2026-09-10")))
        .chain(several(9, left(guest(1, "F", "AFG", "2026-09-10"))))
        .chain(several(10, guest(1, "F", "AFG", "2026-09-10")));
    let (world, hub, _) = autumn(guests.collect()).await;
    world.clock.advance_days(71);
    let all = half(&hub, "analyst", Value::Null).await;
    assert_eq!((&all["hosted"]["count"], &all["lengthOfStay"]["exits"]["count"]), (&json!(40), &json!(30)));
    assert!(suppressed(&all["exitsByReason"]) && suppressed(&all["lengthOfStay"]["bands"]), "{all}");
    assert_eq!(all["lengthOfStay"]["meanDays"], Value::Null);
    // Of those who have arrived, nineteen are with the other operator.
    close(&all["arrivalsBySex"], "sex", &[("M", 25), ("F", 19)]);
}

#[tokio::test]
async fn mean_and_median_are_worked_out_from_what_is_told_of_the_lengths() {
    let left =
        |facility, day| Guest { leaves: Some((day, "TERM_EXPIRED")), ..guest(facility, "M", "NGA", "2026-08-10") };
    let guests = (0..20).map(|number| left(number % 2, "2026-08-20")).chain((0..11).map(|_| left(1, "2026-11-20")));
    let (world, hub, _) = autumn(guests.collect()).await;
    world.clock.advance_days(71);
    let stay = half(&hub, "analyst", Value::Null).await["lengthOfStay"].take();
    let bands: Vec<f64> =
        stay["bands"].as_array().unwrap().iter().map(|row| row["count"].as_f64().unwrap_or(0.0)).collect();
    let middles = [91.5, 274.0, 547.5, 913.0];
    let sum: f64 = bands.iter().zip(middles).map(|(count, days)| count * days).sum();
    assert_eq!(stay["meanDays"], (sum / 30.0_f64).round(), "{stay}");
    // At least twenty-five are told of the first band, so half of all are within it.
    assert_eq!(stay["medianDays"], (183.0 * 15.0 / bands[0]).round(), "{stay}");
}
