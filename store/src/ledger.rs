//! The ledger: append-only, and the truth about every number of places.

use mongodb::bson::doc;
use tavolo_schema::{LedgerEntry, PlaceCategory, id::FacilityId};

use crate::{
    Store, StoreError,
    document::{
        document,
        shape::{plain, unique},
        stored,
    },
};

document! {
    pub(crate) LedgerDoc of LedgerEntry in "ledger" {
        id as "_id", act, facility, category, revision, cause, deltas, after, stay, accreditation, role, organisation,
        occurred_at, registered_at,
    }
    indexes {
        unique(doc! { "facility": 1, "category": 1, "revision": 1 }),
        plain(doc! { "occurredAt": 1, "facility": 1, "category": 1, "revision": 1 }),
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
        let filter = doc! { "facility": stored(facility), "category": stored(category) };
        self.find_all::<LedgerDoc>(filter, doc! { "revision": 1 }).await
    }
}
