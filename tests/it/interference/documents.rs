//! Documents from the contract: whatever can be asked, with arguments that name what is there, seen or not.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
};

use async_graphql::parser::types::{BaseType, FieldDefinition, Type, TypeDefinition, TypeKind};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};

use super::values::Values;
use crate::contract::{fields, types};

/// A field of a document, or a fragment on a type, with what is selected below.
#[derive(Clone, Debug)]
pub(super) struct Selected {
    /// The response key, if it is another than the name, the name, and the arguments as they are written.
    head: String,
    /// `Type.field`; none for a fragment.
    pub(super) of: Option<String>,
    pub(super) below: Vec<Self>,
}

impl Selected {
    fn write(&self, into: &mut String) {
        into.push_str(&self.head);
        if !self.below.is_empty() {
            into.push_str(" { ");
            for below in &self.below {
                below.write(into);
                into.push(' ');
            }
            into.push('}');
        }
    }

    /// This without one of its parts, for every part that can go.
    fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        for at in 0..self.below.len() {
            if self.below.len() > 1 {
                let mut less = self.clone();
                less.below.remove(at);
                smaller.push(less);
            }
            for below in self.below[at].smaller() {
                let mut less = self.clone();
                less.below[at] = below;
                smaller.push(less);
            }
        }
        smaller
    }
}

/// A document with one operation.
#[derive(Clone, Debug)]
pub(super) struct Document {
    /// `query`, `mutation` or `subscription`.
    pub(super) kind: &'static str,
    pub(super) roots: Vec<Selected>,
}

impl Document {
    pub(super) fn text(&self) -> String {
        let mut text = format!("{} {{ ", self.kind);
        for root in &self.roots {
            root.write(&mut text);
            text.push(' ');
        }
        text + "}"
    }

    /// The names of the fields at the root.
    pub(super) fn root_names(&self) -> BTreeSet<String> {
        let name = |root: &Selected| root.of.as_ref().and_then(|of| of.split('.').nth(1)).map(ToOwned::to_owned);
        self.roots.iter().filter_map(name).collect()
    }

    /// This without one of its parts, for every part that can go: the largest parts first.
    pub(super) fn smaller(&self) -> Vec<Self> {
        let mut smaller = Vec::new();
        if self.roots.len() > 1 {
            for at in 0..self.roots.len() {
                let mut less = self.clone();
                less.roots.remove(at);
                smaller.push(less);
            }
        }
        for at in 0..self.roots.len() {
            for root in self.roots[at].smaller() {
                let mut less = self.clone();
                less.roots[at] = root;
                smaller.push(less);
            }
        }
        smaller
    }
}

/// The types of the contract by name.
pub(super) struct Contract(pub(super) BTreeMap<String, TypeDefinition>);

impl Contract {
    pub(super) fn read() -> Self {
        Self(types().into_iter().map(|definition| (definition.name.node.to_string(), definition)).collect())
    }

    pub(super) fn field(&self, ty: &str, name: &str) -> &FieldDefinition {
        fields(&self.0[ty]).into_iter().find(|field| field.name.node == name).unwrap()
    }

    fn is_composite(&self, ty: &str) -> bool {
        matches!(self.0.get(ty).map(|found| &found.kind), Some(TypeKind::Object(_) | TypeKind::Interface(_)))
    }

    /// The objects that an interface may be.
    fn possible(&self, interface: &str) -> Vec<&str> {
        let implements = |definition: &TypeDefinition| match &definition.kind {
            TypeKind::Object(object) => object.implements.iter().any(|own| own.node == interface),
            _ => false,
        };
        self.0.iter().filter(|(_, definition)| implements(definition)).map(|(name, _)| name.as_str()).collect()
    }

    /// Every field of an object, as `Type.field`.
    pub(super) fn all_fields(&self) -> BTreeSet<String> {
        let named = |definition: &TypeDefinition| {
            let name = definition.name.node.clone();
            fields(definition).into_iter().map(|field| format!("{name}.{}", field.name.node)).collect::<Vec<_>>()
        };
        let objects = self.0.values().filter(|definition| matches!(definition.kind, TypeKind::Object(_)));
        objects.flat_map(named).collect()
    }
}

pub(super) fn base(ty: &Type) -> &str {
    match &ty.base {
        BaseType::Named(name) => name,
        BaseType::List(inner) => base(inner),
    }
}

/// Whether a field can be asked for without arguments.
fn takes_nothing(field: &FieldDefinition) -> bool {
    let mut arguments = field.arguments.iter().map(|argument| &argument.node);
    arguments.all(|argument| argument.ty.node.nullable || argument.default_value.is_some())
}

/// Levels of fields within each other at most.
const DEEPEST: usize = 9;
/// Fields of a document at most.
const FIELDS: usize = 110;
/// How often a field may come in an answer, about.
const OFTEN: u64 = 600;

/// Makes documents. What has been asked least is asked first.
pub(super) struct Maker<'c> {
    pub(super) contract: &'c Contract,
    pub(super) values: Values<'c>,
    /// How often each field was selected.
    pub(super) selected: BTreeMap<String, usize>,
    room: usize,
}

impl<'c> Maker<'c> {
    pub(super) fn new(contract: &'c Contract, values: Values<'c>) -> Self {
        Self { contract, values, selected: BTreeMap::new(), room: 0 }
    }

    fn rng(&mut self) -> &mut StdRng {
        &mut self.values.rng
    }

    /// Everything that a thing with a global id and its parts say of themselves. Chance has no part in it.
    pub(super) fn whole(&self, kind: &str, id: &str) -> Option<Document> {
        let ty = self.contract.possible("Node").into_iter().find(|ty| ty.eq_ignore_ascii_case(kind))?;
        let fragment = Selected { head: format!("... on {ty}"), of: None, below: self.all_of(ty, 0) };
        let head = format!("node(id: {})", json!(id));
        let root = Selected { head, of: Some("Query.node".into()), below: vec![fragment] };
        Some(Document { kind: "query", roots: vec![root] })
    }

    /// How long every list at the root is.
    pub(super) fn counts(&self) -> Document {
        let lists = fields(&self.contract.0["Query"]).into_iter();
        let lists = lists.filter(|field| base(&field.ty.node).ends_with("Connection") && takes_nothing(field));
        let roots = lists.map(|field| {
            let name = field.name.node.as_str();
            let below = vec![Selected { head: "totalCount".into(), of: None, below: Vec::new() }];
            Selected { head: name.to_owned(), of: Some(format!("Query.{name}")), below }
        });
        Document { kind: "query", roots: roots.collect() }
    }

    fn all_of(&self, ty: &str, level: usize) -> Vec<Selected> {
        // What can be asked for by itself is a thing of its own.
        let asked_for = |field: &&FieldDefinition| base(&field.ty.node) == ty;
        let of_node = level > 0 && fields(&self.contract.0["Query"]).iter().any(asked_for);
        let asked = fields(&self.contract.0[ty]).into_iter().filter(|field| {
            takes_nothing(field)
                && (!of_node || field.name.node == "id")
                && !(level >= DEEPEST && self.contract.is_composite(base(&field.ty.node)))
        });
        let selected = asked.map(|field| {
            let (name, to) = (field.name.node.as_str(), base(&field.ty.node));
            let below = if self.contract.is_composite(to) { self.all_of(to, level + 1) } else { Vec::new() };
            Selected { head: name.to_owned(), of: Some(format!("{ty}.{name}")), below }
        });
        selected.collect()
    }

    /// A query with one to four fields at its root.
    pub(super) fn query(&mut self) -> Document {
        let roots = self.rng().random_range(1..=4);
        self.operation("query", "Query", roots)
    }

    /// A mutation with one field at its root, that only asks whether it would be performed.
    pub(super) fn check(&mut self) -> Document {
        self.operation("mutation", "Mutation", 1)
    }

    /// The names of all mutations.
    pub(super) fn mutations(&self) -> Vec<String> {
        fields(&self.contract.0["Mutation"]).iter().map(|field| field.name.node.to_string()).collect()
    }

    /// A check of this act.
    pub(super) fn check_of(&mut self, mutation: &str) -> Document {
        self.room = FIELDS;
        let field = self.contract.field("Mutation", mutation);
        let root = self.field("Mutation", field, 0, 1, "");
        Document { kind: "mutation", roots: vec![root] }
    }

    pub(super) fn subscription(&mut self) -> Document {
        self.operation("subscription", "Subscription", 1)
    }

    /// An order, performed if it is right.
    pub(super) fn order(&mut self, mutation: &str, input: &Value) -> Document {
        self.room = FIELDS;
        let field = self.contract.field("Mutation", mutation);
        let input = self.values.literal(self.contract, &field.arguments[0].node.ty.node, input);
        let below = self.below(base(&field.ty.node), 1, 1, "");
        let root =
            Selected { head: format!("{mutation}(input: {input})"), of: Some(format!("Mutation.{mutation}")), below };
        Document { kind: "mutation", roots: vec![root] }
    }

    fn operation(&mut self, kind: &'static str, root: &'static str, count: usize) -> Document {
        self.room = FIELDS;
        let contract = self.contract;
        let all = fields(&contract.0[root]);
        let mut roots = Vec::new();
        for at in 0..count {
            // Of three, the one that was asked least.
            let three: Vec<&FieldDefinition> = (0..3).map(|_| *all.choose(self.rng()).unwrap()).collect();
            let least = |field: &&FieldDefinition| self.selected.get(&format!("{root}.{}", field.name.node)).copied();
            let field = three.into_iter().min_by_key(least).unwrap();
            let alias = if count > 1 { format!("r{at}: ") } else { String::new() };
            roots.push(self.field(root, field, 0, 1, &alias));
        }
        Document { kind, roots }
    }

    fn field(&mut self, ty: &str, field: &FieldDefinition, level: usize, times: u64, alias: &str) -> Selected {
        self.room = self.room.saturating_sub(1);
        let name = field.name.node.as_str();
        let of = format!("{ty}.{name}");
        *self.selected.entry(of.clone()).or_default() += 1;
        let mut head = format!("{alias}{name}");
        let mut arguments = Vec::new();
        let mut length = 20;
        for argument in &field.arguments {
            let argument = &argument.node;
            let (own, kind) = (argument.name.node.as_str(), &argument.ty.node);
            let needed = !kind.nullable && argument.default_value.is_none();
            let chance = match own {
                "validateOnly" => 1.0,
                "filter" => 0.7,
                "last" if arguments.iter().any(|given: &String| given.starts_with("first")) => 0.03,
                "first" => 0.6,
                "after" if ty == "Subscription" => 0.15,
                _ => 0.3,
            };
            if !needed && !self.rng().random_bool(chance) {
                continue;
            }
            let value = match own {
                "validateOnly" => json!(true),
                _ => self.values.value(self.contract, kind, ty, own, level),
            };
            if let ("first" | "last", Some(page)) = (own, value.as_u64()) {
                length = page;
            }
            arguments.push(format!("{own}: {}", self.values.literal(self.contract, kind, &value)));
        }
        if !arguments.is_empty() {
            let _ = write!(head, "({})", arguments.join(", "));
        }
        let to = base(&field.ty.node);
        let mut below = Vec::new();
        if self.contract.is_composite(to) {
            let times = match &field.ty.node.base {
                _ if to.ends_with("Connection") => times.saturating_mul(length),
                BaseType::List(_) if !ty.ends_with("Connection") => times.saturating_mul(4),
                _ => times,
            };
            below = self.below(to, level + 1, times, "");
        }
        Selected { head, of: Some(of), below }
    }

    /// What is selected of a type; never nothing.
    fn below(&mut self, ty: &str, level: usize, times: u64, prefix: &str) -> Vec<Selected> {
        let contract = self.contract;
        let mut chosen = Vec::new();
        let deep = level >= DEEPEST || times > OFTEN;
        for field in fields(&contract.0[ty]) {
            let name = field.name.node.as_str();
            let composite = contract.is_composite(base(&field.ty.node));
            let new = !self.selected.contains_key(&format!("{ty}.{name}"));
            let chance = match (composite, name) {
                (_, "node") => 1.0,
                (_, "nodes") if ty.ends_with("Connection") => 0.8,
                _ if new => 0.9,
                (true, _) => 0.25,
                (false, _) => 0.4,
            };
            if self.room > 0 && !(composite && deep) && self.rng().random_bool(chance) {
                let alias = match prefix {
                    "" if self.rng().random_bool(0.05) => format!("x{}: ", chosen.len()),
                    "" => String::new(),
                    prefix => format!("{prefix}_{name}: "),
                };
                chosen.push(self.field(ty, field, level, times, &alias));
            }
        }
        if matches!(contract.0[ty].kind, TypeKind::Interface(_)) && !deep {
            for object in contract.possible(ty) {
                if self.room > 0 && self.rng().random_bool(0.6) {
                    // Fields of one name may have other arguments in another object.
                    let below = self.below(object, level + 1, times, &object.to_lowercase());
                    chosen.push(Selected { head: format!("... on {object}"), of: None, below });
                }
            }
        }
        if chosen.is_empty() {
            chosen.push(Selected { head: "__typename".into(), of: None, below: Vec::new() });
        }
        chosen
    }
}
