//! The ring of a channel: the messages of late, shared by all who listen.

use std::{collections::VecDeque, time::Duration};

use tavolo_schema::Position;
use tokio::time::Instant;

use super::Message;
use crate::Mark;

/// Messages of a ring at most.
pub(super) const KEPT: usize = 1_024;

/// Bytes of a ring at most.
pub(super) const KEPT_BYTES: usize = 1024 * 1024;

/// How long a ring keeps a message: who has not taken it by then is answered from the log.
pub(super) const KEPT_FOR: Duration = Duration::from_secs(10);

/// The messages of late, and those to come.
#[derive(Debug, Default)]
pub(super) struct Ring {
    pub(super) messages: VecDeque<(Instant, Message)>,
    bytes: usize,
    pub(super) floor: Position,
    epoch: u64,
    /// A pump puts further messages here.
    pumped: bool,
}

/// What a listener finds in the ring.
pub(super) enum Taken {
    Next(Message),
    /// It has everything there is.
    Nothing,
    /// The ring cannot tell what it lacks.
    Unknown,
}

impl Ring {
    /// A ring that a pump fills from this mark on.
    pub(super) fn pumped_from(mark: Mark) -> Self {
        Self { floor: mark.position, epoch: mark.epoch, pumped: true, ..Self::default() }
    }

    /// Whether a pump fills it, in the log of this epoch.
    pub(super) fn is_pumped(&self, epoch: u64) -> bool {
        self.pumped && self.epoch == epoch
    }

    /// Whether it is of this epoch.
    pub(super) fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Nobody fills it any more.
    pub(super) fn break_off(&mut self) {
        self.pumped = false;
    }

    /// Everything up to here has been put here.
    pub(super) fn end(&self) -> Mark {
        let position = self.messages.back().map_or(self.floor, |(_, last)| last.position);
        Mark { position, epoch: self.epoch }
    }

    /// Whether nobody puts anything here any more although the log goes on.
    pub(super) fn broke_off(&self, epoch: u64) -> bool {
        !self.pumped && self.epoch == epoch
    }

    pub(super) fn covers(&self, mark: Mark) -> bool {
        self.pumped && self.epoch == mark.epoch && self.floor <= mark.position
    }

    pub(super) fn put(&mut self, message: Message, now: Instant) {
        self.bytes += message.json.len();
        self.messages.push_back((now, message));
        while let Some((since, oldest)) = self.messages.front()
            && (self.messages.len() > KEPT || self.bytes > KEPT_BYTES || now.duration_since(*since) > KEPT_FOR)
        {
            self.bytes -= oldest.json.len();
            self.floor = oldest.position;
            self.messages.pop_front();
        }
    }

    pub(super) fn take(&self, mark: Mark) -> Taken {
        if !self.covers(mark) {
            return Taken::Unknown;
        }
        let first = self.messages.partition_point(|(_, message)| message.position <= mark.position);
        self.messages.get(first).map_or(Taken::Nothing, |(_, message)| Taken::Next(message.clone()))
    }
}
