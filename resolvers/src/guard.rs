//! The guard: what a document would cost, known before anything of it is executed.
//!
//! The library's own limits expand fragments as they count, so a document of a kilobyte that spreads
//! them sixty times on four levels keeps it busy for seconds. Here each fragment is measured once,
//! and its measure is added wherever it is spread: the time is proportional to the document. What is measured of a
//! document that stays in memory is measured once, unless the length of a list hangs on a variable.

use std::collections::HashMap;

use async_graphql::{
    Name, Positioned, ServerError, Value as ConstValue, Variables,
    parser::types::{Directive, ExecutableDocument, Field, FragmentDefinition, OperationType, Selection, SelectionSet},
};

use tavolo_schema::history::MOST_POINTS;

use crate::error::{self, ErrorCode};

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
    /// Lists of the introspection within each other: types have fields, interfaces, other types, and these again.
    pub introspection: u64,
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
    introspection: 2,
    brackets: 64,
    tokens: 3_000,
};

/// Levels of fields and fragments that are looked into; beyond them a document is too deep in any case.
const RECURSION: u64 = 64;

/// Lists that are paged, and how long a page is when the document does not say.
const PAGED: [&str; 5] = ["facilities", "organisations", "accreditations", "guests", "stays"];
const PAGE: u64 = 20;

/// What an act costs beside its fields: it is a transaction of the database.
const ACT: u64 = 1_000;
/// Fields that add up the ledger or the stays of a period, by the argument that makes them do so, and what that costs
/// beside the fields of the answer. A history is as long as it may be.
const ADDED_UP: [(&str, &str, u64); 3] =
    [("occupancy", "at", 5_000), ("occupancyHistory", "from", 5_000), ("statistics", "from", 10_000)];
const HISTORY: (&str, u64) = ("occupancyHistory", MOST_POINTS as u64);

/// Lists of the introspection that lead from a type to other types.
const INTROSPECTION: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];

/// What a selection measures, once.
#[derive(Clone, Copy, Debug, Default)]
struct Measure {
    depth: u64,
    /// Fields of this very level.
    width: u64,
    fields: u64,
    cost: u64,
    aliases: u64,
    directives: u64,
    introspection: u64,
}

impl Measure {
    /// Both beside each other.
    fn beside(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            width: self.width.saturating_add(other.width),
            fields: self.fields.saturating_add(other.fields),
            cost: self.cost.saturating_add(other.cost),
            aliases: self.aliases.saturating_add(other.aliases),
            directives: self.directives.saturating_add(other.directives),
            introspection: self.introspection.max(other.introspection),
        }
    }
}

/// What an operation costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Toll {
    /// Fields after expansion of fragments, each as often as the lists around it may be long.
    pub cost: u64,
    /// Whether it is the same whatever the variables are.
    pub constant: bool,
}

/// Refuses a document that would cost too much, and tells what the costliest of its operations costs.
///
/// # Errors
///
/// Which limit it breaks.
pub fn check(document: &ExecutableDocument, variables: &Variables, limits: &Limits) -> Result<Toll, ServerError> {
    few(variables, limits)?;
    let definitions = document.operations.iter().count() + document.fragments.len();
    within("definitions", definitions as u64, limits.definitions as u64)?;
    let mut gauge = Gauge {
        fragments: &document.fragments,
        variables,
        defaults: defaults(document),
        measured: HashMap::new(),
        constant: true,
    };
    let (mut fields, mut cost) = (0_u64, 0_u64);
    for (_, operation) in document.operations.iter() {
        let operation = &operation.node;
        within("variables", operation.variable_definitions.len() as u64, limits.variables as u64)?;
        let mut measure = gauge.selection(&operation.selection_set.node, 0)?.beside(directives(&operation.directives));
        if operation.ty == OperationType::Mutation {
            measure.cost = measure.cost.saturating_add(measure.width.saturating_mul(ACT));
        }
        within("root fields", measure.width, limits.root_fields)?;
        if operation.ty == OperationType::Subscription && measure.width != 1 {
            return Err(error::server_error(ErrorCode::BadRequest, "a subscription has exactly one field at its root"));
        }
        bounded(measure, limits)?;
        fields = fields.saturating_add(measure.fields);
        cost = cost.max(measure.cost);
    }
    // Those that nobody spreads as well: they are validated like the others.
    for name in document.fragments.keys() {
        let measure = gauge.fragment(name, 0)?;
        bounded(measure, limits)?;
        fields = fields.saturating_add(measure.fields);
    }
    within("fields", fields, limits.fields)?;
    Ok(Toll { cost, constant: gauge.constant })
}

/// Refuses more variables than any document may declare.
///
/// # Errors
///
/// When there are more.
pub fn few(variables: &Variables, limits: &Limits) -> Result<(), ServerError> {
    within("variables", variables.len() as u64, limits.variables as u64)
}

/// The numbers that variables have when they are not sent; where operations differ, the largest.
fn defaults(document: &ExecutableDocument) -> HashMap<&Name, u64> {
    let mut defaults = HashMap::new();
    for (_, operation) in document.operations.iter() {
        for variable in &operation.node.variable_definitions {
            let value = variable.node.default_value.as_ref().and_then(|value| length(&value.node));
            if let Some(value) = value {
                let known = defaults.entry(&variable.node.name.node).or_insert(value);
                *known = value.max(*known);
            }
        }
    }
    defaults
}

/// A value as the length of a list. A negative number is refused by the field itself.
fn length(value: &ConstValue) -> Option<u64> {
    match value {
        ConstValue::Number(number) => number.as_i64().map(|number| u64::try_from(number).unwrap_or(1)),
        _ => None,
    }
}

fn bounded(measure: Measure, limits: &Limits) -> Result<(), ServerError> {
    within("levels", measure.depth, limits.depth)?;
    within("fields", measure.fields, limits.fields)?;
    within("aliases", measure.aliases, limits.aliases)?;
    within("directives", measure.directives, limits.directives)?;
    within("lists of types within each other", measure.introspection, limits.introspection)?;
    within("fields, counting the length of lists", measure.cost, limits.cost)
}

pub(crate) fn within(what: &str, found: u64, limit: u64) -> Result<(), ServerError> {
    if found <= limit {
        return Ok(());
    }
    Err(error::server_error(ErrorCode::TooCostly, format!("the document has more than {limit} {what}")))
}

fn directives(directives: &[Positioned<Directive>]) -> Measure {
    Measure { directives: directives.len() as u64, ..Measure::default() }
}

struct Gauge<'d> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    variables: &'d Variables,
    defaults: HashMap<&'d Name, u64>,
    /// The measure of each fragment; `None` while it is being taken.
    measured: HashMap<&'d Name, Option<Measure>>,
    /// Whether no variable has been looked at.
    constant: bool,
}

impl<'d> Gauge<'d> {
    fn selection(&mut self, set: &'d SelectionSet, level: u64) -> Result<Measure, ServerError> {
        within("levels", level, RECURSION)?;
        let mut sum = Measure::default();
        for item in &set.items {
            let measure = match &item.node {
                Selection::Field(field) => self.field(&field.node, level)?,
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    self.selection(&fragment.selection_set.node, level + 1)?.beside(directives(&fragment.directives))
                }
                Selection::FragmentSpread(spread) => {
                    let spread = &spread.node;
                    // A spread costs the library time even where the fragment is empty or unknown.
                    let itself = Measure { fields: 1, ..directives(&spread.directives) };
                    self.fragment(&spread.fragment_name.node, level)?.beside(itself)
                }
            };
            sum = sum.beside(measure);
        }
        Ok(sum)
    }

    fn field(&mut self, field: &'d Field, level: u64) -> Result<Measure, ServerError> {
        let below = self.selection(&field.selection_set.node, level + 1)?;
        let itself = Measure {
            depth: below.depth.saturating_add(1),
            width: 1,
            fields: 1,
            cost: below.cost.saturating_mul(self.length(field)).saturating_add(Self::price(field)),
            aliases: u64::from(field.alias.is_some()),
            directives: field.directives.len() as u64,
            introspection: below.introspection + u64::from(INTROSPECTION.contains(&field.name.node.as_str())),
        };
        Ok(Measure { depth: 0, width: 0, cost: 0, ..below }.beside(itself))
    }

    fn fragment(&mut self, name: &'d Name, level: u64) -> Result<Measure, ServerError> {
        match self.measured.get(name) {
            Some(Some(measure)) => return Ok(*measure),
            Some(None) => return Err(error::server_error(ErrorCode::BadRequest, "a fragment spreads itself")),
            None => {}
        }
        // A name nobody defined is the validation's to refuse.
        let Some(fragment) = self.fragments.get(name) else { return Ok(Measure::default()) };
        self.measured.insert(name, None);
        let fragment = &fragment.node;
        let measure = self.selection(&fragment.selection_set.node, level + 1)?.beside(directives(&fragment.directives));
        self.measured.insert(name, Some(measure));
        Ok(measure)
    }

    /// How often what is below a field may come.
    fn length(&mut self, field: &Field) -> u64 {
        let asked = ["first", "last"].into_iter().find_map(|argument| self.number(field, argument));
        let ids = match self.argument(field, "ids") {
            Some(ConstValue::List(ids)) => Some(ids.len() as u64),
            _ => None,
        };
        let name = field.name.node.as_str();
        let paged = PAGED.contains(&name).then_some(PAGE);
        let history = (name == HISTORY.0).then_some(HISTORY.1);
        asked.or(ids).or(paged).or(history).unwrap_or(1).max(1)
    }

    /// What a field costs by itself.
    fn price(field: &Field) -> u64 {
        let name = field.name.node.as_str();
        let added_up = ADDED_UP.iter().find(|(own, by, _)| *own == name && field.get_argument(by).is_some());
        added_up.map_or(1, |(_, _, price)| *price)
    }

    fn number(&mut self, field: &Field, argument: &str) -> Option<u64> {
        length(&self.argument(field, argument)?)
    }

    /// An argument's value, with the request's variables in it.
    fn argument(&mut self, field: &Field, name: &str) -> Option<ConstValue> {
        let (_, value) = field.arguments.iter().find(|(argument, _)| argument.node == name)?;
        let (sent, defaults, mut constant) = (self.variables, &self.defaults, true);
        let value = value.node.clone().into_const_with(|name| {
            constant = false;
            let default = || defaults.get(&name).map(|length| ConstValue::from(*length));
            sent.get(&name).cloned().or_else(default).ok_or(())
        });
        self.constant &= constant;
        value.ok()
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;
    use serde_json::json;

    use super::*;

    fn refusal(document: &str) -> Option<String> {
        let document = parse_query(document).unwrap();
        check(&document, &Variables::default(), &LIMITS).err().map(|error| error.message)
    }

    fn nested(levels: usize) -> String {
        "{a".repeat(levels) + &"}".repeat(levels)
    }

    fn added_up(times: usize) -> String {
        (0..times).map(|n| format!("s{n}: statistics(from: \"2026-01-01\", to: \"2026-12-31\") {{ from }} ")).collect()
    }

    #[test]
    fn ordinary_documents_pass() {
        assert_eq!(refusal(include_str!("../testdata/introspection.graphql")), None);
        assert_eq!(refusal("{ facilities(first: 50) { nodes { id capacity { category free } } } }"), None);
        assert_eq!(refusal(&nested(16)), None);
        assert_eq!(refusal(&format!("{{ {} }}", added_up(12))), None);
        let history = "{ occupancyHistory(from: \"2025-01-01T00:00:00Z\") { at capacity { free occupied } } }";
        assert_eq!(refusal(history), None);
    }

    #[test]
    fn each_limit_refuses_what_breaks_it() {
        let aliases: String = (0..201).map(|number| format!("a{number}: role ")).collect();
        let roots = "viewer ".repeat(51);
        let many = "role ".repeat(4_001);
        let variables: Vec<String> = (0..101).map(|number| format!("$v{number}: Int")).collect();
        let directives = "@skip(if: true)".repeat(101);
        let fragments: String = (0..101).map(|number| format!("fragment f{number} on Viewer {{ role }} ")).collect();
        for (document, limit) in [
            (nested(17), "levels"),
            (format!("{{ viewer {{ {aliases} }} }}"), "aliases"),
            (format!("{{ {roots} }}"), "root fields"),
            (format!("{{ viewer {{ {many} }} }}"), "fields"),
            (format!("query({}) {{ viewer }}", variables.join(",")), "variables"),
            (format!("{{ viewer {{ role {directives} }} }}"), "directives"),
            (format!("{{ viewer {{ role }} }} {fragments}"), "definitions"),
            (format!("{{ viewer {{ role }} }} fragment a on Viewer {{ {many} }}"), "fields"),
            ("{ __schema { types { interfaces { possibleTypes { fields { name } } } } } }".into(), "lists of types"),
            ("{ a(first: 100) { b(last: 100) { c(first: 100) { d } } } }".into(), "length of lists"),
            (format!("{{ {} }}", added_up(16)), "length of lists"),
        ] {
            let refusal = refusal(&document).unwrap_or_default();
            assert!(refusal.contains(limit), "{limit}: {refusal}");
        }
    }

    #[test]
    fn fragments_that_spread_each_other_sixty_times_are_measured_once_each() {
        let mut document = String::from("{ viewer { ...f0 } }");
        for level in 0..8 {
            let spreads = format!("...f{} ", level + 1).repeat(60);
            document += &format!(" fragment f{level} on Viewer {{ {spreads} }}");
        }
        document += " fragment f8 on Viewer { role }";
        assert!(refusal(&document).unwrap_or_default().contains("fields"));
    }

    fn toll(document: &str, variables: serde_json::Value) -> Toll {
        check(&parse_query(document).unwrap(), &Variables::from_json(variables), &LIMITS).unwrap()
    }

    #[test]
    fn the_cost_counts_each_field_as_often_as_it_may_come() {
        let list = "query($n: Int = 7) { facilities(first: $n) { nodes { id } } }";
        let constant = "{ facilities(first: 7) { nodes { id } } }";
        assert_eq!(toll(constant, json!({})), Toll { cost: 15, constant: true });
        assert_eq!(toll(list, json!({})), Toll { cost: 15, constant: false }, "the default of a variable counts");
        assert_eq!(toll(list, json!({ "n": 3 })).cost, 7);
        assert_eq!(toll("{ facilities { nodes { id } } }", json!({})).cost, 41, "a page is as long as it is");
        assert_eq!(toll(list, json!({ "n": -5 })).cost, 3, "nothing wraps around");
        assert_eq!(toll("{ facilities(first: -9223372036854775808) { nodes { id } } }", json!({})).cost, 3);
        assert_eq!(toll("mutation { a: act { id } b: act { id } }", json!({})).cost, 2_004);
        assert_eq!(toll("query($x: String) { facilities(after: $x) { nodes { id } } }", json!({})).cost, 41);
    }

    #[test]
    fn more_variables_than_may_be_declared_may_not_be_sent_either() {
        let sent: serde_json::Map<_, _> = (0..100_000).map(|number| (format!("v{number}"), json!(1))).collect();
        let document = parse_query("{ viewer { role } }").unwrap();
        let refused = check(&document, &Variables::from_json(sent.into()), &LIMITS).unwrap_err();
        assert!(refused.message.contains("variables"), "{}", refused.message);
    }

    #[test]
    fn a_subscription_has_exactly_one_field_at_its_root() {
        let one = "subscription { occupancyChanged { kind } }";
        assert_eq!(refusal(one), None);
        for more in [
            "subscription { a: occupancyChanged { kind } b: occupancyChanged { kind } }",
            "subscription { ...f } fragment f on Subscription { a: occupancyChanged { kind } b: accreditationChanged { kind } }",
        ] {
            assert!(refusal(more).unwrap_or_default().contains("exactly one field"), "{more}");
        }
    }

    #[test]
    fn a_fragment_that_spreads_itself_is_refused() {
        let document = "{ viewer { ...f } } fragment f on Viewer { ...g } fragment g on Viewer { ...f }";
        assert!(refusal(document).unwrap_or_default().contains("spreads itself"));
        assert!(refusal("{ ...f } fragment f on Query { ...f }").is_some());
    }

    #[test]
    fn fragments_that_lead_nowhere_cost_no_time_either() {
        let mut document = String::from("{ ...f0 }");
        for level in 0..12 {
            let spreads = format!("...f{} ", level + 1).repeat(60);
            document += &format!(" fragment f{level} on Query {{ {spreads} }}");
        }
        // Nobody defines the last one, so there is no field at all.
        assert!(refusal(&document).unwrap_or_default().contains("fields"));
    }
}
