//! Fixed periods: calendar years and their halves, of which statistics are published.

use std::{fmt, str::FromStr};

use jiff::civil::Date;

use crate::Day;

/// A table is made so many days after the end of its half-year at the earliest: what is registered late is in it.
pub const SETTLING_DAYS: i32 = 30;

/// So many half-years back tables are made.
const REACH: usize = 20;

/// Half of a calendar year, by its first day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct HalfYear(Day);

impl HalfYear {
    /// The one that a day is in.
    #[must_use]
    pub fn of(day: Day) -> Self {
        let first = if day.0.month() <= 6 { 1 } else { 7 };
        Self(Day(Date::new(day.0.year(), first, 1).unwrap_or(day.0)))
    }

    /// Its first day.
    #[must_use]
    pub fn from(self) -> Day {
        self.0
    }

    /// Its last day.
    #[must_use]
    pub fn to(self) -> Day {
        self.0.plus_months(6).plus_days(-1)
    }

    /// The one so many later, or earlier when negative.
    #[must_use]
    pub fn plus(self, halves: i32) -> Self {
        Self(self.0.plus_months(6 * halves))
    }

    /// The first days of its months.
    #[must_use]
    pub fn months(self) -> [Day; 6] {
        [0, 1, 2, 3, 4, 5].map(|months| self.0.plus_months(months))
    }

    fn is_first(self) -> bool {
        self.0.0.month() == 1
    }
}

/// As it is kept: `2026-H1`.
impl fmt::Display for HalfYear {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-H{}", self.0.0.year(), if self.is_first() { 1 } else { 2 })
    }
}

impl FromStr for HalfYear {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let (year, half) = text.split_once("-H").ok_or(())?;
        let month = match half {
            "1" => 1,
            "2" => 7,
            _ => return Err(()),
        };
        let first = Date::new(year.parse().map_err(drop)?, month, 1).map_err(drop)?;
        Ok(Self(Day(first)))
    }
}

/// A calendar year, or half of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FixedPeriod {
    first: HalfYear,
    last: HalfYear,
}

impl FixedPeriod {
    /// The one from a day to another, the last included.
    #[must_use]
    pub fn between(from: Day, to: Day) -> Option<Self> {
        let period = Self { first: HalfYear::of(from), last: HalfYear::of(to) };
        let year = period.first.is_first() && period.last == period.first.plus(1);
        ((period.first == period.last || year) && (period.from(), period.to()) == (from, to)).then_some(period)
    }

    /// Its halves, in order.
    #[must_use]
    pub fn halves(self) -> Vec<HalfYear> {
        if self.first == self.last { vec![self.first] } else { vec![self.first, self.last] }
    }

    /// Its first day.
    #[must_use]
    pub fn from(self) -> Day {
        self.first.from()
    }

    /// Its last day.
    #[must_use]
    pub fn to(self) -> Day {
        self.last.to()
    }

    /// The first day on which it is told.
    #[must_use]
    pub fn told_from(self) -> Day {
        self.to().plus_days(SETTLING_DAYS)
    }

    /// Every one that is told on a day, the latest first.
    #[must_use]
    pub fn told_on(day: Day) -> Vec<Self> {
        let latest = HalfYear::of(day.plus_days(1 - SETTLING_DAYS)).plus(-1);
        let halves = (0..).take(REACH).map(|back| latest.plus(-back));
        let year = |half: HalfYear| (!half.is_first()).then(|| Self { first: half.plus(-1), last: half });
        halves.flat_map(|half| year(half).into_iter().chain([Self { first: half, last: half }])).collect()
    }

    /// The two that are nearest to a time, of those that are told on a day.
    #[must_use]
    pub fn nearest(from: Day, to: Day, today: Day) -> Vec<Self> {
        let mut told = Self::told_on(today);
        told.sort_by_key(|period| {
            period.from().days_until(from).abs().saturating_add(period.to().days_until(to).abs())
        });
        told.truncate(2);
        told
    }
}

impl fmt::Display for FixedPeriod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} to {}", self.from(), self.to())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    fn between(from: &str, to: &str) -> Option<String> {
        let period = FixedPeriod::between(day(from), day(to))?;
        Some(period.halves().iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn a_year_and_its_halves_are_fixed_periods_and_nothing_else_is() {
        assert_eq!(between("2026-01-01", "2026-06-30").unwrap(), "2026-H1");
        assert_eq!(between("2026-07-01", "2026-12-31").unwrap(), "2026-H2");
        assert_eq!(between("2024-01-01", "2024-12-31").unwrap(), "2024-H1 2024-H2");
        for (from, to) in [
            ("2026-01-01", "2026-06-29"),
            ("2026-01-02", "2026-06-30"),
            ("2025-07-01", "2026-06-30"),
            ("2025-01-01", "2026-12-31"),
            ("2026-07-01", "2026-06-30"),
        ] {
            assert_eq!(between(from, to), None, "{from} {to}");
        }
    }

    #[test]
    fn a_half_year_is_told_when_late_entries_are_in_and_for_ten_years() {
        let latest = |today: &str| FixedPeriod::told_on(day(today))[0].to_string();
        assert_eq!(latest("2026-07-29"), "2025-01-01 to 2025-12-31");
        assert_eq!(latest("2026-07-30"), "2026-01-01 to 2026-06-30");
        assert_eq!(latest("2027-01-29"), "2026-01-01 to 2026-06-30");
        assert_eq!(latest("2027-01-30"), "2026-01-01 to 2026-12-31");
        let told = FixedPeriod::told_on(day("2026-11-23"));
        assert_eq!(told.last().unwrap().to_string(), "2016-07-01 to 2016-12-31");
        assert!(told.iter().all(|period| period.told_from() <= day("2026-11-23")));
    }

    #[test]
    fn the_nearest_periods_are_told_already() {
        let nearest = |from, to| {
            let nearest = FixedPeriod::nearest(day(from), day(to), day("2026-11-23"));
            nearest.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
        };
        assert_eq!(nearest("2026-02-01", "2026-07-15"), "2026-01-01 to 2026-06-30, 2025-07-01 to 2025-12-31");
        assert_eq!(nearest("2025-01-01", "2025-11-30"), "2025-01-01 to 2025-12-31, 2025-01-01 to 2025-06-30");
        assert_eq!(nearest("2026-10-01", "2026-10-31"), "2026-01-01 to 2026-06-30, 2025-07-01 to 2025-12-31");
    }

    #[test]
    fn a_half_year_is_kept_by_its_name() {
        for name in ["2026-H1", "1999-H2"] {
            assert_eq!(name.parse::<HalfYear>().unwrap().to_string(), name);
        }
        assert!(["2026", "2026-H3", "-H1", "year-H1"].iter().all(|name| name.parse::<HalfYear>().is_err()));
    }
}
