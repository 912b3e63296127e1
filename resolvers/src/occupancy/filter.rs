//! Which places are counted or watched.

use std::sync::Arc;

use async_graphql::InputObject;
use tavolo_schema::{
    PlaceCategory, Pool,
    id::{FacilityId, OrganisationId},
    publication::Cell,
};
use tavolo_subscriptions::FacilityState;

use crate::{Seen, viewer_scope::ViewerScope};

/// Which places are counted or watched.
#[derive(InputObject, Clone, Debug, Default)]
pub(crate) struct OccupancyFilter {
    /// Of this facility.
    pub(crate) facility: Option<FacilityId>,
    /// In the municipality of this ISTAT code.
    pub(crate) municipality: Option<String>,
    /// Of facilities run by this organisation.
    pub(crate) operator: Option<OrganisationId>,
    /// Of this category.
    pub(crate) category: Option<PlaceCategory>,
}

impl OccupancyFilter {
    pub(super) fn wants(&self, state: &FacilityState, category: PlaceCategory) -> bool {
        self.category.is_none_or(|wanted| wanted == category) && self.wants_facility(state)
    }

    /// Whether it is about this facility, whatever the category.
    pub(crate) fn wants_facility(&self, state: &FacilityState) -> bool {
        let facility = &state.facility;
        self.facility.is_none_or(|wanted| wanted == facility.id)
            && self.operator.is_none_or(|wanted| wanted == facility.operator)
            && self.municipality.as_ref().is_none_or(|wanted| *wanted == facility.municipality)
    }

    /// Whether it looks closer than municipality and category, which anybody may know.
    pub(crate) fn looks_closer(&self) -> bool {
        self.facility.is_some() || self.operator.is_some()
    }

    /// The cell of the places it is about, when it does not look closer.
    pub(crate) fn cell(&self) -> Cell {
        Cell::told_of(self.municipality.clone(), self.category)
    }

    /// How many of the pools that somebody sees it is about.
    pub(crate) fn reach(&self, seen: Seen<'_>) -> usize {
        let wanted = |state: &Arc<FacilityState>| {
            let wanted = state.pools.iter().filter(|pool| self.wants(state, pool.category));
            if seen.shows(&state.facility) { wanted.count() } else { 0 }
        };
        match self.facility {
            Some(facility) => seen.board.facility(facility).map_or(0, wanted),
            None => seen.board.facilities(self.municipality.as_deref()).map(wanted).sum(),
        }
    }

    /// The pools it is about, with their places; of closer looks, only those of facilities that the viewer sees.
    pub(crate) fn pools<'s>(
        &'s self,
        viewer_scope: &'s ViewerScope,
        closer: bool,
    ) -> impl Iterator<Item = (&'s Arc<FacilityState>, &'s Arc<Pool>)> {
        let states = viewer_scope.board.facilities(self.municipality.as_deref());
        let counted = states.filter(move |state| !closer || viewer_scope.shows(&state.facility));
        let pools = counted.flat_map(|state| state.pools.iter().map(move |pool| (state, pool)));
        pools.filter(|(state, pool)| self.wants(state, pool.category))
    }
}
