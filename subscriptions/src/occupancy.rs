//! The stream of occupancy: the current state of each matching pool, then every change.

use std::{collections::VecDeque, fmt, sync::Arc};

use futures_util::{Stream, stream};
use tavolo_schema::{PlaceCategory, Pool, Position};
use tokio::sync::watch;

use crate::{Board, Cursor, OccupancyChange, Place, Table, log::Found};

/// One message to a subscriber.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The state of a pool, at the beginning.
    Current {
        /// The facility.
        place: Arc<Place>,
        /// The pool.
        pool: Arc<Pool>,
        /// Where the subscriber is after it.
        cursor: Cursor,
        /// The subscriber came back after too long, or the hub had to begin anew: forget what you knew.
        resync: bool,
    },
    /// A change.
    Changed(Arc<OccupancyChange>),
}

impl Delivery {
    /// Where the subscriber is after it.
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        match self {
            Self::Current { cursor, .. } => *cursor,
            Self::Changed(change) => Cursor { position: change.position, complete: true },
        }
    }
}

impl Delivery {
    fn subject(&self) -> (&Place, PlaceCategory) {
        match self {
            Self::Current { place, pool, .. } => (place, pool.category),
            Self::Changed(change) => (&change.place, change.entry.category),
        }
    }
}

/// What a subscriber wants and may see, asked again at every message.
pub trait Interest: Send + Sync + 'static {
    /// Whether the subscriber may go on listening.
    fn entitled(&self, board: &Board) -> bool;
    /// Whether it wants, and may see, this pool.
    fn wants(&self, board: &Board, place: &Place, category: PlaceCategory) -> bool;
}

/// A subscriber's place in the stream.
pub struct Occupancy<I> {
    table: Arc<Table>,
    interest: I,
    changed: watch::Receiver<Position>,
    waiting: VecDeque<Delivery>,
    /// Everything up to here has been sent or skipped.
    position: Position,
    epoch: u64,
    begun: bool,
    after: Option<Cursor>,
}

impl<I> fmt::Debug for Occupancy<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Occupancy").field("position", &self.position).finish_non_exhaustive()
    }
}

impl<I: Interest> Occupancy<I> {
    /// Subscribes, from the current state or after a cursor.
    #[must_use]
    pub fn new(table: Arc<Table>, interest: I, after: Option<Cursor>) -> Self {
        let changed = table.changes();
        Self {
            table,
            interest,
            changed,
            waiting: VecDeque::new(),
            position: Position::default(),
            epoch: 0,
            begun: false,
            after,
        }
    }

    /// The stream of messages. It ends when the subscriber is no longer entitled.
    pub fn into_stream(self) -> impl Stream<Item = Delivery> + Send {
        stream::unfold(self, |mut this| async move { this.next().await.map(|delivery| (delivery, this)) })
    }

    async fn next(&mut self) -> Option<Delivery> {
        loop {
            // Marked as seen before looking, so that a change during the look wakes us again.
            self.changed.borrow_and_update();
            let board = self.table.board();
            if !self.interest.entitled(&board) {
                return None;
            }
            if let Some(delivery) = self.waiting.pop_front() {
                // Asked again: what has waited may have become none of the subscriber's business.
                let (place, category) = delivery.subject();
                if self.interest.wants(&board, place, category) {
                    return Some(delivery);
                }
                continue;
            }
            if !self.begun {
                self.begin(&board);
            } else {
                self.look(&board);
            }
            if self.waiting.is_empty() && self.changed.changed().await.is_err() {
                return None;
            }
        }
    }

    fn begin(&mut self, board: &Board) {
        self.begun = true;
        self.epoch = self.table.epoch();
        match self.after.take() {
            None => self.state(board, false),
            Some(cursor) if !cursor.complete => self.state(board, true),
            Some(cursor) => {
                self.position = cursor.position;
                self.look(board);
            }
        }
    }

    fn look(&mut self, board: &Board) {
        match self.table.above(self.position, self.epoch) {
            Found::TooOld => {
                self.epoch = self.table.epoch();
                self.state(&self.table.board(), true);
            }
            Found::Changes(changes) => {
                for change in changes {
                    self.position = change.position;
                    if self.interest.wants(board, &change.place, change.entry.category) {
                        self.waiting.push_back(Delivery::Changed(change));
                    }
                }
            }
        }
    }

    fn state(&mut self, board: &Board, resync: bool) {
        self.position = board.position();
        let mut cursor = Cursor { position: self.position, complete: false };
        for place in board.places(None) {
            for pool in &place.pools {
                if self.interest.wants(board, place, pool.category) {
                    let (place, pool) = (Arc::clone(place), Arc::clone(pool));
                    self.waiting.push_back(Delivery::Current { place, pool, cursor, resync });
                }
            }
        }
        cursor.complete = true;
        if let Some(Delivery::Current { cursor: last, .. }) = self.waiting.back_mut() {
            *last = cursor;
        }
    }
}
