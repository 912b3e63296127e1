//! The books of a pool: whether its counters, its ledger and the open stays say the same, and what makes them agree again.
//!
//! An act whose pool does not agree is refused ([`Code::BooksDisagree`](crate::Code::BooksDisagree)): it would write the
//! fault into the ledger. An administrator repairs the pool with entries of correction, which history and exports show.

use std::{fmt, ops::Range};

use crate::{
    DateTime, LedgerEntry, OccupancyCause, Pool,
    capacity::Counts,
    id,
    ledger::{Change, Entering},
};

/// Entries at the end of a ledger that are made up at most. A pool that counts more beyond its ledger is wrong itself.
const MOST_LOST: i64 = 1_000;

/// The end of a pool's ledger, and the open stays: what the counters of the pool are compared with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Number of the last entry; 0 when there is none.
    pub revision: i64,
    /// The numbers after it.
    pub after: Counts,
    /// Stays that have not ended.
    pub open_stays: i32,
}

/// Something that does not agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disagreement {
    /// The ledger has no entries with these numbers.
    Missing {
        /// The first of them.
        first: i64,
        /// The last of them.
        last: i64,
    },
    /// The numbers after this entry are not those before it and its own change.
    DoesNotFollow(i64),
    /// The pool counts other entries than the ledger has.
    Entries {
        /// Entries by the pool.
        pool: i64,
        /// Number of the ledger's last entry.
        ledger: i64,
    },
    /// A number of the pool is not that of the ledger's last entry.
    Number {
        /// Which number.
        name: &'static str,
        /// The number by the pool.
        pool: i32,
        /// The number by the ledger.
        ledger: i32,
    },
    /// A number that the pool remembers to have entered last is not that of the ledger's last entry.
    Remembered {
        /// Which number.
        name: &'static str,
        /// The number that the pool remembers.
        pool: i32,
        /// The number by the ledger.
        ledger: i32,
    },
    /// The pool has another number of guests than there are open stays.
    Stays {
        /// Guests by the pool.
        pool: i32,
        /// Open stays.
        stays: i32,
    },
    /// There are ledger entries or stays, and no pool.
    NoPool,
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { first, last } if first == last => write!(f, "entry {first} of the ledger is missing"),
            Self::Missing { first, last } => write!(f, "entries {first} to {last} of the ledger are missing"),
            Self::DoesNotFollow(entry) => write!(f, "entry {entry} of the ledger does not add up"),
            Self::Entries { pool, ledger } => {
                write!(f, "entries: {pool} by the pool, {ledger} in the ledger")
            }
            Self::Number { name, pool, ledger } => write!(f, "{name}: {pool} in the pool, {ledger} in the ledger"),
            Self::Remembered { name, pool, ledger } => {
                write!(f, "{name}: the pool remembers {pool} as entered, {ledger} in the ledger")
            }
            Self::Stays { pool, stays } => write!(f, "occupied: {pool} in the pool, {stays} open stays"),
            Self::NoPool => write!(f, "there are ledger entries or stays, and no pool"),
        }
    }
}

impl Books {
    /// What of a pool does not agree with its books.
    #[must_use]
    pub fn disagreements(&self, pool: &Pool) -> Vec<Disagreement> {
        let mut found = Vec::new();
        if pool.revision != self.revision {
            found.push(Disagreement::Entries { pool: pool.revision, ledger: self.revision });
        }
        let differ = |counts: Counts| {
            let pairs = counts.named().into_iter().zip(self.after.named());
            pairs.filter(|((_, own), (_, ledger))| own != ledger).map(|((name, own), (_, ledger))| (name, own, ledger))
        };
        let now: Vec<_> = differ(pool.counts_on(pool.settled_on)).collect();
        found.extend(now.iter().map(|&(name, pool, ledger)| Disagreement::Number { name, pool, ledger }));
        let remembered = differ(pool.ledgered).filter(|remembered| !now.contains(remembered));
        found.extend(remembered.map(|(name, pool, ledger)| Disagreement::Remembered { name, pool, ledger }));
        if pool.occupied != self.open_stays {
            found.push(Disagreement::Stays { pool: pool.occupied, stays: self.open_stays });
        }
        found
    }
}

/// A pool's ledger, added up entry by entry.
#[derive(Clone, Debug, Default)]
pub struct AddedUp {
    /// The sum of all changes.
    sum: Counts,
    after: Counts,
    revision: i64,
    faults: Vec<Disagreement>,
}

impl AddedUp {
    /// Adds up a whole ledger, in order.
    #[must_use]
    pub fn of(ledger: &[LedgerEntry]) -> Self {
        let mut added = Self::default();
        ledger.iter().for_each(|entry| added.add(entry));
        added
    }

    fn add(&mut self, entry: &LedgerEntry) {
        if entry.revision > self.revision + 1 {
            self.faults.push(Disagreement::Missing { first: self.revision + 1, last: entry.revision - 1 });
        }
        self.sum = self.sum.plus(entry.deltas);
        if entry.cause == OccupancyCause::Correction && self.sum == entry.after {
            // A correction makes up for every entry before it that did not add up.
            self.faults.retain(|fault| !matches!(fault, Disagreement::DoesNotFollow(_)));
        } else if self.after.plus(entry.deltas) != entry.after {
            self.faults.push(Disagreement::DoesNotFollow(entry.revision));
        }
        (self.after, self.revision) = (entry.after, entry.revision);
    }

    /// What of the ledger does not agree with itself.
    #[must_use]
    pub fn disagreements(&self) -> &[Disagreement] {
        &self.faults
    }

    /// The end of the ledger, beside so many open stays.
    #[must_use]
    pub fn books(&self, open_stays: i32) -> Books {
        Books { revision: self.revision, after: self.after, open_stays }
    }
}

/// A pool that agrees with its books, and the entries that make its ledger do so.
#[derive(Clone, Debug, PartialEq)]
pub struct Correction {
    /// The pool.
    pub pool: Pool,
    /// Entries to be added to the ledger.
    pub entries: Vec<LedgerEntry>,
}

impl Pool {
    /// Makes counters, ledger and open stays agree; `None` when they do.
    ///
    /// The guests are those of the open stays, the installed places those of the ledger. Grants and blocks are the pool's
    /// own. A missing entry is made up from what is beside it: the entry after it, or the pool where it knows of later
    /// ones, and is dated like that. One more entry takes the sum of the ledger to the numbers of the pool.
    #[must_use]
    pub fn correct(mut self, ledger: &[LedgerEntry], open_stays: i32, entering: Entering<'_>) -> Option<Correction> {
        let mut entries = self.missing(ledger, entering);
        let mut whole: Vec<LedgerEntry> = ledger.iter().chain(&entries).cloned().collect();
        whole.sort_unstable_by_key(|entry| entry.revision);
        let added = AddedUp::of(&whole);
        let broken = !added.disagreements().is_empty();
        if entries.is_empty() && !broken && added.books(open_stays).disagreements(&self).is_empty() {
            return None;
        }
        (self.installed, self.occupied, self.reserved) = (added.after.installed, open_stays, 0);
        (self.revision, self.ledgered) = (added.revision, added.sum);
        let change = Change::new(OccupancyCause::Correction, entering.now);
        let day = self.settled_on;
        entries.extend(self.enter_on(day, change, entering, broken));
        Some(Correction { pool: self, entries })
    }

    /// The entries that a ledger lacks between those it has, and after them when the pool knows of some and agrees with
    /// itself.
    fn missing(&self, ledger: &[LedgerEntry], entering: Entering<'_>) -> Vec<LedgerEntry> {
        let mut made = Vec::new();
        let (mut after, mut revision) = (Counts::default(), 0);
        let mut make_up = |numbers: Range<i64>, left: Counts, then: (DateTime, DateTime), after: Counts| {
            for (at, number) in numbers.enumerate() {
                let deltas = if at == 0 { left.since(after) } else { Counts::default() };
                made.push(LedgerEntry {
                    id: id::fresh(entering.now),
                    act: entering.act,
                    facility: self.facility,
                    category: self.category,
                    revision: number,
                    cause: OccupancyCause::Correction,
                    deltas,
                    after: left,
                    stay: None,
                    accreditation: None,
                    role: entering.actor.role,
                    organisation: entering.actor.organisation,
                    occurred_at: then.0,
                    registered_at: then.1,
                });
            }
        };
        for next in ledger {
            let then = (next.occurred_at, next.registered_at);
            make_up(revision + 1..next.revision, next.after.since(next.deltas), then, after);
            (after, revision) = (next.after, next.revision);
        }
        let lost = revision + 1..self.revision + 1;
        if self.counts_on(self.settled_on) == self.ledgered && lost.end - lost.start <= MOST_LOST {
            make_up(lost, self.ledgered, (self.occurred_at, self.registered_at), after);
        }
        made
    }
}

#[cfg(test)]
mod tests;
