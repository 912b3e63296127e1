//! Lists of facilities: which ones, in which order, which page.

use std::sync::Arc;

use async_graphql::{Context, Enum, InputObject, Object, OneofObject, Result};
use tavolo_schema::{
    AccreditationStatus, PlaceCategory,
    access::{DataClass::Operational, data_class},
    id::{FacilityId, OrganisationId},
};
use tavolo_subscriptions::FacilityState;

use super::Facility;
use crate::{
    connection::{Connection, Page, encode},
    request_context::request_context,
    viewer_scope::ViewerScope,
};

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
    /// With at least so many free places: of the category when one is named, else as `Facility.occupancy` tells them to
    /// you.
    free_places_at_least: Option<i32>,
    /// With an accreditation of this status.
    accreditation_status: Option<AccreditationStatus>,
    /// Code, name, project code or municipality contain this text, whatever its case.
    text: Option<String>,
}

impl FacilityFilter {
    /// Whether a place that the viewer sees is wanted. Every field it looks at is of the row's own class.
    fn wants(&self, viewer_scope: &ViewerScope, state: &FacilityState, text: Option<&str>) -> bool {
        let facility = &state.facility;
        self.operator.is_none_or(|operator| operator == facility.operator)
            && self.category.is_none_or(|category| state.pool(category).is_some())
            && self.free_places_at_least.is_none_or(|least| {
                viewer_scope.numbers_of(state, self.category).free.is_some_and(|free| free >= least)
            })
            && self.accreditation_status.is_none_or(|status| {
                state.accreditations.iter().any(|accreditation| accreditation.status_on(viewer_scope.today) == status)
            })
            && text.is_none_or(|text| {
                let municipality = viewer_scope.board.municipality(&facility.municipality);
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
    /// Free places as `Facility.occupancy` tells them to you; what is withheld before all others.
    FreePlaces,
    /// Occupancy rate, by the numbers that you are told; without one before all others.
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
    fn rank(&self, viewer_scope: &ViewerScope, state: &FacilityState) -> Rank {
        let numbers = || viewer_scope.numbers_of(state, None);
        let (number, text) = match self.field {
            FacilityOrderField::Code => (0, String::new()),
            FacilityOrderField::Name => (0, state.facility.name.to_lowercase()),
            FacilityOrderField::FreePlaces => (numbers().free.map_or(-1, i64::from), String::new()),
            // A millionth is finer than any rate two facilities could differ by.
            FacilityOrderField::Occupancy => {
                (numbers().occupancy_rate.map_or(-1, |rate| (rate * 1e6) as i64), String::new())
            }
        };
        (number, text, state.facility.code.clone())
    }
}

#[derive(Default)]
pub(crate) struct FacilityQuery;

#[Object]
impl FacilityQuery {
    /// One facility.
    #[graphql(directive = data_class::apply(Operational))]
    async fn facility(&self, ctx: &Context<'_>, #[graphql(desc = "Which one.")] by: FacilityBy) -> Option<Facility> {
        let viewer_scope = request_context(ctx).viewer_scope();
        let state = match by {
            FacilityBy::Id(id) => viewer_scope.board.facility(id),
            FacilityBy::Code(code) => viewer_scope.board.place_by_code(&code),
        };
        state.and_then(|state| Facility::seen(viewer_scope, state))
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
        Some(list(
            request_context(ctx).viewer_scope(),
            &filter.unwrap_or_default(),
            &order_by.unwrap_or_default(),
            page,
        ))
    }
}

fn list(
    viewer_scope: &Arc<ViewerScope>,
    filter: &FacilityFilter,
    order: &FacilityOrder,
    page: Result<Page>,
) -> Result<Connection<Facility>> {
    let text = filter.text.as_ref().map(|text| text.to_lowercase());
    let states = viewer_scope.facilities(filter.municipality.as_deref());
    let mut found: Vec<(Rank, &Arc<FacilityState>)> = states
        .filter(|state| filter.wants(viewer_scope, state, text.as_deref()))
        .map(|state| (order.rank(viewer_scope, state), state))
        .collect();
    if order.field != FacilityOrderField::Code {
        found.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    }
    let page = page?;
    let nodes = |cut: &[(Rank, &Arc<FacilityState>)]| -> Vec<Facility> {
        cut.iter()
            .map(|(_, state)| Facility { viewer_scope: Arc::clone(viewer_scope), state: Arc::clone(state) })
            .collect()
    };
    let cursor = |node: &Facility| encode(&order.rank(viewer_scope, &node.state));
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
