//! What changes by the clock alone, written into the books by one hub at a time.
//!
//! No check relies on this having run: checks compare dates themselves. It exists so that the ledger
//! has the entry, the register the status, and subscribers the event.

use futures_util::{StreamExt, TryStreamExt};
use mongodb::{
    Database,
    bson::{Bson, Document as Filter, Uuid as Binary, doc},
};
use serde::Serialize;
use tavolo_schema::{
    Accreditation, AccreditationStatus, Act, ActInput, DateTime, PlaceCategory, Pool,
    id::{AccreditationId, FacilityId},
};

use crate::{
    Order, Outcome, Perform, Stopped, Store, StoreError,
    accreditation::AccreditationDoc,
    act::ActDoc,
    capacity::{PoolDoc, pool_key},
    document::{Document, binary, instant, stored},
    error::DUPLICATE_KEY,
    transaction::Transaction,
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
        let ended = doc! { "status": { "$in": [stored(AccreditationStatus::Accredited), stored(AccreditationStatus::Suspended)] }, "validUntil": { "$lt": &today } };
        let due = doc! { "nextChange": { "$ne": null, "$lte": &today } };
        let expired: Vec<_> = self.stream::<AccreditationDoc>(ended, doc! {}).await?.collect().await;
        let due: Vec<_> = self.stream::<PoolDoc>(due, doc! {}).await?.collect().await;
        let mut outcomes = Vec::new();
        let order = Order::of_system(now);
        for accreditation in expired {
            let expire = async {
                let Accreditation { id, facility, revision, .. } = accreditation?;
                entered(self.act(&order, &Expire { accreditation: id, revision }).await?, facility)
            };
            outcomes.push(expire.await);
        }
        for pool in due {
            let settle = async {
                let Pool { facility, category, .. } = pool?;
                entered(self.act(&order, &Settle { facility, category }).await?, facility)
            };
            outcomes.push(settle.await);
        }
        let forgotten = self.forget_keys(now).await;
        // Every record has been tried by now: the first failure is reported.
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
            let acts = database.collection::<Filter>(ActDoc::COLLECTION);
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
            // A duplicate key means that the upsert met the lease of another hub.
            Err(StoreError::Write { code: DUPLICATE_KEY, .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Lets an accreditation that has ended expire, if nobody has changed it since it was read.
#[derive(Clone, Serialize)]
struct Expire {
    accreditation: AccreditationId,
    revision: i64,
}

impl ActInput for Expire {
    const ACT: Act = Act::KeepTime;
}

impl Perform for Expire {
    type Answer = AccreditationId;

    async fn perform(self, act: &mut Transaction) -> Result<AccreditationId, Stopped> {
        let unchanged = doc! { "_id": binary(self.accreditation), "revision": self.revision };
        let found = act.find_one::<AccreditationDoc>(unchanged).await?;
        let mut accreditation = found.ok_or(Stopped::Unwritten)?;
        accreditation.status = AccreditationStatus::Expired;
        for granted in accreditation.granted.clone() {
            if let Some(pool) = act.pool(accreditation.facility, granted.category).await? {
                act.settle_pool(pool).await?;
            }
        }
        act.put_accreditation(&mut accreditation).await?;
        Ok(accreditation.id)
    }
}

/// Enters what the clock has changed in a pool, if nobody has entered it since it was read.
#[derive(Clone, Serialize)]
struct Settle {
    facility: FacilityId,
    category: PlaceCategory,
}

impl ActInput for Settle {
    const ACT: Act = Act::KeepTime;
}

impl Perform for Settle {
    type Answer = FacilityId;

    async fn perform(self, act: &mut Transaction) -> Result<FacilityId, Stopped> {
        let key = pool_key(self.facility, self.category);
        let due = doc! { "_id": key, "nextChange": { "$lte": act.today().to_string() } };
        let pool = act.find_one::<PoolDoc>(due).await?.ok_or(Stopped::Unwritten)?;
        act.settle_pool(pool).await?;
        Ok(self.facility)
    }
}

/// What the clock changes is refused for one reason alone.
fn entered<T>(outcome: Outcome<T>, facility: FacilityId) -> Result<(), StoreError> {
    if outcome.irregularities.is_empty() { Ok(()) } else { Err(StoreError::BooksDisagree(facility)) }
}
