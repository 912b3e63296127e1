//! Statistics: who is told exact numbers of what, and who is told what is published.

mod published;
mod tally;

use async_graphql::{Context, Object, Result};
use tavolo_schema::{
    DataClass, Day,
    access::{DataClass::Operational, data_class},
    statistics::Statistics,
};
use tavolo_subscriptions::FacilityState;

pub(crate) use self::tally::LONGEST;
use self::tally::{Period, Tally};
use crate::{
    error::bad_request,
    gate,
    occupancy::filter::OccupancyFilter,
    request_context::{RequestContext, request_context},
};

#[derive(Default)]
pub(crate) struct StatisticsQuery;

#[Object]
impl StatisticsQuery {
    /// People and stays of a period, counted. Null when the viewer sees no facility of the filter.
    ///
    /// Whoever may see the persons of all facilities of the filter that they see may ask for any period of at most ten
    /// years, and is told of these facilities. Everybody else is told what is published of all facilities: of a calendar
    /// year, or of half of one (`from: "2026-01-01", to: "2026-06-30"`), from thirty days after its end on and for ten
    /// years. It counts those in ordinary places; of unaccompanied minors, and of mental distress or disability, there are
    /// totals of the whole province, when their category is named and at least ten people were hosted. Another period is a
    /// `BAD_REQUEST`, whose message names the two nearest.
    #[graphql(directive = data_class::apply(Operational))]
    async fn statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(
            desc = "Which places. Of nothing closer than one municipality or one category is anything published."
        )]
        filter: Option<OccupancyFilter>,
        #[graphql(desc = "First day.")] from: Day,
        #[graphql(desc = "Last day. In exact numbers, today when it lies in the future.")] to: Day,
    ) -> Option<Result<Statistics>> {
        let counted = statistics(request_context(ctx), &filter.unwrap_or_default(), from, to).await.transpose();
        if counted.is_none() {
            gate::redact(ctx, Operational);
        }
        counted
    }
}

/// Counts the people and stays of a period; `None` when the viewer sees none of the facilities.
pub(crate) async fn statistics(
    context: &RequestContext,
    filter: &OccupancyFilter,
    from: Day,
    to: Day,
) -> Result<Option<Statistics>> {
    let viewer_scope = context.viewer_scope();
    if from > to || from > viewer_scope.today {
        return Err(bad_request("from must lie before to, and not in the future"));
    }
    let persons = |state: &&FacilityState| viewer_scope.sight(state.facility.owners()).contains(DataClass::Identity);
    let seen = viewer_scope.facilities(None).map(AsRef::as_ref).filter(|state| filter.wants_facility(state));
    let (known, others): (Vec<&FacilityState>, Vec<&FacilityState>) = seen.partition(persons);
    let figures = match (known.is_empty(), others.is_empty()) {
        (true, true) => return Ok(None),
        (false, true) => {
            let period = Period::of(from, to.min(viewer_scope.today))?;
            Tally::read(context, &known, filter.category, period).await?.figures()
        }
        // What the viewer knows exactly is among what is published, and not told apart from it.
        _ => published::figures(context, filter, from, to).await?,
    };
    Ok(Some(figures.into()))
}
