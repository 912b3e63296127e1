//! Places of a facility, and the acts that change them.

use std::sync::Arc;

use async_graphql::{ComplexObject, Context, Result, SimpleObject};
use tavolo_schema::{
    Block, Day, DisclosedNumbers, PlaceCategory, Pool, PoolKey,
    access::{DataClass::Operational, data_class},
    capacity::{BlockPlacesInput, InstallPlacesInput, UnblockPlacesInput},
    id::{BlockId, PoolId},
};
use tavolo_store::PlacesAnswer;

use crate::{
    act::{After, mutations, payload},
    facility::{Facility, FacilityPayload},
    viewer_scope::ViewerScope,
};

/// The places of one category in one facility.
#[derive(SimpleObject, Clone)]
#[graphql(complex, serial)]
pub(crate) struct Capacity {
    /// Global id.
    #[graphql(directive = data_class::apply(Operational))]
    pub(crate) id: PoolId,
    /// The category.
    #[graphql(directive = data_class::apply(Operational))]
    category: PlaceCategory,
    #[graphql(flatten)]
    numbers: DisclosedNumbers,
    #[graphql(skip)]
    pool: Option<(Arc<Pool>, Day)>,
}

impl Capacity {
    pub(crate) fn of(viewer_scope: &ViewerScope, pool: &Arc<Pool>) -> Self {
        Self {
            id: PoolId(pool.key()),
            category: pool.category,
            numbers: viewer_scope.numbers(pool),
            pool: Some((Arc::clone(pool), viewer_scope.today)),
        }
    }

    /// The places of this id, if the viewer sees their facility.
    pub(crate) fn find(viewer_scope: &Arc<ViewerScope>, PoolId((facility, category)): PoolId) -> Option<Self> {
        let facility = Facility::find(viewer_scope, facility)?;
        facility.state.pool(category).map(|pool| Self::of(viewer_scope, pool))
    }

    /// The numbers as a change left them, beside the pool as the board has it.
    pub(crate) fn after(numbers: DisclosedNumbers, key: PoolKey, pool: Option<&Arc<Pool>>, today: Day) -> Self {
        Self { id: PoolId(key), category: key.1, numbers, pool: pool.map(|pool| (Arc::clone(pool), today)) }
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

/// The block of this id, if the viewer sees its facility.
pub(crate) fn find_block(viewer_scope: &Arc<ViewerScope>, id: BlockId) -> Option<Block> {
    let (state, found) = viewer_scope.board.block(id)?;
    viewer_scope.shows(&state.facility).then(|| found.clone())
}

impl After<PlacesAnswer> for Facility {
    async fn after(_: &Context<'_>, viewer_scope: &Arc<ViewerScope>, answer: PlacesAnswer) -> Result<Option<Self>> {
        Ok(Self::find(viewer_scope, answer.facility))
    }
}

impl After<PlacesAnswer> for Block {
    async fn after(_: &Context<'_>, viewer_scope: &Arc<ViewerScope>, answer: PlacesAnswer) -> Result<Option<Self>> {
        Ok(answer.block.and_then(|id| find_block(viewer_scope, id)))
    }
}

payload! {
    /// What came of blocking places.
    BlockPlacesPayload {
        /// The facility after the act; null when it was refused or only checked.
        facility: Facility,
        /// The new block; null when it was refused or only checked.
        block: Block,
    }
}

mutations! {
    CapacityMutation {
        /// Says how many places of a category physically exist in a facility.
        install_places(InstallPlacesInput, "The places.") -> FacilityPayload;

        /// Takes places out of service for a time.
        block_places(BlockPlacesInput, "The block.") -> BlockPlacesPayload;

        /// Puts the places of a block back into service.
        unblock_places(UnblockPlacesInput, "The block.") -> FacilityPayload;
    }
}
