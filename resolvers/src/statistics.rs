//! Statistics: who is counted, for whom, and how exactly. How counts are kept from telling persons is the affair of
//! [`tavolo_schema::disclosure`].

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_graphql::{Context, Object, Result};
use futures_util::TryStreamExt;
use tavolo_schema::{
    DataClass, Day, ExitReason, PlaceCategory, Stay,
    access::{DataClass::Operational, data_class},
    disclosure::{self, Family},
    guest::Sex,
    id::GuestId,
    statistics::{
        AgeBand, AgeBandCount, CitizenshipCount, Count, ExitReasonCount, LengthBand, LengthBandCount, LengthOfStay,
        MonthMovements, Portrait, SexCount, Statistics,
    },
};
use tavolo_store::statistics::Scope;
use tavolo_subscriptions::Place;

use crate::{
    error::{bad_request, fault},
    gate,
    graph::{Desk, desk},
    occupancy::OccupancyFilter,
    sheet::Sheet,
};

/// Months of a period at most.
const LONGEST: usize = 120;

const SEXES: [Sex; 3] = [Sex::F, Sex::M, Sex::X];

#[derive(Default)]
pub(crate) struct StatisticsQuery;

#[Object]
impl StatisticsQuery {
    /// People and stays of a period of at most ten years, counted. Null when the viewer sees no facility of the filter:
    /// facilities that the viewer does not see are not counted.
    #[graphql(directive = data_class::apply(Operational))]
    async fn statistics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(desc = "First day.")] from: Day,
        #[graphql(desc = "Last day; today when it lies in the future.")] to: Day,
    ) -> Option<Result<Statistics>> {
        let counted = statistics(desk(ctx), &filter.unwrap_or_default(), from, to).await.transpose();
        if counted.is_none() {
            gate::redact(ctx, Operational);
        }
        counted
    }
}

/// Counts the people and stays of a period; `None` when the viewer sees none of the facilities.
pub(crate) async fn statistics(
    desk: &Desk,
    filter: &OccupancyFilter,
    from: Day,
    to: Day,
) -> Result<Option<Statistics>> {
    let sheet = desk.sheet();
    if from > to || from > sheet.today {
        return Err(bad_request("from must lie before to, and not in the future"));
    }
    let seen: Vec<&Place> = sheet.places(None).map(AsRef::as_ref).collect();
    let wanted: Vec<&Place> = seen.iter().copied().filter(|place| filter.wants_place(place)).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let persons = |place: &&Place| sheet.sight(place.facility.party()).contains(DataClass::Identity);
    let question = if wanted.iter().all(persons) {
        Question::exact(wanted, filter.category, Period::of(from, to.min(sheet.today))?)
    } else {
        Question::protected(seen, filter, Period::of(from, to.min(sheet.today))?.whole_months(sheet))
    };
    let (stays, portraits) = read(desk, &question).await?;
    let tally = Tally::of(&question, &stays, &portraits);
    Ok(Some(tally.answer(&question)))
}

/// Days from the first to the last; none when the last is earlier.
#[derive(Clone, Copy, Debug)]
struct Period {
    from: Day,
    to: Day,
}

impl Period {
    fn of(from: Day, to: Day) -> Result<Self> {
        let period = Self { from, to };
        if from.first_of_month().plus_months(LONGEST as i32) <= to {
            return Err(bad_request("a period has ten years at most"));
        }
        Ok(period)
    }

    /// The whole calendar months it touches, as far as they are over.
    fn whole_months(self, sheet: &Sheet) -> Self {
        let end = self.to.first_of_month().plus_months(1).min(sheet.today.first_of_month());
        Self { from: self.from.first_of_month(), to: end.plus_days(-1) }
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

/// What is counted, in which groups, and which group was asked for.
struct Question<'b> {
    places: BTreeMap<tavolo_schema::id::FacilityId, &'b Place>,
    category: Option<PlaceCategory>,
    period: Period,
    /// Municipalities that are groups of their own; none when counts are exact, which need no others beside them.
    municipalities: Option<Vec<&'b str>>,
    /// The group asked for; none when it is closer than may be told.
    group: Option<usize>,
}

impl<'b> Question<'b> {
    fn exact(places: Vec<&'b Place>, category: Option<PlaceCategory>, period: Period) -> Self {
        let places = places.into_iter().map(|place| (place.facility.id, place)).collect();
        Self { places, category, period, municipalities: None, group: Some(0) }
    }

    /// The groups are the whole, each category and each municipality, whatever was asked: what is left out of one
    /// depends on all.
    fn protected(seen: Vec<&'b Place>, filter: &OccupancyFilter, period: Period) -> Self {
        let names: BTreeSet<&str> = seen.iter().map(|place| place.facility.municipality.as_str()).collect();
        let municipalities: Vec<&str> = names.into_iter().collect();
        let group = match (&filter.municipality, filter.category) {
            _ if filter.looks_closer() || period.to < period.from => None,
            (None, None) => Some(0),
            (None, Some(category)) => Some(1 + category as usize),
            (Some(wanted), None) => municipalities.iter().position(|name| name == wanted).map(Self::municipality),
            _ => None,
        };
        Self { municipalities: Some(municipalities), group, ..Self::exact(seen, None, period) }
    }

    fn municipality(position: usize) -> usize {
        1 + PlaceCategory::ALL.len() + position
    }

    fn groups(&self) -> usize {
        self.municipalities.as_ref().map_or(1, |names| Self::municipality(names.len()))
    }

    fn groups_of(&self, stay: &Stay) -> Vec<usize> {
        let (Some(names), Some(place)) = (&self.municipalities, self.places.get(&stay.facility)) else {
            return vec![0];
        };
        let own = names.iter().position(|name| *name == place.facility.municipality);
        [Some(0), Some(1 + stay.category as usize), own.map(Self::municipality)].into_iter().flatten().collect()
    }
}

impl Question<'_> {
    fn is_exact(&self) -> bool {
        self.municipalities.is_none()
    }

    /// The counts of the group asked for, as they may be told.
    fn row(&self, family: &Family) -> Vec<Option<i32>> {
        match self.group {
            None => vec![None; family.values()],
            Some(group) if self.is_exact() => family.cells().swap_remove(group).into_iter().map(Some).collect(),
            Some(group) => family.published().swap_remove(group),
        }
    }

    /// The total of a table, as it may be told.
    fn total(&self, totals: &[i32], row: &[Option<i32>]) -> Count {
        let total = self.group.map(|group| totals[group]);
        if self.is_exact() { total.into() } else { total.and_then(|total| disclosure::total(total, row)).into() }
    }
}

/// The stays that touch the period, and what is counted of the people.
async fn read(desk: &Desk, question: &Question<'_>) -> Result<(Vec<Stay>, HashMap<GuestId, Portrait>)> {
    if question.group.is_none() {
        return Ok(Default::default());
    }
    let scope = Scope {
        facilities: question.places.keys().copied().collect(),
        category: question.category,
        from: question.period.from.begins(),
        until: question.period.to.plus_days(1).begins(),
    };
    let read = async {
        let store = &desk.hub.store;
        let stays: Vec<Stay> = store.stays_within(&scope).await?.try_collect().await?;
        let guests: BTreeSet<GuestId> = stays.iter().map(|stay| stay.guest).collect();
        let portraits = store.portraits(&guests.into_iter().collect::<Vec<_>>()).await?;
        Ok((stays, portraits))
    };
    read.await.map_err(|error| fault(&error))
}

/// Everything counted, by group.
struct Tally<'p> {
    citizenships: Vec<&'p str>,
    by_citizenship: Family,
    by_sex: Family,
    by_age: Family,
    reasons: Family,
    lengths: Family,
    entries: Family,
    exits: Family,
    hosted: Vec<i32>,
    person_days: Vec<i32>,
    /// Days of each stay that ended.
    days: Vec<Vec<i32>>,
}

impl<'p> Tally<'p> {
    fn of(question: &Question<'_>, stays: &[Stay], portraits: &'p HashMap<GuestId, Portrait>) -> Self {
        let citizenships: BTreeSet<&str> = portraits.values().map(|portrait| portrait.citizenship.as_str()).collect();
        let groups = question.groups();
        let months = question.period.months().len();
        let mut tally = Self {
            by_citizenship: Family::new(groups, citizenships.len()),
            citizenships: citizenships.into_iter().collect(),
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
        for stay in stays {
            let groups = question.groups_of(stay);
            tally.movement(question.period, stay, &groups);
            let days = question.period.days_of(stay);
            if days > 0 {
                groups.iter().for_each(|group| tally.person_days[*group] += days);
                people.entry(stay.guest).or_default().extend(groups);
            }
        }
        for (guest, groups) in people {
            tally.person(question.period, portraits.get(&guest), groups);
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
    fn person(&mut self, period: Period, portrait: Option<&Portrait>, groups: BTreeSet<usize>) {
        groups.iter().for_each(|group| self.hosted[*group] += 1);
        let Some(portrait) = portrait else { return };
        let groups: Vec<usize> = groups.into_iter().collect();
        if let Ok(citizenship) = self.citizenships.binary_search(&portrait.citizenship.as_str()) {
            self.by_citizenship.count(groups.clone(), citizenship);
        }
        self.by_sex.count(groups.clone(), SEXES.iter().position(|sex| *sex == portrait.sex).unwrap_or(2));
        self.by_age.count(groups, AgeBand::of(portrait.birth_date.years_until(period.to)) as usize);
    }

    fn answer(&self, question: &Question<'_>) -> Statistics {
        let row = |family: &Family| question.row(family);
        let months = question.period.months().into_iter().zip(row(&self.entries)).zip(row(&self.exits));
        let sexes = row(&self.by_sex);
        let hosted = question.total(&self.hosted, &sexes);
        let person_days = if hosted.suppressed { None.into() } else { question.total(&self.person_days, &[Some(0)]) };
        Statistics {
            from: question.period.from,
            to: question.period.to,
            rounded_to: if question.is_exact() { 1 } else { disclosure::BASE },
            hosted,
            person_days,
            length_of_stay: self.length_of_stay(question),
            exits_by_reason: named(ExitReason::ALL, row(&self.reasons), |reason, count| ExitReasonCount {
                reason,
                count,
            }),
            movements_by_month: months
                .map(|((month, entries), exits)| MonthMovements { month, entries: entries.into(), exits: exits.into() })
                .collect(),
            by_citizenship: self.citizens(question),
            by_sex: named(SEXES, sexes, |sex, count| SexCount { sex, count }),
            by_age_band: named(AgeBand::ALL, row(&self.by_age), |band, count| AgeBandCount { band, count }),
        }
    }

    fn length_of_stay(&self, question: &Question<'_>) -> LengthOfStay {
        let lengths = question.row(&self.lengths);
        let ended: Vec<i32> = self.days.iter().map(|days| i32::try_from(days.len()).unwrap_or(i32::MAX)).collect();
        let exits = question.total(&ended, &lengths);
        let days = question.group.filter(|_| !exits.suppressed).map_or(&[][..], |group| &self.days[group]);
        let told = |days: Option<f64>| days.map(|days| if question.is_exact() { days } else { days.round() });
        LengthOfStay {
            exits,
            mean_days: told(mean(days)),
            median_days: told(median(days)),
            bands: named(LengthBand::ALL, lengths, |band, count| LengthBandCount { band, count }),
        }
    }

    /// Those that are shown and not empty, and all suppressed ones together, without naming them.
    fn citizens(&self, question: &Question<'_>) -> Vec<CitizenshipCount> {
        let row = question.row(&self.by_citizenship);
        let hidden = question.group.is_none() || row.iter().any(Option::is_none);
        let rest = hidden.then_some(CitizenshipCount { citizenship: None, count: None.into() });
        let shown = self.citizenships.iter().zip(row).filter(|(_, count)| count.is_some_and(|count| count > 0));
        let named = |(citizenship, count): (&&str, Option<i32>)| CitizenshipCount {
            citizenship: Some((*citizenship).to_owned()),
            count: count.into(),
        };
        shown.map(named).chain(rest).collect()
    }
}

fn named<K, T>(keys: impl IntoIterator<Item = K>, row: Vec<Option<i32>>, with: impl Fn(K, Count) -> T) -> Vec<T> {
    keys.into_iter().zip(row).map(|(key, count)| with(key, count.into())).collect()
}

fn mean(days: &[i32]) -> Option<f64> {
    let sum: f64 = days.iter().map(|days| f64::from(*days)).sum();
    (!days.is_empty()).then(|| sum / days.len() as f64)
}

fn median(days: &[i32]) -> Option<f64> {
    let mut days = days.to_vec();
    days.sort_unstable();
    let middle = |at: usize| days.get(at).map(|days| f64::from(*days));
    match days.len() {
        0 => None,
        odd if odd % 2 == 1 => middle(odd / 2),
        even => Some((middle(even / 2 - 1)? + middle(even / 2)?) / 2.0),
    }
}
