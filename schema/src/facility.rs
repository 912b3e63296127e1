//! Facilities: where guests live.

use async_graphql::{Enum, InputObject, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::{
    Act, ActInput, Code, Findings, Municipality, OrganisationKind,
    access::{
        DataClass::{Address as AddressClass, Operational},
        RecordOwners, data_class,
    },
    id::{FacilityId, OrganisationId},
};

/// What kind of building and service a facility is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum FacilityType {
    /// Appartamento.
    Apartment,
    /// Centro collettivo.
    CollectiveCentre,
    /// Comunità per minori.
    MinorsCommunity,
    /// Semi-autonomia per neomaggiorenni.
    MinorsSemiAutonomy,
    /// Comunità per disagio mentale o sanitario.
    HealthCommunity,
    /// Casa-famiglia.
    FamilyHome,
}

/// Where a facility is.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// Street or locality.
    #[graphql(directive = data_class::apply(AddressClass))]
    pub street: String,
    /// Civic number, with suffix.
    #[graphql(directive = data_class::apply(AddressClass))]
    pub number: String,
    /// Postal code (CAP), five digits.
    #[graphql(directive = data_class::apply(AddressClass))]
    pub postal_code: String,
}

/// A bedroom, as on the official facility data sheet.
#[derive(SimpleObject, Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Room {
    /// Letter or short name, unique in the facility.
    #[graphql(directive = data_class::apply(Operational))]
    pub letter: String,
    /// Beds in the room.
    #[graphql(directive = data_class::apply(Operational))]
    pub beds: i32,
    /// Floor area in square metres.
    #[graphql(directive = data_class::apply(Operational))]
    pub square_metres: f64,
}

/// A reception facility (struttura di accoglienza).
#[derive(Clone, Debug, PartialEq)]
pub struct Facility {
    /// Identifies the facility for good.
    pub id: FacilityId,
    /// Readable code, such as `KR-F-0001`.
    pub code: String,
    /// Name in use.
    pub name: String,
    /// What kind of facility it is.
    pub facility_type: FacilityType,
    /// ISTAT code of its municipality.
    pub municipality: String,
    /// Where it is.
    pub address: Address,
    /// Who runs it (ente gestore).
    pub operator: OrganisationId,
    /// Who holds the project (ente locale titolare).
    pub holder: OrganisationId,
    /// Code of the reception project.
    pub project_code: Option<String>,
    /// Bedrooms; empty when not declared.
    pub rooms: Vec<Room>,
    /// Usable bathrooms, when declared.
    pub bathrooms: Option<i32>,
    /// Free of architectural barriers.
    pub barrier_free: bool,
    /// Counts the changes of this record.
    pub revision: i64,
}

impl Facility {
    /// The organisations this facility belongs to.
    #[must_use]
    pub fn owners(&self) -> RecordOwners<'_> {
        RecordOwners { keeper: Some(self.operator), holder: Some(self.holder), municipality: Some(&self.municipality) }
    }

    /// Beds of the declared rooms; `None` when no room is declared. The largest number when there are more.
    #[must_use]
    pub fn beds(&self) -> Option<i32> {
        let beds = || self.rooms.iter().fold(0, |beds: i32, room| beds.saturating_add(room.beds));
        (!self.rooms.is_empty()).then(beds)
    }
}

/// An address to be registered.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct AddressInput {
    /// Street or locality.
    pub street: String,
    /// Civic number, with suffix; `snc` where there is none.
    pub number: String,
    /// Postal code (CAP), five digits; it must be one of the municipality.
    pub postal_code: String,
}

/// A bedroom to be registered.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct RoomInput {
    /// Letter or short name, unique in the facility.
    pub letter: String,
    /// Beds in the room, 1 to 50.
    pub beds: i32,
    /// Floor area in square metres.
    pub square_metres: f64,
}

impl From<AddressInput> for Address {
    fn from(input: AddressInput) -> Self {
        Self {
            street: input.street.trim().into(),
            number: input.number.trim().into(),
            postal_code: input.postal_code.trim().into(),
        }
    }
}

impl From<RoomInput> for Room {
    fn from(input: RoomInput) -> Self {
        Self { letter: input.letter.trim().into(), beds: input.beds, square_metres: input.square_metres }
    }
}

/// Puts a facility into the register.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct RegisterFacilityInput {
    /// Name in use.
    pub name: String,
    /// What kind of facility it is.
    #[graphql(name = "type")]
    pub facility_type: FacilityType,
    /// ISTAT code of its municipality, such as `101010`.
    pub municipality: String,
    /// Where it is.
    pub address: AddressInput,
    /// Who runs it; a managing body or a local authority.
    pub operator: OrganisationId,
    /// Who holds the project; a province or municipality.
    pub holder: OrganisationId,
    /// Code of the reception project.
    pub project_code: Option<String>,
    /// Bedrooms; without them places are not checked against beds.
    #[graphql(default)]
    pub rooms: Vec<RoomInput>,
    /// Usable bathrooms.
    pub bathrooms: Option<i32>,
    /// Free of architectural barriers.
    #[graphql(default)]
    pub barrier_free: bool,
}

impl ActInput for RegisterFacilityInput {
    const ACT: Act = Act::RegisterFacility;
}

/// Changes what is registered about a facility. What is absent stays as it is.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct ReviseFacilityInput {
    /// The facility.
    pub facility: FacilityId,
    /// Refuse with `STALE_REVISION` unless the facility still has this revision.
    pub expected_revision: Option<i64>,
    /// Name in use.
    pub name: Option<String>,
    /// What kind of facility it is.
    #[graphql(name = "type")]
    pub facility_type: Option<FacilityType>,
    /// Where it is, within the same municipality.
    pub address: Option<AddressInput>,
    /// Code of the reception project.
    pub project_code: Option<String>,
    /// All bedrooms.
    pub rooms: Option<Vec<RoomInput>>,
    /// Usable bathrooms.
    pub bathrooms: Option<i32>,
    /// Free of architectural barriers.
    pub barrier_free: Option<bool>,
}

impl ActInput for ReviseFacilityInput {
    const ACT: Act = Act::ReviseFacility;
}

impl ReviseFacilityInput {
    /// The facility as it would be after this revision.
    #[must_use]
    pub fn apply(self, mut facility: Facility) -> Facility {
        if let Some(name) = self.name {
            facility.name = name.trim().into();
        }
        if let Some(facility_type) = self.facility_type {
            facility.facility_type = facility_type;
        }
        if let Some(address) = self.address {
            facility.address = address.into();
        }
        if let Some(project_code) = self.project_code {
            facility.project_code = Some(project_code);
        }
        if let Some(rooms) = self.rooms {
            facility.rooms = rooms.into_iter().map(Room::from).collect();
        }
        if let Some(bathrooms) = self.bathrooms {
            facility.bathrooms = Some(bathrooms);
        }
        if let Some(barrier_free) = self.barrier_free {
            facility.barrier_free = barrier_free;
        }
        facility
    }
}

/// What the database knows that a facility is checked against.
#[derive(Clone, Debug, Default)]
pub struct FacilityFacts {
    /// The municipality of that code.
    pub municipality: Option<Municipality>,
    /// What the named operator is.
    pub operator: Option<OrganisationKind>,
    /// What the named holder is.
    pub holder: Option<OrganisationKind>,
    /// Another facility is registered at the same address.
    pub same_address: bool,
    /// Places installed in all its categories.
    pub installed: i32,
}

/// Checks a facility as it would be stored (F1, F2, F5).
pub fn check(facility: &Facility, facts: &FacilityFacts, found: &mut Findings) {
    found.require_text(&facility.name, "input.name");
    found.require_text(&facility.address.street, "input.address.street");
    match &facts.municipality {
        None => found.add_with(Code::UnknownMunicipality, "input.municipality", &facility.municipality),
        Some(municipality) if municipality.postal_code != facility.address.postal_code => {
            found.add_with(Code::PostalCodeMismatch, "input.address.postalCode", &facility.address.postal_code);
        }
        Some(_) => {}
    }
    check_part(facts.operator, OrganisationKind::may_operate, "input.operator", found);
    check_part(facts.holder, OrganisationKind::may_hold, "input.holder", found);
    if facts.same_address {
        found.add(Code::SameAddress, "input.address");
    }
    if let Some(bathrooms) = facility.bathrooms {
        found.require_range(bathrooms, 0..=200, "input.bathrooms");
    }
    let in_range = check_rooms(&facility.rooms, found);
    if let Some(beds) = facility.beds().filter(|beds| in_range && facts.installed > *beds) {
        found.add_with(Code::MorePlacesThanBeds, "input.rooms", beds);
    }
}

fn check_part(kind: Option<OrganisationKind>, may: fn(OrganisationKind) -> bool, path: &str, found: &mut Findings) {
    match kind {
        None => found.add(Code::UnknownOrganisation, path),
        Some(kind) if !may(kind) => found.add(Code::WrongOrganisationKind, path),
        Some(_) => {}
    }
}

/// Floor area per person below which a room is refused (EUAA standard 13).
const LEAST_SQUARE_METRES: f64 = 4.0;
/// Beds in a room above which the entry carries a warning (EUAA standard 13).
const MOST_BEDS: i32 = 6;

/// Tells whether each room has as many beds as a room may have.
fn check_rooms(rooms: &[Room], found: &mut Findings) -> bool {
    let mut in_range = true;
    for (index, room) in rooms.iter().enumerate() {
        let path = |field: &str| format!("input.rooms.{index}.{field}");
        found.require_text(&room.letter, &path("letter"));
        if rooms[..index].iter().any(|earlier| earlier.letter == room.letter) {
            found.add_with(Code::DuplicateRoom, path("letter"), &room.letter);
        }
        if !found.require_range(room.beds, 1..=50, &path("beds")) {
            in_range = false;
            continue;
        }
        let housing_standard = if room.beds == 1 { 9.0 } else { 14.0 };
        if room.square_metres.is_nan() || room.square_metres < LEAST_SQUARE_METRES * f64::from(room.beds) {
            found.add_with(Code::RoomTooSmall, path("squareMetres"), &room.letter);
        } else if room.square_metres < housing_standard {
            found.add_with(Code::RoomBelowHousingStandard, path("squareMetres"), &room.letter);
        }
        if room.beds > MOST_BEDS {
            found.add_with(Code::TooManyBeds, path("beds"), &room.letter);
        }
    }
    in_range
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DateTime;

    #[test]
    fn beds_beyond_counting_are_out_of_range_and_nothing_else() {
        let rooms = |beds: [i32; 3]| {
            let room = |(letter, beds)| Room { letter: String::from(letter), beds, square_metres: 1_000.0 };
            Vec::from_iter(["A", "B", "C"].into_iter().zip(beds).map(room))
        };
        let organisation = OrganisationId::fresh(DateTime::EPOCH);
        let facility = |rooms| Facility {
            id: FacilityId::fresh(DateTime::EPOCH),
            code: "KR-F-0001".into(),
            name: "Casa".into(),
            facility_type: FacilityType::Apartment,
            municipality: "101010".into(),
            address: Address { street: "Via Roma".into(), number: "1".into(), postal_code: "88900".into() },
            operator: organisation,
            holder: organisation,
            project_code: None,
            rooms,
            bathrooms: None,
            barrier_free: false,
            revision: 1,
        };
        let facts = FacilityFacts { installed: 5, ..FacilityFacts::default() };
        let found = |beds| {
            let mut found = Findings::default();
            check(&facility(rooms(beds)), &facts, &mut found);
            let rooms = found.into_vec().into_iter().filter(|found| found.path.starts_with("input.rooms"));
            Vec::from_iter(rooms.map(|found| (found.code, found.path)))
        };
        for beds in [i32::MAX, i32::MIN] {
            let expected = [0, 1, 2].map(|room| (Code::NumberOutOfRange, format!("input.rooms.{room}.beds")));
            assert_eq!(found([beds; 3]), expected);
        }
        assert_eq!(found([1, 1, 1]), [(Code::MorePlacesThanBeds, "input.rooms".into())]);
        assert_eq!(facility(rooms([i32::MAX; 3])).beds(), Some(i32::MAX));
    }
}
