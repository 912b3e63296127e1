//! A tally: the stays and people of a period, counted exactly.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::Result;
use futures_util::TryStreamExt;
use tavolo_schema::{
    Day, ExitReason, PlaceCategory, Stay,
    id::GuestId,
    statistics::{AgeBand, Composition, Figures, GuestDemographics, LengthBand, SEXES},
};
use tavolo_store::statistics::Scope;
use tavolo_subscriptions::FacilityState;

use crate::{
    error::{bad_request, fault},
    request_context::RequestContext,
};

/// Months of a period at most.
pub(crate) const LONGEST: usize = 120;

/// Days from the first to the last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    from: Day,
    to: Day,
}

impl Period {
    pub(super) fn of(from: Day, to: Day) -> Result<Self> {
        if from.first_of_month().plus_months(LONGEST as i32) <= to {
            return Err(bad_request("a period has ten years at most"));
        }
        Ok(Self { from, to })
    }

    /// Which of its months a day is in; none outside the period.
    fn month_of(self, day: Day) -> Option<usize> {
        let months = |day: Day| i32::from(day.0.year()) * 12 + i32::from(day.0.month());
        let inside = self.from <= day && day <= self.to;
        inside.then(|| usize::try_from(months(day) - months(self.from)).ok()).flatten()
    }

    fn months(self) -> Vec<Day> {
        let first = self.from.first_of_month();
        (0..).map(|months| first.plus_months(months)).take_while(|month| *month <= self.to).take(LONGEST).collect()
    }

    /// Days of a stay that lie in the period: from the day of arrival to the day before departure.
    fn days_of(self, stay: &Stay) -> i32 {
        let entry = stay.entry_at.day();
        let last = stay.exit_at.map_or(self.to, |exit| exit.day().plus_days(-1).max(entry));
        (self.from.max(entry).days_until(last.min(self.to)) + 1).max(0)
    }
}

/// What people are like, counted.
struct Described {
    citizens: BTreeMap<String, i32>,
    sexes: Vec<i32>,
    ages: Vec<i32>,
}

impl Described {
    fn nobody() -> Self {
        Self { citizens: BTreeMap::new(), sexes: vec![0; SEXES.len()], ages: vec![0; AgeBand::ALL.len()] }
    }

    /// Somebody whose file has been erased meanwhile is still somebody, of whom nothing is known.
    fn count(&mut self, demographics: Option<&GuestDemographics>, day: Day) {
        let Some(demographics) = demographics else { return };
        *self.citizens.entry(demographics.citizenship.clone()).or_default() += 1;
        self.sexes[SEXES.iter().position(|sex| *sex == demographics.sex).unwrap_or(0)] += 1;
        self.ages[AgeBand::of(demographics.birth_date.years_until(day)) as usize] += 1;
    }

    fn composition(self) -> Composition {
        Composition {
            citizens: self.citizens.into_iter().map(|(name, count)| (Some(name), Some(count))).collect(),
            sexes: exact(self.sexes),
            ages: exact(self.ages),
        }
    }
}

fn exact(counts: Vec<i32>) -> Vec<Option<i32>> {
    counts.into_iter().map(Some).collect()
}

/// Everything counted.
pub(super) struct Tally {
    period: Period,
    people: BTreeSet<GuestId>,
    person_days: i32,
    /// Days of each stay that ended.
    days: Vec<i32>,
    lengths: Vec<i32>,
    reasons: Vec<i32>,
    entries: Vec<i32>,
    exits: Vec<i32>,
    hosted: Described,
    arrived: Described,
}

impl Tally {
    pub(super) async fn read(
        context: &RequestContext,
        states: &[&FacilityState],
        category: Option<PlaceCategory>,
        period: Period,
    ) -> Result<Self> {
        let scope = Scope {
            facilities: states.iter().map(|state| state.facility.id).collect(),
            category,
            from: period.from.begins(),
            until: period.to.plus_days(1).begins(),
        };
        let store = &context.hub.store;
        let stays = store.stays_within(&scope).await.map_err(|error| fault(&error))?;
        let stays: Vec<Stay> = stays.try_collect().await.map_err(|error| fault(&error))?;
        let guests: BTreeSet<GuestId> = stays.iter().map(|stay| stay.guest).collect();
        let demographics = store.demographics(&guests.into_iter().collect::<Vec<_>>()).await;
        Ok(Self::of(&stays, &demographics.map_err(|error| fault(&error))?, period))
    }

    fn of(stays: &[Stay], demographics: &HashMap<GuestId, GuestDemographics>, period: Period) -> Self {
        let months = period.months().len();
        let mut tally = Self {
            period,
            people: BTreeSet::new(),
            person_days: 0,
            days: Vec::new(),
            lengths: vec![0; LengthBand::ALL.len()],
            reasons: vec![0; ExitReason::ALL.len()],
            entries: vec![0; months],
            exits: vec![0; months],
            hosted: Described::nobody(),
            arrived: Described::nobody(),
        };
        for stay in stays {
            let demographics = demographics.get(&stay.guest);
            tally.movement(stay, demographics);
            let days = period.days_of(stay);
            tally.person_days += days;
            if days > 0 && tally.people.insert(stay.guest) {
                tally.hosted.count(demographics, period.to);
            }
        }
        tally
    }

    fn movement(&mut self, stay: &Stay, demographics: Option<&GuestDemographics>) {
        let entry = stay.entry_at.day();
        if let Some(month) = self.period.month_of(entry) {
            self.entries[month] += 1;
            self.arrived.count(demographics, entry);
        }
        let exit = stay.exit_at.map(|exit| exit.day());
        let Some((exit, month)) = exit.and_then(|exit| Some((exit, self.period.month_of(exit)?))) else { return };
        self.exits[month] += 1;
        self.reasons[stay.exit_reason.unwrap_or(ExitReason::Other) as usize] += 1;
        self.lengths[LengthBand::of(entry, exit) as usize] += 1;
        self.days.push(entry.days_until(exit));
    }

    pub(super) fn figures(self) -> Figures {
        let months = self.period.months().into_iter().zip(self.entries).zip(self.exits);
        let number = |count: usize| Some(i32::try_from(count).unwrap_or(i32::MAX));
        Figures {
            from: self.period.from,
            to: self.period.to,
            rounded_to: 1,
            made_at: None,
            hosted: number(self.people.len()),
            person_days: Some(self.person_days),
            exits: number(self.days.len()),
            mean_days: mean(&self.days),
            median_days: median(self.days),
            lengths: exact(self.lengths),
            reasons: exact(self.reasons),
            months: months.map(|((month, entries), exits)| (month, Some(entries), Some(exits))).collect(),
            hosted_by: self.hosted.composition(),
            arrived_by: self.arrived.composition(),
        }
    }
}

fn mean(days: &[i32]) -> Option<f64> {
    let sum: f64 = days.iter().map(|days| f64::from(*days)).sum();
    (!days.is_empty()).then(|| sum / days.len() as f64)
}

fn median(mut days: Vec<i32>) -> Option<f64> {
    days.sort_unstable();
    let middle = |at: usize| days.get(at).map(|days| f64::from(*days));
    match days.len() {
        0 => None,
        odd if odd % 2 == 1 => middle(odd / 2),
        even => Some((middle(even / 2 - 1)? + middle(even / 2)?) / 2.0),
    }
}
