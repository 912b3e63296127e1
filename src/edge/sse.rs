//! GraphQL over server-sent events, for those behind proxies that let no socket through: the
//! "distinct connections" mode of the `graphql-sse` protocol, one operation for each connection.

use std::convert::Infallible;

use axum::{
    Extension,
    body::{Body, Bytes},
    extract::State,
    http::{HeaderMap, HeaderName, Request as HttpRequest, Uri, header},
    response::{IntoResponse, Response},
};
use futures_util::{Stream, StreamExt, future::BoxFuture, stream};
use tavolo_resolvers::Answer;
use tokio::time::{Instant, Interval, interval_at};

use super::{
    operation::Operation,
    refused::{self, Refused},
    state::{Client, Edge, authorization, viewer},
    stream_permits::{StreamPermit, Transport},
    streams::{Answers, Caller, Deliveries},
};

const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_TYPE, "text/event-stream"),
    (header::CACHE_CONTROL, "no-store"),
    // nginx would keep events until it has many.
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// What keeps a proxy from taking a quiet stream for a dead one.
const COMMENT: Bytes = Bytes::from_static(b":\n\n");

/// Nothing more will come. An event without data would be dropped by browsers.
const COMPLETE: Bytes = Bytes::from_static(b"event: complete\ndata:\n\n");

pub(super) async fn get(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    uri: Uri,
    headers: HeaderMap,
) -> Response {
    respond(edge, client, &headers, Operation::in_address(&uri)).await
}

pub(super) async fn post(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    request: HttpRequest<Body>,
) -> Response {
    let (parts, body) = request.into_parts();
    let operation = Operation::in_body(&parts.headers, body, &edge.settings).await;
    respond(edge, client, &parts.headers, operation).await
}

async fn respond(edge: Edge, client: Client, headers: &HeaderMap, operation: Result<Operation, Refused>) -> Response {
    match open(edge, client, headers, operation).await {
        Ok(events) => (HEADERS, Body::from_stream(events)).into_response(),
        Err(refused) => refused.answer(headers, refused::JSON),
    }
}

async fn open(
    edge: Edge,
    client: Client,
    headers: &HeaderMap,
    operation: Result<Operation, Refused>,
) -> Result<impl Stream<Item = Result<Bytes, Infallible>> + use<>, Refused> {
    let authenticated = edge.authenticate(authorization(headers)).await?;
    let caller = Caller {
        viewer: viewer(authenticated.as_ref(), client.address, headers),
        authenticated,
        address: client.address,
    };
    let mut permit = edge.permit(&caller, Transport::Events)?;
    let answers = edge.answers(operation, &caller, &permit).inspect_err(|_| permit.ends("refused"))?;
    let comment_every = edge.settings.ping_every;
    let comment = interval_at(Instant::now() + comment_every, comment_every);
    let (own, authenticated) = (edge.clone(), caller.authenticated.clone());
    let ends = Box::pin(async move {
        tokio::select! {
            refusal = own.entitlement_ends(authenticated) => refusal.name(),
            () = own.stop.cancelled() => "stopping",
        }
    });
    let deliveries = Deliveries::new(Transport::Events);
    let events = Events { edge, caller, answers, comment, ends, permit, deliveries, completed: false };
    Ok(stream::unfold(events, Events::next))
}

/// What is sent on one connection.
struct Events {
    edge: Edge,
    caller: Caller,
    answers: Answers,
    comment: Interval,
    /// Resolves when the client has to be left, and says why.
    ends: BoxFuture<'static, &'static str>,
    permit: StreamPermit,
    deliveries: Deliveries,
    completed: bool,
}

impl Events {
    /// The next event. A hub that stops just ends the stream, so that the client comes back.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if self.completed {
            self.permit.ends("completed");
            return None;
        }
        let event = tokio::select! {
            // The end is looked at first: nothing is delivered after it, and a busy stream does not put it off.
            biased;
            reason = &mut self.ends => {
                self.permit.ends(reason);
                return None;
            }
            _ = self.comment.tick() => {
                self.deliveries.tell();
                self.edge.collect(&mut self.answers, &self.caller);
                COMMENT
            }
            answer = self.answers.stream.next() => match answer {
                Some(answer) => {
                    self.deliveries.count();
                    next(answer)
                }
                None => {
                    self.completed = true;
                    COMPLETE
                }
            },
        };
        Some((Ok(event), self))
    }
}

fn next(answer: Answer) -> Bytes {
    // JSON has no line breaks outside of its strings, and none within.
    match answer {
        Answer::Next(answer) => ["event: next\ndata: ", &answer, "\n\n"].concat(),
        Answer::Refused(errors) => ["event: next\ndata: {\"errors\":", &errors, "}\n\n"].concat(),
    }
    .into()
}
