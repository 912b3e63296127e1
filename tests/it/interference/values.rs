//! Values for the arguments of documents: ids, texts, days and numbers that name what is there, nearly, or not at all.

use async_graphql::parser::types::{BaseType, InputValueDefinition, Type, TypeDefinition, TypeKind};
use rand::{RngExt, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Map, Value, json};
use tavolo_schema::{DateTime, id::GuestId};

use super::{documents::Contract, province::Cast};

/// Chooses values.
pub(super) struct Values<'c> {
    pub(super) rng: StdRng,
    cast: &'c Cast,
    now: DateTime,
    /// The names of the things that a difference is about: every other value is about them.
    focus: &'static [&'static str],
    /// Texts that a difference is about.
    texts: Vec<String>,
    /// Cursors from earlier answers.
    pub(super) cursors: Vec<String>,
    /// Cursors of subscriptions from earlier answers.
    pub(super) stream_cursors: Vec<String>,
}

impl<'c> Values<'c> {
    pub(super) fn new(rng: StdRng, cast: &'c Cast, now: DateTime, focus: &'static [&'static str]) -> Self {
        Self { rng, cast, now, focus, texts: Vec::new(), cursors: Vec::new(), stream_cursors: Vec::new() }
    }

    /// Texts to be named often, such as the value that differs.
    pub(super) fn name_often(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.texts.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| self.name_often(item)),
            Value::Object(fields) => fields.values().for_each(|field| self.name_often(field)),
            _ => {}
        }
    }

    fn choose<T: Clone>(&mut self, from: &[T]) -> T {
        from.choose(&mut self.rng).expect("there is something to choose").clone()
    }

    fn chance(&mut self, of: f64) -> bool {
        self.rng.random_bool(of)
    }

    /// A value of a type, for a field of an input or an argument of a field.
    pub(super) fn value(&mut self, contract: &Contract, ty: &Type, of: &str, name: &str, level: usize) -> Value {
        match &ty.base {
            BaseType::List(inner) => {
                let most = if name == "ids" { 6 } else { 2 };
                let count = self.rng.random_range(1..=most);
                (0..count).map(|_| self.value(contract, inner, of, name, level)).collect()
            }
            BaseType::Named(named) => match contract.0.get(named.as_str()).map(|found| &found.kind) {
                Some(TypeKind::Enum(values)) => {
                    let values: Vec<String> =
                        values.values.iter().map(|value| value.node.value.node.to_string()).collect();
                    json!(self.choose(&values))
                }
                Some(TypeKind::InputObject(input)) => {
                    let fields: Vec<&InputValueDefinition> = input.fields.iter().map(|field| &field.node).collect();
                    self.object(contract, &contract.0[named.as_str()], &fields)
                }
                _ => self.scalar(named, of, name, level),
            },
        }
    }

    fn object(&mut self, contract: &Contract, own: &TypeDefinition, fields: &[&InputValueDefinition]) -> Value {
        let of = own.name.node.as_str();
        if own.directives.iter().any(|directive| directive.node.name.node == "oneOf") {
            let field = self.choose(fields);
            return json!({ field.name.node.as_str(): self.value(contract, &field.ty.node, of, &field.name.node, 0) });
        }
        let mut object = Map::new();
        let file = (of == "RegisterGuestInput" && self.chance(0.75)).then(|| self.file());
        for field in fields {
            let name = field.name.node.as_str();
            let kind = &field.ty.node;
            let needed = !kind.nullable && field.default_value.is_none();
            let known = file.as_ref().and_then(|file| file.get(name)).filter(|_| !self.rng.random_bool(0.08));
            if let Some(known) = known {
                object.insert(name.to_owned(), known.clone());
            } else if needed || self.chance(if file.is_some() { 0.05 } else { 0.45 }) {
                object.insert(name.to_owned(), self.value(contract, kind, of, name, 0));
            }
        }
        object.into()
    }

    /// Somebody's file as it was registered: with its codes or without them.
    fn file(&mut self) -> Value {
        let about: Vec<&str> = self.focus.iter().copied().filter(|name| self.cast.files.contains_key(*name)).collect();
        let all: Vec<&str> = self.cast.files.keys().map(String::as_str).collect();
        let name = if !about.is_empty() && self.chance(0.6) { self.choose(&about) } else { self.choose(&all) };
        let mut file = self.cast.files[name].clone();
        for code in ["taxCode", "cuiCode", "vestanetCode", "household"] {
            if self.chance(0.5) {
                file.as_object_mut().map(|fields| fields.remove(code));
            }
        }
        file
    }

    /// An id of a kind, or of anything.
    fn id(&mut self, kind: Option<&str>) -> String {
        if self.chance(0.04) {
            return GuestId::fresh(DateTime::EPOCH).encode();
        }
        if self.chance(0.02) {
            return "nonsense".into();
        }
        let kind = match kind {
            Some(kind) if !self.chance(0.05) => kind,
            _ => self.choose(&self.cast.kinds.keys().copied().collect::<Vec<_>>()),
        };
        let all = self.cast.kinds.get(kind).cloned().unwrap_or_default();
        let about: Vec<String> = all.iter().filter(|name| self.focus.contains(&name.as_str())).cloned().collect();
        let name = if !about.is_empty() && self.chance(0.5) { self.choose(&about) } else { self.choose(&all) };
        self.cast.id(&name).to_owned()
    }

    fn scalar(&mut self, ty: &str, of: &str, name: &str, level: usize) -> Value {
        match ty {
            "ID" => {
                // A field is called as what it names; in `FacilityBy` and `HouseholdInput`, the id is that of one.
                let called = match name {
                    "operator" | "holder" => "organisation",
                    "id" => of.trim_end_matches("By").trim_end_matches("Input"),
                    name => name,
                };
                let kind = self.cast.kinds.keys().copied().find(|kind| kind.eq_ignore_ascii_case(called));
                json!(self.id(kind))
            }
            "Int" => match name {
                "first" | "last" if level > 0 => json!(self.choose(&[1, 1, 2, 3, 5])),
                "first" | "last" => json!(self.choose(&[1, 2, 3, 5, 20, 20, 0, 101])),
                _ => json!(self.rng.random_range(-1..14)),
            },
            "Float" => json!(self.choose(&[9.0, 14.5, 40.0])),
            "Boolean" => json!(self.chance(0.5)),
            "Date" => json!(self.day()),
            "DateTime" => json!(self.instant().to_string()),
            _ => self.text(of, name),
        }
    }

    fn instant(&mut self) -> DateTime {
        const HOUR: i64 = 3_600_000;
        const DAY: i64 = 24 * HOUR;
        let back = self.choose(&[0, HOUR, 5 * HOUR, DAY, 2 * DAY, 7 * DAY, 8 * DAY, 20 * DAY, 50 * DAY, -DAY]);
        self.now.plus_millis(-back)
    }

    fn day(&mut self) -> String {
        let dates: Vec<String> =
            self.texts.iter().filter(|text| text.parse::<tavolo_schema::Day>().is_ok()).cloned().collect();
        if !dates.is_empty() && self.chance(0.3) {
            return self.choose(&dates);
        }
        let fixed = ["2026-01-01", "2026-07-01", "2026-11-01", "2026-12-01", "2026-12-31", "2026-06-30"];
        if self.chance(0.5) { self.choose(&fixed).into() } else { self.instant().day().to_string() }
    }

    fn text(&mut self, of: &str, name: &str) -> Value {
        let text = match name {
            "municipality" => self.choose(&["101010", "101010", "101012", "101009", "101025", "000000"]).to_owned(),
            "after" if of == "Subscription" => self.cursor(true),
            "after" | "before" => self.cursor(false),
            "code" => {
                let codes = &self.cast.codes;
                let codes: Vec<String> = codes.iter().cloned().chain(["KR-F-0999".to_owned()]).collect();
                self.choose(&codes)
            }
            "idempotencyKey" => self.choose(&["k", "a key of mine", ""]).to_owned(),
            "citizenship" | "citizenships" => self.choose(&["NGA", "AFG", "ERI", "SOM", "ITA", "XYZ"]).to_owned(),
            "languages" => self.choose(&["eng", "tir", "x"]).to_owned(),
            "postalCode" => self.choose(&["88900", "88842", "00000"]).to_owned(),
            "taxCode" if of == "OrganisationBy" => "91000020791".to_owned(),
            _ => self.words(),
        };
        json!(text)
    }

    fn cursor(&mut self, of_stream: bool) -> String {
        let known = if of_stream { self.stream_cursors.clone() } else { self.cursors.clone() };
        if known.is_empty() || self.chance(0.05) { "WyJub25zZW5zZSJd".into() } else { self.choose(&known) }
    }

    /// A text that is somewhere, or part of one, or nearly one.
    fn words(&mut self) -> String {
        const ELSEWHERE: [&str; 8] = ["Casa B2", "Via B2", "DiSamir", "Casa", "7", "Prog", "Crotone", "Comune"];
        let texts = self.texts.clone();
        let text =
            if !texts.is_empty() && self.chance(0.6) { self.choose(&texts) } else { self.choose(&ELSEWHERE).into() };
        let length = text.chars().count();
        match self.rng.random_range(0..6) {
            0 if length > 2 => text.chars().take(length / 2).collect(),
            1 => text.to_uppercase(),
            2 => text.to_lowercase(),
            3 => format!("{text}x"),
            _ => text,
        }
    }

    /// A value as documents write it.
    pub(super) fn literal(&self, contract: &Contract, ty: &Type, value: &Value) -> String {
        match (value, &ty.base) {
            (Value::Null, _) => "null".into(),
            (Value::Array(items), BaseType::List(inner)) => {
                let items: Vec<String> = items.iter().map(|item| self.literal(contract, inner, item)).collect();
                format!("[{}]", items.join(", "))
            }
            (value, BaseType::List(inner)) => self.literal(contract, inner, value),
            (Value::Object(fields), BaseType::Named(named)) => {
                let TypeKind::InputObject(input) = &contract.0[named.as_str()].kind else {
                    panic!("{named} has fields")
                };
                let of =
                    |name: &str| &input.fields.iter().find(|field| field.node.name.node == name).unwrap().node.ty.node;
                let field =
                    |(name, value): (&String, &Value)| format!("{name}: {}", self.literal(contract, of(name), value));
                format!("{{ {} }}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
            }
            (Value::String(text), BaseType::Named(named))
                if matches!(contract.0.get(named.as_str()).map(|found| &found.kind), Some(TypeKind::Enum(_))) =>
            {
                text.clone()
            }
            (value, _) => value.to_string(),
        }
    }
}
