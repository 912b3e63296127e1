//! The ways to all types of the contract, and what may be shown at their ends.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind};
use serde_json::Value;
use tavolo_schema::{Classes, DataClass, contract_name};

use crate::{
    contract::{class_of, fields, types},
    stage::CASES,
};

/// A way from `Query` to the objects of a type, and the fields to walk there; all when none are named.
pub(super) struct Way {
    pub(super) to: String,
    pub(super) fields: &'static [&'static str],
    pub(super) steps: Vec<String>,
}

/// Ways that do not follow from the contract.
const TOLD: &[(&str, &[&str], &[&str])] = &[
    // Everybody sees some organisation, and so has a page of them.
    ("PageInfo", &[], &["organisations", "pageInfo"]),
    // An object of a grouping has only what it is grouped by.
    ("OccupancyGroup", &["province", "facilities", "capacity"], &["occupancy(groupBy: PROVINCE)"]),
    (
        "OccupancyGroup",
        &["municipality", "facilities", "capacity"],
        &["occupancy(filter: { municipality: $municipality }, groupBy: MUNICIPALITY)"],
    ),
    ("OccupancyGroup", &["category"], &["occupancy(groupBy: CATEGORY)"]),
    ("OccupancyGroup", &["operator"], &["occupancy(filter: { facility: $facility }, groupBy: OPERATOR)"]),
    ("OccupancyGroup", &["facility"], &["occupancy(filter: { facility: $facility }, groupBy: FACILITY)"]),
];

/// The types that only a subscription reaches, walked by `an_event_never_carries_a_facility_the_viewer_does_not_see` and
/// `totals_that_change_are_those_that_are_asked_for`.
pub(super) const BY_WATCHING: [&str; 3] = ["Subscription", "OccupancyEvent", "TotalsEvent"];

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
    ("Query.guestLookups", "(filter: { guest: $guest })"),
    ("Query.occupancy", "(groupBy: CATEGORY)"),
    ("Query.occupancyHistory", "(from: \"2026-11-23T00:00:00Z\")"),
    ("Query.statistics", "(filter: { facility: $facility }, from: \"2026-07-01\", to: \"2026-12-31\")"),
    ("Facility.stays", "(status: CLOSED)"),
];

/// Fields that are null whoever looks. This list should only ever shrink.
pub(super) const NULL_FOR_EVERYBODY: &[&str] = &[
    // Counting the stays of each of a hundred facilities would cost too much.
    "StayConnection.totalCount",
];

/// Fields that say nothing about a record, but who asks; the public is nobody.
pub(super) const NULL_FOR_THE_PUBLIC: &[&str] = &["Viewer.subject", "Viewer.organisation"];

/// Fields that say what the viewer may do; whoever performs no act has nothing there.
pub(super) const EMPTY_FOR_WHOEVER_ONLY_LOOKS: &[&str] = &["Sight.acts"];

/// Numbers that are suppressed for whoever does not see the persons: nothing is told of a single facility.
pub(super) const NULL_WITHOUT_SIGHT_OF_PERSONS: &[&str] = &[
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

/// Fields that say something about a published table alone; whoever sees the persons is told exact numbers.
pub(super) const NULL_WITH_SIGHT_OF_PERSONS: &[&str] = &["Statistics.madeAt"];

/// The contract, by the names of its types.
pub(super) struct Contract(pub(super) BTreeMap<String, TypeDefinition>);

impl Contract {
    pub(super) fn read() -> Self {
        Self(types().into_iter().map(|definition| (definition.name.node.to_string(), definition)).collect())
    }

    pub(super) fn field(&self, ty: &str, name: &str) -> &FieldDefinition {
        let found = fields(&self.0[ty]).into_iter().find(|field| field.name.node == name);
        found.unwrap_or_else(|| panic!("{ty} has no field {name}"))
    }

    pub(super) fn class(&self, ty: &str, name: &str) -> DataClass {
        let class = class_of(self.field(ty, name)).unwrap();
        DataClass::ALL.into_iter().find(|known| contract_name(*known) == class).unwrap()
    }

    /// The type that a mutation answers with.
    pub(super) fn payload(&self, mutation: &str) -> &str {
        base(&self.field("Mutation", mutation).ty.node)
    }

    /// The types that only an act reaches, walked by `every_act_answers_through_the_gate`.
    fn by_act(&self) -> BTreeSet<&str> {
        std::iter::once("Mutation").chain(CASES.iter().map(|case| self.payload(case.mutation))).collect()
    }

    pub(super) fn is_composite(&self, ty: &str) -> bool {
        matches!(self.0.get(ty).map(|found| &found.kind), Some(TypeKind::Object(_) | TypeKind::Interface(_)))
    }

    /// A field with what is needed below it to tell whether it shows anything.
    pub(super) fn selection(&self, ty: &str, field: &FieldDefinition) -> String {
        let name = &field.name.node;
        let below = match base(&field.ty.node) {
            connection if connection.ends_with("Connection") => " { nodes { __typename } totalCount }",
            composite if self.is_composite(composite) => " { __typename }",
            _ => "",
        };
        format!("{}{below}", asked(ty, name))
    }

    /// The ways to all types that a query reaches: those that are told, and the shortest one to each other type.
    pub(super) fn ways(&self) -> Vec<Way> {
        let mut steps_to = BTreeMap::from([("Query", Vec::new())]);
        let mut next = VecDeque::from(["Query"]);
        while let Some(ty) = next.pop_front() {
            for field in fields(&self.0[ty]) {
                let to = base(&field.ty.node);
                if self.is_composite(to) && !steps_to.contains_key(to) {
                    let step = asked(ty, &field.name.node);
                    steps_to.insert(to, steps_to[ty].iter().cloned().chain([step]).collect());
                    // A node is walked by the fields of all nodes alone.
                    next.extend((to != "Node").then_some(to));
                }
            }
        }
        steps_to.retain(|name, _| TOLD.iter().all(|(told, ..)| told != name));
        let shortest = steps_to.into_iter().map(|(to, steps)| Way { to: to.to_owned(), fields: &[], steps });
        let told = TOLD.iter().map(|&(to, fields, steps)| Way {
            to: to.to_owned(),
            fields,
            steps: steps.iter().map(|step| (*step).to_owned()).collect(),
        });
        shortest.chain(told).collect()
    }

    pub(super) fn walked<'c>(&'c self, way: &Way) -> Vec<&'c FieldDefinition> {
        let named = |field: &&FieldDefinition| way.fields.is_empty() || way.fields.contains(&field.name.node.as_str());
        fields(&self.0[&way.to]).into_iter().filter(named).collect()
    }
}

pub(super) fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base(inner),
    }
}

/// A field as it is asked for.
fn asked(ty: &str, name: &str) -> String {
    let arguments = ARGUMENTS.iter().find(|(of, _)| of.split_once('.') == Some((ty, name)));
    format!("{name}{}", arguments.map_or("", |(_, arguments)| arguments))
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
pub(super) fn walks(contract: &Contract, ways: &[Way]) -> Vec<String> {
    let mut roots = Vec::new();
    for (index, way) in ways.iter().enumerate() {
        let walked = contract.walked(way);
        let selections: Vec<String> = walked.iter().map(|field| contract.selection(&way.to, field)).collect();
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
pub(super) fn shown(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        Value::Object(object) => object.get("nodes").is_none_or(shown),
        _ => true,
    }
}

/// The object at the end of a way, if the viewer reaches it.
pub(super) fn end<'d>(data: &'d Value, index: usize, way: &Way) -> Option<&'d Value> {
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
pub(super) fn may_walk(contract: &Contract, way: &Way, sight: Classes) -> bool {
    let mut ty = "Query";
    let mut open = true;
    for step in &way.steps {
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
    for way in &contract.ways() {
        walked.extend(contract.walked(way).iter().map(|field| format!("{}.{}", way.to, field.name.node)));
        for name in way.fields {
            contract.field(&way.to, name);
        }
    }
    // An interface that no field is of has no way: its objects have theirs.
    let led_to = |name: &str| contract.0.values().flat_map(fields).any(|field| base(&field.ty.node) == name);
    let composites = contract.0.keys().filter(|name| contract.is_composite(name) && (led_to(name) || *name == "Query"));
    let by_act = contract.by_act();
    for name in composites.filter(|name| !by_act.contains(name.as_str()) && !BY_WATCHING.contains(&name.as_str())) {
        for field in fields(&contract.0[name]) {
            let field = format!("{name}.{}", field.name.node);
            assert!(walked.contains(&field), "nobody has told the way to {field}");
        }
    }
    for name in by_act.iter().chain(&BY_WATCHING) {
        assert!(contract.0.contains_key(*name), "there is no {name}");
    }
    let exceptions = NULL_FOR_EVERYBODY.iter().chain(NULL_FOR_THE_PUBLIC).chain(EMPTY_FOR_WHOEVER_ONLY_LOOKS);
    for name in exceptions.chain(NULL_WITHOUT_SIGHT_OF_PERSONS).chain(NULL_WITH_SIGHT_OF_PERSONS) {
        assert!(walked.contains(*name), "there is no {name} to make an exception for");
    }
}
