//! GraphQL over HTTP: one operation for each POST, as the specification's draft has it.

use async_graphql::{Request, Response as GraphResponse, Value as GraphValue, Variables};
use axum::{
    body::{Body, Bytes, to_bytes},
    extract::State,
    http::{HeaderMap, HeaderValue, Request as HttpRequest, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
};
use serde::Deserialize;
use serde_json::json;

use super::{Edge, authorization, viewer};
use crate::auth::Refusal;

/// Bytes of a request's body at most.
const MOST_BYTES: usize = 64 * 1024;

const GRAPHQL_JSON: &str = "application/graphql-response+json; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";

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

/// A request that is not executed, with its status and the code of its error.
struct Refused(StatusCode, &'static str, String);

pub(super) async fn get(headers: HeaderMap) -> Response {
    let accepts_page = headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if accepts_page {
        Redirect::to("graphiql/").into_response()
    } else {
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "POST")], "send operations by POST\n").into_response()
    }
}

pub(super) async fn post(State(edge): State<Edge>, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let Some(media) = media_type(&parts.headers) else {
        return (StatusCode::NOT_ACCEPTABLE, "this answers application/graphql-response+json\n").into_response();
    };
    match execute(&edge, &parts.headers, body).await {
        Ok(response) => {
            // A request error: nothing was executed.
            let refused = response.is_err() && response.data == GraphValue::Null && media == GRAPHQL_JSON;
            let only_request_errors = response.errors.iter().all(|error| error.path.is_empty());
            let status = if refused && only_request_errors { StatusCode::BAD_REQUEST } else { StatusCode::OK };
            answer(status, media, serde_json::to_vec(&response).unwrap_or_default())
        }
        Err(Refused(status, code, message)) => {
            let body = json!({ "errors": [{ "message": message, "extensions": { "code": code } }] });
            let mut response = answer(status, media, body.to_string().into_bytes());
            if status == StatusCode::UNAUTHORIZED {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            response
        }
    }
}

fn answer(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    (status, [(header::CONTENT_TYPE, media), (header::CACHE_CONTROL, "no-store")], Bytes::from(body)).into_response()
}

async fn execute(edge: &Edge, headers: &HeaderMap, body: Body) -> Result<GraphResponse, Refused> {
    let refused = |status, message: &str| Refused(status, "BAD_REQUEST", message.into());
    let is_json = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|value| {
        value.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
    });
    if !is_json {
        return Err(refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
    }
    let admitted = edge.admit(authorization(headers)).await.map_err(|refusal| match refusal {
        Refusal::NoMember => Refused(StatusCode::FORBIDDEN, "FORBIDDEN", refusal.to_string()),
        _ => Refused(StatusCode::UNAUTHORIZED, "UNAUTHENTICATED", refusal.to_string()),
    })?;
    let body = to_bytes(body, MOST_BYTES)
        .await
        .map_err(|_| refused(StatusCode::PAYLOAD_TOO_LARGE, "a request has 64 KiB at most"))?;
    let operation: Operation = serde_json::from_slice(&body)
        .map_err(|error| refused(StatusCode::BAD_REQUEST, &format!("the body is no GraphQL request: {error}")))?;
    Ok(edge.graph.execute(operation.into(), viewer(admitted.as_ref(), headers)).await)
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
pub(super) fn operation(payload: serde_json::Value) -> Result<Request, serde_json::Error> {
    serde_json::from_value::<Operation>(payload).map(Request::from)
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
