//! A tally: the stays and people of a period, counted by group.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::Result;
use futures_util::TryStreamExt;
use tavolo_schema::{
    Day, ExitReason, PlaceCategory, Stay,
    disclosure::Family,
    guest::Sex,
    id::{FacilityId, GuestId},
    statistics::{AgeBand, LengthBand, Portrait},
};
use tavolo_store::{StoreError, statistics::Scope};
use tavolo_subscriptions::Place;

use crate::{error::bad_request, graph::Desk, sheet::Sheet};

/// Months of a period at most.
pub(crate) const LONGEST: usize = 120;

/// The group of everybody.
pub(super) const WHOLE: usize = 0;

pub(crate) const SEXES: [Sex; 3] = [Sex::F, Sex::M, Sex::X];

/// Days from the first to the last; none when the last is earlier.
#[derive(Clone, Copy, Debug)]
pub(super) struct Period {
    pub(super) from: Day,
    pub(super) to: Day,
}

impl Period {
    pub(super) fn of(from: Day, to: Day) -> Result<Self> {
        let period = Self { from, to };
        if from.first_of_month().plus_months(LONGEST as i32) <= to {
            return Err(bad_request("a period has ten years at most"));
        }
        Ok(period)
    }

    /// The whole calendar months it touches, as far as they are over.
    pub(super) fn whole_months(self, sheet: &Sheet) -> Self {
        let end = self.to.first_of_month().plus_months(1).min(sheet.today.first_of_month());
        Self { from: self.from.first_of_month(), to: end.plus_days(-1) }
    }

    /// Which of its months a day is in; none outside the period.
    fn month_of(self, day: Day) -> Option<usize> {
        let months = |day: Day| i32::from(day.0.year()) * 12 + i32::from(day.0.month());
        let inside = self.from <= day && day <= self.to;
        inside.then(|| usize::try_from(months(day) - months(self.from)).ok()).flatten()
    }

    pub(super) fn months(self) -> Vec<Day> {
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

/// Facilities by id.
pub(super) type Places<'b> = BTreeMap<FacilityId, &'b Place>;

/// The stays that touch a period, and what is counted of the people.
#[derive(Default)]
pub(super) struct Found {
    stays: Vec<Stay>,
    pub(super) portraits: HashMap<GuestId, Portrait>,
}

impl Found {
    pub(super) async fn read(
        desk: &Desk,
        places: &Places<'_>,
        category: Option<PlaceCategory>,
        period: Period,
    ) -> Result<Self, StoreError> {
        if places.is_empty() {
            return Ok(Self::default());
        }
        let scope = Scope {
            facilities: places.keys().copied().collect(),
            category,
            from: period.from.begins(),
            until: period.to.plus_days(1).begins(),
        };
        let store = &desk.hub.store;
        let stays: Vec<Stay> = store.stays_within(&scope).await?.try_collect().await?;
        let guests: BTreeSet<GuestId> = stays.iter().map(|stay| stay.guest).collect();
        let portraits = store.portraits(&guests.into_iter().collect::<Vec<_>>()).await?;
        Ok(Self { stays, portraits })
    }
}

/// Everything counted, by group.
pub(super) struct Tally {
    pub(super) by_citizenship: Family,
    pub(super) by_sex: Family,
    pub(super) by_age: Family,
    pub(super) reasons: Family,
    pub(super) lengths: Family,
    pub(super) entries: Family,
    pub(super) exits: Family,
    pub(super) hosted: Vec<i32>,
    pub(super) person_days: Vec<i32>,
    /// Days of each stay that ended.
    pub(super) days: Vec<Vec<i32>>,
}

impl Tally {
    pub(super) fn of(
        found: &Found,
        citizenships: &[String],
        period: Period,
        groups: usize,
        groups_of: impl Fn(&Stay) -> Vec<usize>,
    ) -> Self {
        let months = period.months().len();
        let mut tally = Self {
            by_citizenship: Family::new(groups, citizenships.len()),
            by_sex: Family::new(groups, SEXES.len()),
            by_age: Family::new(groups, AgeBand::ALL.len()),
            reasons: Family::new(groups, ExitReason::ALL.len()),
            lengths: Family::new(groups, LengthBand::ALL.len()),
            entries: Family::new(groups, months),
            exits: Family::new(groups, months),
            hosted: vec![0; groups],
            person_days: vec![0; groups],
            days: vec![Vec::new(); groups],
        };
        let mut people: BTreeMap<GuestId, BTreeSet<usize>> = BTreeMap::new();
        for stay in &found.stays {
            let groups = groups_of(stay);
            tally.movement(period, stay, &groups);
            let days = period.days_of(stay);
            if days > 0 {
                groups.iter().for_each(|group| tally.person_days[*group] += days);
                people.entry(stay.guest).or_default().extend(groups);
            }
        }
        for (guest, groups) in people {
            tally.person(found.portraits.get(&guest), citizenships, period, groups);
        }
        tally
    }

    fn movement(&mut self, period: Period, stay: &Stay, groups: &[usize]) {
        let entry = stay.entry_at.day();
        if let Some(month) = period.month_of(entry) {
            self.entries.count(groups.to_vec(), month);
        }
        let Some((exit, month)) =
            stay.exit_at.map(|exit| exit.day()).and_then(|exit| Some((exit, period.month_of(exit)?)))
        else {
            return;
        };
        self.exits.count(groups.to_vec(), month);
        let reason = stay.exit_reason.unwrap_or(ExitReason::Other);
        self.reasons.count(groups.to_vec(), reason as usize);
        self.lengths.count(groups.to_vec(), LengthBand::of(entry, exit) as usize);
        groups.iter().for_each(|group| self.days[*group].push(entry.days_until(exit)));
    }

    /// Somebody whose file has been erased meanwhile is still somebody, of whom nothing is known.
    fn person(
        &mut self,
        portrait: Option<&Portrait>,
        citizenships: &[String],
        period: Period,
        groups: BTreeSet<usize>,
    ) {
        groups.iter().for_each(|group| self.hosted[*group] += 1);
        let Some(portrait) = portrait else { return };
        let groups: Vec<usize> = groups.into_iter().collect();
        if let Ok(citizenship) = citizenships.binary_search(&portrait.citizenship) {
            self.by_citizenship.count(groups.clone(), citizenship);
        }
        self.by_sex.count(groups.clone(), SEXES.iter().position(|sex| *sex == portrait.sex).unwrap_or(2));
        self.by_age.count(groups, AgeBand::of(portrait.birth_date.years_until(period.to)) as usize);
    }

    pub(super) fn ended(&self, group: usize) -> i32 {
        i32::try_from(self.days[group].len()).unwrap_or(i32::MAX)
    }
}

pub(super) fn mean(days: &[i32]) -> Option<f64> {
    let sum: f64 = days.iter().map(|days| f64::from(*days)).sum();
    (!days.is_empty()).then(|| sum / days.len() as f64)
}

pub(super) fn median(days: &[i32]) -> Option<f64> {
    let mut days = days.to_vec();
    days.sort_unstable();
    let middle = |at: usize| days.get(at).map(|days| f64::from(*days));
    match days.len() {
        0 => None,
        odd if odd % 2 == 1 => middle(odd / 2),
        even => Some((middle(even / 2 - 1)? + middle(even / 2)?) / 2.0),
    }
}
