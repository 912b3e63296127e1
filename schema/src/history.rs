//! History: the places of earlier instants, added up from the ledger.
//!
//! The numbers of a pool at an instant are the sum of the deltas of its ledger entries up to and including that instant,
//! put through the formula of [`capacity`](crate::capacity) pool by pool and only then added up: a place free in one
//! pool does not hide a guest too many in another. What changes by the clock (an accreditation that expires, a block
//! that begins) is in the ledger too, entered by an act of the system.
//!
//! An entry has two times, and they answer different questions. By the time it occurred, the past is as corrected
//! later: an arrival registered a week late counts from the day of arrival. By the time it was registered, the past
//! is as it was known then: the same arrival counts from its registration.

use async_graphql::Enum;

use crate::{CapacityNumbers, DateTime, DisclosedNumbers, Precision, capacity::Counts};

/// By which of its two times an entry of the ledger counts.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeBasis {
    /// By when it happened: the past as corrected later, late registrations included.
    #[default]
    Occurred,
    /// By when the hub learnt of it: the past as it was known then.
    Registered,
}

/// How far the points of a history are apart. Days, weeks and months are those of the calendar in Europe/Rome.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HistoryStep {
    /// An hour. The day on which the clocks go back has 25.
    Hour,
    /// A day, from midnight to midnight in Europe/Rome.
    #[default]
    Day,
    /// A week, from Monday to Sunday.
    Week,
    /// A calendar month.
    Month,
}

/// Points of one history at most.
pub const MOST_POINTS: usize = 1_000;

/// Milliseconds of an hour.
const HOUR: i64 = 3_600_000;

impl HistoryStep {
    /// The last millisecond of the step that contains an instant.
    #[must_use]
    pub fn end_of(self, at: DateTime) -> DateTime {
        let day = at.day();
        let next = match self {
            Self::Hour => return DateTime::from_millis((at.millis().div_euclid(HOUR) + 1) * HOUR - 1).unwrap_or(at),
            Self::Day => day.plus_days(1),
            Self::Week => day.plus_days(7 - i32::from(day.0.weekday().to_monday_zero_offset())),
            Self::Month => day.first_of_month().plus_months(1),
        };
        next.begins().plus_millis(-1)
    }

    /// The instants at which a history is looked at: the last millisecond of every step that begins with the one that
    /// contains `from`, and `to` itself. `None` when these are more than [`MOST_POINTS`].
    #[must_use]
    pub fn points(self, from: DateTime, to: DateTime) -> Option<Vec<DateTime>> {
        let mut points = Vec::new();
        let mut end = self.end_of(from);
        while end < to {
            points.push(end);
            if points.len() == MOST_POINTS {
                return None;
            }
            end = self.end_of(end.plus_millis(1));
        }
        points.push(to);
        Some(points)
    }
}

/// What an entry of the ledger does to the numbers of its pool, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Movement {
    /// When it happened.
    pub occurred_at: DateTime,
    /// When the hub learnt of it.
    pub registered_at: DateTime,
    /// By how much the numbers change.
    pub deltas: Counts,
}

impl Movement {
    fn at(&self, basis: TimeBasis) -> DateTime {
        match basis {
            TimeBasis::Occurred => self.occurred_at,
            TimeBasis::Registered => self.registered_at,
        }
    }
}

/// The numbers of a pool from one of several instants on, up to its next step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    /// Which of the instants it is, counted from zero.
    pub point: usize,
    /// The numbers.
    pub numbers: CapacityNumbers,
}

/// The steps of one pool at several instants, which are in order. Before its first step the pool is not there. Its numbers
/// are worked out where they change and nowhere else.
#[must_use]
pub fn replay(movements: &[Movement], points: &[DateTime], basis: TimeBasis) -> Vec<Step> {
    let placed = movements.iter().map(|movement| {
        let point = points.partition_point(|point| *point < movement.at(basis));
        (point, movement.deltas)
    });
    let mut placed: Vec<(usize, Counts)> = placed.filter(|(point, _)| *point < points.len()).collect();
    placed.sort_by_key(|(point, _)| *point);
    let mut counts = Counts::default();
    let steps = placed.chunk_by(|one, next| one.0 == next.0).map(|of_point| {
        counts = of_point.iter().fold(counts, |counts, (_, deltas)| counts.plus(*deltas));
        Step { point: of_point[0].0, numbers: counts.into() }
    });
    steps.collect()
}

/// The numbers of many pools at each of several instants, added up: each step is added where it is, whatever number of
/// instants lies between it and the next.
#[derive(Clone, Debug)]
pub struct Totals {
    /// By how much the total changes at each instant.
    changes: Vec<CapacityNumbers>,
    /// From which instant on a pool is there whose people are withheld.
    withheld_from: usize,
}

impl Totals {
    /// The numbers of no pool, at so many instants.
    #[must_use]
    pub fn new(points: usize) -> Self {
        Self { changes: vec![CapacityNumbers::default(); points], withheld_from: points }
    }

    /// Adds a pool by its steps. When its people are withheld, those of the total are from its first step on.
    ///
    /// # Panics
    ///
    /// When a step is of an instant beyond the last.
    pub fn add(&mut self, steps: &[Step], withheld: bool) {
        let mut before = CapacityNumbers::default();
        for step in steps {
            let change = &mut self.changes[step.point];
            *change = change.plus(step.numbers.since(before));
            before = step.numbers;
        }
        if let Some(first) = steps.first().filter(|_| withheld) {
            self.withheld_from = self.withheld_from.min(first.point);
        }
    }

    /// The totals as they are, one for each instant.
    pub fn numbers(&self) -> impl Iterator<Item = CapacityNumbers> {
        self.changes.iter().scan(CapacityNumbers::default(), |total, change| {
            *total = total.plus(*change);
            Some(total.with_rates())
        })
    }

    /// The totals as they are told, one for each instant.
    pub fn disclosed(&self) -> impl Iterator<Item = DisclosedNumbers> {
        self.numbers().enumerate().map(|(point, numbers)| {
            let numbers = DisclosedNumbers::from(numbers);
            if point < self.withheld_from { numbers } else { numbers.with(None, Precision::Withheld) }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> DateTime {
        text.parse().unwrap()
    }

    fn ends(step: HistoryStep, from: &str, to: &str) -> Vec<String> {
        step.points(at(from), at(to)).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn days_end_at_midnight_in_rome_whatever_the_clocks_do() {
        // The clocks go forward on 29 March 2026 and back on 25 October 2026.
        let spring = ends(HistoryStep::Day, "2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z");
        assert_eq!(spring, ["2026-03-28T22:59:59.999Z", "2026-03-29T21:59:59.999Z", "2026-03-30T12:00:00.000Z"]);
        let autumn = ends(HistoryStep::Day, "2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z");
        assert_eq!(autumn, ["2026-10-25T22:59:59.999Z", "2026-10-25T23:00:00.000Z"]);
        assert_eq!(ends(HistoryStep::Hour, "2026-10-24T22:00:00Z", "2026-10-25T22:59:59.999Z").len(), 25);
        assert_eq!(ends(HistoryStep::Hour, "2026-03-28T23:00:00Z", "2026-03-29T21:59:59.999Z").len(), 23);
    }

    #[test]
    fn weeks_end_on_sunday_and_months_on_their_last_day() {
        let weeks = ends(HistoryStep::Week, "2026-11-23T08:00:00Z", "2026-12-01T08:00:00Z");
        assert_eq!(weeks, ["2026-11-29T22:59:59.999Z", "2026-12-01T08:00:00.000Z"]);
        let months = ends(HistoryStep::Month, "2026-01-31T12:00:00Z", "2026-03-01T12:00:00Z");
        assert_eq!(months, ["2026-01-31T22:59:59.999Z", "2026-02-28T22:59:59.999Z", "2026-03-01T12:00:00.000Z"]);
    }

    #[test]
    fn a_history_has_a_thousand_points_at_most() {
        let from = at("2026-01-01T00:00:00Z");
        let after = |hours: i64| DateTime::from_millis(from.millis() + hours * HOUR).unwrap();
        assert_eq!(HistoryStep::Hour.points(from, after(1_000)).map(|points| points.len()), None);
        assert_eq!(HistoryStep::Hour.points(from, after(999)).map(|points| points.len()), Some(1_000));
    }

    #[test]
    fn a_pool_is_not_there_before_its_first_entry() {
        let entry = |occurred: &str, registered: &str, deltas| Movement {
            occurred_at: at(occurred),
            registered_at: at(registered),
            deltas,
        };
        let places = Counts { installed: 4, accredited: 3, ..Counts::default() };
        let guest = Counts { occupied: 1, ..Counts::default() };
        let movements = [
            entry("2026-01-02T00:00:00Z", "2026-01-02T00:00:00Z", places),
            entry("2026-01-02T12:00:00Z", "2026-01-04T00:00:00Z", guest),
        ];
        let points = [at("2026-01-01T00:00:00Z"), at("2026-01-03T00:00:00Z"), at("2026-01-05T00:00:00Z")];
        let free = |basis| {
            let steps = replay(&movements, &points, basis);
            steps.iter().map(|step| (step.point, step.numbers.free)).collect::<Vec<_>>()
        };
        assert_eq!(free(TimeBasis::Occurred), [(1, 2)]);
        assert_eq!(free(TimeBasis::Registered), [(1, 3), (2, 2)]);
    }

    /// A pool as it may be written down: when entries happened and what they did, and whether its people are withheld.
    fn a_pool() -> impl Strategy<Value = (Vec<Movement>, bool)> {
        let entry =
            (0_i64..60, 0_i64..20, proptest::array::uniform5(-3_i32..4)).prop_map(|(occurred, later, deltas)| {
                let [accredited, installed, blocked, occupied, reserved] = deltas;
                Movement {
                    occurred_at: DateTime::from_millis(occurred).unwrap(),
                    registered_at: DateTime::from_millis(occurred + later).unwrap(),
                    deltas: Counts { accredited, installed, blocked, occupied, reserved },
                }
            });
        (proptest::collection::vec(entry, 0..20), proptest::bool::weighted(0.1))
    }

    proptest! {
        #[test]
        fn totals_are_the_sum_of_what_each_pool_was(
            pools in proptest::collection::vec(a_pool(), 0..8),
            points in proptest::collection::btree_set(-5_i64..90, 1..20),
            registered in proptest::bool::ANY,
        ) {
            let basis = if registered { TimeBasis::Registered } else { TimeBasis::Occurred };
            let points: Vec<DateTime> = points.into_iter().map(|at| DateTime::from_millis(at).unwrap()).collect();
            let mut totals = Totals::new(points.len());
            for (movements, withheld) in &pools {
                totals.add(&replay(movements, &points, basis), *withheld);
            }
            let expected = points.iter().map(|point| {
                let then = pools.iter().filter_map(|(movements, withheld)| {
                    let known: Vec<&Movement> = movements.iter().filter(|entry| entry.at(basis) <= *point).collect();
                    let counts = known.iter().fold(Counts::default(), |sum, entry| sum.plus(entry.deltas));
                    let numbers = DisclosedNumbers::from(CapacityNumbers::from(counts));
                    let told = if *withheld { numbers.with(None, Precision::Withheld) } else { numbers };
                    (!known.is_empty()).then_some(told)
                });
                then.sum::<DisclosedNumbers>()
            });
            prop_assert_eq!(totals.disclosed().collect::<Vec<_>>(), expected.collect::<Vec<_>>());
        }
    }
}
