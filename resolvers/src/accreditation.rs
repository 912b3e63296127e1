//! Accreditations.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, OneofObject, Result, SimpleObject};
use tavolo_schema::{
    self as schema, AccreditationStatus, Act, CategoryPlaces, DateTime, Day,
    access::{
        DataClass::{Act as ActClass, Operational, Public},
        data_class,
    },
    accreditation::{
        DecideAccreditationInput, RevokeAccreditationInput, SubmitAccreditationInput, SuspendAccreditationInput,
    },
    id::{AccreditationId, FacilityId},
};
use tavolo_store::{Outcome, StoreError};
use tavolo_subscriptions::Place;

use crate::{
    act::{Terms, done, order},
    connection::{Connection, Page, encode},
    facility::Facility,
    graph::desk,
    irregularity::Irregularity,
    sheet::Sheet,
};

/// An accreditation, from the application to its end.
#[derive(Clone)]
pub(crate) struct Accreditation {
    sheet: Arc<Sheet>,
    place: Arc<Place>,
    accreditation: Arc<schema::Accreditation>,
}

impl Accreditation {
    pub(crate) fn new(sheet: &Arc<Sheet>, place: &Arc<Place>, accreditation: &Arc<schema::Accreditation>) -> Self {
        Self { sheet: Arc::clone(sheet), place: Arc::clone(place), accreditation: Arc::clone(accreditation) }
    }

    /// The accreditation, if the viewer sees its facility.
    pub(crate) fn find(sheet: &Arc<Sheet>, id: AccreditationId) -> Option<Self> {
        let (place, found) = sheet.board.accreditation(id)?;
        sheet.shows(&place.facility).then(|| Self::new(sheet, place, found))
    }
}

/// An accreditation, from the application to its end.
// Serial: fields at hand are answered one after the other, without a task for each.
#[Object(serial)]
impl Accreditation {
    /// Global id.
    #[graphql(directive = data_class::apply(Operational))]
    pub(crate) async fn id(&self) -> AccreditationId {
        self.accreditation.id
    }

    /// The facility.
    #[graphql(directive = data_class::apply(Operational))]
    async fn facility(&self) -> Option<Facility> {
        Facility::seen(&self.sheet, &self.place)
    }

    /// Where it stands today: expiry happens by the clock.
    #[graphql(directive = data_class::apply(Operational))]
    async fn status(&self) -> AccreditationStatus {
        self.accreditation.status_on(self.sheet.today)
    }

    /// Places asked for.
    #[graphql(directive = data_class::apply(Operational))]
    async fn requested(&self) -> &[CategoryPlaces] {
        &self.accreditation.requested
    }

    /// Places granted; empty before the decision.
    #[graphql(directive = data_class::apply(Operational))]
    async fn granted(&self) -> &[CategoryPlaces] {
        &self.accreditation.granted
    }

    /// First day in force.
    #[graphql(directive = data_class::apply(Operational))]
    async fn valid_from(&self) -> Option<Day> {
        self.accreditation.valid_from
    }

    /// Last day in force.
    #[graphql(directive = data_class::apply(Operational))]
    async fn valid_until(&self) -> Option<Day> {
        self.accreditation.valid_until
    }

    /// When it was handed in.
    #[graphql(directive = data_class::apply(Operational))]
    async fn submitted_at(&self) -> Option<DateTime> {
        self.accreditation.submitted_at
    }

    /// When it was last decided on.
    #[graphql(directive = data_class::apply(Operational))]
    async fn decided_at(&self) -> Option<DateTime> {
        self.accreditation.decided_at
    }

    /// Number of the administrative act (determina) of the last decision.
    #[graphql(directive = data_class::apply(Operational))]
    async fn act_number(&self) -> Option<&str> {
        self.accreditation.act_number.as_deref()
    }

    /// Reason of the last rejection, suspension or revocation.
    #[graphql(directive = data_class::apply(Operational))]
    async fn reason(&self) -> Option<&str> {
        self.accreditation.reason.as_deref()
    }
}

/// Names one accreditation.
#[derive(OneofObject)]
enum AccreditationBy {
    /// By global id.
    Id(AccreditationId),
}

/// Which accreditations a list is about.
#[derive(InputObject, Default)]
struct AccreditationFilter {
    /// Of this facility.
    facility: Option<FacilityId>,
    /// Of this status today.
    status: Option<AccreditationStatus>,
    /// In force now and at the latest until this day.
    expires_until: Option<Day>,
}

#[derive(Default)]
pub(crate) struct AccreditationQuery;

#[Object]
impl AccreditationQuery {
    /// One accreditation.
    #[graphql(directive = data_class::apply(Operational))]
    async fn accreditation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] by: AccreditationBy,
    ) -> Option<Accreditation> {
        let AccreditationBy::Id(id) = by;
        Accreditation::find(desk(ctx).sheet(), id)
    }

    /// Accreditations of the facilities that the viewer sees, in the order they were begun in.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(directive = data_class::apply(Operational))]
    async fn accreditations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<AccreditationFilter>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Accreditation>>> {
        Some(list(desk(ctx).sheet(), &filter.unwrap_or_default(), Page::new(first, after, last, before)))
    }
}

fn list(sheet: &Arc<Sheet>, filter: &AccreditationFilter, page: Result<Page>) -> Result<Connection<Accreditation>> {
    let wants = |accreditation: &schema::Accreditation| {
        filter.status.is_none_or(|status| status == accreditation.status_on(sheet.today))
            && filter.expires_until.is_none_or(|day| {
                accreditation.in_force_on(sheet.today) && accreditation.valid_until.is_some_and(|until| until <= day)
            })
    };
    let mut found: Vec<_> = sheet
        .places(None)
        .filter(|place| filter.facility.is_none_or(|facility| facility == place.facility.id))
        .flat_map(|place| place.accreditations.iter().map(move |accreditation| (accreditation, place)))
        .filter(|(accreditation, _)| wants(accreditation))
        .collect();
    found.sort_unstable_by_key(|(accreditation, _)| accreditation.id);
    let (cut, more) = page?.cut(&found, |(accreditation, _)| accreditation.id)?;
    let nodes = cut.iter().map(|(accreditation, place)| Accreditation::new(sheet, place, accreditation)).collect();
    Ok(Connection::new(nodes, |node: &Accreditation| encode(&node.accreditation.id), more, Some(found.len())))
}

/// What came of an act on an accreditation.
#[derive(SimpleObject)]
pub(crate) struct AccreditationPayload {
    /// The accreditation after the act; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    accreditation: Option<Accreditation>,
    /// Its facility after the act; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    facility: Option<Facility>,
    /// Everything found irregular.
    #[graphql(directive = data_class::apply(Public))]
    irregularities: Vec<Irregularity>,
}

#[derive(Default)]
pub(crate) struct AccreditationMutation;

#[Object]
impl AccreditationMutation {
    /// Drafts or submits an application for accreditation.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn submit_accreditation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The application.")] input: SubmitAccreditationInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<AccreditationPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::SubmitAccreditation, &input, terms)?;
            payload(ctx, desk(ctx).hub.store.submit_accreditation(&order, &input).await).await
        };
        Some(work.await)
    }

    /// Accredits, rejects or reinstates.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn decide_accreditation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The decision.")] input: DecideAccreditationInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<AccreditationPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::DecideAccreditation, &input, terms)?;
            payload(ctx, desk(ctx).hub.store.decide_accreditation(&order, &input).await).await
        };
        Some(work.await)
    }

    /// Stops new arrivals; nobody is evicted.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn suspend_accreditation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The suspension.")] input: SuspendAccreditationInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<AccreditationPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::SuspendAccreditation, &input, terms)?;
            payload(ctx, desk(ctx).hub.store.suspend_accreditation(&order, &input).await).await
        };
        Some(work.await)
    }

    /// Ends an accreditation for good. Guests stay until they are placed elsewhere.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn revoke_accreditation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The revocation.")] input: RevokeAccreditationInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<AccreditationPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::RevokeAccreditation, &input, terms)?;
            payload(ctx, desk(ctx).hub.store.revoke_accreditation(&order, &input).await).await
        };
        Some(work.await)
    }
}

async fn payload(
    ctx: &Context<'_>,
    outcome: Result<Outcome<AccreditationId>, StoreError>,
) -> Result<AccreditationPayload> {
    let done = done(ctx, outcome).await?;
    let accreditation = done.answer.and_then(|id| Accreditation::find(&done.sheet, id));
    let facility = accreditation.as_ref().and_then(|found| Facility::seen(&found.sheet, &found.place));
    Ok(AccreditationPayload { accreditation, facility, irregularities: done.irregularities })
}
