//! Publications: what the public and analysts are told of the people in many facilities, and since when.
//!
//! A total of few facilities is a single house, and a total that follows every arrival tells of every arrival. The
//! bodies at the table give out the places, so they are told totals as they are. Everybody else is told, of each cell
//! (the places of one category in an area), what has been *published* of it:
//!
//! | Cell | Is told | Precision |
//! |---|---|---|
//! | Ordinary places, large: at least three facilities with ten places, five of them outside the largest facility | now, as a multiple of five | `ROUNDED` |
//! | Ordinary places, fewer; a protected category in the whole province | as of the end of the day before, as a multiple of ten | `BANDED` |
//! | A protected category in one municipality | nothing about people | `WITHHELD` |
//!
//! Protected categories are places for unaccompanied minors, and for mental distress or disability. *Where no category
//! is named, the ordinary places alone are counted*, places as well as people. A total of all categories would tell the
//! protected ones to whoever subtracts the others from it, and at the instant of a step it is known exactly.
//!
//! A cell is large by the places that can be given out today: that takes a decision of the Province, so nobody makes the
//! cell of another's house large by registering facilities of their own.
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

/// Places that are added up for the public: those of one category in the province or in one municipality.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cell {
    /// ISTAT code of the municipality; all of the province when absent.
    pub municipality: Option<String>,
    /// The category.
    pub category: PlaceCategory,
}

impl Cell {
    /// The ordinary places of the province. It is published anew each day.
    pub const PROVINCE: Self = Self { municipality: None, category: PlaceCategory::Ordinary };

    /// The cell that is told to whoever asks for this area and this category, or names none.
    #[must_use]
    pub fn told_of(municipality: Option<String>, category: Option<PlaceCategory>) -> Self {
        Self { municipality, category: category.unwrap_or(PlaceCategory::Ordinary) }
    }

    /// Whether places of this category in this municipality are counted in it.
    #[must_use]
    pub fn contains(&self, municipality: &str, category: PlaceCategory) -> bool {
        self.municipality.as_deref().is_none_or(|own| own == municipality) && self.category == category
    }
}

/// How large a cell has to be for its totals to be told as they are now. A territory may ask for more, never for less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Facilities with places that can be given out, [`Thresholds::LEAST`] at least.
    pub facilities: usize,
    /// Places that can be given out, [`Thresholds::LEAST`] at least.
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

/// Places that a large cell has at least outside its largest facility.
const BESIDE_THE_LARGEST: i32 = 5;

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
    /// Facilities with places that can be given out.
    facilities: usize,
    /// Places that can be given out.
    places: i32,
    /// Of these, those of the largest facility.
    largest: i32,
    now: Headcount,
    day_before: Headcount,
}

impl Facts {
    fn of(pool: &Pool, today: Day) -> Self {
        let numbers = pool.numbers_on(today);
        Self {
            pools: 1,
            facilities: usize::from(numbers.allocable > 0),
            places: numbers.allocable,
            largest: numbers.allocable,
            now: Headcount::of(numbers),
            day_before: Headcount::of(pool.day_before(today)),
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            pools: self.pools + other.pools,
            facilities: self.facilities + other.facilities,
            places: self.places + other.places,
            largest: self.largest.max(other.largest),
            now: self.now.plus(other.now),
            day_before: self.day_before.plus(other.day_before),
        }
    }

    fn is_large(&self, thresholds: Thresholds) -> bool {
        self.facilities >= thresholds.facilities
            && self.places >= thresholds.places
            && self.places - self.largest >= BESIDE_THE_LARGEST
    }
}

fn precision(cell: &Cell, facts: &Facts, thresholds: Thresholds) -> Precision {
    if cell.category.is_protected() {
        if cell.municipality.is_some() { Precision::Withheld } else { Precision::Banded }
    } else if facts.is_large(thresholds) && thresholds.live {
        Precision::Rounded
    } else {
        Precision::Banded
    }
}

/// What there is to publish of an area, category by category.
type Area = [Facts; PlaceCategory::ALL.len()];

fn add(area: &mut Area, other: &Area) {
    area.iter_mut().zip(other).for_each(|(own, other)| *own = own.plus(*other));
}

/// What there is to publish of every cell on a day.
#[derive(Debug, Default)]
pub struct Facilities(BTreeMap<String, Area>);

impl Facilities {
    /// Counts one facility, with its pools, on a day.
    pub fn count<'p>(&mut self, municipality: &str, pools: impl Iterator<Item = &'p Pool>, today: Day) {
        let mut own = Area::default();
        pools.for_each(|pool| own[pool.category as usize] = Facts::of(pool, today));
        match self.0.get_mut(municipality) {
            Some(area) => add(area, &own),
            None => drop(self.0.insert(municipality.into(), own)),
        }
    }

    /// Every cell in which there are places, and the whole province.
    fn cells(&self, thresholds: Thresholds) -> impl Iterator<Item = (Cell, Facts, Precision)> {
        let mut province = Area::default();
        self.0.values().for_each(|area| add(&mut province, area));
        let any = province.iter().any(|facts| facts.pools > 0);
        let municipalities = self.0.iter().map(|(municipality, area)| (Some(municipality.clone()), *area));
        let areas = std::iter::once((None, province)).chain(municipalities);
        areas.flat_map(move |(municipality, area)| {
            PlaceCategory::ALL.into_iter().zip(area).filter_map(move |(category, facts)| {
                let cell = Cell { municipality: municipality.clone(), category };
                let told = precision(&cell, &facts, thresholds);
                (facts.pools > 0 || any && cell == Cell::PROVINCE).then_some((cell, facts, told))
            })
        })
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
    // Clocks differ: what is told later is later.
    let at = last.map_or(at, |last| last.at.max(at));
    // The province is told anew each day, by which every hub knows that the day has begun.
    let day_begins = *cell == Cell::PROVINCE && last.is_none_or(|last| last.at.day() < at.day());
    let differs = told != (people, precision);
    (differs || day_begins).then(|| Publication { cell: cell.clone(), number, at, people, precision })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        capacity::{Block, BlockReason, Counts, Grant},
        id::{AccreditationId, BlockId, FacilityId},
    };

    const TODAY: &str = "2026-11-23";

    fn today() -> Day {
        TODAY.parse().unwrap()
    }

    /// A pool all of whose places can be given out.
    fn pool(category: PlaceCategory, installed: i32, occupied: i32, opening: i32) -> Pool {
        let now = today().begins().plus_millis(1);
        let accreditation = AccreditationId::fresh(now);
        let grant = Grant { accreditation, places: installed, valid_from: today(), valid_until: today() };
        let counts = |occupied| Counts { accredited: installed, installed, occupied, ..Counts::default() };
        Pool {
            installed,
            occupied,
            grants: vec![grant],
            ledgered: counts(occupied),
            opening: counts(opening),
            ..Pool::empty(FacilityId::fresh(now), category, now)
        }
    }

    fn told(facilities: &Facilities, municipality: Option<&str>, category: Option<PlaceCategory>) -> Publication {
        let cell = Cell::told_of(municipality.map(Into::into), category);
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
        for category in [None, Some(Ordinary)] {
            assert_eq!(is(Some("large"), category), (Some(20), Precision::Rounded));
            assert_eq!(is(Some("village"), category), (Some(10), Precision::Banded), "of the day before");
            assert_eq!(is(Some("mixed"), category), (Some(50), Precision::Rounded), "51, and nobody of the others");
            assert_eq!(is(None, category), (Some(90), Precision::Rounded), "21 + 17 + 51");
        }
        for (municipality, category) in [("mixed", UnaccompaniedMinor), ("only", MentalHealthOrDisability)] {
            assert_eq!(is(Some(municipality), Some(category)), (None, Precision::Withheld), "{municipality}");
        }
        assert_eq!(is(None, Some(UnaccompaniedMinor)), (Some(30), Precision::Banded), "27");
        assert_eq!(is(None, Some(MentalHealthOrDisability)), (Some(10), Precision::Banded), "9");
    }

    #[test]
    fn a_cell_is_large_by_the_places_that_can_be_given_out_and_not_by_one_facility() {
        use PlaceCategory::Ordinary;
        let precision_beside = |others: [Pool; 2]| {
            let mut facilities = Facilities::default();
            for pool in [pool(Ordinary, 20, 7, 7)].into_iter().chain(others) {
                facilities.count("village", [pool].iter(), today());
            }
            told(&facilities, Some("village"), None).precision
        };
        let ten = || pool(Ordinary, 10, 0, 0);
        let not_accredited = Pool { grants: Vec::new(), ..ten() };
        let blocked = Pool {
            blocks: vec![Block {
                id: BlockId::fresh(today().begins()),
                places: 10,
                reason: BlockReason::Works,
                note: None,
                from: today(),
                until: None,
            }],
            ..ten()
        };
        assert_eq!(precision_beside([ten(), ten()]), Precision::Rounded);
        assert_eq!(precision_beside([ten(), not_accredited.clone()]), Precision::Banded);
        assert_eq!(precision_beside([not_accredited.clone(), not_accredited]), Precision::Banded);
        assert_eq!(precision_beside([ten(), blocked]), Precision::Banded);
        assert_eq!(precision_beside([pool(Ordinary, 1, 0, 0), pool(Ordinary, 3, 0, 0)]), Precision::Banded);
        assert_eq!(precision_beside([pool(Ordinary, 2, 0, 0), pool(Ordinary, 3, 0, 0)]), Precision::Rounded);
    }

    #[test]
    fn what_is_told_later_is_later_whatever_the_clocks_say() {
        let mut facilities = Facilities::default();
        facilities.count("x", [pool(PlaceCategory::Ordinary, 10, 30, 30)].iter(), today());
        let last = |cell: &Cell| Publication {
            cell: cell.clone(),
            number: 7,
            at: today().begins().plus_millis(5_000),
            people: Some(Headcount::default()),
            precision: Precision::Banded,
        };
        let lasts: Vec<Publication> = [None, Some("x".to_owned())].map(|own| last(&Cell::told_of(own, None))).into();
        let known = |cell: &Cell| lasts.iter().find(|last| last.cell == *cell);
        let next = facilities.publications(known, Thresholds::default(), today().begins().plus_millis(-1));
        assert_eq!(next.len(), 2);
        assert!(next.iter().all(|next| (next.number, next.at) == (8, lasts[0].at)), "{next:?}");
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
        assert_eq!((first.len(), again.len()), (2, 0));
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
