//! What passes between a channel that runs a segment of a subscription and the resolver that is executed for it.
//!
//! One response comes for each event, in the order of the events: that is how an announced position is paired with the
//! response it belongs to.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tavolo_schema::{Position, Standing};
use tavolo_subscriptions::{Mark, Message, Segment};
use tokio::sync::oneshot;

/// What the resolver of a subscription is asked for, and how it answers beside its events.
pub(crate) struct Execution {
    pub(crate) segment: Segment,
    pub(crate) standing: Standing,
    begins: Mutex<Option<oneshot::Sender<Option<Mark>>>>,
    announced: Mutex<VecDeque<Position>>,
}

impl Execution {
    pub(crate) fn new(segment: Segment, standing: Standing) -> (Self, oneshot::Receiver<Option<Mark>>) {
        let (begins, begun) = oneshot::channel();
        (Self { segment, standing, begins: Mutex::new(Some(begins)), announced: Mutex::default() }, begun)
    }

    /// Says from or up to where the segment goes; `None` when it cannot tell what was missed.
    pub(crate) fn begin(&self, mark: Option<Mark>) {
        if let Some(begins) = self.begins.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A receiver that is gone means that nobody listens any more.
            let _ = begins.send(mark);
        }
    }

    /// Says where a listener is after the next event.
    pub(crate) fn announce(&self, position: Position) {
        self.announced.lock().unwrap_or_else(PoisonError::into_inner).push_back(position);
    }

    /// The message of a response: that to the first event that was announced and not yet answered; `None` when there is
    /// none, after which nothing can be paired any more.
    pub(crate) fn message(&self, json: Arc<str>) -> Option<Message> {
        let position = self.announced.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        if position.is_none() {
            tracing::error!("a response of a subscription belongs to no event: the segment ends");
        }
        position.map(|position| Message { position, json })
    }
}
