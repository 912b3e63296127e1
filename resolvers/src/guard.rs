//! The guard: what a document would cost, known before anything of it is executed.
//!
//! The library's own limits expand fragments as they count, so a document of a kilobyte that spreads
//! them sixty times on four levels keeps it busy for seconds. Here each fragment is measured once,
//! and its measure is added wherever it is spread; so is the weight of each variable wherever it stands. The time is
//! proportional to the document and its variables. What is measured hangs on the variables and on how many facilities
//! the viewer sees now, so it is measured again for each request, also of a document that stays in memory. What it may
//! ask of the database is added ([`crate::price`]).

use std::collections::HashMap;

use crate::{
    Seen,
    connection::LONGEST_PAGE,
    error::{self, ErrorCode},
    lists::{CONTRACT, Edge, ListLength, Lists},
    price::{self, ACT, Sizes, Work},
    weight::{ArgumentShape, Inputs, Weight},
};
use async_graphql::{
    Name, Positioned, Request, ServerError, Variables,
    parser::types::{Directive, ExecutableDocument, Field, FragmentDefinition, OperationType, Selection, SelectionSet},
};
use async_graphql_value::Value;

/// What a document may have at most.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels of nesting. Introspection by GraphiQL has 15.
    pub depth: u64,
    /// Fields after expansion of fragments, of all operations and fragments together: the validation looks at each.
    pub fields: u64,
    /// Fields after expansion of fragments, each as often as the lists around it may be long.
    pub cost: u64,
    /// Fields at the root of one operation.
    pub root_fields: u64,
    /// Aliases after expansion of fragments.
    pub aliases: u64,
    /// Directives after expansion of fragments.
    pub directives: u64,
    /// Variables of one operation, declared as well as sent.
    pub variables: usize,
    /// Operations and fragments.
    pub definitions: usize,
    /// Values in the arguments after expansion of fragments, with each variable wherever it stands.
    pub values: u64,
    /// Bytes of text in these.
    pub text: u64,
    /// Brackets within each other, before the document is parsed.
    pub brackets: u64,
    /// Words, strings and brackets that open, before the document is parsed.
    pub tokens: u64,
}

/// The limits of every hub.
pub const LIMITS: Limits = Limits {
    depth: 16,
    fields: 4_000,
    cost: 150_000,
    root_fields: 50,
    aliases: 200,
    directives: 100,
    variables: 100,
    definitions: 100,
    values: 20_000,
    text: 1024 * 1024,
    brackets: 64,
    tokens: 3_000,
};

/// Levels of fields and fragments that are looked into; beyond them a document is too deep in any case.
const RECURSION: u64 = 64;

/// What a request costs before anything of it is read.
pub const ENTRANCE: u64 = 100;

/// Fields that add up the ledger or the stays of a period, by the argument that makes them do so, and what that costs
/// beside the fields of the answer.
const ADDED_UP: [(&str, &str, u64); 3] =
    [("occupancy", "at", 5_000), ("occupancyHistory", "from", 5_000), ("statistics", "from", 10_000)];

/// What a selection measures, once.
#[derive(Clone, Copy, Debug, Default)]
struct Measure {
    depth: u64,
    /// Fields of this very level.
    width: u64,
    fields: u64,
    cost: Cost,
    work: Work,
    aliases: u64,
    directives: u64,
    weight: Weight,
}

/// Fields, each as often as the lists around it may be long. The introspection tells everything of the contract in a few
/// lists: what it costs to tell it of all elements of a kind is far less than of the longest list of each type.
#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    /// For one element, whichever it is.
    one: u64,
    /// Cost of a list that holds every element of its type once is `each` for each of them, and `rest` beside.
    each: u64,
    /// See `each`.
    rest: u64,
}

impl Cost {
    /// The same for whatever element.
    fn of(one: u64) -> Self {
        Self { one, each: one, rest: 0 }
    }

    fn of_all(self, elements: u64) -> u64 {
        self.each.saturating_mul(elements).saturating_add(self.rest)
    }

    fn beside(self, other: Self) -> Self {
        Self {
            one: self.one.saturating_add(other.one),
            each: self.each.saturating_add(other.each),
            rest: self.rest.saturating_add(other.rest),
        }
    }
}

impl Measure {
    /// Both beside each other.
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            width: self.width.saturating_add(other.width),
            fields: self.fields.saturating_add(other.fields),
            cost: self.cost.beside(other.cost),
            work: self.work.and(other.work),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            weight: self.weight.and(other.weight),
        }
    }
}

/// What it costs to read a request: one, and 64 for each KiB of its text and its variables.
#[must_use]
pub fn reading(request: &Request) -> u64 {
    Weight::of_request(&request.query, &request.variables).price() + 1
}

/// Refuses a document that would cost too much, and tells what the costliest of its operations costs: fields after
/// expansion of fragments, each as often as the lists around it may be long by what the viewer sees of the board, and
/// what they may ask of the database.
///
/// # Errors
///
/// Which limit it breaks.
pub fn check(
    document: &ExecutableDocument,
    variables: &Variables,
    limits: &Limits,
    seen: Seen<'_>,
) -> Result<u64, ServerError> {
    few(variables, limits)?;
    let definitions = document.operations.iter().count() + document.fragments.len();
    within("definitions", definitions as u64, limits.definitions as u64)?;
    let mut gauge = Gauge {
        fragments: &document.fragments,
        inputs: Inputs::new(document, variables),
        lists: Lists::new(seen),
        measured: HashMap::new(),
    };
    let (mut all, mut cost) = (Measure::default(), 0_u64);
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        within("variables", operation.variable_definitions.len() as u64, limits.variables as u64)?;
        let selected = gauge.selection(&operation.selection_set.node, root(operation.ty), 0)?;
        let measure = selected.beside(gauge.directives(&operation.directives));
        within("root fields", measure.width, limits.root_fields)?;
        if operation.ty == OperationType::Subscription && measure.width != 1 {
            return Err(error::server_error(ErrorCode::BadRequest, "a subscription has exactly one field at its root"));
        }
        let acts = if operation.ty == OperationType::Mutation { measure.width.saturating_mul(ACT) } else { 0 };
        bounded(measure, limits)?;
        within("fields, counting the length of lists", measure.cost.one, limits.cost)?;
        cost = cost.max(measure.cost.one.saturating_add(acts).saturating_add(measure.work.all()));
        all = all.beside(measure);
    }
    // Those that nobody spreads as well: they are validated like the others.
    for (name, fragment) in &document.fragments {
        let measure = gauge.fragment(name, fragment, 0)?;
        bounded(measure, limits)?;
        all = all.beside(measure);
    }
    within("fields", all.fields, limits.fields)?;
    light(all.weight, limits)?;
    Ok(cost)
}

/// Refuses more variables than any document may declare.
///
/// # Errors
///
/// When there are more.
pub fn few(variables: &Variables, limits: &Limits) -> Result<(), ServerError> {
    within("variables", variables.len() as u64, limits.variables as u64)
}

fn root(ty: OperationType) -> &'static str {
    match ty {
        OperationType::Query => "Query",
        OperationType::Mutation => "Mutation",
        OperationType::Subscription => "Subscription",
    }
}

fn bounded(measure: Measure, limits: &Limits) -> Result<(), ServerError> {
    within("levels", measure.depth, limits.depth)?;
    within("fields", measure.fields, limits.fields)?;
    within("aliases", measure.aliases, limits.aliases)?;
    within("directives", measure.directives, limits.directives)?;
    light(measure.weight, limits)
}

fn light(weight: Weight, limits: &Limits) -> Result<(), ServerError> {
    within("values in its arguments", weight.values, limits.values)?;
    within("bytes of text in its arguments", weight.text, limits.text)
}

pub(crate) fn within(what: &str, found: u64, limit: u64) -> Result<(), ServerError> {
    if found <= limit {
        return Ok(());
    }
    Err(error::server_error(ErrorCode::TooCostly, format!("the document has more than {limit} {what}")))
}

struct Gauge<'d> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    inputs: Inputs<'d>,
    lists: Lists<'d>,
    /// The measure of each fragment; `None` while it is being taken.
    measured: HashMap<&'d Name, Option<Measure>>,
}

impl<'d> Gauge<'d> {
    /// Measures what is selected of a type.
    fn selection(&mut self, set: &'d SelectionSet, on: &'d str, level: u64) -> Result<Measure, ServerError> {
        within("levels", level, RECURSION)?;
        let mut sum = Measure::default();
        for item in &set.items {
            let measure = match &item.node {
                Selection::Field(field) => self.field(&field.node, on, level)?,
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    let on = fragment.type_condition.as_ref().map_or(on, |condition| condition.node.on.node.as_str());
                    let selected = self.selection(&fragment.selection_set.node, on, level + 1)?;
                    selected.beside(self.directives(&fragment.directives))
                }
                Selection::FragmentSpread(spread) => {
                    let spread = &spread.node;
                    // A spread costs the library time even where the fragment is empty or unknown.
                    let itself = Measure { fields: 1, ..self.directives(&spread.directives) };
                    match self.fragments.get_key_value(&spread.fragment_name.node) {
                        Some((name, fragment)) => self.fragment(name, fragment, level)?.beside(itself),
                        // A name nobody defined is the validation's to refuse.
                        None => Measure { cost: Cost::of(1), ..itself },
                    }
                }
            };
            sum = sum.beside(measure);
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'d Field, on: &'d str, level: u64) -> Result<Measure, ServerError> {
        let edge = CONTRACT.edge(on, field.name.node.as_str());
        let below = self.selection(&field.selection_set.node, edge.map_or("", |edge| &edge.to), level + 1)?;
        let length = self.length(field, edge);
        let handed = field.arguments.iter().map(|(_, value)| self.inputs.weigh(&value.node));
        let handed = handed.fold(Weight::default(), Weight::and);
        let itself = Measure {
            depth: below.depth.saturating_add(1),
            width: 1,
            fields: 1,
            cost: cost(field, edge, on, (length, below.cost), handed),
            work: self.work(field, edge, length, below.work),
            aliases: u64::from(field.alias.is_some()),
            weight: handed,
            directives: 0,
        };
        let below = Measure { depth: 0, width: 0, cost: Cost::default(), work: Work::default(), ..below };
        Ok(below.beside(itself).beside(self.directives(&field.directives)))
    }

    fn fragment(
        &mut self,
        name: &'d Name,
        fragment: &'d Positioned<FragmentDefinition>,
        level: u64,
    ) -> Result<Measure, ServerError> {
        match self.measured.get(name) {
            Some(Some(measure)) => return Ok(*measure),
            Some(None) => return Err(error::server_error(ErrorCode::BadRequest, "a fragment spreads itself")),
            None => {}
        }
        self.measured.insert(name, None);
        let fragment = &fragment.node;
        let selected =
            self.selection(&fragment.selection_set.node, &fragment.type_condition.node.on.node, level + 1)?;
        let measure = selected.beside(self.directives(&fragment.directives));
        self.measured.insert(name, Some(measure));
        Ok(measure)
    }

    fn directives(&self, directives: &'d [Positioned<Directive>]) -> Measure {
        let weight = self.inputs.of_directives(directives.iter().map(|directive| &directive.node));
        Measure { directives: directives.len() as u64, weight, ..Measure::default() }
    }

    /// What a field asks of the database with what is below it.
    fn work(&self, field: &Field, edge: Option<&Edge>, length: u64, below: Work) -> Work {
        // The introspection asks nothing, and neither does what is below it.
        let below = below.times(length);
        let Some(asks) = edge.and_then(|edge| edge.asks) else { return below };
        let filtered = field.get_argument("filter").is_some();
        let sizes = Sizes { facilities: self.lists.facilities(), entries: &|| self.lists.entries() };
        below.and(price::work(asks, filtered, length, sizes))
    }

    /// How often what is below a field may come.
    fn length(&self, field: &Field, edge: Option<&Edge>) -> u64 {
        let usual = || self.lists.length(edge);
        if field.arguments.is_empty() {
            return usual().max(1);
        }
        let argument = |name: &str| field.get_argument(name).map(|value| &value.node);
        let pages = ["first", "last"].into_iter().filter_map(argument).filter_map(|value| self.page(value)).max();
        let ids = || argument("ids").map(|value| self.items(value));
        let groups = || argument("groupBy").map(|value| self.groups(value));
        pages.or_else(ids).or_else(groups).unwrap_or_else(usual).max(1)
    }

    /// How long a page is asked to be. A negative number is refused by the field itself.
    fn page(&self, value: &Value) -> Option<u64> {
        let given = self.inputs.given(value).into_iter();
        let pages = given.filter_map(|given| match given {
            ArgumentShape::Nothing => None,
            ArgumentShape::Number(number) => {
                Some(number.as_i64().map_or(LONGEST_PAGE, |number| u64::try_from(number).unwrap_or(1)))
            }
            _ => Some(LONGEST_PAGE),
        });
        pages.max()
    }

    /// How many items a list has.
    fn items(&self, value: &Value) -> u64 {
        let given = self.inputs.given(value).into_iter();
        let items = given.map(|given| if let ArgumentShape::List(items) = given { items } else { LONGEST_PAGE });
        items.max().unwrap_or(LONGEST_PAGE)
    }

    /// How many groups there can be.
    fn groups(&self, value: &Value) -> u64 {
        let given = self.inputs.given(value).into_iter();
        let by = given.map(|given| if let ArgumentShape::Word(by) = given { Some(by) } else { None });
        by.map(|by| self.lists.groups(by)).max().unwrap_or_else(|| self.lists.groups(None))
    }
}

/// What a field costs with what is below it, which comes so often.
fn cost(field: &Field, edge: Option<&Edge>, on: &str, (length, below): (u64, Cost), handed: Weight) -> Cost {
    let price = price(field).saturating_add(handed.price());
    let times = |length: u64| below.one.saturating_mul(length).saturating_add(price);
    match edge.and_then(|edge| edge.list_length) {
        Some(ListLength::Whole(all)) => Cost::of(below.of_all(all).saturating_add(price)),
        Some(ListLength::Part { most, all }) => Cost { one: times(most), each: price, rest: below.of_all(all) },
        Some(ListLength::Links(most)) => Cost::of(times(most)),
        // An entry is irregular in as many ways as it has values.
        None if on == root(OperationType::Mutation) => Cost::of(times(1 + handed.values / LONGEST_PAGE)),
        None => Cost::of(times(length)),
    }
}

/// What a field costs by itself.
fn price(field: &Field) -> u64 {
    let name = field.name.node.as_str();
    let added_up = ADDED_UP.iter().find(|(own, by, _)| *own == name && field.get_argument(by).is_some());
    added_up.map_or(1, |(_, _, price)| *price)
}

#[cfg(test)]
mod tests;
