//! GraphQL over HTTP, as the specification's draft has it: queries by GET and POST, mutations by POST alone.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc, time::Instant};

use async_graphql::{Response as GraphResponse, ServerError, Value as GraphValue};
use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, HeaderValue, Request as HttpRequest, StatusCode, Uri, header},
    middleware::Next,
    response::{IntoResponse, Redirect, Response},
};
use serde::Serialize;
use serde_json::json;
use tavolo_resolvers::{
    Kind, Prepared, Viewer,
    error::ErrorCode,
    guard::{ENTRANCE, reading},
};
use tokio::time::timeout;
use tracing::Instrument;

use super::{
    Edge,
    accept::{self, media_type},
    authorization,
    budget::{Balance, Exhausted},
    correlation,
    envelope::Client,
    etag,
    metrics::Record,
    operation::Operation,
    viewer,
};
use crate::auth::Refusal;

/// As the draft of GraphQL over HTTP names it.
pub(super) const GRAPHQL_JSON: &str = "application/graphql-response+json; charset=utf-8";
/// For whoever does not ask for it by name.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// Seconds after which somebody who has enough may look whether there is room again.
const ENOUGH_FOR: &str = "10";

/// What an answer depends on beside its address. The compression adds the encoding.
const VARY: HeaderValue = HeaderValue::from_static("authorization, accept, accept-language");

/// A request that is not executed, with its status and the code of its error.
pub(super) struct Refused {
    status: StatusCode,
    code: ErrorCode,
    message: String,
    /// What the client is told in a header.
    hint: Option<(HeaderName, HeaderValue)>,
}

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
        let admitted = edge.admit(authorization(self.headers)).await?;
        let mut bill = edge.budgets.bill(admitted.as_ref(), self.address);
        bill.charge(ENTRANCE)?;
        let resolved = edge.resolve(operation.await?, admitted.as_ref())?;
        record.document = resolved.document;
        bill.charge(reading(&resolved.request))?;
        let viewer = viewer(admitted.as_ref(), self.address, self.headers);
        let prepared = match edge.graph.prepare(resolved.request, &viewer) {
            Ok(prepared) => prepared,
            Err(response) => return Ok(Executed { response, balance: None }),
        };
        record.kind = Some(prepared.kind);
        if self.method == Method::Get {
            no_mutation(prepared.kind)?;
        }
        let balance = bill.charge(prepared.cost)?;
        let response = edge.perform(prepared, viewer).await?;
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
        // What may be kept and asked for again has to be the same bytes: its costs are told without what is left.
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
    pub(super) async fn perform(&self, prepared: Prepared, viewer: Viewer) -> Result<GraphResponse, Refused> {
        let within = self.settings.request_within;
        let gave_up = |code, message: &str| Refused::new(StatusCode::GATEWAY_TIMEOUT, code, message.to_owned());
        if prepared.kind != Kind::Mutation {
            let executed = timeout(within, self.graph.perform(prepared, viewer)).await;
            return executed.map_err(|_| gave_up(ErrorCode::Timeout, "the operation took too long and was given up"));
        }
        let graph = self.graph.clone();
        let act = async move { graph.perform(prepared, viewer).await };
        match timeout(within, self.acts.spawn(act.in_current_span())).await {
            Ok(Ok(response)) => Ok(response),
            _ => Err(gave_up(
                ErrorCode::OutcomePending,
                "the act goes on, or may have been written: repeat it with the same idempotencyKey",
            )),
        }
    }
}

impl Refused {
    /// There is no room on this hub now.
    pub(super) fn unavailable(message: &str) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message.into())
    }

    /// Whoever asks has enough, until something of that ends.
    pub(super) fn too_many(message: &str) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::Unavailable, message.into())
            .with(header::RETRY_AFTER, HeaderValue::from_static(ENOUGH_FOR))
    }

    pub(super) fn new(status: StatusCode, code: ErrorCode, message: String) -> Self {
        Self { status, code, message, hint: None }
    }

    /// The refusal with a hint in a header.
    pub(super) fn with(self, name: HeaderName, value: HeaderValue) -> Self {
        Self { hint: Some((name, value)), ..self }
    }

    /// The errors of the refused request, as JSON.
    pub(super) fn errors(&self, correlation: Option<&str>) -> Arc<str> {
        let extensions = json!({ "code": self.code.name(), "correlationId": correlation });
        json!([{ "message": self.message, "extensions": extensions }]).to_string().into()
    }

    /// The refusal as it is sent.
    pub(super) fn answer(self, headers: &HeaderMap, media: &'static str) -> Response {
        let body = ["{\"errors\":", &self.errors(correlation(headers)), "}"].concat();
        let mut response = answer(self.status, media, body.into_bytes());
        response.headers_mut().extend(self.hint);
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::NoMember => Self::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message),
            _ => Self::new(StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message)
                .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer")),
        }
    }
}

impl From<Exhausted> for Refused {
    fn from(exhausted: Exhausted) -> Self {
        match exhausted {
            Exhausted::For(time) => {
                let message = "the requests of the last minute have cost too much".into();
                Self::new(StatusCode::TOO_MANY_REQUESTS, ErrorCode::BudgetExhausted, message)
                    .with(header::RETRY_AFTER, HeaderValue::from(time.as_secs() + 1))
            }
            Exhausted::ForEver => {
                let message = "the document costs more than may be spent in a minute".into();
                Self::new(StatusCode::BAD_REQUEST, ErrorCode::TooCostly, message)
            }
        }
    }
}

/// Refuses a mutation where only queries and subscriptions may come.
pub(super) fn no_mutation(kind: Kind) -> Result<(), Refused> {
    if kind == Kind::Mutation {
        return Err(rejected(StatusCode::METHOD_NOT_ALLOWED, "send mutations by POST")
            .with(header::ALLOW, HeaderValue::from_static("POST")));
    }
    Ok(())
}

pub(super) fn bad_request(message: String) -> Refused {
    rejected(StatusCode::BAD_REQUEST, message)
}

/// A request that is wrong in itself, as the status says.
pub(super) fn rejected(status: StatusCode, message: impl Into<String>) -> Refused {
    Refused::new(status, ErrorCode::BadRequest, message.into())
}

/// Takes the entrance from whoever asks for something that has no other price.
pub(super) async fn entrance(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    request: HttpRequest<Body>,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    // It is for everybody: a token that is not valid is none.
    let admitted = edge.admit(authorization(&parts.headers)).await.unwrap_or_default();
    match edge.budgets.bill(admitted.as_ref(), client.address).charge(ENTRANCE) {
        Ok(_) => next.run(HttpRequest::from_parts(parts, body)).await,
        Err(exhausted) => Refused::from(exhausted).answer(&parts.headers, JSON),
    }
}

/// The answer where there is nothing.
pub(super) async fn not_found(headers: HeaderMap) -> Response {
    rejected(StatusCode::NOT_FOUND, "there is nothing at this address").answer(&headers, JSON)
}

/// The answer to a method that is not for this address; the router adds those that are.
pub(super) async fn not_allowed(headers: HeaderMap) -> Response {
    rejected(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this address").answer(&headers, JSON)
}

/// The code of a response's first error.
fn code(response: &GraphResponse) -> Option<String> {
    let code = response.errors.first()?.extensions.as_ref()?.get("code")?;
    if let GraphValue::String(code) = code { Some(code.clone()) } else { None }
}

fn answer(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, VARY),
    ];
    (status, headers, Bytes::from(body)).into_response()
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
