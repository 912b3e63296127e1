//! Acts: what members do at the table, who may, and who did it.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

use crate::{
    access::{RecordOwners, Relation, Role, Standing},
    id::OrganisationId,
};

/// The table of acts: one row for each, with the roles that may perform it. A role with `as` may on records to which its
/// organisation stands in that relation, a role without on every record; an act without roles is not for members.
macro_rules! acts {
    ($($(#[doc = $doc:literal])+ $act:ident: $($role:ident $(as $relation:ident)?),*;)*) => {
        /// The acts of the trade. There is no generic update.
        #[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum Act { $($(#[doc = $doc])+ $act,)* }

        impl Act {
            /// Every act.
            pub const ALL: &[Self] = &[$(Self::$act),*];

            /// The roles that may perform the act, each on records of these relations; on every record where none is named.
            const fn performers(self) -> &'static [(Role, &'static [Relation])] {
                match self {
                    $(Self::$act => &[$((Role::$role, &[$(Relation::$relation)?])),*],)*
                }
            }
        }
    };
}

// For `RegisterFacility` the record is the facility to be; for `RegisterGuest` it is the guest's file, kept by whoever
// opens it.
acts! {
    /// Puts a facility into the register.
    RegisterFacility: Province, Operator as Keeper;
    /// Changes what is registered about a facility.
    ReviseFacility: Province, Operator as Keeper;
    /// Says how many places physically exist.
    InstallPlaces: Province, Operator as Keeper;
    /// Takes places out of service for a time.
    BlockPlaces: Province, Operator as Keeper;
    /// Puts blocked places back into service.
    UnblockPlaces: Province, Operator as Keeper;
    /// Drafts or submits an application for accreditation.
    SubmitAccreditation: Province, Operator as Keeper;
    /// Accredits, rejects or reinstates.
    DecideAccreditation: Province;
    /// Stops new arrivals; nobody is evicted.
    SuspendAccreditation: Province;
    /// Ends an accreditation for good.
    RevokeAccreditation: Province;
    /// Opens a guest's file.
    RegisterGuest: Province, CentralService, Operator as Keeper;
    /// Gives a guest a place.
    AdmitGuest: Province, Operator as Keeper;
    /// Ends a stay.
    DischargeGuest: Province, Operator as Keeper;
    /// The system's own act: what changes by the clock alone.
    KeepTime: ;
    /// The administrator's own act: makes counters, ledger and stays of a pool agree again.
    RepairBooks: ;
}

impl Act {
    /// Every act a member can perform.
    pub fn by_members() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|act| !act.performers().is_empty())
    }

    /// Whether a role may perform the act on a record it stands in this relation to.
    #[must_use]
    pub fn is_for(self, role: Role, relation: Relation) -> bool {
        let on = |relations: &[Relation]| relations.is_empty() || relations.contains(&relation);
        self.performers().iter().any(|(other, relations)| *other == role && on(relations))
    }
}

impl Standing {
    /// Whether this viewer may perform an act on a record it stands in a relation to.
    #[must_use]
    pub fn may_as(&self, act: Act, relation: Relation) -> bool {
        act.is_for(self.role, relation)
    }

    /// Whether this viewer may perform an act on a record of these organisations.
    #[must_use]
    pub fn may(&self, act: Act, owners: RecordOwners<'_>) -> bool {
        self.may_as(act, self.relation_to(owners))
    }

    /// Whether there is a relation to a record in which this viewer may perform an act on it.
    #[must_use]
    pub fn may_somewhere(&self, act: Act) -> bool {
        Relation::ALL.into_iter().any(|relation| self.may_as(act, relation))
    }
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
