//! A request that is refused, as it is answered.

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;
use tavolo_resolvers::error::ErrorCode;

use super::budget::Exhausted;
use crate::auth::Refusal;

/// As the draft of GraphQL over HTTP names it.
pub(super) const GRAPHQL_JSON: &str = "application/graphql-response+json; charset=utf-8";
/// For whoever does not ask for it by name.
pub(super) const JSON: &str = "application/json; charset=utf-8";

/// Seconds after which somebody who has enough may look whether there is room again.
const ENOUGH_FOR: &str = "10";

/// What an answer depends on beside its address. The compression adds the encoding.
const VARY: HeaderValue = HeaderValue::from_static("authorization, accept, accept-language");

/// Names the request in the log, in each error and in the response.
pub(super) const CORRELATION: HeaderName = HeaderName::from_static("x-correlation-id");

/// A request that is not executed, with its status and the code of its error.
pub(super) struct Refused {
    status: StatusCode,
    pub(super) code: ErrorCode,
    message: String,
    /// What the client is told in a header.
    hint: Option<(HeaderName, HeaderValue)>,
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

pub(super) fn bad_request(message: String) -> Refused {
    rejected(StatusCode::BAD_REQUEST, message)
}

/// A request that is wrong in itself, as the status says.
pub(super) fn rejected(status: StatusCode, message: impl Into<String>) -> Refused {
    Refused::new(status, ErrorCode::BadRequest, message.into())
}

/// The answer where there is nothing.
pub(super) async fn not_found(headers: HeaderMap) -> Response {
    rejected(StatusCode::NOT_FOUND, "there is nothing at this address").answer(&headers, JSON)
}

/// The answer to a method that is not for this address; the router adds those that are.
pub(super) async fn not_allowed(headers: HeaderMap) -> Response {
    rejected(StatusCode::METHOD_NOT_ALLOWED, "this method is not for this address").answer(&headers, JSON)
}

/// What names a request; the envelope has put it there.
pub(super) fn correlation(headers: &HeaderMap) -> Option<&str> {
    headers.get(CORRELATION).and_then(|value| value.to_str().ok())
}

pub(super) fn answer(status: StatusCode, media: &'static str, body: Vec<u8>) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(media)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::VARY, VARY),
    ];
    (status, headers, Bytes::from(body)).into_response()
}
