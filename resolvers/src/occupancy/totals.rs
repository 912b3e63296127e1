//! Totals, as they change: what anybody may watch.
//!
//! Totals are a state. Whoever lags is sent the state again, and changes that follow each other
//! closely are told as one.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use async_graphql::{Context, Result, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt, stream};
use tavolo_schema::{
    DateTime, Position,
    access::{DataClass::Public, data_class},
};
use tavolo_subscriptions::{Mark, Segment};
use tokio::{sync::watch, time::sleep};

use super::{
    GroupKey, OccupancyEventKind, OccupancyGroup, OccupancyGrouping, Total, filter::OccupancyFilter, totals_now,
};
use crate::{
    request_context::{RequestContext, execution, request_context},
    viewer_scope::ViewerScope,
};

/// What comes within this time after a message is told in the next.
const BREATH: Duration = Duration::from_millis(200);

/// Totals, or those that have changed.
#[derive(SimpleObject)]
pub(crate) struct TotalsEvent {
    /// What the message is.
    #[graphql(directive = data_class::apply(Public))]
    kind: OccupancyEventKind,
    /// When these were the totals.
    #[graphql(directive = data_class::apply(Public))]
    as_of: DateTime,
    /// All groups for a state; for a change, those with other numbers than before.
    #[graphql(directive = data_class::apply(Public))]
    groups: Vec<OccupancyGroup>,
}

/// What is added up, and by what.
#[derive(Clone)]
struct WatchedTotals {
    filter: OccupancyFilter,
    by: OccupancyGrouping,
}

type Totals = BTreeMap<GroupKey, Total>;

impl WatchedTotals {
    fn totals(&self, viewer_scope: &ViewerScope) -> Totals {
        totals_now(viewer_scope, &self.filter, self.by)
    }
}

fn event(viewer_scope: &Arc<ViewerScope>, kind: OccupancyEventKind, totals: Totals) -> TotalsEvent {
    let groups = totals.into_iter().map(|(key, total)| OccupancyGroup::new(viewer_scope, key, total)).collect();
    TotalsEvent { kind, as_of: viewer_scope.now, groups }
}

/// What differs from before. No group is ever gone: facilities neither move nor end.
fn difference(before: &Totals, now: &Totals) -> Totals {
    let changed = now.iter().filter(|(key, total)| before.get(*key) != Some(*total));
    changed.map(|(key, total)| (key.clone(), *total)).collect()
}

/// Follows the board.
struct LiveTotals {
    context: Arc<RequestContext>,
    watched: WatchedTotals,
    changed: watch::Receiver<Position>,
    epoch: Mark,
    known: Totals,
}

impl LiveTotals {
    /// Begins where the state of this mark ends. When the board has moved on since, everything counts as changed.
    fn new(context: &Arc<RequestContext>, watched: WatchedTotals, mark: Mark) -> Self {
        let changed = context.hub.live_board.changes();
        let viewer_scope = context.fresh_scope();
        let known =
            if viewer_scope.board.position() == mark.position { watched.totals(&viewer_scope) } else { Totals::new() };
        Self { context: Arc::clone(context), watched, changed, epoch: mark, known }
    }

    /// The next change; `None` when the hub had to begin anew.
    async fn next(&mut self) -> Option<TotalsEvent> {
        loop {
            self.changed.borrow_and_update();
            if !self.context.hub.live_board.goes_on(self.epoch) {
                return None;
            }
            let viewer_scope = self.context.fresh_scope();
            let now = self.watched.totals(&viewer_scope);
            let changed = difference(&self.known, &now);
            self.known = now;
            if !changed.is_empty() {
                announce(&self.context, &viewer_scope);
                return Some(event(&viewer_scope, OccupancyEventKind::Changed, changed));
            }
            self.changed.changed().await.ok()?;
            sleep(BREATH).await;
        }
    }
}

fn announce(context: &RequestContext, viewer_scope: &ViewerScope) {
    if let Some(execution) = &context.execution {
        execution.announce(viewer_scope.board.position());
    }
}

#[derive(Default)]
pub(crate) struct TotalsSubscription;

#[Subscription]
impl TotalsSubscription {
    /// Places added up, then whatever changes of them, as `occupancy` tells them: totals by municipality, category and
    /// province count every facility, for anybody, and whatever looks closer counts only the facilities that the viewer
    /// sees. The public and analysts are told of the ordinary places, unless a category is named or grouped by, and of the
    /// people as `precision` says. After an interruption the state comes
    /// again.
    #[graphql(directive = data_class::apply(Public))]
    async fn totals_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(desc = "Added up by what.")] group_by: OccupancyGrouping,
    ) -> Result<impl Stream<Item = TotalsEvent> + use<>> {
        let execution = execution(ctx)?;
        let watched = WatchedTotals { filter: filter.unwrap_or_default(), by: group_by };
        let context = Arc::clone(request_context(ctx));
        Ok(match execution.segment {
            Segment::State { resync } => {
                let mark = context.hub.live_board.end();
                let viewer_scope = context.fresh_scope();
                execution.begin(Some(mark.at(viewer_scope.board.position())));
                announce(&context, &viewer_scope);
                let kind = if resync { OccupancyEventKind::Resync } else { OccupancyEventKind::Current };
                stream::iter([event(&viewer_scope, kind, watched.totals(&viewer_scope))]).boxed()
            }
            Segment::Missed { .. } => {
                execution.begin(None);
                stream::empty().boxed()
            }
            Segment::Live(mark) => {
                execution.begin(Some(mark));
                let live = LiveTotals::new(&context, watched, mark);
                let step = |mut live: LiveTotals| async move { live.next().await.map(|event| (event, live)) };
                stream::unfold(live, step).boxed()
            }
        })
    }
}
