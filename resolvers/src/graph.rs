//! The graph: what it consists of, and how a request runs through it.

use std::{
    collections::HashMap,
    panic::AssertUnwindSafe,
    sync::{Arc, OnceLock, PoisonError, RwLock},
};

use async_graphql::{
    MergedObject, MergedSubscription, Request, Response, SDLExportOptions, Schema, ServerError,
    parser::types::{ExecutableDocument, OperationType},
};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};

use crate::{
    Hub, Viewer, accreditation, capacity,
    error::{self, ErrorCode},
    facility,
    gate::Redactions,
    guard, guest,
    live::{Performance, Stage},
    loaders::Loaders,
    municipality, node, occupancy, organisation,
    sheet::{Sheet, standing},
    stay, viewer,
};

/// What can be asked.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    viewer::ViewerQuery,
    node::NodeQuery,
    facility::FacilityQuery,
    organisation::OrganisationQuery,
    municipality::MunicipalityQuery,
    accreditation::AccreditationQuery,
    guest::GuestQuery,
    occupancy::OccupancyQuery,
);

/// What can be done: one mutation for each act of the trade, never a generic update.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    facility::FacilityMutation,
    capacity::CapacityMutation,
    accreditation::AccreditationMutation,
    guest::GuestMutation,
    stay::StayMutation,
);

/// What can be watched.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(occupancy::ChangesSubscription, occupancy::TotalsSubscription);

/// What one request, or one subscription, works with.
pub(crate) struct Desk {
    pub(crate) hub: Hub,
    pub(crate) viewer: Viewer,
    /// What is played, when it is a subscription.
    pub(crate) performance: Option<Performance>,
    /// Made when it is first asked for: a subscription that makes one for each event holds none meanwhile.
    sheet: OnceLock<Arc<Sheet>>,
    pub(crate) loaders: Loaders,
    pub(crate) redactions: Redactions,
}

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").finish_non_exhaustive()
    }
}

impl Desk {
    /// The sheet of a request.
    pub(crate) fn sheet(&self) -> &Arc<Sheet> {
        self.sheet.get_or_init(|| self.fresh_sheet())
    }

    /// A sheet of this moment, as an act or an event needs it. A subscription is seen with the eyes of all who share it.
    pub(crate) fn fresh_sheet(&self) -> Arc<Sheet> {
        Sheet::new(&self.hub, |board| match &self.performance {
            Some(performance) => performance.standing.clone(),
            None => standing(board, &self.viewer),
        })
    }
}

/// The executable graph of one hub.
#[derive(Clone)]
pub struct Graph {
    hub: Hub,
    schema: Schema<Query, Mutation, Subscription>,
    documents: Documents,
    pub(crate) stage: Stage,
}

impl Graph {
    /// The graph of a hub.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self { schema: build(), documents: Documents::default(), stage: Stage::new(&hub), hub }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Executes a query or mutation.
    pub async fn execute(&self, request: Request, viewer: Viewer) -> Response {
        match self.guarded(request) {
            Ok(request) => self.execute_guarded(request, viewer).await,
            Err(refusal) => complete(Response::from_errors(vec![refusal]), &self.desk(viewer, None)),
        }
    }

    pub(crate) async fn execute_guarded(&self, request: Request, viewer: Viewer) -> Response {
        let desk = Arc::new(self.desk(viewer, None));
        let request = request.data(Arc::clone(&desk));
        let executed = AssertUnwindSafe(self.schema.execute(request)).catch_unwind().await;
        complete(executed.unwrap_or_else(|_| panicked()), &desk)
    }

    /// Executes what a desk is laid out for, which ends when its part does.
    pub(crate) fn perform(&self, request: Request, desk: &Arc<Desk>) -> BoxStream<'static, Response> {
        let desk = Arc::clone(desk);
        let executed = self.schema.execute_stream(request.data(Arc::clone(&desk)));
        let executed = AssertUnwindSafe(executed).catch_unwind();
        executed.map(move |response| complete(response.unwrap_or_else(|_| panicked()), &desk)).boxed()
    }

    /// Whether the operation that would be executed is a mutation. A document that cannot be read is none.
    pub fn is_mutation(&self, request: &mut Request) -> bool {
        let name = request.operation_name.clone();
        if self.documents.read(request).is_err() {
            return false;
        }
        let Ok(document) = request.parsed_query() else { return false };
        let mut operations = document.operations.iter();
        operations.any(|(own, operation)| {
            operation.node.ty == OperationType::Mutation
                && (name.is_none() || own.map(|own| own.as_str()) == name.as_deref())
        })
    }

    pub(crate) fn desk(&self, viewer: Viewer, performance: Option<Performance>) -> Desk {
        Desk {
            performance,
            sheet: OnceLock::new(),
            loaders: Loaders::new(&self.hub.store),
            redactions: Redactions::default(),
            hub: self.hub.clone(),
            viewer,
        }
    }

    /// The contract.
    #[must_use]
    pub fn sdl() -> String {
        build().sdl_with_options(SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions())
    }
}

fn build() -> Schema<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default()).finish()
}

/// Documents that have been read lately: a client sends the same few again and again.
#[derive(Clone, Default)]
struct Documents(Arc<RwLock<HashMap<String, ExecutableDocument>>>);

/// Documents kept at most.
const KEPT: usize = 500;
/// Bytes of a document that is kept at most.
const KEPT_BYTES: usize = 8 * 1024;

impl Documents {
    /// Reads the document of a request, unless it has been read.
    fn read(&self, request: &mut Request) -> Result<(), ServerError> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).get(&request.query).cloned();
        if let Some(document) = known {
            request.set_parsed_query(document);
            return Ok(());
        }
        let document = request.parsed_query()?.clone();
        if may_be_kept(&request.query) {
            let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= KEPT {
                kept.clear();
            }
            kept.insert(request.query.clone(), document);
        }
        Ok(())
    }
}

/// Whether a document may stay in memory. Not one that could name a person: a literal beside guests.
fn may_be_kept(query: &str) -> bool {
    let names_somebody = query.contains('"') && query.to_ascii_lowercase().contains("guest");
    query.len() <= KEPT_BYTES && !names_somebody
}

impl Graph {
    /// Reads the document and refuses it when it would cost too much. What is read is not read again.
    pub(crate) fn guarded(&self, mut request: Request) -> Result<Request, ServerError> {
        self.documents.read(&mut request)?;
        let variables = std::mem::take(&mut request.variables);
        let checked = request.parsed_query().and_then(|document| guard::check(document, &variables, &guard::LIMITS));
        request.variables = variables;
        checked.map(|()| request)
    }
}

pub(crate) fn panicked() -> Response {
    tracing::error!("a resolver panicked");
    Response::from_errors(vec![error::server_error(ErrorCode::Internal, "the hub could not answer this")])
}

pub(crate) fn complete(mut response: Response, desk: &Desk) -> Response {
    response.errors.iter_mut().for_each(error::complete);
    match desk.redactions.take() {
        Some(redacted) => response.extension("redacted", redacted),
        None => response,
    }
}

/// What the request works with. [`Graph`] puts it there before anything is resolved.
pub(crate) fn desk<'c>(ctx: &async_graphql::Context<'c>) -> &'c Arc<Desk> {
    ctx.data_unchecked::<Arc<Desk>>()
}

#[cfg(test)]
mod tests {
    use super::may_be_kept;

    #[test]
    fn a_document_that_could_name_a_person_is_not_kept() {
        assert!(may_be_kept("{ facilities(filter: {municipality: \"101010\"}) { nodes { id } } }"));
        assert!(may_be_kept("query($surname: String) { guests(filter: {surname: $surname}) { nodes { id } } }"));
        assert!(!may_be_kept("{ guests(filter: {surname: \"Rossi\"}) { nodes { id } } }"));
        assert!(!may_be_kept("mutation { registerGuest(input: {surname: \"Rossi\"}) { guest { id } } }"));
        assert!(!may_be_kept(&"x".repeat(9_000)));
    }
}
