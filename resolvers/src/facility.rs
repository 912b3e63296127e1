//! Facilities: shown from the board to whoever sees that they exist, and the acts on their register.

mod list;

use std::sync::Arc;

use async_graphql::{Context, Object, Result};
use tavolo_schema::{
    Address, Code, DisclosedNumbers, FacilityType, Findings, RecordOwners, Room, StayStatus,
    access::{
        DataClass::{Address as AddressClass, Operational, Presence},
        data_class,
    },
    contract_name,
    facility::{RegisterFacilityInput, ReviseFacilityInput},
    id::FacilityId,
};
use tavolo_subscriptions::FacilityState;

pub(crate) use list::FacilityQuery;

use crate::{
    accreditation::Accreditation,
    act::{After, mutations, payload},
    capacity::Capacity,
    connection::{Connection, LONGEST_PAGE, Page},
    gate,
    irregularity::Irregularity,
    municipality::Municipality,
    organisation::Organisation,
    stay::{self, Stay},
    viewer_scope::ViewerScope,
};

/// A reception facility (struttura di accoglienza).
#[derive(Clone)]
pub(crate) struct Facility {
    pub(crate) viewer_scope: Arc<ViewerScope>,
    pub(crate) state: Arc<FacilityState>,
}

impl Facility {
    /// The facility, if the viewer sees that it exists.
    pub(crate) fn find(viewer_scope: &Arc<ViewerScope>, id: FacilityId) -> Option<Self> {
        viewer_scope.board.facility(id).and_then(|state| Self::seen(viewer_scope, state))
    }

    pub(crate) fn seen(viewer_scope: &Arc<ViewerScope>, state: &Arc<FacilityState>) -> Option<Self> {
        viewer_scope
            .shows(&state.facility)
            .then(|| Self { viewer_scope: Arc::clone(viewer_scope), state: Arc::clone(state) })
    }

    pub(crate) fn owners(&self) -> RecordOwners<'_> {
        self.state.facility.owners()
    }
}

/// A reception facility (struttura di accoglienza).
// Serial: fields at hand are answered one after the other, without a task for each.
#[Object(serial)]
impl Facility {
    /// Global id.
    #[graphql(directive = data_class::apply(Operational))]
    pub(crate) async fn id(&self) -> FacilityId {
        self.state.facility.id
    }

    /// Readable code, such as `KR-F-0001`.
    #[graphql(directive = data_class::apply(Operational))]
    async fn code(&self) -> &str {
        &self.state.facility.code
    }

    /// Name in use.
    #[graphql(directive = data_class::apply(Operational))]
    async fn name(&self) -> &str {
        &self.state.facility.name
    }

    /// What kind of facility it is.
    #[graphql(name = "type", directive = data_class::apply(Operational))]
    async fn facility_type(&self) -> FacilityType {
        self.state.facility.facility_type
    }

    /// The municipality it is in.
    #[graphql(directive = data_class::apply(Operational))]
    async fn municipality(&self) -> Option<Municipality> {
        Municipality::find(&self.viewer_scope, &self.state.facility.municipality)
    }

    /// Where it is.
    #[graphql(directive = data_class::apply(AddressClass))]
    async fn address(&self, ctx: &Context<'_>) -> Option<Address> {
        gate::show(ctx, &self.viewer_scope, AddressClass, self.owners(), || self.state.facility.address.clone())
    }

    /// Who runs it (ente gestore).
    #[graphql(directive = data_class::apply(Operational))]
    async fn operator(&self) -> Option<Organisation> {
        Organisation::find(&self.viewer_scope, self.state.facility.operator)
    }

    /// Who holds the project (ente locale titolare).
    #[graphql(directive = data_class::apply(Operational))]
    async fn holder(&self) -> Option<Organisation> {
        Organisation::find(&self.viewer_scope, self.state.facility.holder)
    }

    /// Code of the reception project.
    #[graphql(directive = data_class::apply(Operational))]
    async fn project_code(&self) -> Option<&str> {
        self.state.facility.project_code.as_deref()
    }

    /// Bedrooms; empty when not declared.
    #[graphql(directive = data_class::apply(Operational))]
    async fn rooms(&self) -> &[Room] {
        &self.state.facility.rooms
    }

    /// Usable bathrooms, when declared.
    #[graphql(directive = data_class::apply(Operational))]
    async fn bathrooms(&self) -> Option<i32> {
        self.state.facility.bathrooms
    }

    /// Free of architectural barriers.
    #[graphql(directive = data_class::apply(Operational))]
    async fn barrier_free(&self) -> bool {
        self.state.facility.barrier_free
    }

    /// Counts the changes of this record; hand it back as `expectedRevision`.
    #[graphql(directive = data_class::apply(Operational))]
    async fn revision(&self) -> i64 {
        self.state.facility.revision
    }

    /// Its places, one entry for each category it has.
    #[graphql(directive = data_class::apply(Operational))]
    async fn capacity(&self) -> Vec<Capacity> {
        self.state.pools.iter().map(|pool| Capacity::of(&self.viewer_scope, pool)).collect()
    }

    /// Its places of all categories together; to analysts, its ordinary places, since the people in others are not told to
    /// them. Of a facility without ordinary places they are told all places, and no people.
    #[graphql(directive = data_class::apply(Operational))]
    async fn occupancy(&self) -> DisclosedNumbers {
        self.viewer_scope.numbers_of(&self.state, None)
    }

    /// The accreditation in force; of several, the one that began last.
    #[graphql(directive = data_class::apply(Operational))]
    async fn accreditation(&self) -> Option<Accreditation> {
        let found = self.state.accreditation_on(self.viewer_scope.today)?;
        Some(Accreditation::new(&self.viewer_scope, &self.state, found))
    }

    /// The latest hundred accreditations, the latest first. `accreditations(filter: { facility })` has all of them.
    #[graphql(directive = data_class::apply(Operational))]
    async fn accreditations(&self) -> Vec<Accreditation> {
        let latest = self.state.accreditations.iter().take(LONGEST_PAGE as usize);
        latest.map(|accreditation| Accreditation::new(&self.viewer_scope, &self.state, accreditation)).collect()
    }

    /// Stays in this facility, the latest registered first.
    #[graphql(directive = data_class::apply(Presence))]
    async fn stays(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only stays of this status.")] status: Option<StayStatus>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Stay>>> {
        gate::show(ctx, &self.viewer_scope, Presence, self.owners(), || ())?;
        let page = Page::new(first, after, last, before);
        Some(stay::of_facility(ctx, &self.viewer_scope, self.state.facility.id, status, page).await)
    }

    /// What is irregular about the facility now, as far as the numbers that you are told show it.
    #[graphql(directive = data_class::apply(Operational))]
    async fn irregularities(&self) -> Vec<Irregularity> {
        let mut found = Findings::default();
        for pool in &self.state.pools {
            let numbers = self.viewer_scope.numbers(pool);
            let (occupied, over_capacity) = (numbers.occupied.unwrap_or(0), numbers.over_capacity.unwrap_or(0));
            let category = contract_name(pool.category);
            if numbers.accredited == 0 && occupied > 0 {
                found.add_with(Code::HostingWithoutAccreditation, format!("capacity.{category}"), &category);
            } else if over_capacity > 0 {
                found.add_with(Code::OverCapacity, format!("capacity.{category}"), over_capacity);
            }
        }
        found.into_vec().into_iter().map(Irregularity).collect()
    }
}

impl After<FacilityId> for Facility {
    async fn after(_: &Context<'_>, viewer_scope: &Arc<ViewerScope>, id: FacilityId) -> Result<Option<Self>> {
        Ok(Self::find(viewer_scope, id))
    }
}

payload! {
    /// What came of an act on a facility.
    FacilityPayload {
        /// The facility after the act; null when it was refused or only checked.
        facility: Facility,
    }
}

mutations! {
    FacilityMutation {
        /// Puts a facility into the register.
        register_facility(RegisterFacilityInput, "The facility.") -> FacilityPayload;

        /// Changes what is registered about a facility.
        revise_facility(ReviseFacilityInput, "The changes.") -> FacilityPayload;
    }
}
