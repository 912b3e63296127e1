//! What is published: read, and made when it is first asked for.

use std::collections::BTreeSet;

use async_graphql::Result;
use futures_util::TryStreamExt;
use tavolo_schema::{
    Day, ExitReason, OrganisationKind, Stay,
    id::OrganisationId,
    period::{FixedPeriod, HalfYear},
    statistics::{Figures, GuestDemographics},
    statistics_table::{Count, Counted, Group, PublishedTable, told_of},
};
use tavolo_store::{Behalf, StoreError, statistics::Scope};
use tavolo_subscriptions::Board;
use tokio::sync::Mutex;

use crate::{
    Hub,
    error::{bad_request, fault},
    occupancy::filter::OccupancyFilter,
    request_context::RequestContext,
};

/// Stays that are counted at a time.
const AT_A_TIME: usize = 1_000;

/// What is published of a filter and a period.
pub(super) async fn figures(context: &RequestContext, filter: &OccupancyFilter, from: Day, to: Day) -> Result<Figures> {
    let period = fixed(from, to, context.viewer_scope().today)?;
    Ok(told_of(period, &tables(&context.hub, period).await?, group(filter).as_ref()))
}

/// The fixed period that is asked for, if it is told today.
fn fixed(from: Day, to: Day, today: Day) -> Result<FixedPeriod> {
    let nearest = || {
        let nearest = FixedPeriod::nearest(from, to, today);
        nearest.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")
    };
    let Some(period) = FixedPeriod::between(from, to) else {
        return Err(bad_request(format!(
            "without sight of all these persons, statistics are told of whole calendar years and half-years alone; \
             the nearest are {}",
            nearest()
        )));
    };
    if period.told_from() > today {
        let told_from = period.told_from();
        return Err(bad_request(format!("{period} is published from {told_from} on; the nearest are {}", nearest())));
    }
    if !FixedPeriod::told_on(today).contains(&period) {
        return Err(bad_request(format!("{period} is not published any more; the nearest are {}", nearest())));
    }
    Ok(period)
}

/// The group that a filter asks for; none when it is closer than anything that is published.
fn group(filter: &OccupancyFilter) -> Option<Group> {
    match (&filter.municipality, filter.category) {
        _ if filter.looks_closer() => None,
        (None, None) => Some(Group::Whole),
        (None, Some(category)) => Some(Group::Category(category)),
        (Some(municipality), None) => Some(Group::Municipality(municipality.clone())),
        _ => None,
    }
}

/// The tables of a period, in order.
async fn tables(hub: &Hub, period: FixedPeriod) -> Result<Vec<PublishedTable>> {
    let halves = period.halves();
    let mut kept = hub.store.statistics_tables(&halves).await.map_err(|error| fault(&error))?;
    let mut tables = Vec::with_capacity(halves.len());
    for half in halves {
        tables.push(match kept.remove(&half) {
            Some(table) => table,
            None => made(hub, half).await.map_err(|error| fault(&error))?,
        });
    }
    Ok(tables)
}

/// Makes a table and keeps it, unless somebody else was first, and hands back the one that is kept.
///
/// This is done in a task of its own, in nobody's turn: whoever asks may go, or ask for more than its own, and the next
/// one finds the table all the same.
async fn made(hub: &Hub, half: HalfYear) -> Result<PublishedTable, StoreError> {
    /// Who makes a table in this process. Between processes, the database decides.
    static MAKER: Mutex<()> = Mutex::const_new(());
    let hub = Hub { store: hub.store.on_behalf_of(Behalf::Hub), ..hub.clone() };
    let task = tokio::spawn(async move {
        let _maker = MAKER.lock().await;
        if let Some(kept) = hub.store.statistics_tables(&[half]).await?.remove(&half) {
            return Ok(kept);
        }
        hub.store.keep_statistics_table(&count(&hub, half).await?).await?;
        let kept = hub.store.statistics_tables(&[half]).await?.remove(&half);
        kept.ok_or(StoreError::OutcomeUnknown)
    });
    task.await.unwrap_or_else(|ended| std::panic::resume_unwind(ended.into_panic()))
}

/// Counts a half-year, a number of stays at a time.
async fn count(hub: &Hub, half: HalfYear) -> Result<PublishedTable, StoreError> {
    let board = hub.live_board.board();
    let scope = Scope {
        facilities: board.facilities(None).map(|state| state.facility.id).collect(),
        category: None,
        from: half.from().begins(),
        until: half.to().plus_days(1).begins(),
    };
    let mut count = Count::new(half);
    let mut stays = std::pin::pin!(hub.store.stays_within(&scope).await?.try_chunks(AT_A_TIME));
    while let Some(stays) = stays.try_next().await.map_err(|broken| broken.1)? {
        let arrived = stays.iter().filter(|stay| count.describes(stay.category, stay.entry_at.day()));
        let demographics = hub.store.demographics(&arrived.map(|stay| stay.guest).collect::<Vec<_>>()).await?;
        for stay in &stays {
            add(&mut count, &board, stay, demographics.get(&stay.guest));
        }
    }
    Ok(count.published(hub.clock.now(), |ways| rand::random_range(0..ways)))
}

fn add(count: &mut Count, board: &Board, stay: &Stay, demographics: Option<&GuestDemographics>) {
    let Some(state) = board.facility(stay.facility) else { return };
    let facility = &state.facility;
    let knows_everybody =
        |body: &OrganisationId| board.organisation(*body).is_some_and(|body| body.kind == OrganisationKind::Province);
    let bodies = [facility.operator, facility.holder, stay.operator].into_iter();
    let known_to: BTreeSet<OrganisationId> = bodies.filter(|body| !knows_everybody(body)).collect();
    let entry = stay.entry_at.day();
    count.stay(&Counted {
        category: stay.category,
        municipality: &facility.municipality,
        known_to: &known_to.into_iter().collect::<Vec<_>>(),
        entry,
        exit: stay.exit_at.map(|exit| (exit.day(), stay.exit_reason.unwrap_or(ExitReason::Other))),
    });
    // Somebody whose file has been erased meanwhile has arrived all the same, and nothing is known of them.
    if let Some(demographics) = demographics.filter(|_| count.describes(stay.category, entry)) {
        count.arrival(demographics.sex, &demographics.citizenship, demographics.birth_date.years_until(entry));
    }
}
