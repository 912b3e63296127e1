//! The contract: what can be asked, done and watched.

use async_graphql::{MergedObject, MergedSubscription, SDLExportOptions, Schema, SchemaBuilder, Value};
use futures_util::FutureExt;

use crate::{
    accreditation, capacity, error, facility, guest, history, lookup, municipality, node, occupancy, organisation,
    statistics, stay, viewer,
};

/// What can be asked.
#[derive(MergedObject, Default)]
pub(crate) struct Query(
    viewer::ViewerQuery,
    node::NodeQuery,
    facility::FacilityQuery,
    organisation::OrganisationQuery,
    municipality::MunicipalityQuery,
    accreditation::AccreditationQuery,
    guest::GuestQuery,
    lookup::LookupQuery,
    occupancy::OccupancyQuery,
    history::HistoryQuery,
    statistics::StatisticsQuery,
);

/// What can be done: one mutation for each act of the trade, never a generic update.
#[derive(MergedObject, Default)]
pub(crate) struct Mutation(
    facility::FacilityMutation,
    capacity::CapacityMutation,
    accreditation::AccreditationMutation,
    guest::GuestMutation,
    stay::StayMutation,
);

/// What can be watched.
#[derive(MergedSubscription, Default)]
pub(crate) struct Subscription(occupancy::ChangesSubscription, occupancy::TotalsSubscription);

/// The executable contract.
pub(crate) fn build() -> Schema<Query, Mutation, Subscription> {
    builder().finish()
}

pub(crate) fn builder() -> SchemaBuilder<Query, Mutation, Subscription> {
    Schema::build(Query::default(), Mutation::default(), Subscription::default())
}

/// What the contract says about itself.
pub(crate) fn introspected(question: &str) -> Value {
    // Introspection never waits, so one poll answers it.
    build().execute(question).now_or_never().unwrap_or_else(error::panicked).data
}

/// The contract as text.
pub(crate) fn sdl() -> String {
    build().sdl_with_options(SDLExportOptions::new().include_specified_by().prefer_single_line_descriptions())
}
