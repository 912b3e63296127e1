//! What a client sends: a document or the id of one, and what goes with it.

use std::{error::Error, sync::Arc};

use async_graphql::{Request, Variables};
use axum::{
    body::{Body, to_bytes},
    extract::Query,
    http::{HeaderMap, StatusCode, Uri, header},
};
use http_body_util::LengthLimitError;
use serde::Deserialize;
use serde_json::{Map, Value};
use tavolo_resolvers::error::ErrorCode;
use tokio::time::timeout;

use super::{
    documents::Document,
    refused::{Refused, bad_request, rejected},
    settings::Settings,
    state::Edge,
};
use crate::auth::{Authenticated, FREE};

/// The body of a request, or the payload of a `subscribe` message.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Operation {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<Map<String, Value>>,
    extensions: Option<Map<String, Value>>,
}

/// The address of a request: variables and extensions are JSON in it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    query: Option<String>,
    document_id: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
    extensions: Option<String>,
}

/// What is to be executed, with the trusted document it is, if it is one.
pub(super) struct Resolved {
    pub(super) request: Request,
    pub(super) document: Option<Arc<Document>>,
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
            document_id: parameters.document_id,
            operation_name: parameters.operation_name.filter(|name| !name.is_empty()),
            variables: map("variables", parameters.variables)?,
            extensions: map("extensions", parameters.extensions)?,
        })
    }
}

/// What whoever sends a batch is told.
const BATCH: &str = "a request is one JSON object, and no batch: send one request for each operation, or ask for several fields \
                     in one document";

impl Operation {
    /// The operation in an address.
    pub(super) fn in_address(uri: &Uri) -> Result<Self, Refused> {
        Query::<Parameters>::try_from_uri(uri)
            .map_err(|error| bad_request(format!("the address is no GraphQL request: {error}")))
            .and_then(|Query(parameters)| Self::try_from(parameters))
    }

    /// The operation in a body.
    pub(super) async fn in_body(headers: &HeaderMap, body: Body, limits: &Settings) -> Result<Self, Refused> {
        let media = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim();
        if !media.eq_ignore_ascii_case("application/json") {
            return Err(rejected(StatusCode::UNSUPPORTED_MEDIA_TYPE, "send application/json"));
        }
        let body = timeout(limits.body_within, to_bytes(body, limits.body_bytes))
            .await
            .map_err(|_| rejected(StatusCode::REQUEST_TIMEOUT, "the body took too long"))?
            .map_err(|error| unread(&error, limits))?;
        // An array is a batch to some clients; serde would read it as fields in their order.
        if body.trim_ascii_start().first() == Some(&b'[') {
            return Err(bad_request(BATCH.into()));
        }
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(bad_request("the body is no GraphQL request: it must be a JSON object".into()));
        }
        serde_json::from_slice(&body).map_err(|error| bad_request(format!("the body is no GraphQL request: {error}")))
    }

    /// The operation in the payload of a `subscribe` message.
    pub(super) fn in_payload(payload: Value) -> Option<Self> {
        let payload = payload.is_object().then_some(payload)?;
        let operation: Self = serde_json::from_value(payload).ok()?;
        (operation.query.is_some() || operation.id().is_some()).then_some(operation)
    }

    /// The id of a trusted document, as the specification's appendix has it or as Apollo's clients send it.
    fn id(&self) -> Option<String> {
        let hash = || self.extensions.as_ref()?.get("persistedQuery")?.get("sha256Hash")?.as_str();
        self.document_id.clone().or_else(|| hash().map(|hash| format!("sha256:{hash}")))
    }
}

/// Why a body could not be read: it is too long, or it broke off.
fn unread(error: &axum::Error, limits: &Settings) -> Refused {
    if error.source().is_some_and(|source| source.is::<LengthLimitError>()) {
        let message = format!("a request has {} KiB at most", limits.body_bytes / 1_024);
        return rejected(StatusCode::PAYLOAD_TOO_LARGE, message);
    }
    bad_request("the body could not be read to its end".into())
}

impl Edge {
    /// Finds the document of an operation. Where the hub trusts only its own, free text needs a token that allows it.
    pub(super) fn resolve(
        &self,
        operation: Operation,
        authenticated: Option<&Authenticated>,
    ) -> Result<Resolved, Refused> {
        let id = operation.id();
        let (text, document) = match (operation.query, id) {
            (Some(_), Some(_)) if operation.document_id.is_some() => {
                return Err(bad_request("send a query or a documentId, not both".into()));
            }
            (Some(text), _) => {
                let document = self.documents.with_text(&text).cloned();
                let free = !self.settings.trusted_only || authenticated.is_some_and(|authenticated| authenticated.free);
                if document.is_none() && !free {
                    let message = format!("this hub takes documents by id; others need the scope {FREE}");
                    return Err(Refused::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message));
                }
                (text, document)
            }
            (None, Some(id)) => {
                let found = self.documents.find(&id).cloned().ok_or_else(|| {
                    let message = "no document has this id".into();
                    Refused::new(StatusCode::BAD_REQUEST, ErrorCode::PersistedQueryNotFound, message)
                })?;
                (found.text.clone(), Some(found))
            }
            (None, None) => return Err(bad_request("a request needs a query or a documentId".into())),
        };
        let variables = operation.variables.map(Value::Object).map(Variables::from_json);
        let mut request = Request::new(text).variables(variables.unwrap_or_default());
        request.operation_name = operation.operation_name;
        Ok(Resolved { request, document })
    }
}
