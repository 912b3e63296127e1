//! Those who listen to a channel, each at its own pace.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures_util::{FutureExt, Stream};
use metrics::{counter, gauge};
use tokio_util::task::AbortOnDropHandle;

use super::{Channel, Message, NotRun, Source, State, missed::Piece, ring::Taken, waiting::WakerSlot};
use crate::{Cursor, Mark};

enum ListenerState {
    /// It looks where to go on; `None` when there is nowhere. In a task of its own: meanwhile locks are held that all
    /// listeners need, and who owns this one may not poll it for as long as a client takes nothing.
    Seeking(AbortOnDropHandle<Option<ListenerState>>),
    /// It is sent the state.
    State { sent_state: Arc<State>, sent: usize },
    /// It is sent a piece of what it has missed.
    Missed { piece: Arc<Piece>, sent: usize },
    /// It reads the ring.
    Live,
    /// There will be nothing more.
    Over,
}

/// One who listens to a channel, at its own pace.
///
/// There are thousands, and each is polled with every message. So a look at the ring takes one lock and no memory; only
/// a change of its state does.
pub struct Listener<S> {
    pub(super) channel: Arc<Channel<S>>,
    /// Everything up to here has been handed over.
    pub(super) mark: Mark,
    state: ListenerState,
    /// Where it waits.
    slot: Option<WakerSlot>,
}

impl<S> Drop for Listener<S> {
    fn drop(&mut self) {
        // The waker is dropped after the lock is free: its drop may run code of others.
        let _waker = self.slot.and_then(|slot| self.channel.shared().waiting.leave(slot));
        gauge!("tavolo_subscribers").decrement(1);
    }
}

impl<S> fmt::Debug for Listener<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listener").field("mark", &self.mark).finish_non_exhaustive()
    }
}

impl<S: Source> Stream for Listener<S> {
    type Item = Message;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Message>> {
        let listener = self.get_mut();
        loop {
            let next = match &mut listener.state {
                ListenerState::Live => match listener.take(context) {
                    Taken::Next(message) => return Poll::Ready(Some(listener.handed(message))),
                    Taken::Nothing => return Poll::Pending,
                    Taken::Unknown => listener.join(),
                },
                ListenerState::Seeking(found) => {
                    ready!(found.poll_unpin(context)).ok().flatten().unwrap_or(ListenerState::Over)
                }
                ListenerState::State { sent_state, sent } => match sent_state.messages.get(*sent) {
                    Some(message) => {
                        *sent += 1;
                        return Poll::Ready(Some(message.clone()));
                    }
                    None => {
                        listener.mark = sent_state.mark;
                        listener.join()
                    }
                },
                ListenerState::Missed { piece, sent } => match piece.messages.get(*sent) {
                    Some(message) => {
                        *sent += 1;
                        let message = message.clone();
                        return Poll::Ready(Some(listener.handed(message)));
                    }
                    None => {
                        listener.mark = piece.then.at(listener.mark.position.max(piece.then.position));
                        listener.join()
                    }
                },
                ListenerState::Over => return Poll::Ready(None),
            };
            listener.state = next;
        }
    }
}

impl<S: Source> Listener<S> {
    /// One who has everything up to a mark, after a cursor.
    pub(super) fn new(channel: Arc<Channel<S>>, mark: Mark, after: Option<Cursor>) -> Self {
        gauge!("tavolo_subscribers").increment(1);
        let mut listener = Self { channel, mark, state: ListenerState::Over, slot: None };
        listener.state = match after {
            Some(cursor) if cursor.complete => listener.join(),
            after => listener.anew(after.is_some()),
        };
        listener
    }

    /// What is listened to.
    #[must_use]
    pub fn source(&self) -> &S {
        &self.channel.source
    }

    /// Begins anew with the state, as `RESYNC`.
    pub fn begin_anew(&mut self) {
        self.state = self.anew(true);
    }

    /// What there is in the ring. When that is nothing, it waits for news.
    fn take(&mut self, context: &Context<'_>) -> Taken {
        // One lock covers looking and waiting, so that no news comes in between. The old waker is dropped after it.
        let _waker;
        let mut shared = self.channel.shared();
        let taken = shared.ring.take(self.mark);
        if matches!(taken, Taken::Nothing) {
            _waker = shared.waiting.wait(&mut self.slot, context.waker());
        }
        taken
    }

    fn handed(&mut self, message: Message) -> Message {
        self.mark.position = self.mark.position.max(message.position);
        message
    }

    fn anew(&self, resync: bool) -> ListenerState {
        let channel = Arc::clone(&self.channel);
        ListenerState::seeking(async move { ListenerState::anew(&channel, resync).await })
    }

    fn join(&self) -> ListenerState {
        let (channel, mark) = (Arc::clone(&self.channel), self.mark);
        ListenerState::seeking(async move { ListenerState::join(&channel, mark).await })
    }
}

impl ListenerState {
    fn seeking(found: impl Future<Output = Option<Self>> + Send + 'static) -> Self {
        Self::Seeking(AbortOnDropHandle::new(tokio::spawn(found)))
    }

    /// Begins with the state.
    async fn anew<S: Source>(channel: &Channel<S>, resync: bool) -> Option<Self> {
        let sent_state = channel.state(resync).await.ok()?;
        if resync {
            counter!("tavolo_resyncs_total").increment(1);
        }
        Some(Self::State { sent_state, sent: 0 })
    }

    /// Goes on from a mark; `None` when the pump ended although the log goes on, or the subscription is refused.
    async fn join<S: Source>(channel: &Arc<Channel<S>>, mark: Mark) -> Option<Self> {
        if channel.shared().ring.broke_off(channel.live_board.epoch()) {
            return None;
        }
        channel.start_pump(mark).await.ok()?;
        if channel.shared().ring.covers(mark) {
            return Some(Self::Live);
        }
        match channel.missed(mark).await {
            Ok(piece) => Some(Self::Missed { sent: piece.known(mark), piece }),
            Err(NotRun::TooOld) => Self::anew(channel, true).await,
            Err(NotRun::Refused(_)) => None,
        }
    }
}
