//! Statistics: people and stays, counted.
//!
//! A period is made of whole days in Europe/Rome, the last included. Whoever had a place on at least one of its days
//! was *hosted* in it, and is counted once however often they came. A day of arrival counts as a day of presence, a day
//! of departure does not, unless it is the same (DOMAIN 8).

use async_graphql::{Enum, SimpleObject};

use crate::{
    Day, ExitReason,
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

/// How many. Of persons that the viewer may not see, multiples of five are told, and nothing of fewer than five people.
#[derive(SimpleObject, Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many; null where it is suppressed.
    #[graphql(directive = data_class::apply(Operational))]
    pub count: Option<i32>,
    /// Left out, because it is from 1 to 4, would tell such a number by subtraction, or is a zero beside one left out.
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
    /// ISO 3166-1 alpha-3, the first where somebody has several; null for all suppressed ones together, which are not named.
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
    /// Age on the last day of the period.
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
    /// Their mean length in days; null when there are none, or suppressed. Of persons that the viewer may not see, in
    /// whole days, of more than twenty stays as published, and not together with others.
    #[graphql(directive = data_class::apply(Operational))]
    pub mean_days: Option<f64>,
    /// Their median length in days; null when there are none, or suppressed. Of persons that the viewer may not see, in
    /// whole days, of more than twenty stays as published, and not together with others.
    #[graphql(directive = data_class::apply(Operational))]
    pub median_days: Option<f64>,
    /// Their lengths by band.
    #[graphql(directive = data_class::apply(Operational))]
    pub bands: Vec<LengthBandCount>,
}

/// People and stays of a period, counted. Only facilities that the viewer sees are counted.
///
/// Whoever may see the persons of all these facilities is told exact numbers. Everybody else is told multiples of five;
/// cells from 1 to 4, and as many others as it takes to prevent their being told by subtraction, are suppressed, zeros
/// beside them included; the period is taken to whole calendar months that are over; and nothing is told closer than one
/// municipality or one category. Whoever may see the persons of some facilities is told their exact numbers together
/// with those of the others, protected in this way: what is suppressed of the others is suppressed as a whole, and
/// somebody who was in both is counted in both.
#[derive(SimpleObject, Clone, Debug)]
pub struct Statistics {
    /// First day that is counted.
    #[graphql(directive = data_class::apply(Operational))]
    pub from: Day,
    /// Last day that is counted.
    #[graphql(directive = data_class::apply(Operational))]
    pub to: Day,
    /// What may not be told exactly is rounded to multiples of this: 1 when all is exact.
    #[graphql(directive = data_class::apply(Operational))]
    pub rounded_to: i32,
    /// People who had a place on at least one day.
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
    /// People hosted by citizenship, in the order of the codes.
    #[graphql(directive = data_class::apply(Operational))]
    pub by_citizenship: Vec<CitizenshipCount>,
    /// People hosted by sex.
    #[graphql(directive = data_class::apply(Operational))]
    pub by_sex: Vec<SexCount>,
    /// People hosted by age.
    #[graphql(directive = data_class::apply(Operational))]
    pub by_age_band: Vec<AgeBandCount>,
}

/// What of a person is counted. No name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Portrait {
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
