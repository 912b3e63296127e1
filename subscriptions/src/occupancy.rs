//! The parts of a subscription to occupancy: the state of each wanted pool, what was missed, and every
//! change from now on.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt, stream, stream::BoxStream};
use metrics::counter;
use tavolo_schema::{PlaceCategory, Pool, Position};
use tokio::sync::watch;

use crate::{
    Cursor, Mark, OccupancyChange, Part, Place, Table,
    channel::Subject,
    log::{Found, LAGGING},
};

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

    /// The pool it is about.
    #[must_use]
    pub fn subject(&self) -> Subject {
        match self {
            Self::Current { place, pool, .. } => (place.facility.id, pool.category),
            Self::Changed(change) => (change.entry.facility, change.entry.category),
        }
    }
}

/// What is wanted and may be seen, asked of every single change.
pub trait Interest: Send + Sync + 'static {
    /// Whether this pool is.
    fn wants(&self, place: &Place, category: PlaceCategory) -> bool;
}

/// Begins to play a part; `None` when the log does not reach back to what was missed.
pub fn play(table: &Arc<Table>, interest: impl Interest, part: Part) -> Option<(Mark, BoxStream<'static, Delivery>)> {
    match part {
        Part::State { resync } => {
            let (mark, state) = state(table, &interest, resync);
            Some((mark, stream::iter(state).boxed()))
        }
        Part::Missed { after: mark, most } => {
            // Before the look: what comes meanwhile is the narrator's.
            let end = table.end().position.max(mark.position);
            let behind = table.behind(mark)?;
            let Found::Changes(missed) = table.above(mark, most) else { return None };
            counter!("tavolo_coalesced_total").increment(behind.saturating_sub(missed.len()) as u64);
            let missed = missed.into_iter().filter(move |change| wanted(&interest, change)).map(Delivery::Changed);
            Some((mark.at(end), stream::iter(missed).boxed()))
        }
        Part::Live(mark) => {
            let live =
                Live { changed: table.changes(), table: Arc::clone(table), interest, mark, waiting: VecDeque::new() };
            let changes =
                stream::unfold(live, |mut live| async move { live.next().await.map(|change| (change, live)) });
            Some((mark, changes.map(Delivery::Changed).boxed()))
        }
    }
}

fn wanted(interest: &impl Interest, change: &OccupancyChange) -> bool {
    interest.wants(&change.place, change.entry.category)
}

fn state(table: &Table, interest: &impl Interest, resync: bool) -> (Mark, Vec<Delivery>) {
    // The epoch first: a board of a later one then only means to be sent the state once more.
    let log = table.end();
    let board = table.board();
    let mark = log.at(board.position());
    let mut cursor = Cursor { position: mark.position, complete: false };
    let mut state = Vec::new();
    for place in board.places(None) {
        for pool in place.pools.iter().filter(|pool| interest.wants(place, pool.category)) {
            state.push(Delivery::Current { place: Arc::clone(place), pool: Arc::clone(pool), cursor, resync });
        }
    }
    cursor.complete = true;
    if let Some(Delivery::Current { cursor: last, .. }) = state.last_mut() {
        *last = cursor;
    }
    (mark, state)
}

/// Follows the log.
struct Live<I> {
    changed: watch::Receiver<Position>,
    table: Arc<Table>,
    interest: I,
    mark: Mark,
    waiting: VecDeque<Arc<OccupancyChange>>,
}

impl<I: Interest> Live<I> {
    /// The next change; `None` when the log has begun anew.
    async fn next(&mut self) -> Option<Arc<OccupancyChange>> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Some(change);
            }
            // Marked as seen before looking, so that a change during the look wakes us again.
            self.changed.borrow_and_update();
            let Found::Changes(changes) = self.table.above(self.mark, LAGGING) else { return None };
            if let Some(last) = changes.last() {
                self.mark.position = last.position;
            }
            self.waiting.extend(changes.into_iter().filter(|change| wanted(&self.interest, change)));
            if self.waiting.is_empty() {
                self.changed.changed().await.ok()?;
            }
        }
    }
}
