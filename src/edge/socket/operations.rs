//! The operations that run on a socket.

use std::task::{Context, Poll};

use futures_util::StreamExt;
use tavolo_resolvers::Answer;

use super::{
    Event,
    protocol::{Frame, ToClient},
};
use crate::edge::{
    state::Edge,
    streams::{Answers, Caller},
};

/// The running operations of a socket. There are few, and nearly always one, so they are polled one after the other.
#[derive(Default)]
pub(super) struct Operations(Vec<Running>);

struct Running {
    id: String,
    /// What stands around its answers.
    next: Frame,
    answers: Answers,
}

impl Operations {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn begin(&mut self, id: String, answers: Answers) {
        self.0.push(Running { next: Frame::next(&id), id, answers });
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.0.iter().any(|operation| operation.id == id)
    }

    pub(super) fn end(&mut self, id: &str) {
        self.0.retain(|operation| operation.id != id);
    }

    /// Has each of them paid for, if that is due; those that cannot be are about to end.
    pub(super) fn collect(&mut self, edge: &Edge, caller: &Caller) {
        for operation in &mut self.0 {
            edge.collect(&mut operation.answers, caller);
        }
    }

    /// The next event of any of them. Whoever has had its turn comes last.
    pub(super) fn poll_event(&mut self, context: &mut Context<'_>) -> Poll<Event> {
        for (at, operation) in self.0.iter_mut().enumerate() {
            let Poll::Ready(answer) = operation.answers.stream.poll_next_unpin(context) else { continue };
            let event = match answer {
                Some(Answer::Next(answer)) => {
                    let message = operation.next.around(&answer);
                    self.0[at..].rotate_left(1);
                    Event::Answer(message)
                }
                // An `error` message ends its operation: no `complete` follows.
                Some(Answer::Refused(errors)) => Event::Ended(Frame::error(&self.0.remove(at).id).around(&errors)),
                None => Event::Ended(ToClient::Complete { id: &self.0.remove(at).id }.message()),
            };
            return Poll::Ready(event);
        }
        Poll::Pending
    }
}
