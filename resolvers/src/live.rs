//! Subscriptions: from a request to a listener of a channel.
//!
//! Two subscriptions are equal when document, variables, language and *scope of sight* are: the role
//! and organisation somebody has at the table now. They share a channel of `subscriptions`, which
//! asks this module to run its segments: each is an execution of the document, in which the
//! subscription's resolver asks the [`Execution`] which segment it is.
//!
//! `after` is where one listener begins, so it is no part of what makes subscriptions equal. Whoever
//! stands at the table in another way than a moment ago leaves for another channel, and begins there
//! with a `RESYNC`.

mod subscription_request;

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{self, Poll, ready},
};

use async_graphql::{Response, Value as ConstValue};
use futures_util::{FutureExt, Stream, StreamExt, future::Either, stream, stream::BoxStream};
use serde::Serialize;
use tavolo_schema::{Standing, access, id::fresh, irregularity::Language};
use tavolo_subscriptions::{Channel, Channels, Cursor, Listener, NotRun, Segment, SegmentStream, Source};
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use self::subscription_request::SubscriptionRequest;
use crate::{
    Graph, Hub, Prepared, Viewer, error, execution::Execution, request_context::RequestContext, viewer_scope::standing,
};

/// What a stream of answers brings, as JSON.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An answer.
    Next(Arc<str>),
    /// Nothing was executed, for these errors: the document, or the access to it, is wrong.
    Refused(Arc<str>),
}

impl Answer {
    /// The answer that a response is.
    #[must_use]
    pub fn of(response: &Response) -> Self {
        let executed = response.data != ConstValue::Null || response.errors.iter().all(|error| !error.path.is_empty());
        if executed { Self::Next(json(response)) } else { Self::Refused(json(&response.errors)) }
    }
}

fn json(segment: &impl Serialize) -> Arc<str> {
    // A response has nothing that JSON has not.
    serde_json::to_string(segment).unwrap_or_default().into()
}

/// Everybody with these can be sent the same bytes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    document: String,
    operation: Option<String>,
    variables: String,
    standing: Standing,
    language: Language,
}

/// The graph, with the channels of those who watch it.
#[derive(Clone)]
pub struct Live {
    graph: Graph,
    channels: Arc<Channels<Key, SharedSubscription>>,
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").finish_non_exhaustive()
    }
}

/// What is watched, and in whose eyes.
struct SharedSubscription {
    live: Live,
    request: SubscriptionRequest,
    standing: Standing,
    language: Language,
}

impl Source for SharedSubscription {
    type Refusal = Response;

    async fn run(&self, segment: Segment) -> Result<SegmentStream, NotRun<Response>> {
        let (execution, begun) = Execution::new(segment, self.standing.clone());
        // The errors of an event are everybody's, so they have a correlation id of their own.
        let correlation = fresh(self.live.hub().clock.now()).to_string().into();
        let viewer = Viewer { language: self.language, correlation: Some(correlation), ..Viewer::default() };
        let request_context = Arc::new(RequestContext::new(self.live.hub(), viewer, Some(execution)));
        let mut responses =
            self.live.graph.run(self.request.request(), self.request.orders(), &request_context).peekable();
        // The resolver begins when it is first asked for an event.
        let first = Pin::new(&mut responses).peek();
        let mark = match futures_util::future::select(begun, first).await {
            Either::Left((mark, _)) => mark.ok(),
            Either::Right((_, mut begun)) => begun.try_recv().ok(),
        };
        match mark {
            Some(Some(mark)) => {
                let message = move |response| {
                    request_context.execution.as_ref().and_then(|execution| execution.message(json(&response)))
                };
                // Ends with the first response that belongs to no event.
                let messages = responses.scan((), move |(), response| std::future::ready(message(response)));
                Ok(SegmentStream { mark, messages: messages.boxed() })
            }
            Some(None) => Err(NotRun::TooOld),
            None => Err(NotRun::Refused(responses.next().await.unwrap_or_else(error::panicked))),
        }
    }
}

impl Live {
    /// Nobody watches yet.
    #[must_use]
    pub fn new(graph: Graph) -> Self {
        let channels = Channels::new(Arc::clone(&graph.hub().live_board));
        Self { graph, channels: Arc::new(channels) }
    }

    /// The graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        &self.graph
    }

    fn hub(&self) -> &Hub {
        self.graph.hub()
    }

    /// Watches what a subscription asks for, until it ends.
    pub fn watch(&self, subscription: Prepared, viewer: Viewer) -> impl Stream<Item = Answer> + Send + use<> {
        let live = self.clone();
        Watch::opening(async move {
            let opened = Viewing::open(&live, subscription, viewer).await;
            opened.map_or_else(Watch::refused, Watch::Open)
        })
    }
}

impl SharedSubscription {
    /// The channel of everybody who asks for this.
    fn channel(self) -> Arc<Channel<Self>> {
        let key = Key {
            document: self.request.query.clone(),
            operation: self.request.operation.clone(),
            variables: serde_json::to_string(&self.request.variables).unwrap_or_default(),
            standing: self.standing.clone(),
            language: self.language,
        };
        let channels = Arc::clone(&self.live.channels);
        channels.open(key, || self)
    }
}

/// One who watches.
enum Watch {
    /// The channel is not open yet, or another one is not. It is opened in a task of its own: others wait for the same
    /// channel, and who owns this may not poll it for as long as a client takes nothing.
    Opening(AbortOnDropHandle<Watch>),
    Open(Viewing),
    /// There is this to say, and nothing after it.
    Closing(Option<Answer>),
}

impl Watch {
    fn opening(opened: impl Future<Output = Self> + Send + 'static) -> Self {
        Self::Opening(AbortOnDropHandle::new(tokio::spawn(opened)))
    }

    /// What somebody is told who asked for something that cannot be watched.
    fn refused(response: Response) -> Self {
        let answer = if response.is_ok() { Answer::of(&response) } else { Answer::Refused(json(&response.errors)) };
        Self::Closing(Some(answer))
    }
}

impl Stream for Watch {
    type Item = Answer;

    fn poll_next(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Option<Answer>> {
        let watch = self.get_mut();
        loop {
            let next = match watch {
                Self::Open(viewing) => {
                    let message = match viewing.listener.poll_next_unpin(context) {
                        Poll::Ready(None) => return Poll::Ready(None),
                        Poll::Ready(message) => message,
                        Poll::Pending => {
                            ready!(viewing.poll_roster(context));
                            None
                        }
                    };
                    // Access is checked when the message is handed over, not when it was rendered.
                    match (viewing.look(), message) {
                        (AccessChange::Same, Some(message)) => return Poll::Ready(Some(Answer::Next(message.json))),
                        (AccessChange::Same, None) => continue,
                        (AccessChange::Ended, _) => Self::Closing(None),
                        (AccessChange::Other(channel), _) => Self::opening(viewing.moved(channel)),
                    }
                }
                Self::Opening(opened) => {
                    ready!(opened.poll_unpin(context)).unwrap_or_else(|_| Self::refused(error::panicked()))
                }
                Self::Closing(last) => return Poll::Ready(last.take()),
            };
            *watch = next;
        }
    }
}

/// A viewer, and a listener of the channel that belongs to how the viewer stands at the table.
struct Viewing {
    viewer: Viewer,
    /// Revision of the roster at which the standing was found out; when it changes, access is asked again.
    roster: u64,
    listener: Listener<SharedSubscription>,
    /// Changes of the roster, for a viewer who is told by the day: no message may come before it has ended.
    roster_changes: Option<BoxStream<'static, ()>>,
}

fn roster_changes(shared: &SharedSubscription) -> Option<BoxStream<'static, ()>> {
    let changes = shared.live.hub().live_board.roster_changes();
    let next = |mut changes: watch::Receiver<u64>| async move { changes.changed().await.ok().map(|()| ((), changes)) };
    // Roster changes matter to members alone: the public always stands at the table in the same way.
    let by_the_day = shared.standing.organisation.is_some() && !access::counts_people(shared.standing.role);
    by_the_day.then(|| stream::unfold(changes, next).boxed())
}

/// What a viewer may see now, compared with a moment ago.
enum AccessChange {
    Same,
    /// What belongs to it now.
    Other(Arc<Channel<SharedSubscription>>),
    /// The membership has ended.
    Ended,
}

impl Viewing {
    async fn open(live: &Live, subscription: Prepared, viewer: Viewer) -> Result<Self, Response> {
        let refused = |refusals| error::refusal(refusals, viewer.correlation.as_deref());
        let subscription = live.graph.validated(subscription).map_err(refused)?;
        let (request, after) =
            SubscriptionRequest::read(subscription, &live.hub().store).map_err(|error| refused(vec![error]))?;
        let board = live.hub().live_board.board();
        let (roster, standing) = (board.roster(), standing(&board, &viewer));
        // Viewers by the day get the state again, whatever their cursor: it names no position.
        let goes_on = access::counts_people(standing.role);
        let after = after.map(|cursor| Cursor { complete: cursor.complete && goes_on, ..cursor });
        let shared = SharedSubscription { live: live.clone(), request, standing, language: viewer.language };
        let listener = shared.channel().listen(after).await.map_err(|not_run| match not_run {
            NotRun::Refused(response) => response,
            // Unreachable: a listener starts at the end of the log, and the log always reaches back to its own end.
            NotRun::TooOld => error::panicked(),
        })?;
        Ok(Self { viewer, roster, roster_changes: roster_changes(listener.source()), listener })
    }

    /// Waits for a change of the roster, of those for whom that is worth waiting.
    fn poll_roster(&mut self, context: &mut task::Context<'_>) -> Poll<()> {
        let Some(changes) = &mut self.roster_changes else { return Poll::Pending };
        let Some(()) = ready!(changes.poll_next_unpin(context)) else {
            // The end of the changes is the end of the hub.
            self.roster_changes = None;
            return Poll::Pending;
        };
        Poll::Ready(())
    }

    /// Looks whether the viewer still stands at the table as at the last look.
    fn look(&mut self) -> AccessChange {
        let shared = self.listener.source();
        let live_board = &shared.live.hub().live_board;
        if self.roster == live_board.roster() {
            return AccessChange::Same;
        }
        let board = live_board.board();
        let ended = self.viewer.member.as_ref().is_some_and(|member| board.member(&member.subject).is_none());
        if ended {
            return AccessChange::Ended;
        }
        let standing = standing(&board, &self.viewer);
        let sight = if standing == shared.standing {
            AccessChange::Same
        } else {
            let (live, request) = (shared.live.clone(), shared.request.clone());
            AccessChange::Other(SharedSubscription { live, request, standing, language: shared.language }.channel())
        };
        self.roster = board.roster();
        sight
    }

    /// Begins anew in another channel.
    fn moved(&self, channel: Arc<Channel<SharedSubscription>>) -> impl Future<Output = Watch> + use<> {
        let (viewer, roster) = (self.viewer.clone(), self.roster);
        async move {
            match channel.listen(None).await {
                Ok(mut listener) => {
                    listener.begin_anew();
                    Watch::Open(Self { viewer, roster, roster_changes: roster_changes(listener.source()), listener })
                }
                Err(_) => Watch::Closing(None),
            }
        }
    }
}
