//! Pools of places: the cache beside the ledger, and the one way it changes.

use mongodb::bson::{Bson, Document as Filter, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Block, Code, DateTime, Day, Grant, OccupancyCause, PlaceCategory, Pool,
    capacity::{self, BlockPlacesInput, InstallPlacesInput, UnblockPlacesInput},
    id::{BlockId, FacilityId},
    ledger::{Change, Entering},
};

use crate::{
    Perform, Stopped, StoreError,
    document::{binary, document, embedded, instant, shape::plain, stored},
    ledger::LedgerDoc,
    transaction::Transaction,
};

embedded! { Block { id, places, reason, note, from, until } }

embedded! { Grant { accreditation, places, valid_from, valid_until } }

document! {
    pub(crate) PoolDoc of Pool in "pools" {
        facility as "_id.facility", category as "_id.category", installed, blocks, grants, occupied, reserved, ledgered,
        opening, settled_on, revision, occurred_at, registered_at,
    }
    // First day on which the clock alone changes the numbers, for the one who keeps time.
    derived { "nextChange" => |pool: &Pool| pool.next_change_after(pool.settled_on) }
    indexes {
        plain(doc! { "_id.facility": 1, "_id.category": 1 }),
        plain(doc! { "nextChange": 1 }),
        plain(doc! { "blocks.id": 1 }),
        plain(doc! { "_id.facility": 1, "blocks.id": 1 }),
    }
}

/// The `_id` of a pool.
pub(crate) fn pool_key(facility: FacilityId, category: PlaceCategory) -> Bson {
    Bson::Document(doc! { "facility": stored(facility), "category": stored(category) })
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

    /// The pool with a block in force or to come, if the member may act on its facility.
    async fn pool_of_block(&mut self, id: BlockId) -> Result<Option<Pool>, StoreError> {
        let mut filter = doc! { "blocks.id": binary(id) };
        let mut index = None;
        if let Some(keeper) = self.keeper() {
            filter.insert("_id.facility", doc! { "$in": self.facilities_run_by(keeper).await? });
            index = Some(doc! { "_id.facility": 1, "blocks.id": 1 });
        }
        let Some(pool) = self.find_one_by::<PoolDoc>(filter, index).await? else { return Ok(None) };
        let facility = self.facility_to_act_on(pool.facility).await?;
        // A block that has ended is past, and stays as it was.
        let today = self.today();
        let in_force = |block: &Block| block.id == id && block.until.is_none_or(|until| until >= today);
        Ok(facility.and(Some(pool)).filter(|pool| pool.blocks.iter().any(in_force)))
    }

    /// The arrivals and exits of a pool after an instant: when, and how many more there were then.
    pub(crate) async fn movements_after(
        &mut self,
        pool: &Pool,
        at: DateTime,
    ) -> Result<Vec<(DateTime, i32)>, StoreError> {
        let filter = doc! {
            "facility": stored(pool.facility), "category": stored(pool.category),
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
    pub(crate) async fn claim_place(&mut self, pool: Pool, change: Change) -> Result<(), Stopped> {
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
    ) -> Result<(), Stopped> {
        self.change_pool_if(doc! {}, pool, change, apply).await
    }

    async fn change_pool_if(
        &mut self,
        condition: Filter,
        mut pool: Pool,
        change: Change,
        apply: impl FnOnce(&mut Pool) + Send,
    ) -> Result<(), Stopped> {
        self.compare_books(&pool).await?;
        self.unless_blocked()?;
        let settled = pool.settle(self.id, self.now);
        apply(&mut pool);
        let entered = pool.enter(change, Entering { act: self.id, actor: &self.actor, now: self.now });
        self.put_pool(&pool, condition).await?;
        for entry in settled.iter().chain(&entered) {
            self.insert::<LedgerDoc>(entry).await?;
        }
        Ok(())
    }

    /// Enters what the clock alone has changed.
    pub(crate) async fn settle_pool(&mut self, mut pool: Pool) -> Result<(), Stopped> {
        self.compare_books(&pool).await?;
        self.unless_blocked()?;
        let settled = pool.settle(self.id, self.now);
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

impl Perform for InstallPlacesInput {
    type Answer = PlacesAnswer;

    async fn perform(self, act: &mut Transaction) -> Result<PlacesAnswer, Stopped> {
        let facility = act.facility(self.facility, "input.facility").await?;
        act.hold(facility.id).await?;
        let pools = act.pools_of(facility.id).await?;
        let others = pools.iter().filter(|pool| pool.category != self.category).map(|pool| pool.installed).sum();
        let pool = act.pool_or_empty(facility.id, self.category).await?;
        let (beds, today) = (facility.beds(), act.today());
        act.check(|found| capacity::check_install(&self, &pool, others, beds, today, found))?;
        let change = Change::new(OccupancyCause::PlacesInstalled, act.now);
        act.change_pool(pool, change, |pool| pool.installed = self.installed).await?;
        Ok(PlacesAnswer { facility: facility.id, block: None })
    }
}

impl Perform for BlockPlacesInput {
    type Answer = PlacesAnswer;

    async fn perform(self, act: &mut Transaction) -> Result<PlacesAnswer, Stopped> {
        let facility = act.facility(self.facility, "input.facility").await?;
        let pool = act.pool_or_empty(facility.id, self.category).await?;
        let today = act.today();
        act.check(|found| capacity::check_block(&self, &pool, today, found))?;
        let block = Block {
            id: BlockId::fresh(act.now),
            places: self.places,
            reason: self.reason,
            note: self.note,
            from: self.from.unwrap_or(today),
            until: self.until,
        };
        let answer = PlacesAnswer { facility: facility.id, block: Some(block.id) };
        let change = Change::new(OccupancyCause::PlacesBlocked, act.now);
        act.change_pool(pool, change, |pool| pool.blocks.push(block)).await?;
        Ok(answer)
    }
}

impl Perform for UnblockPlacesInput {
    type Answer = PlacesAnswer;

    async fn perform(self, act: &mut Transaction) -> Result<PlacesAnswer, Stopped> {
        let Some(pool) = act.pool_of_block(self.block).await? else {
            return act.refuse(Code::UnknownBlock, "input.block");
        };
        let answer = PlacesAnswer { facility: pool.facility, block: Some(self.block) };
        let (change, today) = (Change::new(OccupancyCause::PlacesUnblocked, act.now), act.today());
        act.change_pool(pool, change, |pool| lift(&mut pool.blocks, self.block, today)).await?;
        Ok(answer)
    }
}
