//! Numbers of places as a viewer is told them: the places as they are, the people among them with a precision.
//!
//! What of the public's cells is told how exactly is decided in [`publication`](crate::publication).

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::{
    CapacityNumbers,
    access::{DataClass::Public, data_class},
};

/// How exactly the people among some numbers are told.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[graphql(name = "NumbersPrecision")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Precision {
    /// As they are.
    #[default]
    Exact,
    /// As they were at the end of the day before.
    DayBefore,
    /// As they are, as multiples of five; a change of one or two may not show.
    Rounded,
    /// As they were at the end of the day before, as multiples of ten.
    Banded,
    /// Not at all: these numbers are null.
    Withheld,
}

/// Places of a facility, a category or a whole territory. How many places there are is told to everybody as it is;
/// `precision` says how exactly the people are told to you. Where no category is named, members of bodies at the table
/// are told of the places of all categories, the public and analysts of the ordinary ones alone.
#[derive(SimpleObject, Clone, Copy, Debug, Default, PartialEq)]
#[graphql(name = "CapacityNumbers")]
pub struct DisclosedNumbers {
    /// Places the accreditation in force allows; 0 when none is in force.
    #[graphql(directive = data_class::apply(Public))]
    pub accredited: i32,
    /// Places that physically exist.
    #[graphql(directive = data_class::apply(Public))]
    pub installed: i32,
    /// Places out of service: the sum of the blocks in force.
    #[graphql(directive = data_class::apply(Public))]
    pub blocked: i32,
    /// Places that can be given out: max(0, min(installed − blocked, accredited)).
    #[graphql(directive = data_class::apply(Public))]
    pub allocable: i32,
    /// Guests present; null when it is withheld.
    #[graphql(directive = data_class::apply(Public))]
    pub occupied: Option<i32>,
    /// Reservations in force, not yet arrived; null when it is withheld.
    #[graphql(directive = data_class::apply(Public))]
    pub reserved: Option<i32>,
    /// Free places: allocable − occupied − reserved, 0 when negative; null when it is withheld.
    #[graphql(directive = data_class::apply(Public))]
    pub free: Option<i32>,
    /// Guests beyond the allocable places: the negative part of allocable − occupied − reserved; null when it is
    /// withheld. Of rounded numbers it is rounded by itself.
    #[graphql(directive = data_class::apply(Public))]
    pub over_capacity: Option<i32>,
    /// occupied / allocable, as a fraction; null when allocable is 0 or occupied is withheld.
    #[graphql(directive = data_class::apply(Public))]
    pub occupancy_rate: Option<f64>,
    /// occupied / installed, as a fraction; null when installed is 0 or occupied is withheld.
    #[graphql(directive = data_class::apply(Public))]
    pub utilisation_rate: Option<f64>,
    /// How exactly occupied, reserved, free, overCapacity and the rates are told.
    #[graphql(directive = data_class::apply(Public))]
    pub precision: Precision,
}

impl DisclosedNumbers {
    /// The same places, with the people as they have been counted otherwise, or without any.
    #[must_use]
    pub fn with(self, people: Option<Headcount>, precision: Precision) -> Self {
        let left = people.map(|people| self.allocable - people.occupied - people.reserved);
        Self {
            occupied: people.map(|people| people.occupied),
            reserved: people.map(|people| people.reserved),
            free: left.map(|left| left.max(0)),
            over_capacity: people.map(|people| people.over_capacity),
            precision,
            ..self
        }
        .with_rates()
    }

    /// The same numbers as they would be of another precision.
    #[must_use]
    pub fn told(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    fn with_rates(mut self) -> Self {
        let rate = |of: i32| self.occupied.filter(|_| of > 0).map(|occupied| f64::from(occupied) / f64::from(of));
        (self.occupancy_rate, self.utilisation_rate) = (rate(self.allocable), rate(self.installed));
        self
    }
}

impl From<CapacityNumbers> for DisclosedNumbers {
    fn from(numbers: CapacityNumbers) -> Self {
        Self {
            accredited: numbers.accredited,
            installed: numbers.installed,
            blocked: numbers.blocked,
            allocable: numbers.allocable,
            occupied: Some(numbers.occupied),
            reserved: Some(numbers.reserved),
            free: Some(numbers.free),
            over_capacity: Some(numbers.over_capacity),
            occupancy_rate: numbers.occupancy_rate,
            utilisation_rate: numbers.utilisation_rate,
            precision: Precision::Exact,
        }
    }
}

impl std::iter::Sum for DisclosedNumbers {
    /// Adds up. What is withheld of one part is withheld of the whole, which is as exact as the least exact part.
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        let both = |one: Option<i32>, two: Option<i32>| one.zip(two).map(|(one, two)| one + two);
        numbers
            .reduce(|sum, one| Self {
                accredited: sum.accredited + one.accredited,
                installed: sum.installed + one.installed,
                blocked: sum.blocked + one.blocked,
                allocable: sum.allocable + one.allocable,
                occupied: both(sum.occupied, one.occupied),
                reserved: both(sum.reserved, one.reserved),
                free: both(sum.free, one.free),
                over_capacity: both(sum.over_capacity, one.over_capacity),
                occupancy_rate: None,
                utilisation_rate: None,
                precision: sum.precision.max(one.precision),
            })
            .map_or_else(|| CapacityNumbers::default().into(), Self::with_rates)
    }
}

/// The people among some numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Headcount {
    /// Guests present.
    pub occupied: i32,
    /// Reservations in force.
    pub reserved: i32,
    /// Guests beyond the allocable places.
    pub over_capacity: i32,
}

impl Headcount {
    /// The people among these numbers.
    #[must_use]
    pub fn of(numbers: CapacityNumbers) -> Self {
        Self { occupied: numbers.occupied, reserved: numbers.reserved, over_capacity: numbers.over_capacity }
    }

    /// The people among both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.combine(other, |one, two| one + two)
    }

    pub(crate) fn combine(self, other: Self, with: impl Fn(i32, i32) -> i32) -> Self {
        Self {
            occupied: with(self.occupied, other.occupied),
            reserved: with(self.reserved, other.reserved),
            over_capacity: with(self.over_capacity, other.over_capacity),
        }
    }
}
