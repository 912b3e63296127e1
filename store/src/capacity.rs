//! Pools of places: the cache beside the ledger, and the one way it changes.

use mongodb::bson::{self, Bson, Document as Filter, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Block, Code, DateTime, Day, Grant, OccupancyCause, PlaceCategory, Pool,
    capacity::{self, BlockPlacesInput, BlockReason, Counts, InstallPlacesInput, UnblockPlacesInput},
    contract_name,
    id::{BlockId, FacilityId},
    ledger::{Change, Entering},
};

use crate::{
    Order, Outcome, Store, StoreError,
    document::{self, Document, Unreadable, binary, date_time, day, instant},
    ledger::LedgerDoc,
    transaction::Transaction,
};

#[derive(Serialize, Deserialize)]
struct PoolKey {
    facility: Binary,
    category: PlaceCategory,
}

#[derive(Serialize, Deserialize)]
struct BlockDoc {
    id: Binary,
    places: i32,
    reason: BlockReason,
    note: Option<String>,
    from: String,
    until: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GrantDoc {
    accreditation: Binary,
    places: i32,
    valid_from: String,
    valid_until: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolDoc {
    #[serde(rename = "_id")]
    key: PoolKey,
    installed: i32,
    blocks: Vec<BlockDoc>,
    grants: Vec<GrantDoc>,
    occupied: i32,
    reserved: i32,
    ledgered: Counts,
    opening: Counts,
    settled_on: String,
    revision: i64,
    occurred_at: bson::DateTime,
    registered_at: bson::DateTime,
    /// First day on which the clock alone changes the numbers, for the one who keeps time.
    next_change: Option<String>,
}

impl Document for PoolDoc {
    const COLLECTION: &'static str = "pools";
    type Noun = Pool;

    fn store(noun: &Pool) -> Self {
        let block = |block: &Block| BlockDoc {
            id: binary(block.id),
            places: block.places,
            reason: block.reason,
            note: block.note.clone(),
            from: block.from.to_string(),
            until: block.until.map(|until| until.to_string()),
        };
        let grant = |grant: &Grant| GrantDoc {
            accreditation: binary(grant.accreditation),
            places: grant.places,
            valid_from: grant.valid_from.to_string(),
            valid_until: grant.valid_until.to_string(),
        };
        Self {
            key: PoolKey { facility: binary(noun.facility), category: noun.category },
            installed: noun.installed,
            blocks: noun.blocks.iter().map(block).collect(),
            grants: noun.grants.iter().map(grant).collect(),
            occupied: noun.occupied,
            reserved: noun.reserved,
            ledgered: noun.ledgered,
            opening: noun.opening,
            settled_on: noun.settled_on.to_string(),
            revision: noun.revision,
            occurred_at: instant(noun.occurred_at),
            registered_at: instant(noun.registered_at),
            next_change: noun.next_change_after(noun.settled_on).map(|day| day.to_string()),
        }
    }

    fn read(self) -> Result<Pool, Unreadable> {
        let block = |block: BlockDoc| {
            Ok(Block {
                id: document::id(block.id),
                places: block.places,
                reason: block.reason,
                note: block.note,
                from: day("blocks.from", &block.from)?,
                until: block.until.map(|until| day("blocks.until", &until)).transpose()?,
            })
        };
        let grant = |grant: GrantDoc| {
            Ok(Grant {
                accreditation: document::id(grant.accreditation),
                places: grant.places,
                valid_from: day("grants.validFrom", &grant.valid_from)?,
                valid_until: day("grants.validUntil", &grant.valid_until)?,
            })
        };
        Ok(Pool {
            facility: document::id(self.key.facility),
            category: self.key.category,
            installed: self.installed,
            blocks: self.blocks.into_iter().map(block).collect::<Result<_, _>>()?,
            grants: self.grants.into_iter().map(grant).collect::<Result<_, _>>()?,
            occupied: self.occupied,
            reserved: self.reserved,
            ledgered: self.ledgered,
            opening: self.opening,
            settled_on: day("settledOn", &self.settled_on)?,
            revision: self.revision,
            occurred_at: date_time("occurredAt", self.occurred_at)?,
            registered_at: date_time("registeredAt", self.registered_at)?,
        })
    }
}

/// The `_id` of a pool.
pub(crate) fn pool_key(facility: FacilityId, category: PlaceCategory) -> Bson {
    Bson::Document(doc! { "facility": binary(facility), "category": contract_name(category) })
}

impl Transaction {
    pub(crate) async fn pool(
        &mut self,
        facility: FacilityId,
        category: PlaceCategory,
    ) -> Result<Option<Pool>, StoreError> {
        self.by_id::<PoolDoc>(pool_key(facility, category)).await
    }

    /// The pool that an act is about to change, compared with its books.
    pub(crate) async fn pool_to_change(
        &mut self,
        facility: FacilityId,
        category: PlaceCategory,
    ) -> Result<Option<Pool>, StoreError> {
        let found = self.pool(facility, category).await?;
        if let Some(pool) = &found {
            self.compare_books(pool).await?;
        }
        Ok(found)
    }

    pub(crate) async fn pools_of(&mut self, facility: FacilityId) -> Result<Vec<Pool>, StoreError> {
        let filter = doc! { "_id.facility": binary(facility) };
        self.find::<PoolDoc>(filter, doc! { "_id.category": 1 }).await
    }

    /// The pool that an act is about to change, or one without places that [`Transaction::change_pool`] will insert.
    pub(crate) async fn pool_or_empty(
        &mut self,
        facility: FacilityId,
        category: PlaceCategory,
    ) -> Result<Pool, StoreError> {
        let found = self.pool(facility, category).await?;
        let pool = found.unwrap_or_else(|| Pool::empty(facility, category, self.now));
        self.compare_books(&pool).await?;
        Ok(pool)
    }

    /// The arrivals and exits of a pool after an instant: when, and how many more there were then.
    pub(crate) async fn movements_after(
        &mut self,
        pool: &Pool,
        at: DateTime,
    ) -> Result<Vec<(DateTime, i32)>, StoreError> {
        let filter = doc! {
            "facility": binary(pool.facility), "category": contract_name(pool.category),
            "occurredAt": { "$gt": instant(at) },
        };
        let entries = self.find::<LedgerDoc>(filter, doc! {}).await?;
        let movements = entries.iter().map(|entry| (entry.occurred_at, entry.deltas.occupied));
        Ok(movements.filter(|(_, more)| *more != 0).collect())
    }

    /// Claims one place: the only way `occupied` grows.
    ///
    /// The claim is the write itself. It matches only while a place is free that is allocable on the
    /// day of entry; should the pool have changed since it was read, the transaction conflicts and
    /// the act decides again.
    pub(crate) async fn claim_place(&mut self, pool: Pool, change: Change) -> Result<(), StoreError> {
        let allocable = pool.claimable(change.occurred_at.day(), self.today());
        let free = doc! { "$expr": { "$lt": [{ "$add": ["$occupied", "$reserved"] }, allocable] } };
        self.change_pool_if(free, pool, change, |pool| pool.occupied += 1).await
    }

    /// Applies any other change to a pool and writes what it does to the numbers into the ledger.
    pub(crate) async fn change_pool(
        &mut self,
        pool: Pool,
        change: Change,
        apply: impl FnOnce(&mut Pool) + Send,
    ) -> Result<(), StoreError> {
        self.change_pool_if(doc! {}, pool, change, apply).await
    }

    async fn change_pool_if(
        &mut self,
        condition: Filter,
        mut pool: Pool,
        change: Change,
        apply: impl FnOnce(&mut Pool) + Send,
    ) -> Result<(), StoreError> {
        self.compare_books(&pool).await?;
        if self.found.blocks() {
            return Ok(());
        }
        let settled = pool.settle(self.act, self.now);
        apply(&mut pool);
        let entered = pool.enter(change, Entering { act: self.act, actor: &self.actor, now: self.now });
        self.put_pool(&pool, condition).await?;
        for entry in settled.iter().chain(&entered) {
            self.insert::<LedgerDoc>(entry).await?;
        }
        Ok(())
    }

    /// Enters what the clock alone has changed.
    pub(crate) async fn settle_pool(&mut self, mut pool: Pool) -> Result<(), StoreError> {
        self.compare_books(&pool).await?;
        if self.found.blocks() {
            return Ok(());
        }
        let settled = pool.settle(self.act, self.now);
        self.put_pool(&pool, doc! {}).await?;
        for entry in &settled {
            self.insert::<LedgerDoc>(entry).await?;
        }
        Ok(())
    }

    /// Writes a pool on the condition. Pools are replaced as a whole, so that the change feed
    /// carries them as a whole.
    pub(crate) async fn put_pool(&mut self, pool: &Pool, condition: Filter) -> Result<(), StoreError> {
        let mut filter = doc! { "_id": pool_key(pool.facility, pool.category) };
        filter.extend(condition);
        if self.replace::<PoolDoc>(filter, pool).await? {
            return Ok(());
        }
        // Not there yet: insert. There, but the condition failed: the insert conflicts on the key and
        // the act decides again.
        self.insert::<PoolDoc>(pool).await
    }
}

/// A facility whose places an act changed, and the block it made or lifted.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PlacesAnswer {
    /// The facility.
    pub facility: FacilityId,
    /// The block, for acts on blocks.
    pub block: Option<BlockId>,
}

/// Lifts a block from today on. The days before stay as they were, for whoever is registered late.
fn lift(blocks: &mut Vec<Block>, id: BlockId, today: Day) {
    blocks.retain(|block| block.id != id || block.from < today);
    for block in blocks.iter_mut().filter(|block| block.id == id) {
        block.until = Some(today.plus_days(-1));
    }
}

impl Store {
    /// Says how many places of a category physically exist in a facility.
    ///
    /// # Errors
    ///
    /// Faults of the database; refusals are in the outcome.
    pub async fn install_places(
        &self,
        order: &Order,
        input: &InstallPlacesInput,
    ) -> Result<Outcome<PlacesAnswer>, StoreError> {
        self.perform(order, |transaction| {
            let input = input.clone();
            Box::pin(async move {
                let Some(facility) = transaction.facility(input.facility).await? else {
                    transaction.found.add(Code::UnknownFacility, "input.facility");
                    return Ok(None);
                };
                transaction.hold(facility.id).await?;
                let pools = transaction.pools_of(facility.id).await?;
                let others =
                    pools.iter().filter(|pool| pool.category != input.category).map(|pool| pool.installed).sum();
                let pool = transaction.pool_or_empty(facility.id, input.category).await?;
                capacity::check_install(
                    &input,
                    &pool,
                    others,
                    facility.beds(),
                    transaction.today(),
                    &mut transaction.found,
                );
                if transaction.found.blocks() {
                    return Ok(None);
                }
                let change = Change::new(OccupancyCause::PlacesInstalled, transaction.now);
                transaction.change_pool(pool, change, |pool| pool.installed = input.installed).await?;
                Ok(Some(PlacesAnswer { facility: facility.id, block: None }))
            })
        })
        .await
    }

    /// Takes places out of service.
    ///
    /// # Errors
    ///
    /// Faults of the database; refusals are in the outcome.
    pub async fn block_places(
        &self,
        order: &Order,
        input: &BlockPlacesInput,
    ) -> Result<Outcome<PlacesAnswer>, StoreError> {
        self.perform(order, |transaction| {
            let input = input.clone();
            Box::pin(async move {
                if transaction.facility(input.facility).await?.is_none() {
                    transaction.found.add(Code::UnknownFacility, "input.facility");
                    return Ok(None);
                }
                let pool = transaction.pool_or_empty(input.facility, input.category).await?;
                capacity::check_block(&input, &pool, transaction.today(), &mut transaction.found);
                if transaction.found.blocks() {
                    return Ok(None);
                }
                let block = Block {
                    id: BlockId::fresh(transaction.now),
                    places: input.places,
                    reason: input.reason,
                    note: input.note,
                    from: input.from.unwrap_or(transaction.today()),
                    until: input.until,
                };
                let answer = PlacesAnswer { facility: input.facility, block: Some(block.id) };
                let change = Change::new(OccupancyCause::PlacesBlocked, transaction.now);
                transaction.change_pool(pool, change, |pool| pool.blocks.push(block)).await?;
                Ok(Some(answer))
            })
        })
        .await
    }

    /// Puts the places of a block back into service.
    ///
    /// # Errors
    ///
    /// Faults of the database; refusals are in the outcome.
    pub async fn unblock_places(
        &self,
        order: &Order,
        input: &UnblockPlacesInput,
    ) -> Result<Outcome<PlacesAnswer>, StoreError> {
        let block = input.block;
        self.perform(order, move |transaction| {
            Box::pin(async move {
                let mut filter = doc! { "blocks.id": binary(block) };
                let mut index = None;
                if let Some(keeper) = transaction.keeper() {
                    let own = transaction.facilities_run_by(keeper).await?;
                    let own: Vec<Binary> = own.iter().map(|facility| binary(facility.id)).collect();
                    filter.insert("_id.facility", doc! { "$in": own });
                    index = Some(doc! { "_id.facility": 1, "blocks.id": 1 });
                }
                let found = transaction.find_one_by::<PoolDoc>(filter, index).await?;
                let facility = match &found {
                    Some(pool) => transaction.facility(pool.facility).await?,
                    None => None,
                };
                // What has ended is past, and stays as it was.
                let today = transaction.today();
                let in_force = |other: &Block| other.id == block && other.until.is_none_or(|until| until >= today);
                let found = found.filter(|pool| facility.is_some() && pool.blocks.iter().any(in_force));
                let Some(pool) = found else {
                    transaction.found.add(Code::UnknownBlock, "input.block");
                    return Ok(None);
                };
                let answer = PlacesAnswer { facility: pool.facility, block: Some(block) };
                let change = Change::new(OccupancyCause::PlacesUnblocked, transaction.now);
                transaction.change_pool(pool, change, |pool| lift(&mut pool.blocks, block, today)).await?;
                Ok(Some(answer))
            })
        })
        .await
    }
}
