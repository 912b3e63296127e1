//! The parts of a subscription to occupancy: the state of each wanted pool, what was missed, and every
//! change from now on.

use std::{collections::VecDeque, sync::Arc};

use futures_util::{StreamExt, stream, stream::BoxStream};
use tavolo_schema::{PlaceCategory, Pool, Position};
use tokio::sync::watch;

use crate::{Cursor, FacilityState, LiveBoard, Mark, OccupancyChange, Segment, log::LogSlice};

/// Changes taken from the log with one look.
const LOOK: usize = 512;

/// One message to a subscriber.
#[derive(Clone, Debug)]
pub enum Delivery {
    /// The state of a pool, at the beginning.
    Current {
        /// The facility.
        state: Arc<FacilityState>,
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

/// What is wanted and may be seen, asked of every single change.
pub trait Interest: Send + Sync + 'static {
    /// Whether this pool is.
    fn wants(&self, state: &FacilityState, category: PlaceCategory) -> bool;
}

/// Begins a segment; `None` when the log does not reach back to what was missed.
pub fn run(
    live_board: &Arc<LiveBoard>,
    interest: impl Interest,
    segment: Segment,
) -> Option<(Mark, BoxStream<'static, Delivery>)> {
    match segment {
        Segment::State { resync } => {
            let (mark, state) = state(live_board, &interest, resync);
            Some((mark, stream::iter(state).boxed()))
        }
        Segment::Missed { after, most } => {
            let (then, missed) = missed(live_board, &interest, after, most)?;
            Some((then, stream::iter(missed).map(Delivery::Changed).boxed()))
        }
        Segment::Live(mark) => {
            let live = LiveChanges {
                changed: live_board.changes(),
                live_board: Arc::clone(live_board),
                interest,
                mark,
                waiting: VecDeque::new(),
            };
            let changes =
                stream::unfold(live, |mut live| async move { live.next().await.map(|change| (change, live)) });
            Some((mark, changes.map(Delivery::Changed).boxed()))
        }
    }
}

fn wanted(interest: &impl Interest, change: &OccupancyChange) -> bool {
    interest.wants(&change.state, change.entry.category)
}

/// The first so many wanted changes above a mark, and where somebody is who knows them.
fn missed(
    live_board: &LiveBoard,
    interest: &impl Interest,
    mut mark: Mark,
    most: usize,
) -> Option<(Mark, Vec<Arc<OccupancyChange>>)> {
    let mut missed = Vec::new();
    loop {
        let LogSlice::Changes(changes) = live_board.above(mark, LOOK) else { return None };
        // No change above the mark means that all of the log has been read.
        if changes.is_empty() {
            return Some((mark, missed));
        }
        for change in changes {
            mark.position = change.position;
            if wanted(interest, &change) {
                missed.push(change);
                if missed.len() == most {
                    return Some((mark, missed));
                }
            }
        }
    }
}

fn state(live_board: &LiveBoard, interest: &impl Interest, resync: bool) -> (Mark, Vec<Delivery>) {
    // Epoch before board: when the board is reset in between, the state carries the old epoch and is only sent once more.
    let log = live_board.end();
    let board = live_board.board();
    let mark = log.at(board.position());
    let mut cursor = Cursor { position: mark.position, complete: false };
    let mut deliveries = Vec::new();
    for state in board.facilities(None) {
        for pool in state.pools.iter().filter(|pool| interest.wants(state, pool.category)) {
            deliveries.push(Delivery::Current { state: Arc::clone(state), pool: Arc::clone(pool), cursor, resync });
        }
    }
    cursor.complete = true;
    if let Some(Delivery::Current { cursor: last, .. }) = deliveries.last_mut() {
        *last = cursor;
    }
    (mark, deliveries)
}

/// Follows the log.
struct LiveChanges<I> {
    changed: watch::Receiver<Position>,
    live_board: Arc<LiveBoard>,
    interest: I,
    mark: Mark,
    waiting: VecDeque<Arc<OccupancyChange>>,
}

impl<I: Interest> LiveChanges<I> {
    /// The next change; `None` when the log has begun anew, or does not reach back to it any more.
    async fn next(&mut self) -> Option<Arc<OccupancyChange>> {
        loop {
            if let Some(change) = self.waiting.pop_front() {
                return Some(change);
            }
            // The change is marked as seen before the look, so that a change during the look wakes the task again.
            self.changed.borrow_and_update();
            let LogSlice::Changes(changes) = self.live_board.above(self.mark, LOOK) else { return None };
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
