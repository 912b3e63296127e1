//! The ledger: every change of a number about places, once, in order.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{
    Actor, DateTime, Day, PlaceCategory, Pool, Role,
    capacity::Counts,
    id::{self, AccreditationId, ActId, FacilityId, OrganisationId, StayId},
};

/// What changed a number about places.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OccupancyCause {
    /// Places were installed or removed.
    PlacesInstalled,
    /// Places went out of service by an act.
    PlacesBlocked,
    /// Places came back into service by an act.
    PlacesUnblocked,
    /// A block announced earlier began.
    BlockBegan,
    /// A block came to its last day.
    BlockEnded,
    /// An accreditation was granted, or reinstated.
    AccreditationGranted,
    /// An accreditation granted earlier came into force.
    AccreditationBegan,
    /// An accreditation was suspended.
    AccreditationSuspended,
    /// An accreditation was revoked.
    AccreditationRevoked,
    /// An accreditation came to its last day.
    AccreditationExpired,
    /// A guest arrived.
    Admission,
    /// A guest left.
    Discharge,
    /// The administrator made counters, ledger and stays agree again.
    Correction,
}

/// One entry of the ledger. It may name a stay, never a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LedgerEntry {
    /// Identifies the entry.
    pub id: Uuid,
    /// The act it is part of.
    pub act: ActId,
    /// The facility.
    pub facility: FacilityId,
    /// The category.
    pub category: PlaceCategory,
    /// Number of the entry within its pool, from 1, without gaps.
    pub revision: i64,
    /// What changed the numbers.
    pub cause: OccupancyCause,
    /// By how much.
    pub deltas: Counts,
    /// The numbers after it: the sum of all deltas up to this entry.
    pub after: Counts,
    /// The stay that began or ended.
    pub stay: Option<StayId>,
    /// The accreditation that changed.
    pub accreditation: Option<AccreditationId>,
    /// Role of the actor at that time; none for the system.
    pub role: Option<Role>,
    /// The organisation the actor acted for; none for the system.
    pub organisation: Option<OrganisationId>,
    /// When it happened.
    pub occurred_at: DateTime,
    /// When the hub learnt of it.
    pub registered_at: DateTime,
}

/// Why a pool changes, and what the ledger entry names beside it.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// What changes the numbers.
    pub cause: OccupancyCause,
    /// The stay that begins or ends.
    pub stay: Option<StayId>,
    /// The accreditation that changes.
    pub accreditation: Option<AccreditationId>,
    /// When it happened.
    pub occurred_at: DateTime,
}

impl Change {
    /// A change that names nothing beside its cause.
    #[must_use]
    pub fn new(cause: OccupancyCause, occurred_at: DateTime) -> Self {
        Self { cause, stay: None, accreditation: None, occurred_at }
    }
}

/// Who enters something into the ledger, in which act and when.
#[derive(Clone, Copy, Debug)]
pub struct Entering<'a> {
    /// The act.
    pub act: ActId,
    /// Who performs it.
    pub actor: &'a Actor,
    /// When the hub learns of it.
    pub now: DateTime,
}

impl Pool {
    /// Makes the ledger entry for what has changed since the last one, if any number has, and marks
    /// the pool with it. The only place where an entry is made.
    pub fn enter(&mut self, change: Change, entering: Entering<'_>) -> Option<LedgerEntry> {
        // The time never falls into a settled day, even when a clock is behind or an act takes long.
        let day = entering.now.day().max(self.settled_on);
        self.enter_on(day, change, entering, false)
    }

    /// Makes the entry of a day; `always`, also when it changes no number.
    pub(crate) fn enter_on(
        &mut self,
        day: Day,
        change: Change,
        entering: Entering<'_>,
        always: bool,
    ) -> Option<LedgerEntry> {
        let after = self.counts_on(day);
        let deltas = after.since(self.ledgered);
        self.settled_on = day;
        if deltas == Counts::default() && !always {
            return None;
        }
        // The time is never before the last entry: an act of before midnight may be entered after one of the new day.
        let registered_at = entering.now.max(self.registered_at);
        if registered_at.day() > self.registered_at.day() {
            self.opening = self.ledgered;
        }
        self.registered_at = registered_at;
        self.revision += 1;
        self.ledgered = after;
        self.occurred_at = change.occurred_at;
        Some(LedgerEntry {
            id: id::fresh(entering.now),
            act: entering.act,
            facility: self.facility,
            category: self.category,
            revision: self.revision,
            cause: change.cause,
            deltas,
            after,
            stay: change.stay,
            accreditation: change.accreditation,
            role: entering.actor.role,
            organisation: entering.actor.organisation,
            occurred_at: change.occurred_at,
            registered_at,
        })
    }

    /// Makes the ledger entries for what the clock alone has changed since the last one, in the system's name, so that
    /// the next entry carries its own effect and nothing else. There is one for each day on which something changed, and
    /// it happened when the day began, however late somebody learns of it.
    pub fn settle(&mut self, act: ActId, now: DateTime) -> Vec<LedgerEntry> {
        let today = now.day().max(self.settled_on);
        let mut entries = Vec::new();
        while let Some(day) = self.next_change_after(self.settled_on).filter(|day| *day <= today) {
            entries.extend(self.settle_on(day, act, now));
        }
        self.settled_on = today;
        // Grants and blocks that ended long ago no longer matter to a late registration.
        let oldest = today.plus_days(-366);
        self.blocks.retain(|block| block.until.is_none_or(|until| until >= oldest));
        self.grants.retain(|grant| grant.valid_until >= oldest);
        entries
    }

    fn settle_on(&mut self, day: Day, act: ActId, now: DateTime) -> Option<LedgerEntry> {
        let deltas = self.counts_on(day).since(self.ledgered);
        let cause = match (deltas.accredited, deltas.blocked) {
            (less, _) if less < 0 => OccupancyCause::AccreditationExpired,
            (more, _) if more > 0 => OccupancyCause::AccreditationBegan,
            (_, less) if less < 0 => OccupancyCause::BlockEnded,
            _ => OccupancyCause::BlockBegan,
        };
        self.enter_on(day, Change::new(cause, day.begins()), Entering { act, actor: &Actor::system(), now }, false)
    }
}

/// A place in the replica set's own order of events: it means the same on every hub process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Seconds of the cluster time.
    pub seconds: u32,
    /// Increment of the cluster time.
    pub increment: u32,
    /// Number of the event within its transaction.
    pub ordinal: u32,
}
