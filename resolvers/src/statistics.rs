//! Statistics: who is counted, for whom, and how exactly. How counts are kept from telling persons is the affair of
//! [`tavolo_schema::disclosure`].

mod tally;

use std::collections::BTreeSet;

use async_graphql::{Context, Object, Result};
use tavolo_schema::{
    DataClass, Day, ExitReason, PlaceCategory, Stay,
    access::{DataClass::Operational, data_class},
    disclosure::{self, Family},
    statistics::{
        AgeBand, AgeBandCount, CitizenshipCount, Count, ExitReasonCount, LengthBand, LengthBandCount, LengthOfStay,
        MonthMovements, SexCount, Statistics,
    },
};
use tavolo_subscriptions::Place;

use self::tally::{Found, Period, Places, Tally, WHOLE, mean, median};
pub(crate) use self::tally::{LONGEST, SEXES};
use crate::{
    error::{bad_request, fault},
    gate,
    graph::{Desk, desk},
    occupancy::OccupancyFilter,
};

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
    let period = Period::of(from, to.min(sheet.today))?;
    let persons = |place: &Place| sheet.sight(place.facility.party()).contains(DataClass::Identity);
    let seen = || sheet.places(None).map(AsRef::as_ref);
    let (known, others): (Vec<&Place>, Vec<&Place>) =
        seen().filter(|place| filter.wants_place(place)).partition(|place| persons(place));
    let question = match (known.is_empty(), others.is_empty()) {
        (true, true) => return Ok(None),
        (false, true) => Question::exact(known, filter.category, period),
        // Of the others everything counts, whatever was asked: what is left out of one group depends on all.
        _ => {
            let others = seen().filter(|place| !persons(place)).collect();
            Question::protected(known, others, filter, period.whole_months(sheet))
        }
    };
    Ok(Some(Answer::read(desk, &question).await?.told()))
}

fn by_id(places: Vec<&Place>) -> Places<'_> {
    places.into_iter().map(|place| (place.facility.id, place)).collect()
}

/// What is counted exactly, and what is counted beside it in groups of which one was asked for.
struct Question<'b> {
    /// Facilities asked about whose persons the viewer sees.
    known: Places<'b>,
    category: Option<PlaceCategory>,
    /// All other facilities the viewer sees, when some of them were asked about.
    others: Places<'b>,
    /// Their municipalities, groups of their own.
    municipalities: Vec<&'b str>,
    /// The group of the others that was asked for; none when it is closer than may be told.
    group: Option<usize>,
    period: Period,
}

impl<'b> Question<'b> {
    fn exact(known: Vec<&'b Place>, category: Option<PlaceCategory>, period: Period) -> Self {
        Self {
            known: by_id(known),
            category,
            others: Places::new(),
            municipalities: Vec::new(),
            group: Some(WHOLE),
            period,
        }
    }

    /// The groups are the whole, each category and each municipality.
    fn protected(known: Vec<&'b Place>, others: Vec<&'b Place>, filter: &OccupancyFilter, period: Period) -> Self {
        let names: BTreeSet<&str> = others.iter().map(|place| place.facility.municipality.as_str()).collect();
        let municipalities: Vec<&str> = names.into_iter().collect();
        let group = match (&filter.municipality, filter.category) {
            _ if filter.looks_closer() || period.to < period.from => None,
            (None, None) => Some(WHOLE),
            (None, Some(category)) => Some(1 + category as usize),
            (Some(wanted), None) => municipalities.iter().position(|name| name == wanted).map(Self::municipality),
            _ => None,
        };
        Self { others: by_id(others), municipalities, group, ..Self::exact(known, filter.category, period) }
    }

    fn municipality(position: usize) -> usize {
        1 + PlaceCategory::ALL.len() + position
    }

    fn groups(&self) -> usize {
        Self::municipality(self.municipalities.len())
    }

    /// The groups of the others that a stay is counted in.
    fn groups_of(&self, stay: &Stay) -> Vec<usize> {
        let name = self.others.get(&stay.facility).map(|place| place.facility.municipality.as_str());
        let own = self.municipalities.iter().position(|municipality| Some(*municipality) == name);
        [Some(WHOLE), Some(1 + stay.category as usize), own.map(Self::municipality)].into_iter().flatten().collect()
    }

    fn is_exact(&self) -> bool {
        self.others.is_empty()
    }
}

/// What was counted for a question: exactly, and of the others.
struct Answer<'q> {
    question: &'q Question<'q>,
    citizenships: Vec<String>,
    known: Tally,
    others: Tally,
}

impl<'q> Answer<'q> {
    async fn read(desk: &Desk, question: &'q Question<'q>) -> Result<Self> {
        let period = question.period;
        let (known, others) = if question.group.is_none() {
            (Found::default(), Found::default())
        } else {
            futures_util::try_join!(
                Found::read(desk, &question.known, question.category, period),
                Found::read(desk, &question.others, None, period),
            )
            .map_err(|error| fault(&error))?
        };
        let portraits = known.portraits.values().chain(others.portraits.values());
        let citizenships: BTreeSet<String> = portraits.map(|portrait| portrait.citizenship.clone()).collect();
        let citizenships: Vec<String> = citizenships.into_iter().collect();
        Ok(Self {
            known: Tally::of(&known, &citizenships, period, 1, |_| vec![WHOLE]),
            others: Tally::of(&others, &citizenships, period, question.groups(), |stay| question.groups_of(stay)),
            question,
            citizenships,
        })
    }

    /// A table, as it may be told.
    fn row(&self, family: fn(&Tally) -> &Family) -> Vec<Option<i32>> {
        let known = family(&self.known).cells().swap_remove(WHOLE);
        match self.question.group {
            None => vec![None; known.len()],
            Some(group) => {
                let others = family(&self.others).published().swap_remove(group);
                known.into_iter().zip(others).map(|(known, others)| disclosure::beside(known, others)).collect()
            }
        }
    }

    /// The total of a table, as it may be told.
    fn total(&self, of: fn(&Tally, usize) -> i32) -> Count {
        let others = self.question.group.and_then(|group| disclosure::total(of(&self.others, group)));
        disclosure::beside(of(&self.known, WHOLE), others).into()
    }

    fn told(&self) -> Statistics {
        let Period { from, to } = self.question.period;
        let entries = self.row(|tally| &tally.entries);
        let months = self.question.period.months().into_iter().zip(entries).zip(self.row(|tally| &tally.exits));
        let hosted = self.total(|tally, group| tally.hosted[group]);
        let person_days = self.total(|tally, group| tally.person_days[group]);
        Statistics {
            from,
            to,
            rounded_to: if self.question.is_exact() { 1 } else { disclosure::BASE },
            hosted,
            person_days: if hosted.suppressed { None.into() } else { person_days },
            length_of_stay: self.length_of_stay(),
            exits_by_reason: named(ExitReason::ALL, self.row(|tally| &tally.reasons), |reason, count| {
                ExitReasonCount { reason, count }
            }),
            movements_by_month: months
                .map(|((month, entries), exits)| MonthMovements { month, entries: entries.into(), exits: exits.into() })
                .collect(),
            by_citizenship: self.citizens(),
            by_sex: named(SEXES, self.row(|tally| &tally.by_sex), |sex, count| SexCount { sex, count }),
            by_age_band: named(AgeBand::ALL, self.row(|tally| &tally.by_age), |band, count| AgeBandCount {
                band,
                count,
            }),
        }
    }

    fn length_of_stay(&self) -> LengthOfStay {
        let days = self.averaged();
        let told = |days: Option<f64>| days.map(|days| if self.question.is_exact() { days } else { days.round() });
        LengthOfStay {
            exits: self.total(Tally::ended),
            mean_days: told(mean(days)),
            median_days: told(median(days)),
            bands: named(LengthBand::ALL, self.row(|tally| &tally.lengths), |band, count| LengthBandCount {
                band,
                count,
            }),
        }
    }

    /// Days of the stays that mean and median are told of: known ones, or enough others, never both together.
    fn averaged(&self) -> &[i32] {
        let known = &self.known.days[WHOLE];
        match self.question.group.map(|group| (&self.others.days[group], self.others.ended(group))) {
            Some((_, 0)) => known,
            Some((others, ended)) if known.is_empty() && disclosure::averaged(ended) => others,
            _ => &[],
        }
    }

    /// Those that are shown and not empty, and all suppressed ones together, without naming them.
    fn citizens(&self) -> Vec<CitizenshipCount> {
        let row = self.row(|tally| &tally.by_citizenship);
        let hidden = self.question.group.is_none() || row.iter().any(Option::is_none);
        let rest = hidden.then_some(CitizenshipCount { citizenship: None, count: None.into() });
        let shown = self.citizenships.iter().zip(row).filter(|(_, count)| count.is_some_and(|count| count > 0));
        let named = |(citizenship, count): (&String, Option<i32>)| CitizenshipCount {
            citizenship: Some(citizenship.clone()),
            count: count.into(),
        };
        shown.map(named).chain(rest).collect()
    }
}

fn named<K, T>(keys: impl IntoIterator<Item = K>, row: Vec<Option<i32>>, with: impl Fn(K, Count) -> T) -> Vec<T> {
    keys.into_iter().zip(row).map(|(key, count)| with(key, count.into())).collect()
}
