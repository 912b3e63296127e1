//! GraphQL over HTTP, as the specification's draft has it: queries by GET and POST, mutations by POST alone.

use std::{collections::BTreeMap, net::IpAddr, time::Instant};

use async_graphql::{Response as GraphResponse, ServerError, Value as GraphValue};
use axum::{
    Extension,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, Request as HttpRequest, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use serde::Serialize;
use tavolo_resolvers::{
    OperationKind, Prepared, Viewer,
    error::ErrorCode,
    guard::{ENTRANCE, reading},
};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    accept::{self, media_type},
    budget::Balance,
    etag,
    metrics::Record,
    operation::Operation,
    refused::{GRAPHQL_JSON, JSON, Refused, answer, rejected},
    state::{Client, Edge, authorization, viewer},
};

/// A response as it is sent: without `data` when nothing was executed.
#[derive(Serialize)]
struct Reply<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'r GraphValue>,
    #[serde(skip_serializing_if = "<[ServerError]>::is_empty")]
    errors: &'r [ServerError],
    #[serde(skip_serializing_if = "Option::is_none")]
    extensions: Option<Extensions<'r>>,
}

#[derive(Serialize)]
struct Extensions<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    cost: Option<Balance>,
    #[serde(flatten)]
    others: &'r BTreeMap<String, GraphValue>,
}

/// A request on its way: who sends it, and how.
struct Call<'c> {
    edge: &'c Edge,
    headers: &'c HeaderMap,
    address: IpAddr,
    method: Method,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

/// An operation that was executed.
struct Executed {
    response: GraphResponse,
    balance: Option<Balance>,
}

/// Queries may come by GET; nothing else may. A browser that comes without one is shown GraphiQL.
pub(super) async fn get(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    if uri.query().is_none() && accept::page(&headers) {
        return Redirect::to("graphiql/").into_response();
    }
    let call = Call { edge: &edge, headers: &headers, address: client.address, method: Method::Get };
    call.respond(async { Operation::in_address(&uri) }).await
}

/// Any operation but a subscription may come by POST, one at a time.
pub(super) async fn post(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    request: HttpRequest<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let call = Call { edge: &edge, headers: &parts.headers, address: client.address, method: Method::Post };
    call.respond(Operation::in_body(&parts.headers, body, &edge.settings)).await
}

impl Call<'_> {
    async fn respond(&self, operation: impl Future<Output = Result<Operation, Refused>>) -> Response {
        let Some(media) = media_type(self.headers) else {
            let message = "this answers application/graphql-response+json and application/json";
            return rejected(StatusCode::NOT_ACCEPTABLE, message).answer(self.headers, JSON);
        };
        let started = Instant::now();
        let mut record = Record::default();
        let (response, code) = match self.execute(operation, &mut record).await {
            Ok(executed) => (self.answer(&executed, media, record.trusted()), code(&executed.response)),
            Err(refused) => {
                let code = refused.code.name();
                (refused.answer(self.headers, media), Some(code.to_owned()))
            }
        };
        record.close(code.as_deref(), started.elapsed());
        response
    }

    async fn execute(
        &self,
        operation: impl Future<Output = Result<Operation, Refused>>,
        record: &mut Record,
    ) -> Result<Executed, Refused> {
        let edge = self.edge;
        let authenticated = edge.authenticate(authorization(self.headers)).await?;
        let mut bill = edge.budgets.bill(authenticated.as_ref(), self.address);
        bill.charge(ENTRANCE)?;
        let resolved = edge.resolve(operation.await?, authenticated.as_ref())?;
        record.document = resolved.document;
        bill.charge(reading(&resolved.request))?;
        let viewer = viewer(authenticated.as_ref(), self.address, self.headers);
        let prepared = match edge.graph.prepare(resolved.request, &viewer) {
            Ok(prepared) => prepared,
            Err(response) => return Ok(Executed { response, balance: None }),
        };
        record.kind = Some(prepared.kind);
        if self.method == Method::Get {
            no_mutation(prepared.kind)?;
        }
        let balance = bill.charge(prepared.cost)?;
        let response = edge.execute(prepared, viewer).await?;
        Ok(Executed { response, balance: Some(balance) })
    }

    fn answer(&self, executed: &Executed, media: &'static str, trusted: bool) -> Response {
        let Executed { response, balance } = executed;
        // Nothing was executed: the fault is the request's own.
        let refused = response.data == GraphValue::Null && response.errors.iter().any(|error| error.path.is_empty());
        let status = match code(response) {
            Some(code) if refused && code == ErrorCode::Internal.name() => StatusCode::INTERNAL_SERVER_ERROR,
            Some(_) if refused && media == GRAPHQL_JSON => StatusCode::BAD_REQUEST,
            _ => StatusCode::OK,
        };
        // An answer that caches may keep is the same bytes each time, so it does not tell what is left of a budget.
        let kept = trusted && self.method == Method::Get && response.errors.is_empty();
        let cost = balance.filter(|_| !refused).map(|balance| if kept { balance.standing() } else { balance });
        let told = cost.is_some() || !response.extensions.is_empty();
        let extensions = told.then_some(Extensions { cost, others: &response.extensions });
        let reply = Reply { data: (!refused).then_some(&response.data), errors: &response.errors, extensions };
        let body = serde_json::to_vec(&reply).unwrap_or_default();
        if kept { revalidated(self.headers, media, body) } else { answer(status, media, body) }
    }
}

impl Edge {
    /// Executes an operation within its time. A query that takes longer is given up; an act goes on, and its
    /// outcome is told to whoever repeats it.
    pub(super) async fn execute(&self, prepared: Prepared, viewer: Viewer) -> Result<GraphResponse, Refused> {
        let within = self.settings.request_within;
        let gave_up = |code, message: &str| Refused::new(StatusCode::GATEWAY_TIMEOUT, code, message.to_owned());
        if prepared.kind != OperationKind::Mutation {
            let executed = timeout(within, self.graph.execute_prepared(prepared, viewer)).await;
            return executed.map_err(|_| gave_up(ErrorCode::Timeout, "the operation took too long and was given up"));
        }
        let graph = self.graph.clone();
        let act = async move { graph.execute_prepared(prepared, viewer).await };
        match timeout(within, self.acts.spawn(act.in_current_span())).await {
            Ok(Ok(response)) => Ok(response),
            _ => Err(gave_up(
                ErrorCode::OutcomePending,
                "the act goes on, or may have been written: repeat it with the same idempotencyKey",
            )),
        }
    }
}

/// Refuses a mutation where only queries and subscriptions may come.
pub(super) fn no_mutation(kind: OperationKind) -> Result<(), Refused> {
    if kind == OperationKind::Mutation {
        return Err(rejected(StatusCode::METHOD_NOT_ALLOWED, "send mutations by POST")
            .with(header::ALLOW, HeaderValue::from_static("POST")));
    }
    Ok(())
}

/// Takes the entrance from whoever asks for something that has no other price.
pub(super) async fn entrance(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    request: HttpRequest<Body>,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    // Pages are for everybody: an invalid token counts as none.
    let authenticated = edge.authenticate(authorization(&parts.headers)).await.unwrap_or_default();
    match edge.budgets.bill(authenticated.as_ref(), client.address).charge(ENTRANCE) {
        Ok(_) => next.run(HttpRequest::from_parts(parts, body)).await,
        Err(exhausted) => Refused::from(exhausted).answer(&parts.headers, JSON),
    }
}

/// The code of a response's first error.
fn code(response: &GraphResponse) -> Option<String> {
    let code = response.errors.first()?.extensions.as_ref()?.get("code")?;
    if let GraphValue::String(code) = code { Some(code.clone()) } else { None }
}

/// An answer that its client may keep, if it asks each time whether it still holds. No shared cache may.
fn revalidated(headers: &HeaderMap, media: &'static str, body: Vec<u8>) -> Response {
    let zipped = accept::gzip(headers);
    let tag = etag::of(&body, zipped);
    let mut response = if etag::is_known(headers, &tag) {
        let mut response = answer(StatusCode::NOT_MODIFIED, media, Vec::new());
        response.headers_mut().remove(header::CONTENT_TYPE);
        response
    } else {
        answer(StatusCode::OK, media, body)
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.extend(HeaderValue::from_str(&tag).map(|tag| (header::ETAG, tag)));
    response
}
