//! Acts: what members do at the table, and who did it.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use crate::{Role, id::OrganisationId};

/// The acts of the trade. There is no generic update.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Act {
    /// Puts a facility into the register.
    RegisterFacility,
    /// Changes what is registered about a facility.
    ReviseFacility,
    /// Says how many places physically exist.
    InstallPlaces,
    /// Takes places out of service for a time.
    BlockPlaces,
    /// Puts blocked places back into service.
    UnblockPlaces,
    /// Drafts or submits an application for accreditation.
    SubmitAccreditation,
    /// Accredits, rejects or reinstates.
    DecideAccreditation,
    /// Stops new arrivals; nobody is evicted.
    SuspendAccreditation,
    /// Ends an accreditation for good.
    RevokeAccreditation,
    /// Opens a guest's file.
    RegisterGuest,
    /// Gives a guest a place.
    AdmitGuest,
    /// Ends a stay.
    DischargeGuest,
    /// The system's own act: what changes by the clock alone.
    KeepTime,
    /// The administrator's own act: makes counters, ledger and stays of a pool agree again.
    RepairBooks,
}

impl Act {
    /// Every act a member can perform.
    pub const BY_MEMBERS: [Self; 12] = [
        Self::RegisterFacility,
        Self::ReviseFacility,
        Self::InstallPlaces,
        Self::BlockPlaces,
        Self::UnblockPlaces,
        Self::SubmitAccreditation,
        Self::DecideAccreditation,
        Self::SuspendAccreditation,
        Self::RevokeAccreditation,
        Self::RegisterGuest,
        Self::AdmitGuest,
        Self::DischargeGuest,
    ];
}

/// What a member says to have an act performed.
pub trait ActInput: Serialize {
    /// The act.
    const ACT: Act;
}

/// Who performed an act, with the role at that time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// The member's subject at the identity provider; none for the system.
    pub subject: Option<String>,
    /// The role at that time; none for the system.
    pub role: Option<Role>,
    /// The organisation the member acted for; none for the system.
    pub organisation: Option<OrganisationId>,
}

impl Actor {
    /// The system itself, for what changes by the clock and for the administrator at the command line.
    #[must_use]
    pub fn system() -> Self {
        Self { subject: None, role: None, organisation: None }
    }
}
