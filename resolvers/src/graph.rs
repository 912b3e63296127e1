//! The graph: what it consists of, and how a request runs through it.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock, OnceLock},
};

use async_graphql::{
    MergedObject, MergedSubscription, Request, Response, SDLExportOptions, Schema, SchemaBuilder, ServerError,
    ValidationResult, Value, Variables,
    extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation},
    parser::{
        parse_query,
        types::{ExecutableDocument, OperationType},
    },
};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use tavolo_schema::Standing;
use tavolo_store::Behalf;
use tavolo_subscriptions::Board;

use crate::{
    Hub, Seen, Viewer, accreditation, capacity,
    documents::Documents,
    error::{self, ErrorCode},
    facility,
    field_order::FieldOrder,
    gate::Redactions,
    guard, guest, history,
    lists::CONTRACT,
    live::{self, Performance, Stage},
    loaders::Loaders,
    lookup, municipality, node, occupancy, organisation, scan,
    sheet::{Sheet, standing},
    statistics, stay, viewer,
    weight::Weight,
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
    lookup::LookupQuery,
    occupancy::OccupancyQuery,
    history::HistoryQuery,
    statistics::StatisticsQuery,
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
        // Before the first request waits for it.
        LazyLock::force(&CONTRACT);
        Self { schema: build(), documents: Documents::default(), stage: Stage::new(&hub), hub }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Executes a query or mutation.
    pub async fn execute(&self, request: Request, viewer: Viewer) -> Response {
        match self.prepare(request, &viewer) {
            Ok(prepared) => self.perform(prepared, viewer).await,
            Err(refusal) => refusal,
        }
    }

    /// Reads a request and measures it.
    ///
    /// # Errors
    ///
    /// The response that refuses it.
    #[allow(clippy::result_large_err, reason = "it is the response itself, made once and handed on")]
    pub fn prepare(&self, request: Request, viewer: &Viewer) -> Result<Prepared, Response> {
        self.guarded(request, viewer).map_err(|refusal| refuse(refusal, viewer))
    }

    /// Executes a query or mutation that has been prepared.
    pub async fn perform(&self, prepared: Prepared, viewer: Viewer) -> Response {
        let desk = Arc::new(self.desk(viewer, None));
        let mut request = prepared.request.data(Arc::clone(&desk));
        let order = FieldOrder::of(&mut request);
        let executed = AssertUnwindSafe(self.schema.execute(request)).catch_unwind().await;
        complete(executed.unwrap_or_else(|_| panicked()), &order, &desk)
    }

    /// Plays the part of a subscription that a desk is laid out for, and ends with it.
    pub(crate) fn play(&self, mut request: Request, desk: &Arc<Desk>) -> BoxStream<'static, Response> {
        let desk = Arc::clone(desk);
        let order = FieldOrder::of(&mut request);
        let executed = self.schema.execute_stream(request.data(Arc::clone(&desk)));
        let executed = AssertUnwindSafe(executed).catch_unwind();
        executed.map(move |response| complete(response.unwrap_or_else(|_| panicked()), &order, &desk)).boxed()
    }

    /// Tells what is wrong with a document, whatever its variables will be.
    ///
    /// # Errors
    ///
    /// The first thing that the guard or the contract finds wrong.
    pub async fn validate(document: &str) -> Result<(), String> {
        let schema = builder().extension(OnlyValidates).finish();
        let checked = scan::check(document, &guard::LIMITS).and_then(|()| {
            let parsed = parse_query(document)?;
            let (board, standing) = (Board::default(), Standing::public());
            guard::check(&parsed, &Variables::default(), &guard::LIMITS, Seen::new(&board, &standing))
        });
        let found = match checked {
            Ok(_) => schema.execute(document).await.errors.into_iter().next(),
            Err(refusal) => Some(refusal),
        };
        found.map_or(Ok(()), |found| Err(found.to_string()))
    }

    /// What one request works with, or one part of a subscription.
    pub(crate) fn desk(&self, viewer: Viewer, performance: Option<Performance>) -> Desk {
        let behalf = match &performance {
            Some(performance) => Behalf::Watchers(performance.standing.organisation),
            None => viewer.behalf(),
        };
        let hub = Hub { store: self.hub.store.on_behalf_of(behalf), ..self.hub.clone() };
        Desk {
            performance,
            sheet: OnceLock::new(),
            loaders: Loaders::new(&hub.store),
            redactions: Redactions::default(),
            hub,
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
    builder().finish()
}

fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
}

/// What the contract says about itself.
pub(crate) fn introspected(question: &str) -> Value {
    // Nothing of it waits for anything.
    build().execute(question).now_or_never().unwrap_or_else(panicked).data
}

/// Ends a request when its document has been validated.
struct OnlyValidates;

impl ExtensionFactory for OnlyValidates {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self)
    }
}

#[async_graphql::async_trait::async_trait]
impl Extension for OnlyValidates {
    async fn validation(
        &self,
        ctx: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        next.run(ctx).await?;
        // An error that says nothing: the document is valid, and nothing of it is executed.
        Err(Vec::new())
    }
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It asks.
    Query,
    /// It acts.
    Mutation,
    /// It watches.
    Subscription,
}

impl Kind {
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
fn kind(document: &ExecutableDocument, name: Option<&str>) -> Kind {
    let operations = document.operations.iter();
    let mut kind = Kind::Query;
    for (own, operation) in operations {
        if name.is_none() || own.map(|own| own.as_str()) == name {
            match operation.node.ty {
                OperationType::Query => {}
                OperationType::Mutation => return Kind::Mutation,
                OperationType::Subscription => kind = Kind::Subscription,
            }
        }
    }
    kind
}

/// A request that has been read and measured.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) request: Request,
    /// What it does.
    pub kind: Kind,
    /// What it costs, as the guard measures it.
    pub cost: u64,
    /// How many messages of that cost an answer has: one, or those of a subscription's state, which may be none.
    pub messages: u64,
}

impl Prepared {
    /// What it costs to have it answered: a subscription, for its state, and for each while that it goes on.
    #[must_use]
    pub fn price(&self) -> u64 {
        self.cost.saturating_mul(self.messages.max(1))
    }

    /// Bytes of it that stay in memory for as long as it is answered.
    #[must_use]
    pub fn bytes(&self) -> usize {
        Weight::of_request(&self.request.query, &self.request.variables).bytes()
    }
}

impl Graph {
    /// Reads the document and refuses it when it would cost too much. What is read is not read again.
    fn guarded(&self, mut request: Request, viewer: &Viewer) -> Result<Prepared, ServerError> {
        guard::few(&request.variables, &guard::LIMITS)?;
        let board = self.hub.table.board();
        let standing = standing(&board, viewer);
        let seen = Seen::new(&board, &standing);
        let keep = self.documents.read(&mut request)?;
        let name = request.operation_name.clone();
        let (query, mut variables) = (std::mem::take(&mut request.query), std::mem::take(&mut request.variables));
        let document = request.parsed_query()?;
        let cost = guard::check(document, &variables, &guard::LIMITS, seen)?;
        if keep {
            self.documents.keep(query.clone(), document.clone());
        }
        let kind = kind(document, name.as_deref());
        let mut messages = 1;
        if let Some(operation) = live::operation(document, name.as_deref()) {
            live::keep_declared(operation, &mut variables);
            if kind == Kind::Subscription {
                messages = live::pools(operation, &variables, seen);
            }
        }
        request.query = query;
        request.variables = variables;
        Ok(Prepared { request, kind, cost, messages })
    }
}

/// The response that refuses a request.
pub(crate) fn refuse(mut refusal: ServerError, viewer: &Viewer) -> Response {
    error::complete(&mut refusal, viewer.correlation.as_deref());
    Response::from_errors(vec![refusal])
}

pub(crate) fn panicked() -> Response {
    tracing::error!("a resolver panicked");
    Response::from_errors(vec![error::server_error(ErrorCode::Internal, "the hub could not answer this")])
}

fn complete(mut response: Response, order: &FieldOrder, desk: &Desk) -> Response {
    let correlation = desk.viewer.correlation.as_deref();
    order.arrange(&mut response);
    error::cut(&mut response.errors);
    response.errors.iter_mut().for_each(|fault| error::complete(fault, correlation));
    match desk.redactions.take() {
        Some(redacted) => response.extension("redacted", redacted),
        None => response,
    }
}

/// What the request works with. [`Graph`] puts it there before anything is resolved.
pub(crate) fn desk<'c>(ctx: &async_graphql::Context<'c>) -> &'c Arc<Desk> {
    ctx.data_unchecked::<Arc<Desk>>()
}
