//! What is asked of the database tells nothing: the same commands, keys and documents for what is out of sight as for
//! what is not there, so that no time an answer takes can tell the one from the other.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mongodb::{Database, bson::Document};
use serde_json::{Value, json};
use tavolo_schema::Relation;

use crate::{
    database::{profile, stop_writing_down, write_everything_down},
    gate::raw,
    harness::{Client, World, input_type, person, text},
    stage::CASES,
    stage::{Setting, Stage, accepted},
};

/// A command of the hub: what, where, and how many keys and documents it looked at.
type Asked = (String, String, i64, i64);

/// What hubs read and write by themselves, at any time.
const NOT_FOR_ANSWERS: [&str; 5] = ["acts", "members", "meta", "publications", "statisticsTables"];

/// What one question makes the hub ask of the database.
async fn asked(driver: &Database, hub: &Client, subject: &str, document: &str, variables: &Value) -> Vec<Asked> {
    write_everything_down(driver).await;
    let (_, bytes) = raw(hub, subject, document, variables).await;
    stop_writing_down(driver).await;
    assert!(!bytes.contains("\"errors\""), "{document}\n{bytes}");
    let entries = profile(driver).await;
    driver.collection::<Document>("system.profile").drop().await.unwrap();
    let number = |entry: &Document, field: &str| {
        entry.get_i32(field).map(i64::from).or_else(|_| entry.get_i64(field)).unwrap_or_default()
    };
    let asked = entries.iter().filter_map(|entry| {
        let collection = entry.get_str("ns").ok()?.split_once('.')?.1;
        let of_interest = !NOT_FOR_ANSWERS.contains(&collection) && !collection.starts_with("system.");
        let what = entry.get_document("command").ok()?.keys().next()?.clone();
        let asked = (what, collection.to_owned(), number(entry, "keysExamined"), number(entry, "docsExamined"));
        of_interest.then_some(asked)
    });
    // Loaders ask side by side, in any order.
    let mut asked: Vec<Asked> = asked.collect();
    asked.sort();
    asked
}

/// An id that names nothing, beside one that does: before and after it, everything is the same.
fn twin(id: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(id).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    URL_SAFE_NO_PAD.encode(bytes)
}

fn check(mutation: &str) -> String {
    let kind = input_type(mutation);
    format!(
        "mutation($input: {kind}!) {{ {mutation}(input: $input, validateOnly: true) {{ irregularities {{ code }} }} }}"
    )
}

#[tokio::test]
async fn what_is_out_of_sight_costs_the_database_what_is_not_there_costs() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let own = Stage::set(&hub, Setting::in_crotone(1, bodies.operator, bodies.province)).await;
    let theirs = Stage::set(&hub, Setting::in_crotone(2, bodies.other_operator, bodies.province)).await;
    let mut ids = Vec::new();
    for _ in 0..12 {
        let mut namesake = person();
        namesake["surname"] = json!("Selassie");
        ids.push(text(&hub.act("other_operator", "registerGuest", "guest { id }", namesake).await["guest"]["id"]));
    }
    let twins: Vec<String> = ids.iter().map(|id| twin(id)).collect();
    let node = "query($id: ID!) { node(id: $id) { id } }";
    let guest = "query($id: ID!) { guest(by: { id: $id }) { id surname stays { nodes { id } } household { id } } }";
    let named = |surname: &str| json!({ "filter": { "surname": surname } });
    let list = "query($filter: GuestFilter) { guests(filter: $filter) { totalCount nodes { id } } }";
    let admit = |id: &str| json!({ "guest": id, "facility": own.facility, "category": "MENTAL_HEALTH_OR_DISABILITY" });
    let one_more = person();
    let with = |field: &str, value: Value| {
        let mut input = one_more.clone();
        input[field] = value;
        input
    };
    let address = |number: &str| {
        let address = json!({ "street": "Via dei Gelsomini 02", "number": number, "postalCode": "88900" });
        json!({ "facility": own.facility, "address": address })
    };
    let of = |id: &str| json!({ "id": id });
    let input = |input: Value| json!({ "input": input });
    let mut pairs: Vec<(String, Value, Value)> = vec![
        (node.into(), of(&theirs.guest), of(&twin(&theirs.guest))),
        (node.into(), of(&theirs.open), of(&twin(&theirs.open))),
        (guest.into(), of(&theirs.guest), of(&twin(&theirs.guest))),
        ("query($ids: [ID!]!) { nodes(ids: $ids) { id } }".into(), json!({ "ids": ids }), json!({ "ids": twins })),
        (list.into(), named("Selassie"), named("Selassif")),
        (list.into(), named("Tesfay04"), named("Tesfay4")),
        (
            list.into(),
            json!({ "filter": { "facility": theirs.facility } }),
            json!({ "filter": { "facility": twin(&theirs.facility) } }),
        ),
        (check("admitGuest"), input(admit(&ids[0])), input(admit(&twins[0]))),
        (check("admitGuest"), input(admit(&theirs.waiting)), input(admit(&twin(&theirs.waiting)))),
        (check("reviseFacility"), input(address("12/B")), input(address("12/C"))),
        (
            check("registerGuest"),
            input(with("cuiCode", json!(crate::stage::cui_code(2)))),
            input(with("cuiCode", json!("CUI005XYY"))),
        ),
        (
            check("registerGuest"),
            input(with("vestanetCode", json!("KR0000005"))),
            input(with("vestanetCode", json!("KR00000051"))),
        ),
    ];
    for case in CASES.iter().filter(|case| case.is_for("operator", Relation::Keeper)) {
        for name in case.names {
            let mut hidden = (case.input)(&own);
            let id = name(&mut hidden, &theirs);
            let absent = serde_json::from_str(&hidden.to_string().replace(&id, &twin(&id))).unwrap();
            pairs.push((check(case.mutation), input(hidden), input(absent)));
        }
    }
    let driver = world.driver().await;
    // What is on the board is not asked of the database, wherever it is.
    for (name, id) in theirs.nodes() {
        let [hidden, absent] = [id.clone(), twin(&id)].map(|id| of(&id));
        let of_hidden = asked(&driver, &hub, "operator", node, &hidden).await;
        assert_eq!(of_hidden, asked(&driver, &hub, "operator", node, &absent).await, "{name}");
    }
    let mut compared = 0;
    for (document, hidden, absent) in &pairs {
        let of_hidden = asked(&driver, &hub, "operator", document, hidden).await;
        let of_absent = asked(&driver, &hub, "operator", document, absent).await;
        assert_eq!(of_hidden, of_absent, "{document} {hidden}");
        assert_ne!(of_hidden, [], "{document}");
        compared += of_hidden.len();
    }
    assert!(compared > 30, "only {compared} commands were compared");
}

#[tokio::test]
async fn whom_a_guest_has_left_is_answered_at_the_same_cost_wherever_the_guest_is() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let own = hub.facility(bodies.operator, bodies.municipality, "ORDINARY", 5).await;
    let theirs = hub.facility(bodies.other_operator, bodies.municipality, "ORDINARY", 5).await;
    // Nobody's keys are the last of an index.
    for subject in ["operator", "other_operator", "province"] {
        for facility in [&own, &theirs] {
            let guest = hub.guest(subject).await;
            hub.admit("province", &guest, facility).await;
            hub.guest(subject).await;
        }
    }
    let mut guests = Vec::new();
    for _ in 0..3 {
        let guest = hub.guest("operator").await;
        let stay = text(&hub.admit("operator", &guest, &own).await["stay"]["id"]);
        accepted(&hub, "dischargeGuest", "stay", json!({ "stay": stay, "reason": "OTHER" })).await;
        guests.push(guest);
    }
    let file = "id facility { id } stays { nodes { id guest { id } } } household { members { id } }";
    let questions = [
        (format!("query($id: ID!) {{ guest(by: {{ id: $id }}) {{ {file} }} }}"), json!({ "id": guests[0] })),
        (
            format!("query($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on Guest {{ {file} }} }} }}"),
            json!({ "ids": guests }),
        ),
        (format!("{{ guests {{ totalCount nodes {{ {file} }} }} }}"), Value::Null),
        (format!("{{ guests(filter: {{ present: false }}) {{ totalCount nodes {{ {file} }} }} }}"), Value::Null),
        (format!("{{ guests(filter: {{ surname: \"Prova\" }}) {{ totalCount nodes {{ {file} }} }} }}"), Value::Null),
        ("query($f: ID!) { guests(filter: { facility: $f }) { totalCount } }".into(), json!({ "f": theirs })),
        (check("admitGuest"), json!({ "input": { "guest": guests[0], "facility": own, "category": "ORDINARY" } })),
    ];
    let driver = world.driver().await;
    let all = async || {
        let mut all = Vec::new();
        for (document, variables) in &questions {
            all.push((document, asked(&driver, &hub, "operator", document, variables).await));
        }
        all
    };
    let nowhere = all().await;
    let stay = text(&hub.admit("province", &guests[0], &theirs).await["stay"]["id"]);
    assert_eq!(all().await, nowhere);
    accepted(&hub, "dischargeGuest", "stay", json!({ "stay": stay, "reason": "OTHER" })).await;
    assert_eq!(all().await, nowhere);
}
