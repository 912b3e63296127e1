//! Invented facilities and entries, for the tests of this crate.

use std::sync::Arc;

use tavolo_schema::{
    Address, DateTime, Facility, FacilityType, LedgerEntry, OccupancyCause, PlaceCategory, Position,
    capacity::Counts,
    id::{ActId, FacilityId, OrganisationId, fresh},
};

use crate::FacilityState;

pub(crate) fn start() -> DateTime {
    DateTime::from_millis(1_795_420_800_000).unwrap()
}

pub(crate) fn at(seconds: u32, increment: u32, ordinal: u32) -> Position {
    Position { seconds, increment, ordinal }
}

pub(crate) fn facility(code: &str) -> Facility {
    let organisation = OrganisationId::fresh(start());
    Facility {
        id: FacilityId::fresh(start()),
        code: code.into(),
        name: "Casa".into(),
        facility_type: FacilityType::Apartment,
        municipality: "101010".into(),
        address: Address { street: "Via Roma".into(), number: "1".into(), postal_code: "88900".into() },
        operator: organisation,
        holder: organisation,
        project_code: None,
        rooms: Vec::new(),
        bathrooms: None,
        barrier_free: false,
        revision: 1,
    }
}

pub(crate) fn state() -> Arc<FacilityState> {
    Arc::new(FacilityState { facility: Arc::new(facility("KR-F-0001")), pools: Vec::new(), accreditations: Vec::new() })
}

/// An entry that leaves so many guests.
pub(crate) fn entry(facility: FacilityId, category: PlaceCategory, occupied: i32) -> LedgerEntry {
    LedgerEntry {
        id: fresh(start()),
        act: ActId::fresh(start()),
        facility,
        category,
        revision: 1,
        cause: OccupancyCause::Admission,
        deltas: Counts::default(),
        after: Counts { occupied, ..Counts::default() },
        stay: None,
        accreditation: None,
        role: None,
        organisation: None,
        occurred_at: start(),
        registered_at: start(),
    }
}
