//! Looks at files out of sight: what an act had to ask about somebody whose file the member does not see.

use crate::{
    Act, Actor, Code, DateTime, Guest,
    id::{GuestId, LookupId, OrganisationId},
};

/// Files that one look names at most. More than a few with the same particulars are no person any more.
pub const MOST_FILES: usize = 20;

/// One look, whether it found anything or not. Nothing of what the member entered is kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// Identifies the look; the act that was written has the same.
    pub id: LookupId,
    /// The act that was ordered.
    pub act: Act,
    /// Who ordered it.
    pub actor: Actor,
    /// When.
    pub at: DateTime,
    /// What the look told the member, and nothing else would have.
    pub found: Vec<Code>,
    /// The files it hit.
    pub files: Vec<LookedAt>,
}

/// A file that was hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LookedAt {
    /// Whose file it is.
    pub guest: GuestId,
    /// Who kept it at that time.
    pub keeper: OrganisationId,
    /// What the member was told because of this file.
    pub found: Vec<Code>,
    /// The organisations that are told of the look, beside the Province.
    pub told: Vec<OrganisationId>,
}

impl LookedAt {
    /// A file that is hit now.
    #[must_use]
    pub fn of(guest: &Guest, found: Vec<Code>) -> Self {
        Self { guest: guest.id, keeper: guest.custodian, found, told: guest.told_of_lookups() }
    }
}
