//! Occupancy: totals by whatever one asks for, and every change as it happens.

mod changes;
mod daily;
pub(crate) mod filter;
mod totals;

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{Context, Enum, Object, Result, SimpleObject};
use tavolo_schema::{
    DateTime, DisclosedNumbers, PlaceCategory, Pool, Publication, TimeBasis,
    access::{
        DataClass::{Operational, Public},
        data_class,
    },
    id::{FacilityId, OrganisationId},
    publication::Cell,
};
use tavolo_subscriptions::{Board, FacilityState};

use crate::{
    error::{bad_request, fault},
    facility::Facility,
    history::{Past, end_of_last_day},
    municipality::Municipality,
    organisation::Organisation,
    request_context::request_context,
    viewer_scope::ViewerScope,
};

pub(crate) use changes::{ChangesSubscription, OccupancyEventKind};
pub(crate) use totals::TotalsSubscription;

use self::filter::OccupancyFilter;

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

impl OccupancyGrouping {
    /// Whether it looks closer than municipality and category, which anybody may know.
    fn looks_closer(self) -> bool {
        matches!(self, Self::Operator | Self::Facility)
    }
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
    capacity: DisclosedNumbers,
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
    fn of(by: OccupancyGrouping, board: &Board, state: &FacilityState, category: PlaceCategory) -> Self {
        let facility = &state.facility;
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

    /// The cell of the places that are counted, when nothing looks closer.
    fn cell(&self, filter: &OccupancyFilter) -> Cell {
        match self {
            Self::Municipality(istat_code) => Cell { municipality: Some(istat_code.clone()), ..filter.cell() },
            Self::Category(category) => Cell { category: *category, ..filter.cell() },
            Self::Province(_) | Self::Operator(_) | Self::Facility(..) => filter.cell(),
        }
    }
}

#[derive(Default)]
pub(crate) struct OccupancyQuery;

#[Object]
impl OccupancyQuery {
    /// Places added up, as of now or as of an earlier instant. Totals by municipality, category and province count every
    /// facility, for anybody; whatever looks closer counts only the facilities that the viewer sees. A facility counts
    /// from the first entry of its ledger on, in the municipality and for the operator that it has today.
    ///
    /// Members of bodies at the table are told numbers as they are. The public and analysts are told the ordinary places
    /// alone, in whatever group, unless a category is named or grouped by: places for unaccompanied minors and for mental
    /// distress or disability are told under their own name. The people are told them as `precision` says: as multiples
    /// of five where at least three facilities have ten places together that can be given out, five of them outside the
    /// largest; else as multiples of ten at the end of the day before, as for these two categories of the whole province;
    /// and not at all of these in one municipality.
    /// Earlier instants are told to them as what was told at the end of the last day that was over then.
    #[graphql(directive = data_class::apply(Public))]
    async fn occupancy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(desc = "Added up by what.")] group_by: OccupancyGrouping,
        #[graphql(desc = "As of this instant, from the ledger; now, from the board, when absent. Not in the future.")]
        at: Option<DateTime>,
        #[graphql(
            desc = "By which of its times an entry of the ledger counts; without `at` it says nothing.",
            default
        )]
        basis: TimeBasis,
    ) -> Option<Result<Vec<OccupancyGroup>>> {
        let (context, filter) = (request_context(ctx), filter.unwrap_or_default());
        let viewer_scope = context.viewer_scope();
        let work = async {
            let closer = filter.looks_closer() || group_by.looks_closer();
            let totals = match at {
                None => totals_now(viewer_scope, &filter, group_by),
                Some(at) => {
                    if at > viewer_scope.now {
                        return Err(bad_request("the future is not known: ask for an instant that has passed"));
                    }
                    let at = if viewer_scope.counts_people() { at } else { end_of_last_day(at) };
                    let past = Past::read(context, &filter, group_by.looks_closer(), vec![at], basis).await?;
                    let known = past.last(filter.pools(viewer_scope, closer).map(|(_, pool)| &**pool)).await;
                    let numbers = |pool: &Pool| known.get(&pool.key()).copied();
                    let mut totals = totals(viewer_scope, &filter, group_by, numbers);
                    if !viewer_scope.counts_people() && !closer {
                        let cells: Vec<Cell> = totals.keys().map(|key| key.cell(&filter)).collect();
                        let published =
                            context.hub.store.published_at(&cells, at).await.map_err(|error| fault(&error))?;
                        publish(&mut totals, &filter, |cell| published.get(cell));
                    }
                    totals
                }
            };
            Ok(totals.into_iter().map(|(key, total)| OccupancyGroup::new(viewer_scope, key, total)).collect())
        };
        Some(work.await)
    }
}

/// Places of one group.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Total {
    facilities: usize,
    capacity: DisclosedNumbers,
}

/// The totals as they are told to the viewer now.
fn totals_now(
    viewer_scope: &ViewerScope,
    filter: &OccupancyFilter,
    by: OccupancyGrouping,
) -> BTreeMap<GroupKey, Total> {
    if viewer_scope.counts_people() || filter.looks_closer() || by.looks_closer() {
        return totals(viewer_scope, filter, by, |pool| Some(viewer_scope.numbers(pool)));
    }
    let mut totals = totals(viewer_scope, filter, by, |pool| Some(pool.numbers_on(viewer_scope.today).into()));
    publish(&mut totals, filter, |cell| viewer_scope.board.publication(cell).map(|publication| &**publication));
    totals
}

/// Replaces the people in totals by those that have been published.
fn publish<'p>(
    totals: &mut BTreeMap<GroupKey, Total>,
    filter: &OccupancyFilter,
    publication: impl Fn(&Cell) -> Option<&'p Publication>,
) {
    for (key, total) in totals {
        total.capacity = total.capacity.published(publication(&key.cell(filter)));
    }
}

/// Adds up the pools of a filter whose numbers there are. Each facility is counted once in a group, whatever its
/// categories.
fn totals(
    viewer_scope: &ViewerScope,
    filter: &OccupancyFilter,
    by: OccupancyGrouping,
    numbers_of: impl Fn(&Pool) -> Option<DisclosedNumbers>,
) -> BTreeMap<GroupKey, Total> {
    let closer = filter.looks_closer() || by.looks_closer();
    let mut groups: BTreeMap<GroupKey, (Vec<FacilityId>, Vec<DisclosedNumbers>)> = BTreeMap::new();
    let named = by == OccupancyGrouping::Category || filter.category.is_some();
    let pools = filter.pools(viewer_scope, closer).filter(|(_, pool)| viewer_scope.adds_up(pool.category, named));
    for (state, pool) in pools {
        let Some(known) = numbers_of(pool) else { continue };
        let (facilities, numbers) =
            groups.entry(GroupKey::of(by, &viewer_scope.board, state, pool.category)).or_default();
        if facilities.last() != Some(&state.facility.id) {
            facilities.push(state.facility.id);
        }
        numbers.push(known);
    }
    let total = |(facilities, numbers): (Vec<FacilityId>, Vec<DisclosedNumbers>)| Total {
        facilities: facilities.len(),
        capacity: numbers.into_iter().sum(),
    };
    groups.into_iter().map(|(key, group)| (key, total(group))).collect()
}

impl OccupancyGroup {
    fn new(viewer_scope: &Arc<ViewerScope>, key: GroupKey, total: Total) -> Self {
        let mut group = Self {
            province: None,
            municipality: None,
            category: None,
            operator: None,
            facility: None,
            facilities: i32::try_from(total.facilities).unwrap_or(i32::MAX),
            capacity: total.capacity,
        };
        match key {
            GroupKey::Province(province) => group.province = Some(province),
            GroupKey::Municipality(istat_code) => group.municipality = Municipality::find(viewer_scope, &istat_code),
            GroupKey::Operator(id) => group.operator = Organisation::find(viewer_scope, id),
            GroupKey::Category(category) => group.category = Some(category),
            GroupKey::Facility(_, id) => group.facility = Facility::find(viewer_scope, id),
        }
        group
    }
}
