//! Stays: the vault's link between a guest and a place.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use mongodb::bson::{self, RawDocumentBuf, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Code, ExitReason, Guest, OccupancyCause, PlaceCategory, Stay, StayStatus, contract_name,
    id::{FacilityId, GuestId, OrganisationId, StayId},
    ledger::Change,
    stay::{self, AdmissionFacts, AdmitGuestInput, DischargeGuestInput},
};
use uuid::Uuid;

use crate::{
    Order, Outcome, Store, StoreError,
    document::{self, Document, Unreadable, binary, date_time, instant, read},
    facility::FacilityDoc,
    guest::GuestDoc,
    transaction::{Reach, Transaction},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StayDoc {
    #[serde(rename = "_id")]
    id: Binary,
    guest: Binary,
    facility: Binary,
    category: PlaceCategory,
    status: StayStatus,
    entry_at: bson::DateTime,
    exit_at: Option<bson::DateTime>,
    exit_reason: Option<ExitReason>,
    registered_at: bson::DateTime,
    operator: Binary,
}

impl Document for StayDoc {
    const COLLECTION: &'static str = "stays";
    type Noun = Stay;

    fn store(noun: &Stay) -> Self {
        Self {
            id: binary(noun.id),
            guest: binary(noun.guest),
            facility: binary(noun.facility),
            category: noun.category,
            status: noun.status,
            entry_at: instant(noun.entry_at),
            exit_at: noun.exit_at.map(instant),
            exit_reason: noun.exit_reason,
            registered_at: instant(noun.registered_at),
            operator: binary(noun.operator),
        }
    }

    fn read(self) -> Result<Stay, Unreadable> {
        Ok(Stay {
            id: document::id(self.id),
            guest: document::id(self.guest),
            facility: document::id(self.facility),
            category: self.category,
            status: self.status,
            entry_at: date_time("entryAt", self.entry_at)?,
            exit_at: self.exit_at.map(|at| date_time("exitAt", at)).transpose()?,
            exit_reason: self.exit_reason,
            registered_at: date_time("registeredAt", self.registered_at)?,
            operator: document::id::<OrganisationId>(self.operator),
        })
    }
}

/// One page of the stays of each facility, or of each guest, the latest registered first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StayPage {
    /// Only stays in these facilities: those whose presences the viewer sees.
    pub within: Option<Arc<[FacilityId]>>,
    /// Only stays of this status.
    pub status: Option<StayStatus>,
    /// Only stays registered before this one.
    pub before: Option<StayId>,
    /// How many at most, for each.
    pub limit: i32,
}

/// What the member who admits may name and know.
#[derive(Clone)]
pub struct AdmissionReach {
    /// Whether the member sees this guest's file.
    pub file: Reach<Guest>,
    /// Whether the member may give this guest a first place without seeing the file.
    pub first_place: Reach<Guest>,
    /// Whether the member sees what needs are documented of this guest.
    pub needs: Reach<Guest>,
    /// What the member may be told about where somebody is hosted.
    pub place: Arc<dyn Fn(FacilityId) -> Option<String> + Send + Sync>,
}

impl Transaction {
    async fn admit(&mut self, input: AdmitGuestInput, reach: AdmissionReach) -> Result<Option<StayId>, StoreError> {
        let at = stay::moment(input.occurred_at, self.now);
        let Some(facility) = self.facility(input.facility).await? else {
            self.found.add(Code::UnknownFacility, "input.facility");
            return Ok(None);
        };
        let guest = self.by_id::<GuestDoc>(binary(input.guest)).await?;
        let stays = self.find::<StayDoc>(doc! { "guest": binary(input.guest) }, doc! { "_id": -1 }).await?;
        // Whoever is out of reach is unknown, hosted or not: otherwise somebody could be followed by an old id.
        let within = |guest: &Guest| (reach.file)(guest) || (stays.is_empty() && (reach.first_place)(guest));
        let Some(mut guest) = guest.filter(within) else {
            self.found.add(Code::UnknownGuest, "input.guest");
            return Ok(None);
        };
        let open = stays.iter().find(|stay| stay.status == StayStatus::Open);
        let place = open.map(|stay| (reach.place)(stay.facility));
        let pool = self.pool(facility.id, input.category).await?;
        let facts = AdmissionFacts {
            guest: &guest,
            pool: pool.as_ref(),
            already_hosted: place.as_ref().map(Option::as_deref),
            needs_seen: (reach.needs)(&guest),
            last_exit: stays.iter().filter_map(|stay| stay.exit_at).max(),
            household_adult_present: self.household_adult_present(&guest, facility.id).await?,
        };
        stay::check_admission(facts, input.category, at, self.now, &mut self.found);
        let Some(pool) = pool.filter(|_| !self.found.blocks()) else { return Ok(None) };
        if at < self.now && !pool.free_since(at, self.movements_after(&pool, at).await?) {
            self.found.add(Code::NoFreePlace, "input.category");
            return Ok(None);
        }
        let stay = Stay {
            id: StayId::fresh(self.now),
            guest: guest.id,
            facility: facility.id,
            category: input.category,
            status: StayStatus::Open,
            entry_at: at,
            exit_at: None,
            exit_reason: None,
            registered_at: self.now,
            operator: facility.operator,
        };
        let change = Change { stay: Some(stay.id), ..Change::new(OccupancyCause::Admission, at) };
        self.claim_place(pool, change).await?;
        self.insert::<StayDoc>(&stay).await?;
        guest.custodian = facility.operator;
        guest.facility = Some(facility.id);
        self.put_guest(&guest).await?;
        Ok(Some(stay.id))
    }

    async fn discharge(&mut self, input: DischargeGuestInput) -> Result<Option<StayId>, StoreError> {
        let at = stay::moment(input.occurred_at, self.now);
        let found = self.by_id::<StayDoc>(binary(input.stay)).await?;
        let facility = match &found {
            Some(stay) => self.facility(stay.facility).await?,
            None => None,
        };
        let Some(mut stay) = found.filter(|_| facility.is_some()) else {
            self.found.add(Code::UnknownStay, "input.stay");
            return Ok(None);
        };
        stay::check_discharge(&stay, at, self.now, &mut self.found);
        if self.found.blocks() {
            return Ok(None);
        }
        stay.status = StayStatus::Closed;
        stay.exit_at = Some(at);
        stay.exit_reason = Some(input.reason);
        let pool = self.pool_or_empty(stay.facility, stay.category).await?;
        let change = Change { stay: Some(stay.id), ..Change::new(OccupancyCause::Discharge, at) };
        self.change_pool(pool, change, |pool| pool.occupied -= 1).await?;
        self.replace::<StayDoc>(doc! { "_id": binary(stay.id) }, &stay).await?;
        if let Some(mut guest) = self.by_id::<GuestDoc>(binary(stay.guest)).await? {
            guest.facility = None;
            self.put_guest(&guest).await?;
        }
        Ok(Some(stay.id))
    }
}

impl Store {
    /// Gives a guest a place.
    ///
    /// # Errors
    ///
    /// Faults of the database; refusals are in the outcome.
    pub async fn admit_guest(
        &self,
        order: &Order,
        input: &AdmitGuestInput,
        reach: AdmissionReach,
    ) -> Result<Outcome<StayId>, StoreError> {
        self.perform(order, move |transaction| Box::pin(transaction.admit(input.clone(), reach.clone()))).await
    }

    /// Ends a stay.
    ///
    /// # Errors
    ///
    /// Faults of the database; refusals are in the outcome.
    pub async fn discharge_guest(
        &self,
        order: &Order,
        input: &DischargeGuestInput,
    ) -> Result<Outcome<StayId>, StoreError> {
        self.perform(order, move |transaction| Box::pin(transaction.discharge(input.clone()))).await
    }

    /// Stays by id, for a loader.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn stays_by_ids(&self, ids: &[StayId]) -> Result<HashMap<StayId, Stay>, StoreError> {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let stays = self.find_all::<StayDoc>(doc! { "_id": { "$in": ids } }, doc! {}).await?;
        Ok(stays.into_iter().map(|stay| (stay.id, stay)).collect())
    }

    /// One page of stays for each facility, in one command.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn stays_of_facilities(
        &self,
        facilities: &[FacilityId],
        page: StayPage,
    ) -> Result<HashMap<FacilityId, Vec<Stay>>, StoreError> {
        self.stays_of(FacilityDoc::COLLECTION, "facility", facilities, page).await
    }

    /// One page of stays for each guest, in one command.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn stays_of_guests(
        &self,
        guests: &[GuestId],
        page: StayPage,
    ) -> Result<HashMap<GuestId, Vec<Stay>>, StoreError> {
        self.stays_of(GuestDoc::COLLECTION, "guest", guests, page).await
    }

    /// A page for each key: the join cuts each one's list at the limit, which a plain `$in` cannot.
    async fn stays_of<I>(
        &self,
        owners: &'static str,
        field: &str,
        ids: &[I],
        page: StayPage,
    ) -> Result<HashMap<I, Vec<Stay>>, StoreError>
    where
        I: Copy + Eq + Hash + From<Uuid> + Into<Uuid>,
    {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let mut wanted = doc! {};
        if let Some(within) = &page.within {
            let within: Vec<Binary> = within.iter().map(|id| binary(*id)).collect();
            wanted.insert("facility", doc! { "$in": within });
        }
        if let Some(status) = page.status {
            wanted.insert("status", contract_name(status));
        }
        if let Some(before) = page.before {
            wanted.insert("_id", doc! { "$lt": binary(before) });
        }
        let pipeline = vec![
            doc! { "$match": { "_id": { "$in": ids } } },
            doc! { "$project": { "_id": 1 } },
            doc! { "$lookup": {
                "from": StayDoc::COLLECTION,
                "localField": "_id",
                "foreignField": field,
                "pipeline": [{ "$match": wanted }, { "$sort": { "_id": -1 } }, { "$limit": page.limit }],
                "as": "stays",
            } },
        ];
        let mut pages = HashMap::new();
        for Joined { id, stays } in self.aggregate(owners, pipeline).await? {
            let stays = stays.iter().map(read::<StayDoc>).collect::<Result<Vec<_>, _>>()?;
            pages.insert(document::id(id), stays);
        }
        Ok(pages)
    }
}

/// An owner with its stays.
#[derive(Deserialize)]
struct Joined {
    #[serde(rename = "_id")]
    id: Binary,
    stays: Vec<RawDocumentBuf>,
}
