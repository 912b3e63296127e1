//! Occupancy of facilities by the day: for whoever sees facilities and is not told of single presences.
//!
//! Everything told follows from the board and the day that is published on it (`Sheet::published_day`), so a position
//! means the same here as for those who are told every change: the day ends with the change that publishes the next.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures_util::{Stream, stream};
use tavolo_schema::{Day, DisclosedNumbers, PlaceCategory, Pool, Position, id::FacilityId};
use tavolo_store::{Store, key::Seal};
use tavolo_subscriptions::{Cursor, FacilityState, Mark};
use tokio::sync::watch;

use super::{
    changes::{OccupancyEvent, OccupancyEventKind, sealed},
    filter::OccupancyFilter,
};
use crate::{capacity::Capacity, desk::Desk, facility::Facility, sheet::Sheet};

type Known = BTreeMap<(FacilityId, PlaceCategory), DisclosedNumbers>;

impl OccupancyEvent {
    /// The state of a pool at the end of the last day that is told. Its cursor leads to the state again.
    fn of_day(
        store: &Store,
        sheet: &Arc<Sheet>,
        state: &Arc<FacilityState>,
        pool: &Arc<Pool>,
        kind: OccupancyEventKind,
    ) -> Self {
        let end = sheet.published_day().begins().plus_millis(-1);
        Self {
            // Of no position: the board's own would tell of every change that is not told.
            cursor: sealed(store, Cursor::LONG_AGO, Seal::Fresh),
            kind,
            facility: Facility { sheet: Arc::clone(sheet), state: Arc::clone(state) },
            category: pool.category,
            capacity: Capacity::of(sheet, pool),
            cause: None,
            occurred_at: end,
            registered_at: end,
        }
    }
}

/// The pools of a filter that the viewer sees.
fn pools<'s>(
    sheet: &'s Sheet,
    filter: &'s OccupancyFilter,
) -> impl Iterator<Item = (&'s Arc<FacilityState>, &'s Arc<Pool>)> {
    filter.pools(sheet, true)
}

fn known(sheet: &Sheet, filter: &OccupancyFilter) -> Known {
    pools(sheet, filter).map(|(_, pool)| ((pool.facility, pool.category), sheet.numbers(pool))).collect()
}

/// Tells whoever runs the subscription where its listeners are after an event.
fn cue(desk: &Desk, position: Position) {
    if let Some(performance) = &desk.performance {
        performance.cue(position);
    }
}

/// The state of every pool, and where the board is that it was read from.
pub(super) fn state(
    desk: &Arc<Desk>,
    filter: &OccupancyFilter,
    resync: bool,
) -> (Position, impl Stream<Item = OccupancyEvent> + use<>) {
    let sheet = desk.fresh_sheet();
    let kind = if resync { OccupancyEventKind::Resync } else { OccupancyEventKind::Current };
    let position = sheet.board.position();
    let event = |(state, pool)| OccupancyEvent::of_day(&desk.hub.store, &sheet, state, pool, kind);
    let events: Vec<_> = pools(&sheet, filter).map(event).collect();
    let desk = Arc::clone(desk);
    let events = events.into_iter().inspect(move |_| cue(&desk, position));
    (position, stream::iter(events))
}

/// What each day has changed, when it is over.
pub(super) struct Days {
    desk: Arc<Desk>,
    filter: OccupancyFilter,
    changed: watch::Receiver<Position>,
    log: Mark,
    day: Day,
    known: Known,
    waiting: VecDeque<(Position, OccupancyEvent)>,
}

impl Days {
    pub(super) fn after(
        desk: &Arc<Desk>,
        filter: OccupancyFilter,
        log: Mark,
    ) -> impl Stream<Item = OccupancyEvent> + use<> {
        let changed = desk.hub.live_board.changes();
        let sheet = desk.fresh_sheet();
        let (day, known) = (sheet.published_day(), known(&sheet, &filter));
        let days = Self { desk: Arc::clone(desk), filter, changed, log, day, known, waiting: VecDeque::new() };
        stream::unfold(days, |mut days| async move { days.next().await.map(|event| (event, days)) })
    }

    /// The next change; `None` when the board has begun anew.
    async fn next(&mut self) -> Option<OccupancyEvent> {
        loop {
            if let Some((position, event)) = self.waiting.pop_front() {
                cue(&self.desk, position);
                return Some(event);
            }
            self.changed.borrow_and_update();
            if !self.desk.hub.live_board.goes_on(self.log) {
                return None;
            }
            let sheet = self.desk.fresh_sheet();
            if sheet.published_day() > self.day {
                self.day = sheet.published_day();
                self.waiting = self.changes(&sheet);
                self.known = known(&sheet, &self.filter);
                continue;
            }
            self.changed.changed().await.ok()?;
        }
    }

    fn changes(&self, sheet: &Arc<Sheet>) -> VecDeque<(Position, OccupancyEvent)> {
        let differs = |pool: &Pool| self.known.get(&(pool.facility, pool.category)) != Some(&sheet.numbers(pool));
        let changed = pools(sheet, &self.filter).filter(|(_, pool)| differs(pool));
        let mut position = sheet.board.position();
        let event = |(state, pool): (&Arc<FacilityState>, &Arc<Pool>)| {
            // Each has a place of its own in the order, before whatever the board is told next.
            position.ordinal = position.ordinal.saturating_add(1);
            (position, OccupancyEvent::of_day(&self.desk.hub.store, sheet, state, pool, OccupancyEventKind::Changed))
        };
        changed.map(event).collect()
    }
}
