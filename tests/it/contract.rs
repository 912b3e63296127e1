//! The contract: committed, described, classified, and holding what others rely on.

use async_graphql::parser::{
    parse_schema,
    types::{FieldDefinition, InputValueDefinition, TypeDefinition, TypeKind, TypeSystemDefinition},
};
use serde_json::{Value, json};
use tavolo_resolvers::{Graph, error::ErrorCode};
use tavolo_schema::{Act, contract_name};

use crate::{
    harness::{World, input_type, person, text},
    stage::case::in_capitals,
    stage::hours_ago,
};

/// The types of the contract.
pub fn types() -> Vec<TypeDefinition> {
    let document = parse_schema(Graph::sdl()).expect("the contract is a schema");
    let types = document.definitions.into_iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) => Some(definition.node),
        _ => None,
    });
    types.collect()
}

/// The fields of an object or interface; none for other kinds.
pub fn fields(definition: &TypeDefinition) -> Vec<&FieldDefinition> {
    let fields = match &definition.kind {
        TypeKind::Object(object) => &object.fields,
        TypeKind::Interface(interface) => &interface.fields,
        _ => return Vec::new(),
    };
    fields.iter().map(|field| &field.node).collect()
}

/// The data class a field carries, as the contract writes it.
pub fn class_of(field: &FieldDefinition) -> Option<String> {
    let directive = field.directives.iter().find(|directive| directive.node.name.node == "dataClass")?;
    let class = directive.node.get_argument("class")?;
    Some(class.node.to_string())
}

#[test]
fn the_committed_contract_is_the_one_the_hub_answers_by() {
    let committed = include_str!("../../schema/schema.graphql");
    assert!(
        committed == Graph::sdl(),
        "schema/schema.graphql is stale; renew it with: cargo run -q -- schema > schema/schema.graphql"
    );
}

#[test]
fn everything_in_the_contract_is_described() {
    let mut silent = Vec::new();
    let mut described = 0;
    let mut expect = |path: String, description: Option<&str>| {
        described += 1;
        if description.is_none_or(|text| text.trim().is_empty()) {
            silent.push(path);
        }
    };
    let text =
        |description: &Option<async_graphql::Positioned<String>>| description.as_ref().map(|text| text.node.clone());
    for definition in types() {
        let name = &definition.name.node;
        expect(name.to_string(), text(&definition.description).as_deref());
        let mut expect_input = |path: &str, input: &InputValueDefinition| {
            expect(format!("{path}.{}", input.name.node), text(&input.description).as_deref());
        };
        for field in fields(&definition) {
            for argument in &field.arguments {
                expect_input(&format!("{name}.{}", field.name.node), &argument.node);
            }
        }
        if let TypeKind::InputObject(input) = &definition.kind {
            input.fields.iter().for_each(|field| expect_input(name, &field.node));
        }
        for field in fields(&definition) {
            expect(format!("{name}.{}", field.name.node), text(&field.description).as_deref());
        }
        if let TypeKind::Enum(values) = &definition.kind {
            for value in &values.values {
                expect(format!("{name}.{}", value.node.value.node), text(&value.node.description).as_deref());
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new(), "without a description");
    assert!(described > 400, "only {described} things were looked at");
}

#[test]
fn every_field_carries_its_data_class() {
    let known: Vec<String> = tavolo_schema::DataClass::ALL.into_iter().map(contract_name).collect();
    let mut bare = Vec::new();
    let mut seen = 0;
    for definition in types() {
        for field in fields(&definition) {
            seen += 1;
            if class_of(field).is_none_or(|class| !known.contains(&class)) {
                bare.push(format!("{}.{}", definition.name.node, field.name.node));
            }
        }
    }
    assert_eq!(bare, Vec::<String>::new(), "without @dataClass");
    assert!(seen > 150, "only {seen} fields were looked at");
}

#[test]
fn every_act_is_one_mutation_with_the_same_terms() {
    let types = types();
    let find = |name: &str| types.iter().find(|definition| definition.name.node == name).unwrap();
    let mutations = fields(find("Mutation"));
    let mut names: Vec<&str> = mutations.iter().map(|field| field.name.node.as_str()).collect();
    let mut acts: Vec<String> = Act::by_members().map(contract_name).collect();
    acts.sort();
    names.sort_unstable();
    assert_eq!(names.iter().map(|name| in_capitals(name)).collect::<Vec<_>>(), acts);

    for field in mutations {
        let name = field.name.node.as_str();
        let arguments: Vec<(String, String)> = field
            .arguments
            .iter()
            .map(|argument| (argument.node.name.node.to_string(), argument.node.ty.node.to_string()))
            .collect();
        let expected = [
            ("input".to_owned(), format!("{}!", input_type(name))),
            ("idempotencyKey".to_owned(), "String".to_owned()),
            ("validateOnly".to_owned(), "Boolean!".to_owned()),
        ];
        assert_eq!(arguments, expected, "{name}");
        assert_eq!(class_of(field).as_deref(), Some("ACT"), "{name}");
        assert!(field.ty.node.nullable, "{name}: a fault of one act must not take the others with it");
        let payload = find(&field.ty.node.to_string());
        for part in fields(payload) {
            let (own, ty) = (part.name.node.as_str(), part.ty.node.to_string());
            match own {
                "irregularities" => assert_eq!(ty, "[Irregularity!]!", "{name}"),
                "outcome" => assert_eq!(ty, "ActOutcome!", "{name}"),
                _ => assert!(part.ty.node.nullable, "{name}: {own} is null when the act is refused"),
            }
        }
        for own in ["irregularities", "outcome"] {
            assert!(fields(payload).iter().any(|part| part.name.node == own), "{name}: {own}");
        }
    }
}

#[tokio::test]
async fn the_contract_is_served_as_it_is() {
    let world = World::new().await;
    let hub = world.hub().await;
    let address = format!("http://{}/graphql/schema.graphql", hub.address);
    let served = hub.http.get(address).send().await.unwrap().text().await.unwrap();
    assert_eq!(served, Graph::sdl());
}

/// The operations that measurements from outside are made with, word by word.
#[tokio::test]
async fn the_operations_others_rely_on_are_answered() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;

    let register =
        "mutation($input: RegisterGuestInput!, $key: String) { registerGuest(input: $input, idempotencyKey: $key)
        { guest { id } irregularities { code severity path message } } }";
    let data = hub.data("operator", register, json!({ "input": person(), "key": "1" })).await;
    let guest = text(&data["registerGuest"]["guest"]["id"]);
    assert_eq!(data["registerGuest"]["irregularities"], json!([]));

    let watch =
        "subscription($filter: OccupancyFilter, $after: String) { occupancyChanged(filter: $filter, after: $after)
        { cursor kind facility { id code name } category capacity { occupied free } cause occurredAt registeredAt } }";
    let filter = json!({
        "facility": facility, "municipality": "101010", "operator": world.bodies.operator.encode(),
        "category": "ORDINARY",
    });
    let mut socket = hub.subscribe("operator", watch, json!({ "filter": filter, "after": null })).await;
    let current = socket.event().await;
    assert_eq!(current["kind"], "CURRENT");
    assert_eq!(current["capacity"], json!({ "occupied": 0, "free": 3 }));

    let admit = "mutation($guest: ID!, $facility: ID!, $category: PlaceCategory!, $occurredAt: DateTime) {
        admitGuest(input: {guest: $guest, facility: $facility, category: $category, occurredAt: $occurredAt})
        { stay { id status } irregularities { code severity path message } } }";
    let entry = hours_ago(&hub, 1);
    let variables = json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": entry });
    let data = hub.data("operator", admit, variables).await;
    let stay = text(&data["admitGuest"]["stay"]["id"]);
    assert_eq!(data["admitGuest"], json!({ "stay": { "id": stay, "status": "OPEN" }, "irregularities": [] }));

    let changed = socket.event().await;
    assert_eq!((&changed["kind"], &changed["cause"]), (&json!("CHANGED"), &json!("ADMISSION")));
    assert_eq!(changed["facility"]["id"], json!(facility));
    assert_eq!(changed["capacity"], json!({ "occupied": 1, "free": 2 }));
    assert_eq!(changed["occurredAt"], json!(entry));

    let discharge = "mutation($stay: ID!, $reason: ExitReason!, $occurredAt: DateTime) {
        dischargeGuest(input: {stay: $stay, reason: $reason, occurredAt: $occurredAt})
        { stay { id status } irregularities { code severity path message } } }";
    let variables = json!({ "stay": stay, "reason": "OTHER", "occurredAt": null });
    let data = hub.data("operator", discharge, variables).await;
    assert_eq!(data["dischargeGuest"], json!({ "stay": { "id": stay, "status": "CLOSED" }, "irregularities": [] }));

    let list = r#"{ facilities(filter: {municipality: "101010"}, first: 50) { nodes { id code name municipality { istatCode name } operator { id name kind }
        capacity { category accredited installed blocked allocable occupied reserved free overCapacity occupancyRate } accreditation { id status
        validUntil } } } }"#;
    let data = hub.data("province", list, Value::Null).await;
    let node = &data["facilities"]["nodes"][0];
    assert_eq!(node["id"], json!(facility));
    assert_eq!(node["municipality"], json!({ "istatCode": "101010", "name": "Crotone" }));
    let operator = json!({ "id": world.bodies.operator.encode(), "name": "Cooperativa Uno", "kind": "MANAGING_BODY" });
    assert_eq!(node["operator"], operator);
    assert_eq!(
        node["capacity"],
        json!([{
            "category": "ORDINARY", "accredited": 3, "installed": 3, "blocked": 0, "allocable": 3, "occupied": 0,
            "reserved": 0, "free": 3, "overCapacity": 0, "occupancyRate": 0.0,
        }])
    );
    assert_eq!(node["accreditation"]["status"], "ACCREDITED");
    assert_eq!(node["accreditation"]["validUntil"], "2029-11-22");
}

#[test]
fn the_contract_says_how_many_changes_a_cursor_may_be_behind() {
    let kept = tavolo_subscriptions::follower::Settings::default().kept;
    let told = format!("the last {},{:03} changes", kept / 1_000, kept % 1_000);
    let sdl = tavolo_resolvers::Graph::sdl();
    // As a paragraph, wherever its lines break.
    let words: Vec<&str> = sdl.split_whitespace().collect();
    assert!(words.join(" ").contains(&told), "{told}");
}

#[test]
fn every_code_of_an_error_is_explained() {
    let page = include_str!("../../docs/contract.md");
    let codes = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`'));
    let explained: Vec<&str> = codes.map(|(code, _)| code).filter(|code| *code != "extensions.code").collect();
    assert_eq!(explained, ErrorCode::ALL.map(ErrorCode::name));
}
