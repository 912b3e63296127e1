//! The log: recent occupancy changes, shared by every subscriber.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use tavolo_schema::{LedgerEntry, Position};

use crate::Place;

/// One change of a number of places, as it is delivered.
#[derive(Clone, Debug)]
pub struct OccupancyChange {
    /// Where it stands in the replica set's order.
    pub position: Position,
    /// The ledger entry.
    pub entry: LedgerEntry,
    /// The facility, as the board had it when the change came.
    pub place: Arc<Place>,
}

/// Changes kept for those who come back.
const KEPT: usize = 20_000;

/// A subscriber so many changes behind is sent the latest of each pool instead of all.
const LAGGING: usize = 512;

#[derive(Debug, Default)]
pub(crate) struct Log {
    changes: VecDeque<Arc<OccupancyChange>>,
    /// The log has every change above this position.
    floor: Position,
    /// Counts how often the log began anew.
    epoch: u64,
}

/// What a subscriber finds when it looks for more.
pub(crate) enum Found {
    /// Changes above its position, in order; possibly none.
    Changes(Vec<Arc<OccupancyChange>>),
    /// The log does not reach back to its position.
    TooOld,
}

impl Log {
    pub(crate) fn begin(&mut self, floor: Position) {
        self.changes.clear();
        self.floor = floor;
        self.epoch += 1;
    }

    /// The position of the last change with this cluster time; ordinal 0 when there is none. Ordinals
    /// count the ledger entries of a cluster time from 1, so they are the same on every hub.
    pub(crate) fn last_of(&self, time: Position) -> Position {
        let same_time = |last: &Position| (last.seconds, last.increment) == (time.seconds, time.increment);
        let last = self.changes.back().map(|change| change.position).filter(same_time);
        last.unwrap_or(Position { ordinal: 0, ..time })
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    pub(crate) fn push(&mut self, change: OccupancyChange) {
        self.changes.push_back(Arc::new(change));
        if self.changes.len() > KEPT
            && let Some(dropped) = self.changes.pop_front()
        {
            self.floor = dropped.position;
        }
    }

    /// The changes above a position, for a subscriber that knows the log since `epoch`.
    pub(crate) fn above(&self, position: Position, epoch: u64) -> Found {
        if position < self.floor || epoch != self.epoch {
            return Found::TooOld;
        }
        let first = self.changes.partition_point(|change| change.position <= position);
        let behind = self.changes.len() - first;
        let missed = self.changes.iter().skip(first);
        Found::Changes(if behind <= LAGGING { missed.cloned().collect() } else { latest_of_each_pool(missed) })
    }
}

fn latest_of_each_pool<'a>(
    changes: impl DoubleEndedIterator<Item = &'a Arc<OccupancyChange>>,
) -> Vec<Arc<OccupancyChange>> {
    let mut seen = HashSet::new();
    let mut latest: Vec<_> =
        changes.rev().filter(|change| seen.insert((change.entry.facility, change.entry.category))).cloned().collect();
    latest.reverse();
    latest
}
