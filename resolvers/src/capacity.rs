//! Places of a facility, and the acts that change them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Object, Result, SimpleObject};
use tavolo_schema::{
    Act, Block, Day, DisclosedNumbers, PlaceCategory, Pool,
    access::{
        DataClass::{Act as ActClass, Operational, Public},
        data_class,
    },
    capacity::{BlockPlacesInput, InstallPlacesInput, UnblockPlacesInput},
};
use tavolo_store::{Outcome, PlacesAnswer, StoreError};

use crate::{
    act::{Terms, done, order},
    facility::{Facility, FacilityPayload},
    graph::desk,
    irregularity::Irregularity,
    sheet::Sheet,
};

/// The places of one category in one facility.
#[derive(SimpleObject, Clone)]
#[graphql(complex, serial)]
pub(crate) struct Capacity {
    /// The category.
    #[graphql(directive = data_class::apply(Operational))]
    category: PlaceCategory,
    #[graphql(flatten)]
    numbers: DisclosedNumbers,
    #[graphql(skip)]
    pool: Option<(Arc<Pool>, Day)>,
}

impl Capacity {
    pub(crate) fn of(sheet: &Sheet, pool: &Arc<Pool>) -> Self {
        Self { category: pool.category, numbers: sheet.numbers(pool), pool: Some((Arc::clone(pool), sheet.today)) }
    }

    /// The numbers as a change left them, beside the pool as the board has it.
    pub(crate) fn after(
        numbers: DisclosedNumbers,
        category: PlaceCategory,
        pool: Option<&Arc<Pool>>,
        today: Day,
    ) -> Self {
        Self { category, numbers, pool: pool.map(|pool| (Arc::clone(pool), today)) }
    }
}

#[ComplexObject]
impl Capacity {
    /// Blocks in force or to come.
    #[graphql(directive = data_class::apply(Operational))]
    async fn blocks(&self) -> Vec<Block> {
        let Some((pool, today)) = &self.pool else { return Vec::new() };
        pool.blocks.iter().filter(|block| block.until.is_none_or(|until| until >= *today)).cloned().collect()
    }
}

/// What came of blocking places.
#[derive(SimpleObject)]
pub(crate) struct BlockPlacesPayload {
    /// The facility after the act; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    facility: Option<Facility>,
    /// The new block; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    block: Option<Block>,
    /// Everything found irregular.
    #[graphql(directive = data_class::apply(Public))]
    irregularities: Vec<Irregularity>,
}

#[derive(Default)]
pub(crate) struct CapacityMutation;

#[Object]
impl CapacityMutation {
    /// Says how many places of a category physically exist in a facility.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn install_places(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The places.")] input: InstallPlacesInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<FacilityPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::InstallPlaces, &input, terms)?;
            places(ctx, desk(ctx).hub.store.install_places(&order, &input).await).await
        };
        Some(work.await)
    }

    /// Takes places out of service for a time.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn block_places(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The block.")] input: BlockPlacesInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<BlockPlacesPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::BlockPlaces, &input, terms)?;
            let done = done(ctx, desk(ctx).hub.store.block_places(&order, &input).await).await?;
            let facility = done.answer.and_then(|answer| Facility::find(&done.sheet, answer.facility));
            let blocks = facility.iter().flat_map(|facility| &facility.place.pools).flat_map(|pool| &pool.blocks);
            let wanted = done.answer.and_then(|answer| answer.block);
            let block = blocks.into_iter().find(|block| Some(block.id) == wanted).cloned();
            Ok(BlockPlacesPayload { facility, block, irregularities: done.irregularities })
        };
        Some(work.await)
    }

    /// Puts the places of a block back into service.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn unblock_places(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The block.")] input: UnblockPlacesInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<FacilityPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::UnblockPlaces, &input, terms)?;
            places(ctx, desk(ctx).hub.store.unblock_places(&order, &input).await).await
        };
        Some(work.await)
    }
}

async fn places(ctx: &Context<'_>, outcome: Result<Outcome<PlacesAnswer>, StoreError>) -> Result<FacilityPayload> {
    let done = done(ctx, outcome).await?;
    let facility = done.answer.and_then(|answer| Facility::find(&done.sheet, answer.facility));
    Ok(FacilityPayload { facility, irregularities: done.irregularities })
}
