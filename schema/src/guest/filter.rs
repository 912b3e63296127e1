//! Which guests a list is about.

use async_graphql::InputObject;

use super::LegalStatus;
use crate::id::FacilityId;

/// Which guests a list is about.
#[derive(InputObject, Clone, Debug, Default)]
pub struct GuestFilter {
    /// Present in this facility.
    pub facility: Option<FacilityId>,
    /// Present in any facility, or in none.
    pub present: Option<bool>,
    /// Of this legal status.
    pub legal_status: Option<LegalStatus>,
    /// With this citizenship, ISO 3166-1 alpha-3.
    pub citizenship: Option<String>,
    /// The surname begins with this text, as it is written in the file.
    pub surname: Option<String>,
}
