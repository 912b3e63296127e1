//! Stays: that somebody is present, and, for those who may know, who.

use std::sync::Arc;

use async_graphql::{Context, Object, Result, SimpleObject};
use tavolo_schema::{
    self as schema, Act, DateTime, ExitReason, PlaceCategory, StayStatus,
    access::{
        DataClass::{Act as ActClass, Identity, Presence, Public},
        data_class,
    },
    id::{FacilityId, GuestId, StayId},
    stay::{AdmitGuestInput, DischargeGuestInput},
};
use tavolo_store::{Outcome, StayPage, StoreError, Within};

use crate::{
    act::{Terms, done, order},
    connection::{Connection, More, Page, decode, encode},
    error::fault,
    facility::Facility,
    gate,
    graph::desk,
    guest::Guest,
    irregularity::Irregularity,
    sheet::Sheet,
};

/// A stay (periodo di accoglienza).
#[derive(Clone)]
pub(crate) struct Stay {
    pub(crate) sheet: Arc<Sheet>,
    pub(crate) stay: schema::Stay,
}

impl Stay {
    /// The stay, if the viewer sees the presences of its facility.
    pub(crate) fn seen(sheet: &Arc<Sheet>, stay: schema::Stay) -> Option<Self> {
        let seen = sheet.sight(sheet.party_of_facility(stay.facility)).contains(Presence);
        seen.then(|| Self { sheet: Arc::clone(sheet), stay })
    }

    pub(crate) async fn find(ctx: &Context<'_>, sheet: &Arc<Sheet>, id: StayId) -> Result<Option<Self>> {
        let found = desk(ctx).loaders.stay(id, sheet.presences().clone()).await.map_err(|error| fault(&error))?;
        Ok(found.and_then(|stay| Self::seen(sheet, schema::Stay::clone(&stay))))
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
        let party = self.sheet.party_of_facility(self.stay.facility);
        gate::show(ctx, &self.sheet, Identity, party, || self.stay.exit_reason).flatten()
    }

    /// When the arrival was registered.
    #[graphql(directive = data_class::apply(Presence))]
    async fn registered_at(&self) -> DateTime {
        self.stay.registered_at
    }

    /// The facility.
    #[graphql(directive = data_class::apply(Presence))]
    async fn facility(&self) -> Option<Facility> {
        Facility::find(&self.sheet, self.stay.facility)
    }

    /// The guest, for those who see the file.
    #[graphql(directive = data_class::apply(Identity))]
    async fn guest(&self, ctx: &Context<'_>) -> Option<Result<Guest>> {
        let party = self.sheet.party_of_facility(self.stay.facility);
        gate::show(ctx, &self.sheet, Identity, party, || ())?;
        Guest::find(ctx, &self.sheet, self.stay.guest).await.transpose()
    }
}

/// A page of the stays of a facility.
pub(crate) async fn of_facility(
    ctx: &Context<'_>,
    sheet: &Arc<Sheet>,
    facility: FacilityId,
    status: Option<StayStatus>,
    first: Option<i32>,
    after: Option<String>,
) -> Result<Connection<Stay>> {
    let page = Page::new(first, after, None, None)?;
    let wanted = wanted(&page, status, Within(None))?;
    let stays = desk(ctx).loaders.stays_of_facility(facility, wanted).await;
    connection(sheet, &page, stays.map_err(|error| fault(&error))?.as_deref().unwrap_or_default())
}

/// A page of the stays of a guest.
pub(crate) async fn of_guest(
    ctx: &Context<'_>,
    sheet: &Arc<Sheet>,
    guest: GuestId,
    status: Option<StayStatus>,
    first: Option<i32>,
    after: Option<String>,
) -> Result<Connection<Stay>> {
    let page = Page::new(first, after, None, None)?;
    let wanted = wanted(&page, status, sheet.named_presences().clone())?;
    let stays = desk(ctx).loaders.stays_of_guest(guest, wanted).await;
    connection(sheet, &page, stays.map_err(|error| fault(&error))?.as_deref().unwrap_or_default())
}

fn wanted(page: &Page, status: Option<StayStatus>, within: Within) -> Result<StayPage> {
    let before = page.after.as_deref().map(decode::<StayId>).transpose()?;
    // One more than asked for tells whether the list goes on.
    Ok(StayPage { within, status, before, limit: page.limit as i32 + 1 })
}

fn connection(sheet: &Arc<Sheet>, page: &Page, stays: &[schema::Stay]) -> Result<Connection<Stay>> {
    let more = More { before: page.after.is_some(), after: stays.len() > page.limit };
    let nodes = stays.iter().take(page.limit).filter_map(|stay| Stay::seen(sheet, stay.clone())).collect();
    Ok(Connection::new(nodes, |node: &Stay| encode(&node.stay.id), more, None))
}

/// What came of an admission or discharge.
#[derive(SimpleObject)]
pub(crate) struct StayPayload {
    /// The stay after the act; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    stay: Option<Stay>,
    /// The facility after the act; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    facility: Option<Facility>,
    /// Everything found irregular.
    #[graphql(directive = data_class::apply(Public))]
    irregularities: Vec<Irregularity>,
}

#[derive(Default)]
pub(crate) struct StayMutation;

#[Object]
impl StayMutation {
    /// Gives a guest a place. The claim on the place is atomic: of two for the last one, one is refused. `validateOnly`
    /// tells what follows from what the member sees, and nothing of a file or a documented need that it does not see: an
    /// order tells that, when nothing else keeps it from being performed. Each such look is counted, a day has so many for
    /// a member and its organisation, and is on record for the Province and the file's keeper.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn admit_guest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The admission.")] input: AdmitGuestInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<StayPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::AdmitGuest, &input, terms)?;
            payload(ctx, desk(ctx).hub.store.admit_guest(&order, &input).await).await
        };
        Some(work.await)
    }

    /// Ends a stay.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn discharge_guest(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The discharge.")] input: DischargeGuestInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<StayPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::DischargeGuest, &input, terms)?;
            payload(ctx, desk(ctx).hub.store.discharge_guest(&order, &input).await).await
        };
        Some(work.await)
    }
}

async fn payload(ctx: &Context<'_>, outcome: Result<Outcome<StayId>, StoreError>) -> Result<StayPayload> {
    let done = done(ctx, outcome).await?;
    let stay = match done.answer {
        Some(id) => Stay::find(ctx, &done.sheet, id).await?,
        None => None,
    };
    let facility = stay.as_ref().and_then(|stay| Facility::find(&done.sheet, stay.stay.facility));
    Ok(StayPayload { stay, facility, irregularities: done.irregularities })
}
