//! Who kept a file once: it is seen as it was when the guest left, in every way and whatever has come after.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tavolo_schema::id::OrganisationId;

use crate::{
    gate::raw,
    harness::{Client, World, codes, mutation_document, person, text},
    stage::{accepted, provisional_tax_code},
};

const FILE: &str = "id surname givenNames sex birthDate birthDatePrecision citizenships languages taxCode cuiCode
    vestanetCode legalStatus unaccompaniedMinor specialNeedDocumented householdRole registeredAt facility { id }
    stays(first: 3) { nodes { id status entryAt exitAt exitReason facility { id } guest { id } } pageInfo { hasNextPage } }";

const RELATIVE: &str = "id surname specialNeedDocumented facility { id } stays(first: 3) { nodes { id exitAt } }";

/// Everything by which a former keeper could learn what became of a guest, as bytes.
async fn everything(hub: &Client, subject: &str, of: &Case) -> Vec<(String, String)> {
    let file = format!("{FILE} household {{ id members {{ {RELATIVE} }} }}");
    let list =
        format!("{{ totalCount nodes {{ {FILE} }} edges {{ cursor }} pageInfo {{ hasNextPage hasPreviousPage }} }}");
    let mut questions = vec![
        format!("query($g: ID!) {{ guest(by: {{ id: $g }}) {{ {file} }} }}"),
        format!("query($g: ID!) {{ node(id: $g) {{ id ... on Guest {{ {file} }} }} }}"),
        format!("query($g: ID!, $h: ID!, $s: ID!) {{ nodes(ids: [$g, $h, $s]) {{ id ... on Guest {{ {file} }}
            ... on Household {{ members {{ {RELATIVE} }} }} ... on Stay {{ status exitAt exitReason guest {{ {RELATIVE} }} }} }} }}"),
        format!("query($f: ID!) {{ facility(by: {{ id: $f }}) {{ occupancy {{ occupied free }}
            stays(first: 3) {{ nodes {{ id exitAt exitReason guest {{ {RELATIVE} }} }} }} }} }}"),
        "{ guestLookups { totalCount nodes { found guests { id } } } }".to_owned(),
        "{ statistics(from: \"2026-10-01\", to: \"2026-11-30\") { hosted { count } bySex { sex count }
            exitsByReason { reason count } lengthOfStay { meanDays } } }"
            .to_owned(),
    ];
    for filter in [
        "",
        "(first: 1)",
        "(last: 1)",
        "(filter: { present: true })",
        "(filter: { present: false })",
        "(filter: { facility: $f })",
        "(filter: { facility: $t })",
        "(filter: { facility: $t, present: false })",
        "(filter: { surname: \"Kept\" })",
        "(filter: { surname: \"Kept\", present: true })",
        "(filter: { surname: \"Kept\", present: false, citizenship: \"ERI\", legalStatus: REFUGEE })",
    ] {
        let variables = [("$f", "$f: ID!"), ("$t", "$t: ID!")];
        let declared: Vec<&str> =
            variables.into_iter().filter(|(name, _)| filter.contains(name)).map(|(_, declared)| declared).collect();
        let head = if declared.is_empty() { String::new() } else { format!("query({}) ", declared.join(", ")) };
        questions.push(format!("{head}{{ guests{filter} {list} }}"));
    }
    let variables = json!({ "g": of.guest, "h": of.household, "s": of.stay.as_str().unwrap_or("none"), "f": of.facility, "t": of.there });
    let mut answers = Vec::new();
    for question in &questions {
        let (status, bytes) = raw(hub, subject, question, &variables).await;
        assert!(!bytes.contains("\"errors\""), "{question}\n{bytes}");
        answers.push((format!("{status} {question}"), in_one_order(&bytes)));
    }
    // A municipality performs no act.
    for (mutation, input, only) in of.orders().into_iter().filter(|_| subject == "operator") {
        let document = mutation_document(mutation, "irregularities { code path message severity }");
        let (_, bytes) = raw(hub, subject, &document, &json!({ "input": input, "only": only })).await;
        answers.push((format!("{mutation} {input} {only}"), in_one_order(&bytes)));
    }
    for table in ["stays", "facilities", "ledger", "statistics"] {
        let address = format!("http://{}/export/{table}.csv?from=2026-10-01&to=2026-11-30", hub.address);
        let address = if table == "facilities" { address.split('?').next().unwrap().to_owned() } else { address };
        let answer = hub.http.get(address).bearer_auth(hub.token(subject)).send().await.unwrap();
        answers.push((table.to_owned(), answer.text().await.unwrap()));
    }
    answers
}

/// The fields of an object stand in an answer in the order in which they were ready, which is any.
fn in_one_order(answer: &str) -> String {
    // What is left of the budget is cut out.
    let answer = answer.replace(",,", ",").replace(",}", "}");
    serde_json::from_str::<BTreeMap<String, Value>>(&answer).map(|answer| json!(answer).to_string()).unwrap()
}

/// Somebody whose file was kept, and what there is to ask about.
struct Case {
    guest: String,
    household: String,
    stay: Value,
    facility: Value,
    /// Where somebody else takes the guest in.
    there: String,
    particulars: Value,
}

impl Case {
    async fn new(hub: &Client, subject: &str, there: &str, number: u32) -> Self {
        let mut particulars = person();
        for (field, value) in [
            ("surname", json!(format!("Kept{number}"))),
            ("citizenships", json!(["ERI"])),
            ("legalStatus", json!("REFUGEE")),
            ("specialNeedDocumented", json!(true)),
            ("taxCode", json!(provisional_tax_code(number))),
            ("cuiCode", json!(format!("CUI{number}"))),
            ("vestanetCode", json!(format!("KR{number}"))),
        ] {
            particulars[field] = value;
        }
        let payload = hub.act(subject, "registerGuest", "guest { id household { id } }", particulars.clone()).await;
        let (guest, household) = (text(&payload["guest"]["id"]), text(&payload["guest"]["household"]["id"]));
        let mut child = person();
        child["household"] = json!({ "id": household, "role": "CHILD" });
        child["birthDate"] = json!("2018-01-01");
        hub.act(subject, "registerGuest", "guest { id }", child).await;
        Self { guest, household, stay: Value::Null, facility: Value::Null, there: there.to_owned(), particulars }
    }

    /// What may be asked without anything being written: checks, and orders that are refused within sight.
    fn orders(&self) -> Vec<(&'static str, Value, bool)> {
        let mut alike = self.particulars.clone();
        for field in ["taxCode", "cuiCode", "vestanetCode"] {
            alike[field] = Value::Null;
        }
        let mut relative = person();
        relative["household"] = json!({ "id": self.household, "role": "SIBLING" });
        relative["surname"] = json!("Relative");
        let mut orders = vec![
            ("registerGuest", self.particulars.clone(), true),
            ("registerGuest", self.particulars.clone(), false),
            ("registerGuest", alike, true),
            ("registerGuest", relative, true),
        ];
        if !self.facility.is_null() {
            for category in ["ORDINARY", "MENTAL_HEALTH_OR_DISABILITY", "UNACCOMPANIED_MINOR"] {
                for at in [Value::Null, json!("2026-11-23T07:30:00Z"), json!("2026-11-23T04:30:00Z")] {
                    let input = json!({
                        "guest": self.guest, "facility": self.facility, "category": category, "occurredAt": at,
                    });
                    orders.push(("admitGuest", input, true));
                }
            }
        }
        if !self.stay.is_null() {
            let input = json!({ "stay": self.stay, "reason": "OTHER" });
            orders.push(("dischargeGuest", input.clone(), true));
            orders.push(("dischargeGuest", input, false));
        }
        orders
    }
}

fn admission(guest: &str, facility: &str, at: Option<&str>) -> Value {
    json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": at })
}

/// Asks everything while the guest is nowhere, with somebody else, gone from there, with the Province, and gone again.
async fn follows(hub: &Client, subject: &str, case: &Case, elsewhere: &[&str]) {
    let nowhere = everything(hub, subject, case).await;
    let file = &nowhere[0].1;
    assert!(
        file.contains("Kept") && file.contains("\"specialNeedDocumented\":true"),
        "{subject} sees the file: {file}"
    );
    for facility in elsewhere {
        let stay = accepted(hub, "admitGuest", "stay", admission(&case.guest, facility, None)).await;
        same(&everything(hub, subject, case).await, &nowhere, &format!("{subject}, hosted elsewhere"));
        let exit = json!({ "stay": stay, "reason": "CUSTODY" });
        accepted(hub, "dischargeGuest", "stay", exit).await;
        same(&everything(hub, subject, case).await, &nowhere, &format!("{subject}, gone from elsewhere"));
    }
    let nodes = "query($id: ID!) { guest(by: { id: $id }) { id } }";
    let other = hub.data("other_operator", nodes, json!({ "id": case.guest })).await;
    assert_eq!(other["guest"]["id"], json!(case.guest), "who hosted the guest meanwhile is a former keeper as well");
}

fn same(now: &[(String, String)], then: &[(String, String)], when: &str) {
    for ((question, now), (_, then)) in now.iter().zip(then) {
        assert_eq!(now, then, "{when}: {question}");
    }
    assert_eq!(now.len(), then.len());
}

/// A facility of a body with places of two categories.
async fn house(hub: &Client, operator: OrganisationId, holder: OrganisationId) -> String {
    let facility = hub.facility(operator, holder, "ORDINARY", 5).await;
    hub.accredit(&facility, "MENTAL_HEALTH_OR_DISABILITY", 2).await;
    facility
}

/// A facility off the territory of the municipality that looks.
async fn in_cutro(hub: &Client, operator: OrganisationId, holder: OrganisationId) -> String {
    let input = json!({
        "name": "Casa di Cutro", "type": "APARTMENT", "municipality": "101012",
        "address": { "street": "Via Nuova", "number": "1", "postalCode": "88842" },
        "operator": operator.encode(), "holder": holder.encode(),
    });
    let facility = accepted(hub, "registerFacility", "facility", input).await;
    hub.accredit(&facility, "ORDINARY", 5).await;
    facility
}

#[tokio::test]
async fn a_former_keeper_cannot_tell_what_has_come_after() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let own = house(&hub, bodies.operator, bodies.municipality).await;
    let of_town = house(&hub, bodies.municipality, bodies.municipality).await;
    let theirs = in_cutro(&hub, bodies.other_operator, bodies.province).await;
    let of_province = in_cutro(&hub, bodies.province, bodies.province).await;
    let elsewhere = [&*theirs, &of_province];
    for (number, subject, host) in [(1, "operator", &own), (2, "municipality", &of_town)] {
        let opener = if subject == "operator" { subject } else { "province" };
        let mut case = Case::new(&hub, opener, &theirs, number).await;
        let stay =
            accepted(&hub, "admitGuest", "stay", admission(&case.guest, host, Some("2026-11-23T05:00:00Z"))).await;
        let exit = json!({ "stay": stay, "reason": "TERM_EXPIRED", "occurredAt": "2026-11-23T07:00:00Z" });
        accepted(&hub, "dischargeGuest", "stay", exit).await;
        (case.stay, case.facility) = (json!(stay), json!(host));
        follows(&hub, subject, &case, &elsewhere).await;
    }
    // Who only opened the file sees it as it was until somebody took the guest in.
    let case = Case::new(&hub, "operator", &theirs, 3).await;
    follows(&hub, "operator", &Case { facility: json!(own), ..case }, &elsewhere).await;
}

#[tokio::test]
async fn a_guest_who_comes_back_is_an_ordinary_guest_again() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let own = house(&hub, bodies.operator, bodies.municipality).await;
    let theirs = house(&hub, bodies.other_operator, bodies.province).await;
    let guest = hub.guest("operator").await;
    let document =
        "query($id: ID!, $f: ID!) { guest(by: { id: $id }) { facility { id } stays { nodes { facility { id } } } }
        guests(filter: { facility: $f }) { totalCount } }";
    let seen = async |subject: &str, facility: &str| {
        let data = hub.data(subject, document, json!({ "id": guest, "f": facility })).await;
        let stays = data["guest"]["stays"]["nodes"].as_array().map(Vec::len);
        (data["guest"]["facility"]["id"].clone(), stays, data["guests"]["totalCount"].clone())
    };
    let leave = async |stay: &str| {
        accepted(&hub, "dischargeGuest", "stay", json!({ "stay": stay, "reason": "OTHER" })).await;
    };
    let none = (Value::Null, None, json!(0));
    assert_eq!(seen("other_operator", &theirs).await, none);
    for round in 1..3_usize {
        let stay = accepted(&hub, "admitGuest", "stay", admission(&guest, &own, None)).await;
        assert_eq!(seen("operator", &own).await, (json!(own), Some(round), json!(1)));
        leave(&stay).await;
        let stay = accepted(&hub, "admitGuest", "stay", admission(&guest, &theirs, None)).await;
        assert_eq!(seen("operator", &own).await, (Value::Null, Some(round), json!(0)));
        assert_eq!(seen("operator", &theirs).await, (Value::Null, Some(round), json!(0)));
        assert_eq!(seen("other_operator", &theirs).await, (json!(theirs), Some(round), json!(1)));
        leave(&stay).await;
    }
    // An order tells that the guest is not to be admitted, as it always did, and is on record with whose file it was.
    let checked = json!({ "input": admission(&guest, &own, None), "only": true });
    let checked = hub.order("operator", "admitGuest", "__typename", checked).await;
    assert_eq!(codes(&checked["data"]["admitGuest"]), Vec::<String>::new());
    hub.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(codes(&hub.admit("operator", &guest, &own).await), ["UNKNOWN_GUEST"]);
    let look = crate::lookups::looks(&hub, "province").await.pop().unwrap();
    assert_eq!((&look["act"], &look["guests"]), (&json!("ADMIT_GUEST"), &json!([{ "id": guest }])));
}
