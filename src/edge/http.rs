//! GraphQL over HTTP, as the specification's draft has it: queries by GET and POST, mutations by POST alone.

use std::{collections::BTreeMap, time::Duration};

use async_graphql::{Request, Response as GraphResponse, ServerError, Value as GraphValue, Variables};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, Request as HttpRequest, StatusCode, Uri, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use super::{Edge, authorization, viewer};
use crate::auth::Refusal;

/// Bytes of a request's body at most.
const MOST_BYTES: usize = 64 * 1024;

/// How long a body may take.
const READ_WITHIN: Duration = Duration::from_secs(10);

const GRAPHQL_JSON: &str = "application/graphql-response+json; charset=utf-8";
const BEARER: HeaderValue = HeaderValue::from_static("Bearer");
const POST: HeaderValue = HeaderValue::from_static("POST");
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// The body of a request.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    query: String,
    operation_name: Option<String>,
    variables: Option<serde_json::Map<String, serde_json::Value>>,
    #[serde(rename = "extensions")]
    _extensions: Option<serde_json::Map<String, serde_json::Value>>,
}

impl From<Operation> for Request {
    fn from(operation: Operation) -> Self {
        let variables = operation.variables.map(serde_json::Value::Object).map(Variables::from_json);
        let mut request = Request::new(operation.query).variables(variables.unwrap_or_default());
        request.operation_name = operation.operation_name;
        request
    }
}

/// The address of a request: variables and extensions are JSON in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: String,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

impl TryFrom<Parameters> for Operation {
    type Error = Refused;

    fn try_from(parameters: Parameters) -> Result<Self, Refused> {
        let map = |name: &str, text: Option<String>| {
            let read = text.map(|text| serde_json::from_str(&text)).transpose();
            read.map_err(|error| bad_request(format!("{name} is no JSON object: {error}")))
        };
        Ok(Self {
            query: parameters.query,
            operation_name: parameters.operation_name.filter(|name| !name.is_empty()),
            variables: map("variables", parameters.variables)?,
            _extensions: map("extensions", parameters.extensions)?,
        })
    }
}

/// A request that is not executed, with its status and the code of its error.
pub(super) struct Refused(StatusCode, &'static str, String);

/// A response as it is sent: without `data` when nothing was executed.
#[derive(Serialize)]
struct Reply<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'r GraphValue>,
    #[serde(skip_serializing_if = "<[ServerError]>::is_empty")]
    errors: &'r [ServerError],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extensions: &'r BTreeMap<String, GraphValue>,
}

/// Queries may come by GET; nothing else may. A browser that comes without one is shown GraphiQL.
pub(super) async fn get(State(edge): State<Edge>, uri: Uri, headers: HeaderMap) -> Response {
    if uri.query().is_none() && accepts_page(&headers) {
        return Redirect::to("graphiql/").into_response();
    }
    respond(&edge, &headers, async { read_address(&uri) }, Method::Get).await
}

/// The operation in an address.
pub(super) fn read_address(uri: &Uri) -> Result<Operation, Refused> {
    Query::<Parameters>::try_from_uri(uri)
        .map_err(|error| bad_request(format!("the address is no GraphQL request: {error}")))
        .and_then(|Query(parameters)| Operation::try_from(parameters))
}

/// Any operation but a subscription may come by POST, one at a time.
pub(super) async fn post(State(edge): State<Edge>, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    respond(&edge, &parts.headers, read_body(&parts.headers, body), Method::Post).await
}

#[derive(PartialEq, Eq)]
enum Method {
    Get,
    Post,
}

async fn respond(
    edge: &Edge,
    headers: &HeaderMap,
    operation: impl Future<Output = Result<Operation, Refused>>,
    method: Method,
) -> Response {
    let Some(media) = media_type(headers) else {
        return (StatusCode::NOT_ACCEPTABLE, "this answers application/graphql-response+json\n").into_response();
    };
    match execute(edge, headers, operation, method).await {
        Ok(response) => {
            // Nothing was executed: the fault is the request's own.
            let refused =
                response.data == GraphValue::Null && response.errors.iter().any(|error| error.path.is_empty());
            let status = if refused && media == GRAPHQL_JSON { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            let data = (!refused).then_some(&response.data);
            let reply = Reply { data, errors: &response.errors, extensions: &response.extensions };
            answer(status, media, serde_json::to_vec(&reply).unwrap_or_default())
        }
        Err(refused) => refused.answer(media),
    }
}

impl Refused {
    /// There is no room on this hub now.
    pub(super) fn unavailable(message: &str) -> Self {
        Self(StatusCode::SERVICE_UNAVAILABLE, "UNAVAILABLE", message.into())
    }

    /// Whoever asks has enough.
    pub(super) fn too_many(message: &str) -> Self {
        Self(StatusCode::TOO_MANY_REQUESTS, "UNAVAILABLE", message.into())
    }

    /// The refusal as it is sent.
    pub(super) fn answer(self, media: &'static str) -> Response {
        let Self(status, code, message) = self;
        let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
        let mut response = answer(status, media, body.to_string().into_bytes());
        let headers = response.headers_mut();
        match status {
            StatusCode::UNAUTHORIZED => drop(headers.insert(header::WWW_AUTHENTICATE, BEARER)),
            StatusCode::METHOD_NOT_ALLOWED => drop(headers.insert(header::ALLOW, POST)),
            _ => {}
        }
        response
    }
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::NoMember => Self(StatusCode::FORBIDDEN, "FORBIDDEN", refusal.to_string()),
            _ => Self(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", refusal.to_string()),
        }
    }
}

/// What a mutation is answered where only queries and subscriptions may come.
pub(super) fn mutation_refused() -> ServerError {
    let mut refused = ServerError::new("send mutations by POST", None);
    refused.extensions.get_or_insert_default().set("code", "BAD_REQUEST");
    refused
}

/// Refuses a mutation where only queries and subscriptions may come.
pub(super) fn no_mutation(edge: &Edge, request: &mut Request) -> Result<(), Refused> {
    if edge.graph.is_mutation(request) {
        return Err(Refused(StatusCode::METHOD_NOT_ALLOWED, "BAD_REQUEST", "send mutations by POST".into()));
    }
    Ok(())
}

fn answer(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")], Bytes::from(body)).into_response()
}

async fn execute(
    edge: &Edge,
    headers: &HeaderMap,
    operation: impl Future<Output = Result<Operation, Refused>>,
    method: Method,
) -> Result<GraphResponse, Refused> {
    let admitted = edge.admit(authorization(headers)).await?;
    let mut request = Request::from(operation.await?);
    if method == Method::Get {
        no_mutation(edge, &mut request)?;
    }
    Ok(edge.graph.execute(request, viewer(admitted.as_ref(), headers)).await)
}

pub(super) async fn read_body(headers: &HeaderMap, body: Body) -> Result<Operation, Refused> {
    let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if !media.eq_ignore_ascii_case("application/json") {
        let message = "send application/json".into();
        return Err(Refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "BAD_REQUEST", message));
    }
    let body = timeout(READ_WITHIN, to_bytes(body, MOST_BYTES))
        .await
        .map_err(|_| Refused(StatusCode::REQUEST_TIMEOUT, "BAD_REQUEST", "the body took too long".into()))?
        .map_err(|_| Refused(StatusCode::PAYLOAD_TOO_LARGE, "BAD_REQUEST", "a request has 64 KiB at most".into()))?;
    // A sequence would fill the fields in their order: no client means that.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(bad_request("the body is no GraphQL request: it must be a JSON object".into()));
    }
    serde_json::from_slice(&body).map_err(|error| bad_request(format!("the body is no GraphQL request: {error}")))
}

fn bad_request(message: String) -> Refused {
    Refused(StatusCode::BAD_REQUEST, "BAD_REQUEST", message)
}

fn accepts_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    accept.is_some_and(|accept| accept.contains("text/html"))
}

/// The media type to answer with; `None` when the client accepts neither of ours.
fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let accepted: Vec<&str> = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).collect();
    if accepted.is_empty() {
        return Some(JSON);
    }
    accepted.iter().flat_map(|value| value.split(',')).find_map(|range| {
        match range.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "application/graphql-response+json" => Some(GRAPHQL_JSON),
            "application/json" | "application/*" | "*/*" => Some(JSON),
            _ => None,
        }
    })
}

/// Reads the payload of a `subscribe` message.
pub(super) fn operation(payload: serde_json::Value) -> Option<Request> {
    let payload = payload.is_object().then_some(payload)?;
    serde_json::from_value::<Operation>(payload).ok().map(Request::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_str(accept).unwrap())])
    }

    #[test]
    fn the_answer_has_a_media_type_the_client_accepts() {
        assert_eq!(media_type(&HeaderMap::new()), Some(JSON));
        assert_eq!(media_type(&accepting("*/*")), Some(JSON));
        assert_eq!(
            media_type(&accepting("application/graphql-response+json, application/json;q=0.9")),
            Some(GRAPHQL_JSON)
        );
        assert_eq!(media_type(&accepting("text/csv, application/json")), Some(JSON));
        assert_eq!(media_type(&accepting("image/png")), None);
    }
}
