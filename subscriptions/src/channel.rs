//! Channels: equal subscriptions are executed once for each event and share the bytes.
//!
//! A [`Channel`] stands for one subscription as somebody asked for it: the same document, variables
//! and scope of sight. However many listen, one *pump* executes it, and puts each message into a
//! ring that all [`Listener`]s read at their own pace.
//!
//! # Why nothing is missed or repeated
//!
//! The ring is a rendering of the log: positions mean the same in both, and it holds every wanted
//! change above its *floor*, or will hold it as soon as the pump has come to it. A listener at
//! position P
//!
//! - at or above the floor takes the first message above P and moves on to that message's position;
//! - below the floor (the ring began later, or what it had was dropped) takes a *piece*: what the log has above P,
//!   every change of it, up to a position that is further on. When the log has no more, that is where the log has come
//!   to, and so at or above the floor of the ring;
//! - below the floor of the log as well, or in a log that began anew, is sent the state as `RESYNC`.
//!
//! The state is that of one board at position P, so a listener that has been sent it is one at P.
//! Each case leads to the next by position alone: it does not matter who began first. From P the next message is that of
//! the first wanted change above P, in the ring and in a piece, or a `RESYNC`: no change is left out without being told.
//!
//! # Slow listeners
//!
//! There is no queue per listener, and nothing is left out for one that is slow. Who takes less than there is falls out
//! of the ring and reads on in the log, at its own pace, until it has caught up or fallen out of that as well. What is
//! kept for a listener is no more than one piece, which all share who are at about the same place.

mod listener;
mod missed;
mod ring;
mod waiting;

use std::{
    collections::HashMap,
    fmt,
    future::Future,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use futures_util::{StreamExt, stream::BoxStream};
use metrics::gauge;
use tavolo_schema::Position;
use tokio::{task::coop::consume_budget, time::Instant};
use tokio_util::task::AbortOnDropHandle;

pub use self::listener::Listener;
use self::{missed::Pieces, ring::Ring, waiting::Waiting};
use crate::{Cursor, LiveBoard, Mark};

/// A state is shared by those who come before so many further changes.
const FRESH: usize = 64;

/// A message, as it is sent to every listener.
#[derive(Clone, Debug)]
pub struct Message {
    /// Where a listener is after it.
    pub position: Position,
    /// The answer, as JSON.
    pub json: Arc<str>,
}

/// The segment of a subscription that one execution answers.
#[derive(Clone, Copy, Debug)]
pub enum Segment {
    /// The state as it is now, and nothing more.
    State {
        /// Whoever gets it has to forget what it knew.
        resync: bool,
    },
    /// What has come since: every change, up to now or up to the last of so many messages.
    Missed {
        /// Since then.
        after: Mark,
        /// So many messages at most.
        most: usize,
    },
    /// Whatever comes after this, until the log begins anew.
    Live(Mark),
}

/// A segment that is being answered.
pub struct SegmentStream {
    /// Where a listener is after the last message; for a segment without an end, before the first.
    pub mark: Mark,
    /// The messages, in order.
    pub messages: BoxStream<'static, Message>,
}

/// Why a segment is not run.
#[derive(Debug)]
pub enum NotRun<R> {
    /// Nobody knows any more what was missed.
    TooOld,
    /// The subscription is refused to everybody who asks for it in this way.
    Refused(R),
}

/// What executes a subscription.
pub trait Source: Send + Sync + 'static {
    /// What is answered when it refuses.
    type Refusal: Send;

    /// Begins to run a segment.
    fn run(&self, segment: Segment) -> impl Future<Output = Result<SegmentStream, NotRun<Self::Refusal>>> + Send;
}

/// The state, as it is sent to whoever comes.
#[derive(Debug)]
struct State {
    mark: Mark,
    resync: bool,
    messages: Vec<Message>,
}

/// One subscription, for all who ask for it in the same way.
pub struct Channel<S> {
    live_board: Arc<LiveBoard>,
    source: S,
    shared: Mutex<Shared>,
    /// One at a time starts a pump.
    pump: tokio::sync::Mutex<Option<AbortOnDropHandle<()>>>,
    /// The last state, while somebody is being sent it.
    state: tokio::sync::Mutex<Weak<State>>,
    /// What was missed, while somebody is being sent it.
    pieces: tokio::sync::Mutex<Pieces>,
}

/// What the pump and the listeners share.
#[derive(Default)]
struct Shared {
    ring: Ring,
    /// Listeners that have found nothing more in it.
    waiting: Waiting,
}

impl<S> Drop for Channel<S> {
    fn drop(&mut self) {
        gauge!("tavolo_channels").decrement(1);
    }
}

impl<S> fmt::Debug for Channel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Messages are left out: they may be personal.
        f.debug_struct("Channel").field("waiting", &self.shared().waiting.len()).finish_non_exhaustive()
    }
}

impl<S> Channel<S> {
    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the ring, if it is of this kind, and wakes everybody who waits; tells whether it was.
    fn change_ring(&self, which: impl FnOnce(&Ring) -> bool, change: impl FnOnce(&mut Ring)) -> bool {
        let sleepers = {
            let mut shared = self.shared();
            if !which(&shared.ring) {
                return false;
            }
            change(&mut shared.ring);
            shared.waiting.take_all()
        };
        sleepers.wake();
        true
    }
}

impl<S: Source> Channel<S> {
    fn new(live_board: Arc<LiveBoard>, source: S) -> Self {
        gauge!("tavolo_channels").increment(1);
        Self {
            live_board,
            source,
            shared: Mutex::default(),
            pump: tokio::sync::Mutex::default(),
            state: tokio::sync::Mutex::default(),
            pieces: tokio::sync::Mutex::default(),
        }
    }

    /// Begins to listen: with the state, or after a cursor.
    ///
    /// # Errors
    ///
    /// When the subscription is refused to everybody who asks for it in this way.
    pub async fn listen(self: Arc<Self>, after: Option<Cursor>) -> Result<Listener<S>, NotRun<S::Refusal>> {
        let mark = match after {
            Some(cursor) => self.live_board.mark_at(cursor.position),
            None => self.live_board.end(),
        };
        self.start_pump(mark).await?;
        Ok(Listener::new(self, mark, after))
    }

    /// Sees to it that the ring fills from about this mark on.
    async fn start_pump(self: &Arc<Self>, mark: Mark) -> Result<(), NotRun<S::Refusal>> {
        let pumped = || self.shared().ring.is_pumped(self.live_board.epoch());
        if pumped() {
            return Ok(());
        }
        let mut pump = self.pump.lock().await;
        if pumped() {
            return Ok(());
        }
        let SegmentStream { mark, messages } = self.source.run(Segment::Live(self.live_board.beginning(mark))).await?;
        // Listeners that wait for an earlier pump are woken by the change of the ring.
        self.change_ring(|_| true, |ring| *ring = Ring::pumped_from(mark));
        *pump = Some(AbortOnDropHandle::new(tokio::spawn(pump_messages(Arc::downgrade(self), mark.epoch, messages))));
        Ok(())
    }

    /// The state: rendered once for all who come at about the same time.
    async fn state(&self, resync: bool) -> Result<Arc<State>, NotRun<S::Refusal>> {
        let mut last = self.state.lock().await;
        if let Some(state) = last.upgrade()
            && state.resync == resync
            && self.live_board.behind(state.mark).is_some_and(|behind| behind <= FRESH)
        {
            return Ok(state);
        }
        let SegmentStream { mark, messages } = self.source.run(Segment::State { resync }).await?;
        let state = Arc::new(State { mark, resync, messages: messages.collect().await });
        *last = Arc::downgrade(&state);
        Ok(state)
    }
}

/// Puts the messages of a segment into the ring of an epoch.
async fn pump_messages<S: Source>(channel: Weak<Channel<S>>, epoch: u64, mut messages: BoxStream<'static, Message>) {
    while let Some(message) = messages.next().await {
        let Some(channel) = channel.upgrade() else { return };
        if !channel.change_ring(|ring| ring.is_of(epoch), |ring| ring.put(message, Instant::now())) {
            return;
        }
        drop(channel);
        // A burst must not fill the ring before anybody has had a look.
        consume_budget().await;
    }
    let Some(channel) = channel.upgrade() else { return };
    channel.change_ring(
        |ring| ring.is_of(epoch),
        |ring| match channel.live_board.behind(ring.end()) {
            Some(_) => ring.break_off(),
            // The log has begun anew, or no longer reaches back to the ring: the next pump gets an empty one.
            None => *ring = Ring::default(),
        },
    );
}

/// The channels that somebody listens to.
#[derive(Debug)]
pub struct Channels<K, S> {
    live_board: Arc<LiveBoard>,
    open: Mutex<HashMap<K, Weak<Channel<S>>>>,
}

impl<K: Clone + Eq + Hash, S: Source> Channels<K, S> {
    /// Channels on what a table shows.
    #[must_use]
    pub fn new(live_board: Arc<LiveBoard>) -> Self {
        Self { live_board, open: Mutex::default() }
    }

    /// The channel of a key: the one that is open, or a new one.
    pub fn open(&self, key: K, source: impl FnOnce() -> S) -> Arc<Channel<S>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(channel) = open.get(&key).and_then(Weak::upgrade) {
            return channel;
        }
        // Channels without listeners are removed before the table would grow.
        if open.len() == open.capacity() {
            open.retain(|_, channel| channel.strong_count() > 0);
        }
        let channel = Arc::new(Channel::new(Arc::clone(&self.live_board), source()));
        open.insert(key, Arc::downgrade(&channel));
        channel
    }
}

#[cfg(test)]
mod tests;
