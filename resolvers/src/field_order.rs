//! The order of an answer: its fields as the document selects them, and its errors as the fields they are of.
//!
//! The library puts a field into the answer when it is found, so that the order would tell which of two fields waited
//! longer. GraphQL wants the order of the request (specification of October 2021, 7.2.2). Where two fragments on
//! different types select the same field, it stands where the first of them has it, whichever type the object is of.

use std::{cmp::Ordering, collections::HashMap};

use async_graphql::{
    Name, PathSegment, Positioned, Response, Value,
    indexmap::IndexMap,
    parser::types::{ExecutableDocument, FragmentDefinition, OperationDefinition, Selection, SelectionSet},
};

use crate::operation::is_wanted;

/// The fields that are selected of one object, in order, each with what is selected of its value.
#[derive(Debug, Default)]
struct FieldOrder(IndexMap<Name, Self>);

/// The order of the answer to each operation of a document.
#[derive(Debug, Default)]
pub(crate) struct FieldOrders(Vec<(Option<Name>, FieldOrder)>);

impl FieldOrders {
    /// Those of a document.
    pub(crate) fn of(document: &ExecutableDocument) -> Self {
        let order = |(name, operation): (Option<&Name>, &Positioned<OperationDefinition>)| {
            let mut order = FieldOrder::default();
            order.add(&operation.node.selection_set.node, &document.fragments);
            (name.cloned(), order)
        };
        Self(document.operations.iter().map(order).collect())
    }

    /// Brings the answer to an operation into its order.
    pub(crate) fn arrange(&self, operation: Option<&str>, response: &mut Response) {
        let mut orders = self.0.iter();
        let own = orders.find(|(name, _)| is_wanted(name.as_ref(), operation));
        if let Some((_, order)) = own {
            order.arrange(response);
        }
    }
}

impl FieldOrder {
    /// Adds what is selected. The guard has refused fragments that spread themselves.
    fn add(&mut self, set: &SelectionSet, fragments: &HashMap<Name, Positioned<FragmentDefinition>>) {
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let below = self.0.entry(field.node.response_key().node.clone()).or_default();
                    below.add(&field.node.selection_set.node, fragments);
                }
                Selection::InlineFragment(fragment) => self.add(&fragment.node.selection_set.node, fragments),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = fragments.get(&spread.node.fragment_name.node) {
                        self.add(&fragment.node.selection_set.node, fragments);
                    }
                }
            }
        }
    }

    /// Brings an answer into this order.
    fn arrange(&self, response: &mut Response) {
        self.arrange_value(&mut response.data);
        response.errors.sort_by(|one, other| self.compare(&one.path, &other.path));
    }

    fn arrange_value(&self, value: &mut Value) {
        if self.0.is_empty() {
            return;
        }
        match value {
            Value::List(items) => items.iter_mut().for_each(|item| self.arrange_value(item)),
            Value::Object(fields) => {
                let (mut next, mut ordered) = (0, true);
                for (name, value) in fields.iter_mut() {
                    let Some((at, below)) = self.find(name, next) else { continue };
                    ordered &= at >= next;
                    next = at + 1;
                    below.arrange_value(value);
                }
                if !ordered {
                    fields.sort_by(|one, _, other, _| self.0.get_index_of(one).cmp(&self.0.get_index_of(other)));
                }
            }
            _ => {}
        }
    }

    /// A field and where it stands. It is nearly always the next one.
    fn find(&self, name: &Name, next: usize) -> Option<(usize, &Self)> {
        match self.0.get_index(next) {
            Some((expected, below)) if expected == name => Some((next, below)),
            _ => self.0.get_full(name).map(|(at, _, below)| (at, below)),
        }
    }

    fn compare(&self, one: &[PathSegment], other: &[PathSegment]) -> Ordering {
        match (one, other) {
            ([PathSegment::Field(one), one_rest @ ..], [PathSegment::Field(other), other_rest @ ..]) => {
                let place = |name: &String| self.0.get_index_of(name.as_str());
                let below = self.0.get(one.as_str());
                place(one).cmp(&place(other)).then_with(|| match below {
                    Some(below) if one == other => below.compare(one_rest, other_rest),
                    _ => Ordering::Equal,
                })
            }
            ([PathSegment::Index(one), one_rest @ ..], [PathSegment::Index(other), other_rest @ ..]) => {
                one.cmp(other).then_with(|| self.compare(one_rest, other_rest))
            }
            _ => one.len().cmp(&other.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::{ServerError, parser::parse_query, value};

    use super::*;

    fn arranged(document: &str, data: Value, paths: &[&[PathSegment]]) -> (String, Vec<Vec<PathSegment>>) {
        let mut response = Response::new(data);
        let errors = paths.iter().map(|path| ServerError { path: path.to_vec(), ..ServerError::new("", None) });
        response.errors = errors.collect();
        let orders =
            parse_query(document).map_or_else(|_| FieldOrders::default(), |document| FieldOrders::of(&document));
        orders.arrange(None, &mut response);
        let paths = response.errors.into_iter().map(|error| error.path).collect();
        (response.data.to_string(), paths)
    }

    #[test]
    fn an_answer_is_in_the_order_of_the_request_whatever_was_found_first() {
        let document = "query { second: b { ...Parts x } a ... @include(if: true) { c { z } } second: b { w } }
            fragment Parts on B { y { p q } }";
        let found =
            value!({ "c": { "z": 1 }, "a": [1, 2], "second": [null, { "w": 4, "x": 3, "y": { "q": 2, "p": 1 } }] });
        let (data, _) = arranged(document, found, &[]);
        assert_eq!(data, "{second: [null, {y: {p: 1, q: 2}, x: 3, w: 4}], a: [1, 2], c: {z: 1}}");
    }

    #[test]
    fn what_was_not_found_leaves_no_trace() {
        let (data, _) = arranged("{ a b c d }", value!({ "d": 1, "b": 2 }), &[]);
        assert_eq!(data, "{b: 2, d: 1}");
        assert_eq!(arranged("{ a ", value!({ "d": 1, "b": 2 }), &[]).0, "{d: 1, b: 2}");
    }

    #[test]
    fn errors_are_in_the_order_of_their_fields() {
        let field = |name: &str| PathSegment::Field(name.to_owned());
        let paths = [
            vec![field("b"), PathSegment::Index(10), field("x")],
            vec![field("b"), PathSegment::Index(9), field("y")],
            vec![field("b"), PathSegment::Index(9), field("x")],
            vec![field("b")],
            vec![field("a")],
            vec![],
        ];
        let given: Vec<&[PathSegment]> = paths.iter().map(Vec::as_slice).collect();
        let (_, sorted) = arranged("{ a b { x y } }", Value::Null, &given);
        let expected: Vec<_> = paths.iter().rev().cloned().collect();
        assert_eq!(sorted, expected);
    }
}
