//! Occupancy over time, from the ledger.

use std::collections::HashMap;

use async_graphql::{Context, Object, Result, SimpleObject};
use tavolo_schema::{
    DateTime, DisclosedNumbers, HistoryStep, Pool, PoolKey, Precision, Publication, TimeBasis,
    access::{DataClass::Public, data_class},
    history::{MOST_POINTS, Step, Totals, replay},
};
use tavolo_subscriptions::{Movements, Until};

use crate::{
    error::{bad_request, fault},
    occupancy::filter::OccupancyFilter,
    request_context::{RequestContext, request_context},
};

/// Places added up, as of one instant.
#[derive(SimpleObject, Clone, Copy, Debug)]
pub(crate) struct OccupancyPoint {
    /// The instant: the last millisecond of the step, or the end of the whole time.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) at: DateTime,
    /// The places then; `occupancy(at:)` of the same instant adds up to the same.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) capacity: DisclosedNumbers,
}

/// What the ledger says of some pools at some instants.
pub(crate) struct Past {
    movements: Movements,
    points: Vec<DateTime>,
    basis: TimeBasis,
    /// Whether the people in protected places are left out.
    withheld: bool,
}

impl Past {
    /// Reads what is not known yet of the ledgers of a filter's pools. Whoever is not told of the day itself is told the
    /// past as it was known then: a late entry would be told on the day it is made.
    pub(crate) async fn read(
        context: &RequestContext,
        filter: &OccupancyFilter,
        closer: bool,
        points: Vec<DateTime>,
        basis: TimeBasis,
    ) -> Result<Self> {
        let viewer_scope = context.viewer_scope();
        let closer = closer || filter.looks_closer();
        let pools = filter.pools(viewer_scope, closer).map(|(_, pool)| &**pool);
        let until = if viewer_scope.counts_people() { Until::Now } else { Until::PastDays(viewer_scope.now) };
        let movements = context.hub.live_board.movements(&context.hub.store, pools, until).await;
        let movements = movements.map_err(|error| fault(&error))?;
        let basis = if viewer_scope.counts_people() { basis } else { TimeBasis::Registered };
        Ok(Self { movements, points, basis, withheld: closer && !viewer_scope.counts_people() })
    }

    /// The numbers of these pools at each instant, added up.
    async fn totals<'p>(&self, pools: impl Iterator<Item = &'p Pool>) -> Totals {
        let mut totals = Totals::new(self.points.len());
        for pool in pools {
            totals.add(&self.steps(pool).await, self.withholds(pool));
        }
        totals
    }

    /// The numbers of each of these pools at the last instant. A pool without an entry then is left out.
    pub(crate) async fn last<'p>(&self, pools: impl Iterator<Item = &'p Pool>) -> HashMap<PoolKey, DisclosedNumbers> {
        let mut last = HashMap::new();
        for pool in pools {
            let Some(step) = self.steps(pool).await.pop() else { continue };
            let numbers = DisclosedNumbers::from(step.numbers);
            let told = if self.withholds(pool) { numbers.with(None, Precision::Withheld) } else { numbers };
            last.insert(pool.key(), told);
        }
        last
    }

    /// The steps of a pool. Other requests of the same thread go on between many of them.
    async fn steps(&self, pool: &Pool) -> Vec<Step> {
        tokio::task::consume_budget().await;
        let movements = self.movements.get(&pool.key());
        replay(movements.map_or(&[], |movements| movements.as_slice()), &self.points, self.basis)
    }

    fn withholds(&self, pool: &Pool) -> bool {
        self.withheld && pool.category.is_protected()
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
pub(crate) async fn history(
    context: &RequestContext,
    filter: &OccupancyFilter,
    stretch: Stretch,
) -> Result<Vec<OccupancyPoint>> {
    let viewer_scope = context.viewer_scope();
    let mut to = stretch.to.map_or(viewer_scope.now, |to| to.min(viewer_scope.now));
    if stretch.from > to {
        return Err(bad_request("from must lie before to, and neither in the future"));
    }
    if !viewer_scope.counts_people() {
        if stretch.every == HistoryStep::Hour {
            return Err(bad_request("hours are for members of the bodies at the table: ask for days"));
        }
        to = end_of_last_day(to);
        if stretch.from > to {
            return Ok(Vec::new());
        }
    }
    let points = stretch.every.points(stretch.from, to);
    let points = points.ok_or_else(|| bad_request(format!("a history has {MOST_POINTS} points at most")))?;
    let past = Past::read(context, filter, false, points, stretch.basis).await?;
    let pools = filter.pools(viewer_scope, filter.looks_closer()).map(|(_, pool)| &**pool);
    let pools = pools.filter(|pool| viewer_scope.adds_up(pool.category, filter.category.is_some()));
    let totals = past.totals(pools).await;
    let begins = past.points.first().copied().unwrap_or(to);
    let points =
        past.points.iter().copied().zip(totals.disclosed()).map(|(at, capacity)| OccupancyPoint { at, capacity });
    if viewer_scope.counts_people() || filter.looks_closer() {
        return Ok(points.collect());
    }
    let published = context.hub.store.published_between(&filter.cell(), begins, to).await;
    let published = published.map_err(|error| fault(&error))?;
    Ok(points.map(|point| point.published(&published)).collect())
}

impl OccupancyPoint {
    /// The same point with the people as they were told then.
    fn published(self, publications: &[Publication]) -> Self {
        let until = publications.partition_point(|publication| publication.at <= self.at);
        let told = until.checked_sub(1).map(|last| &publications[last]);
        Self { capacity: self.capacity.published(told), ..self }
    }
}

#[derive(Default)]
pub(crate) struct HistoryQuery;

#[Object]
impl HistoryQuery {
    /// Places over time, from the ledger: one point for the end of each hour, day, week or month, in order, and one for
    /// the end of the whole. Totals by municipality and category count every facility, for anybody; a filter that names
    /// a facility or an operator counts only facilities that the viewer sees. A facility is counted where it is today.
    /// At most 1,000 points.
    ///
    /// Members of bodies at the table are told numbers as they were. The public and analysts are told what `occupancy`
    /// told them then, of the ordinary places unless the filter names a category, up to the last day that is over, and no
    /// hours; `basis` says nothing to them.
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
        Some(history(request_context(ctx), &filter.unwrap_or_default(), stretch).await)
    }
}

/// The end of the last day that is over at an instant.
pub(crate) fn end_of_last_day(at: DateTime) -> DateTime {
    at.plus_millis(1).day().begins().plus_millis(-1)
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tavolo_schema::{Movement, PlaceCategory, capacity::Counts, id::FacilityId};

    use super::*;

    #[tokio::test]
    async fn while_many_pools_are_added_up_others_go_on() {
        let now: DateTime = "2026-11-30T12:00:00Z".parse().unwrap();
        let pools: Vec<Pool> =
            (0..1_000).map(|_| Pool::empty(FacilityId::fresh(now), PlaceCategory::Ordinary, now)).collect();
        let arrival = Movement {
            occurred_at: now.plus_millis(-1),
            registered_at: now,
            deltas: Counts { occupied: 1, ..Counts::default() },
        };
        let ledger = Arc::new(vec![arrival]);
        let movements = pools.iter().map(|pool| (pool.key(), Arc::clone(&ledger))).collect();
        let past = Past { movements, points: vec![now], basis: TimeBasis::Occurred, withheld: false };
        // Another task of the same thread, which goes on whenever it is let.
        let turns = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&turns);
        let other = tokio::spawn(async move {
            loop {
                counted.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        let totals = past.totals(pools.iter()).await;
        let last = past.last(pools.iter()).await;
        other.abort();
        assert_eq!(totals.disclosed().last().and_then(|numbers| numbers.occupied), Some(1_000));
        assert_eq!(last.len(), 1_000);
        let turns = turns.load(Ordering::Relaxed);
        assert!(turns >= 10, "others had {turns} turns while 2,000 pools were added up");
    }
}
