//! The ring of a channel: the messages of late, shared by all who listen.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use tavolo_schema::Position;
use tokio::time::Instant;

use super::Message;
use crate::Mark;

/// A listener so many messages behind is sent the latest of each pool.
pub(super) const SLOW: usize = 64;

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
    /// A narrator puts further messages here.
    narrated: bool,
}

/// What a listener finds in the ring.
pub(super) enum Taken {
    Next(Message),
    /// It is slow: the latest of each pool, and how many others there were.
    Latest(VecDeque<Message>, usize),
    /// It has everything there is.
    Nothing,
    /// It is slow, and no message takes the place of another: the state says it all.
    State,
    /// The ring cannot tell what it lacks.
    Unknown,
}

impl Ring {
    /// A ring that a narrator fills from this mark on.
    pub(super) fn narrated_from(mark: Mark) -> Self {
        Self { floor: mark.position, epoch: mark.epoch, narrated: true, ..Self::default() }
    }

    /// Whether a narrator fills it, in the log of this epoch.
    pub(super) fn is_narrated(&self, epoch: u64) -> bool {
        self.narrated && self.epoch == epoch
    }

    /// Whether it is of this epoch.
    pub(super) fn is_of(&self, epoch: u64) -> bool {
        self.epoch == epoch
    }

    /// Nobody fills it any more.
    pub(super) fn break_off(&mut self) {
        self.narrated = false;
    }

    /// Whether nobody puts anything here any more although the log goes on.
    pub(super) fn broke_off(&self, epoch: u64) -> bool {
        !self.narrated && self.epoch == epoch
    }

    pub(super) fn covers(&self, mark: Mark) -> bool {
        self.narrated && self.epoch == mark.epoch && self.floor <= mark.position
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
        match self.messages.len() - first {
            0 => Taken::Nothing,
            behind if behind <= SLOW => Taken::Next(self.messages[first].1.clone()),
            _ => self.latest(first),
        }
    }

    fn latest(&self, first: usize) -> Taken {
        let mut seen = HashSet::new();
        let mut latest = VecDeque::new();
        for (_, message) in self.messages.range(first..).rev() {
            match message.subject {
                Some(subject) if seen.insert(subject) => latest.push_front(message.clone()),
                Some(_) => {}
                None => return Taken::State,
            }
        }
        let others = self.messages.len() - first - latest.len();
        Taken::Latest(latest, others)
    }
}
