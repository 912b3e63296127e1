//! How long the lists of the contract may be where a document does not say it: what is below one comes as often.
//!
//! The contract tells which fields are lists; it is asked once, by the introspection that it has for everybody.

use std::{
    cell::OnceCell,
    collections::{BTreeSet, HashMap},
    sync::LazyLock,
};

use crate::{
    Seen,
    connection::LONGEST_PAGE,
    contract,
    price::{Asks, VaultTypes},
    statistics,
};
use async_graphql::from_value;
use serde::Deserialize;
use tavolo_schema::{
    ExitReason, PlaceCategory, Relation,
    history::MOST_POINTS,
    id::OrganisationId,
    lookup::MOST_FILES,
    statistics::{AgeBand, LengthBand, SEXES},
};

/// How long a page is when nobody says so.
const PAGE: u64 = 20;

/// Countries that somebody may be a citizen of, the stateless and the unknown among them.
const CITIZENSHIPS: u64 = 260;

/// Lists with a length of their own. A document says how long pages and groups are at the field around them.
const LISTS: [(&str, &str, u64); 17] = [
    ("Query", "occupancyHistory", MOST_POINTS as u64),
    ("TotalsEvent", "groups", 1),
    ("Facility", "capacity", PlaceCategory::ALL.len() as u64),
    ("Facility", "irregularities", PlaceCategory::ALL.len() as u64),
    ("Accreditation", "requested", PlaceCategory::ALL.len() as u64),
    ("Accreditation", "granted", PlaceCategory::ALL.len() as u64),
    ("GuestLookup", "guests", MOST_FILES as u64),
    ("Viewer", "sight", Relation::ALL.len() as u64),
    ("Statistics", "exitsByReason", ExitReason::ALL.len() as u64),
    ("Statistics", "movementsByMonth", statistics::LONGEST as u64),
    ("Statistics", "byCitizenship", CITIZENSHIPS),
    ("Statistics", "bySex", SEXES.len() as u64),
    ("Statistics", "byAgeBand", AgeBand::ALL.len() as u64),
    ("Statistics", "arrivalsByCitizenship", CITIZENSHIPS),
    ("Statistics", "arrivalsBySex", SEXES.len() as u64),
    ("Statistics", "arrivalsByAgeBand", AgeBand::ALL.len() as u64),
    ("LengthOfStay", "bands", LengthBand::ALL.len() as u64),
];

/// How the names of pages end.
pub(crate) const CONNECTION: &str = "Connection";

/// The contract of every hub.
pub(crate) static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let answer: IntrospectionAnswer =
        from_value(contract::introspected(QUESTION)).expect("the contract answers what it consists of");
    Contract::new(answer.schema, &VaultTypes::new())
});

/// Where the fields lead to, and how much the introspection has to tell.
#[derive(Debug)]
pub(crate) struct Contract {
    types: HashMap<String, HashMap<String, Edge>>,
}

/// What is known of a field of the contract.
#[derive(Debug)]
pub(crate) struct Edge {
    /// The type that it leads to.
    pub(crate) to: String,
    /// Whether that is in a list.
    #[cfg(test)]
    list: bool,
    /// How often what is below it comes when its arguments do not say it.
    usual: Usual,
    /// How long its list is, for a field of the introspection.
    pub(crate) list_length: Option<ListLength>,
    /// What it asks of the database or of the board.
    pub(crate) asks: Option<Asks>,
}

/// How often what is below a field usually comes.
#[derive(Clone, Copy, Debug)]
enum Usual {
    Times(u64),
    OfEachMunicipality,
}

impl Usual {
    fn of(on: &str, field: &str, to: &str, list: bool) -> Self {
        if let Some((_, _, length)) = LISTS.iter().find(|(of, own, _)| (*of, *own) == (on, field)) {
            return Self::Times(*length);
        }
        match (on, field) {
            ("Query", "municipalities") => Self::OfEachMunicipality,
            _ if to.ends_with(CONNECTION) => Self::Times(PAGE),
            _ if list && !on.ends_with(CONNECTION) => Self::Times(LONGEST_PAGE),
            _ => Self::Times(1),
        }
    }
}

/// How long a list of the introspection is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ListLength {
    /// There is one such list, with everything of its kind.
    Whole(u64),
    /// A child list, such as the fields of a type: the longest one, and the sum over all parents.
    Part { most: u64, all: u64 },
    /// Elements are found in other lists as well: how long the longest is.
    Links(u64),
}

impl Contract {
    fn new(schema: Introspected, vault: &VaultTypes) -> Self {
        let types = || schema.types.iter();
        let fields = || types().flat_map(|own| own.fields.iter().flatten());
        let list_length = [
            ("__Schema", "types", ListLength::Whole(schema.types.len() as u64)),
            ("__Schema", "directives", ListLength::Whole(schema.directives.len() as u64)),
            ("__Directive", "args", part(schema.directives.iter().map(|own| own.args.len()))),
            ("__Field", "args", part(fields().map(|field| field.args.len()))),
            ("__Type", "fields", part(types().map(|own| len(&own.fields)))),
            ("__Type", "inputFields", part(types().map(|own| len(&own.input_fields)))),
            ("__Type", "enumValues", part(types().map(|own| len(&own.enum_values)))),
            ("__Type", "interfaces", links(types().map(|own| len(&own.interfaces)))),
            ("__Type", "possibleTypes", links(types().map(|own| len(&own.possible_types)))),
        ];
        let edge = |on: &str, field: &str, to: String, list: bool| Edge {
            usual: Usual::of(on, field, &to, list),
            list_length: list_length
                .iter()
                .find(|(of, own, _)| (*of, *own) == (on, field))
                .map(|(_, _, list_length)| *list_length),
            asks: vault.asks(on, field, &to),
            to,
            #[cfg(test)]
            list,
        };
        let edges = |own: IntrospectedType| {
            let fields = own.fields.unwrap_or_default().into_iter().map(|field| {
                let (to, list) = field.kind.leads_to(false);
                let edge = edge(&own.name, &field.name, to, list);
                (field.name, edge)
            });
            let mut fields: HashMap<String, Edge> = fields.collect();
            if own.name == "Query" {
                // What every query has, and no type tells.
                for (field, to) in [("__schema", "__Schema"), ("__type", "__Type")] {
                    fields.insert(field.into(), edge("Query", field, to.into(), false));
                }
            }
            (own.name, fields)
        };
        Self { types: schema.types.into_iter().map(edges).collect() }
    }

    /// What is known of a field; `None` for one that there is not.
    pub(crate) fn edge(&self, on: &str, field: &str) -> Option<&Edge> {
        self.types.get(on)?.get(field)
    }

    /// Every field of every type, and what is known of it.
    #[cfg(test)]
    pub(crate) fn edges(&self) -> impl Iterator<Item = (&str, &str, &Edge)> {
        self.types
            .iter()
            .flat_map(|(on, fields)| fields.iter().map(move |(field, edge)| (on.as_str(), field.as_str(), edge)))
    }
}

/// The lists of the contract, as long as they may be by what somebody sees of a board.
#[derive(Debug)]
pub(crate) struct Lists<'b> {
    seen: Seen<'b>,
    census: OnceCell<Census>,
}

/// How many there are now.
#[derive(Debug)]
struct Census {
    facilities: usize,
    operators: usize,
    municipalities: usize,
    provinces: usize,
    entries: u64,
}

impl Census {
    fn of(seen: Seen<'_>) -> Self {
        let municipalities = || seen.board.municipalities();
        let provinces: BTreeSet<&str> = municipalities().map(|found| found.province.as_str()).collect();
        let operators: BTreeSet<OrganisationId> = seen.facilities().map(|state| state.facility.operator).collect();
        Self {
            facilities: seen.facilities().count(),
            operators: operators.len(),
            municipalities: municipalities().count(),
            provinces: provinces.len(),
            entries: seen.entries(),
        }
    }
}

impl<'b> Lists<'b> {
    pub(crate) fn new(seen: Seen<'b>) -> Self {
        Self { seen, census: OnceCell::new() }
    }

    /// How many entries of ledgers the viewer sees, about.
    pub(crate) fn entries(&self) -> u64 {
        self.census().entries
    }

    /// How many facilities the board has, about.
    pub(crate) fn facilities(&self) -> u64 {
        self.seen.size_of_board()
    }

    fn census(&self) -> &Census {
        self.census.get_or_init(|| Census::of(self.seen))
    }

    /// How often what is below a field comes when its arguments do not say it.
    pub(crate) fn length(&self, edge: Option<&Edge>) -> u64 {
        match edge.map(|edge| edge.usual) {
            Some(Usual::OfEachMunicipality) => self.census().municipalities as u64,
            Some(Usual::Times(length)) => length,
            None => 1,
        }
    }

    /// How many groups there can be; of a grouping that nobody knows, of whichever has most.
    pub(crate) fn groups(&self, by: Option<&str>) -> u64 {
        let census = self.census();
        let groups = match by {
            Some("FACILITY") => census.facilities,
            Some("OPERATOR") => census.operators,
            Some("MUNICIPALITY") => census.municipalities,
            Some("CATEGORY") => PlaceCategory::ALL.len(),
            Some("PROVINCE") => census.provinces,
            _ => census.facilities.max(census.operators).max(census.municipalities),
        };
        groups as u64
    }
}

fn part(lengths: impl Iterator<Item = usize> + Clone) -> ListLength {
    ListLength::Part { most: lengths.clone().max().unwrap_or_default() as u64, all: lengths.sum::<usize>() as u64 }
}

fn links(lengths: impl Iterator<Item = usize>) -> ListLength {
    ListLength::Links(lengths.max().unwrap_or_default() as u64)
}

fn len<T>(list: &Option<Vec<T>>) -> usize {
    list.as_ref().map_or(0, Vec::len)
}

/// What the contract is asked.
const QUESTION: &str = "{ __schema {
    types { name fields(includeDeprecated: true) { name args(includeDeprecated: true) { name } type { ...Kind } }
        inputFields(includeDeprecated: true) { name } enumValues(includeDeprecated: true) { name }
        interfaces { name } possibleTypes { name } }
    directives { args(includeDeprecated: true) { name } } } }
    fragment Kind on __Type { kind name ofType { kind name ofType { kind name ofType { kind name } } } }";

#[derive(Deserialize)]
struct IntrospectionAnswer {
    #[serde(rename = "__schema")]
    schema: Introspected,
}

#[derive(Deserialize)]
struct Introspected {
    types: Vec<IntrospectedType>,
    directives: Vec<IntrospectedDirective>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntrospectedType {
    name: String,
    fields: Option<Vec<IntrospectedField>>,
    input_fields: Option<Vec<Named>>,
    enum_values: Option<Vec<Named>>,
    interfaces: Option<Vec<Named>>,
    possible_types: Option<Vec<Named>>,
}

#[derive(Deserialize)]
struct IntrospectedDirective {
    args: Vec<Named>,
}

#[derive(Deserialize)]
struct IntrospectedField {
    name: String,
    args: Vec<Named>,
    #[serde(rename = "type")]
    kind: IntrospectedKind,
}

#[derive(Deserialize)]
struct Named {}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct IntrospectedKind {
    kind: String,
    name: Option<String>,
    of_type: Option<Box<IntrospectedKind>>,
}

impl IntrospectedKind {
    /// The type itself, and whether it is in a list.
    fn leads_to(self, list: bool) -> (String, bool) {
        let list = list || self.kind == "LIST";
        match self.of_type {
            Some(inner) => inner.leads_to(list),
            None => (self.name.unwrap_or_default(), list),
        }
    }
}

#[cfg(test)]
mod tests {
    use tavolo_schema::Standing;
    use tavolo_subscriptions::Board;

    use super::*;

    #[test]
    fn the_contract_knows_its_own_lists() {
        for (on, field, _) in LISTS {
            let edge = CONTRACT.edge(on, field);
            assert!(edge.is_some_and(|edge| edge.list), "{on}.{field} is no list of the contract");
        }
        let (board, standing) = (Board::default(), Standing::public());
        let lists = Lists::new(Seen::new(&board, &standing));
        for (on, field, length) in [
            ("Query", "facilities", PAGE),
            ("FacilityConnection", "nodes", 1),
            ("FacilityConnection", "edges", 1),
            ("Guest", "stays", PAGE),
            ("Facility", "rooms", LONGEST_PAGE),
            ("Facility", "accreditations", LONGEST_PAGE),
            ("Facility", "capacity", 3),
            ("OccupancyGroup", "capacity", 1),
            ("Facility", "name", 1),
            ("Query", "nothing", 1),
        ] {
            assert_eq!(lists.length(CONTRACT.edge(on, field)), length, "{on}.{field}");
        }
    }

    #[test]
    fn the_contract_knows_what_the_introspection_has_to_tell() {
        assert_eq!(CONTRACT.edge("Query", "__schema").unwrap().to, "__Schema");
        let list_length = |on: &str, field: &str| CONTRACT.edge(on, field).and_then(|edge| edge.list_length);
        assert!(matches!(list_length("__Schema", "types"), Some(ListLength::Whole(100..))));
        assert!(matches!(list_length("__Type", "fields"), Some(ListLength::Part { most: 15..=100, all: 250.. })));
        assert!(matches!(list_length("__Type", "possibleTypes"), Some(ListLength::Links(2..))));
        let list_length = CONTRACT.types.values().flat_map(HashMap::values).filter(|edge| edge.list_length.is_some());
        assert!(list_length.clone().all(|edge| edge.list) && list_length.count() == 9);
        // Every list of the introspection that leads to something with fields is known.
        let ours = CONTRACT.types.iter().filter(|(on, _)| on.starts_with("__"));
        for (on, (field, edge)) in ours.flat_map(|(on, edges)| edges.iter().map(move |edge| (on, edge))) {
            let scalar = CONTRACT.types.get(&edge.to).is_none_or(HashMap::is_empty);
            assert!(!edge.list || scalar || edge.list_length.is_some(), "{on}.{field}");
        }
    }
}
