//! The ledger: append-only, and the truth about every number of places.

use mongodb::bson::{self, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{LedgerEntry, OccupancyCause, PlaceCategory, Role, capacity::Counts, id::FacilityId};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    document::{Document, Unreadable, binary, date_time, id, instant},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerDoc {
    #[serde(rename = "_id")]
    id: Binary,
    act: Binary,
    facility: Binary,
    category: PlaceCategory,
    revision: i64,
    cause: OccupancyCause,
    deltas: Counts,
    after: Counts,
    stay: Option<Binary>,
    accreditation: Option<Binary>,
    role: Option<Role>,
    organisation: Option<Binary>,
    occurred_at: bson::DateTime,
    registered_at: bson::DateTime,
}

impl Document for LedgerDoc {
    const COLLECTION: &'static str = "ledger";
    type Noun = LedgerEntry;

    fn store(noun: &LedgerEntry) -> Self {
        Self {
            id: binary(noun.id),
            act: binary(noun.act),
            facility: binary(noun.facility),
            category: noun.category,
            revision: noun.revision,
            cause: noun.cause,
            deltas: noun.deltas,
            after: noun.after,
            stay: noun.stay.map(binary),
            accreditation: noun.accreditation.map(binary),
            role: noun.role,
            organisation: noun.organisation.map(binary),
            occurred_at: instant(noun.occurred_at),
            registered_at: instant(noun.registered_at),
        }
    }

    fn read(self) -> Result<LedgerEntry, Unreadable> {
        Ok(LedgerEntry {
            id: id::<Uuid>(self.id),
            act: id(self.act),
            facility: id(self.facility),
            category: self.category,
            revision: self.revision,
            cause: self.cause,
            deltas: self.deltas,
            after: self.after,
            stay: self.stay.map(id),
            accreditation: self.accreditation.map(id),
            role: self.role,
            organisation: self.organisation.map(id),
            occurred_at: date_time("occurredAt", self.occurred_at)?,
            registered_at: date_time("registeredAt", self.registered_at)?,
        })
    }
}

impl Store {
    /// The ledger of one pool, in order.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn ledger_of(
        &self,
        facility: FacilityId,
        category: PlaceCategory,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let filter = doc! { "facility": binary(facility), "category": tavolo_schema::contract_name(category) };
        self.find_all::<LedgerDoc>(filter, doc! { "revision": 1 }).await
    }
}
