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
    facility::Facility,
    request_context::request_context,
    viewer_scope::ViewerScope,
};

/// An accreditation, from the application to its end.
#[derive(Clone)]
pub(crate) struct Accreditation {
    viewer_scope: Arc<ViewerScope>,
    state: Arc<FacilityState>,
    accreditation: Arc<schema::Accreditation>,
}

impl Accreditation {
    pub(crate) fn new(
        viewer_scope: &Arc<ViewerScope>,
        state: &Arc<FacilityState>,
        accreditation: &Arc<schema::Accreditation>,
    ) -> Self {
        Self {
            viewer_scope: Arc::clone(viewer_scope),
            state: Arc::clone(state),
            accreditation: Arc::clone(accreditation),
        }
    }

    /// The accreditation, if the viewer sees its facility.
    pub(crate) fn find(viewer_scope: &Arc<ViewerScope>, id: AccreditationId) -> Option<Self> {
        let (state, found) = viewer_scope.board.accreditation(id)?;
        viewer_scope.shows(&state.facility).then(|| Self::new(viewer_scope, state, found))
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
        Facility::seen(&self.viewer_scope, &self.state)
    }

    /// Where it stands today: expiry happens by the clock.
    #[graphql(directive = data_class::apply(Operational))]
    async fn status(&self) -> AccreditationStatus {
        self.accreditation.status_on(self.viewer_scope.today)
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
        Accreditation::find(request_context(ctx).viewer_scope(), id)
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
        Some(list(
            request_context(ctx).viewer_scope(),
            &filter.unwrap_or_default(),
            Page::new(first, after, last, before),
        ))
    }
}

fn list(
    viewer_scope: &Arc<ViewerScope>,
    filter: &AccreditationFilter,
    page: Result<Page>,
) -> Result<Connection<Accreditation>> {
    let wants = |accreditation: &schema::Accreditation| {
        filter.status.is_none_or(|status| status == accreditation.status_on(viewer_scope.today))
            && filter.expires_until.is_none_or(|day| {
                accreditation.in_force_on(viewer_scope.today)
                    && accreditation.valid_until.is_some_and(|until| until <= day)
            })
    };
    let mut found: Vec<_> = viewer_scope
        .facilities(None)
        .filter(|state| filter.facility.is_none_or(|facility| facility == state.facility.id))
        .flat_map(|state| state.accreditations.iter().map(move |accreditation| (accreditation, state)))
        .filter(|(accreditation, _)| wants(accreditation))
        .collect();
    found.sort_unstable_by_key(|(accreditation, _)| accreditation.id);
    let (cut, more) = page?.cut(&found, |(accreditation, _)| accreditation.id)?;
    let nodes =
        cut.iter().map(|(accreditation, state)| Accreditation::new(viewer_scope, state, accreditation)).collect();
    Ok(Connection::new(nodes, |node: &Accreditation| encode(&node.accreditation.id), more, Some(found.len())))
}

impl After<AccreditationId> for Accreditation {
    async fn after(_: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: AccreditationId) -> Result<Option<Self>> {
        Ok(Self::find(viewer_scope, id))
    }
}

impl After<AccreditationId> for Facility {
    async fn after(_: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: AccreditationId) -> Result<Option<Self>> {
        Ok(viewer_scope.board.accreditation(id).and_then(|(state, _)| Self::seen(viewer_scope, state)))
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
