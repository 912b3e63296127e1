//! What the province of the demonstration will have been.

use serde_json::Value;
use tavolo_schema::{DateTime, Day, PlaceCategory, contract_name, facility::RegisterFacilityInput, id::OrganisationId};

/// A facility to be, with the people who will have lived in it.
pub(super) struct Plan {
    pub(super) input: RegisterFacilityInput,
    pub(super) category: PlaceCategory,
    pub(super) places: i32,
    pub(super) opening: DateTime,
    pub(super) valid_until: Day,
    pub(super) blocked: i32,
    pub(super) visits: Vec<Visit>,
}

impl Plan {
    /// Who runs the facility, and the name of the category of its places.
    pub(super) fn of(&self) -> (OrganisationId, String) {
        (self.input.operator, contract_name(self.category))
    }
}

/// One person's stay to be.
pub(super) struct Visit {
    pub(super) arrives: DateTime,
    /// A few arrivals are registered late, so that the past as it was known then differs from the past as corrected.
    pub(super) registered: DateTime,
    pub(super) leaves: Option<(DateTime, &'static str)>,
    pub(super) person: Value,
}
