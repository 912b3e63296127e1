//! What changes by the clock alone, written into the books by one hub at a time.
//!
//! No check relies on this having run: checks compare dates themselves. It exists so that the ledger
//! has the entry, the register the status, and subscribers the event.

use futures_util::{StreamExt, TryStreamExt};
use mongodb::{
    Database,
    bson::{Bson, Document as Filter, Uuid as Binary, doc},
};
use tavolo_schema::{Accreditation, AccreditationStatus, DateTime, Pool, id::FacilityId};

use crate::{
    Order, Outcome, Store, StoreError,
    accreditation::AccreditationDoc,
    act::ActRecord,
    capacity::{PoolDoc, pool_key},
    document::{Document, binary, instant},
    error::DUPLICATE_KEY,
};

/// How long a hub keeps the clock to itself. Another takes over when it has not renewed.
const LEASE_MILLIS: i64 = 90_000;

/// How long the idempotency key of an act is remembered. 31 days are promised, so that whoever repeats an order after a
/// month gets its answer; four more let clocks differ and a client be late.
const KEYS_FOR_MILLIS: i64 = 35 * 24 * 3_600 * 1_000;

/// Keys forgotten by one command, and commands each time that time is kept: ten thousand keys in half a minute.
const FORGOTTEN_AT_ONCE: i64 = 1_000;
const FORGOTTEN_IN_TURN: usize = 10;

impl Store {
    /// Enters everything that has changed by the clock until `now`, if no other hub keeps time, and
    /// tells how many records changed. Idempotency keys whose time is over are forgotten, and not counted.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a record is damaged; the others are entered all the same.
    pub async fn keep_time(&self, hub: uuid::Uuid, now: DateTime) -> Result<usize, StoreError> {
        if !self.take_lease(binary(hub), now).await? {
            return Ok(0);
        }
        let today = now.day().to_string();
        let ended = doc! { "status": { "$in": ["ACCREDITED", "SUSPENDED"] }, "validUntil": { "$lt": &today } };
        let due = doc! { "nextChange": { "$ne": null, "$lte": &today } };
        let expired: Vec<_> = self.stream::<AccreditationDoc>(ended, doc! {}).await?.collect().await;
        let due: Vec<_> = self.stream::<PoolDoc>(due, doc! {}).await?.collect().await;
        let mut outcomes = Vec::new();
        for accreditation in expired {
            outcomes.push(async { self.expire(&accreditation?, now).await }.await);
        }
        for pool in due {
            outcomes.push(async { self.settle(&pool?, now).await }.await);
        }
        let forgotten = self.forget_keys(now).await;
        // One that cannot be entered has not kept the others from it.
        outcomes
            .into_iter()
            .try_fold(0, |entered, outcome| outcome.map(|()| entered + 1))
            .and_then(|entered| forgotten.map(|()| entered))
    }

    /// Takes from acts of long ago their idempotency key and the fingerprint of their input. The record stays.
    async fn forget_keys(&self, now: DateTime) -> Result<(), StoreError> {
        let old =
            doc! { "key": { "$exists": true }, "registeredAt": { "$lt": instant(now.plus_millis(-KEYS_FOR_MILLIS)) } };
        let forget = |database: Database| async move {
            let acts = database.collection::<Filter>(ActRecord::COLLECTION);
            for _ in 0..FORGOTTEN_IN_TURN {
                let found = acts.find(old.clone()).projection(doc! { "_id": 1 }).limit(FORGOTTEN_AT_ONCE).await?;
                let ids = found.map_ok(|act| act.get("_id").cloned().unwrap_or_default());
                let ids: Vec<Bson> = ids.try_collect().await?;
                if ids.is_empty() {
                    break;
                }
                let these = doc! { "_id": { "$in": ids } };
                acts.update_many(these, doc! { "$unset": { "key": "", "fingerprint": "" } }).await?;
            }
            Ok(())
        };
        self.gate().at_leisure(forget).await
    }

    async fn expire(&self, accreditation: &Accreditation, now: DateTime) -> Result<(), StoreError> {
        let (id, revision) = (accreditation.id, accreditation.revision);
        let order = Order::of_system(now);
        let expired = self.perform(&order, move |transaction| {
            Box::pin(async move {
                let unchanged = doc! { "_id": binary(id), "revision": revision };
                let Some(mut accreditation) = transaction.find_one::<AccreditationDoc>(unchanged).await? else {
                    return Ok(None);
                };
                accreditation.status = AccreditationStatus::Expired;
                for granted in accreditation.granted.clone() {
                    if let Some(pool) = transaction.pool(accreditation.facility, granted.category).await? {
                        transaction.settle_pool(pool).await?;
                    }
                }
                transaction.put_accreditation(&mut accreditation).await?;
                Ok(Some(id))
            })
        });
        entered(expired.await?, accreditation.facility)
    }

    async fn settle(&self, pool: &Pool, now: DateTime) -> Result<(), StoreError> {
        let (facility, category) = (pool.facility, pool.category);
        let order = Order::of_system(now);
        let settled = self.perform(&order, move |transaction| {
            Box::pin(async move {
                let due = doc! { "_id": pool_key(facility, category), "nextChange": { "$lte": transaction.today().to_string() } };
                let Some(pool) = transaction.find_one::<PoolDoc>(due).await? else { return Ok(None) };
                transaction.settle_pool(pool).await?;
                Ok(Some(facility))
            })
        });
        entered(settled.await?, facility)
    }

    async fn take_lease(&self, hub: Binary, now: DateTime) -> Result<bool, StoreError> {
        let until = DateTime::from_millis(now.millis() + LEASE_MILLIS).unwrap_or(now);
        let free = doc! { "_id": "clock", "$or": [{ "hub": hub }, { "until": { "$lt": instant(now) } }] };
        let lease = doc! { "$set": { "hub": hub, "until": instant(until) } };
        let taken = self.gate().command(|database| async move {
            database.collection::<Filter>("meta").update_one(free, lease).upsert(true).await?;
            Ok(())
        });
        match taken.await {
            Ok(()) => Ok(true),
            // The upsert collides with the lease of another hub.
            Err(StoreError::Write { code: DUPLICATE_KEY, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What the clock changes is refused for one reason alone.
fn entered<T>(outcome: Outcome<T>, facility: FacilityId) -> Result<(), StoreError> {
    if outcome.irregularities.is_empty() { Ok(()) } else { Err(StoreError::BooksDisagree(facility)) }
}
