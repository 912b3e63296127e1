//! The graph: how a request runs through it.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, LazyLock},
};

use async_graphql::{Request, Response, Schema, ServerError, Variables, parser::parse_query};
use futures_util::{FutureExt, StreamExt, stream::BoxStream};
use tavolo_schema::Standing;
use tavolo_subscriptions::Board;

use crate::{
    Hub, Seen, Viewer,
    contract::{self, Mutation, Query, Subscription},
    documents::{Documents, Read},
    error,
    field_order::FieldOrders,
    guard,
    lists::CONTRACT,
    operation::{OperationKind, kind, operation},
    request::{Prepared, keep_declared, pools},
    request_context::RequestContext,
    scan, validity,
    viewer_scope::standing,
};

impl std::fmt::Debug for Graph {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Graph").finish_non_exhaustive()
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
        // The contract is read now, so that the first request does not wait for it.
        LazyLock::force(&CONTRACT);
        LazyLock::force(&validity::SCHEMA);
        Self { schema: contract::build(), documents: Documents::default(), hub }
    }

    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Executes a query or mutation.
    pub async fn execute(&self, request: Request, viewer: Viewer) -> Response {
        match self.prepare(request, &viewer) {
            Ok(prepared) => self.execute_prepared(prepared, viewer).await,
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
        self.guarded(request, viewer).map_err(|refusal| error::refusal(vec![refusal], viewer.correlation.as_deref()))
    }

    /// Executes a query or mutation that has been prepared, if it is valid.
    pub async fn execute_prepared(&self, prepared: Prepared, viewer: Viewer) -> Response {
        let Prepared { request, orders, .. } = match self.validated(prepared) {
            Ok(prepared) => prepared,
            Err(refusals) => return error::refusal(refusals, viewer.correlation.as_deref()),
        };
        let context = Arc::new(RequestContext::new(&self.hub, viewer, None));
        let operation = request.operation_name.clone();
        let executed = self.schema.execute(request.data(Arc::clone(&context)));
        let mut response = AssertUnwindSafe(executed).catch_unwind().await.unwrap_or_else(|_| error::panicked());
        orders.arrange(operation.as_deref(), &mut response);
        complete(response, &context)
    }

    /// Runs the segment of a subscription that a context is made for, and ends with it.
    pub(crate) fn run(
        &self,
        request: Request,
        orders: Arc<FieldOrders>,
        context: &Arc<RequestContext>,
    ) -> BoxStream<'static, Response> {
        let (context, operation) = (Arc::clone(context), request.operation_name.clone());
        let executed = self.schema.execute_stream(request.data(Arc::clone(&context)));
        let answered = move |response: Result<Response, _>| {
            let mut response = response.unwrap_or_else(|_| error::panicked());
            orders.arrange(operation.as_deref(), &mut response);
            complete(response, &context)
        };
        AssertUnwindSafe(executed).catch_unwind().map(answered).boxed()
    }

    /// Tells what is wrong with a document, whatever its variables will be.
    ///
    /// # Errors
    ///
    /// The first thing that the guard or the contract finds wrong.
    pub fn validate(document: &str) -> Result<(), String> {
        let checked = scan::check(document, &guard::LIMITS).and_then(|()| {
            let parsed = parse_query(document)?;
            let (board, standing) = (Board::default(), Standing::public());
            guard::check(&parsed, &Variables::default(), &guard::LIMITS, Seen::new(&board, &standing))
        });
        let valid = checked.map_err(|refusal| vec![refusal]).and_then(|_| validity::document(document));
        valid.map_err(|refusals| refusals.first().map(ToString::to_string).unwrap_or_default())
    }

    /// The contract.
    #[must_use]
    pub fn sdl() -> String {
        contract::sdl()
    }
}

impl Graph {
    /// Reads the document and refuses it when it would cost too much. What is read is not read again.
    fn guarded(&self, mut request: Request, viewer: &Viewer) -> Result<Prepared, ServerError> {
        guard::few(&request.variables, &guard::LIMITS)?;
        let board = self.hub.live_board.board();
        let standing = standing(&board, viewer);
        let seen = Seen::new(&board, &standing);
        let Read { orders, keep } = self.documents.read(&mut request)?;
        let name = request.operation_name.clone();
        let (query, mut variables) = (std::mem::take(&mut request.query), std::mem::take(&mut request.variables));
        let document = request.parsed_query()?;
        let cost = guard::check(document, &variables, &guard::LIMITS, seen)?;
        // Documents are kept when they have been validated.
        let valid = orders.is_some();
        let orders = orders.unwrap_or_else(|| Arc::new(FieldOrders::of(document)));
        let kind = kind(document, name.as_deref());
        let mut messages = 1;
        if let Some(operation) = operation(document, name.as_deref()) {
            keep_declared(operation, &mut variables);
            if kind == OperationKind::Subscription {
                messages = pools(operation, &variables, seen);
            }
        }
        request.query = query;
        request.variables = variables;
        Ok(Prepared { request, orders, kind, cost, messages, valid, keep })
    }

    /// Refuses what is not valid. It comes after a request is paid for: it takes as long as reading does.
    pub(crate) fn validated(&self, mut prepared: Prepared) -> Result<Prepared, Vec<ServerError>> {
        let alone = |refusal| vec![refusal];
        let request = &mut prepared.request;
        if !prepared.valid {
            validity::document(&request.query)?;
        }
        let (query, variables) = (std::mem::take(&mut request.query), std::mem::take(&mut request.variables));
        let name = request.operation_name.clone();
        let document = request.parsed_query().map_err(alone)?;
        if prepared.keep {
            self.documents.keep(query.clone(), document.clone(), Arc::clone(&prepared.orders));
        }
        // Which of several operations is meant, the executor asks for.
        let only = name.is_some() || document.operations.iter().count() == 1;
        if let Some(operation) = operation(document, name.as_deref()).filter(|_| only) {
            validity::variables(operation, &variables).map_err(alone)?;
        }
        request.query = query;
        request.variables = variables;
        Ok(prepared)
    }
}

fn complete(mut response: Response, context: &RequestContext) -> Response {
    let correlation = context.viewer.correlation.as_deref();
    error::cut(&mut response.errors);
    response.errors.iter_mut().for_each(|fault| error::complete(fault, correlation));
    match context.redactions.take() {
        Some(redacted) => response.extension("redacted", redacted),
        None => response,
    }
}
