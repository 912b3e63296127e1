//! GraphQL over WebSocket: the `graphql-transport-ws` protocol.
//!
//! One task per socket owns it. Each operation is a task that pulls its stream and hands messages
//! over a short channel; a client that does not read stops the pulling, so nothing piles up for it,
//! and is dropped when it does not take a message in time.

use std::{collections::HashMap, time::Duration};

use axum::{
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, Utf8Bytes, WebSocket},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tavolo_resolvers::Viewer;
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, interval_at, timeout},
};

use super::{Edge, authorization, http, viewer};
use crate::auth::{Admitted, Refusal};

const PROTOCOL: &str = "graphql-transport-ws";
/// Bytes of a message at most.
const MOST_BYTES: usize = 64 * 1024;
/// Operations of one socket at most.
const MOST_OPERATIONS: usize = 100;
/// Sockets and operations of one hub at most.
const MOST_TASKS: usize = 50_000;
/// How long a client has for its `connection_init`.
const INIT_WITHIN: Duration = Duration::from_secs(10);
/// How long a client has to take a message.
const TAKE_WITHIN: Duration = Duration::from_secs(10);
/// How often a silent client is asked whether it is there.
const PING_EVERY: Duration = Duration::from_secs(20);
/// Messages ready for a client that has not taken the last one yet.
const READY: usize = 8;

/// A message of the client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum FromClient {
    ConnectionInit { payload: Option<serde_json::Value> },
    Subscribe { id: String, payload: serde_json::Value },
    Complete { id: String },
    Ping { payload: Option<serde_json::Value> },
    Pong {},
}

/// A message to the client, without what is sent as it is.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum ToClient<'a> {
    ConnectionAck,
    Next { id: &'a str, payload: &'a async_graphql::Response },
    Error { id: &'a str, payload: &'a [async_graphql::ServerError] },
    Complete { id: &'a str },
    Pong { payload: Option<serde_json::Value> },
}

impl ToClient<'_> {
    fn message(&self) -> Message {
        Message::text(serde_json::to_string(self).unwrap_or_default())
    }
}

/// Why a socket ends: close code and reason, or nothing when the client has gone.
type End = Option<(u16, &'static str)>;

/// What an operation hands over.
struct Handed {
    id: String,
    /// Tells an operation from a later one under the same id.
    serial: u64,
    message: Message,
    last: bool,
}

pub(super) async fn upgrade(State(edge): State<Edge>, headers: HeaderMap, upgrade: WebSocketUpgrade) -> Response {
    if !same_site(&edge, &headers) {
        return (StatusCode::FORBIDDEN, "this origin may not open a socket\n").into_response();
    }
    if edge.sockets.len() >= MOST_TASKS {
        return (StatusCode::SERVICE_UNAVAILABLE, "this hub has as many sockets as it can hold\n").into_response();
    }
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(MOST_BYTES)
        .max_frame_size(MOST_BYTES)
        .read_buffer_size(4 * 1024)
        .write_buffer_size(0);
    let sockets = edge.sockets.clone();
    upgrade.on_upgrade(move |socket| sockets.track_future(serve(edge, headers, socket)))
}

/// A page may open a socket to its own hub and to hubs that list its origin. Whoever sends no origin is no page.
fn same_site(edge: &Edge, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()) else { return true };
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let own = origin.split_once("://").map(|(_, authority)| authority) == host;
    own || edge.origins.iter().any(|listed| listed == origin)
}

async fn serve(edge: Edge, headers: HeaderMap, mut socket: WebSocket) {
    if socket.protocol().is_none_or(|chosen| chosen != PROTOCOL) {
        close(socket, 4406, "Subprotocol not acceptable").await;
        return;
    }
    let opened = match timeout(INIT_WITHIN, init(&edge, &headers, &mut socket)).await {
        Ok(opened) => opened,
        Err(_) => Err(Some((4408, "Connection initialisation timeout"))),
    };
    let end = match opened {
        Ok(admitted) => {
            let (hand, handed) = mpsc::channel(READY);
            let viewer = viewer(admitted.as_ref(), &headers);
            Session { edge: &edge, admitted, viewer, operations: HashMap::new(), serial: 0, hand }
                .run(&mut socket, handed)
                .await
        }
        Err(end) => end,
    };
    if let Some((code, reason)) = end {
        close(socket, code, reason).await;
    }
}

async fn close(mut socket: WebSocket, code: u16, reason: &'static str) {
    let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
    // A client that has gone or does not read needs no farewell.
    let _ = timeout(Duration::from_secs(1), socket.send(Message::Close(Some(frame)))).await;
}

/// Waits for `connection_init` and lets the client in.
async fn init(edge: &Edge, headers: &HeaderMap, socket: &mut WebSocket) -> Result<Option<Admitted>, End> {
    loop {
        match receive(socket.recv().await)? {
            None => {}
            Some(FromClient::ConnectionInit { payload }) => {
                let named = payload.as_ref().and_then(|payload| {
                    let fields = payload.as_object()?.iter();
                    let mut named = fields.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
                    named.next()?.1.as_str()
                });
                let admitted = edge.admit(named.or_else(|| authorization(headers))).await.map_err(refused)?;
                send(socket, ToClient::ConnectionAck.message()).await?;
                return Ok(admitted);
            }
            Some(FromClient::Ping { payload }) => send(socket, ToClient::Pong { payload }.message()).await?,
            Some(FromClient::Pong {}) => {}
            Some(FromClient::Subscribe { .. } | FromClient::Complete { .. }) => {
                return Err(Some((4401, "Unauthorized")));
            }
        }
    }
}

fn refused(refusal: Refusal) -> End {
    Some(match refusal {
        Refusal::NoMember => (4403, "Forbidden"),
        Refusal::Expired => (4401, "Token expired"),
        Refusal::Invalid => (4401, "Unauthorized"),
    })
}

/// Reads a message; `None` for one that needs no answer of ours.
fn receive(received: Option<Result<Message, axum::Error>>) -> Result<Option<FromClient>, End> {
    match received {
        None | Some(Err(_) | Ok(Message::Close(_))) => Err(None),
        // A sequence would be taken for a message that is written in the order of its fields.
        Some(Ok(Message::Text(text))) if text.trim_start().starts_with('{') => {
            serde_json::from_str(&text).map(Some).map_err(|_| Some((4400, "Invalid message")))
        }
        Some(Ok(Message::Text(_))) => Err(Some((4400, "Invalid message"))),
        Some(Ok(Message::Binary(_))) => Err(Some((4400, "Invalid message"))),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
    }
}

async fn send(socket: &mut WebSocket, message: Message) -> Result<(), End> {
    match timeout(TAKE_WITHIN, socket.send(message)).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(None),
        Err(_) => Err(Some((4408, "Client does not read"))),
    }
}

/// A client that has been let in.
struct Session<'e> {
    edge: &'e Edge,
    admitted: Option<Admitted>,
    viewer: Viewer,
    operations: HashMap<String, Operation>,
    serial: u64,
    hand: mpsc::Sender<Handed>,
}

/// A running operation.
struct Operation {
    serial: u64,
    task: AbortHandle,
}

impl Session<'_> {
    async fn run(mut self, socket: &mut WebSocket, mut handed: mpsc::Receiver<Handed>) -> End {
        let mut ping = interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        let mut heard = Instant::now();
        let ends = self.edge.entitlement_ends(self.admitted.take());
        tokio::pin!(ends);
        let end = loop {
            let step = tokio::select! {
                () = self.edge.stop.cancelled() => Err(Some((1012, "Service restart"))),
                refusal = &mut ends => Err(refused(refusal)),
                received = socket.recv() => {
                    heard = Instant::now();
                    match receive(received) {
                        Ok(Some(message)) => self.handle(socket, message).await,
                        Ok(None) => Ok(()),
                        Err(end) => Err(end),
                    }
                }
                Some(Handed { id, serial, message, last }) = handed.recv() => {
                    // What a client has completed is not sent to it any more.
                    if self.operations.get(&id).is_none_or(|operation| operation.serial != serial) {
                        continue;
                    }
                    if last {
                        self.operations.remove(&id);
                    }
                    send(socket, message).await
                }
                _ = ping.tick() => {
                    if heard.elapsed() > 2 * PING_EVERY {
                        Err(Some((4408, "Client is silent")))
                    } else {
                        send(socket, Message::Ping(Default::default())).await
                    }
                }
            };
            if let Err(end) = step {
                break end;
            }
        };
        self.operations.values().for_each(|operation| operation.task.abort());
        end
    }

    async fn handle(&mut self, socket: &mut WebSocket, message: FromClient) -> Result<(), End> {
        match message {
            FromClient::ConnectionInit { .. } => Err(Some((4429, "Too many initialisation requests"))),
            FromClient::Ping { payload } => send(socket, ToClient::Pong { payload }.message()).await,
            FromClient::Pong {} => Ok(()),
            FromClient::Complete { id } => {
                if let Some(operation) = self.operations.remove(&id) {
                    operation.task.abort();
                }
                Ok(())
            }
            FromClient::Subscribe { id, .. } if self.operations.contains_key(&id) => {
                // The protocol wants the id in the reason; it is the client's own.
                Err(Some((4409, "Subscriber already exists")))
            }
            FromClient::Subscribe { .. } if self.operations.len() >= MOST_OPERATIONS => {
                Err(Some((4429, "Too many operations")))
            }
            FromClient::Subscribe { id, payload } => self.subscribe(socket, id, payload).await,
        }
    }

    async fn subscribe(&mut self, socket: &mut WebSocket, id: String, payload: serde_json::Value) -> Result<(), End> {
        let mut request = http::operation(payload).ok_or(Some((4400, "Invalid message")))?;
        if self.edge.graph.is_mutation(&mut request) {
            let payload = json!([{
                "message": "send mutations by POST", "extensions": { "code": "BAD_REQUEST" }
            }]);
            let message = json!({ "type": "error", "id": id, "payload": payload });
            return send(socket, Message::text(message.to_string())).await;
        }
        let mut answers = Box::pin(self.edge.graph.stream(request, self.viewer.clone()));
        self.serial += 1;
        let (hand, operation, serial) = (self.hand.clone(), id.clone(), self.serial);
        let task = self.edge.sockets.spawn(async move {
            let mut answered = false;
            while let Some(answer) = answers.next().await {
                // Nothing was executed: the document, or the access to it, is wrong.
                let refused = !answered && answer.is_err() && answer.data == async_graphql::Value::Null;
                answered = true;
                let message = if refused {
                    ToClient::Error { id: &operation, payload: &answer.errors }.message()
                } else {
                    ToClient::Next { id: &operation, payload: &answer }.message()
                };
                if hand.send(Handed { id: operation.clone(), serial, message, last: refused }).await.is_err() || refused
                {
                    return;
                }
            }
            let message = ToClient::Complete { id: &operation }.message();
            let _ = hand.send(Handed { id: operation, serial, message, last: true }).await;
        });
        self.operations.insert(id, Operation { serial, task: task.abort_handle() });
        Ok(())
    }
}
