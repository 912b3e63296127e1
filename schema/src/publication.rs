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

use crate::{DateTime, Day, DisclosedNumbers, Headcount, PlaceCategory, Pool, Precision};

impl DisclosedNumbers {
    /// The same places, with the people as they have been published; without a publication, they are withheld.
    #[must_use]
    pub fn published(self, publication: Option<&Publication>) -> Self {
        let told = publication.map(|publication| (publication.people, publication.precision));
        let (people, precision) = told.unwrap_or((None, Precision::Withheld));
        self.with(people, precision)
    }
}

impl Headcount {
    /// Each count as a multiple of `step`, beside what is shown of it already.
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
    // The clocks of hubs differ: a publication is never before the one that it follows.
    let at = last.map_or(at, |last| last.at.max(at));
    // The province is told anew each day, by which every hub knows that the day has begun.
    let day_begins = *cell == Cell::PROVINCE && last.is_none_or(|last| last.at.day() < at.day());
    let differs = told != (people, precision);
    (differs || day_begins).then(|| Publication { cell: cell.clone(), number, at, people, precision })
}

#[cfg(test)]
mod tests;
