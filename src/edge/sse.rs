//! GraphQL over server-sent events, for those behind proxies that let no socket through: the
//! "distinct connections" mode of the `graphql-sse` protocol, one operation for each connection.

use std::convert::Infallible;

use async_graphql::{Request, Response as GraphResponse};
use axum::{
    body::Body,
    extract::State,
    http::{HeaderMap, Request as HttpRequest, Uri},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::{Stream, StreamExt, stream};

use super::{
    Edge, authorization,
    http::{self, Operation, Refused},
    viewer,
};

pub(super) async fn get(State(edge): State<Edge>, uri: Uri, headers: HeaderMap) -> Response {
    respond(edge, &headers, http::read_address(&uri)).await
}

pub(super) async fn post(State(edge): State<Edge>, request: HttpRequest<Body>) -> Response {
    let (parts, body) = request.into_parts();
    let operation = http::read_body(&parts.headers, body).await;
    respond(edge, &parts.headers, operation).await
}

async fn respond(edge: Edge, headers: &HeaderMap, operation: Result<Operation, Refused>) -> Response {
    match open(edge, headers, operation).await {
        Ok(events) => Sse::new(events).keep_alive(KeepAlive::default()).into_response(),
        Err(refused) => refused.answer(http::JSON),
    }
}

async fn open(
    edge: Edge,
    headers: &HeaderMap,
    operation: Result<Operation, Refused>,
) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, Refused> {
    let admitted = edge.admit(authorization(headers)).await?;
    let mut request = Request::from(operation?);
    http::no_mutation(&edge, &mut request)?;
    let viewer = viewer(admitted.as_ref(), headers);
    let answers = edge.graph.stream(request, viewer);
    let stopped = edge.stop.clone().cancelled_owned();
    let ends = async move {
        tokio::select! {
            _ = edge.entitlement_ends(admitted) => {}
            () = stopped => {}
        }
    };
    let events = answers.map(|answer| Ok(next(&answer)));
    let events = events.chain(stream::iter([Ok(Event::default().event("complete").data(""))]));
    // Outermost: a hub that stops just ends the stream, so that the client comes back.
    Ok(events.take_until(Box::pin(ends)))
}

fn next(answer: &GraphResponse) -> Event {
    Event::default().event("next").data(serde_json::to_string(answer).unwrap_or_default())
}
