//! Places: the numbers, and the one formula behind each.
//!
//! | Number | Formula |
//! |---|---|
//! | `accredited` | places the accreditation in force allows (0 when none is in force) |
//! | `installed` | places that physically exist |
//! | `blocked` | sum of the blocks in force |
//! | `allocable` | max(0, min(installed − blocked, accredited)) |
//! | `occupied` | guests present |
//! | `reserved` | reservations in force, not yet arrived |
//! | `free` | allocable − occupied − reserved, shown as 0 when negative |
//! | `overCapacity` | the negative part of that, never hidden |
//! | `occupancyRate` | occupied / allocable; null when allocable is 0 |
//! | `utilisationRate` | occupied / installed; null when installed is 0 |
//!
//! No other code computes them.

use async_graphql::{Enum, InputObject, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::{
    Act, ActInput, Code, Day, Findings,
    access::{DataClass::Operational, data_class},
    id::{AccreditationId, BlockId, FacilityId},
    time::DateTime,
};

/// The kind of place a project offers. Each project or lot has one.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum PlaceCategory {
    /// Ordinary places (ordinari).
    Ordinary,
    /// Places for unaccompanied minors (MSNA).
    UnaccompaniedMinor,
    /// Places for people with mental distress, illness or disability (DM-DS).
    MentalHealthOrDisability,
}

impl PlaceCategory {
    /// Every category, in the order they are shown in.
    pub const ALL: [Self; 3] = [Self::Ordinary, Self::UnaccompaniedMinor, Self::MentalHealthOrDisability];

    /// Whether having such a place says something about a person that few may know.
    #[must_use]
    pub fn is_protected(self) -> bool {
        self != Self::Ordinary
    }
}

/// The five numbers that are counted. The others follow from them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Places the accreditation in force allows.
    pub accredited: i32,
    /// Places that physically exist.
    pub installed: i32,
    /// Places out of service.
    pub blocked: i32,
    /// Guests present.
    pub occupied: i32,
    /// Reservations in force.
    pub reserved: i32,
}

impl Counts {
    /// What has changed since `before`.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        self.combine(before, |now, then| now - then)
    }

    /// The sum of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        self.combine(other, |one, two| one + two)
    }

    /// Each number with its name.
    #[must_use]
    pub fn named(self) -> [(&'static str, i32); 5] {
        [
            ("accredited", self.accredited),
            ("installed", self.installed),
            ("blocked", self.blocked),
            ("occupied", self.occupied),
            ("reserved", self.reserved),
        ]
    }

    fn combine(self, other: Self, with: impl Fn(i32, i32) -> i32) -> Self {
        Self {
            accredited: with(self.accredited, other.accredited),
            installed: with(self.installed, other.installed),
            blocked: with(self.blocked, other.blocked),
            occupied: with(self.occupied, other.occupied),
            reserved: with(self.reserved, other.reserved),
        }
    }
}

/// Places of a facility, a category or a whole territory, as they are. What of it is told to whom is decided in
/// [`publication`](crate::publication).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct CapacityNumbers {
    /// Places the accreditation in force allows; 0 when none is in force.
    pub accredited: i32,
    /// Places that physically exist.
    pub installed: i32,
    /// Places out of service: the sum of the blocks in force.
    pub blocked: i32,
    /// Places that can be given out: max(0, min(installed − blocked, accredited)).
    pub allocable: i32,
    /// Guests present.
    pub occupied: i32,
    /// Reservations in force, not yet arrived.
    pub reserved: i32,
    /// Free places: allocable − occupied − reserved, 0 when negative.
    pub free: i32,
    /// Guests beyond the allocable places: the negative part of allocable − occupied − reserved.
    pub over_capacity: i32,
    /// occupied / allocable, as a fraction; null when allocable is 0.
    pub occupancy_rate: Option<f64>,
    /// occupied / installed, as a fraction; null when installed is 0.
    pub utilisation_rate: Option<f64>,
}

impl From<Counts> for CapacityNumbers {
    fn from(counts: Counts) -> Self {
        let allocable = (counts.installed - counts.blocked).min(counts.accredited).max(0);
        let left = allocable - counts.occupied - counts.reserved;
        Self {
            accredited: counts.accredited,
            installed: counts.installed,
            blocked: counts.blocked,
            allocable,
            occupied: counts.occupied,
            reserved: counts.reserved,
            free: left.max(0),
            over_capacity: (-left).max(0),
            ..Self::default()
        }
        .with_rates()
    }
}

impl CapacityNumbers {
    fn with_rates(mut self) -> Self {
        let rate = |of: i32| (of > 0).then(|| f64::from(self.occupied) / f64::from(of));
        self.occupancy_rate = rate(self.allocable);
        self.utilisation_rate = rate(self.installed);
        self
    }
}

impl std::iter::Sum for CapacityNumbers {
    /// Adds up. A place free in one pool does not hide a guest too many in another.
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers
            .fold(Self::default(), |sum, one| Self {
                accredited: sum.accredited + one.accredited,
                installed: sum.installed + one.installed,
                blocked: sum.blocked + one.blocked,
                allocable: sum.allocable + one.allocable,
                occupied: sum.occupied + one.occupied,
                reserved: sum.reserved + one.reserved,
                free: sum.free + one.free,
                over_capacity: sum.over_capacity + one.over_capacity,
                occupancy_rate: None,
                utilisation_rate: None,
            })
            .with_rates()
    }
}

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

impl Pool {
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

/// Says how many places physically exist.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct InstallPlacesInput {
    /// The facility.
    pub facility: FacilityId,
    /// The category of the places.
    pub category: PlaceCategory,
    /// Places that exist after this act, 0 to 1000.
    pub installed: i32,
}

impl ActInput for InstallPlacesInput {
    const ACT: Act = Act::InstallPlaces;
}

/// Takes places out of service for a time.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct BlockPlacesInput {
    /// The facility.
    pub facility: FacilityId,
    /// The category of the places.
    pub category: PlaceCategory,
    /// How many places, at least 1.
    pub places: i32,
    /// Why.
    pub reason: BlockReason,
    /// More about the reason. Never anything about a person.
    pub note: Option<String>,
    /// First day out of service; today when absent.
    pub from: Option<Day>,
    /// Last day out of service; open-ended when absent.
    pub until: Option<Day>,
}

impl ActInput for BlockPlacesInput {
    const ACT: Act = Act::BlockPlaces;
}

/// Puts blocked places back into service.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct UnblockPlacesInput {
    /// The block to lift.
    pub block: BlockId,
}

impl ActInput for UnblockPlacesInput {
    const ACT: Act = Act::UnblockPlaces;
}

/// Places one facility normally has at most (DM 18/11/2019 art. 11 c. 1).
pub const FACILITY_CAP: i32 = 50;

/// Checks a new number of installed places (F3, F6). `others` are the places of the facility's other
/// categories, `beds` the beds of its declared rooms, if any.
pub fn check_install(
    input: &InstallPlacesInput,
    pool: &Pool,
    others: i32,
    beds: Option<i32>,
    today: Day,
    found: &mut Findings,
) {
    let path = "input.installed";
    if !found.require_range(input.installed, 0..=1_000, path) {
        return;
    }
    let total = others + input.installed;
    if let Some(beds) = beds.filter(|beds| total > *beds) {
        found.add_with(Code::MorePlacesThanBeds, path, beds);
    }
    if total > FACILITY_CAP {
        found.add_with(Code::AboveFacilityCap, path, FACILITY_CAP);
    }
    let blocked = pool.most_blocked(today, None);
    if input.installed < pool.claimed() {
        found.add_with(Code::BelowOccupied, path, pool.claimed());
    } else if input.installed < pool.installed && input.installed - blocked < pool.claimed() {
        found.add_with(Code::BelowBlocked, path, blocked);
    }
}

/// Checks a new block against the places that exist on the worst of its days.
pub fn check_block(input: &BlockPlacesInput, pool: &Pool, today: Day, found: &mut Findings) {
    let from = input.from.unwrap_or(today);
    if !found.require_range(input.places, 1..=1_000, "input.places") {
        return;
    }
    if input.until.is_some_and(|until| until < from.max(today)) {
        found.add(Code::PeriodReversed, "input.until");
    }
    let blocked = pool.most_blocked(from, input.until) + input.places;
    if blocked > pool.installed {
        found.add_with(Code::BlockExceedsInstalled, "input.places", pool.installed);
    } else if pool.installed - blocked < pool.claimed() {
        found.add_with(Code::OverCapacity, "input.places", pool.claimed() - (pool.installed - blocked));
    }
}
