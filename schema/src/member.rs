//! Members: who belongs to the table, in which role and for which organisation.

use crate::{Role, id::OrganisationId};

/// A membership. It binds a subject of the identity provider to a role and an organisation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The subject (`sub`) of the member's tokens.
    pub subject: String,
    /// The part played at the table.
    pub role: Role,
    /// The organisation it is played for.
    pub organisation: OrganisationId,
}
