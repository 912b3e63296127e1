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

mod pool;

use async_graphql::{Enum, InputObject};
use serde::{Deserialize, Serialize};

pub use self::pool::{Block, BlockReason, Grant, Pool, PoolKey};
use crate::{
    Act, ActInput, Code, Day, Findings,
    id::{BlockId, FacilityId},
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
    /// What has changed since `before`, without rates.
    pub(crate) fn since(self, before: Self) -> Self {
        self.combine(before, |now, then| now - then)
    }

    /// The sum of both, without rates. A place free in one pool does not hide a guest too many in another.
    pub(crate) fn plus(self, other: Self) -> Self {
        self.combine(other, |one, two| one + two)
    }

    fn combine(self, other: Self, with: impl Fn(i32, i32) -> i32) -> Self {
        Self {
            accredited: with(self.accredited, other.accredited),
            installed: with(self.installed, other.installed),
            blocked: with(self.blocked, other.blocked),
            allocable: with(self.allocable, other.allocable),
            occupied: with(self.occupied, other.occupied),
            reserved: with(self.reserved, other.reserved),
            free: with(self.free, other.free),
            over_capacity: with(self.over_capacity, other.over_capacity),
            occupancy_rate: None,
            utilisation_rate: None,
        }
    }

    /// The same numbers with the rates that follow from them.
    pub(crate) fn with_rates(mut self) -> Self {
        let rate = |of: i32| (of > 0).then(|| f64::from(self.occupied) / f64::from(of));
        self.occupancy_rate = rate(self.allocable);
        self.utilisation_rate = rate(self.installed);
        self
    }
}

impl std::iter::Sum for CapacityNumbers {
    fn sum<I: Iterator<Item = Self>>(numbers: I) -> Self {
        numbers.fold(Self::default(), Self::plus).with_rates()
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
