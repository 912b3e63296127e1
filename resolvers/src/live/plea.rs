//! What a subscription asks for, as it is read from its document and its variables.

use async_graphql::{
    InputType, Name, Request, ServerError, Value as ConstValue, Variables,
    parser::types::{ExecutableDocument, OperationDefinition, Selection},
};
use tavolo_store::Store;
use tavolo_subscriptions::Cursor;

use crate::{
    Seen,
    error::{self, ErrorCode},
    occupancy::OccupancyFilter,
};

/// A request that can be executed again and again.
#[derive(Clone)]
pub(super) struct Plea {
    pub(super) query: String,
    document: ExecutableDocument,
    pub(super) operation: Option<String>,
    pub(super) variables: Variables,
}

impl Plea {
    /// What a request asks for, and where its client begins.
    pub(super) fn read(mut request: Request, store: &Store) -> Result<(Self, Option<Cursor>), ServerError> {
        let document = request.parsed_query()?.clone();
        let Request { query, operation_name: operation, mut variables, .. } = request;
        let after = self::operation(&document, operation.as_deref())
            .and_then(|subscription| after(subscription, &mut variables, &query))
            .map(|text| Cursor::open(&text, store))
            .transpose()
            .map_err(|_| error::server_error(ErrorCode::BadRequest, "after is not a cursor of this hub"))?;
        Ok((Self { query, document, operation, variables }, after))
    }

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.query.clone()).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation);
        request.set_parsed_query(self.document.clone());
        request
    }
}

/// The operation that would be executed.
pub(crate) fn operation<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    let mut operations = document.operations.iter();
    let named = operations.find(|(own, _)| name.is_none() || own.map(Name::as_str) == name);
    named.map(|(_, operation)| &operation.node)
}

/// Leaves out the variables that an operation does not declare: it would be the same without them.
pub(crate) fn keep_declared(operation: &OperationDefinition, variables: &mut Variables) {
    let declares = |name: &Name| operation.variable_definitions.iter().any(|own| own.node.name.node == *name);
    variables.retain(|name, _| declares(name));
}

/// How many pools a subscription is about as far as the viewer sees them: its state has a message for each of them.
pub(crate) fn pools(subscription: &OperationDefinition, variables: &Variables, seen: Seen<'_>) -> u64 {
    let filter = argument(subscription, variables, "filter").and_then(|(value, _)| value.ok());
    // One that cannot be read is refused later.
    let filter = OccupancyFilter::parse(filter).unwrap_or_default();
    filter.reach(seen) as u64
}

/// An argument of a subscription, with its variables in it, and which variable that is.
fn argument(
    subscription: &OperationDefinition,
    variables: &Variables,
    name: &str,
) -> Option<(Result<ConstValue, ()>, Option<Name>)> {
    let root = subscription.selection_set.node.items.first()?;
    let Selection::Field(field) = &root.node else { return None };
    let value = field.node.get_argument(name)?.node.clone();
    let mut variable = None;
    let value = value.into_const_with(|name| {
        let mut definitions = subscription.variable_definitions.iter().map(|definition| &definition.node);
        let default = || definitions.find(|definition| definition.name.node == name)?.default_value().cloned();
        let given = variables.get(&name).cloned().or_else(default);
        variable = Some(name);
        given.ok_or(())
    });
    Some((value, variable))
}

/// Where the client wants to go on. A variable that serves for nothing else is taken out, so that
/// whoever begins elsewhere asks for the same.
fn after(subscription: &OperationDefinition, variables: &mut Variables, query: &str) -> Option<String> {
    let (value, variable) = argument(subscription, variables, "after")?;
    // Once where it is defined and once here.
    if let Some(name) = variable.filter(|name| mentions(query, name) == 2) {
        variables.remove(&name);
    }
    match value.ok()? {
        ConstValue::Null => None,
        ConstValue::String(text) => Some(text),
        // No cursor looks like this.
        other => Some(other.to_string()),
    }
}

fn mentions(query: &str, variable: &str) -> usize {
    let continues = |rest: &str| rest.starts_with(|next: char| next == '_' || next.is_ascii_alphanumeric());
    let named = query.split('$').skip(1).filter_map(|rest| rest.trim_start().strip_prefix(variable));
    named.filter(|rest| !continues(rest)).count()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    fn begins(query: &str, variables: serde_json::Value) -> (Option<String>, usize) {
        let document = parse_query(query).unwrap();
        let mut variables = Variables::from_json(variables);
        let found = after(operation(&document, None).unwrap(), &mut variables, query);
        (found, variables.len())
    }

    fn sent(query: &str, name: Option<&str>, variables: serde_json::Value) -> Vec<String> {
        let document = parse_query(query).unwrap();
        let mut variables = Variables::from_json(variables);
        keep_declared(operation(&document, name).unwrap(), &mut variables);
        variables.keys().map(ToString::to_string).collect()
    }

    #[test]
    fn what_the_operation_does_not_declare_is_left_out() {
        let document = "query A($a: Int, $b: Int) { a } query B($b: Int) { b }";
        let variables = serde_json::json!({ "a": 1, "b": 2, "c": [3] });
        assert_eq!(sent(document, Some("A"), variables.clone()), ["a", "b"]);
        assert_eq!(sent(document, Some("B"), variables), ["b"]);
    }

    #[test]
    fn where_somebody_begins_is_taken_out_of_what_is_asked_for() {
        let document = "subscription($after: String) { occupancyChanged(after: $after) { kind } }";
        assert_eq!(begins(document, serde_json::json!({ "after": "x" })), (Some("x".into()), 0));
        assert_eq!(begins(document, serde_json::json!({})), (None, 0));
        assert_eq!(begins(document, serde_json::json!({ "after": null })), (None, 0));
        let literal = "subscription { occupancyChanged(after: \"x\") { kind } }";
        assert_eq!(begins(literal, serde_json::json!({})), (Some("x".into()), 0));
        let default = "subscription($after: String = \"y\") { occupancyChanged(after: $after) { kind } }";
        assert_eq!(begins(default, serde_json::json!({})), (Some("y".into()), 0));
    }

    #[test]
    fn a_variable_that_serves_for_something_else_as_well_stays() {
        let twice =
            "subscription($x: String, $xy: ID) { occupancyChanged(filter: {municipality: $x}, after: $x) { kind } }";
        assert_eq!(begins(twice, serde_json::json!({ "x": "x" })), (Some("x".into()), 1));
        let other =
            "subscription($x: String, $xy: ID) { occupancyChanged(filter: {facility: $xy}, after: $x) { kind } }";
        assert_eq!(begins(other, serde_json::json!({ "x": "x", "xy": "z" })), (Some("x".into()), 1));
    }
}
