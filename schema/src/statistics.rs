//! Statistics: people and stays, counted.
//!
//! A period is made of whole days in Europe/Rome, the last included. Whoever had a place on at least one of its days
//! was *hosted* in it, and is counted once however often they came. A day of arrival counts as a day of presence, a day
//! of departure does not, unless it is the same.

use async_graphql::{Enum, SimpleObject};

use crate::{
    DateTime, Day, ExitReason,
    access::{DataClass::Operational, data_class},
    guest::Sex,
};

/// Age on the last day of the period, in the bands of the Central Service's reports.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AgeBand {
    /// Up to 5 years.
    #[graphql(name = "FROM_0_TO_5")]
    From0To5,
    /// 6 to 13 years.
    #[graphql(name = "FROM_6_TO_13")]
    From6To13,
    /// 14 to 17 years.
    #[graphql(name = "FROM_14_TO_17")]
    From14To17,
    /// 18 to 25 years.
    #[graphql(name = "FROM_18_TO_25")]
    From18To25,
    /// 26 to 40 years.
    #[graphql(name = "FROM_26_TO_40")]
    From26To40,
    /// 41 to 60 years.
    #[graphql(name = "FROM_41_TO_60")]
    From41To60,
    /// 61 years or more.
    #[graphql(name = "FROM_61")]
    From61,
}

impl AgeBand {
    /// Every band, the youngest first.
    pub const ALL: [Self; 7] = [
        Self::From0To5,
        Self::From6To13,
        Self::From14To17,
        Self::From18To25,
        Self::From26To40,
        Self::From41To60,
        Self::From61,
    ];

    /// The band of somebody so many years old.
    #[must_use]
    pub fn of(years: i16) -> Self {
        match years {
            ..=5 => Self::From0To5,
            6..=13 => Self::From6To13,
            14..=17 => Self::From14To17,
            18..=25 => Self::From18To25,
            26..=40 => Self::From26To40,
            41..=60 => Self::From41To60,
            _ => Self::From61,
        }
    }
}

/// How long a stay lasted, in calendar months.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LengthBand {
    /// Less than 6 months.
    Under6Months,
    /// From 6 months to less than 12.
    #[graphql(name = "FROM_6_TO_12_MONTHS")]
    From6To12Months,
    /// From 12 months to less than 24.
    #[graphql(name = "FROM_12_TO_24_MONTHS")]
    From12To24Months,
    /// 24 months or more.
    #[graphql(name = "FROM_24_MONTHS")]
    From24Months,
}

impl LengthBand {
    /// Every band, the shortest first.
    pub const ALL: [Self; 4] = [Self::Under6Months, Self::From6To12Months, Self::From12To24Months, Self::From24Months];

    /// The band of a stay from one day to another.
    #[must_use]
    pub fn of(entry: Day, exit: Day) -> Self {
        let reached = |months: i32| entry.plus_months(months) <= exit;
        match (reached(6), reached(12), reached(24)) {
            (false, ..) => Self::Under6Months,
            (_, false, _) => Self::From6To12Months,
            (.., false) => Self::From12To24Months,
            _ => Self::From24Months,
        }
    }
}

/// How many. In a published table, a multiple of five.
#[derive(SimpleObject, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many; null where it is suppressed.
    #[graphql(directive = data_class::apply(Operational))]
    pub count: Option<i32>,
    /// Left out of a published table: it may be nobody or a few, or it is not told of so few people, or of a part.
    #[graphql(directive = data_class::apply(Operational))]
    pub suppressed: bool,
}

impl From<Option<i32>> for Count {
    fn from(count: Option<i32>) -> Self {
        Self { count, suppressed: count.is_none() }
    }
}

/// People of one citizenship.
#[derive(SimpleObject, Clone, Debug)]
pub struct CitizenshipCount {
    /// ISO 3166-1 alpha-3, the first where somebody has several; null for all others together, which are not named.
    #[graphql(directive = data_class::apply(Operational))]
    pub citizenship: Option<String>,
    /// How many.
    #[graphql(flatten)]
    pub count: Count,
}

/// People of one sex.
#[derive(SimpleObject, Clone, Debug)]
pub struct SexCount {
    /// As on the residence permit.
    #[graphql(directive = data_class::apply(Operational))]
    pub sex: Sex,
    /// How many.
    #[graphql(flatten)]
    pub count: Count,
}

/// People of one age.
#[derive(SimpleObject, Clone, Debug)]
pub struct AgeBandCount {
    /// Age on the last day of the period; of arrivals, on the day of arrival.
    #[graphql(directive = data_class::apply(Operational))]
    pub band: AgeBand,
    /// How many.
    #[graphql(flatten)]
    pub count: Count,
}

/// Exits for one reason.
#[derive(SimpleObject, Clone, Debug)]
pub struct ExitReasonCount {
    /// Why.
    #[graphql(directive = data_class::apply(Operational))]
    pub reason: ExitReason,
    /// How many.
    #[graphql(flatten)]
    pub count: Count,
}

/// Exits after stays of one length.
#[derive(SimpleObject, Clone, Debug)]
pub struct LengthBandCount {
    /// How long the stay lasted.
    #[graphql(directive = data_class::apply(Operational))]
    pub band: LengthBand,
    /// How many.
    #[graphql(flatten)]
    pub count: Count,
}

/// Arrivals and departures of one calendar month, as far as it lies in the period.
#[derive(SimpleObject, Clone, Debug)]
pub struct MonthMovements {
    /// First day of the month.
    #[graphql(directive = data_class::apply(Operational))]
    pub month: Day,
    /// Guests who arrived.
    #[graphql(directive = data_class::apply(Operational))]
    pub entries: Count,
    /// Guests who left.
    #[graphql(directive = data_class::apply(Operational))]
    pub exits: Count,
}

/// How long the stays lasted that ended in the period, from the day of arrival to the day of departure.
#[derive(SimpleObject, Clone, Debug)]
pub struct LengthOfStay {
    /// Stays that ended.
    #[graphql(directive = data_class::apply(Operational))]
    pub exits: Count,
    /// Their mean length in days; null when there are none. In a published table, an estimate from the bands, in whole
    /// days, told of more than twenty stays.
    #[graphql(directive = data_class::apply(Operational))]
    pub mean_days: Option<f64>,
    /// Their median length in days; null when there are none. In a published table, an estimate from the bands, in whole
    /// days, told of more than twenty stays.
    #[graphql(directive = data_class::apply(Operational))]
    pub median_days: Option<f64>,
    /// Their lengths by band.
    #[graphql(directive = data_class::apply(Operational))]
    pub bands: Vec<LengthBandCount>,
}

/// People and stays of a period, counted.
///
/// Whoever may see the persons of all facilities asked about that they see is told exact numbers, of any period.
///
/// Everybody else is told what is published: one table for each half of a calendar year, from thirty days after its end
/// on, the same for everybody. It is made once, at `madeAt`; what is entered or corrected later does not change it. A year
/// is its two halves, added. Totals are rounded down to multiples of five and told of the whole, of each category and of
/// each municipality; what people are like and why they left is told of the whole alone, each count moved at random by at
/// most five (in a year by ten) to a multiple of five. What comes out as zero is suppressed: it may be a few. People
/// are counted once for each stay, and those who are present are not described, only those who arrive.
#[derive(SimpleObject, Clone, Debug)]
pub struct Statistics {
    /// First day that is counted.
    #[graphql(directive = data_class::apply(Operational))]
    pub from: Day,
    /// Last day that is counted.
    #[graphql(directive = data_class::apply(Operational))]
    pub to: Day,
    /// What may not be told exactly is a multiple of this: 1 when all is exact.
    #[graphql(directive = data_class::apply(Operational))]
    pub rounded_to: i32,
    /// When the published table was made, of a year the later of the two; null when the numbers are exact.
    #[graphql(directive = data_class::apply(Operational))]
    pub made_at: Option<DateTime>,
    /// People who had a place on at least one day. In a published table, somebody who came twice is counted twice.
    #[graphql(directive = data_class::apply(Operational))]
    pub hosted: Count,
    /// Days of presence of all of them: the day of arrival counts, the day of departure does not.
    #[graphql(directive = data_class::apply(Operational))]
    pub person_days: Count,
    /// How long the stays lasted that ended.
    #[graphql(directive = data_class::apply(Operational))]
    pub length_of_stay: LengthOfStay,
    /// Exits by reason, every reason.
    #[graphql(directive = data_class::apply(Operational))]
    pub exits_by_reason: Vec<ExitReasonCount>,
    /// Arrivals and departures, every month of the period in order.
    #[graphql(directive = data_class::apply(Operational))]
    pub movements_by_month: Vec<MonthMovements>,
    /// People hosted by citizenship, in the order of the codes. Not published.
    #[graphql(directive = data_class::apply(Operational))]
    pub by_citizenship: Vec<CitizenshipCount>,
    /// People hosted by sex. Not published.
    #[graphql(directive = data_class::apply(Operational))]
    pub by_sex: Vec<SexCount>,
    /// People hosted by age. Not published.
    #[graphql(directive = data_class::apply(Operational))]
    pub by_age_band: Vec<AgeBandCount>,
    /// Arrivals by citizenship, in the order of the codes. A published table names the same fifteen countries each time,
    /// as far as they are not suppressed.
    #[graphql(directive = data_class::apply(Operational))]
    pub arrivals_by_citizenship: Vec<CitizenshipCount>,
    /// Arrivals by sex.
    #[graphql(directive = data_class::apply(Operational))]
    pub arrivals_by_sex: Vec<SexCount>,
    /// Arrivals by age.
    #[graphql(directive = data_class::apply(Operational))]
    pub arrivals_by_age_band: Vec<AgeBandCount>,
}

/// Every sex, in the order they are shown in.
pub const SEXES: [Sex; 3] = [Sex::F, Sex::M, Sex::X];

/// A count for each value, in the order they are shown in; `None` where it is left out.
pub type Cells = Vec<Option<i32>>;

/// A count for each citizenship; all others together without a name.
pub type Citizens = Vec<(Option<String>, Option<i32>)>;

/// What people are like.
#[derive(Clone, Debug)]
pub struct Composition {
    /// By citizenship.
    pub citizens: Citizens,
    /// By sex, as [`SEXES`].
    pub sexes: Cells,
    /// By age, as [`AgeBand::ALL`].
    pub ages: Cells,
}

impl Composition {
    /// Nothing of it is told.
    #[must_use]
    pub fn untold() -> Self {
        Self { citizens: vec![(None, None)], sexes: vec![None; SEXES.len()], ages: vec![None; AgeBand::ALL.len()] }
    }
}

/// The numbers of a period, before they are shown.
#[derive(Clone, Debug)]
pub struct Figures {
    /// First day that is counted.
    pub from: Day,
    /// Last day that is counted.
    pub to: Day,
    /// Everything is a multiple of this.
    pub rounded_to: i32,
    /// When it was published.
    pub made_at: Option<DateTime>,
    /// People hosted.
    pub hosted: Option<i32>,
    /// Days of presence.
    pub person_days: Option<i32>,
    /// Departures.
    pub exits: Option<i32>,
    /// Mean length of stay in days.
    pub mean_days: Option<f64>,
    /// Median length of stay in days.
    pub median_days: Option<f64>,
    /// Departures by length of stay, as [`LengthBand::ALL`].
    pub lengths: Cells,
    /// Departures by reason, as [`ExitReason::ALL`].
    pub reasons: Cells,
    /// First day of each month, arrivals and departures.
    pub months: Vec<(Day, Option<i32>, Option<i32>)>,
    /// What those are like who were hosted.
    pub hosted_by: Composition,
    /// What those are like who arrived.
    pub arrived_by: Composition,
}

impl From<Figures> for Statistics {
    fn from(figures: Figures) -> Self {
        let citizens = |citizens: Citizens| {
            let shown = citizens.into_iter();
            shown.map(|(citizenship, count)| CitizenshipCount { citizenship, count: count.into() }).collect()
        };
        let sexes = |cells| named(SEXES, cells, |sex, count| SexCount { sex, count });
        let ages = |cells| named(AgeBand::ALL, cells, |band, count| AgeBandCount { band, count });
        let month = |(month, entries, exits): (Day, Option<i32>, Option<i32>)| MonthMovements {
            month,
            entries: entries.into(),
            exits: exits.into(),
        };
        Self {
            from: figures.from,
            to: figures.to,
            rounded_to: figures.rounded_to,
            made_at: figures.made_at,
            hosted: figures.hosted.into(),
            person_days: figures.person_days.into(),
            length_of_stay: LengthOfStay {
                exits: figures.exits.into(),
                mean_days: figures.mean_days,
                median_days: figures.median_days,
                bands: named(LengthBand::ALL, figures.lengths, |band, count| LengthBandCount { band, count }),
            },
            exits_by_reason: named(ExitReason::ALL, figures.reasons, |reason, count| ExitReasonCount { reason, count }),
            movements_by_month: figures.months.into_iter().map(month).collect(),
            by_citizenship: citizens(figures.hosted_by.citizens),
            by_sex: sexes(figures.hosted_by.sexes),
            by_age_band: ages(figures.hosted_by.ages),
            arrivals_by_citizenship: citizens(figures.arrived_by.citizens),
            arrivals_by_sex: sexes(figures.arrived_by.sexes),
            arrivals_by_age_band: ages(figures.arrived_by.ages),
        }
    }
}

fn named<K, T>(keys: impl IntoIterator<Item = K>, cells: Cells, with: impl Fn(K, Count) -> T) -> Vec<T> {
    keys.into_iter().zip(cells).map(|(key, count)| with(key, count.into())).collect()
}

/// What of a person is counted. No name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GuestDemographics {
    /// Sex.
    pub sex: Sex,
    /// Birth date.
    pub birth_date: Day,
    /// The first citizenship, ISO 3166-1 alpha-3.
    pub citizenship: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_counted_in_calendar_months() {
        let band = |entry: &str, exit: &str| LengthBand::of(entry.parse().unwrap(), exit.parse().unwrap());
        assert_eq!(band("2026-01-31", "2026-07-30"), LengthBand::Under6Months);
        assert_eq!(band("2026-01-31", "2026-07-31"), LengthBand::From6To12Months);
        assert_eq!(band("2025-01-31", "2026-01-31"), LengthBand::From12To24Months);
        assert_eq!(band("2024-02-29", "2026-02-28"), LengthBand::From24Months);
    }

    #[test]
    fn every_age_has_the_band_that_names_it() {
        let bands = [0, 5, 6, 13, 14, 17, 18, 25, 26, 40, 41, 60, 61, 99].map(AgeBand::of);
        let expected: Vec<AgeBand> = AgeBand::ALL.into_iter().flat_map(|band| [band, band]).collect();
        assert_eq!(bands.as_slice(), expected);
    }
}
