//! Publications: what the public and analysts are told of the people in many facilities, and since when.
//!
//! A total of few facilities is a single house, and a total that follows every arrival tells of every arrival. The
//! bodies at the table give out the places, so they are told totals as they are. Everybody else is told, of each cell
//! (an area, all categories or one), what has been *published* of it:
//!
//! | Cell | Is told | Precision |
//! |---|---|---|
//! | At least three facilities with ten places | now, as a multiple of five | `ROUNDED` |
//! | A smaller one; a protected category in the whole province | as of the end of the day before, as a multiple of ten | `BANDED` |
//! | A protected category in one municipality | nothing about people | `WITHHELD` |
//!
//! Protected categories are places for unaccompanied minors, and for mental distress or disability. One category of a
//! municipality that has protected places too is told by the day: beside live totals of all, it would tell the others.
//!
//! What has been published stays until the count has moved away from it by more than half a step and one: after each
//! change that shows, a change of one or two does not. Where a number stands depends on the way it came, so each
//! publication is kept, is the same on every hub, and is what the public's history consists of. How many places there
//! are is no secret: these numbers are exact.

use std::collections::BTreeMap;

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::{
    CapacityNumbers, DateTime, Day, PlaceCategory, Pool,
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
/// `precision` says how exactly the people are told to you.
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

    /// The same places, with the people as they have been published; without a publication, they are withheld.
    #[must_use]
    pub fn published(self, publication: Option<&Publication>) -> Self {
        let told = publication.map(|publication| (publication.people, publication.precision));
        let (people, precision) = told.unwrap_or((None, Precision::Withheld));
        self.with(people, precision)
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

    fn combine(self, other: Self, with: impl Fn(i32, i32) -> i32) -> Self {
        Self {
            occupied: with(self.occupied, other.occupied),
            reserved: with(self.reserved, other.reserved),
            over_capacity: with(self.over_capacity, other.over_capacity),
        }
    }

    fn coarse(self, shown: Option<Self>, step: i32) -> Self {
        match shown {
            Some(shown) => self.combine(shown, |exact, shown| coarse(exact, Some(shown), step)),
            None => self.combine(self, |exact, _| coarse(exact, None, step)),
        }
    }
}

/// A count as a multiple of `step`: the one that is shown already while the count is near it, else the nearest.
#[must_use]
fn coarse(exact: i32, shown: Option<i32>, step: i32) -> i32 {
    match shown {
        Some(shown) if shown % step == 0 && (exact - shown).abs() <= step / 2 + 1 => shown,
        _ => (exact + step / 2).div_euclid(step) * step,
    }
}

/// Places that are added up for the public: of the province or one municipality, of all categories or one.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// ISTAT code of the municipality; all of the province when absent.
    pub municipality: Option<String>,
    /// The category; all when absent.
    pub category: Option<PlaceCategory>,
}

impl Cell {
    /// Whether places of this category in this municipality are counted in it.
    #[must_use]
    pub fn contains(&self, municipality: &str, category: PlaceCategory) -> bool {
        self.municipality.as_deref().is_none_or(|own| own == municipality)
            && self.category.is_none_or(|own| own == category)
    }
}

/// How large a cell has to be for its totals to be told as they are now. A territory may ask for more, never for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Facilities with places, [`Thresholds::LEAST`] at least.
    pub facilities: usize,
    /// Places, [`Thresholds::LEAST`] at least.
    pub places: i32,
    /// Whether any total is told as it is now; otherwise all are of the day before.
    pub live: bool,
}

impl Thresholds {
    /// Less is never asked for.
    pub const LEAST: Self = Self { facilities: 3, places: 10, live: true };

    /// These thresholds, where they are higher than the least.
    #[must_use]
    pub fn checked(self) -> Self {
        Self {
            facilities: self.facilities.max(Self::LEAST.facilities),
            places: self.places.max(Self::LEAST.places),
            live: self.live,
        }
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::LEAST
    }
}

/// For how long what is told less exactly now is not told more exactly again: hubs that are being set up differently,
/// one after the other, must not take turns.
const LOOSENED_AFTER: i64 = 600_000;

/// What is published of a cell, from an instant on until the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publication {
    /// The cell.
    pub cell: Cell,
    /// Counts the publications of the cell, from 1.
    pub number: i64,
    /// Since when it is told.
    pub at: DateTime,
    /// The people; none when they are withheld.
    pub people: Option<Headcount>,
    /// How exactly.
    pub precision: Precision,
}

/// What there is to publish of a cell.
#[derive(Clone, Copy, Debug, Default)]
struct Facts {
    pools: usize,
    facilities: usize,
    places: i32,
    /// Of these, places of protected categories.
    protected: i32,
    now: Headcount,
    day_before: Headcount,
}

impl Facts {
    fn of(pool: &Pool, today: Day) -> Self {
        Self {
            pools: 1,
            facilities: usize::from(pool.installed > 0 || pool.occupied > 0),
            places: pool.installed,
            protected: if pool.category.is_protected() { pool.installed } else { 0 },
            now: Headcount::of(pool.numbers_on(today)),
            day_before: Headcount::of(pool.day_before(today)),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            pools: self.pools + other.pools,
            facilities: self.facilities + other.facilities,
            places: self.places + other.places,
            protected: self.protected + other.protected,
            now: self.now.plus(other.now),
            day_before: self.day_before.plus(other.day_before),
        }
    }
}

/// What there is to publish of an area: of all categories together, and of each.
#[derive(Clone, Copy, Debug, Default)]
struct Area {
    whole: Facts,
    parts: [Facts; PlaceCategory::ALL.len()],
}

impl Area {
    fn plus(self, other: Self) -> Self {
        let mut parts = self.parts;
        parts.iter_mut().zip(other.parts).for_each(|(part, other)| *part = part.plus(other));
        Self { whole: self.whole.plus(other.whole), parts }
    }

    /// Its cells in which there are places, with how exactly each is told.
    fn cells(
        self,
        municipality: Option<&str>,
        thresholds: Thresholds,
    ) -> impl Iterator<Item = (Cell, Facts, Precision)> {
        let parts = PlaceCategory::ALL.into_iter().map(Some).zip(self.parts);
        std::iter::once((None, self.whole)).chain(parts).filter(|(_, facts)| facts.pools > 0).map(
            move |(category, facts)| {
                let cell = Cell { municipality: municipality.map(Into::into), category };
                let precision = self.precision(&cell, &facts, thresholds);
                (cell, facts, precision)
            },
        )
    }

    fn precision(&self, cell: &Cell, facts: &Facts, thresholds: Thresholds) -> Precision {
        let protected = cell.category.is_some_and(PlaceCategory::is_protected) || facts.protected == facts.places;
        let large = facts.facilities >= thresholds.facilities && facts.places >= thresholds.places;
        let of_municipality = cell.municipality.is_some();
        let tells_others = of_municipality && cell.category.is_some() && self.whole.protected > 0;
        if protected && of_municipality {
            Precision::Withheld
        } else if protected || !large || tells_others || !thresholds.live {
            Precision::Banded
        } else {
            Precision::Rounded
        }
    }
}

/// What there is to publish of every cell on a day.
#[derive(Debug, Default)]
pub struct Facilities(BTreeMap<String, Area>);

impl Facilities {
    /// Counts one facility, with its pools, on a day.
    pub fn count<'p>(&mut self, municipality: &str, pools: impl Iterator<Item = &'p Pool>, today: Day) {
        let mut own = Area::default();
        for pool in pools {
            let facts = Facts::of(pool, today);
            // One facility, however many its categories.
            let facilities = own.whole.facilities.max(facts.facilities);
            own.whole = Facts { facilities, ..own.whole.plus(facts) };
            own.parts[pool.category as usize] = facts;
        }
        match self.0.get_mut(municipality) {
            Some(area) => *area = area.plus(own),
            None => drop(self.0.insert(municipality.into(), own)),
        }
    }

    /// Every cell in which there are places.
    fn cells(&self, thresholds: Thresholds) -> impl Iterator<Item = (Cell, Facts, Precision)> {
        let province = self.0.values().fold(Area::default(), |sum, area| sum.plus(*area));
        let municipalities =
            self.0.iter().flat_map(move |(municipality, area)| area.cells(Some(municipality), thresholds));
        province.cells(None, thresholds).chain(municipalities)
    }

    /// What has to be published now, beside what was published last of each cell.
    #[must_use]
    pub fn publications<'l>(
        &self,
        last: impl Fn(&Cell) -> Option<&'l Publication>,
        thresholds: Thresholds,
        now: DateTime,
    ) -> Vec<Publication> {
        let next = |(cell, facts, precision): (Cell, Facts, Precision)| {
            let last = last(&cell);
            let recent = |last: &&Publication| now.millis() - last.at.millis() < LOOSENED_AFTER;
            let precision = last.filter(recent).map_or(precision, |last| last.precision.max(precision));
            let exact = if precision == Precision::Rounded { facts.now } else { facts.day_before };
            next(&cell, exact, precision, last, now)
        };
        self.cells(thresholds).filter_map(next).collect()
    }

    /// What would have been published of cells, had they always been told as they are now. `people` are those of a cell
    /// at the end of each of these days. What is told of the day before was told when the next one began.
    #[must_use]
    pub fn publications_of_past(
        &self,
        ends_of_days: &[DateTime],
        people: impl Fn(&Cell) -> Option<Vec<Headcount>>,
        thresholds: Thresholds,
    ) -> Vec<Publication> {
        let mut past = Vec::new();
        for (cell, _, precision) in self.cells(thresholds) {
            let mut last: Option<Publication> = None;
            for (end, people) in ends_of_days.iter().zip(people(&cell).unwrap_or_default()) {
                let at = if precision == Precision::Rounded { *end } else { end.plus_millis(1) };
                if let Some(next) = next(&cell, people, precision, last.as_ref(), at) {
                    past.extend(last.replace(next));
                }
            }
            past.extend(last);
        }
        past
    }
}

fn next(
    cell: &Cell,
    exact: Headcount,
    precision: Precision,
    last: Option<&Publication>,
    at: DateTime,
) -> Option<Publication> {
    let shown = last.filter(|last| last.precision == precision).and_then(|last| last.people);
    let people = match precision {
        Precision::Withheld => None,
        Precision::Rounded => Some(exact.coarse(shown, 5)),
        _ => Some(exact.coarse(shown, 10)),
    };
    let told = last.map_or((None, Precision::Withheld), |last| (last.people, last.precision));
    let number = last.map_or(0, |last| last.number) + 1;
    // The province is told anew each day, by which every hub knows that the day has begun.
    let day_begins = *cell == Cell::default() && last.is_none_or(|last| last.at.day() < at.day());
    let differs = told != (people, precision);
    (differs || day_begins).then(|| Publication { cell: cell.clone(), number, at, people, precision })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{capacity::Counts, id::FacilityId};

    const TODAY: &str = "2026-11-23";

    fn today() -> Day {
        TODAY.parse().unwrap()
    }

    fn pool(category: PlaceCategory, installed: i32, occupied: i32, opening: i32) -> Pool {
        let now = today().begins().plus_millis(1);
        Pool {
            installed,
            occupied,
            ledgered: Counts { installed, occupied, ..Counts::default() },
            opening: Counts { installed, occupied: opening, ..Counts::default() },
            ..Pool::empty(FacilityId::fresh(now), category, now)
        }
    }

    fn told(facilities: &Facilities, municipality: Option<&str>, category: Option<PlaceCategory>) -> Publication {
        let cell = Cell { municipality: municipality.map(Into::into), category };
        let all = facilities.publications(|_| None, Thresholds::default(), today().begins());
        all.into_iter().find(|own| own.cell == cell).unwrap_or(Publication {
            cell,
            number: 0,
            at: today().begins(),
            people: None,
            precision: Precision::Withheld,
        })
    }

    fn occupied(publication: &Publication) -> Option<i32> {
        publication.people.map(|people| people.occupied)
    }

    #[test]
    fn large_cells_are_rounded_small_ones_banded_and_protected_ones_of_a_municipality_withheld() {
        use PlaceCategory::{MentalHealthOrDisability, Ordinary, UnaccompaniedMinor};
        let mut facilities = Facilities::default();
        for occupied in [6, 7, 8] {
            facilities.count("large", [pool(Ordinary, 10, occupied, 0)].iter(), today());
        }
        facilities.count("village", [pool(Ordinary, 30, 17, 12)].iter(), today());
        let mixed = [pool(Ordinary, 30, 17, 12), pool(UnaccompaniedMinor, 30, 9, 9)];
        (0..3).for_each(|_| facilities.count("mixed", mixed.iter(), today()));
        facilities.count("only", [pool(MentalHealthOrDisability, 30, 9, 9)].iter(), today());

        let is = |municipality: Option<&str>, category: Option<PlaceCategory>| {
            let told = told(&facilities, municipality, category);
            (occupied(&told), told.precision)
        };
        assert_eq!(is(Some("large"), None), (Some(20), Precision::Rounded));
        assert_eq!(is(Some("large"), Some(Ordinary)), (Some(20), Precision::Rounded));
        assert_eq!(is(Some("village"), None), (Some(10), Precision::Banded), "of the day before");
        assert_eq!(is(Some("mixed"), None), (Some(80), Precision::Rounded));
        assert_eq!(is(Some("mixed"), Some(Ordinary)), (Some(40), Precision::Banded), "else it would tell the others");
        for (municipality, category) in [("mixed", Some(UnaccompaniedMinor)), ("only", None)] {
            assert_eq!(is(Some(municipality), category), (None, Precision::Withheld), "{municipality}");
        }
        assert_eq!(is(None, Some(UnaccompaniedMinor)), (Some(30), Precision::Banded), "27");
        assert_eq!(is(None, Some(MentalHealthOrDisability)), (Some(10), Precision::Banded), "9");
        assert_eq!(is(None, None), (Some(125), Precision::Rounded), "21 + 17 + 78 + 9");
    }

    #[test]
    fn a_territory_may_be_stricter_and_never_looser() {
        let loose = Thresholds { facilities: 1, places: 0, live: true };
        assert_eq!(loose.checked(), Thresholds::LEAST);
        let strict = Thresholds { facilities: 5, places: 50, live: false };
        assert_eq!(strict.checked(), strict);
    }

    #[test]
    fn what_is_told_again_is_not_published_again() {
        let mut facilities = Facilities::default();
        facilities.count("x", [pool(PlaceCategory::Ordinary, 10, 3, 3)].iter(), today());
        let first = facilities.publications(|_| None, Thresholds::default(), today().begins());
        let again = facilities.publications(
            |cell| first.iter().find(|own| own.cell == *cell),
            Thresholds::default(),
            today().begins(),
        );
        assert_eq!((first.len(), again.len()), (4, 0));
    }

    proptest! {
        #[test]
        fn after_a_change_that_shows_one_of_two_does_not(start in 0..200_i32, step in prop::sample::select(vec![5, 10]), moves in prop::collection::vec(-1..=1_i32, 1..200)) {
            let mut exact = start;
            let mut shown = coarse(exact, None, step);
            let mut changed_at = None;
            for by in moves {
                exact = (exact + by).max(0);
                let next = coarse(exact, Some(shown), step);
                prop_assert!(next % step == 0 && (next - exact).abs() <= step / 2 + 1);
                if next != shown {
                    prop_assert!(changed_at.is_none_or(|at: i32| (exact - at).abs() > 2), "{exact} after {changed_at:?}");
                    changed_at = Some(exact);
                    shown = next;
                }
            }
        }

        #[test]
        fn numbers_as_they_are_add_up_as_the_formula_does(counts in prop::collection::vec((0..60_i32, 0..60_i32, 0..20_i32, 0..60_i32), 0..8)) {
            let numbers = || counts.iter().map(|(accredited, installed, blocked, occupied)| CapacityNumbers::from(Counts {
                accredited: *accredited, installed: *installed, blocked: *blocked, occupied: *occupied, reserved: 0,
            }));
            let whole: DisclosedNumbers = numbers().sum::<CapacityNumbers>().into();
            prop_assert_eq!(whole, numbers().map(DisclosedNumbers::from).sum());
        }
    }
}
