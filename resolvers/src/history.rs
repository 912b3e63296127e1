//! Occupancy over time, from the ledger.

use async_graphql::{Context, Object, Result, SimpleObject};
use tavolo_schema::{
    CapacityNumbers, DateTime, HistoryStep, Pool, TimeBasis,
    access::{DataClass::Public, data_class},
    history::{MOST_POINTS, replay},
};
use tavolo_subscriptions::Movements;

use crate::{
    error::{bad_request, fault},
    graph::{Desk, desk},
    occupancy::OccupancyFilter,
};

/// Places added up, as of one instant.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub(crate) struct OccupancyPoint {
    /// The instant: the last millisecond of the step, or the end of the whole time.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) at: DateTime,
    /// The places then; `occupancy(at:)` of the same instant adds up to the same.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) capacity: CapacityNumbers,
}

/// What the ledger says of some pools at some instants.
pub(crate) struct Past {
    movements: Movements,
    points: Vec<DateTime>,
    basis: TimeBasis,
}

impl Past {
    /// Reads what is not known yet of the ledgers of a filter's pools.
    pub(crate) async fn read(
        desk: &Desk,
        filter: &OccupancyFilter,
        closer: bool,
        points: Vec<DateTime>,
        basis: TimeBasis,
    ) -> Result<Self> {
        let sheet = desk.sheet();
        if points.last().is_some_and(|last| *last > sheet.now) {
            return Err(bad_request("the future is not known: ask for an instant that has passed"));
        }
        let pools = filter.pools(sheet, closer || filter.looks_closer()).map(|(_, pool)| &**pool);
        let movements = desk.hub.table.movements(&desk.hub.store, pools).await.map_err(|error| fault(&error))?;
        Ok(Self { movements, points, basis })
    }

    /// The numbers of one pool at each instant; `None` before its first entry.
    pub(crate) fn numbers(&self, pool: &Pool) -> Vec<Option<CapacityNumbers>> {
        let movements = self.movements.get(&(pool.facility, pool.category));
        replay(movements.map_or(&[], |movements| movements.as_slice()), &self.points, self.basis)
    }
}

/// A stretch of time, looked at in steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stretch {
    pub(crate) from: DateTime,
    pub(crate) to: Option<DateTime>,
    pub(crate) every: HistoryStep,
    pub(crate) basis: TimeBasis,
}

/// The places of a filter over a stretch of time.
pub(crate) async fn history(desk: &Desk, filter: &OccupancyFilter, stretch: Stretch) -> Result<Vec<OccupancyPoint>> {
    let sheet = desk.sheet();
    let to = stretch.to.map_or(sheet.now, |to| to.min(sheet.now));
    if stretch.from > to {
        return Err(bad_request("from must lie before to, and neither in the future"));
    }
    let points = stretch.every.points(stretch.from, to);
    let points = points.ok_or_else(|| bad_request(format!("a history has {MOST_POINTS} points at most")))?;
    let past = Past::read(desk, filter, false, points, stretch.basis).await?;
    let mut sums = vec![CapacityNumbers::default(); past.points.len()];
    for (_, pool) in filter.pools(sheet, filter.looks_closer()) {
        for (sum, numbers) in sums.iter_mut().zip(past.numbers(pool)) {
            *sum = [*sum, numbers.unwrap_or_default()].into_iter().sum();
        }
    }
    Ok(past.points.into_iter().zip(sums).map(|(at, capacity)| OccupancyPoint { at, capacity }).collect())
}

#[derive(Default)]
pub(crate) struct HistoryQuery;

#[Object]
impl HistoryQuery {
    /// Places over time, from the ledger: one point for the end of each hour, day, week or month, in order, and one for
    /// the end of the whole. Totals by municipality and category count every facility, for anybody; a filter that names
    /// a facility or an operator counts only facilities that the viewer sees. A facility is counted where it is today.
    /// At most 1,000 points.
    #[allow(clippy::too_many_arguments, reason = "the arguments of the contract")]
    #[graphql(directive = data_class::apply(Public))]
    async fn occupancy_history(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(desc = "From here; the first point is the end of the step that contains it.")] from: DateTime,
        #[graphql(desc = "Up to here, which is the last point; now when absent or in the future.")] to: Option<
            DateTime,
        >,
        #[graphql(desc = "How far the points are apart.", default)] every: HistoryStep,
        #[graphql(desc = "By which of its times an entry of the ledger counts.", default)] basis: TimeBasis,
    ) -> Option<Result<Vec<OccupancyPoint>>> {
        let stretch = Stretch { from, to, every, basis };
        Some(history(desk(ctx), &filter.unwrap_or_default(), stretch).await)
    }
}
