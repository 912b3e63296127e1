//! What a subscription asks for, as it is read from its document and its variables.

use std::sync::Arc;

use async_graphql::{
    Request, ServerError, Value as ConstValue, Variables,
    parser::types::{ExecutableDocument, OperationDefinition},
};
use tavolo_store::Store;
use tavolo_subscriptions::Cursor;

use crate::{
    error::{self, ErrorCode},
    field_order::FieldOrders,
    operation::operation,
    request::{Prepared, argument},
};

/// A request that can be executed again and again.
#[derive(Clone)]
pub(super) struct SubscriptionRequest {
    pub(super) query: String,
    document: ExecutableDocument,
    pub(super) operation: Option<String>,
    pub(super) variables: Variables,
    orders: Arc<FieldOrders>,
}

impl SubscriptionRequest {
    /// What a request asks for, and where its client begins.
    pub(super) fn read(subscription: Prepared, store: &Store) -> Result<(Self, Option<Cursor>), ServerError> {
        let Prepared { mut request, orders, .. } = subscription;
        let document = request.parsed_query()?.clone();
        let Request { query, operation_name, mut variables, .. } = request;
        let after = operation(&document, operation_name.as_deref())
            .and_then(|subscription| after(subscription, &mut variables, &query))
            .map(|text| Cursor::open(&text, store))
            .transpose()
            .map_err(|_| error::server_error(ErrorCode::BadRequest, "after is not a cursor of this hub"))?;
        Ok((Self { query, document, operation: operation_name, variables, orders }, after))
    }

    pub(super) fn orders(&self) -> Arc<FieldOrders> {
        Arc::clone(&self.orders)
    }

    pub(super) fn request(&self) -> Request {
        let mut request = Request::new(self.query.clone()).variables(self.variables.clone());
        request.operation_name.clone_from(&self.operation);
        request.set_parsed_query(self.document.clone());
        request
    }
}

/// Where the client wants to go on. A variable that serves for nothing else is taken out, so that
/// whoever begins elsewhere asks for the same.
fn after(subscription: &OperationDefinition, variables: &mut Variables, query: &str) -> Option<String> {
    let (value, variable) = argument(subscription, variables, "after")?;
    // Two mentions are its definition and this argument: no other field uses the variable, so it can be dropped.
    if let Some(name) = variable.filter(|name| mentions(query, name) == 2) {
        variables.remove(&name);
    }
    match value.ok()? {
        ConstValue::Null => None,
        ConstValue::String(text) => Some(text),
        // Values of other types are kept as text, which is refused as no cursor.
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
