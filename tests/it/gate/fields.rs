//! What queries show: each field, each node, lists, filters and totals.

use std::collections::BTreeSet;

use async_graphql::parser::types::TypeKind;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tavolo_schema::{Act, DataClass, Relation, Role, access::counts_people, id::fresh};

use super::{
    Province, RECORDS, VIEWERS, relations, sight,
    ways::{
        Contract, EMPTY_FOR_WHOEVER_ONLY_LOOKS, NULL_FOR_EVERYBODY, NULL_FOR_THE_PUBLIC, NULL_WITH_SIGHT_OF_PERSONS,
        NULL_WITHOUT_SIGHT_OF_PERSONS, end, may_walk, shown, walks,
    },
};
use crate::{
    harness::{Client, TestClock, mutation_document, text},
    stage::CASES,
    stage::books,
};

#[tokio::test]
async fn every_field_is_shown_to_those_the_policy_names_and_to_nobody_else() {
    let province = Province::new().await;
    // In February, the statistics of the half-year that has ended are published.
    province.world.clock.advance_days(70);
    province.hub.has_published_the_day().await;
    let contract = Contract::read();
    let ways = contract.ways();
    let documents = walks(&contract, &ways);
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (subject, role) in VIEWERS {
        let acts = |relation| Act::by_members().any(|act| act.is_for(role, relation));
        let only_looks = !Relation::ALL.into_iter().any(acts);
        for record in 0..RECORDS {
            let sight = sight(subject, role, record);
            let mut data = serde_json::Map::new();
            for document in &documents {
                let mut answer = province.hub.send(subject, document, province.variables(record)).await;
                assert!(answer.get("errors").is_none(), "{role:?}, record {record}\n{answer:#}");
                wrong.extend(province.leaks(subject, role, &answer.to_string()));
                data.append(answer["data"].as_object_mut().unwrap());
            }
            let data = &Value::Object(data);
            for (index, way) in ways.iter().enumerate() {
                let open = may_walk(&contract, way, sight);
                for field in contract.walked(way) {
                    let name = field.name.node.as_str();
                    let path = format!("{}.{name}", way.to);
                    let excepted = NULL_FOR_EVERYBODY.contains(&path.as_str())
                        || (role == Role::Public && NULL_FOR_THE_PUBLIC.contains(&path.as_str()))
                        || (NULL_WITHOUT_SIGHT_OF_PERSONS.contains(&path.as_str())
                            && !sight.contains(DataClass::Identity))
                        || (NULL_WITH_SIGHT_OF_PERSONS.contains(&path.as_str()) && sight.contains(DataClass::Identity))
                        || (only_looks && EMPTY_FOR_WHOEVER_ONLY_LOOKS.contains(&path.as_str()));
                    let expected = open && sight.contains(contract.class(&way.to, name)) && !excepted;
                    let found = if way.steps.is_empty() {
                        shown(&data[format!("w{index}_{name}")])
                    } else {
                        end(data, index, way).is_some_and(|object| shown(&object[name]))
                    };
                    compared += 1;
                    if found != expected {
                        let verb = if found { "is shown" } else { "is not shown" };
                        let relation = relations(subject)[record];
                        wrong.push(format!("{path} {verb} to {role:?} as {relation:?} of record {record}"));
                    }
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    assert!(compared > 5_000, "only {compared} fields were compared");
}

#[tokio::test]
async fn a_node_is_found_by_those_who_see_its_class_and_by_nobody_else() {
    let province = Province::new().await;
    let contract = Contract::read();
    for (subject, role) in VIEWERS {
        for (record, stage) in province.records.iter().enumerate() {
            let sight = sight(subject, role, record);
            let things = stage.nodes();
            let nodes = contract.0.values().filter(|ty| match &ty.kind {
                TypeKind::Object(object) => object.implements.iter().any(|name| name.node == "Node"),
                _ => false,
            });
            let names: Vec<&str> = nodes.map(|ty| ty.name.node.as_str()).collect();
            assert_eq!(
                names,
                things.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
                "each kind of node has an id here"
            );
            let ids: Vec<&String> = things.iter().map(|(_, id)| id).collect();
            let document = "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }";
            let data = province.hub.data(subject, document, json!({ "ids": ids })).await;
            for (index, (name, id)) in things.into_iter().enumerate() {
                let expected = if sight.contains(contract.class(name, "id")) {
                    json!({ "__typename": name, "id": id })
                } else {
                    Value::Null
                };
                assert_eq!(data["nodes"][index], expected, "{name} of record {record} for {role:?}");
                let document = "query($id: ID!) { node(id: $id) { __typename id } }";
                let data = province.hub.data(subject, document, json!({ "id": id })).await;
                assert_eq!(data["node"], expected, "{name} of record {record} for {role:?}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_hidden_is_anywhere_in_what_lists_and_edges_answer() {
    let province = Province::new().await;
    let guest = "id surname givenNames birthDate citizenships taxCode cuiCode vestanetCode specialNeedDocumented";
    let document = format!(
        "{{ facilities(first: 10) {{ totalCount nodes {{ id code name projectCode address {{ street number postalCode }}
            capacity {{ blocks {{ id note }} }} accreditations {{ id reason actNumber facility {{ name }} }}
            stays(first: 5) {{ nodes {{ id exitReason guest {{ {guest} household {{ id members {{ {guest} }} }} }} }} }} }} }}
        guests(first: 20) {{ totalCount nodes {{ {guest} facility {{ name address {{ street }} }}
            stays {{ nodes {{ id facility {{ code }} }} }} household {{ id members {{ {guest} }} }} }} }}
        accreditations(first: 100) {{ totalCount nodes {{ id facility {{ name address {{ street }} }} }} }}
        organisations(first: 100) {{ nodes {{ id name taxCode }} }}
        occupancy(groupBy: FACILITY) {{ facility {{ name address {{ street }} }} operator {{ name }} }} }}"
    );
    for (subject, role) in VIEWERS {
        let answer = province.hub.send(subject, &document, Value::Null).await;
        assert!(answer.get("errors").is_none(), "{answer:#}");
        assert_eq!(province.leaks(subject, role, &answer.to_string()), Vec::<String>::new(), "{role:?}");

        let data = &answer["data"];
        let visible = province.visible(subject, role);
        assert_eq!(data["facilities"]["totalCount"], visible.len(), "{role:?}");
        assert_eq!(data["accreditations"]["totalCount"], visible.len() * 2, "{role:?}");
        let persons = (0..RECORDS).filter(|record| sight(subject, role, *record).contains(DataClass::Identity)).count();
        // The Province keeps the files of those who wait for a place; the Central Service sees every file.
        let waiting = if matches!(role, Role::Province | Role::CentralService) { RECORDS } else { 0 };
        let guests = if matches!(role, Role::Prefecture | Role::Analyst | Role::Public) {
            Value::Null
        } else {
            json!(persons * 2 + waiting)
        };
        assert_eq!(data["guests"]["totalCount"], guests, "{role:?}");
        // What is seen is there, so that the absence of the rest means something.
        let seen = answer.to_string();
        for secret in visible.iter().flat_map(|record| &province.records[*record].secrets) {
            if secret.class == DataClass::Operational && !secret.text.starts_with("KR") {
                assert!(seen.contains(&secret.text), "{role:?} does not see {}", secret.text);
            }
        }
    }
}

#[tokio::test]
async fn what_was_left_out_is_named_without_a_value() {
    let province = Province::new().await;
    let document =
        "query($facility: ID!) { facility(by: { id: $facility }) { name address { street } stays { nodes { id } } } }";
    let variables = json!({ "facility": province.records[0].facility });
    let answer = province.hub.send("analyst", document, variables.clone()).await;
    let redacted = json!([
        { "path": "facility.address", "dataClass": "ADDRESS" }, { "path": "facility.stays", "dataClass": "PRESENCE" },
    ]);
    assert_eq!(answer["extensions"]["redacted"], redacted);
    let answer = province.hub.send("operator", document, variables).await;
    assert!(answer["extensions"].get("redacted").is_none(), "{answer:#}");
}

/// An id of a thing that does not exist, of the same kind as `like`.
fn nobody(like: &str) -> String {
    let mut bytes = URL_SAFE_NO_PAD.decode(like).unwrap();
    bytes[1..].copy_from_slice(fresh(TestClock::new().now()).as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The bytes of an answer without what is left of the asker's budget, and its status.
pub async fn raw(hub: &Client, subject: &str, document: &str, variables: &Value) -> (StatusCode, String) {
    let mut request = hub.http.post(format!("http://{}/graphql", hub.address));
    if !subject.is_empty() {
        request = request.bearer_auth(hub.token(subject));
    }
    let answer = request.json(&json!({ "query": document, "variables": variables })).send().await.unwrap();
    let (status, text) = (answer.status(), answer.text().await.unwrap());
    match text.split_once("\"remaining\":") {
        Some((head, tail)) => (status, [head, tail.trim_start_matches(|digit: char| digit.is_ascii_digit())].concat()),
        None => (status, text),
    }
}

#[tokio::test]
async fn what_is_forbidden_answers_as_what_does_not_exist() {
    let province = Province::new().await;
    let hub = &province.hub;
    let stage = &province.records[2];
    // A file of the other operator whose guest has no place.
    let waiting = hub.guest("operator").await;
    let questions = [
        ("query($id: ID!) { facility(by: { id: $id }) { id stays { nodes { id } } } }", &stage.facility),
        (
            "query($id: ID!) { facilities(filter: { operator: null }) { totalCount } node(id: $id) { id } }",
            &stage.facility,
        ),
        ("query($id: ID!) { nodes(ids: [$id, $id]) { id } }", &stage.facility),
        ("query($id: ID!) { accreditation(by: { id: $id }) { id } node(id: $id) { id } }", &stage.accreditation),
        ("query($id: ID!) { accreditations(filter: { facility: $id }) { totalCount nodes { id } } }", &stage.facility),
        ("query($id: ID!) { guest(by: { id: $id }) { id surname } }", &stage.guest),
        ("query($id: ID!) { node(id: $id) { id ... on Guest { surname } } nodes(ids: [$id]) { id } }", &stage.guest),
        (
            "query($id: ID!) { guests(filter: { facility: $id }) { totalCount nodes { id } pageInfo { hasNextPage } } }",
            &stage.facility,
        ),
        ("query($id: ID!) { node(id: $id) { id ... on Household { members { id } } } }", &stage.household),
        ("query($id: ID!) { node(id: $id) { id ... on Stay { status } } nodes(ids: [$id]) { id } }", &stage.closed),
        (
            "query($id: ID!) { occupancy(filter: { facility: $id }, groupBy: MUNICIPALITY) { facilities } }",
            &stage.facility,
        ),
        (
            "query($id: ID!) { occupancy(filter: { facility: $id }, groupBy: CATEGORY) { capacity { free } } }",
            &stage.facility,
        ),
        (
            "query($id: ID!) { occupancyHistory(filter: { facility: $id }, from: \"2026-11-22T00:00:00Z\") { capacity { free } } }",
            &stage.facility,
        ),
        (
            "query($id: ID!) { statistics(filter: { facility: $id }, from: \"2026-11-22\", to: \"2026-11-23\") { to } }",
            &stage.facility,
        ),
    ];
    let stranger_to = |subject: &str, class: DataClass| {
        let (_, role) = VIEWERS.into_iter().find(|(viewer, _)| *viewer == subject).unwrap();
        !sight(subject, role, 2).contains(class)
    };
    let mut compared = 0;
    for (subject, _) in VIEWERS {
        for (document, id) in &questions {
            let class = match URL_SAFE_NO_PAD.decode(id).unwrap()[0] {
                b'f' | b'a' if document.contains("guests") => DataClass::Identity,
                b'f' | b'a' => DataClass::Operational,
                b's' => DataClass::Presence,
                _ => DataClass::Identity,
            };
            if !stranger_to(subject, class) {
                continue;
            }
            compared += 1;
            let unknown = nobody(id);
            let forbidden = raw(hub, subject, document, &json!({ "id": id })).await;
            let absent = raw(hub, subject, document, &json!({ "id": unknown })).await;
            assert_eq!((forbidden.0, forbidden.1.replace(*id, &unknown)), absent, "{subject:?}: {document}");
            let nonsense = raw(hub, subject, document, &json!({ "id": "nonsense" })).await;
            assert_eq!(nonsense, absent, "{subject:?}: {document}");
        }
        let by_code = "query($code: String!) { facility(by: { code: $code }) { id } }";
        if stranger_to(subject, DataClass::Operational) {
            let forbidden = raw(hub, subject, by_code, &json!({ "code": stage.code })).await;
            assert_eq!(forbidden, raw(hub, subject, by_code, &json!({ "code": "KR-F-9999" })).await, "{subject:?}");
        }
    }
    assert!(compared > 40, "only {compared} questions were compared");

    // The same of acts: what is named and out of reach does not exist.
    let own = &province.records[5];
    let mut orders = Vec::new();
    for case in CASES.iter() {
        for names in case.names {
            let mut input = (case.input)(own);
            let id = names(&mut input, stage);
            orders.push((case.mutation, input, id));
        }
    }
    let needs = "MENTAL_HEALTH_OR_DISABILITY";
    let admission = json!({ "guest": waiting, "facility": own.facility, "category": needs });
    orders.push(("admitGuest", admission, waiting));
    assert!(orders.len() > 10, "only {} orders name something", orders.len());
    for (mutation, input, id) in orders {
        let before = books(&province.world).await;
        let document = mutation_document(mutation, "irregularities { code path message }");
        let unknown = nobody(&id);
        let named = input.to_string();
        let other: Value = serde_json::from_str(&named.replace(id.as_str(), &unknown)).unwrap();
        let forbidden = raw(hub, "other_operator", &document, &json!({ "input": input })).await;
        let absent = raw(hub, "other_operator", &document, &json!({ "input": other })).await;
        assert_eq!((forbidden.0, forbidden.1.replace(id.as_str(), &unknown)), absent, "{mutation}");
        assert!(forbidden.1.contains("UNKNOWN_"), "{mutation}: {}", forbidden.1);
        assert_eq!(books(&province.world).await, before, "{mutation}");
    }
}

#[tokio::test]
async fn filters_and_orders_tell_nothing_that_is_hidden() {
    let province = Province::new().await;
    let hub = &province.hub;
    let stage = &province.records[2];
    let operator = province.world.bodies.operator.encode();
    let count = async |subject: &str, list: &str, filter: Value| {
        let kind = if list == "guests" { "GuestFilter" } else { "FacilityFilter" };
        let document = format!("query($filter: {kind}) {{ {list}(filter: $filter) {{ totalCount nodes {{ id }} }} }}");
        let data = hub.data(subject, &document, json!({ "filter": filter })).await;
        let connection = &data[list];
        assert_eq!(connection["totalCount"], connection["nodes"].as_array().unwrap().len());
        connection["totalCount"].as_u64().unwrap()
    };
    // An address is no text to search by, not even for those who see it.
    for (subject, _) in VIEWERS {
        for text in ["Gelsomini", "12/B", "88842", "Berhane", "Tubature"] {
            assert_eq!(count(subject, "facilities", json!({ "text": text })).await, 0, "{subject:?} by {text}");
        }
    }
    for (filter, own, all) in [
        (json!({}), 1, 6),
        (json!({ "operator": operator }), 0, 3),
        (json!({ "text": stage.code }), 0, 1),
        (json!({ "text": "casa levante" }), 1, 6),
        (json!({ "text": "prog-03" }), 0, 1),
        (json!({ "text": "cutro" }), 1, 2),
        (json!({ "municipality": "101012" }), 1, 2),
        (json!({ "municipality": "101010" }), 0, 4),
        (json!({ "category": "MENTAL_HEALTH_OR_DISABILITY", "freePlacesAtLeast": 2 }), 1, 6),
        (json!({ "accreditationStatus": "SUBMITTED" }), 1, 6),
    ] {
        assert_eq!(count("other_operator", "facilities", filter.clone()).await, own, "{filter}");
        assert_eq!(count("prefecture", "facilities", filter.clone()).await, all, "{filter}");
        assert_eq!(count("", "facilities", filter).await, 0);
    }
    for (filter, own, all) in [
        (json!({}), 2, 18),
        (json!({ "facility": stage.facility }), 0, 2),
        (json!({ "surname": "Tesfay" }), 2, 12),
        (json!({ "surname": "Tesfay06" }), 0, 1),
        (json!({ "citizenship": "ERI" }), 2, 12),
        (json!({ "legalStatus": "SUBSIDIARY_PROTECTION" }), 2, 12),
        (json!({ "present": true }), 2, 12),
        (json!({ "present": false }), 0, 6),
    ] {
        assert_eq!(count("other_operator", "guests", filter.clone()).await, own, "{filter}");
        assert_eq!(count("province", "guests", filter.clone()).await, all, "{filter}");
    }
    for field in ["CODE", "NAME", "FREE_PLACES", "OCCUPANCY"] {
        for direction in ["ASC", "DESC"] {
            let document = format!(
                "{{ facilities(orderBy: {{ field: {field}, direction: {direction} }}) {{ nodes {{ id }} edges {{ cursor }}
                    pageInfo {{ hasNextPage hasPreviousPage }} }} }}"
            );
            let data = hub.data("other_operator", &document, Value::Null).await;
            let nodes = json!([{ "id": province.records[5].facility }]);
            assert_eq!(data["facilities"]["nodes"], nodes, "{field} {direction}");
            let alone = json!({ "hasNextPage": false, "hasPreviousPage": false });
            assert_eq!(data["facilities"]["pageInfo"], alone, "{field} {direction}");
        }
    }
}

#[tokio::test]
async fn totals_are_the_same_for_every_body_and_closer_looks_count_what_is_seen() {
    let province = Province::new().await;
    let hub = &province.hub;
    let numbers = "facilities capacity { accredited installed blocked allocable occupied reserved free overCapacity }";
    let totals = format!(
        "{{ municipality: occupancy(groupBy: MUNICIPALITY) {{ municipality {{ istatCode }} {numbers} }}
            category: occupancy(groupBy: CATEGORY) {{ category {numbers} }}
            province: occupancy(groupBy: PROVINCE) {{ province {numbers} }}
            minors: occupancy(filter: {{ municipality: \"101010\", category: ORDINARY }}, groupBy: PROVINCE) {{ {numbers} }} }}"
    );
    let closer = format!(
        "query($operator: ID!, $facility: ID!) {{
            facilities: occupancy(groupBy: FACILITY) {{ facility {{ id }} {numbers} }}
            operators: occupancy(groupBy: OPERATOR) {{ operator {{ id }} {numbers} }}
            one: occupancy(filter: {{ operator: $operator }}, groupBy: MUNICIPALITY) {{ {numbers} }}
            other: occupancy(filter: {{ facility: $facility }}, groupBy: PROVINCE) {{ {numbers} }} }}"
    );
    let of_stages = |stages: usize| {
        json!({
            "accredited": 6 * stages, "installed": 6 * stages, "blocked": 3 * stages, "allocable": 3 * stages,
            "occupied": 2 * stages, "reserved": 0, "free": 2 * stages, "overCapacity": stages,
        })
    };
    let expected = hub.data("province", &totals, Value::Null).await;
    assert_eq!(expected["province"], json!([{ "province": "KR", "facilities": 6, "capacity": of_stages(6) }]));
    assert_eq!(
        expected["municipality"],
        json!([
            { "municipality": { "istatCode": "101010" }, "facilities": 4, "capacity": of_stages(4) },
            { "municipality": { "istatCode": "101012" }, "facilities": 2, "capacity": of_stages(2) },
        ])
    );
    let variables = json!({
        "operator": province.world.bodies.operator.encode(), "facility": province.records[5].facility,
    });
    for (subject, role) in VIEWERS {
        if counts_people(role) {
            assert_eq!(hub.data(subject, &totals, Value::Null).await, expected, "{role:?}");
        }
        let visible = province.visible(subject, role);
        let data = hub.data(subject, &closer, variables.clone()).await;
        let each: Vec<Value> = visible
            .iter()
            .map(|record| {
                let facility = &province.records[*record].facility;
                let mut capacity = of_stages(1);
                if !counts_people(role) {
                    // Its ordinary places, as of the end of the day before.
                    capacity = json!({
                        "accredited": 4, "installed": 4, "blocked": 3, "allocable": 1,
                        "occupied": 0, "reserved": 0, "free": 1, "overCapacity": 0,
                    });
                }
                json!({ "facility": { "id": facility }, "facilities": 1, "capacity": capacity })
            })
            .collect();
        assert_eq!(data["facilities"], json!(each), "{role:?}");
        let operators: BTreeSet<String> =
            visible.iter().map(|record| province.records[*record].setting.operator.encode()).collect();
        let found: BTreeSet<String> =
            data["operators"].as_array().unwrap().iter().map(|group| text(&group["operator"]["id"])).collect();
        assert_eq!(found, operators, "{role:?}");
        let sum = |groups: &Value| {
            groups.as_array().unwrap().iter().filter_map(|group| group["facilities"].as_u64()).sum::<u64>()
        };
        assert_eq!(sum(&data["operators"]), visible.len() as u64, "{role:?}");
        assert_eq!(sum(&data["one"]), visible.iter().filter(|record| **record < 3).count() as u64, "{role:?}");
        assert_eq!(sum(&data["other"]), u64::from(visible.contains(&5)), "{role:?}");
    }
}
