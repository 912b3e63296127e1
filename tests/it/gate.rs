//! The gate, walked: every field of every type, for every role, in every relation a role can have to a record.
//!
//! What is walked comes from the contract, what must come back from the policy in `tavolo_schema::access`. A type that
//! nobody has told the way to is a failure, and so is a field that is null although its class may be seen.

use std::collections::{BTreeMap, BTreeSet};

use async_graphql::{
    Request, Variables,
    parser::types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use futures_util::{FutureExt, StreamExt};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tavolo::tokens::Signer;
use tavolo_resolvers::{Answer, Viewer};
use tavolo_schema::{
    Act, DataClass, Member, Organisation, OrganisationKind, Relation, Role,
    access::{may, sees},
    contract_name,
    id::{AccreditationId, BlockId, FacilityId, GuestId, HouseholdId, OrganisationId, StayId},
};

use crate::{
    contract::{class_of, fields, types},
    harness::{Client, SIGNER, TestClock, World, blocking, organisation, text, until, watch},
    stage::{Setting, Stage, assert_books_agree, books},
};

/// Who looks. The empty subject is the public.
const VIEWERS: [(&str, Role); 8] = [
    ("province", Role::Province),
    ("operator", Role::Operator),
    ("other_operator", Role::Operator),
    ("municipality", Role::Municipality),
    ("prefecture", Role::Prefecture),
    ("central_service", Role::CentralService),
    ("analyst", Role::Analyst),
    ("", Role::Public),
];

/// How many records there are to look at, see [`Province::new`].
const RECORDS: usize = 6;

/// How each viewer stands to each record.
fn relations(subject: &str) -> [Relation; RECORDS] {
    use Relation::{Holder as H, Keeper as K, Stranger as S, Territory as T};
    match subject {
        "operator" => [K, K, K, S, S, S],
        "other_operator" => [S, S, S, S, S, K],
        "municipality" => [H, T, S, K, T, S],
        // The analyst works at the Province.
        "province" | "analyst" => [S, H, H, S, K, H],
        _ => [S; RECORDS],
    }
}

fn sight(subject: &str, role: Role, record: usize) -> tavolo_schema::Classes {
    sees(role, relations(subject)[record])
}

/// A province with a record for each relation.
struct Province {
    world: World,
    hub: Client,
    records: Vec<Stage>,
    /// An organisation of which everything is known.
    town: OrganisationId,
}

impl Province {
    async fn new() -> Self {
        let world = World::new().await;
        let town = Organisation {
            tax_code: Some("81000250795".into()),
            ..organisation("Comune di Cotronei", OrganisationKind::Municipality, Some("101009"))
        };
        world.store.add_organisations(std::slice::from_ref(&town)).await.unwrap();
        let hub = world.hub().await;
        let bodies = &world.bodies;
        let settings = [
            Setting::in_crotone(1, bodies.operator, bodies.municipality),
            Setting::in_crotone(2, bodies.operator, bodies.province),
            Setting::in_cutro(3, bodies.operator, bodies.province),
            Setting::in_crotone(4, bodies.municipality, bodies.municipality),
            Setting::in_crotone(5, bodies.province, bodies.province),
            Setting::in_cutro(6, bodies.other_operator, bodies.province),
        ];
        let mut records = Vec::new();
        for setting in settings {
            records.push(Stage::set(&hub, setting).await);
        }
        assert_eq!(records.len(), RECORDS);
        Self { town: town.id, world, hub, records }
    }

    fn variables(&self, record: usize) -> Value {
        let stage = &self.records[record];
        json!({
            "facility": stage.facility, "code": stage.code, "accreditation": stage.accreditation, "guest": stage.guest,
            "town": self.town.encode(), "municipality": stage.setting.municipality,
        })
    }

    /// The records whose facility a viewer sees.
    fn visible(&self, subject: &str, role: Role) -> Vec<usize> {
        (0..RECORDS).filter(|record| sight(subject, role, *record).contains(DataClass::Operational)).collect()
    }

    /// Everything in a text that this viewer may not know.
    fn leaks(&self, subject: &str, role: Role, text: &str) -> Vec<String> {
        let mut leaks = Vec::new();
        for (record, stage) in self.records.iter().enumerate() {
            let sight = sight(subject, role, record);
            let hidden = stage.secrets.iter().filter(|secret| !sight.contains(secret.class));
            let found = hidden.filter(|secret| text.contains(&secret.text));
            leaks.extend(found.map(|secret| format!("{:?} of record {record}: {}", secret.class, secret.text)));
        }
        leaks
    }
}

/// A way from `Query` to the objects of a type, and the fields to walk there; all when none are named.
struct Way {
    to: &'static str,
    fields: &'static [&'static str],
    steps: &'static [&'static str],
}

const fn way(to: &'static str, steps: &'static [&'static str]) -> Way {
    Way { to, fields: &[], steps }
}

const FACILITY: &str = "facility(by: { id: $facility })";
const BY_CODE: &str = "facilities(filter: { text: $code })";
const ITS_ACCREDITATIONS: &str = "accreditations(filter: { facility: $facility })";
const ITS_GUESTS: &str = "guests(filter: { facility: $facility })";
const STATISTICS: &str = "statistics(filter: { facility: $facility }, from: \"2026-10-01\", to: \"2026-11-30\")";
const LEFT: &str = "stays(status: CLOSED)";

/// The ways to all types that a query reaches.
const WAYS: &[Way] = &[
    way("Query", &[]),
    way("AgeBandCount", &[STATISTICS, "byAgeBand"]),
    way("Accreditation", &["accreditation(by: { id: $accreditation })"]),
    way("AccreditationConnection", &[ITS_ACCREDITATIONS]),
    way("AccreditationEdge", &[ITS_ACCREDITATIONS, "edges"]),
    way("Address", &[FACILITY, "address"]),
    way("Block", &[FACILITY, "capacity", "blocks"]),
    way("Capacity", &[FACILITY, "capacity"]),
    way("CapacityNumbers", &[FACILITY, "occupancy"]),
    way("CategoryPlaces", &[FACILITY, "accreditation", "granted"]),
    way("CitizenshipCount", &[STATISTICS, "byCitizenship"]),
    way("Count", &[STATISTICS, "hosted"]),
    way("ExitReasonCount", &[STATISTICS, "exitsByReason"]),
    way("Facility", &[FACILITY]),
    way("FacilityConnection", &[BY_CODE]),
    way("FacilityEdge", &[BY_CODE, "edges"]),
    way("Guest", &["guest(by: { id: $guest })"]),
    way("GuestConnection", &[ITS_GUESTS]),
    way("GuestEdge", &[ITS_GUESTS, "edges"]),
    way("Household", &["guest(by: { id: $guest })", "household"]),
    way("Irregularity", &[FACILITY, "irregularities"]),
    way("LengthBandCount", &[STATISTICS, "lengthOfStay", "bands"]),
    way("LengthOfStay", &[STATISTICS, "lengthOfStay"]),
    way("MonthMovements", &[STATISTICS, "movementsByMonth"]),
    way("Municipality", &["municipalities"]),
    way("Node", &["node(id: $town)"]),
    Way {
        to: "OccupancyGroup",
        fields: &["province", "facilities", "capacity"],
        steps: &["occupancy(groupBy: PROVINCE)"],
    },
    Way {
        to: "OccupancyGroup",
        fields: &["municipality", "facilities", "capacity"],
        steps: &["occupancy(filter: { municipality: $municipality }, groupBy: MUNICIPALITY)"],
    },
    Way { to: "OccupancyGroup", fields: &["category"], steps: &["occupancy(groupBy: CATEGORY)"] },
    Way {
        to: "OccupancyGroup",
        fields: &["operator"],
        steps: &["occupancy(filter: { facility: $facility }, groupBy: OPERATOR)"],
    },
    Way {
        to: "OccupancyGroup",
        fields: &["facility"],
        steps: &["occupancy(filter: { facility: $facility }, groupBy: FACILITY)"],
    },
    way("OccupancyPoint", &["occupancyHistory(from: \"2026-11-23T00:00:00Z\")"]),
    way("Organisation", &["organisation(by: { id: $town })"]),
    way("OrganisationConnection", &["organisations"]),
    way("OrganisationEdge", &["organisations", "edges"]),
    way("PageInfo", &["organisations", "pageInfo"]),
    way("Room", &[FACILITY, "rooms"]),
    way("SexCount", &[STATISTICS, "bySex"]),
    way("Sight", &["viewer", "sight"]),
    way("Statistics", &[STATISTICS]),
    way("Stay", &[FACILITY, LEFT, "nodes"]),
    way("StayConnection", &[FACILITY, LEFT]),
    way("StayEdge", &[FACILITY, LEFT, "edges"]),
    way("Viewer", &["viewer"]),
];

/// The types that only an act reaches, walked by `every_act_answers_through_the_gate`.
const BY_ACT: [&str; 6] =
    ["Mutation", "AccreditationPayload", "BlockPlacesPayload", "FacilityPayload", "GuestPayload", "StayPayload"];

/// The types that only a subscription reaches, walked by `an_event_never_carries_a_facility_the_viewer_does_not_see` and
/// `totals_that_change_are_those_that_are_asked_for`.
const BY_WATCHING: [&str; 3] = ["Subscription", "OccupancyEvent", "TotalsEvent"];

/// Arguments that a field is walked with.
const ARGUMENTS: &[(&str, &str)] = &[
    ("Query.node", "(id: $town)"),
    ("Query.nodes", "(ids: [$town])"),
    ("Query.facility", "(by: { id: $facility })"),
    ("Query.facilities", "(filter: { text: $code })"),
    ("Query.organisation", "(by: { id: $town })"),
    ("Query.accreditation", "(by: { id: $accreditation })"),
    ("Query.accreditations", "(filter: { facility: $facility })"),
    ("Query.guest", "(by: { id: $guest })"),
    ("Query.guests", "(filter: { facility: $facility })"),
    ("Query.occupancy", "(groupBy: CATEGORY)"),
    ("Query.occupancyHistory", "(from: \"2026-11-23T00:00:00Z\")"),
    ("Query.statistics", "(filter: { facility: $facility }, from: \"2026-10-01\", to: \"2026-11-30\")"),
];

/// Fields that are null whoever looks. This list should only ever shrink.
const NULL_FOR_EVERYBODY: &[&str] = &[
    // Counting the stays of each of a hundred facilities would cost too much.
    "StayConnection.totalCount",
];

/// Fields that say nothing about a record, but who asks; the public is nobody.
const NULL_FOR_THE_PUBLIC: &[&str] = &["Viewer.subject", "Viewer.organisation"];

/// Fields that say what the viewer may do; whoever performs no act has nothing there.
const EMPTY_FOR_WHOEVER_ONLY_LOOKS: &[&str] = &["Sight.acts"];

/// Numbers that are suppressed for whoever does not see the persons: here there are fewer than five.
const NULL_WITHOUT_SIGHT_OF_PERSONS: &[&str] = &[
    "AgeBandCount.count",
    "CitizenshipCount.citizenship",
    "CitizenshipCount.count",
    "Count.count",
    "ExitReasonCount.count",
    "LengthBandCount.count",
    "LengthOfStay.meanDays",
    "LengthOfStay.medianDays",
    "SexCount.count",
];

/// The contract, by the names of its types.
struct Contract(BTreeMap<String, TypeDefinition>);

impl Contract {
    fn read() -> Self {
        Self(types().into_iter().map(|definition| (definition.name.node.to_string(), definition)).collect())
    }

    fn field(&self, ty: &str, name: &str) -> &FieldDefinition {
        let found = fields(&self.0[ty]).into_iter().find(|field| field.name.node == name);
        found.unwrap_or_else(|| panic!("{ty} has no field {name}"))
    }

    fn class(&self, ty: &str, name: &str) -> DataClass {
        let class = class_of(self.field(ty, name)).unwrap();
        DataClass::ALL.into_iter().find(|known| contract_name(*known) == class).unwrap()
    }

    fn is_composite(&self, ty: &str) -> bool {
        matches!(self.0.get(ty).map(|found| &found.kind), Some(TypeKind::Object(_) | TypeKind::Interface(_)))
    }

    /// A field with what is needed below it to tell whether it shows anything.
    fn selection(&self, ty: &str, field: &FieldDefinition) -> String {
        let name = &field.name.node;
        let key = format!("{ty}.{name}");
        let arguments = ARGUMENTS.iter().find(|(of, _)| *of == key).map_or("", |(_, arguments)| arguments);
        let below = match base(&field.ty.node) {
            connection if connection.ends_with("Connection") => " { nodes { __typename } totalCount }",
            composite if self.is_composite(composite) => " { __typename }",
            _ => "",
        };
        format!("{name}{arguments}{below}")
    }

    fn walked<'c>(&'c self, way: &Way) -> Vec<&'c FieldDefinition> {
        let named = |field: &&FieldDefinition| way.fields.is_empty() || way.fields.contains(&field.name.node.as_str());
        fields(&self.0[way.to]).into_iter().filter(named).collect()
    }
}

fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base(inner),
    }
}

fn name_of(step: &str) -> &str {
    step.split('(').next().unwrap()
}

/// Everything that may be named in a document about a record.
const VARIABLES: [(&str, &str); 6] = [
    ("facility", "ID!"),
    ("code", "String!"),
    ("accreditation", "ID!"),
    ("guest", "ID!"),
    ("town", "ID!"),
    ("municipality", "String!"),
];

/// Fields at the root of one document; the guard takes 50.
const ROOTS: usize = 30;

/// Documents that walk all ways; what is at the end of the n-th is called `w<n>`.
fn walks(contract: &Contract) -> Vec<String> {
    let mut roots = Vec::new();
    for (index, way) in WAYS.iter().enumerate() {
        let walked = contract.walked(way);
        let selections: Vec<String> = walked.iter().map(|field| contract.selection(way.to, field)).collect();
        if way.steps.is_empty() {
            let aliased = walked.iter().zip(selections);
            roots.extend(aliased.map(|(field, selection)| format!("w{index}_{}: {selection}", field.name.node)));
        } else {
            let inner = selections.join(" ");
            let nested = way.steps.iter().rev().fold(inner, |below, step| format!("{step} {{ {below} }}"));
            roots.push(format!("w{index}: {nested}"));
        }
    }
    let document = |roots: &[String]| {
        let body = roots.join(" ");
        let used = VARIABLES.iter().filter(|(name, _)| body.contains(&format!("${name}")));
        let declared: Vec<String> = used.map(|(name, ty)| format!("${name}: {ty}")).collect();
        format!("query({}) {{ {body} }}", declared.join(", "))
    };
    roots.chunks(ROOTS).map(document).collect()
}

/// Whether a value shows anything. An empty list shows nothing, and so does a connection without nodes.
fn shown(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => object.get("nodes").is_none_or(shown),
        _ => true,
    }
}

/// The object at the end of a way, if the viewer reaches it.
fn end<'d>(data: &'d Value, index: usize, way: &Way) -> Option<&'d Value> {
    let mut value = &data[format!("w{index}")];
    for step in std::iter::once(None).chain(way.steps.iter().skip(1).map(Some)) {
        value = step.map_or(value, |step| &value[name_of(step)]);
        if !shown(value) {
            return None;
        }
        value = value.get(0).unwrap_or(value);
    }
    Some(value)
}

/// Whether the policy lets a viewer with this sight walk a way to its end.
fn may_walk(contract: &Contract, way: &Way, sight: tavolo_schema::Classes) -> bool {
    let mut ty = "Query";
    let mut open = true;
    for step in way.steps {
        open &= sight.contains(contract.class(ty, name_of(step)));
        ty = base(&contract.field(ty, name_of(step)).ty.node);
    }
    assert_eq!(ty, way.to, "this way leads elsewhere");
    open
}

#[test]
fn every_type_has_a_way_and_every_field_is_walked() {
    let contract = Contract::read();
    let mut walked: BTreeSet<String> = BTreeSet::new();
    for way in WAYS {
        walked.extend(contract.walked(way).iter().map(|field| format!("{}.{}", way.to, field.name.node)));
        for name in way.fields {
            contract.field(way.to, name);
        }
    }
    let composites = contract.0.keys().filter(|name| contract.is_composite(name));
    for name in composites.filter(|name| !BY_ACT.contains(&name.as_str()) && !BY_WATCHING.contains(&name.as_str())) {
        for field in fields(&contract.0[name]) {
            let field = format!("{name}.{}", field.name.node);
            assert!(walked.contains(&field), "nobody has told the way to {field}");
        }
    }
    for name in BY_ACT.iter().chain(&BY_WATCHING) {
        assert!(contract.0.contains_key(*name), "there is no {name}");
    }
    let exceptions = NULL_FOR_EVERYBODY.iter().chain(NULL_FOR_THE_PUBLIC).chain(EMPTY_FOR_WHOEVER_ONLY_LOOKS);
    for name in exceptions.chain(NULL_WITHOUT_SIGHT_OF_PERSONS) {
        assert!(walked.contains(*name), "there is no {name} to make an exception for");
    }
}

#[tokio::test]
async fn every_field_is_shown_to_those_the_policy_names_and_to_nobody_else() {
    let province = Province::new().await;
    let contract = Contract::read();
    let documents = walks(&contract);
    let mut wrong = Vec::new();
    let mut compared = 0;
    for (subject, role) in VIEWERS {
        let acts = Relation::ALL.map(|relation| Act::BY_MEMBERS.map(|act| may(role, act, relation)));
        let only_looks = !acts.as_flattened().contains(&true);
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
            for (index, way) in WAYS.iter().enumerate() {
                let open = may_walk(&contract, way, sight);
                for field in contract.walked(way) {
                    let name = field.name.node.as_str();
                    let path = format!("{}.{name}", way.to);
                    let excepted = NULL_FOR_EVERYBODY.contains(&path.as_str())
                        || (role == Role::Public && NULL_FOR_THE_PUBLIC.contains(&path.as_str()))
                        || (NULL_WITHOUT_SIGHT_OF_PERSONS.contains(&path.as_str())
                            && !sight.contains(DataClass::Identity))
                        || (only_looks && EMPTY_FOR_WHOEVER_ONLY_LOOKS.contains(&path.as_str()));
                    let expected = open && sight.contains(contract.class(way.to, name)) && !excepted;
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
    province.world.end().await;
}

#[tokio::test]
async fn a_node_is_found_by_those_who_see_its_class_and_by_nobody_else() {
    let province = Province::new().await;
    let contract = Contract::read();
    for (subject, role) in VIEWERS {
        for (record, stage) in province.records.iter().enumerate() {
            let sight = sight(subject, role, record);
            let town = province.town.encode();
            let things = [
                ("Accreditation", &stage.accreditation),
                ("Facility", &stage.facility),
                ("Guest", &stage.guest),
                ("Household", &stage.household),
                ("Organisation", &town),
                ("Stay", &stage.closed),
            ];
            let nodes = contract.0.values().filter(|ty| match &ty.kind {
                TypeKind::Object(object) => object.implements.iter().any(|name| name.node == "Node"),
                _ => false,
            });
            let names: Vec<&str> = nodes.map(|ty| ty.name.node.as_str()).collect();
            assert_eq!(names, things.map(|(name, _)| name), "each kind of node has an id here");
            let ids: Vec<&String> = things.iter().map(|(_, id)| *id).collect();
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
    province.world.end().await;
}

#[tokio::test]
async fn nothing_hidden_is_anywhere_in_what_lists_and_edges_answer() {
    let province = Province::new().await;
    let guest = "id surname givenNames birthDate citizenships taxCode cuiCode vestanetCode specialNeedDocumented";
    let document = format!(
        "{{ facilities(first: 100) {{ totalCount nodes {{ id code name projectCode address {{ street number postalCode }}
            capacity {{ blocks {{ id note }} }} accreditations {{ id reason actNumber facility {{ name }} }}
            stays {{ nodes {{ id exitReason guest {{ {guest} household {{ id members {{ {guest} }} }} }} }} }} }} }}
        guests(first: 100) {{ totalCount nodes {{ {guest} facility {{ name address {{ street }} }}
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
    province.world.end().await;
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
    province.world.end().await;
}

/// An id of a thing that does not exist, of the same kind as `like`.
fn nobody(like: &str) -> String {
    let now = TestClock::new().now();
    match URL_SAFE_NO_PAD.decode(like).unwrap()[0] {
        b'f' => FacilityId::fresh(now).encode(),
        b'a' => AccreditationId::fresh(now).encode(),
        b'g' => GuestId::fresh(now).encode(),
        b's' => StayId::fresh(now).encode(),
        b'h' => HouseholdId::fresh(now).encode(),
        _ => BlockId::fresh(now).encode(),
    }
}

/// The bytes of an answer without what is left of the asker's budget, and its status.
async fn raw(hub: &Client, subject: &str, document: &str, variables: &Value) -> (StatusCode, String) {
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
    let places = json!([{ "category": "ORDINARY", "places": 1 }]);
    for (mutation, input, id) in [
        ("reviseFacility", json!({ "facility": stage.facility, "name": "x" }), &stage.facility),
        (
            "installPlaces",
            json!({ "facility": stage.facility, "category": "ORDINARY", "installed": 1 }),
            &stage.facility,
        ),
        (
            "blockPlaces",
            json!({ "facility": stage.facility, "category": "ORDINARY", "places": 1, "reason": "WORKS" }),
            &stage.facility,
        ),
        ("unblockPlaces", json!({ "block": stage.block }), &stage.block),
        ("submitAccreditation", json!({ "facility": stage.facility, "places": places }), &stage.facility),
        (
            "submitAccreditation",
            json!({ "facility": own.facility, "accreditation": stage.submitted, "places": places }),
            &stage.submitted,
        ),
        ("admitGuest", json!({ "guest": waiting, "facility": own.facility, "category": "ORDINARY" }), &waiting),
        (
            "admitGuest",
            json!({ "guest": own.waiting, "facility": stage.facility, "category": "ORDINARY" }),
            &stage.facility,
        ),
        ("dischargeGuest", json!({ "stay": stage.open, "reason": "OTHER" }), &stage.open),
        (
            "registerGuest",
            {
                let mut input = crate::harness::person();
                input["household"] = json!({ "id": stage.household, "role": "CHILD" });
                input
            },
            &stage.household,
        ),
    ] {
        let before = books(&province.world).await;
        let kind = format!("{}{}", mutation[..1].to_uppercase(), &mutation[1..]);
        let document = format!(
            "mutation($input: {kind}Input!) {{ {mutation}(input: $input) {{ irregularities {{ code path message }} }} }}"
        );
        let unknown = nobody(id);
        let named = input.to_string();
        let other: Value = serde_json::from_str(&named.replace(id.as_str(), &unknown)).unwrap();
        let forbidden = raw(hub, "other_operator", &document, &json!({ "input": input })).await;
        let absent = raw(hub, "other_operator", &document, &json!({ "input": other })).await;
        assert_eq!((forbidden.0, forbidden.1.replace(id.as_str(), &unknown)), absent, "{mutation}");
        assert!(forbidden.1.contains("UNKNOWN_"), "{mutation}: {}", forbidden.1);
        assert_eq!(books(&province.world).await, before, "{mutation}");
    }
    province.world.end().await;
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
        assert_eq!(count("analyst", "facilities", filter.clone()).await, all, "{filter}");
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
    province.world.end().await;
}

#[tokio::test]
async fn totals_are_the_same_for_everybody_and_closer_looks_count_what_is_seen() {
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
        assert_eq!(hub.data(subject, &totals, Value::Null).await, expected, "{role:?}");
        let visible = province.visible(subject, role);
        let data = hub.data(subject, &closer, variables.clone()).await;
        let each: Vec<Value> = visible
            .iter()
            .map(|record| {
                let facility = &province.records[*record].facility;
                json!({ "facility": { "id": facility }, "facilities": 1, "capacity": of_stages(1) })
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
    province.world.end().await;
}

/// Whether a viewer may perform an act, said here a second time and independently of the table.
fn allowed(subject: &str, mutation: &str, relation: Relation) -> bool {
    let decides = ["decideAccreditation", "suspendAccreditation", "revokeAccreditation"].contains(&mutation);
    match subject {
        "province" => true,
        "operator" | "other_operator" => mutation == "registerGuest" || (relation == Relation::Keeper && !decides),
        "central_service" => mutation == "registerGuest",
        _ => false,
    }
}

fn act_of(mutation: &str) -> Act {
    let name: String =
        mutation.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_uppercase())).collect();
    Act::BY_MEMBERS.into_iter().find(|act| contract_name(*act) == name).unwrap()
}

#[tokio::test]
async fn every_act_is_for_those_the_table_names_and_for_nobody_else() {
    let province = Province::new().await;
    let hub = &province.hub;
    let before = books(&province.world).await;
    for (subject, role) in VIEWERS {
        for (record, stage) in province.records.iter().enumerate() {
            for order in stage.orders() {
                let (mutation, act) = (order.mutation, act_of(order.mutation));
                let relation = match mutation {
                    // A new file is kept by whoever opens it.
                    "registerGuest" if !subject.is_empty() => Relation::Keeper,
                    _ => relations(subject)[record],
                };
                let allowed = allowed(subject, mutation, relation);
                assert_eq!(may(role, act, relation), allowed, "the table about {role:?}, {act:?}, {relation:?}");
                let selection = format!("{} {{ id }}", order.thing);
                let only = json!({ "input": order.input, "only": true });
                let answer = hub.order(subject, mutation, &selection, only).await;
                let context = format!("{mutation} on record {record} by {subject:?}\n{answer:#}");
                let payload = &answer["data"][mutation];
                let never = !Relation::ALL.into_iter().any(|relation| may(role, act, relation));
                if never || (!allowed && mutation == "registerFacility") {
                    let code = if subject.is_empty() { "UNAUTHENTICATED" } else { "FORBIDDEN" };
                    assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{context}");
                    assert_eq!(*payload, Value::Null, "{context}");
                } else if allowed {
                    assert!(answer.get("errors").is_none(), "{context}");
                    assert_eq!(blocking(payload), Vec::<String>::new(), "{context}");
                } else {
                    let unknown = match mutation {
                        "unblockPlaces" => "UNKNOWN_BLOCK",
                        "dischargeGuest" => "UNKNOWN_STAY",
                        _ => "UNKNOWN_FACILITY",
                    };
                    assert_eq!(crate::harness::codes(payload), [unknown], "{context}");
                    assert_eq!(payload[order.thing], Value::Null, "{context}");
                }
                assert_eq!(province.leaks(subject, role, &answer.to_string()), Vec::<String>::new(), "{context}");
            }
        }
    }
    assert_eq!(books(&province.world).await, before, "nothing was written");
    province.world.end().await;
}

#[tokio::test]
async fn every_act_answers_through_the_gate() {
    let province = Province::new().await;
    let contract = Contract::read();
    let mutations: BTreeSet<String> =
        fields(&contract.0["Mutation"]).iter().map(|field| field.name.node.to_string()).collect();
    let mut payloads = BTreeSet::new();
    for (subject, role, record) in [("operator", Role::Operator, 0), ("province", Role::Province, 3)] {
        let orders = province.records[record].orders();
        let performed: BTreeSet<String> = orders.iter().map(|order| order.mutation.to_owned()).collect();
        assert_eq!(performed, mutations, "there is an order for each act");
        for order in orders {
            if !allowed(subject, order.mutation, relations(subject)[record]) {
                continue;
            }
            let sight = match order.mutation {
                "registerGuest" => sees(role, Relation::Keeper),
                _ => sight(subject, role, record),
            };
            let payload = base(&contract.field("Mutation", order.mutation).ty.node);
            payloads.insert(payload.to_owned());
            let selections =
                fields(&contract.0[payload]).into_iter().filter(|field| field.name.node != "irregularities");
            let selection: Vec<String> = selections
                .map(|field| {
                    let ty = base(&field.ty.node);
                    let below: Vec<String> =
                        fields(&contract.0[ty]).into_iter().map(|below| contract.selection(ty, below)).collect();
                    format!("{} {{ {} }}", field.name.node, below.join(" "))
                })
                .collect();
            let input = json!({ "input": order.input });
            let answer = province.hub.order(subject, order.mutation, &selection.join(" "), input).await;
            assert!(answer.get("errors").is_none(), "{answer:#}");
            assert_eq!(province.leaks(subject, role, &answer.to_string()), Vec::<String>::new(), "{}", order.mutation);
            for part in fields(&contract.0[payload]) {
                let (name, ty) = (part.name.node.as_str(), base(&part.ty.node));
                let value = &answer["data"][order.mutation][name];
                assert!(!value.is_null(), "{payload}.{name} of {}", order.mutation);
                for field in fields(&contract.0[ty]).into_iter().filter(|_| name != "irregularities") {
                    let field = field.name.node.as_str();
                    let hidden = !sight.contains(contract.class(ty, field));
                    assert!(!(hidden && shown(&value[field])), "{} shows {ty}.{field} to {role:?}", order.mutation);
                }
            }
        }
    }
    let known: BTreeSet<String> = BY_ACT.iter().skip(1).map(|name| (*name).to_owned()).collect();
    assert_eq!(payloads, known, "every payload was walked");
    assert_books_agree(&province.world).await;
    province.world.end().await;
}

#[tokio::test]
async fn an_event_never_carries_a_facility_the_viewer_does_not_see() {
    let province = Province::new().await;
    let (hub, contract) = (&province.hub, Contract::read());
    let fields = fields(&contract.0["OccupancyEvent"]);
    let selection: Vec<String> = fields.iter().map(|field| contract.selection("OccupancyEvent", field)).collect();
    let document = format!(
        "subscription($after: String) {{ occupancyChanged(after: $after) {{ {} facility {{ id code name operator {{ id }}
            address {{ street }} stays {{ nodes {{ id guest {{ surname taxCode household {{ id }} }} }} }} }} }} }}",
        selection.join(" ")
    );
    let looking: Vec<_> =
        VIEWERS.into_iter().filter(|(subject, role)| !province.visible(subject, *role).is_empty()).collect();
    assert_eq!(looking.len(), 7, "all but the public see something");
    let mut sockets = Vec::new();
    for (subject, role) in looking {
        let mut socket = hub.subscribe(subject, &document, json!({ "after": null })).await;
        let mut cursor = Value::Null;
        for record in province.visible(subject, role) {
            for _ in 0..2 {
                let event = socket.event().await;
                assert_eq!(event["kind"], "CURRENT");
                assert_eq!(event["facility"]["id"], json!(province.records[record].facility), "{role:?}");
                assert_eq!(province.leaks(subject, role, &event.to_string()), Vec::<String>::new(), "{role:?}");
                cursor = event["cursor"].clone();
            }
        }
        sockets.push((subject, role, socket, cursor));
    }
    let province_cursor = sockets[0].3.clone();

    // Two rounds of changes, so that what leaks after a viewer's last facility shows before its first of the next.
    for round in 0..2 {
        for stage in &province.records {
            let input = json!({
                "facility": stage.facility, "category": "ORDINARY", "installed": 5 + round,
            });
            hub.act("province", "installPlaces", "facility { id }", input).await;
        }
    }
    for (subject, role, mut socket, _) in sockets {
        // Who comes back with a cursor of somebody else learns no more by it.
        let mut back = hub.subscribe(subject, &document, json!({ "after": province_cursor })).await;
        for round in 0..2 {
            for record in province.visible(subject, role) {
                for event in [socket.event().await, back.event().await] {
                    assert_eq!(event["facility"]["id"], json!(province.records[record].facility), "{role:?}, {round}");
                    assert_eq!(event["cause"], "PLACES_INSTALLED");
                    assert_eq!(province.leaks(subject, role, &event.to_string()), Vec::<String>::new(), "{role:?}");
                    for field in &fields {
                        let field = field.name.node.as_str();
                        assert!(shown(&event[field]), "OccupancyEvent.{field} for {role:?}");
                    }
                }
            }
        }
    }
    province.world.end().await;
}

#[tokio::test]
async fn whoever_sees_nothing_hears_nothing_and_a_changed_membership_counts_at_once() {
    let province = Province::new().await;
    let (hub, records) = (&province.hub, &province.records);
    let board = || hub.graph.hub().table.board();
    let listen = |subject: &str, filter: Value| {
        let member = board().member(subject).cloned();
        let document =
            "subscription($filter: OccupancyFilter) { occupancyChanged(filter: $filter) { facility { code } } }";
        let request = Request::new(document).variables(Variables::from_json(json!({ "filter": filter })));
        Box::pin(watch(hub, request, Viewer { member, ..Viewer::default() }))
    };
    // Polled often, without waiting: everything that is to be heard is on the board already.
    async fn heard<S: futures_util::Stream<Item = Answer> + Unpin>(stream: &mut S) -> Vec<String> {
        let mut codes = Vec::new();
        let mut silent = 0;
        while silent < 50 {
            match stream.next().now_or_never() {
                Some(Some(Answer::Refused(errors))) => {
                    let errors: Value = serde_json::from_str(&errors).unwrap();
                    codes.push(text(&errors[0]["message"]));
                }
                Some(Some(Answer::Next(json))) => {
                    let answer: Value = serde_json::from_str(&json).unwrap();
                    codes.push(text(&answer["data"]["occupancyChanged"]["facility"]["code"]));
                }
                Some(None) => {
                    codes.push("the end".into());
                    return codes;
                }
                None => {
                    silent += 1;
                    tokio::task::yield_now().await;
                }
            }
        }
        codes
    }
    let mut public = listen("", Value::Null);
    assert_eq!(heard(&mut public).await, ["this needs a token", "the end"]);
    let mut foreign = listen("other_operator", json!({ "facility": records[0].facility }));
    let mut foreign_operator = listen("other_operator", json!({ "operator": province.world.bodies.operator.encode() }));
    let mut stranger = listen("municipality", json!({ "municipality": "101012" }));
    let mut analyst = listen("analyst", json!({ "category": "ORDINARY" }));
    let all: Vec<String> = records.iter().map(|stage| stage.code.clone()).collect();
    assert_eq!(heard(&mut analyst).await, all, "those who see hear");

    let change = async |installed: i32| {
        for stage in records {
            let input = json!({ "facility": stage.facility, "category": "ORDINARY", "installed": installed });
            hub.act("province", "installPlaces", "facility { id }", input).await;
        }
    };
    change(5).await;
    assert_eq!(heard(&mut analyst).await, all);
    for silent in [&mut foreign, &mut foreign_operator, &mut stranger] {
        assert_eq!(heard(silent).await, Vec::<String>::new());
    }

    // The analyst changes sides, and later leaves.
    let store = &province.world.store;
    let member =
        Member { subject: "analyst".into(), role: Role::Operator, organisation: province.world.bodies.other_operator };
    store.put_member(&member).await.unwrap();
    until("the board shows the new role", async || {
        board().member("analyst").is_some_and(|member| member.role == Role::Operator)
    })
    .await;
    change(6).await;
    assert_eq!(heard(&mut analyst).await, [records[5].code.clone()]);
    assert!(store.remove_member("analyst").await.unwrap());
    until("the board shows that the member has left", async || board().member("analyst").is_none()).await;
    change(5).await;
    assert_eq!(heard(&mut analyst).await, ["the end"]);
    province.world.end().await;
}

#[tokio::test]
async fn the_viewer_is_told_who_it_is_and_what_follows() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let organisations = [
        Some(bodies.province),
        Some(bodies.operator),
        Some(bodies.other_operator),
        Some(bodies.municipality),
        Some(bodies.prefecture),
        Some(bodies.central_service),
        Some(bodies.province),
        None,
    ];
    let names = |things: Vec<String>| json!(things);
    for ((subject, role), organisation) in VIEWERS.into_iter().zip(organisations) {
        let document = "{ viewer { subject role organisation { id } sight { relation classes acts } } }";
        let data = hub.data(subject, document, Value::Null).await;
        let sight: Vec<Value> = Relation::ALL
            .into_iter()
            .map(|relation| {
                let acts = Act::BY_MEMBERS.into_iter().filter(|act| may(role, *act, relation));
                json!({
                    "relation": contract_name(relation),
                    "classes": names(sees(role, relation).iter().map(contract_name).collect()),
                    "acts": names(acts.map(contract_name).collect()),
                })
            })
            .collect();
        let expected = json!({
            "subject": (!subject.is_empty()).then_some(subject), "role": contract_name(role),
            "organisation": organisation.map(|id| json!({ "id": id.encode() })), "sight": sight,
        });
        assert_eq!(data["viewer"], expected);
    }
    world.end().await;
}

#[tokio::test]
async fn a_membership_that_ends_or_changes_counts_from_the_next_request_on() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let guest = hub.guest("operator").await;
    let document =
        "query($guest: ID!, $facility: ID!) { viewer { subject role organisation { id } } guest(by: { id: $guest })
        { id } facility(by: { id: $facility }) { address { number } } }";
    let variables = json!({ "guest": guest, "facility": facility });
    let data = hub.data("operator", document, variables.clone()).await;
    let operator =
        json!({ "subject": "operator", "role": "OPERATOR", "organisation": { "id": world.bodies.operator.encode() } });
    assert_eq!(data["viewer"], operator);
    assert_eq!((&data["guest"]["id"], &data["facility"]["address"]["number"]), (&json!(guest), &json!("1")));

    let board = || hub.graph.hub().table.board();
    let member = Member { subject: "operator".into(), role: Role::Analyst, organisation: world.bodies.operator };
    world.store.put_member(&member).await.unwrap();
    until("the new role", async || board().member("operator").is_some_and(|member| member.role == Role::Analyst)).await;
    let data = hub.data("operator", document, variables.clone()).await;
    assert_eq!(data["viewer"]["role"], "ANALYST");
    assert_eq!((&data["guest"], &data["facility"]), (&Value::Null, &json!({ "address": null })));
    let refused =
        hub.order("operator", "registerGuest", "guest { id }", json!({ "input": crate::harness::person() })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");

    let member = Member { role: Role::Operator, organisation: world.bodies.other_operator, ..member };
    world.store.put_member(&member).await.unwrap();
    let moved = || board().member("operator").is_some_and(|member| member.organisation == world.bodies.other_operator);
    until("the new organisation", async || moved()).await;
    let data = hub.data("operator", document, variables.clone()).await;
    assert_eq!((&data["guest"], &data["facility"]), (&Value::Null, &Value::Null));

    assert!(world.store.remove_member("operator").await.unwrap());
    until("the member is gone", async || board().member("operator").is_none()).await;
    let (status, body) = raw(&hub, "operator", document, &variables).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    assert!(!body.contains("data"), "{body}");
    world.end().await;
}

#[tokio::test]
async fn a_token_that_is_not_good_lets_nobody_in() {
    let world = World::new().await;
    let hub = world.hub().await;
    let now = world.clock.now();
    let hours_ago = |hours: i64| tavolo_schema::DateTime::from_millis(now.millis() - hours * 3_600_000).unwrap();
    let good = hub.token("province");
    let parts: Vec<&str> = good.split('.').collect();
    let encoded = |claims: Value| URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = encoded(json!({ "alg": "none", "typ": "JWT" }));
    let symmetric = encoded(json!({ "alg": "HS256", "typ": "JWT" }));
    let later = now.millis() / 1_000 + 3_600;
    let altered = encoded(json!({ "sub": "central_service", "exp": later }));
    let endless = encoded(json!({ "sub": "province" }));
    let mut signature = parts[2].as_bytes().to_vec();
    signature[10] = if signature[10] == b'A' { b'B' } else { b'A' };
    let signature = String::from_utf8(signature).unwrap();

    let unauthorised = (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED");
    for (what, authorization, (status, code)) in [
        ("expired", format!("Bearer {}", SIGNER.sign("province", hours_ago(2), 3_600).unwrap()), unauthorised),
        ("wrongly signed", format!("Bearer {}.{}.{signature}", parts[0], parts[1]), unauthorised),
        ("altered", format!("Bearer {}.{altered}.{}", parts[0], parts[2]), unauthorised),
        ("not signed", format!("Bearer {none}.{}.", parts[1]), unauthorised),
        ("called not signed", format!("Bearer {none}.{}.{}", parts[1], parts[2]), unauthorised),
        ("of another algorithm", format!("Bearer {symmetric}.{}.{}", parts[1], parts[2]), unauthorised),
        ("without an end", format!("Bearer {}.{endless}.{}", parts[0], parts[2]), unauthorised),
        (
            "of another key",
            format!("Bearer {}", Signer::generate().unwrap().sign("province", now, 3_600).unwrap()),
            unauthorised,
        ),
        ("no token", "Bearer province".into(), unauthorised),
        ("empty", "Bearer ".into(), unauthorised),
        ("of another scheme", format!("Basic {good}"), unauthorised),
        ("of no member", format!("Bearer {}", hub.token("nobody")), (StatusCode::FORBIDDEN, "FORBIDDEN")),
        ("good", format!("Bearer {good}"), (StatusCode::OK, "")),
        ("good, by another case", format!("bearer {good}"), (StatusCode::OK, "")),
    ] {
        let request = hub.http.post(format!("http://{}/graphql", hub.address)).header("authorization", authorization);
        let answer = request.json(&json!({ "query": "{ viewer { role } }" })).send().await.unwrap();
        assert_eq!(answer.status(), status, "a token that is {what}");
        let body: Value = answer.json().await.unwrap();
        if status == StatusCode::OK {
            assert_eq!(body["data"]["viewer"]["role"], "PROVINCE", "{what}");
        } else {
            assert_eq!(body["errors"][0]["extensions"]["code"], code, "{what}");
            assert!(body.get("data").is_none(), "{what}");
        }
    }
    // A good token runs out by the clock, though it was good before.
    let (status, _) = raw_with(&hub, &good).await;
    assert_eq!(status, StatusCode::OK);
    world.clock.advance(std::time::Duration::from_secs(3_600 + 31));
    let (status, body) = raw_with(&hub, &good).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
    world.end().await;
}

async fn raw_with(hub: &Client, token: &str) -> (StatusCode, String) {
    let request = hub.http.post(format!("http://{}/graphql", hub.address)).bearer_auth(token);
    let answer = request.json(&json!({ "query": "{ viewer { role } }" })).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}
