//! The log: recent occupancy changes, shared by every subscriber.

use std::{collections::VecDeque, sync::Arc};

use tavolo_schema::{LedgerEntry, Position};

use crate::FacilityState;

/// One change of a number of places, as it is delivered.
#[derive(Clone, Debug)]
pub struct OccupancyChange {
    /// Where it stands in the replica set's order.
    pub position: Position,
    /// The ledger entry.
    pub entry: LedgerEntry,
    /// The facility, as the board had it when the change came.
    pub state: Arc<FacilityState>,
}

/// Who is no more than so many changes behind is worth starting a pump for.
const NEAR: usize = 512;

/// Where somebody stands in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark {
    /// Everything up to here is known.
    pub position: Position,
    /// The log this is said of: it has begun anew so many times.
    pub(crate) epoch: u64,
}

impl Mark {
    /// Another position of the same log.
    #[must_use]
    pub fn at(self, position: Position) -> Self {
        Self { position, ..self }
    }
}

#[derive(Debug)]
pub(crate) struct Log {
    changes: VecDeque<Arc<OccupancyChange>>,
    /// So many changes at most.
    kept: usize,
    /// The log has every change above this position.
    floor: Position,
    /// Counts how often the log began anew.
    epoch: u64,
}

/// What a subscriber finds when it looks for more.
pub(crate) enum LogSlice {
    /// The first changes above its position, in order; possibly none.
    Changes(Vec<Arc<OccupancyChange>>),
    /// The log does not reach back to its position.
    TooOld,
}

impl Log {
    /// A log of so many changes, which has yet to begin.
    pub(crate) fn keeping(kept: usize) -> Self {
        Self { changes: VecDeque::new(), kept, floor: Position::default(), epoch: 0 }
    }

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
        if self.changes.len() > self.kept
            && let Some(dropped) = self.changes.pop_front()
        {
            self.floor = dropped.position;
        }
    }

    /// Where the log ends now.
    pub(crate) fn end(&self) -> Mark {
        let last = self.changes.back().map(|change| change.position);
        Mark { position: last.unwrap_or(self.floor), epoch: self.epoch }
    }

    /// How many changes there are above a mark; `None` when the log does not reach back to it.
    pub(crate) fn behind(&self, mark: Mark) -> Option<usize> {
        let known = mark.position >= self.floor && mark.epoch == self.epoch;
        known.then(|| self.changes.len() - self.changes.partition_point(|change| change.position <= mark.position))
    }

    /// Where to begin to deliver so that somebody at this mark misses nothing, if that is not far back.
    pub(crate) fn beginning(&self, mark: Mark) -> Mark {
        let end = self.end();
        let near = self.behind(mark).is_some_and(|behind| behind <= NEAR);
        if near { Mark { position: mark.position.min(end.position), ..end } } else { end }
    }

    /// The changes above a mark, the first so many of them.
    pub(crate) fn above(&self, mark: Mark, most: usize) -> LogSlice {
        let Some(behind) = self.behind(mark) else { return LogSlice::TooOld };
        let missed = self.changes.range(self.changes.len() - behind..);
        LogSlice::Changes(missed.take(most).cloned().collect())
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};
    use tavolo_schema::PlaceCategory;

    use super::*;
    use crate::invented::{at, entry, state};

    const KEPT: usize = 700;

    fn log() -> Log {
        Log::keeping(KEPT)
    }

    fn change(state: &Arc<FacilityState>, category: PlaceCategory, position: Position) -> OccupancyChange {
        OccupancyChange { position, entry: entry(state.facility.id, category, 0), state: Arc::clone(state) }
    }

    fn positions(found: LogSlice) -> Option<Vec<Position>> {
        match found {
            LogSlice::Changes(changes) => Some(changes.iter().map(|change| change.position).collect()),
            LogSlice::TooOld => None,
        }
    }

    /// A log that looks through everything there ever was.
    struct Model {
        floor: Position,
        epoch: u64,
        changes: Vec<Position>,
    }

    impl Model {
        fn above(&self, position: Position, epoch: u64, most: usize) -> Option<Vec<Position>> {
            let dropped = self.changes.len().checked_sub(KEPT + 1).map(|last| self.changes[last]);
            if position < dropped.unwrap_or(self.floor) || epoch != self.epoch {
                return None;
            }
            Some(self.changes.iter().filter(|own| **own > position).take(most).copied().collect())
        }
    }

    /// What a feed does to the log: so many entries at the next cluster time, of these pools.
    fn groups() -> impl Strategy<Value = Vec<Vec<usize>>> {
        prop_oneof![
            4 => vec(vec(0..12_usize, 0..4), 0..40),
            1 => vec(vec(0..12_usize, 1..8), 150..300),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whoever_asks_is_sent_what_a_log_of_everything_would_send(
            before in groups(),
            after in groups(),
            begins_anew in any::<bool>(),
            asked in vec((0..340_u32, 0..9_u32, any::<bool>(), 1..800_usize), 40),
        ) {
            let states: Vec<_> = (0..4).map(|_| state()).collect();
            let mut log = log();
            let mut model = Model { floor: at(10, 0, 0), epoch: 1, changes: Vec::new() };
            log.begin(model.floor);
            let mut seconds = 10;
            for (part, groups) in [before, after].into_iter().enumerate() {
                if part == 1 && begins_anew {
                    model = Model { floor: at(seconds, 1, 0), epoch: model.epoch + 1, changes: Vec::new() };
                    log.begin(model.floor);
                }
                for pools in groups {
                    seconds += 1;
                    for pool in pools {
                        let last = log.last_of(at(seconds, 1, 0));
                        let position = Position { ordinal: last.ordinal + 1, ..last };
                        log.push(change(&states[pool / 3], PlaceCategory::ALL[pool % 3], position));
                        model.changes.push(position);
                    }
                }
            }
            prop_assert_eq!(log.epoch(), model.epoch);
            for (back, ordinal, current, most) in asked {
                let position = at((seconds + 2).saturating_sub(back), 1, ordinal);
                let epoch = if current { model.epoch } else { 1 };
                let found = positions(log.above(Mark { position, epoch }, most));
                prop_assert_eq!(found, model.above(position, epoch, most));
            }
        }
    }

    #[test]
    fn the_entries_of_one_transaction_are_told_apart_and_a_cursor_between_them_gets_the_rest() {
        let mut log = log();
        log.begin(at(5, 0, 0));
        let house = state();
        for ordinal in 1..=3 {
            assert_eq!(log.last_of(at(7, 2, 0)), at(7, 2, ordinal - 1));
            log.push(change(&house, PlaceCategory::Ordinary, at(7, 2, ordinal)));
        }
        assert_eq!(log.last_of(at(7, 3, 0)), at(7, 3, 0), "another cluster time counts anew");
        assert_eq!(
            positions(log.above(Mark { position: at(7, 2, 1), epoch: 1 }, 9)),
            Some(vec![at(7, 2, 2), at(7, 2, 3)])
        );
        assert_eq!(positions(log.above(Mark { position: at(7, 2, 3), epoch: 1 }, 9)), Some(vec![]));
        assert_eq!(positions(log.above(Mark { position: at(4, 9, 9), epoch: 1 }, 9)), None, "below the floor");
        assert_eq!(positions(log.above(Mark { position: at(7, 2, 3), epoch: 0 }, 9)), None, "of an earlier log");
    }

    #[test]
    fn what_is_dropped_for_space_raises_the_floor_and_nothing_above_it_is_missing() {
        let mut log = log();
        log.begin(at(1, 0, 0));
        let house = state();
        let beyond = 5;
        let all = u32::try_from(KEPT).unwrap() + beyond;
        for second in 2..2 + all {
            log.push(change(&house, PlaceCategory::Ordinary, at(second, 1, 1)));
        }
        let dropped = at(1 + beyond, 1, 1);
        let above = |position| positions(log.above(Mark { position, epoch: 1 }, usize::MAX));
        assert_eq!(above(Position { increment: 0, ..dropped }), None, "the last dropped one is missing");
        assert_eq!(above(dropped).map(|all| (all.len(), all[0])), Some((KEPT, at(2 + beyond, 1, 1))));
    }
}
