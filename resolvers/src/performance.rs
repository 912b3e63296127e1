//! What passes between a channel that plays a part of a subscription and the resolver that is executed for it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tavolo_schema::{Position, Standing};
use tavolo_subscriptions::{Mark, Message, Part};
use tokio::sync::oneshot;

/// What the resolver of a subscription is asked for, and how it answers beside its events.
pub(crate) struct Performance {
    pub(crate) part: Part,
    pub(crate) standing: Standing,
    begins: Mutex<Option<oneshot::Sender<Option<Mark>>>>,
    cues: Mutex<VecDeque<Position>>,
}

impl Performance {
    pub(crate) fn new(part: Part, standing: Standing) -> (Self, oneshot::Receiver<Option<Mark>>) {
        let (begins, begun) = oneshot::channel();
        (Self { part, standing, begins: Mutex::new(Some(begins)), cues: Mutex::default() }, begun)
    }

    /// Says from or up to where it plays; `None` when it cannot tell what was missed.
    pub(crate) fn begin(&self, mark: Option<Mark>) {
        if let Some(begins) = self.begins.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // Nobody waits for it any more: then nobody listens either.
            let _ = begins.send(mark);
        }
    }

    /// Says where a listener is after the next event.
    pub(crate) fn cue(&self, position: Position) {
        self.cues.lock().unwrap_or_else(PoisonError::into_inner).push_back(position);
    }

    /// The answer to the event of the first cue.
    pub(crate) fn message(&self, json: Arc<str>) -> Message {
        let cue = self.cues.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        Message { position: cue.unwrap_or_default(), json }
    }
}
