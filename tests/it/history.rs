//! The past, compared with a plain replay of the ledger: both bases, across a change of clock, for every viewer.

use std::time::Duration;

use jiff::{Timestamp, ToSpan, tz::TimeZone};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use tavolo_schema::{DateTime, LedgerEntry, PlaceCategory, capacity::Counts, id::FacilityId};

use crate::{
    harness::{Client, TestClock, World, text, until},
    stage::assert_books_agree,
};

const HISTORY: &str = "query($filter: OccupancyFilter, $from: DateTime!, $to: DateTime, $every: HistoryStep!,
    $basis: TimeBasis!) { occupancyHistory(filter: $filter, from: $from, to: $to, every: $every, basis: $basis) {
    at capacity { accredited installed blocked allocable occupied reserved free overCapacity } } }";

/// The numbers of a pool by the table of formulas, written out once more.
fn numbers(counts: Counts) -> [i32; 8] {
    let Counts { accredited, installed, blocked, occupied, reserved } = counts;
    let allocable = std::cmp::max(0, std::cmp::min(installed - blocked, accredited));
    let left = allocable - occupied - reserved;
    [accredited, installed, blocked, allocable, occupied, reserved, left.max(0), (-left).max(0)]
}

/// What the ledgers say of an instant, one entry after the other.
fn replayed(ledgers: &[Vec<LedgerEntry>], at: DateTime, basis: &str) -> [i32; 8] {
    let mut sum = [0; 8];
    for ledger in ledgers {
        let mut counts = Counts::default();
        for entry in ledger {
            let counted = if basis == "OCCURRED" { entry.occurred_at } else { entry.registered_at };
            if counted <= at {
                counts = counts.plus(entry.deltas);
            }
        }
        sum.iter_mut().zip(numbers(counts)).for_each(|(sum, number)| *sum += number);
    }
    sum
}

fn answered(capacity: &Value) -> [i32; 8] {
    ["accredited", "installed", "blocked", "allocable", "occupied", "reserved", "free", "overCapacity"]
        .map(|name| i32::try_from(capacity[name].as_i64().unwrap()).unwrap())
}

/// A world that has been moved through a winter at random, with the ledgers of its two facilities.
struct Winter {
    world: World,
    hub: Client,
    facilities: [String; 2],
    ledgers: Vec<Vec<LedgerEntry>>,
    began: DateTime,
}

impl Winter {
    async fn new() -> Self {
        let world = World::new().await;
        let hub = world.hub().await;
        let began = world.clock.now();
        let bodies = &world.bodies;
        let facilities = [
            hub.facility(bodies.operator, bodies.province, "ORDINARY", 4).await,
            hub.facility(bodies.other_operator, bodies.province, "ORDINARY", 5).await,
        ];
        let mut runner = TestRunner::deterministic();
        let mut stays: Vec<String> = Vec::new();
        for _ in 0..70 {
            let draw = (0..2_usize, 0..10_u32, 1..110_u64, 0..96_i64, 0..1_000_usize);
            let (place, act, hours, late, which) = draw.new_tree(&mut runner).unwrap().current();
            world.clock.advance(Duration::from_secs(hours * 3_600 + 17));
            world.store.keep_time(tavolo_schema::id::fresh(began), world.clock.now()).await.unwrap();
            let occurred = world.clock.now().plus_millis(-late * 3_600_000).to_string();
            let facility = &facilities[place];
            match act {
                0..5 => {
                    let guest = hub.guest("province").await;
                    let input =
                        json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": occurred });
                    let payload = hub.act("province", "admitGuest", "stay { id }", input).await;
                    stays.extend(payload["stay"]["id"].as_str().map(ToOwned::to_owned));
                }
                5..8 if !stays.is_empty() => {
                    let stay = stays.swap_remove(which % stays.len());
                    let input = json!({ "stay": stay, "reason": "OTHER", "occurredAt": occurred });
                    hub.act("province", "dischargeGuest", "stay { id }", input).await;
                }
                8 => {
                    let until = world.clock.now().day().plus_days(6).to_string();
                    let input = json!({ "facility": facility, "category": "ORDINARY", "places": 2, "reason": "WORKS", "until": until });
                    hub.act("province", "blockPlaces", "block { id }", input).await;
                }
                _ => {
                    let input = json!({ "facility": facility, "category": "ORDINARY", "installed": 3 + which % 4 });
                    hub.act("province", "installPlaces", "facility { id }", input).await;
                }
            }
        }
        let mut ledgers = Vec::new();
        for facility in &facilities {
            let id = FacilityId::decode(facility).unwrap();
            ledgers.push(world.store.ledger_of(id, PlaceCategory::Ordinary).await.unwrap());
        }
        assert_books_agree(&world).await;
        Self { world, hub, facilities, ledgers, began }
    }

    async fn history(&self, subject: &str, filter: Value, from: DateTime, every: &str, basis: &str) -> Vec<Value> {
        let variables = json!({ "filter": filter, "from": from.to_string(), "every": every, "basis": basis });
        let mut data = self.hub.data(subject, HISTORY, variables).await;
        data["occupancyHistory"].take().as_array().unwrap().clone()
    }
}

fn at(point: &Value) -> DateTime {
    text(&point["at"]).parse().unwrap()
}

#[tokio::test]
async fn history_is_what_a_replay_of_the_ledger_says() {
    let winter = Winter::new().await;
    let entries: usize = winter.ledgers.iter().map(Vec::len).sum();
    assert!(entries > 50, "only {entries} entries");
    let now = winter.world.clock.now();
    assert!(now > "2027-03-29T00:00:00Z".parse().unwrap(), "the clocks have gone forward: {now}");
    let from = winter.began.plus_millis(-3 * 86_400_000);
    let mut different = 0;
    for basis in ["OCCURRED", "REGISTERED"] {
        for (every, from) in
            [("DAY", from), ("WEEK", from), ("MONTH", from), ("HOUR", now.plus_millis(-900 * 3_600_000))]
        {
            let points = winter.history("province", Value::Null, from, every, basis).await;
            assert_eq!(at(points.last().unwrap()), now);
            for point in &points {
                assert_eq!(
                    answered(&point["capacity"]),
                    replayed(&winter.ledgers, at(point), basis),
                    "{every} {point}"
                );
                let other = if basis == "OCCURRED" { "REGISTERED" } else { "OCCURRED" };
                different += i32::from(replayed(&winter.ledgers, at(point), other) != answered(&point["capacity"]));
            }
            if every == "DAY" {
                assert_eq!(points[0]["capacity"]["installed"], 0, "before the first entry");
                for (point, next) in points.iter().zip(&points[1..points.len() - 1]) {
                    let rome = |point: &Value| {
                        let end = Timestamp::from_millisecond(at(point).millis() + 1).unwrap();
                        end.to_zoned(TimeZone::get("Europe/Rome").unwrap())
                    };
                    assert_eq!(rome(point).time(), jiff::civil::Time::midnight(), "{point}");
                    assert_eq!(rome(point).date() + 1.day(), rome(next).date());
                }
            }
        }
    }
    assert!(different > 100, "both bases tell the same of all but {different} points");
}

#[tokio::test]
async fn occupancy_of_an_instant_is_the_point_of_the_history() {
    let winter = Winter::new().await;
    let document = "query($at: DateTime, $basis: TimeBasis!) { occupancy(groupBy: FACILITY, at: $at, basis: $basis) {
        facility { id } facilities capacity { accredited installed blocked allocable occupied reserved free overCapacity } } }";
    for basis in ["OCCURRED", "REGISTERED"] {
        let points = winter.history("province", Value::Null, winter.began, "WEEK", basis).await;
        for point in points {
            let data = winter.hub.data("province", document, json!({ "at": point["at"], "basis": basis })).await;
            let groups = data["occupancy"].as_array().unwrap();
            assert_eq!(groups.len(), 2);
            for (group, ledger) in groups.iter().zip(&winter.ledgers) {
                let alone = replayed(std::slice::from_ref(ledger), at(&point), basis);
                assert_eq!(answered(&group["capacity"]), alone, "{point}");
            }
        }
    }
    let before = winter.began.plus_millis(-1).to_string();
    let data = winter.hub.data("province", document, json!({ "at": before, "basis": "OCCURRED" })).await;
    assert_eq!(data["occupancy"], json!([]), "nothing was there yet");
    // Now, from the ledger, is what the board says.
    let now = winter.world.clock.now().to_string();
    let past = winter.hub.data("province", document, json!({ "at": now, "basis": "OCCURRED" })).await;
    let board = winter.hub.data("province", document, json!({ "at": null, "basis": "OCCURRED" })).await;
    assert_eq!(past, board);
}

#[tokio::test]
async fn a_closer_look_counts_only_what_the_viewer_sees() {
    let winter = Winter::new().await;
    let from = winter.world.clock.now().plus_millis(-86_400_000);
    let last = async |subject: &str, filter: Value| {
        answered(&winter.history(subject, filter, from, "DAY", "OCCURRED").await.last().unwrap()["capacity"])
    };
    let now = winter.world.clock.now();
    let [own, others] = [0, 1].map(|at| replayed(&winter.ledgers[at..=at], now, "OCCURRED"));
    let everything = replayed(&winter.ledgers, now, "OCCURRED");
    let of = |facility: &str| json!({ "facility": facility });
    let unknown = FacilityId::fresh(now).encode();
    for (subject, sees) in [
        ("province", [true, true]),
        ("operator", [true, false]),
        ("other_operator", [false, true]),
        ("municipality", [true, true]),
        ("prefecture", [true, true]),
        ("central_service", [true, true]),
        ("", [false, false]),
    ] {
        for (at, (facility, whole)) in winter.facilities.iter().zip([own, others]).enumerate() {
            let expected = if sees[at] { whole } else { [0; 8] };
            assert_eq!(last(subject, of(facility)).await, expected, "{subject:?} looks at {at}");
        }
        assert_eq!(last(subject, of(&unknown)).await, [0; 8], "{subject:?}");
        let bodies = &winter.world.bodies;
        let run = last(subject, json!({ "operator": bodies.operator.encode() })).await;
        assert_eq!(run, if sees[0] { own } else { [0; 8] }, "{subject:?}");
        for filter in [Value::Null, json!({ "municipality": "101010" }), json!({ "category": "ORDINARY" })] {
            if !subject.is_empty() {
                assert_eq!(last(subject, filter.clone()).await, everything, "{subject:?} {filter}");
            }
        }
    }
}

#[tokio::test]
async fn a_history_that_cannot_be_is_refused() {
    let world = World::new().await;
    let hub = world.hub().await;
    let now = world.clock.now();
    let hours = |hours: i64| now.plus_millis(hours * 3_600_000).to_string();
    for (from, to, every) in
        [(hours(1), Value::Null, "DAY"), (hours(-1), json!(hours(-2)), "DAY"), (hours(-1_001), Value::Null, "HOUR")]
    {
        let variables = json!({ "from": from, "to": to, "every": every, "basis": "OCCURRED" });
        let answer = hub.send("", HISTORY, variables).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer}");
        assert_eq!(answer["data"], json!({ "occupancyHistory": null }));
    }
    let document = "query($at: DateTime) { occupancy(groupBy: PROVINCE, at: $at) { facilities } }";
    let answer = hub.send("", document, json!({ "at": hours(1) })).await;
    assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{answer}");
    let variables = json!({ "from": hours(-1), "to": hours(48), "every": "DAY", "basis": "OCCURRED" });
    let data = hub.data("prefecture", HISTORY, variables.clone()).await;
    assert_eq!(data["occupancyHistory"][0]["at"], json!(now.to_string()), "the future is cut off");
    let data = hub.data("", HISTORY, variables).await;
    assert_eq!(data["occupancyHistory"], json!([]), "today is not over");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_registered_at_the_end_of_a_day_is_told_to_whoever_asks_at_the_beginning_of_the_next() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 10).await;
    let guest = hub.guest("province").await;
    let midnight = world.clock.now().day().plus_days(1).begins();
    let late = TestClock::new();
    late.mend(midnight.millis() - 1_000);
    world.clock.mend(midnight.millis() + 2_000);
    let yesterday = async |subject: &str| {
        let from = midnight.plus_millis(-3_600_000).to_string();
        let variables = json!({
            "filter": { "facility": facility }, "from": from, "to": midnight.plus_millis(-1).to_string(),
            "every": "DAY", "basis": "REGISTERED",
        });
        let data = hub.data(subject, HISTORY, variables).await;
        data["occupancyHistory"].as_array().unwrap().last().unwrap()["capacity"]["occupied"].clone()
    };
    assert_eq!(yesterday("analyst").await, 0);
    // An act of the last second of the day, whose hub is slow.
    world.hub_by(&late).await.admit("province", &guest, &facility).await;
    until("the board has it", async || hub.pool(&facility).await["occupied"] == 1).await;
    world.clock.advance(Duration::from_secs(18));
    assert_eq!(yesterday("analyst").await, 1);
}
