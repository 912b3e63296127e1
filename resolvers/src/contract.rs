//! The contract: what can be asked, done and watched, and what has a global id.

use async_graphql::{
    Context, ID, MergedObject, MergedSubscription, Object, Result, SDLExportOptions, Schema, ValidationMode, Value,
};
use futures_util::{FutureExt, future::join_all};
use tavolo_schema::{
    Block,
    access::{DataClass::Public, data_class},
    id::GlobalId,
};

use crate::{
    accreditation::{self, Accreditation},
    capacity::{self, Capacity},
    error::{self, bad_request},
    facility::{self, Facility},
    guest::{self, Guest, Household},
    history, lookup,
    municipality::{self, Municipality},
    occupancy,
    organisation::{self, Organisation},
    request_context::request_context,
    shared_fields::{Interface, PeopleCount, PlaceNumbers},
    statistics,
    stay::{self, Stay},
    viewer,
};

/// What can be asked.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    viewer::ViewerQuery,
    NodeQuery,
    facility::FacilityQuery,
    organisation::OrganisationQuery,
    municipality::MunicipalityQuery,
    accreditation::AccreditationQuery,
    guest::GuestQuery,
    lookup::LookupQuery,
    occupancy::OccupancyQuery,
    history::HistoryQuery,
    statistics::StatisticsQuery,
);

/// What can be done: one mutation for each act of the trade, never a generic update.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    facility::FacilityMutation,
    capacity::CapacityMutation,
    accreditation::AccreditationMutation,
    guest::GuestMutation,
    stay::StayMutation,
);

/// What can be watched.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(occupancy::ChangesSubscription, occupancy::TotalsSubscription);

/// A thing with a global id.
#[derive(async_graphql::Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Global id.", directive = data_class::apply(Public)))]
pub(crate) enum Node {
    /// A facility.
    Facility(Facility),
    /// An organisation.
    Organisation(Organisation),
    /// An accreditation.
    Accreditation(Accreditation),
    /// A guest.
    Guest(Guest),
    /// A stay.
    Stay(Stay),
    /// A household.
    Household(Household),
    /// The places of one category in one facility.
    Capacity(Capacity),
    /// A block of places.
    Block(Block),
    /// A municipality.
    Municipality(Municipality),
}

/// Ids in one `nodes` at most.
const MOST: usize = 100;

#[derive(Default)]
pub(crate) struct NodeQuery;

#[Object]
impl NodeQuery {
    /// The thing of a global id; null when there is none or the viewer may not see it.
    #[graphql(directive = data_class::apply(Public))]
    async fn node(&self, ctx: &Context<'_>, #[graphql(desc = "Global id.")] id: ID) -> Option<Result<Node>> {
        find(ctx, &id).await.transpose()
    }

    /// The things of up to 100 global ids, each at the place of its id.
    #[graphql(directive = data_class::apply(Public))]
    async fn nodes(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Global ids, 100 at most.")] ids: Vec<ID>,
    ) -> Option<Result<Vec<Option<Node>>>> {
        if ids.len() > MOST {
            return Some(Err(bad_request("nodes takes 100 ids at most")));
        }
        Some(join_all(ids.iter().map(|id| find(ctx, id))).await.into_iter().collect())
    }
}

async fn find(ctx: &Context<'_>, id: &ID) -> Result<Option<Node>> {
    let viewer_scope = request_context(ctx).viewer_scope();
    Ok(match GlobalId::decode(id) {
        None | Some(GlobalId::Act(_) | GlobalId::Lookup(_)) => None,
        Some(GlobalId::Facility(id)) => Facility::find(viewer_scope, id).map(Node::from),
        Some(GlobalId::Organisation(id)) => Organisation::find(viewer_scope, id).map(Node::from),
        Some(GlobalId::Pool(id)) => Capacity::find(viewer_scope, id).map(Node::from),
        Some(GlobalId::Block(id)) => capacity::find_block(viewer_scope, id).map(Node::from),
        Some(GlobalId::Municipality(id)) => Municipality::find(viewer_scope, &id.0).map(Node::from),
        Some(GlobalId::Accreditation(id)) => Accreditation::find(viewer_scope, id).map(Node::from),
        // Without sight of anybody's file the vault is not even asked.
        Some(GlobalId::Guest(_) | GlobalId::Household(_)) if viewer_scope.guest_scope().is_none() => None,
        Some(GlobalId::Guest(id)) => Guest::find(ctx, viewer_scope, id).await?.map(Node::from),
        Some(GlobalId::Stay(id)) => Stay::find(ctx, viewer_scope, id).await?.map(Node::from),
        Some(GlobalId::Household(id)) => {
            let household = Household { viewer_scope: viewer_scope.clone(), id };
            let seen = !household.members_seen(ctx).await?.is_empty();
            seen.then(|| Node::from(household))
        }
    })
}

/// The executable contract. What it executes has been validated as a whole ([`crate::validity`]): it does not do so again.
pub(crate) fn build() -> Schema<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
        .register_output_type::<Interface<PlaceNumbers>>()
        .register_output_type::<Interface<PeopleCount>>()
        .validation_mode(ValidationMode::Fast)
        .finish()
}

/// What the contract says about itself.
pub(crate) fn introspected(question: &str) -> Value {
    // Introspection never waits, so one poll answers it.
    build().execute(question).now_or_never().unwrap_or_else(error::panicked).data
}

/// The contract as text.
pub(crate) fn sdl() -> String {
    build().sdl_with_options(SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions())
}
