//! Accreditations: shown from the board to whoever sees their facility, and the acts of the procedure.

use std::sync::Arc;

use async_graphql::{Context, InputObject, Object, OneofObject, Result};
use tavolo_schema::{
    self as schema, AccreditationStatus, CategoryPlaces, DateTime, Day,
    access::{DataClass::Operational, data_class},
    accreditation::{
        DecideAccreditationInput, RevokeAccreditationInput, SubmitAccreditationInput, SuspendAccreditationInput,
    },
    id::{AccreditationId, FacilityId},
};
use tavolo_subscriptions::FacilityState;

use crate::{
    act::{After, mutations, payload},
    connection::{Connection, Page, encode},
    desk::desk,
    facility::Facility,
    sheet::Sheet,
};

/// An accreditation, from the application to its end.
#[derive(Clone)]
pub(crate) struct Accreditation {
    sheet: Arc<Sheet>,
    state: Arc<FacilityState>,
    accreditation: Arc<schema::Accreditation>,
}

impl Accreditation {
    pub(crate) fn new(
        sheet: &Arc<Sheet>,
        state: &Arc<FacilityState>,
        accreditation: &Arc<schema::Accreditation>,
    ) -> Self {
        Self { sheet: Arc::clone(sheet), state: Arc::clone(state), accreditation: Arc::clone(accreditation) }
    }

    /// The accreditation, if the viewer sees its facility.
    pub(crate) fn find(sheet: &Arc<Sheet>, id: AccreditationId) -> Option<Self> {
        let (state, found) = sheet.board.accreditation(id)?;
        sheet.shows(&state.facility).then(|| Self::new(sheet, state, found))
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
        Facility::seen(&self.sheet, &self.state)
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
        .facilities(None)
        .filter(|state| filter.facility.is_none_or(|facility| facility == state.facility.id))
        .flat_map(|state| state.accreditations.iter().map(move |accreditation| (accreditation, state)))
        .filter(|(accreditation, _)| wants(accreditation))
        .collect();
    found.sort_unstable_by_key(|(accreditation, _)| accreditation.id);
    let (cut, more) = page?.cut(&found, |(accreditation, _)| accreditation.id)?;
    let nodes = cut.iter().map(|(accreditation, state)| Accreditation::new(sheet, state, accreditation)).collect();
    Ok(Connection::new(nodes, |node: &Accreditation| encode(&node.accreditation.id), more, Some(found.len())))
}

impl After<AccreditationId> for Accreditation {
    async fn after(_: &Context<'_>, sheet: &Arc<Sheet>, id: AccreditationId) -> Result<Option<Self>> {
        Ok(Self::find(sheet, id))
    }
}

impl After<AccreditationId> for Facility {
    async fn after(_: &Context<'_>, sheet: &Arc<Sheet>, id: AccreditationId) -> Result<Option<Self>> {
        Ok(sheet.board.accreditation(id).and_then(|(state, _)| Self::seen(sheet, state)))
    }
}

payload! {
    /// What came of an act on an accreditation.
    AccreditationPayload {
        /// The accreditation after the act; null when it was refused or only checked.
        accreditation: Accreditation,
        /// Its facility after the act; null when it was refused or only checked.
        facility: Facility,
    }
}

mutations! {
    AccreditationMutation {
        /// Drafts or submits an application for accreditation.
        submit_accreditation(SubmitAccreditationInput, "The application.") -> AccreditationPayload;

        /// Accredits, rejects or reinstates.
        decide_accreditation(DecideAccreditationInput, "The decision.") -> AccreditationPayload;

        /// Stops new arrivals; nobody is evicted.
        suspend_accreditation(SuspendAccreditationInput, "The suspension.") -> AccreditationPayload;

        /// Ends an accreditation for good. Guests stay until they are placed elsewhere.
        revoke_accreditation(RevokeAccreditationInput, "The revocation.") -> AccreditationPayload;
    }
}
