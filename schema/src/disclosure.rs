//! Disclosure control: how counts of people are published to those who may not see persons.
//!
//! Statistics for analysts and bodies without sight of persons leave out cells from 1 to 4 (DOMAIN 8, the usual rule of
//! statistical offices). Leaving out the cell alone protects nobody: a total less the other cells gives it back, and so
//! does the province less the other municipalities, or a year less eleven months. Three things together prevent that:
//!
//! 1. *Within a table* at least two cells are left out, five people or more among them, so that a total less what is
//!    shown leaves several possibilities. A table of fewer than five people is left out as a whole, its total included.
//! 2. *Across the tables of a period* (the whole, each municipality, each category) a cell is left out in good faith only
//!    when we can exhibit another population that would be published alike and in which that very cell is different:
//!    one person has another value, or two trade theirs. Where we cannot, more is left out until we can. Group totals
//!    are taken as known exactly, because occupancy is public.
//! 3. *Across periods*, which nobody can look through at once, what is shown is rounded to multiples of five, and
//!    periods are whole months that are over: the difference of two answers is uncertain by four either way, as much as
//!    what was left out. No filter goes closer than a municipality or a category.
//!
//! Zero is shown where nothing beside it is left out; in a row with something left out it is left out too, so that what
//! is left out may be nobody.
//!
//! Who sees the persons of some facilities and not of others knows a part of every count exactly, and subtracts it. So
//! the rest alone is protected, as if there were nothing else, and the known part is added to what may be published of
//! the rest ([`beside`]): subtracting it gives back what anybody may know. Where the rest is left out, the whole is.
//!
//! Mean and median have no cells to leave out. They are told of more than twenty stays as published ([`averaged`]), and
//! never of known and protected ones together: with all but one of the stays known, a median is the length of that one.
//!
//! What remains possible. A longer period counts everybody of a shorter one within it, and more. Where nothing was left
//! out of a row of the shorter one, a value that was zero there and is left out in the longer is likely that of somebody
//! who came in between, and so with a total of zero; whatever is left out already shields who comes later. Rounding
//! hides a few, not a trend. And whoever knows all of a cell but one person by other means may learn of that one: so may
//! a municipality that is given what an analyst is told, where its own guests are counted among all.

use std::collections::BTreeMap;

/// What is shown is a multiple of this.
pub const BASE: i32 = 5;

/// People of whom nothing is told are fewer than this.
pub const THRESHOLD: i32 = 5;

/// Mean and median are told of more than so many, as published.
const AVERAGED: i32 = 20;

/// The nearest multiple of [`BASE`].
#[must_use]
pub fn rounded(count: i32) -> i32 {
    (count + BASE / 2).div_euclid(BASE) * BASE
}

/// Where one person, or one event, is counted: the groups, in order, and the value it has there.
type Kind = (Vec<usize>, usize);

/// People or events counted by group and value: every table of one subject, for all groups of a period.
#[derive(Clone, Debug)]
pub struct Family {
    groups: usize,
    values: usize,
    kinds: BTreeMap<Kind, i32>,
}

impl Family {
    /// Nobody, in so many groups and with so many values to have.
    #[must_use]
    pub fn new(groups: usize, values: usize) -> Self {
        Self { groups, values, kinds: BTreeMap::new() }
    }

    /// How many values there are to have.
    #[must_use]
    pub fn values(&self) -> usize {
        self.values
    }

    /// Counts one person in some groups.
    pub fn count(&mut self, mut groups: Vec<usize>, value: usize) {
        groups.sort_unstable();
        groups.dedup();
        *self.kinds.entry((groups, value)).or_default() += 1;
    }

    /// The counts by group and value.
    #[must_use]
    pub fn cells(&self) -> Vec<Vec<i32>> {
        let mut cells = vec![vec![0; self.values]; self.groups];
        for ((groups, value), count) in &self.kinds {
            groups.iter().for_each(|group| cells[*group][*value] += count);
        }
        cells
    }

    /// What may be published: by group and value the rounded count, or `None` where it is left out.
    #[must_use]
    pub fn published(&self) -> Vec<Vec<Option<i32>>> {
        let mut draft = Draft::of(self);
        if self.values < 2 {
            // Everybody has the one value there is: the cells are the totals themselves.
            return draft.publish();
        }
        (0..self.groups).for_each(|group| draft.complete(group));
        // Each round leaves out at least one more cell, so this ends.
        while let Some(exposed) = draft.exposed(self) {
            if !draft.leave_out_beside(exposed) {
                break;
            }
        }
        draft.publish()
    }
}

/// A cell: its group and value.
type At = (usize, usize);

/// What is to be published, as far as it is decided.
struct Draft {
    cells: Vec<Vec<i32>>,
    hidden: Vec<Vec<bool>>,
}

impl Draft {
    fn of(family: &Family) -> Self {
        let cells = family.cells();
        let small = |cell: &i32| (1..THRESHOLD).contains(cell);
        let hidden = cells.iter().map(|row| row.iter().map(small).collect()).collect();
        Self { cells, hidden }
    }

    /// Leaves out enough of a table that its total does not tell the rest, and with anything every zero.
    fn complete(&mut self, group: usize) {
        if !self.hidden[group].contains(&true) {
            return;
        }
        self.hidden[group].iter_mut().zip(&self.cells[group]).for_each(|(hidden, cell)| *hidden |= *cell == 0);
        loop {
            let left_out = self.cells[group].iter().zip(&self.hidden[group]).filter(|(_, hidden)| **hidden);
            let (cells, people) = left_out.fold((0, 0), |(cells, people), (cell, _)| (cells + 1, people + cell));
            if cells > 1 && people >= THRESHOLD {
                return;
            }
            if !self.leave_out_smallest(group) {
                self.hidden[group].fill(true);
                return;
            }
        }
    }

    /// Leaves out the smallest cell that is shown and not empty, if there is one.
    fn leave_out_smallest(&mut self, group: usize) -> bool {
        let shown = (0..self.cells[group].len()).filter(|value| !self.hidden[group][*value]);
        let smallest =
            shown.filter(|value| self.cells[group][*value] > 0).min_by_key(|value| self.cells[group][*value]);
        if let Some(value) = smallest {
            self.hidden[group][value] = true;
        }
        smallest.is_some()
    }

    /// A small cell for which no other population would be published alike.
    fn exposed(&self, family: &Family) -> Option<At> {
        let all = (0..self.cells.len()).flat_map(|group| (0..family.values).map(move |value| (group, value)));
        let mut small = all.filter(|(group, value)| (1..THRESHOLD).contains(&self.cells[*group][*value]));
        small.find(|at| !self.deniable(*at, family))
    }

    /// Whether the cell may be one more or less: somebody of its group has another value, alone or in exchange with
    /// somebody elsewhere.
    fn deniable(&self, (group, value): At, family: &Family) -> bool {
        let (inside, outside): (Vec<_>, Vec<_>) = family.kinds.keys().partition(|(groups, _)| groups.contains(&group));
        let others = (0..family.values).filter(|other| *other != value);
        let trades: Vec<(usize, usize)> = others.flat_map(|other| [(value, other), (other, value)]).collect();
        inside.iter().any(|(groups, own)| {
            trades.iter().filter(|(from, _)| from == own).any(|(from, to)| {
                let there = || groups.iter().flat_map(|group| [(*group, *from, -1), (*group, *to, 1)]);
                let back = |others: &Vec<usize>| -> Vec<_> {
                    others.iter().flat_map(|group| [(*group, *to, -1), (*group, *from, 1)]).collect()
                };
                let partners = || outside.iter().filter(|(_, own)| own == to);
                self.alike(there()) || partners().any(|(others, _)| self.alike(there().chain(back(others))))
            })
        })
    }

    /// Whether the cells would be published alike after these changes.
    fn alike(&self, changes: impl Iterator<Item = (usize, usize, i32)>) -> bool {
        let mut sums: Vec<(At, i32)> = Vec::new();
        for (group, value, by) in changes {
            match sums.iter_mut().find(|(at, _)| *at == (group, value)) {
                Some((_, sum)) => *sum += by,
                None => sums.push(((group, value), by)),
            }
        }
        sums.into_iter().all(|((group, value), by)| {
            let (before, after) = (self.cells[group][value], self.cells[group][value] + by);
            match self.hidden[group][value] {
                true => after >= 0,
                false => by == 0 || (before >= THRESHOLD && after >= THRESHOLD && rounded(before) == rounded(after)),
            }
        })
    }

    fn all_hidden(&self, group: usize) -> bool {
        self.hidden[group].iter().all(|hidden| *hidden)
    }

    /// Leaves out more of what tells an exposed cell: of its own table first, then of the same value elsewhere, and at
    /// last whole tables. False when everything is left out already.
    fn leave_out_beside(&mut self, (group, value): At) -> bool {
        if self.leave_out_smallest(group) {
            return true;
        }
        let shown = (0..self.cells.len()).filter(|other| !self.hidden[*other][value] && self.cells[*other][value] > 0);
        if let Some(other) = shown.min_by_key(|other| self.cells[*other][value]) {
            self.hidden[other][value] = true;
            self.complete(other);
            return true;
        }
        let partly = |other: &usize| !self.all_hidden(*other);
        let concerned = |other: &usize| *other == group || self.cells[*other][value] > 0;
        let all = || (0..self.cells.len()).filter(partly);
        let Some(other) = all().find(concerned).or_else(|| all().next()) else { return false };
        self.hidden[other].fill(true);
        true
    }

    fn publish(self) -> Vec<Vec<Option<i32>>> {
        let cell = |(cell, hidden): (i32, bool)| (!hidden).then(|| rounded(cell));
        let row = |(cells, hidden): (Vec<i32>, Vec<bool>)| cells.into_iter().zip(hidden).map(cell).collect();
        self.cells.into_iter().zip(self.hidden).map(row).collect()
    }
}

/// A total as it may be published: left out when it is small itself.
#[must_use]
pub fn total(count: i32) -> Option<i32> {
    (count == 0 || count >= THRESHOLD).then(|| rounded(count))
}

/// What may be told to whoever knows a part of a count exactly: that part with what may be published of the rest.
#[must_use]
pub fn beside(known: i32, rest: Option<i32>) -> Option<i32> {
    rest.map(|rest| known + rest)
}

/// Whether mean and median of so many may be told. It follows from the count as published, so that it tells nothing else.
#[must_use]
pub fn averaged(count: i32) -> bool {
    rounded(count) > AVERAGED
}
