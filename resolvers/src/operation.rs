//! The operation of a document that a request is about.

use async_graphql::{
    Name,
    parser::types::{ExecutableDocument, OperationDefinition, OperationType},
};

/// Whether an operation is the one that a request names, or could be meant by one that names none.
pub(crate) fn is_wanted(own: Option<&Name>, name: Option<&str>) -> bool {
    name.is_none() || own.map(Name::as_str) == name
}

/// The operation that would be executed.
pub(crate) fn operation<'d>(document: &'d ExecutableDocument, name: Option<&str>) -> Option<&'d OperationDefinition> {
    let mut operations = document.operations.iter();
    let named = operations.find(|(own, _)| is_wanted(*own, name));
    named.map(|(_, operation)| &operation.node)
}

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
        if is_wanted(own, name) {
            match operation.node.ty {
                OperationType::Query => {}
                OperationType::Mutation => return OperationKind::Mutation,
                OperationType::Subscription => kind = OperationKind::Subscription,
            }
        }
    }
    kind
}
