//! What a request hands to its document: variables, and whatever arguments have in them.
//!
//! The library copies an argument each time it looks at it, and with it each variable, wherever it stands. Here each
//! variable is weighed once, and its weight is added wherever it stands; nothing is copied.

use std::collections::HashMap;

use async_graphql::{
    Name, Number, Value as ConstValue, Variables,
    parser::types::{Directive, ExecutableDocument},
};
use async_graphql_value::Value;

/// Values and bytes of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Weight {
    pub(crate) values: u64,
    pub(crate) text: u64,
}

/// So many values, or bytes of text, are handed over at once, and cost as much as so many fields.
const PARCEL: (u64, u64) = (1_024, 64);

impl Weight {
    fn of_text(text: &str) -> Self {
        Self { values: 1, text: text.len() as u64 }
    }

    /// One value that holds others.
    fn around(inner: impl Iterator<Item = Self>) -> Self {
        inner.fold(Self { values: 1, text: 0 }, Self::and)
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self { values: self.values.saturating_add(other.values), text: self.text.saturating_add(other.text) }
    }

    /// What it costs. What is small costs nothing, so that an id costs as much as any other.
    pub(crate) fn price(self) -> u64 {
        let (size, price) = PARCEL;
        (self.values.saturating_add(self.text) / size).saturating_mul(price)
    }

    /// What it takes of memory.
    pub(crate) fn bytes(self) -> usize {
        let bytes = self.values.saturating_mul(size_of::<ConstValue>() as u64).saturating_add(self.text);
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// What the text and the variables of a request weigh.
    pub(crate) fn of_request(text: &str, variables: &Variables) -> Self {
        let sent = variables.iter().map(|(name, value)| Self::of_text(name).and(Self::of(value)));
        sent.fold(Self::of_text(text), Self::and)
    }

    fn of(value: &ConstValue) -> Self {
        match value {
            ConstValue::String(text) => Self::of_text(text),
            ConstValue::Enum(name) => Self::of_text(name),
            ConstValue::Binary(bytes) => Self { values: 1, text: bytes.len() as u64 },
            ConstValue::List(items) => Self::around(items.iter().map(Self::of)),
            ConstValue::Object(entries) => {
                Self::around(entries.iter().map(|(name, value)| Self::of_text(name).and(Self::of(value))))
            }
            ConstValue::Null | ConstValue::Number(_) | ConstValue::Boolean(_) => Self { values: 1, text: 0 },
        }
    }
}

/// What the guard has to know of an argument's value.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ArgumentShape<'v> {
    /// It is as if the argument were not there.
    Nothing,
    Number(&'v Number),
    Word(&'v str),
    /// So many items.
    List(u64),
    Other,
}

impl<'v> ArgumentShape<'v> {
    fn literal(value: &'v Value) -> Self {
        match value {
            Value::Null => Self::Nothing,
            Value::Number(number) => Self::Number(number),
            Value::String(text) => Self::Word(text),
            Value::Enum(name) => Self::Word(name),
            Value::List(items) => Self::List(items.len() as u64),
            _ => Self::Other,
        }
    }

    fn constant(value: &'v ConstValue) -> Self {
        match value {
            ConstValue::Null => Self::Nothing,
            ConstValue::Number(number) => Self::Number(number),
            ConstValue::String(text) => Self::Word(text),
            ConstValue::Enum(name) => Self::Word(name),
            ConstValue::List(items) => Self::List(items.len() as u64),
            _ => Self::Other,
        }
    }
}

/// The variables of a request.
#[derive(Debug)]
pub(crate) struct Inputs<'d> {
    sent: &'d Variables,
    /// What a variable is when it is not sent. Operations may differ.
    defaults: HashMap<&'d Name, Vec<&'d ConstValue>>,
    weights: HashMap<&'d Name, Weight>,
}

impl<'d> Inputs<'d> {
    pub(crate) fn new(document: &'d ExecutableDocument, sent: &'d Variables) -> Self {
        let mut defaults: HashMap<&Name, Vec<&ConstValue>> = HashMap::new();
        let mut weights: HashMap<&Name, Weight> = sent.iter().map(|(name, value)| (name, Weight::of(value))).collect();
        for (_, operation) in document.operations.iter() {
            for definition in &operation.node.variable_definitions {
                let name = &definition.node.name.node;
                let Some(value) = &definition.node.default_value else { continue };
                defaults.entry(name).or_default().push(&value.node);
                if !sent.contains_key(name) {
                    let (known, own) = (weights.entry(name).or_default(), Weight::of(&value.node));
                    *known = Weight { values: known.values.max(own.values), text: known.text.max(own.text) };
                }
            }
        }
        Self { sent, defaults, weights }
    }

    /// What an argument may be: with a variable that is not sent, whatever its defaults are.
    pub(crate) fn given<'v>(&'v self, value: &'v Value) -> Vec<ArgumentShape<'v>> {
        let Value::Variable(name) = value else { return vec![ArgumentShape::literal(value)] };
        match (self.sent.get(name), self.defaults.get(name)) {
            (Some(sent), _) => vec![ArgumentShape::constant(sent)],
            (None, Some(defaults)) => defaults.iter().copied().map(ArgumentShape::constant).collect(),
            (None, None) => Vec::new(),
        }
    }

    /// What the arguments of some directives weigh.
    pub(crate) fn of_directives<'a>(&self, directives: impl Iterator<Item = &'a Directive>) -> Weight {
        let arguments = directives.flat_map(|directive| &directive.arguments);
        arguments.fold(Weight::default(), |sum, (_, value)| sum.and(self.weigh(&value.node)))
    }

    /// What a value weighs with the variables in it.
    pub(crate) fn weigh(&self, value: &Value) -> Weight {
        match value {
            Value::Variable(name) => {
                Weight { values: 1, text: 0 }.and(self.weights.get(name).copied().unwrap_or_default())
            }
            Value::String(text) => Weight::of_text(text),
            Value::Enum(name) => Weight::of_text(name),
            Value::Binary(bytes) => Weight { values: 1, text: bytes.len() as u64 },
            Value::List(items) => Weight::around(items.iter().map(|item| self.weigh(item))),
            Value::Object(entries) => {
                Weight::around(entries.iter().map(|(name, value)| Weight::of_text(name).and(self.weigh(value))))
            }
            Value::Null | Value::Number(_) | Value::Boolean(_) => Weight { values: 1, text: 0 },
        }
    }
}
