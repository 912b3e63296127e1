//! A request as it is read: what it does, what it asks for, and what it costs.

use std::sync::Arc;

use async_graphql::{
    InputType, Name, Request, Value as ConstValue, Variables,
    parser::types::{OperationDefinition, Selection},
};

use crate::{
    Seen, field_order::FieldOrders, occupancy::filter::OccupancyFilter, operation::OperationKind, weight::Weight,
};

/// A request that has been read and measured.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) request: Request,
    pub(crate) orders: Arc<FieldOrders>,
    /// What it does.
    pub kind: OperationKind,
    /// What it costs, as the guard measures it.
    pub cost: u64,
    /// How many messages of that cost an answer has: one, or those of a subscription's state, which may be none.
    pub messages: u64,
    /// Whether its document is known to be valid.
    pub(crate) valid: bool,
    /// Whether its document has to be kept when it is valid.
    pub(crate) keep: bool,
}

impl Prepared {
    /// What it costs to have it answered: a subscription, for its state, and for each while that it goes on.
    #[must_use]
    pub fn price(&self) -> u64 {
        self.cost.saturating_mul(self.messages.max(1))
    }

    /// Bytes of it that stay in memory for as long as it is answered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Weight::of_request(&self.request.query, &self.request.variables).bytes()
    }
}

/// Leaves out the variables that an operation does not declare: it would be the same without them.
pub(crate) fn keep_declared(operation: &OperationDefinition, variables: &mut Variables) {
    let declares = |name: &Name| operation.variable_definitions.iter().any(|own| own.node.name.node == *name);
    variables.retain(|name, _| declares(name));
}

/// How many pools a subscription is about as far as the viewer sees them: its state has a message for each of them.
pub(crate) fn pools(subscription: &OperationDefinition, variables: &Variables, seen: Seen<'_>) -> u64 {
    let filter = argument(subscription, variables, "filter").and_then(|(value, _)| value.ok());
    // A filter that cannot be read counts as none here: the execution refuses it.
    let filter = OccupancyFilter::parse(filter).unwrap_or_default();
    filter.reach(seen) as u64
}

/// An argument of a subscription, with its variables in it, and which variable that is.
pub(crate) fn argument(
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

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::operation::operation;

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
}
