//! Facilities: the register.

use mongodb::bson::{Uuid as Binary, doc};
use tavolo_schema::{
    Code, Facility, Room,
    facility::{self, FacilityFacts, RegisterFacilityInput, ReviseFacilityInput},
    id::{FacilityId, OrganisationId},
};

use crate::{
    Perform, Stopped, StoreError,
    document::{
        binary, document,
        shape::{plain, unique},
    },
    municipality::MunicipalityDoc,
    transaction::Transaction,
};

document! {
    pub(crate) FacilityDoc of Facility in "facilities" {
        id as "_id", code, name, facility_type, municipality, address, operator, holder, project_code, rooms, bathrooms,
        barrier_free, revision,
    }
    indexes {
        unique(doc! { "code": 1 }),
        plain(doc! { "municipality": 1, "address.street": 1, "address.number": 1 }),
        plain(doc! { "operator": 1, "_id": 1 }),
        plain(doc! { "operator": 1, "municipality": 1, "address.street": 1, "address.number": 1 }),
    }
}

impl Transaction {
    /// A facility within the member's reach.
    pub(crate) async fn facility(&mut self, id: FacilityId, field: &str) -> Result<Facility, Stopped> {
        match self.facility_to_act_on(id).await? {
            Some(facility) => Ok(facility),
            None => self.refuse(Code::UnknownFacility, field),
        }
    }

    /// A facility, if there is one on which the member may perform the act.
    pub(crate) async fn facility_to_act_on(&mut self, id: FacilityId) -> Result<Option<Facility>, StoreError> {
        let mut filter = doc! { "_id": binary(id) };
        let index = self.keeper().map(|keeper| {
            filter.insert("operator", binary(keeper));
            doc! { "operator": 1, "_id": 1 }
        });
        let found = self.find_one_by::<FacilityDoc>(filter, index).await?;
        Ok(found.filter(|facility| self.may(facility.owners())))
    }

    /// The ids of the facilities that an organisation runs.
    pub(crate) async fn facilities_run_by(&mut self, operator: OrganisationId) -> Result<Vec<Binary>, StoreError> {
        let own = doc! { "operator": binary(operator) };
        self.ids_of::<FacilityDoc>(own, doc! { "operator": 1, "_id": 1 }).await
    }

    /// Makes two acts that want places of a facility, or look at all of them, wait for each other: the second conflicts
    /// on the document that the first writes here, and looks again.
    pub(crate) async fn hold(&mut self, id: FacilityId) -> Result<(), StoreError> {
        self.next_number(&format!("places of {id}")).await.map(drop)
    }

    async fn facility_facts(&mut self, facility: &Facility) -> Result<FacilityFacts, StoreError> {
        let mut same_address = doc! {
            "municipality": &facility.municipality,
            "address.street": &facility.address.street,
            "address.number": &facility.address.number,
            "_id": { "$ne": binary(facility.id) },
        };
        // Where others' facilities are is not for everybody to find out by trying, nor by the time it takes.
        let index = self.keeper().map(|keeper| {
            same_address.insert("operator", binary(keeper));
            doc! { "operator": 1, "municipality": 1, "address.street": 1, "address.number": 1 }
        });
        let pools = self.pools_of(facility.id).await?;
        Ok(FacilityFacts {
            municipality: self.by_id::<MunicipalityDoc>(facility.municipality.as_str()).await?,
            operator: self.organisation_kind(facility.operator).await?,
            holder: self.organisation_kind(facility.holder).await?,
            same_address: self.exists::<FacilityDoc>(same_address, index).await?,
            installed: pools.iter().map(|pool| pool.installed).sum(),
        })
    }
}

impl Perform for RegisterFacilityInput {
    type Answer = FacilityId;

    async fn perform(self, act: &mut Transaction) -> Result<FacilityId, Stopped> {
        let mut facility = Facility {
            id: FacilityId::fresh(act.now),
            code: String::new(),
            name: self.name.trim().into(),
            facility_type: self.facility_type,
            municipality: self.municipality,
            address: self.address.into(),
            operator: self.operator,
            holder: self.holder,
            project_code: self.project_code,
            rooms: self.rooms.into_iter().map(Room::from).collect(),
            bathrooms: self.bathrooms,
            barrier_free: self.barrier_free,
            revision: 1,
        };
        if !act.may(facility.owners()) {
            return Err(StoreError::Forbidden.into());
        }
        let facts = act.facility_facts(&facility).await?;
        act.check(|found| facility::check(&facility, &facts, found))?;
        // Without a municipality there is no finding-free facility.
        let province = facts.municipality.map(|municipality| municipality.province).ok_or(Stopped::Unwritten)?;
        facility.code = facility_code(&province, act.next_number(&format!("facility {province}")).await?);
        act.insert::<FacilityDoc>(&facility).await?;
        Ok(facility.id)
    }
}

impl Perform for ReviseFacilityInput {
    type Answer = FacilityId;

    async fn perform(self, act: &mut Transaction) -> Result<FacilityId, Stopped> {
        let before = act.facility(self.facility, "input.facility").await?;
        act.hold(before.id).await?;
        if self.expected_revision.is_some_and(|expected| expected != before.revision) {
            act.found.add(Code::StaleRevision, "input.expectedRevision");
        }
        let mut facility = self.apply(before);
        let facts = act.facility_facts(&facility).await?;
        act.check(|found| facility::check(&facility, &facts, found))?;
        facility.revision += 1;
        act.replace::<FacilityDoc>(doc! { "_id": binary(facility.id) }, &facility).await?;
        Ok(facility.id)
    }
}

/// The readable code of the n-th facility of a province.
pub(crate) fn facility_code(province: &str, number: i32) -> String {
    format!("{province}-F-{number:04}")
}
