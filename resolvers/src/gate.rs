//! The gate: the one function between a value and a viewer.

use async_graphql::{Context, QueryPathSegment};
use tavolo_schema::{DataClass, RecordOwners};

use crate::{request_context::RequestContext, viewer_scope::ViewerScope};

/// Shows a value of a class to the viewer, or leaves it out and says so in `extensions.redacted`.
///
/// The value is not looked at when it may not be seen, so a hidden value and an absent one answer
/// alike.
pub(crate) fn show<T>(
    ctx: &Context<'_>,
    viewer_scope: &ViewerScope,
    class: DataClass,
    owners: RecordOwners<'_>,
    value: impl FnOnce() -> T,
) -> Option<T> {
    if viewer_scope.sight(owners).contains(class) {
        Some(value())
    } else {
        redact(ctx, class);
        None
    }
}

/// Records that something of this class was left out.
pub(crate) fn redact(ctx: &Context<'_>, class: DataClass) {
    if let Ok(context) = ctx.data::<std::sync::Arc<RequestContext>>() {
        context.redactions.add(path(ctx), class);
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
