//! Occupancy of facilities by the day: for whoever sees facilities and is not told of single presences.
//!
//! Everything told follows from the board and the day that is published on it (`ViewerScope::published_day`), so a position
//! means the same here as for those who are told every change: the day ends with the change that publishes the next.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use futures_util::{Stream, stream};
use tavolo_schema::{Day, DisclosedNumbers, Pool, PoolKey, Position};
use tavolo_store::{Store, key::Seal};
use tavolo_subscriptions::{Cursor, FacilityState, Mark};
use tokio::sync::watch;

use super::{
    changes::{OccupancyEvent, OccupancyEventKind, sealed},
    filter::OccupancyFilter,
};
use crate::{capacity::Capacity, facility::Facility, request_context::RequestContext, viewer_scope::ViewerScope};

type Known = BTreeMap<PoolKey, DisclosedNumbers>;

impl OccupancyEvent {
    /// The state of a pool at the end of the last day that is told. Its cursor leads to the state again.
    fn of_day(
        store: &Store,
        viewer_scope: &Arc<ViewerScope>,
        state: &Arc<FacilityState>,
        pool: &Arc<Pool>,
        kind: OccupancyEventKind,
    ) -> Self {
        let end = viewer_scope.published_day().begins().plus_millis(-1);
        Self {
            // The cursor has no position: the board's own moves with every change, also with those that are not told.
            cursor: sealed(store, Cursor::LONG_AGO, Seal::Fresh),
            kind,
            facility: Facility { viewer_scope: Arc::clone(viewer_scope), state: Arc::clone(state) },
            category: pool.category,
            capacity: Capacity::of(viewer_scope, pool),
            cause: None,
            occurred_at: end,
            registered_at: end,
        }
    }
}

/// The pools of a filter that the viewer sees.
fn pools<'s>(
    viewer_scope: &'s ViewerScope,
    filter: &'s OccupancyFilter,
) -> impl Iterator<Item = (&'s Arc<FacilityState>, &'s Arc<Pool>)> {
    filter.pools(viewer_scope, true)
}

fn known(viewer_scope: &ViewerScope, filter: &OccupancyFilter) -> Known {
    pools(viewer_scope, filter).map(|(_, pool)| (pool.key(), viewer_scope.numbers(pool))).collect()
}

/// Tells whoever runs the subscription where its listeners are after an event.
fn announce(context: &RequestContext, position: Position) {
    if let Some(execution) = &context.execution {
        execution.announce(position);
    }
}

/// The state of every pool, and where the board is that it was read from.
pub(super) fn state(
    context: &Arc<RequestContext>,
    filter: &OccupancyFilter,
    resync: bool,
) -> (Position, impl Stream<Item = OccupancyEvent> + use<>) {
    let viewer_scope = context.fresh_scope();
    let kind = if resync { OccupancyEventKind::Resync } else { OccupancyEventKind::Current };
    let position = viewer_scope.board.position();
    let event = |(state, pool)| OccupancyEvent::of_day(&context.hub.store, &viewer_scope, state, pool, kind);
    let events: Vec<_> = pools(&viewer_scope, filter).map(event).collect();
    let context = Arc::clone(context);
    let events = events.into_iter().inspect(move |_| announce(&context, position));
    (position, stream::iter(events))
}

/// What each day has changed, when it is over.
pub(super) struct Days {
    context: Arc<RequestContext>,
    filter: OccupancyFilter,
    changed: watch::Receiver<Position>,
    log: Mark,
    day: Day,
    known: Known,
    waiting: VecDeque<(Position, OccupancyEvent)>,
}

impl Days {
    pub(super) fn after(
        context: &Arc<RequestContext>,
        filter: OccupancyFilter,
        log: Mark,
    ) -> impl Stream<Item = OccupancyEvent> + use<> {
        let changed = context.hub.live_board.changes();
        let viewer_scope = context.fresh_scope();
        let (day, known) = (viewer_scope.published_day(), known(&viewer_scope, &filter));
        let days = Self { context: Arc::clone(context), filter, changed, log, day, known, waiting: VecDeque::new() };
        stream::unfold(days, |mut days| async move { days.next().await.map(|event| (event, days)) })
    }

    /// The next change; `None` when the board has begun anew.
    async fn next(&mut self) -> Option<OccupancyEvent> {
        loop {
            if let Some((position, event)) = self.waiting.pop_front() {
                announce(&self.context, position);
                return Some(event);
            }
            self.changed.borrow_and_update();
            if !self.context.hub.live_board.goes_on(self.log) {
                return None;
            }
            let viewer_scope = self.context.fresh_scope();
            if viewer_scope.published_day() > self.day {
                self.day = viewer_scope.published_day();
                self.waiting = self.changes(&viewer_scope);
                self.known = known(&viewer_scope, &self.filter);
                continue;
            }
            self.changed.changed().await.ok()?;
        }
    }

    fn changes(&self, viewer_scope: &Arc<ViewerScope>) -> VecDeque<(Position, OccupancyEvent)> {
        let differs = |pool: &Pool| self.known.get(&pool.key()) != Some(&viewer_scope.numbers(pool));
        let changed = pools(viewer_scope, &self.filter).filter(|(_, pool)| differs(pool));
        let mut position = viewer_scope.board.position();
        let event = |(state, pool): (&Arc<FacilityState>, &Arc<Pool>)| {
            // Each event has an ordinal of its own: they come in order, and before the board's next change.
            position.ordinal = position.ordinal.saturating_add(1);
            (
                position,
                OccupancyEvent::of_day(&self.context.hub.store, viewer_scope, state, pool, OccupancyEventKind::Changed),
            )
        };
        changed.map(event).collect()
    }
}
