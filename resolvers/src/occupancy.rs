//! Occupancy: totals by whatever one asks for, and every change as it happens.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, Enum, InputObject, Object, Result, SimpleObject, Subscription};
use futures_util::{Stream, StreamExt};
use tavolo_schema::{
    CapacityNumbers, DateTime, OccupancyCause, PlaceCategory, Relation, Role,
    access::{
        self,
        DataClass::{Operational, Public},
        data_class,
    },
    id::{FacilityId, OrganisationId},
};
use tavolo_subscriptions::{Board, Cursor, Delivery, Interest, Occupancy, Place};

use crate::{
    Hub, Viewer,
    capacity::Capacity,
    error::{bad_request, forbidden},
    facility::Facility,
    graph::desk,
    municipality::Municipality,
    organisation::Organisation,
    sheet::{Sheet, standing},
};

/// Which places are counted or watched.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct OccupancyFilter {
    /// Of this facility.
    facility: Option<FacilityId>,
    /// In the municipality of this ISTAT code.
    municipality: Option<String>,
    /// Of facilities run by this organisation.
    operator: Option<OrganisationId>,
    /// Of this category.
    category: Option<PlaceCategory>,
}

impl OccupancyFilter {
    fn wants(&self, place: &Place, category: PlaceCategory) -> bool {
        let facility = &place.facility;
        self.category.is_none_or(|wanted| wanted == category)
            && self.facility.is_none_or(|wanted| wanted == facility.id)
            && self.operator.is_none_or(|wanted| wanted == facility.operator)
            && self.municipality.as_ref().is_none_or(|wanted| *wanted == facility.municipality)
    }

    /// Whether it looks closer than municipality and category, which anybody may know.
    fn looks_closer(&self) -> bool {
        self.facility.is_some() || self.operator.is_some()
    }
}

/// By what places are added up.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OccupancyGrouping {
    /// By municipality.
    Municipality,
    /// By the organisation that runs the facility.
    Operator,
    /// By category of place.
    Category,
    /// By facility.
    Facility,
    /// All together.
    Province,
}

/// Places added up. The fields that were not asked for as grouping are null.
#[derive(SimpleObject)]
pub(crate) struct OccupancyGroup {
    /// Vehicle code of the province, such as `KR`, when grouped by province.
    #[graphql(directive = data_class::apply(Public))]
    province: Option<String>,
    /// The municipality, when grouped by municipality.
    #[graphql(directive = data_class::apply(Public))]
    municipality: Option<Municipality>,
    /// The category, when grouped by category.
    #[graphql(directive = data_class::apply(Public))]
    category: Option<PlaceCategory>,
    /// The operator, when grouped by operator.
    #[graphql(directive = data_class::apply(Operational))]
    operator: Option<Organisation>,
    /// The facility, when grouped by facility.
    #[graphql(directive = data_class::apply(Operational))]
    facility: Option<Facility>,
    /// How many facilities were counted.
    #[graphql(directive = data_class::apply(Public))]
    facilities: i32,
    /// The places.
    #[graphql(directive = data_class::apply(Public))]
    capacity: CapacityNumbers,
}

/// By what a group is told from another, in the order groups are answered in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum GroupKey {
    Province(String),
    Municipality(String),
    Operator(OrganisationId),
    Category(PlaceCategory),
    Facility(String, FacilityId),
}

impl GroupKey {
    fn of(by: OccupancyGrouping, board: &Board, place: &Place, category: PlaceCategory) -> Self {
        let facility = &place.facility;
        match by {
            OccupancyGrouping::Municipality => Self::Municipality(facility.municipality.clone()),
            OccupancyGrouping::Operator => Self::Operator(facility.operator),
            OccupancyGrouping::Category => Self::Category(category),
            OccupancyGrouping::Facility => Self::Facility(facility.code.clone(), facility.id),
            OccupancyGrouping::Province => {
                let municipality = board.municipality(&facility.municipality);
                Self::Province(municipality.map(|found| found.province.clone()).unwrap_or_default())
            }
        }
    }
}

#[derive(Default)]
pub(crate) struct OccupancyQuery;

#[Object]
impl OccupancyQuery {
    /// Places added up, as of now. Totals by municipality, category and province count every facility, for anybody;
    /// whatever looks closer counts only the facilities that the viewer sees.
    #[graphql(directive = data_class::apply(Public))]
    async fn occupancy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(desc = "Added up by what.")] group_by: OccupancyGrouping,
    ) -> Vec<OccupancyGroup> {
        groups(desk(ctx).sheet(), &filter.unwrap_or_default(), group_by)
    }
}

fn groups(sheet: &Arc<Sheet>, filter: &OccupancyFilter, by: OccupancyGrouping) -> Vec<OccupancyGroup> {
    let closer = filter.looks_closer() || matches!(by, OccupancyGrouping::Operator | OccupancyGrouping::Facility);
    let mut groups: BTreeMap<GroupKey, (Vec<FacilityId>, Vec<CapacityNumbers>)> = BTreeMap::new();
    for place in sheet.board.places(filter.municipality.as_deref()) {
        if closer && !sheet.shows(&place.facility) {
            continue;
        }
        for pool in place.pools.iter().filter(|pool| filter.wants(place, pool.category)) {
            let key = GroupKey::of(by, &sheet.board, place, pool.category);
            let (facilities, numbers) = groups.entry(key).or_default();
            if facilities.last() != Some(&place.facility.id) {
                facilities.push(place.facility.id);
            }
            numbers.push(pool.numbers_on(sheet.today));
        }
    }
    groups.into_iter().map(|(key, (facilities, numbers))| group(sheet, key, facilities.len(), numbers)).collect()
}

fn group(sheet: &Arc<Sheet>, key: GroupKey, facilities: usize, numbers: Vec<CapacityNumbers>) -> OccupancyGroup {
    let mut group = OccupancyGroup {
        province: None,
        municipality: None,
        category: None,
        operator: None,
        facility: None,
        facilities: i32::try_from(facilities).unwrap_or(i32::MAX),
        capacity: numbers.into_iter().sum(),
    };
    match key {
        GroupKey::Province(province) => group.province = Some(province),
        GroupKey::Municipality(istat_code) => group.municipality = Municipality::find(sheet, &istat_code),
        GroupKey::Operator(id) => group.operator = Organisation::find(sheet, id),
        GroupKey::Category(category) => group.category = Some(category),
        GroupKey::Facility(_, id) => group.facility = Facility::find(sheet, id),
    }
    group
}

/// What a message of `occupancyChanged` is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OccupancyEventKind {
    /// The state at the beginning.
    Current,
    /// The state anew: you came back after too long, or the hub had to begin anew. Forget what you knew.
    Resync,
    /// A change.
    Changed,
}

/// The state of the places of one category in one facility, or a change of it.
#[derive(SimpleObject)]
pub(crate) struct OccupancyEvent {
    /// Where you are after this message. Hand it back as `after`, to this hub or another, and miss nothing.
    #[graphql(directive = data_class::apply(Operational))]
    cursor: String,
    /// What the message is.
    #[graphql(directive = data_class::apply(Operational))]
    kind: OccupancyEventKind,
    /// The facility.
    #[graphql(directive = data_class::apply(Operational))]
    facility: Facility,
    /// The category.
    #[graphql(directive = data_class::apply(Operational))]
    category: PlaceCategory,
    /// The places after it.
    #[graphql(directive = data_class::apply(Operational))]
    capacity: Capacity,
    /// What changed; null for a state.
    #[graphql(directive = data_class::apply(Operational))]
    cause: Option<OccupancyCause>,
    /// When it happened; for a state, when the last change happened.
    #[graphql(directive = data_class::apply(Operational))]
    occurred_at: DateTime,
    /// When the hub learnt of it; for a state, of the last change.
    #[graphql(directive = data_class::apply(Operational))]
    registered_at: DateTime,
}

impl OccupancyEvent {
    fn new(sheet: &Arc<Sheet>, delivery: Delivery) -> Self {
        let cursor = delivery.cursor().to_string();
        let facility = |place: Arc<Place>| Facility { sheet: Arc::clone(sheet), place };
        match delivery {
            Delivery::Current { place, pool, resync, .. } => Self {
                cursor,
                kind: if resync { OccupancyEventKind::Resync } else { OccupancyEventKind::Current },
                facility: facility(place),
                category: pool.category,
                capacity: Capacity::of(&pool, sheet.today),
                cause: None,
                occurred_at: pool.occurred_at,
                registered_at: pool.registered_at,
            },
            Delivery::Changed(change) => {
                let entry = &change.entry;
                let pool = change.place.pool(entry.category);
                Self {
                    cursor,
                    kind: OccupancyEventKind::Changed,
                    capacity: Capacity::after(entry.after.into(), entry.category, pool, sheet.today),
                    facility: facility(Arc::clone(&change.place)),
                    category: entry.category,
                    cause: Some(entry.cause),
                    occurred_at: entry.occurred_at,
                    registered_at: entry.registered_at,
                }
            }
        }
    }
}

/// A viewer who watches.
struct Watcher {
    viewer: Viewer,
    filter: OccupancyFilter,
}

impl Interest for Watcher {
    fn entitled(&self, board: &Board) -> bool {
        self.viewer.member.as_ref().is_none_or(|member| board.member(&member.subject).is_some())
    }

    fn wants(&self, board: &Board, place: &Place, category: PlaceCategory) -> bool {
        let sight = || {
            let standing = standing(board, &self.viewer);
            access::sees(standing.role, standing.relation_to(place.facility.party()))
        };
        self.filter.wants(place, category) && sight().contains(Operational)
    }
}

#[derive(Default)]
pub(crate) struct OccupancySubscription;

#[Subscription]
impl OccupancySubscription {
    /// The state of each matching pool of places, then every change. Only facilities that the viewer sees are watched;
    /// access is asked again at every message.
    #[graphql(directive = data_class::apply(Operational))]
    async fn occupancy_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(desc = "Go on after this cursor instead of beginning with the state.")] after: Option<String>,
    ) -> Result<impl Stream<Item = OccupancyEvent> + use<>> {
        let after: Option<Cursor> =
            after.map(|text| text.parse()).transpose().map_err(|_| bad_request("after is not a cursor of this hub"))?;
        let desk = desk(ctx);
        let role = Sheet::new(&desk.hub, &desk.viewer).standing.role;
        if !Relation::ALL.into_iter().any(|relation| access::sees(role, relation).contains(Operational)) {
            return Err(forbidden(role == Role::Public));
        }
        let (hub, viewer): (Hub, Viewer) = (desk.hub.clone(), desk.viewer.clone());
        let watcher = Watcher { viewer: viewer.clone(), filter: filter.unwrap_or_default() };
        let deliveries = Occupancy::new(Arc::clone(&hub.table), watcher, after).into_stream();
        Ok(deliveries.map(move |delivery| OccupancyEvent::new(&Sheet::new(&hub, &viewer), delivery)))
    }
}
