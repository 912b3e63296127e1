//! A pool: the places of one category in one facility, with the blocks and grants that say how many there are on a day.

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};

use super::{CapacityNumbers, Counts, PlaceCategory};
use crate::{
    Day,
    access::{DataClass::Operational, data_class},
    id::{AccreditationId, BlockId, FacilityId},
    time::DateTime,
};

/// Why places are out of service.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BlockReason {
    /// The building or a room is damaged.
    Damage,
    /// Planned works.
    Works,
    /// Hygiene measure or isolation.
    Hygiene,
    /// A guest or household needs more room.
    MoreRoomNeeded,
    /// Staff is missing.
    Staffing,
    /// Another reason, told in the note.
    Other,
}

/// Places out of service for a time (temporaneamente non fruibili).
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Global id.
    #[graphql(directive = data_class::apply(Operational))]
    pub id: BlockId,
    /// How many places.
    #[graphql(directive = data_class::apply(Operational))]
    pub places: i32,
    /// Why.
    #[graphql(directive = data_class::apply(Operational))]
    pub reason: BlockReason,
    /// More about the reason. Never anything about a person.
    #[graphql(directive = data_class::apply(Operational))]
    pub note: Option<String>,
    /// First day out of service.
    #[graphql(directive = data_class::apply(Operational))]
    pub from: Day,
    /// Last day out of service; null when open-ended.
    #[graphql(directive = data_class::apply(Operational))]
    pub until: Option<Day>,
}

impl Block {
    fn in_force(&self, day: Day) -> bool {
        self.from <= day && self.until.is_none_or(|until| day <= until)
    }
}

/// The places an accreditation gives to a pool, and for how long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// The accreditation.
    pub accreditation: AccreditationId,
    /// Places allowed.
    pub places: i32,
    /// First day.
    pub valid_from: Day,
    /// Last day.
    pub valid_until: Day,
}

impl Grant {
    fn in_force(&self, day: Day) -> bool {
        self.valid_from <= day && day <= self.valid_until
    }
}

/// The places of one category in one facility.
///
/// The counters are a cache beside the ledger; blocks and grants carry their own dates, so that any
/// day's numbers follow without relying on a clock having run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pool {
    /// The facility.
    pub facility: FacilityId,
    /// The category.
    pub category: PlaceCategory,
    /// Places that physically exist.
    pub installed: i32,
    /// Blocks, past ones removed.
    pub blocks: Vec<Block>,
    /// Grants of accreditations that are neither suspended, revoked nor expired.
    pub grants: Vec<Grant>,
    /// Guests present.
    pub occupied: i32,
    /// Reservations in force.
    pub reserved: i32,
    /// What the last ledger entry left.
    pub ledgered: Counts,
    /// What the last ledger entry of an earlier day left: the day of `registered_at` began with it.
    pub opening: Counts,
    /// The last day whose numbers are in the ledger.
    pub settled_on: Day,
    /// Number of the last ledger entry; 0 before the first.
    pub revision: i64,
    /// When the last change happened.
    pub occurred_at: DateTime,
    /// When the last change was registered.
    pub registered_at: DateTime,
}

/// What a pool is known by: its facility and its category.
pub type PoolKey = (FacilityId, PlaceCategory);

impl Pool {
    /// What it is known by.
    #[must_use]
    pub fn key(&self) -> PoolKey {
        (self.facility, self.category)
    }

    /// A pool without places.
    #[must_use]
    pub fn empty(facility: FacilityId, category: PlaceCategory, at: DateTime) -> Self {
        Self {
            facility,
            category,
            installed: 0,
            blocks: Vec::new(),
            grants: Vec::new(),
            occupied: 0,
            reserved: 0,
            ledgered: Counts::default(),
            opening: Counts::default(),
            settled_on: at.day(),
            revision: 0,
            occurred_at: at,
            registered_at: at,
        }
    }

    /// The grant in force on a day; of several, the one that began last.
    #[must_use]
    pub fn grant_on(&self, day: Day) -> Option<&Grant> {
        self.grants
            .iter()
            .filter(|grant| grant.in_force(day))
            .max_by_key(|grant| (grant.valid_from, grant.accreditation))
    }

    /// The counts on a day.
    #[must_use]
    pub fn counts_on(&self, day: Day) -> Counts {
        Counts {
            accredited: self.grant_on(day).map_or(0, |grant| grant.places),
            installed: self.installed,
            blocked: self.blocks.iter().filter(|block| block.in_force(day)).map(|block| block.places).sum(),
            occupied: self.occupied,
            reserved: self.reserved,
        }
    }

    /// The numbers on a day.
    #[must_use]
    pub fn numbers_on(&self, day: Day) -> CapacityNumbers {
        self.counts_on(day).into()
    }

    /// The numbers on a day, with the people as they were known at the end of the day before.
    #[must_use]
    pub fn day_before(&self, today: Day) -> CapacityNumbers {
        let then = if self.registered_at.day() < today { self.ledgered } else { self.opening };
        Counts { occupied: then.occupied, reserved: then.reserved, ..self.counts_on(today) }.into()
    }

    /// The first day after `day` on which the clock alone may change the numbers.
    #[must_use]
    pub fn next_change_after(&self, day: Day) -> Option<Day> {
        let blocks =
            self.blocks.iter().flat_map(|block| [Some(block.from), block.until.map(|until| until.plus_days(1))]);
        let grants =
            self.grants.iter().flat_map(|grant| [Some(grant.valid_from), Some(grant.valid_until.plus_days(1))]);
        blocks.chain(grants).flatten().filter(|change| *change > day).min()
    }

    /// Places that can be claimed by an arrival on a day, registered today. An arrival registered late must find a
    /// place on both days; should nothing be accredited any more today, its own day alone counts.
    #[must_use]
    pub fn claimable(&self, day: Day, today: Day) -> i32 {
        let then = self.numbers_on(day).allocable;
        if self.grant_on(today).is_some() { then.min(self.numbers_on(today).allocable) } else { then }
    }

    /// Whether a place has been free ever since an instant, for somebody who arrived then and is registered now.
    /// `movements` are those that took place after it: when, and how many more there were then. Guests stay where nothing
    /// is accredited any more, so such days do not count.
    #[must_use]
    pub fn free_since(&self, at: DateTime, mut movements: Vec<(DateTime, i32)>) -> bool {
        movements.sort_unstable();
        let full = |day: Day, claimed: i32| self.grant_on(day).is_some() && claimed >= self.numbers_on(day).allocable;
        let mut claimed = self.claimed();
        for (moment, more) in movements.into_iter().rev() {
            if full(moment.day(), claimed) {
                return false;
            }
            claimed -= more;
        }
        !full(at.day(), claimed)
    }

    /// Places blocked on the worst day from one day to another.
    #[must_use]
    pub fn most_blocked(&self, from: Day, until: Option<Day>) -> i32 {
        let begins = self.blocks.iter().map(|block| block.from);
        let begins = begins.filter(|day| *day >= from && until.is_none_or(|until| *day <= until));
        std::iter::once(from).chain(begins).map(|day| self.counts_on(day).blocked).max().unwrap_or(0)
    }

    /// Guests present or expected.
    #[must_use]
    pub fn claimed(&self) -> i32 {
        self.occupied + self.reserved
    }
}
