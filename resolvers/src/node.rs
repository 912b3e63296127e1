//! Any thing by its global id.

use async_graphql::{Context, ID, Interface, Object, Result};
use futures_util::future::join_all;
use tavolo_schema::{
    access::{DataClass::Public, data_class},
    id::GlobalId,
};

use crate::{
    accreditation::Accreditation,
    error::bad_request,
    facility::Facility,
    guest::{Guest, Household},
    organisation::Organisation,
    request_context::request_context,
    stay::Stay,
};

/// A thing with a global id.
#[derive(Interface)]
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
        None => None,
        Some(GlobalId::Facility(id)) => Facility::find(viewer_scope, id).map(Node::from),
        Some(GlobalId::Organisation(id)) => Organisation::find(viewer_scope, id).map(Node::from),
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
