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
use futures_util::{FutureExt, Stream, StreamExt, stream};

use crate::{
    Hub, Viewer, accreditation, capacity,
    error::{self, ErrorCode},
    facility,
    gate::Redactions,
    guard, guest,
    loaders::Loaders,
    municipality, node, occupancy, organisation,
    sheet::Sheet,
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
pub(crate) struct Subscription(occupancy::OccupancySubscription);

/// What one request, or one subscription, works with.
pub(crate) struct Desk {
    pub(crate) hub: Hub,
    pub(crate) viewer: Viewer,
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
        self.sheet.get_or_init(|| Sheet::new(&self.hub, &self.viewer))
    }
}

/// The executable graph of one hub.
#[derive(Clone)]
pub struct Graph {
    hub: Hub,
    schema: Schema<Query, Mutation, Subscription>,
    documents: Documents,
}

impl Graph {
    /// The graph of a hub.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self { hub, schema: build(), documents: Documents::default() }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Executes a query or mutation.
    pub async fn execute(&self, request: Request, viewer: Viewer) -> Response {
        let desk = Arc::new(self.desk(viewer));
        let executed = match self.guarded(request) {
            Ok(request) => {
                let request = request.data(Arc::clone(&desk));
                let executed = AssertUnwindSafe(self.schema.execute(request)).catch_unwind().await;
                executed.unwrap_or_else(|_| panicked())
            }
            Err(refusal) => Response::from_errors(vec![refusal]),
        };
        complete(executed, &desk)
    }

    /// Executes a subscription, or a query or mutation with one answer.
    pub fn stream(&self, request: Request, viewer: Viewer) -> impl Stream<Item = Response> + Send + use<> {
        let desk = Arc::new(self.desk(viewer));
        let executed = match self.guarded(request) {
            Ok(request) => self.schema.execute_stream(request.data(Arc::clone(&desk))).boxed(),
            Err(refusal) => stream::iter([Response::from_errors(vec![refusal])]).boxed(),
        };
        let answers = AssertUnwindSafe(executed).catch_unwind();
        answers.map(move |executed| complete(executed.unwrap_or_else(|_| panicked()), &desk))
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

    fn desk(&self, viewer: Viewer) -> Desk {
        Desk {
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
    fn guarded(&self, mut request: Request) -> Result<Request, ServerError> {
        self.documents.read(&mut request)?;
        let variables = std::mem::take(&mut request.variables);
        let checked = request.parsed_query().and_then(|document| guard::check(document, &variables, &guard::LIMITS));
        request.variables = variables;
        checked.map(|()| request)
    }
}

fn panicked() -> Response {
    tracing::error!("a resolver panicked");
    Response::from_errors(vec![error::server_error(ErrorCode::Internal, "the hub could not answer this")])
}

fn complete(mut response: Response, desk: &Desk) -> Response {
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
