//! Published statistics: one table for each half of a calendar year, as it may be told to those who may not see persons.
//!
//! A table holds nothing but what is told. It counts the ordinary places; a protected category is told of the whole
//! province alone, in totals of its own. Why that tells nothing about single persons says [`crate::disclosure`].

use std::collections::BTreeMap;

use crate::{
    DateTime, Day, ExitReason, PlaceCategory,
    disclosure::{BASE, OTHERS, floored, shielded, spread, told},
    guest::Sex,
    id::OrganisationId,
    period::{FixedPeriod, HalfYear},
    statistics::{AgeBand, Cells, Citizens, Composition, Figures, LengthBand, SEXES},
};

/// Mean and median are told of more than so many stays.
const AVERAGED: i32 = 20;

/// The citizenships that tables name, whoever is there: that a country is named must not tell of anybody. They are those
/// that most guests of the national network have had.
pub const CITIZENSHIPS: [&str; 15] =
    ["AFG", "BGD", "CIV", "EGY", "GIN", "GMB", "IRQ", "MLI", "NGA", "PAK", "SEN", "SOM", "SYR", "TUN", "UKR"];

/// Of which places a total is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Of all ordinary ones.
    Whole,
    /// Of those of one category in the province.
    Category(PlaceCategory),
    /// Of the ordinary ones in the municipality of this ISTAT code.
    Municipality(String),
}

impl Group {
    /// Whether so many people are told of. There are few protected places, and nothing else is known of those in them.
    fn tells(&self, hosted: i32) -> bool {
        !matches!(self, Self::Category(category) if category.is_protected()) || hosted >= OTHERS
    }
}

/// Totals of a group: counted, or the multiples they are told as.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Stays of at least one day.
    pub hosted: i32,
    /// Days of presence.
    pub person_days: i32,
    /// Arrivals.
    pub entries: i32,
    /// Departures.
    pub exits: i32,
    /// Arrivals of each month.
    pub monthly_entries: [i32; 6],
    /// Departures of each month.
    pub monthly_exits: [i32; 6],
}

impl Totals {
    fn told(&self) -> Self {
        Self {
            hosted: floored(self.hosted),
            person_days: floored(self.person_days),
            entries: floored(self.entries),
            exits: floored(self.exits),
            monthly_entries: self.monthly_entries.map(floored),
            monthly_exits: self.monthly_exits.map(floored),
        }
    }
}

/// Rows of the whole: counted, or the multiples they are told as. A row that is withheld is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rows {
    /// Departures by reason, as [`ExitReason::ALL`].
    pub reasons: Vec<i32>,
    /// Departures by length of stay, as [`LengthBand::ALL`].
    pub lengths: Vec<i32>,
    /// Arrivals by citizenship, as [`CITIZENSHIPS`], and all others.
    pub citizenships: Vec<i32>,
    /// Arrivals by sex, as [`SEXES`].
    pub sexes: Vec<i32>,
    /// Arrivals by age, as [`AgeBand::ALL`].
    pub ages: Vec<i32>,
}

/// What happened in a half-year, counted exactly. It is never kept.
#[derive(Clone, Debug)]
pub struct Count {
    half: HalfYear,
    groups: BTreeMap<Group, Totals>,
    rows: Rows,
    /// Arrivals and departures that a body knows by name, of those that rows describe.
    bodies: BTreeMap<OrganisationId, [i32; 2]>,
}

/// A stay, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Counted<'a> {
    /// Its category.
    pub category: PlaceCategory,
    /// Where it is.
    pub municipality: &'a str,
    /// The bodies that know who it is, without those that know everybody.
    pub known_to: &'a [OrganisationId],
    /// Day of arrival.
    pub entry: Day,
    /// Day of departure, and why.
    pub exit: Option<(Day, ExitReason)>,
}

impl Count {
    /// Nobody yet.
    #[must_use]
    pub fn new(half: HalfYear) -> Self {
        let rows = Rows {
            reasons: vec![0; ExitReason::ALL.len()],
            lengths: vec![0; LengthBand::ALL.len()],
            citizenships: vec![0; CITIZENSHIPS.len() + 1],
            sexes: vec![0; SEXES.len()],
            ages: vec![0; AgeBand::ALL.len()],
        };
        Self { half, groups: BTreeMap::new(), rows, bodies: BTreeMap::new() }
    }

    fn month(&self, day: Day) -> Option<usize> {
        let month = day.first_of_month();
        self.half.months().into_iter().position(|own| own == month)
    }

    /// Whether somebody who arrives on this day, in a place of this category, is described.
    #[must_use]
    pub fn describes(&self, category: PlaceCategory, entry: Day) -> bool {
        !category.is_protected() && self.month(entry).is_some()
    }

    /// Counts a stay.
    pub fn stay(&mut self, stay: &Counted<'_>) {
        let (half, entry) = (self.half, stay.entry);
        let last = stay.exit.map_or(half.to(), |(exit, _)| exit.plus_days(-1).max(entry));
        let days = (half.from().max(entry).days_until(last.min(half.to())) + 1).max(0);
        let arrives = self.month(entry);
        let leaves = stay.exit.and_then(|(exit, _)| self.month(exit));
        let mut groups = vec![Group::Category(stay.category)];
        if !stay.category.is_protected() {
            groups.extend([Group::Whole, Group::Municipality(stay.municipality.to_owned())]);
        }
        for group in groups {
            let totals = self.groups.entry(group).or_default();
            totals.hosted += i32::from(days > 0);
            totals.person_days += days;
            totals.entries += i32::from(arrives.is_some());
            totals.exits += i32::from(leaves.is_some());
            arrives.into_iter().for_each(|month| totals.monthly_entries[month] += 1);
            leaves.into_iter().for_each(|month| totals.monthly_exits[month] += 1);
        }
        if stay.category.is_protected() {
            return;
        }
        for body in stay.known_to {
            let known = self.bodies.entry(*body).or_default();
            known[0] += i32::from(arrives.is_some());
            known[1] += i32::from(leaves.is_some());
        }
        if let (Some((exit, reason)), Some(_)) = (stay.exit, leaves) {
            self.rows.reasons[reason as usize] += 1;
            self.rows.lengths[LengthBand::of(entry, exit) as usize] += 1;
        }
    }

    /// Counts what somebody is like who arrives.
    pub fn arrival(&mut self, sex: Sex, citizenship: &str, age: i16) {
        let named = CITIZENSHIPS.binary_search(&citizenship).unwrap_or(CITIZENSHIPS.len());
        self.rows.citizenships[named] += 1;
        self.rows.sexes[SEXES.iter().position(|own| *own == sex).unwrap_or(0)] += 1;
        self.rows.ages[AgeBand::of(age) as usize] += 1;
    }

    /// The table that is told. `pick` is asked for numbers that nobody may be able to foresee, as [`spread`] wants them.
    #[must_use]
    pub fn published(&self, made_at: DateTime, mut pick: impl FnMut(u128) -> u128) -> PublishedTable {
        let whole = self.groups.get(&Group::Whole).cloned().unwrap_or_default();
        let known = |which: usize| self.bodies.values().map(move |known| known[which]);
        let arrivals = shielded(whole.entries, known(0));
        let departures = shielded(whole.exits, known(1));
        let mut row = |counts: &[i32], shielded: bool| match shielded {
            true => spread(counts, &mut pick),
            false => Vec::new(),
        };
        let rows = Rows {
            reasons: row(&self.rows.reasons, departures),
            lengths: row(&self.rows.lengths, departures),
            citizenships: row(&self.rows.citizenships, arrivals),
            sexes: row(&self.rows.sexes, arrivals),
            ages: row(&self.rows.ages, arrivals),
        };
        let groups = self.groups.iter().filter(|(group, totals)| group.tells(totals.hosted));
        let groups = groups.map(|(group, totals)| (group.clone(), totals.told())).collect();
        PublishedTable { half: self.half, made_at, groups, rows }
    }
}

/// What is told of a half-year to whoever may not see persons. It does not change any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishedTable {
    /// Its half-year.
    pub half: HalfYear,
    /// When it was made.
    pub made_at: DateTime,
    /// Totals, rounded down.
    pub groups: BTreeMap<Group, Totals>,
    /// Rows of the whole, moved.
    pub rows: Rows,
}

/// What is told of a group in a period, from the tables of its halves in order; of no group, when they were made.
#[must_use]
pub fn told_of(period: FixedPeriod, tables: &[PublishedTable], group: Option<&Group>) -> Figures {
    let none = Totals::default();
    let totals: Vec<&Totals> =
        tables.iter().map(|table| group.and_then(|group| table.groups.get(group)).unwrap_or(&none)).collect();
    let sum = |of: fn(&Totals) -> i32| told(totals.iter().copied().map(of).sum());
    let row = |values: usize, of: fn(&Rows) -> &Vec<i32>| match group {
        Some(Group::Whole) => added(values, tables.iter().map(|table| of(&table.rows))),
        _ => vec![None; values],
    };
    let months = tables.iter().zip(&totals).flat_map(|(table, totals)| {
        let counts = totals.monthly_entries.into_iter().zip(totals.monthly_exits);
        table.half.months().into_iter().zip(counts).map(|(month, (entries, exits))| (month, told(entries), told(exits)))
    });
    let lengths = row(LengthBand::ALL.len(), |rows| &rows.lengths);
    // Who was there when a half-year began is among those hosted in the one before.
    let later = totals.iter().skip(1).map(|totals| totals.entries);
    Figures {
        from: period.from(),
        to: period.to(),
        rounded_to: BASE,
        made_at: tables.iter().map(|table| table.made_at).max(),
        hosted: told(totals.first().map_or(0, |totals| totals.hosted) + later.sum::<i32>()),
        person_days: sum(|totals| totals.person_days),
        exits: sum(|totals| totals.exits),
        mean_days: mean(&lengths),
        median_days: median(&lengths),
        lengths,
        reasons: row(ExitReason::ALL.len(), |rows| &rows.reasons),
        months: months.collect(),
        hosted_by: Composition::untold(),
        arrived_by: Composition {
            citizens: citizens(row(CITIZENSHIPS.len() + 1, |rows| &rows.citizenships)),
            sexes: row(SEXES.len(), |rows| &rows.sexes),
            ages: row(AgeBand::ALL.len(), |rows| &rows.ages),
        },
    }
}

/// The sum of the rows, when none is withheld.
fn added<'r>(values: usize, rows: impl Iterator<Item = &'r Vec<i32>>) -> Cells {
    let mut sums = vec![0; values];
    for row in rows {
        if row.len() != values {
            return vec![None; values];
        }
        sums.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
    }
    sums.into_iter().map(told).collect()
}

/// Those that are told, by name, and all others.
fn citizens(cells: Cells) -> Citizens {
    let names = CITIZENSHIPS.map(|name| Some(name.to_owned())).into_iter().chain([None]);
    names.zip(cells).filter(|(name, count)| name.is_none() || count.is_some()).collect()
}

/// Days at which the bands of length begin, and where the last one is taken to end: after three years.
const BOUNDS: [f64; 5] = [0.0, 183.0, 365.0, 730.0, 1096.0];

fn averaged(lengths: &[Option<i32>]) -> Option<(Vec<f64>, f64)> {
    let stays: i32 = lengths.iter().flatten().sum();
    let counts = lengths.iter().map(|count| f64::from(count.unwrap_or(0))).collect();
    (stays > AVERAGED).then(|| (counts, f64::from(stays)))
}

/// The mean, as if all stays of a band had the length in its middle.
fn mean(lengths: &[Option<i32>]) -> Option<f64> {
    let (counts, stays) = averaged(lengths)?;
    let middles = BOUNDS.windows(2).map(|bounds| f64::midpoint(bounds[0], bounds[1]));
    Some((counts.iter().zip(middles).map(|(count, middle)| count * middle).sum::<f64>() / stays).round())
}

/// The median, as if the stays of each band were spread over it evenly.
fn median(lengths: &[Option<i32>]) -> Option<f64> {
    let (counts, stays) = averaged(lengths)?;
    let mut before = 0.0;
    for (count, bounds) in counts.into_iter().zip(BOUNDS.windows(2)) {
        if before + count >= stays / 2.0 {
            let part = (stays / 2.0 - before) / count;
            return Some((bounds[0] + part * (bounds[1] - bounds[0])).round());
        }
        before += count;
    }
    None
}
