//! What one request, or one subscription, works with.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use async_graphql::{Context, Result, Value};
use tavolo_schema::{DataClass, contract_name};
use tavolo_store::Behalf;

use crate::{
    Hub, Viewer, error,
    execution::Execution,
    loaders::Loaders,
    viewer_scope::{ViewerScope, standing},
};

/// What one request, or one subscription, works with.
pub(crate) struct RequestContext {
    pub(crate) hub: Hub,
    pub(crate) viewer: Viewer,
    /// The execution of a segment, when it is a subscription.
    pub(crate) execution: Option<Execution>,
    /// Made when it is first asked for: a subscription that makes one for each event holds none meanwhile.
    viewer_scope: OnceLock<Arc<ViewerScope>>,
    pub(crate) loaders: Loaders,
    pub(crate) redactions: Redactions,
}

impl RequestContext {
    /// What one request works with, or one segment of a subscription.
    pub(crate) fn new(hub: &Hub, viewer: Viewer, execution: Option<Execution>) -> Self {
        let behalf = match &execution {
            Some(execution) => Behalf::Watchers(execution.standing.organisation),
            None => viewer.behalf(),
        };
        let hub = Hub { store: hub.store.on_behalf_of(behalf), ..hub.clone() };
        Self {
            execution,
            viewer_scope: OnceLock::new(),
            loaders: Loaders::new(&hub.store),
            redactions: Redactions::default(),
            hub,
            viewer,
        }
    }

    /// The scope of a request.
    pub(crate) fn viewer_scope(&self) -> &Arc<ViewerScope> {
        self.viewer_scope.get_or_init(|| self.fresh_scope())
    }

    /// A scope of this moment, as an act or an event needs it. A subscription is seen with the eyes of all who share it.
    pub(crate) fn fresh_scope(&self) -> Arc<ViewerScope> {
        ViewerScope::new(&self.hub, |board| match &self.execution {
            Some(execution) => execution.standing.clone(),
            None => standing(board, &self.viewer),
        })
    }
}

/// What the request works with. [`crate::Graph`] puts it there before anything is resolved.
pub(crate) fn request_context<'c>(ctx: &Context<'c>) -> &'c Arc<RequestContext> {
    ctx.data_unchecked::<Arc<RequestContext>>()
}

/// The execution that the resolver of a subscription answers in.
pub(crate) fn execution<'c>(ctx: &Context<'c>) -> Result<&'c Execution> {
    let execution = request_context(ctx).execution.as_ref();
    execution.ok_or_else(|| error::bad_request("subscriptions are not answered here"))
}

/// What was left out of one answer.
#[derive(Debug, Default)]
pub(crate) struct Redactions(Mutex<BTreeMap<String, DataClass>>);

/// Paths named at most; the rest is only known to exist.
const NAMED: usize = 100;

impl Redactions {
    pub(crate) fn add(&self, path: String, class: DataClass) {
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
