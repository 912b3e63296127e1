//! The gate: the one function between a value and a viewer.

use std::{collections::BTreeMap, sync::Mutex, sync::PoisonError};

use async_graphql::{Context, QueryPathSegment, Value};
use tavolo_schema::{DataClass, Party, contract_name};

use crate::{graph::Desk, sheet::Sheet};

/// Shows a value of a class to the viewer, or leaves it out and says so in `extensions.redacted`.
///
/// The value is not looked at when it may not be seen, so a hidden value and an absent one answer
/// alike.
pub(crate) fn show<T>(
    ctx: &Context<'_>,
    sheet: &Sheet,
    class: DataClass,
    party: Party<'_>,
    value: impl FnOnce() -> T,
) -> Option<T> {
    if sheet.sight(party).contains(class) {
        Some(value())
    } else {
        redact(ctx, class);
        None
    }
}

/// Records that something of this class was left out.
pub(crate) fn redact(ctx: &Context<'_>, class: DataClass) {
    if let Ok(desk) = ctx.data::<std::sync::Arc<Desk>>() {
        desk.redactions.add(path(ctx), class);
    }
}

/// The response path without list indices.
fn path(ctx: &Context<'_>) -> String {
    let mut names = Vec::new();
    let mut node = ctx.path_node.as_ref();
    while let Some(current) = node {
        if let QueryPathSegment::Name(name) = current.segment {
            names.push(name);
        }
        node = current.parent;
    }
    names.reverse();
    names.join(".")
}

/// What was left out of one answer.
#[derive(Debug, Default)]
pub(crate) struct Redactions(Mutex<BTreeMap<String, DataClass>>);

/// Paths named at most; the rest is only known to exist.
const NAMED: usize = 100;

impl Redactions {
    fn add(&self, path: String, class: DataClass) {
        let mut paths = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if paths.len() < NAMED {
            paths.insert(path, class);
        }
    }

    /// Takes the record, as it stands in the response.
    pub(crate) fn take(&self) -> Option<Value> {
        let paths = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        let entry = |(path, class): (String, DataClass)| async_graphql::value!({ "path": path, "dataClass": contract_name(class) });
        (!paths.is_empty()).then(|| Value::List(paths.into_iter().map(entry).collect()))
    }
}
