//! Stays: that somebody is present, and, for those who may know, who.

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use tavolo_schema::{
    self as schema, DateTime, ExitReason, PlaceCategory, StayStatus,
    access::{
        DataClass::{Identity, Presence},
        data_class,
    },
    id::{FacilityId, GuestId, StayId},
    stay::{AdmitGuestInput, DischargeGuestInput},
};
use tavolo_store::{KeyPage, StayPage, Store, Within};

use crate::{
    act::{After, mutations, payload},
    connection::{Connection, Page, encode},
    facility::Facility,
    gate,
    guest::Guest,
    loaders::{AllFound, Batch},
    request_context::request_context,
    viewer_scope::ViewerScope,
};

/// A stay (periodo di accoglienza).
#[derive(Clone)]
pub(crate) struct Stay {
    pub(crate) viewer_scope: Arc<ViewerScope>,
    pub(crate) stay: schema::Stay,
}

impl Stay {
    /// The stay, if the viewer sees the presences of its facility.
    pub(crate) fn seen(viewer_scope: &Arc<ViewerScope>, stay: schema::Stay) -> Option<Self> {
        let seen = viewer_scope.sight(viewer_scope.owners_of_facility(stay.facility)).contains(Presence);
        seen.then(|| Self { viewer_scope: Arc::clone(viewer_scope), stay })
    }

    pub(crate) async fn find(ctx: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: StayId) -> Result<Option<Self>> {
        let presences = viewer_scope.presences().clone();
        let found = request_context(ctx).loaders.load::<StayById>(id, presences).await?;
        Ok(found.and_then(|stay| Self::seen(viewer_scope, schema::Stay::clone(&stay))))
    }
}

/// A stay (periodo di accoglienza).
#[Object]
impl Stay {
    /// Global id.
    #[graphql(directive = data_class::apply(Presence))]
    pub(crate) async fn id(&self) -> StayId {
        self.stay.id
    }

    /// Whether it goes on.
    #[graphql(directive = data_class::apply(Presence))]
    async fn status(&self) -> StayStatus {
        self.stay.status
    }

    /// Category of the place.
    #[graphql(directive = data_class::apply(Presence))]
    async fn category(&self) -> PlaceCategory {
        self.stay.category
    }

    /// When the guest arrived.
    #[graphql(directive = data_class::apply(Presence))]
    async fn entry_at(&self) -> DateTime {
        self.stay.entry_at
    }

    /// When the guest left.
    #[graphql(directive = data_class::apply(Presence))]
    async fn exit_at(&self) -> Option<DateTime> {
        self.stay.exit_at
    }

    /// Why the guest left.
    #[graphql(directive = data_class::apply(Identity))]
    async fn exit_reason(&self, ctx: &Context<'_>) -> Option<ExitReason> {
        let owners = self.viewer_scope.owners_of_facility(self.stay.facility);
        gate::show(ctx, &self.viewer_scope, Identity, owners, || self.stay.exit_reason).flatten()
    }

    /// When the arrival was registered.
    #[graphql(directive = data_class::apply(Presence))]
    async fn registered_at(&self) -> DateTime {
        self.stay.registered_at
    }

    /// The facility.
    #[graphql(directive = data_class::apply(Presence))]
    async fn facility(&self) -> Option<Facility> {
        Facility::find(&self.viewer_scope, self.stay.facility)
    }

    /// The guest, for those who see the file.
    #[graphql(directive = data_class::apply(Identity))]
    async fn guest(&self, ctx: &Context<'_>) -> Option<Result<Guest>> {
        let owners = self.viewer_scope.owners_of_facility(self.stay.facility);
        gate::show(ctx, &self.viewer_scope, Identity, owners, || ())?;
        Guest::find(ctx, &self.viewer_scope, self.stay.guest).await.transpose()
    }
}

/// Finds stays by their ids.
struct StayById;

impl Batch for StayById {
    type Id = StayId;
    type Way = Within;
    type Found = Arc<schema::Stay>;

    async fn find(store: &Store, ids: &[StayId], within: &Within) -> AllFound<Self> {
        let found = store.stays_by_ids(ids, within).await?;
        Ok(found.into_iter().map(|(id, stay)| (id, Arc::new(stay))).collect())
    }
}

/// Finds pages of the stays of facilities.
struct OfFacility;

impl Batch for OfFacility {
    type Id = FacilityId;
    type Way = StayPage;
    type Found = Arc<[schema::Stay]>;

    async fn find(store: &Store, ids: &[FacilityId], page: &StayPage) -> AllFound<Self> {
        let found = store.stays_of_facilities(ids, page.clone()).await?;
        Ok(found.into_iter().map(|(id, stays)| (id, stays.into())).collect())
    }
}

/// Finds pages of the stays of guests.
struct OfGuest;

impl Batch for OfGuest {
    type Id = GuestId;
    type Way = StayPage;
    type Found = Arc<[schema::Stay]>;

    async fn find(store: &Store, ids: &[GuestId], page: &StayPage) -> AllFound<Self> {
        let found = store.stays_of_guests(ids, page.clone()).await?;
        Ok(found.into_iter().map(|(id, stays)| (id, stays.into())).collect())
    }
}

/// A page of the stays of a facility.
pub(crate) async fn of_facility(
    ctx: &Context<'_>,
    viewer_scope: &Arc<ViewerScope>,
    facility: FacilityId,
    status: Option<StayStatus>,
    page: Result<Page>,
) -> Result<Connection<Stay>> {
    let page = page?;
    let wanted = wanted(&page, status, Within(None))?;
    let stays = request_context(ctx).loaders.load::<OfFacility>(facility, wanted).await?;
    connection(viewer_scope, &page, stays.as_deref().unwrap_or_default())
}

/// A page of the stays of a guest.
pub(crate) async fn of_guest(
    ctx: &Context<'_>,
    viewer_scope: &Arc<ViewerScope>,
    guest: GuestId,
    status: Option<StayStatus>,
    page: Result<Page>,
) -> Result<Connection<Stay>> {
    let page = page?;
    let wanted = wanted(&page, status, viewer_scope.named_presences().clone())?;
    let stays = request_context(ctx).loaders.load::<OfGuest>(guest, wanted).await?;
    connection(viewer_scope, &page, stays.as_deref().unwrap_or_default())
}

/// The part of a list of stays that has the latest registered first: against the order of the ids.
fn wanted(page: &Page, status: Option<StayStatus>, within: Within) -> Result<StayPage> {
    let KeyPage { after, before, limit, backwards } = page.by_key::<StayId>()?;
    let keys = KeyPage { after: before, before: after, limit, backwards: !backwards };
    Ok(StayPage { within, status, keys })
}

fn connection(viewer_scope: &Arc<ViewerScope>, page: &Page, stays: &[schema::Stay]) -> Result<Connection<Stay>> {
    let mut stays = stays.to_vec();
    if page.backwards {
        stays.reverse();
    }
    let (stays, more) = page.turn(stays);
    let nodes = stays.into_iter().filter_map(|stay| Stay::seen(viewer_scope, stay)).collect();
    Ok(Connection::new(nodes, |node: &Stay| encode(&node.stay.id), more, None))
}

impl After<StayId> for Stay {
    async fn after(ctx: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: StayId) -> Result<Option<Self>> {
        Self::find(ctx, viewer_scope, id).await
    }
}

impl After<StayId> for Facility {
    async fn after(ctx: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: StayId) -> Result<Option<Self>> {
        let stay = Stay::find(ctx, viewer_scope, id).await?;
        Ok(stay.and_then(|stay| Self::find(viewer_scope, stay.stay.facility)))
    }
}

payload! {
    /// What came of an admission or discharge.
    StayPayload {
        /// The stay after the act; null when it was refused or only checked.
        stay: Stay,
        /// The facility after the act; null when it was refused or only checked.
        facility: Facility,
    }
}

mutations! {
    StayMutation {
        /// Gives a guest a place. The claim on the place is atomic: of two for the last one, one is refused. `validateOnly`
        /// tells what follows from what the member sees, and nothing of a file or a documented need that it does not see: an
        /// order tells that, when nothing else keeps it from being performed. Each such look is counted, a day has so many for
        /// a member and its organisation, and is on record for the Province and the file's keeper.
        admit_guest(AdmitGuestInput, "The admission.") -> StayPayload;

        /// Ends a stay.
        discharge_guest(DischargeGuestInput, "The discharge.") -> StayPayload;
    }
}
