//! A request as it is read: what it does, what it asks for, and what it costs.

use std::sync::Arc;

use async_graphql::{
    InputType, Name, Request, Value as ConstValue, Variables,
    parser::types::{ExecutableDocument, OperationDefinition, OperationType, Selection},
};

use crate::{Seen, field_order::FieldOrders, occupancy::filter::OccupancyFilter, weight::Weight};

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationKind {
    /// It asks.
    Query,
    /// It acts.
    Mutation,
    /// It watches.
    Subscription,
}

impl OperationKind {
    /// The kind as documents write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::Mutation => "mutation",
            Self::Subscription => "subscription",
        }
    }
}

/// The kind of the operation that would be executed. Where nobody can tell which one that is, a mutation among them
/// makes it one.
pub(crate) fn kind(document: &ExecutableDocument, name: Option<&str>) -> OperationKind {
    let operations = document.operations.iter();
    let mut kind = OperationKind::Query;
    for (own, operation) in operations {
        if name.is_none() || own.map(|own| own.as_str()) == name {
            match operation.node.ty {
                OperationType::Query => {}
                OperationType::Mutation => return OperationKind::Mutation,
                OperationType::Subscription => kind = OperationKind::Subscription,
            }
        }
    }
    kind
}

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
