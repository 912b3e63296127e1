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
use tavolo_subscriptions::{Mark, Part};
use tokio::{sync::watch, time::sleep};

use super::{
    GroupKey, OccupancyEventKind, OccupancyGroup, OccupancyGrouping, Total, filter::OccupancyFilter, totals_now,
};
use crate::{
    desk::{Desk, desk, performance},
    sheet::Sheet,
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
struct Question {
    filter: OccupancyFilter,
    by: OccupancyGrouping,
}

type Totals = BTreeMap<GroupKey, Total>;

impl Question {
    fn totals(&self, sheet: &Sheet) -> Totals {
        totals_now(sheet, &self.filter, self.by)
    }
}

fn event(sheet: &Arc<Sheet>, kind: OccupancyEventKind, totals: Totals) -> TotalsEvent {
    let groups = totals.into_iter().map(|(key, total)| OccupancyGroup::new(sheet, key, total)).collect();
    TotalsEvent { kind, as_of: sheet.now, groups }
}

/// What differs from before. No group is ever gone: facilities neither move nor end.
fn difference(before: &Totals, now: &Totals) -> Totals {
    let changed = now.iter().filter(|(key, total)| before.get(*key) != Some(*total));
    changed.map(|(key, total)| (key.clone(), *total)).collect()
}

/// Follows the board.
struct Live {
    desk: Arc<Desk>,
    question: Question,
    changed: watch::Receiver<Position>,
    epoch: Mark,
    known: Totals,
}

impl Live {
    /// Begins where the state of this mark ends. When the board has moved on since, everything counts as changed.
    fn new(desk: &Arc<Desk>, question: Question, mark: Mark) -> Self {
        let changed = desk.hub.live_board.changes();
        let sheet = desk.fresh_sheet();
        let known = if sheet.board.position() == mark.position { question.totals(&sheet) } else { Totals::new() };
        Self { desk: Arc::clone(desk), question, changed, epoch: mark, known }
    }

    /// The next change; `None` when the hub had to begin anew.
    async fn next(&mut self) -> Option<TotalsEvent> {
        loop {
            self.changed.borrow_and_update();
            if !self.desk.hub.live_board.goes_on(self.epoch) {
                return None;
            }
            let sheet = self.desk.fresh_sheet();
            let now = self.question.totals(&sheet);
            let changed = difference(&self.known, &now);
            self.known = now;
            if !changed.is_empty() {
                cue(&self.desk, &sheet);
                return Some(event(&sheet, OccupancyEventKind::Changed, changed));
            }
            self.changed.changed().await.ok()?;
            sleep(BREATH).await;
        }
    }
}

fn cue(desk: &Desk, sheet: &Sheet) {
    if let Some(performance) = &desk.performance {
        performance.cue(sheet.board.position());
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
        let performance = performance(ctx)?;
        let question = Question { filter: filter.unwrap_or_default(), by: group_by };
        let desk = Arc::clone(desk(ctx));
        Ok(match performance.part {
            Part::State { resync } => {
                let mark = desk.hub.live_board.end();
                let sheet = desk.fresh_sheet();
                performance.begin(Some(mark.at(sheet.board.position())));
                cue(&desk, &sheet);
                let kind = if resync { OccupancyEventKind::Resync } else { OccupancyEventKind::Current };
                stream::iter([event(&sheet, kind, question.totals(&sheet))]).boxed()
            }
            Part::Missed { .. } => {
                performance.begin(None);
                stream::empty().boxed()
            }
            Part::Live(mark) => {
                performance.begin(Some(mark));
                let live = Live::new(&desk, question, mark);
                let step = |mut live: Live| async move { live.next().await.map(|event| (event, live)) };
                stream::unfold(live, step).boxed()
            }
        })
    }
}
