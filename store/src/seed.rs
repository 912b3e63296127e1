//! Filling a database at scale: whole documents in bulk, the books already right.

use mongodb::bson::doc;
use tavolo_schema::{Accreditation, Act, Actor, DateTime, Facility, Guest, LedgerEntry, Pool, Stay, id::ActId};

use crate::{
    Store, StoreError,
    accreditation::AccreditationDoc,
    act::{ActDoc, ActRecord},
    capacity::PoolDoc,
    document::Document,
    facility::{FacilityDoc, facility_code},
    guest::GuestDoc,
    ledger::LedgerDoc,
    organisation::OrganisationDoc,
    stay::StayDoc,
};

/// Things that belong together and are new to the database.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// Facilities, without codes.
    pub facilities: Vec<Facility>,
    /// Their accreditations.
    pub accreditations: Vec<Accreditation>,
    /// Their pools, as the last ledger entries left them.
    pub pools: Vec<Pool>,
    /// Every entry of those pools.
    pub ledger: Vec<LedgerEntry>,
    /// Guests.
    pub guests: Vec<Guest>,
    /// Their stays.
    pub stays: Vec<Stay>,
}

impl Store {
    /// Writes a batch in bulk, outside the acts: for demonstrations, measurements and migration from
    /// another system. Persons come first and the board last, so that nobody is shown before being kept.
    ///
    /// # Errors
    ///
    /// When the database does not accept it; what was written until then stays.
    pub async fn insert_batch(&self, mut batch: Batch, act: ActId, now: DateTime) -> Result<(), StoreError> {
        let wanted = i32::try_from(batch.facilities.len()).unwrap_or(i32::MAX);
        let first = self.reserve_numbers("facility KR", wanted).await?;
        for (number, facility) in (first..).zip(&mut batch.facilities) {
            facility.code = facility_code("KR", number);
        }
        self.insert_all::<GuestDoc>(&batch.guests).await?;
        self.insert_all::<StayDoc>(&batch.stays).await?;
        self.insert_all::<FacilityDoc>(&batch.facilities).await?;
        self.insert_all::<AccreditationDoc>(&batch.accreditations).await?;
        self.insert_all::<PoolDoc>(&batch.pools).await?;
        self.insert_all::<LedgerDoc>(&batch.ledger).await?;
        self.insert_all::<ActDoc>(&[ActRecord::new(act, Act::KeepTime, &Actor::system(), now)]).await
    }

    /// Takes so many numbers of a series at once and tells the first.
    async fn reserve_numbers(&self, series: &str, count: i32) -> Result<i32, StoreError> {
        let (which, more) = (doc! { "_id": series }, doc! { "$inc": { "last": count } });
        let counter = self.gate().command(|database| async move {
            let counters = database.collection::<mongodb::bson::Document>("counters");
            let taken = counters.find_one_and_update(which, more).upsert(true);
            Ok(taken.return_document(mongodb::options::ReturnDocument::After).await?)
        });
        let counter = counter.await?;
        let last = counter.and_then(|counter| counter.get_i32("last").ok()).unwrap_or(count);
        Ok(last - count + 1)
    }

    /// Whether the database holds neither organisations nor facilities yet.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn is_empty(&self) -> Result<bool, StoreError> {
        for name in [OrganisationDoc::COLLECTION, FacilityDoc::COLLECTION] {
            let found = self.gate().command(|database| async move {
                Ok(database.collection::<mongodb::bson::Document>(name).find_one(doc! {}).await?)
            });
            if found.await?.is_some() {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
