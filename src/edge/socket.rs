//! GraphQL over WebSocket: `graphql-transport-ws`, by the letter.
//!
//! One task per socket reads, writes and pulls from the operations, so a client that does not read
//! stops the pulling, and an operation never fills a queue. It is dropped when it does not take a
//! message in time. What a subscription answers is shared with everybody who watches the same.

mod operations;
mod protocol;
mod wake_gate;

use std::{
    future::{pending, poll_fn},
    sync::Arc,
    task::{Context, Poll},
};

use axum::{
    Extension,
    extract::{
        State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::Response,
};
use futures_util::{FutureExt, SinkExt, StreamExt, future::BoxFuture, poll};
use tavolo_resolvers::error::ErrorCode;
use tokio::time::{Duration, Instant, Interval, MissedTickBehavior, interval_at, timeout};

use self::{
    operations::Operations,
    protocol::{End, Frame, FromClient, PROTOCOL, ToClient, receive},
    wake_gate::WakeGate,
};
use super::{
    operation::Operation,
    permits::Full,
    refused::{JSON, Refused, rejected},
    state::{Client, Edge, authorization, viewer},
    stream_permits::{StreamPermit, Transport},
    streams::{Caller, Deliveries, Unanswered},
};
use crate::auth::Authenticated;

/// Bytes of a socket's read buffer: clients send little, and there are many of them.
const READ_BUFFER: usize = 1024;

/// Bytes of an operation's id at most: it stands before each of its answers.
const LONGEST_ID: usize = 128;

/// A client that has let so many pings go by in silence is not there. Counted, not timed: should the hub itself have
/// stood still, what has come meanwhile is heard between two pings.
const MOST_UNHEARD: u8 = 2;

/// How long a farewell may take.
const FAREWELL_WITHIN: Duration = Duration::from_secs(1);

pub(super) async fn upgrade(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejected(rejection.status(), rejection.body_text()).answer(&headers, JSON),
    };
    if !same_site(&edge, &headers) {
        let message = "this origin may not open a socket".into();
        return Refused::new(StatusCode::FORBIDDEN, ErrorCode::Forbidden, message).answer(&headers, JSON);
    }
    let upgrade = upgrade
        .protocols([PROTOCOL])
        .max_message_size(edge.settings.message_bytes)
        .max_frame_size(edge.settings.message_bytes)
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(0);
    let named = authorization(&headers).map(str::to_owned);
    // Who is not let in by the handshake may still be by `connection_init`.
    let authenticated = edge.authenticate(named.as_deref()).await.unwrap_or_default();
    let visitor = Caller { authenticated, address: client.address, viewer: viewer(None, client.address, &headers) };
    let permit = match visitor.authenticated {
        Some(_) => edge.permit(&visitor, Transport::Socket),
        None => edge.unnamed_permit(client.address, Transport::Socket),
    };
    let permit = match permit {
        Ok(permit) => permit,
        Err(full) => return Refused::from(full).answer(&headers, JSON),
    };
    let sockets = edge.sockets.clone();
    upgrade.on_upgrade(move |socket| sockets.track_future(serve(edge, named, visitor, permit, socket)))
}

/// A page may open a socket to its own hub and to hubs that list its origin. Whoever sends no origin is no page.
fn same_site(edge: &Edge, headers: &HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok()) else { return true };
    let host = headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let own = origin.split_once("://").map(|(_, authority)| authority) == host;
    own || edge.origins.iter().any(|listed| listed == origin)
}

async fn serve(edge: Edge, named: Option<String>, visitor: Caller, mut permit: StreamPermit, mut socket: WebSocket) {
    // Boxed: what is needed for the opening alone takes no memory afterwards.
    let opened = Box::pin(async {
        tokio::select! {
            biased;
            () = edge.stop.cancelled() => Err(End::Stopping),
            opened = open(&edge, named, visitor, &mut permit, &mut socket) => opened,
        }
    });
    let opened = opened.await;
    let end = match opened {
        Ok(caller) => Session::new(&edge, caller, &permit, &mut socket).run().await,
        Err(end) => end,
    };
    permit.ends(end.name());
    drop(permit);
    // A client that has gone or does not read is not waited for.
    let _ = timeout(FAREWELL_WITHIN, part(socket, end.frame())).await;
}

/// The closing handshake (RFC 6455 section 7): says farewell, or answers the client's, and hears it out. Were something
/// left that nobody has read, the system would cut the connection, and with it the farewell.
async fn part(mut socket: WebSocket, farewell: Option<CloseFrame>) -> Result<(), axum::Error> {
    match farewell {
        Some(frame) => socket.send(Message::Close(Some(frame))).await?,
        None => socket.flush().await?,
    }
    while let Some(received) = socket.recv().await {
        received?;
    }
    Ok(())
}

/// Lets the client in: whom the handshake named, unless `connection_init` names somebody.
async fn open(
    edge: &Edge,
    named: Option<String>,
    mut caller: Caller,
    permit: &mut StreamPermit,
    socket: &mut WebSocket,
) -> Result<Caller, End> {
    if socket.protocol().is_none_or(|chosen| chosen != PROTOCOL) {
        return Err(End::Unprotocolled);
    }
    let initialised = timeout(edge.settings.init_within, init(edge, named, socket));
    caller.authenticated = tokio::select! {
        biased;
        initialised = initialised => initialised.unwrap_or(Err(End::Uninitialised)),
        () = permit.displaced() => Err(End::Uninitialised),
    }?;
    caller.viewer.member = caller.authenticated.as_ref().map(|authenticated| Arc::clone(&authenticated.member));
    permit.pass_to(caller.holder(), &edge.settings).map_err(|full| match full {
        Full::Hub => End::HubFull,
        Full::Holder => End::TooManySockets,
    })?;
    taken(edge, pending(), SinkExt::send(socket, ToClient::ConnectionAck.message())).await?;
    Ok(caller)
}

/// Waits for `connection_init` and finds out whom it names.
async fn init(edge: &Edge, named: Option<String>, socket: &mut WebSocket) -> Result<Option<Authenticated>, End> {
    loop {
        let received = socket.recv().await;
        match hear(edge, pending(), socket, received).await? {
            None | Some(FromClient::Pong {}) => {}
            Some(FromClient::ConnectionInit { payload }) => {
                let in_payload = payload.as_ref().and_then(|payload| {
                    let fields = payload.as_object()?.iter();
                    let mut named = fields.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
                    named.next()?.1.as_str()
                });
                return edge.authenticate(in_payload.or(named.as_deref())).await.map_err(End::Refused);
            }
            Some(FromClient::Ping { payload }) => {
                taken(edge, pending(), SinkExt::send(socket, ToClient::Pong { payload }.message())).await?;
            }
            Some(FromClient::Subscribe { .. } | FromClient::Complete { .. }) => return Err(End::Unacknowledged),
        }
    }
}

/// What a client has said, if that is for us. A ping is answered before anything more is read: the answers would add up
/// for a client that sends pings and takes nothing.
async fn hear(
    edge: &Edge,
    ends: impl Future<Output = End>,
    socket: &mut WebSocket,
    received: Option<Result<Message, axum::Error>>,
) -> Result<Option<FromClient>, End> {
    if matches!(received, Some(Ok(Message::Ping(_)))) {
        taken(edge, ends, SinkExt::flush(socket)).await?;
    }
    receive(received)
}

/// Waits until a client has taken what it is sent, if it does in time, and before it has to be left.
async fn taken(
    edge: &Edge,
    ends: impl Future<Output = End>,
    mut sending: impl Future<Output = Result<(), axum::Error>> + Unpin,
) -> Result<(), End> {
    // The system nearly always takes a message at once; the timer is made only when it does not.
    let sent = match poll!(&mut sending) {
        Poll::Ready(sent) => Ok(sent),
        Poll::Pending => tokio::select! {
            biased;
            end = ends => return Err(end),
            sent = timeout(edge.settings.take_within, sending) => sent,
        },
    };
    match sent {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => Err(End::Unread),
    }
}

/// A client that has been let in.
struct Session<'s> {
    edge: &'s Edge,
    caller: Caller,
    permit: &'s StreamPermit,
    socket: &'s mut WebSocket,
    operations: Operations,
    ping: Interval,
    /// Resolves when the client has to be left, and says why.
    ends: BoxFuture<'static, End>,
    /// The end, pings and frames of the client: polled only when one of them has woken the task.
    others: WakeGate,
    /// The others are polled first next time, so that a busy operation cannot starve them.
    others_first: bool,
    /// Pings since the client was last heard.
    unheard: u8,
    deliveries: Deliveries,
}

/// What happens to a session.
enum Event {
    /// The client has sent something.
    Received(Option<Result<Message, axum::Error>>),
    /// An operation has an answer.
    Answer(Message),
    /// An operation has ended, with this message.
    Ended(Message),
    /// It is time to ask whether the client is there.
    Ping,
    /// It has to end.
    End(End),
}

impl<'s> Session<'s> {
    fn new(edge: &'s Edge, caller: Caller, permit: &'s StreamPermit, socket: &'s mut WebSocket) -> Self {
        let every = edge.settings.ping_every;
        let mut ping = interval_at(Instant::now() + every, every);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (own, authenticated) = (edge.clone(), caller.authenticated.clone());
        let ends = async move {
            tokio::select! {
                () = own.stop.cancelled() => End::Stopping,
                refusal = own.entitlement_ends(authenticated) => End::Refused(refusal),
            }
        };
        Self {
            edge,
            caller,
            permit,
            socket,
            operations: Operations::default(),
            ping,
            ends: ends.boxed(),
            others: WakeGate::default(),
            others_first: false,
            unheard: 0,
            deliveries: Deliveries::new(Transport::Socket),
        }
    }

    async fn run(mut self) -> End {
        loop {
            let event = poll_fn(|context| self.poll_event(context)).await;
            if let Err(end) = self.meet(event).await {
                return end;
            }
        }
    }

    fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        let others_first = std::mem::take(&mut self.others_first);
        if others_first && let Poll::Ready(event) = self.poll_others(context) {
            return Poll::Ready(event);
        }
        match self.operations.poll_event(context) {
            Poll::Pending => self.poll_others(context),
            event => {
                self.others_first = true;
                event
            }
        }
    }

    fn poll_others(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        self.others.poll(context, |context| {
            if let Poll::Ready(end) = self.ends.poll_unpin(context) {
                return Poll::Ready(Event::End(end));
            }
            // Before the client: with the ping comes what is due, and nobody is let off by talking without end.
            if self.ping.poll_tick(context).is_ready() {
                return Poll::Ready(Event::Ping);
            }
            self.socket.poll_next_unpin(context).map(Event::Received)
        })
    }

    async fn meet(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Answer(message) => {
                self.deliveries.count();
                self.send(message).await
            }
            Event::Ended(message) => self.send(message).await,
            Event::Received(received) => {
                self.unheard = 0;
                match hear(self.edge, ended(&mut self.ends, &mut self.others), self.socket, received).await? {
                    Some(message) => self.handle(message).await,
                    None => Ok(()),
                }
            }
            Event::Ping if self.unheard == MOST_UNHEARD => Err(End::Silent),
            Event::Ping => {
                self.unheard += 1;
                self.deliveries.tell();
                self.operations.collect(self.edge, &self.caller);
                self.send(Message::Ping(Default::default())).await
            }
            Event::End(end) => Err(end),
        }
    }

    async fn handle(&mut self, message: FromClient) -> Result<(), End> {
        match message {
            FromClient::ConnectionInit { .. } => Err(End::Reinitialised),
            FromClient::Ping { payload } => self.send(ToClient::Pong { payload }.message()).await,
            FromClient::Pong {} => Ok(()),
            FromClient::Complete { id } => {
                // A completed operation ends here: nothing more of it is sent.
                self.operations.end(&id);
                Ok(())
            }
            FromClient::Subscribe { id, .. } if id.is_empty() || id.len() > LONGEST_ID => Err(End::Invalid),
            FromClient::Subscribe { id, .. } if self.operations.has(&id) => Err(End::Duplicate(id)),
            FromClient::Subscribe { .. } if self.operations.len() >= self.edge.settings.operations_per_socket => {
                Err(End::Crowded)
            }
            FromClient::Subscribe { id, payload } => self.subscribe(id, payload).await,
        }
    }

    async fn subscribe(&mut self, id: String, payload: serde_json::Value) -> Result<(), End> {
        let operation = Operation::in_payload(payload).ok_or(End::Invalid)?;
        let answers = match self.edge.answers(Ok(operation), &self.caller, self.permit) {
            Ok(answers) => answers,
            Err(Unanswered::Crowded) => return Err(End::Crowded),
            Err(Unanswered::Refused(refused)) => {
                let errors = refused.errors(self.caller.viewer.correlation.as_deref());
                return self.send(Frame::error(&id).around(&errors)).await;
            }
        };
        self.operations.begin(id, answers);
        Ok(())
    }

    async fn send(&mut self, message: Message) -> Result<(), End> {
        taken(self.edge, ended(&mut self.ends, &mut self.others), SinkExt::send(self.socket, message)).await
    }
}

/// Waits for the end elsewhere than among the others, who have to look for themselves again afterwards.
async fn ended(ends: &mut BoxFuture<'static, End>, others: &mut WakeGate) -> End {
    *others = WakeGate::default();
    ends.await
}
