//! Facilities.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, OneofObject, Result, SimpleObject};
use tavolo_schema::{
    AccreditationStatus, Act, Address, CapacityNumbers, Code, FacilityType, Findings, Party, PlaceCategory, Room,
    StayStatus,
    access::{
        self,
        DataClass::{Act as ActClass, Address as AddressClass, Operational, Presence, Public},
        data_class,
    },
    contract_name,
    facility::{RegisterFacilityInput, ReviseFacilityInput},
    id::{FacilityId, OrganisationId},
};
use tavolo_subscriptions::Place;

use crate::{
    accreditation::Accreditation,
    act::{Terms, done, order},
    capacity::Capacity,
    connection::{Connection, Page, encode},
    error::forbidden,
    gate,
    graph::desk,
    irregularity::Irregularity,
    municipality::Municipality,
    organisation::Organisation,
    sheet::Sheet,
    stay::{self, Stay},
};

/// A reception facility (struttura di accoglienza).
#[derive(Clone)]
pub(crate) struct Facility {
    pub(crate) sheet: Arc<Sheet>,
    pub(crate) place: Arc<Place>,
}

impl Facility {
    /// The facility, if the viewer sees that it exists.
    pub(crate) fn find(sheet: &Arc<Sheet>, id: FacilityId) -> Option<Self> {
        sheet.board.place(id).and_then(|place| Self::seen(sheet, place))
    }

    pub(crate) fn seen(sheet: &Arc<Sheet>, place: &Arc<Place>) -> Option<Self> {
        sheet.shows(&place.facility).then(|| Self { sheet: Arc::clone(sheet), place: Arc::clone(place) })
    }

    pub(crate) fn party(&self) -> Party<'_> {
        self.place.facility.party()
    }
}

/// A reception facility (struttura di accoglienza).
#[Object]
impl Facility {
    /// Global id.
    #[graphql(directive = data_class::apply(Operational))]
    pub(crate) async fn id(&self) -> FacilityId {
        self.place.facility.id
    }

    /// Readable code, such as `KR-F-0001`.
    #[graphql(directive = data_class::apply(Operational))]
    async fn code(&self) -> &str {
        &self.place.facility.code
    }

    /// Name in use.
    #[graphql(directive = data_class::apply(Operational))]
    async fn name(&self) -> &str {
        &self.place.facility.name
    }

    /// What kind of facility it is.
    #[graphql(name = "type", directive = data_class::apply(Operational))]
    async fn facility_type(&self) -> FacilityType {
        self.place.facility.facility_type
    }

    /// The municipality it is in.
    #[graphql(directive = data_class::apply(Operational))]
    async fn municipality(&self) -> Option<Municipality> {
        Municipality::find(&self.sheet, &self.place.facility.municipality)
    }

    /// Where it is.
    #[graphql(directive = data_class::apply(AddressClass))]
    async fn address(&self, ctx: &Context<'_>) -> Option<Address> {
        gate::show(ctx, &self.sheet, AddressClass, self.party(), || self.place.facility.address.clone())
    }

    /// Who runs it (ente gestore).
    #[graphql(directive = data_class::apply(Operational))]
    async fn operator(&self) -> Option<Organisation> {
        Organisation::find(&self.sheet, self.place.facility.operator)
    }

    /// Who holds the project (ente locale titolare).
    #[graphql(directive = data_class::apply(Operational))]
    async fn holder(&self) -> Option<Organisation> {
        Organisation::find(&self.sheet, self.place.facility.holder)
    }

    /// Code of the reception project.
    #[graphql(directive = data_class::apply(Operational))]
    async fn project_code(&self) -> Option<&str> {
        self.place.facility.project_code.as_deref()
    }

    /// Bedrooms; empty when not declared.
    #[graphql(directive = data_class::apply(Operational))]
    async fn rooms(&self) -> &[Room] {
        &self.place.facility.rooms
    }

    /// Usable bathrooms, when declared.
    #[graphql(directive = data_class::apply(Operational))]
    async fn bathrooms(&self) -> Option<i32> {
        self.place.facility.bathrooms
    }

    /// Free of architectural barriers.
    #[graphql(directive = data_class::apply(Operational))]
    async fn barrier_free(&self) -> bool {
        self.place.facility.barrier_free
    }

    /// Counts the changes of this record; hand it back as `expectedRevision`.
    #[graphql(directive = data_class::apply(Operational))]
    async fn revision(&self) -> i64 {
        self.place.facility.revision
    }

    /// Its places, one entry for each category it has.
    #[graphql(directive = data_class::apply(Operational))]
    async fn capacity(&self) -> Vec<Capacity> {
        self.place.pools.iter().map(|pool| Capacity::of(pool, self.sheet.today)).collect()
    }

    /// Its places of all categories together.
    #[graphql(directive = data_class::apply(Operational))]
    async fn occupancy(&self) -> CapacityNumbers {
        self.place.numbers_on(self.sheet.today, None)
    }

    /// The accreditation in force; of several, the one that began last.
    #[graphql(directive = data_class::apply(Operational))]
    async fn accreditation(&self) -> Option<Accreditation> {
        let found = self.place.accreditation_on(self.sheet.today)?;
        Some(Accreditation::new(&self.sheet, &self.place, found))
    }

    /// Every accreditation, the latest first.
    #[graphql(directive = data_class::apply(Operational))]
    async fn accreditations(&self) -> Vec<Accreditation> {
        let all = self.place.accreditations.iter();
        all.map(|accreditation| Accreditation::new(&self.sheet, &self.place, accreditation)).collect()
    }

    /// Stays in this facility, the latest registered first.
    #[graphql(directive = data_class::apply(Presence))]
    async fn stays(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only stays of this status.")] status: Option<StayStatus>,
        #[graphql(desc = "So many, 1 to 100.")] first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
    ) -> Option<Result<Connection<Stay>>> {
        gate::show(ctx, &self.sheet, Presence, self.party(), || ())?;
        Some(stay::of_facility(ctx, &self.sheet, self.place.facility.id, status, first, after).await)
    }

    /// What is irregular about the facility now.
    #[graphql(directive = data_class::apply(Operational))]
    async fn irregularities(&self) -> Vec<Irregularity> {
        let mut found = Findings::default();
        for pool in &self.place.pools {
            let numbers = pool.numbers_on(self.sheet.today);
            let category = contract_name(pool.category);
            if numbers.accredited == 0 && numbers.occupied > 0 {
                found.add_with(Code::HostingWithoutAccreditation, format!("capacity.{category}"), &category);
            } else if numbers.over_capacity > 0 {
                found.add_with(Code::OverCapacity, format!("capacity.{category}"), numbers.over_capacity);
            }
        }
        found.into_vec().into_iter().map(Irregularity).collect()
    }
}

/// Names one facility.
#[derive(OneofObject)]
enum FacilityBy {
    /// By global id.
    Id(FacilityId),
    /// By readable code, such as `KR-F-0001`.
    Code(String),
}

/// Which facilities a list is about.
#[derive(InputObject, Default)]
struct FacilityFilter {
    /// In the municipality of this ISTAT code.
    municipality: Option<String>,
    /// Run by this organisation.
    operator: Option<OrganisationId>,
    /// With places of this category.
    category: Option<PlaceCategory>,
    /// With at least so many free places, of the category when one is named.
    free_places_at_least: Option<i32>,
    /// With an accreditation of this status.
    accreditation_status: Option<AccreditationStatus>,
    /// Code, name, project code or municipality contain this text, whatever its case.
    text: Option<String>,
}

impl FacilityFilter {
    /// Whether a place that the viewer sees is wanted. Every field it looks at is of the row's own class.
    fn wants(&self, sheet: &Sheet, place: &Place, text: Option<&str>) -> bool {
        let facility = &place.facility;
        self.operator.is_none_or(|operator| operator == facility.operator)
            && self.category.is_none_or(|category| place.pool(category).is_some())
            && self.free_places_at_least.is_none_or(|least| place.numbers_on(sheet.today, self.category).free >= least)
            && self.accreditation_status.is_none_or(|status| {
                place.accreditations.iter().any(|accreditation| accreditation.status_on(sheet.today) == status)
            })
            && text.is_none_or(|text| {
                let municipality = sheet.board.municipality(&facility.municipality);
                let names = [Some(&facility.code), Some(&facility.name), facility.project_code.as_ref()]
                    .into_iter()
                    .chain([municipality.map(|municipality| &municipality.name)]);
                names.flatten().any(|name| name.to_lowercase().contains(text))
            })
    }
}

/// By what facilities are ordered.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
enum FacilityOrderField {
    /// Readable code.
    Code,
    /// Name.
    Name,
    /// Free places of all categories.
    FreePlaces,
    /// Occupancy rate; without allocable places before all others.
    Occupancy,
}

/// Which end of an order comes first.
#[derive(Enum, Clone, Copy, Default, PartialEq, Eq)]
enum Direction {
    /// The smallest first.
    #[default]
    Asc,
    /// The largest first.
    Desc,
}

/// How facilities are ordered.
#[derive(InputObject)]
struct FacilityOrder {
    /// By what.
    field: FacilityOrderField,
    /// Which end first.
    #[graphql(default)]
    direction: Direction,
}

impl Default for FacilityOrder {
    fn default() -> Self {
        Self { field: FacilityOrderField::Code, direction: Direction::Asc }
    }
}

/// Where a facility stands in a list: a number, a text, and the code where these are equal.
type Rank = (i64, String, String);

impl FacilityOrder {
    fn rank(&self, sheet: &Sheet, place: &Place) -> Rank {
        let numbers = || place.numbers_on(sheet.today, None);
        let (number, text) = match self.field {
            FacilityOrderField::Code => (0, String::new()),
            FacilityOrderField::Name => (0, place.facility.name.to_lowercase()),
            FacilityOrderField::FreePlaces => (i64::from(numbers().free), String::new()),
            // A millionth is finer than any rate two facilities could differ by.
            FacilityOrderField::Occupancy => {
                (numbers().occupancy_rate.map_or(-1, |rate| (rate * 1e6) as i64), String::new())
            }
        };
        (number, text, place.facility.code.clone())
    }
}

#[derive(Default)]
pub(crate) struct FacilityQuery;

#[Object]
impl FacilityQuery {
    /// One facility.
    #[graphql(directive = data_class::apply(Operational))]
    async fn facility(&self, ctx: &Context<'_>, #[graphql(desc = "Which one.")] by: FacilityBy) -> Option<Facility> {
        let sheet = &desk(ctx).sheet;
        let place = match by {
            FacilityBy::Id(id) => sheet.board.place(id),
            FacilityBy::Code(code) => sheet.board.place_by_code(&code),
        };
        place.and_then(|place| Facility::seen(sheet, place))
    }

    /// Facilities that the viewer sees.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(directive = data_class::apply(Operational))]
    async fn facilities(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<FacilityFilter>,
        #[graphql(desc = "In which order; by code when absent.")] order_by: Option<FacilityOrder>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Facility>>> {
        let page = Page::new(first, after, last, before);
        Some(list(&desk(ctx).sheet, &filter.unwrap_or_default(), &order_by.unwrap_or_default(), page))
    }
}

fn list(
    sheet: &Arc<Sheet>,
    filter: &FacilityFilter,
    order: &FacilityOrder,
    page: Result<Page>,
) -> Result<Connection<Facility>> {
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let places = sheet.places(filter.municipality.as_deref());
    let mut found: Vec<(Rank, &Arc<Place>)> = places
        .filter(|place| filter.wants(sheet, place, text.as_deref()))
        .map(|place| (order.rank(sheet, place), place))
        .collect();
    if order.field != FacilityOrderField::Code {
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    }
    let page = page?;
    let nodes = |cut: &[(Rank, &Arc<Place>)]| -> Vec<Facility> {
        cut.iter().map(|(_, place)| Facility { sheet: Arc::clone(sheet), place: Arc::clone(place) }).collect()
    };
    let cursor = |node: &Facility| encode(&order.rank(sheet, &node.place));
    let total = Some(found.len());
    if order.direction == Direction::Desc {
        found.reverse();
        let (cut, more) = page.cut(&found, |(rank, _)| std::cmp::Reverse(rank.clone()))?;
        Ok(Connection::new(nodes(cut), cursor, more, total))
    } else {
        let (cut, more) = page.cut(&found, |(rank, _)| rank.clone())?;
        Ok(Connection::new(nodes(cut), cursor, more, total))
    }
}

/// What came of an act on a facility.
#[derive(SimpleObject)]
pub(crate) struct FacilityPayload {
    /// The facility after the act; null when it was refused or only checked.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) facility: Option<Facility>,
    /// Everything found irregular.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) irregularities: Vec<Irregularity>,
}

#[derive(Default)]
pub(crate) struct FacilityMutation;

#[Object]
impl FacilityMutation {
    /// Puts a facility into the register.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn register_facility(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The facility.")] input: RegisterFacilityInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<FacilityPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::RegisterFacility, &input, terms)?;
            let standing = &desk(ctx).sheet.standing;
            let party = Party { keeper: Some(input.operator), holder: Some(input.holder), municipality: None };
            if !access::may(standing.role, Act::RegisterFacility, standing.relation_to(party)) {
                return Err(forbidden(false));
            }
            facility(ctx, desk(ctx).hub.store.register_facility(&order, &input).await).await
        };
        Some(work.await)
    }

    /// Changes what is registered about a facility.
    #[graphql(directive = data_class::apply(ActClass))]
    async fn revise_facility(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The changes.")] input: ReviseFacilityInput,
        #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")] idempotency_key: Option<
            String,
        >,
        #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
    ) -> Option<Result<FacilityPayload>> {
        let terms = Terms { idempotency_key, validate_only };
        let work = async {
            let order = order(ctx, Act::ReviseFacility, &input, terms)?;
            facility(ctx, desk(ctx).hub.store.revise_facility(&order, &input).await).await
        };
        Some(work.await)
    }
}

async fn facility(
    ctx: &Context<'_>,
    outcome: Result<tavolo_store::Outcome<FacilityId>, tavolo_store::StoreError>,
) -> Result<FacilityPayload> {
    let done = done(ctx, outcome).await?;
    let facility = done.answer.and_then(|id| Facility::find(&done.sheet, id));
    Ok(FacilityPayload { facility, irregularities: done.irregularities })
}
