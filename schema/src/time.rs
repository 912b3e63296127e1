//! Instants and days.
//!
//! Instants are UTC with millisecond precision, which is what the database keeps. Days are civil
//! days in Europe/Rome, because the law counts in them.

use std::{fmt, str::FromStr, sync::Arc};

use async_graphql::{InputType, InputValueError, InputValueResult, Scalar, ScalarType, Value};
use jiff::{Timestamp, ToSpan, civil::Date, civil::Weekday, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// An instant in UTC, to the millisecond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct DateTime(Timestamp);

impl DateTime {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(Timestamp::UNIX_EPOCH);

    /// Takes an instant and drops what is finer than a millisecond.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self::from_millis(at.as_millisecond()).unwrap_or(Self(at))
    }

    /// The instant so many milliseconds after 1970-01-01T00:00:00Z; `None` outside the years -9999 to 9999.
    #[must_use]
    pub fn from_millis(millis: i64) -> Option<Self> {
        Timestamp::from_millisecond(millis).ok().map(Self)
    }

    /// Milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn millis(self) -> i64 {
        self.0.as_millisecond()
    }

    /// The instant so many milliseconds later, or earlier when negative; the same beyond the calendar.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self::from_millis(self.millis().saturating_add(millis)).unwrap_or(self)
    }

    /// The instant as the date library knows it.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        self.0
    }

    /// The civil day in Europe/Rome that contains this instant.
    #[must_use]
    pub fn day(self) -> Day {
        Day(self.in_rome().date())
    }

    /// What calendar and clock in Rome show at this instant.
    #[must_use]
    pub fn in_rome(self) -> jiff::civil::DateTime {
        rome().to_datetime(self.0)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.3}", self.0)
    }
}

impl FromStr for DateTime {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self::new)
    }
}

/// An instant as in RFC 3339, in UTC with milliseconds: `2026-11-23T08:30:00.000Z`. Input may carry
/// any offset.
#[Scalar(name = "DateTime", specified_by_url = "https://scalars.graphql.org/andimarek/date-time")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        parse_text(value, "an RFC 3339 instant such as 2026-11-23T08:30:00Z")
    }
    fn is_valid(value: &Value) -> bool {
        <Self as ScalarType>::parse(value.clone()).is_ok()
    }
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// A civil day in Europe/Rome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Day(pub Date);

impl Day {
    /// The first instant of the day in Europe/Rome.
    #[must_use]
    pub fn begins(self) -> DateTime {
        let midnight = self.0.to_zoned(rome());
        DateTime::new(midnight.map_or(Timestamp::MAX, |midnight| midnight.timestamp()))
    }

    /// The day so many days later, or earlier when negative; the last (first) representable day beyond the calendar.
    #[must_use]
    pub fn plus_days(self, days: i32) -> Self {
        Self(self.0.saturating_add(days.days()))
    }

    /// The day so many months later; the last day of the month where the number does not exist.
    #[must_use]
    pub fn plus_months(self, months: i32) -> Self {
        Self(self.0.saturating_add(months.months()))
    }

    /// Days from this day until `other`; negative when `other` is earlier.
    #[must_use]
    pub fn days_until(self, other: Day) -> i32 {
        (other.0 - self.0).get_days()
    }

    /// The first day of its month.
    #[must_use]
    pub fn first_of_month(self) -> Self {
        Self(self.0.first_of_month())
    }

    /// Complete years from this day until `other`; negative when `other` is earlier.
    #[must_use]
    pub fn years_until(self, other: Day) -> i16 {
        let (from, to) = (self.0, other.0);
        let before_birthday = (to.month(), to.day()) < (from.month(), from.day());
        to.year() - from.year() - i16::from(before_birthday)
    }

    /// Working days after this day up to and including `other`: Monday to Friday less the Italian
    /// public holidays (law 260/1949 as amended; San Francesco, 4 October, since 2026; Crotone's
    /// patron San Dionigi, 9 October).
    #[must_use]
    pub fn working_days_until(self, other: Day) -> u32 {
        let mut count = 0;
        let mut day = self;
        // Beyond two months the exact number no longer matters to any rule.
        for _ in 0..62 {
            if day >= other {
                break;
            }
            day = day.plus_days(1);
            count += u32::from(day.is_working_day());
        }
        count
    }

    fn is_working_day(self) -> bool {
        let date = self.0;
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        let holiday = matches!(
            (date.month(), date.day()),
            (1, 1 | 6) | (4, 25) | (5, 1) | (6, 2) | (8, 15) | (10, 9) | (11, 1) | (12, 8 | 25 | 26)
        ) || ((date.month(), date.day()) == (10, 4) && date.year() >= 2026)
            || date == easter(date.year()).saturating_add(1.day());
        !weekend && !holiday
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Day {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// A civil day as in ISO 8601, in Europe/Rome: `2026-11-23`.
#[Scalar(name = "Date", specified_by_url = "https://scalars.graphql.org/andimarek/local-date")]
impl ScalarType for Day {
    fn parse(value: Value) -> InputValueResult<Self> {
        parse_text(value, "an ISO 8601 day such as 2026-11-23")
    }
    fn is_valid(value: &Value) -> bool {
        <Self as ScalarType>::parse(value.clone()).is_ok()
    }
    fn to_value(&self) -> Value {
        Value::String(self.to_string())
    }
}

/// A source of instants, handed to whoever needs the time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> DateTime + Send + Sync>);

impl Clock {
    /// A clock that answers with this function.
    pub fn new(read: impl Fn() -> DateTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    /// The instant it is.
    #[must_use]
    pub fn now(&self) -> DateTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}

fn parse_text<T: FromStr + InputType>(value: Value, wanted: &str) -> InputValueResult<T> {
    match &value {
        Value::String(text) => text.parse().map_err(|_| InputValueError::custom(format!("expected {wanted}"))),
        _ => Err(InputValueError::expected_type(value)),
    }
}

fn rome() -> TimeZone {
    TimeZone::get("Europe/Rome").unwrap_or(TimeZone::UTC)
}

/// Easter Sunday of a Gregorian year (the anonymous computus of Meeus, Jones and Butcher).
fn easter(year: i16) -> Date {
    let year = i32::from(year);
    let (a, b, c) = (year % 19, year / 100, year % 100);
    let h = (19 * a + b - b / 4 - (b - (b + 8) / 25 + 1) / 3 + 15) % 30;
    let l = (32 + 2 * (b % 4) + 2 * (c / 4) - h - c % 4) % 7;
    let m = (a + 11 * h + 22 * l) / 451;
    let n = h + l - 7 * m + 114;
    Date::new(year as i16, (n / 31) as i8, (n % 31 + 1) as i8).unwrap_or(Date::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn the_day_of_an_instant_is_the_one_in_rome() {
        let late: DateTime = "2026-06-30T22:30:00Z".parse().unwrap();
        assert_eq!(late.day(), day("2026-07-01"));
        assert_eq!(late.to_string(), "2026-06-30T22:30:00.000Z");
    }

    #[test]
    fn easter_is_where_the_calendar_has_it() {
        for date in ["2024-03-31", "2025-04-20", "2026-04-05", "2027-03-28", "2038-04-25"] {
            assert_eq!(Day(easter(day(date).0.year())), day(date));
        }
    }

    #[test]
    fn working_days_pass_over_weekends_and_holidays() {
        // Thursday 24 December 2026 to Monday 28 December: Christmas, Saint Stephen's, Sunday.
        assert_eq!(day("2026-12-24").working_days_until(day("2026-12-28")), 1);
        assert_eq!(day("2026-04-03").working_days_until(day("2026-04-07")), 1);
        assert_eq!(day("2026-11-23").working_days_until(day("2026-11-23")), 0);
    }

    #[test]
    fn a_birthday_on_29_february_counts_from_1_march() {
        let born = day("2008-02-29");
        assert_eq!(born.years_until(day("2026-02-28")), 17);
        assert_eq!(born.years_until(day("2026-03-01")), 18);
    }
}
