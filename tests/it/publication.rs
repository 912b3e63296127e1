//! What the public and analysts are told of people in facilities: coarsely, the same by every hub, and late of few.

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use tavolo_schema::{Precision, Publication, publication::Cell};

use crate::{
    database::{profile, stop_writing_down, write_everything_down},
    harness::{Client, TestClock, World, blocking, text, until},
};

const BY: &str = "query($by: OccupancyGrouping!, $filter: OccupancyFilter, $at: DateTime) {
    occupancy(groupBy: $by, filter: $filter, at: $at) { category facilities
        capacity { installed allocable occupied free overCapacity occupancyRate precision } } }";

/// Occupied and precision of the only group.
async fn told(hub: &Client, subject: &str, by: &str, filter: Value) -> (Value, String) {
    let mut data = hub.data(subject, BY, json!({ "by": by, "filter": filter, "at": null })).await;
    let groups = data["occupancy"].as_array_mut().unwrap();
    assert_eq!(groups.len(), 1, "{groups:?}");
    (groups[0]["capacity"]["occupied"].take(), text(&groups[0]["capacity"]["precision"]))
}

async fn until_told(hub: &Client, subject: &str, by: &str, filter: Value, occupied: Value, precision: &str) {
    let what = format!("{subject:?} is told {occupied} {precision}");
    until(&what, async || told(hub, subject, by, filter.clone()).await == (occupied.clone(), precision.into())).await;
}

async fn admit(hub: &Client, facility: &str, category: &str) -> String {
    let mut person = crate::harness::person();
    if category == "UNACCOMPANIED_MINOR" {
        person["birthDate"] = json!("2011-05-01");
        person["unaccompaniedMinor"] = json!(true);
    }
    let guest = text(&hub.act("province", "registerGuest", "guest { id }", person).await["guest"]["id"]);
    let input = json!({ "guest": guest, "facility": facility, "category": category });
    let payload = hub.act("province", "admitGuest", "stay { id }", input).await;
    text(&payload["stay"]["id"])
}

/// Everything that is told of totals, however they are added up and of whichever places.
async fn everything(hub: &Client, subject: &str) -> Vec<Value> {
    let categories = [Value::Null, json!("ORDINARY"), json!("UNACCOMPANIED_MINOR")];
    let mut told = Vec::new();
    for by in ["PROVINCE", "MUNICIPALITY", "CATEGORY", "OPERATOR", "FACILITY"] {
        for category in &categories {
            for municipality in [Value::Null, json!("101010")] {
                let filter = json!({ "category": category, "municipality": municipality });
                told.push(hub.data(subject, BY, json!({ "by": by, "filter": filter, "at": null })).await);
            }
        }
    }
    if subject == "analyst" {
        let facilities = "{ facilities(first: 50, orderBy: { field: FREE_PLACES }) { nodes { code
            occupancy { installed occupied free precision } } } }";
        told.push(hub.data(subject, facilities, Value::Null).await);
    }
    told
}

async fn discharge(hub: &Client, stay: &str) {
    let input = json!({ "stay": stay, "reason": "OTHER" });
    let payload = hub.act("province", "dischargeGuest", "stay { status }", input).await;
    assert_eq!(payload["stay"]["status"], "CLOSED", "{payload}");
}

/// Three facilities with ten ordinary places each in Crotone, and a day to be told of.
async fn three(world: &World) -> (Client, Vec<String>) {
    let hub = world.hub().await;
    let mut facilities = Vec::new();
    for _ in 0..3 {
        facilities.push(hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 10).await);
    }
    world.clock.advance_days(1);
    (hub, facilities)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_public_is_told_steps_of_five_that_do_not_follow_every_arrival() {
    let world = World::new().await;
    let (hub, facilities) = three(&world).await;
    // A change at the table lets the hub look at the new day.
    let mut stays = vec![admit(&hub, &facilities[0], "ORDINARY").await];
    until_told(&hub, "", "MUNICIPALITY", Value::Null, json!(0), "ROUNDED").await;
    // 2, 3: within three of nothing; the fourth shows.
    for at in 1..4 {
        assert_eq!(told(&hub, "operator", "MUNICIPALITY", Value::Null).await, (json!(at), "EXACT".into()));
        assert_eq!(told(&hub, "", "MUNICIPALITY", Value::Null).await, (json!(0), "ROUNDED".into()), "{at}");
        stays.push(admit(&hub, &facilities[at % 3], "ORDINARY").await);
    }
    for subject in ["", "analyst"] {
        until_told(&hub, subject, "MUNICIPALITY", Value::Null, json!(5), "ROUNDED").await;
    }
    // Back by two: still five. Another hub says the same, although it never saw four.
    for stay in stays.drain(..2) {
        discharge(&hub, &stay).await;
    }
    let other = world.hub().await;
    for hub in [&hub, &other] {
        for by in ["MUNICIPALITY", "CATEGORY", "PROVINCE"] {
            assert_eq!(told(hub, "", by, Value::Null).await, (json!(5), "ROUNDED".into()), "{by}");
        }
    }
    assert_eq!(told(&other, "prefecture", "PROVINCE", Value::Null).await, (json!(2), "EXACT".into()));
    discharge(&hub, &stays.remove(0)).await;
    until_told(&other, "", "PROVINCE", Value::Null, json!(0), "ROUNDED").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn few_facilities_are_told_of_the_day_before_and_protected_places_of_the_province_alone() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let house = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 20).await;
    let minors = hub.facility(bodies.operator, bodies.municipality, "UNACCOMPANIED_MINOR", 10).await;
    for _ in 0..7 {
        admit(&hub, &house, "ORDINARY").await;
    }
    for _ in 0..7 {
        admit(&hub, &minors, "UNACCOMPANIED_MINOR").await;
    }
    let [ordinary, minor] = ["ORDINARY", "UNACCOMPANIED_MINOR"].map(|category| json!({ "category": category }));
    let both = |filter: &Value| json!({ "category": filter["category"], "municipality": "101010" });
    let expect = async |subject: &str, by: &str, filter: &Value, occupied: Value, precision: &str| {
        until_told(&hub, subject, by, filter.clone(), occupied, precision).await;
    };
    for subject in ["", "analyst"] {
        // Nothing was there yesterday.
        expect(subject, "MUNICIPALITY", &Value::Null, json!(0), "BANDED").await;
        expect(subject, "MUNICIPALITY", &ordinary, json!(0), "BANDED").await;
        expect(subject, "PROVINCE", &minor, json!(0), "BANDED").await;
        for (by, filter) in [("MUNICIPALITY", &minor), ("PROVINCE", &both(&minor)), ("CATEGORY", &both(&minor))] {
            assert_eq!(told(&hub, subject, by, filter.clone()).await, (Value::Null, "WITHHELD".into()), "{by}");
        }
    }
    world.clock.advance_days(1);
    let stay = admit(&hub, &house, "ORDINARY").await;
    for subject in ["", "analyst"] {
        expect(subject, "MUNICIPALITY", &Value::Null, json!(10), "BANDED").await;
        expect(subject, "MUNICIPALITY", &ordinary, json!(10), "BANDED").await;
        expect(subject, "PROVINCE", &minor, json!(10), "BANDED").await;
        assert_eq!(told(&hub, subject, "MUNICIPALITY", minor.clone()).await, (Value::Null, "WITHHELD".into()));
    }
    assert_eq!(told(&hub, "municipality", "MUNICIPALITY", minor).await, (json!(7), "EXACT".into()));
    discharge(&hub, &stay).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_house_with_protected_places_alone_the_places_are_told_and_not_the_people() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let house = hub.facility(bodies.operator, bodies.municipality, "UNACCOMPANIED_MINOR", 8).await;
    admit(&hub, &house, "UNACCOMPANIED_MINOR").await;
    let document =
        "query($id: ID!) { facility(by: { id: $id }) { occupancy { installed allocable occupied free precision } } }";
    let told =
        async |subject: &str| hub.data(subject, document, json!({ "id": house })).await["facility"]["occupancy"].take();
    let of_analyst = json!({ "installed": 8, "allocable": 8, "occupied": null, "free": null, "precision": "WITHHELD" });
    assert_eq!(told("analyst").await, of_analyst);
    let of_body = json!({ "installed": 8, "allocable": 8, "occupied": 1, "free": 7, "precision": "EXACT" });
    assert_eq!(told("prefecture").await, of_body);
}

#[tokio::test(flavor = "multi_thread")]
async fn protected_people_do_not_follow_from_any_total() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let mut houses = Vec::new();
    for _ in 0..3 {
        let house = hub.facility(bodies.operator, bodies.municipality, "UNACCOMPANIED_MINOR", 10).await;
        hub.accredit(&house, "ORDINARY", 10).await;
        houses.push(house);
    }
    admit(&hub, &houses[0], "UNACCOMPANIED_MINOR").await;
    world.clock.advance_days(1);
    // Four ordinary guests are told as five: from here on, three of them more would not show, nor would one fewer.
    for house in houses.iter().chain(&houses[..1]) {
        admit(&hub, house, "ORDINARY").await;
    }
    let totals = "query($by: OccupancyGrouping!) { occupancy(groupBy: $by) {
        facilities capacity { accredited installed allocable occupied free occupancyRate precision } } }";
    for subject in ["", "analyst"] {
        for by in ["PROVINCE", "MUNICIPALITY"] {
            until_told(&hub, subject, by, Value::Null, json!(5), "ROUNDED").await;
            let data = hub.data(subject, totals, json!({ "by": by })).await;
            let capacity = json!({
                "accredited": 30, "installed": 30, "allocable": 30, "occupied": 5, "free": 25,
                "occupancyRate": 5.0 / 30.0, "precision": "ROUNDED",
            });
            assert_eq!(data["occupancy"], json!([{ "facilities": 3, "capacity": capacity }]), "{subject:?} {by}");
        }
        let before = everything(&hub, subject).await;
        for at in 0..6 {
            admit(&hub, &houses[at % 3], "UNACCOMPANIED_MINOR").await;
        }
        // Had the hub published anything of them, it would have been before this.
        let stay = admit(&hub, &houses[1], "ORDINARY").await;
        let stays = [stay, admit(&hub, &houses[2], "ORDINARY").await];
        let eight = [admit(&hub, &houses[0], "ORDINARY").await, admit(&hub, &houses[1], "ORDINARY").await];
        let nine = admit(&hub, &houses[2], "ORDINARY").await;
        until_told(&hub, subject, "PROVINCE", Value::Null, json!(10), "ROUNDED").await;
        for stay in stays.iter().chain(&eight).chain([&nine]) {
            discharge(&hub, stay).await;
        }
        until_told(&hub, subject, "PROVINCE", Value::Null, json!(5), "ROUNDED").await;
        assert_eq!(everything(&hub, subject).await, before, "{subject:?}");
        let history = "query($from: DateTime!, $filter: OccupancyFilter) {
            occupancyHistory(from: $from, filter: $filter) { capacity { installed occupied } } }";
        let from = world.clock.now().plus_millis(-2 * 86_400_000).to_string();
        for filter in [Value::Null, json!({ "operator": bodies.operator.encode() })] {
            let closer = !filter.is_null();
            let data = hub.data(subject, history, json!({ "from": from, "filter": filter })).await;
            let last = data["occupancyHistory"].as_array().unwrap().last().unwrap().clone();
            let installed = if closer && subject.is_empty() { 0 } else { 30 };
            assert_eq!(last["capacity"], json!({ "installed": installed, "occupied": 0 }), "{subject:?} {filter}");
        }
    }
    assert_eq!(told(&hub, "prefecture", "PROVINCE", Value::Null).await, (json!(17), "EXACT".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_makes_the_house_of_another_told_live() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let house = hub.facility(bodies.other_operator, bodies.municipality, "ORDINARY", 20).await;
    // Registered and equipped by an operator alone; the Province has decided nothing.
    for number in 1..=2 {
        let name = format!("Casa vuota {number}");
        let input = json!({
            "name": name, "type": "APARTMENT", "municipality": "101010",
            "address": { "street": name, "number": "1", "postalCode": "88900" },
            "operator": bodies.operator.encode(), "holder": bodies.municipality.encode(),
        });
        let payload = hub.act("operator", "registerFacility", "facility { id }", input).await;
        let input = json!({ "facility": payload["facility"]["id"], "category": "ORDINARY", "installed": 5 });
        let payload = hub.act("operator", "installPlaces", "facility { id }", input).await;
        assert_eq!(blocking(&payload), Vec::<String>::new());
    }
    world.clock.advance_days(1);
    for _ in 0..7 {
        admit(&hub, &house, "ORDINARY").await;
    }
    // A day later these seven are told; on their own day they are not.
    for (occupied, days) in [(0, 1), (10, 0)] {
        for by in ["MUNICIPALITY", "PROVINCE"] {
            until_told(&hub, "", by, Value::Null, json!(occupied), "BANDED").await;
        }
        world.clock.advance_days(days);
        admit(&hub, &house, "ORDINARY").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hubs_whose_clocks_differ_do_not_take_turns_at_midnight() {
    let world = World::new().await;
    let (behind, facilities) = three(&world).await;
    admit(&behind, &facilities[0], "ORDINARY").await;
    until_told(&behind, "", "PROVINCE", Value::Null, json!(0), "ROUNDED").await;
    let publications = world.driver().await.collection::<Document>("publications");
    let told = async || publications.count_documents(doc! {}).await.unwrap();
    // A second before midnight, and a second after it.
    let midnight = world.clock.now().day().plus_days(1).begins();
    let ahead = TestClock::new();
    world.clock.mend(midnight.millis() - 1_000);
    ahead.mend(midnight.millis() + 1_000);
    let hub = world.hub_by(&ahead).await;
    let province = async || {
        let last = doc! { "_id.cell.municipality": null, "_id.cell.category": "ORDINARY" };
        let last = publications.find_one(last).sort(doc! { "_id.number": -1 }).await.unwrap().unwrap();
        last.get_datetime("at").unwrap().timestamp_millis()
    };
    until("the day begins", async || province().await > midnight.millis()).await;
    let before = told().await;
    // Each change at the table makes both look again; four of them show.
    for at in 0..4 {
        admit(&behind, &facilities[at % 3], "ORDINARY").await;
    }
    for hub in [&hub, &behind] {
        until_told(hub, "", "PROVINCE", Value::Null, json!(5), "ROUNDED").await;
    }
    assert!(told().await - before <= 2, "of province and municipality, one step: {} and {before}", told().await);
    let order = publications.find(doc! {}).sort(doc! { "_id.cell": 1, "_id.number": 1 }).await.unwrap();
    let order: Vec<Document> = order.try_collect().await.unwrap();
    let of_cell = |one: &&Document| one.get_document("_id").unwrap().get_document("cell").unwrap().to_string();
    for pair in order.windows(2).filter(|pair| of_cell(&&pair[0]) == of_cell(&&pair[1])) {
        assert!(pair[0].get_datetime("at").unwrap() <= pair[1].get_datetime("at").unwrap(), "{pair:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_of_a_cell_is_published_as_a_whole_or_not_at_all() {
    let world = World::new().await;
    let publication = |number: i64| Publication {
        cell: Cell::told_of(Some("101010".into()), None),
        number,
        at: world.clock.now().plus_millis(number),
        people: None,
        precision: Precision::Withheld,
    };
    let past: Vec<Publication> = (1..=1_500).map(publication).collect();
    let publications = world.driver().await.collection::<Document>("publications");
    // Something keeps the last of them from being written.
    world.store.publish(&past[1_400..1_401]).await.unwrap();
    world.store.publish(&past).await.unwrap();
    assert_eq!(publications.count_documents(doc! {}).await.unwrap(), 1, "no beginning without an end");
    publications.delete_many(doc! {}).await.unwrap();
    world.store.publish(&past).await.unwrap();
    let driver = world.driver().await;
    write_everything_down(&driver).await;
    let between = world.store.published_between(&past[0].cell, past[9].at, past[19].at).await.unwrap();
    assert_eq!(between, past[9..20]);
    let other = Cell::PROVINCE;
    let at = world.store.published_at(&[other, past[0].cell.clone()], past[700].at).await.unwrap();
    assert_eq!(at.into_values().collect::<Vec<_>>(), past[700..701]);
    stop_writing_down(&driver).await;
    let entries = profile(&driver).await;
    let looked_at = entries.iter().filter(|entry| entry.get_str("ns").is_ok_and(|ns| ns.ends_with(".publications")));
    let looked_at: Vec<i32> = looked_at.map(|entry| entry.get_i32("docsExamined").unwrap()).collect();
    assert!(looked_at.len() >= 2 && looked_at.iter().sum::<i32>() <= 30, "no more is read than is told: {looked_at:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_past_is_what_was_told_and_has_no_hours() {
    let world = World::new().await;
    let (hub, facilities) = three(&world).await;
    for at in 0..4 {
        admit(&hub, &facilities[at % 3], "ORDINARY").await;
    }
    until_told(&hub, "", "PROVINCE", Value::Null, json!(5), "ROUNDED").await;
    let noon = world.clock.now();
    world.clock.advance_days(1);
    for at in 0..5 {
        admit(&hub, &facilities[at % 3], "ORDINARY").await;
    }
    until_told(&hub, "", "PROVINCE", Value::Null, json!(10), "ROUNDED").await;
    let at = async |subject: &str, instant: String| {
        let data = hub.data(subject, BY, json!({ "by": "PROVINCE", "filter": null, "at": instant })).await;
        let capacity = data["occupancy"][0]["capacity"].clone();
        (capacity["occupied"].clone(), capacity["precision"].clone())
    };
    // Whatever instant of a day is asked for, the answer is of the end of the day before.
    for instant in [noon.to_string(), noon.plus_millis(3_600_000).to_string()] {
        assert_eq!(at("", instant.clone()).await, (json!(0), json!("BANDED")));
        assert_eq!(at("prefecture", instant).await, (json!(4), json!("EXACT")));
    }
    assert_eq!(at("", world.clock.now().to_string()).await, (json!(5), json!("ROUNDED")));
    let history = "query($from: DateTime!, $every: HistoryStep!) { occupancyHistory(from: $from, every: $every) {
        at capacity { installed occupied precision } } }";
    for subject in ["", "analyst"] {
        let hours = hub.send(subject, history, json!({ "from": noon.to_string(), "every": "HOUR" })).await;
        assert_eq!(hours["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{hours}");
        let days = hub.data(subject, history, json!({ "from": noon.to_string(), "every": "DAY" })).await;
        let days = days["occupancyHistory"].as_array().unwrap();
        assert_eq!(days.len(), 1, "the day that is over: {days:?}");
        assert_eq!(days[0]["capacity"], json!({ "installed": 30, "occupied": 5, "precision": "ROUNDED" }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn analysts_are_told_facilities_by_the_day() {
    const WATCH: &str = "subscription($after: String) { occupancyChanged(after: $after) { kind cursor cause occurredAt
        registeredAt facility { id } category capacity { occupied precision } } }";
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let house = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 20).await;
    let minors = hub.facility(bodies.operator, bodies.municipality, "UNACCOMPANIED_MINOR", 10).await;
    let mut leaves = String::new();
    for _ in 0..3 {
        leaves = admit(&hub, &house, "ORDINARY").await;
    }
    admit(&hub, &minors, "UNACCOMPANIED_MINOR").await;
    let seen = async |subject: &str, facility: &str| {
        let document = "query($id: ID!) { facility(by: { id: $id }) { occupancy { occupied precision }
            capacity { occupied precision } irregularities { code } } }";
        let mut data = hub.data(subject, document, json!({ "id": facility })).await;
        data["facility"]["capacity"][0].take()
    };
    assert_eq!(seen("prefecture", &house).await, json!({ "occupied": 3, "precision": "EXACT" }));
    assert_eq!(seen("analyst", &house).await, json!({ "occupied": 0, "precision": "DAY_BEFORE" }));
    assert_eq!(seen("analyst", &minors).await, json!({ "occupied": null, "precision": "WITHHELD" }));

    let mut socket = hub.subscribe("analyst", WATCH, json!({ "after": null })).await;
    let mut cursor = Value::Null;
    for _ in 0..2 {
        let event = socket.event().await;
        assert_eq!((&event["kind"], &event["cause"]), (&json!("CURRENT"), &Value::Null));
        assert_eq!(event["occurredAt"], "2026-11-22T22:59:59.999Z", "the end of the day before");
        cursor = event["cursor"].clone();
    }
    discharge(&hub, &leaves).await;
    socket.send(json!({ "type": "ping" })).await;
    assert_eq!(socket.next().await["type"], "pong", "nothing is told of today");

    world.clock.advance_days(1);
    admit(&hub, &house, "ORDINARY").await;
    let event = socket.event().await;
    assert_eq!((&event["kind"], &event["cause"]), (&json!("CHANGED"), &Value::Null));
    assert_eq!((&event["facility"]["id"], &event["capacity"]["occupied"]), (&json!(house), &json!(2)), "the net");
    assert_eq!(event["registeredAt"], "2026-11-23T22:59:59.999Z");
    let mut back = hub.subscribe("analyst", WATCH, json!({ "after": cursor })).await;
    let event = back.event().await;
    assert_eq!((&event["kind"], &event["capacity"]["occupied"]), (&json!("RESYNC"), &json!(2)));
    assert_eq!(seen("analyst", &house).await, json!({ "occupied": 2, "precision": "DAY_BEFORE" }));

    let answer = hub.http.get(format!("http://{}/export/ledger.csv", hub.address)).bearer_auth(hub.token("analyst"));
    let table = answer.send().await.unwrap().text().await.unwrap();
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.len(), 3, "one line for each pool and day that is over: {table}");
    let column = |name: &str| rows[0].iter().position(|column| column.trim_start_matches('\u{feff}') == name).unwrap();
    for row in &rows[1..] {
        assert_eq!(row[column("day")], "2026-11-23");
        let told = [row[column("occupiedDelta")], row[column("occupied")], row[column("installedDelta")]];
        let expected = if row[column("category")] == "ORDINARY" { ["2", "2", "20"] } else { ["", "", "10"] };
        assert_eq!(told, expected, "{table}");
    }
    assert!(!rows[0].iter().any(|column| column.ends_with("At") || *column == "cause"), "{table}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hub_that_finds_no_publications_makes_those_of_the_past() {
    let world = World::new().await;
    let (hub, facilities) = three(&world).await;
    for at in 0..4 {
        admit(&hub, &facilities[at % 3], "ORDINARY").await;
    }
    let day = world.clock.now();
    world.stop_hub(&hub).await;
    // As an earlier version left it.
    world
        .driver()
        .await
        .collection::<mongodb::bson::Document>("publications")
        .delete_many(Default::default())
        .await
        .unwrap();
    world.clock.advance_days(3);
    let (one, other) = (world.hub().await, world.hub().await);
    for hub in [&one, &other] {
        until_told(hub, "", "PROVINCE", Value::Null, json!(5), "ROUNDED").await;
        let history = "query($from: DateTime!) { occupancyHistory(from: $from) { capacity { occupied } } }";
        let from = day.plus_millis(-86_400_000).to_string();
        let told = async || {
            let data = hub.data("", history, json!({ "from": from })).await;
            let points = data["occupancyHistory"].as_array().unwrap().clone();
            points.iter().map(|point| point["capacity"]["occupied"].clone()).collect::<Vec<_>>()
        };
        assert_eq!(told().await, [0, 5, 5, 5]);
    }
}
