//! Every change of occupancy, as it happens.

use std::sync::Arc;

use async_graphql::{Context, Enum, Result, SimpleObject, Subscription};
use futures_util::{StreamExt, stream, stream::BoxStream};
use tavolo_schema::{
    CapacityNumbers, DateTime, OccupancyCause, PlaceCategory, Role, Standing,
    access::{self, DataClass::Operational, data_class},
};
use tavolo_store::{Store, key::Seal};
use tavolo_subscriptions::{Cursor, Delivery, FacilityState, Interest, Segment, occupancy};

use super::{daily, filter::OccupancyFilter};
use crate::{
    capacity::Capacity,
    error::{fault, forbidden},
    execution::Execution,
    facility::Facility,
    request_context::{RequestContext, execution, request_context},
    viewer_scope::ViewerScope,
};

/// What a message of `occupancyChanged` is.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OccupancyEventKind {
    /// The state at the beginning.
    Current,
    /// The state anew, because the hub does not know any more what you have missed: you came back, or took your messages,
    /// later than it keeps changes, or it had to begin anew. Forget what you knew.
    Resync,
    /// A change.
    Changed,
}

/// The state of the places of one category in one facility, or a change of it.
#[derive(SimpleObject)]
pub(crate) struct OccupancyEvent {
    /// Where you are after this message. Hand it back as `after`, to this hub or another, and you are told every change
    /// since, one by one. A hub keeps the last 20,000 changes of all places, of the time before its start those of ten
    /// minutes; when that does not reach back to your cursor, you are sent a `RESYNC`.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) cursor: Result<String>,
    /// What the message is.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) kind: OccupancyEventKind,
    /// The facility.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) facility: Facility,
    /// The category.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) category: PlaceCategory,
    /// The places after it.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) capacity: Capacity,
    /// What changed; null for a state, and for what a whole day has changed.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) cause: Option<OccupancyCause>,
    /// When it happened; for a state, when the last change happened; for a day, its end.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) occurred_at: DateTime,
    /// When the hub learnt of it; for a state, of the last change; for a day, its end.
    #[graphql(directive = data_class::apply(Operational))]
    pub(super) registered_at: DateTime,
}

impl OccupancyEvent {
    fn new(store: &Store, viewer_scope: &Arc<ViewerScope>, delivery: Delivery) -> Self {
        let seal = if matches!(delivery, Delivery::Changed(_)) { Seal::Alike } else { Seal::Fresh };
        let cursor = sealed(store, delivery.cursor(), seal);
        let facility = |state: Arc<FacilityState>| Facility { viewer_scope: Arc::clone(viewer_scope), state };
        match delivery {
            Delivery::Current { state, pool, resync, .. } => Self {
                cursor,
                kind: if resync { OccupancyEventKind::Resync } else { OccupancyEventKind::Current },
                facility: facility(state),
                category: pool.category,
                capacity: Capacity::of(viewer_scope, &pool),
                cause: None,
                occurred_at: pool.occurred_at,
                registered_at: pool.registered_at,
            },
            Delivery::Changed(change) => {
                let entry = &change.entry;
                let pool = change.state.pool(entry.category);
                Self {
                    cursor,
                    kind: OccupancyEventKind::Changed,
                    capacity: Capacity::after(
                        CapacityNumbers::from(entry.after).into(),
                        (entry.facility, entry.category),
                        pool,
                        viewer_scope.today,
                    ),
                    facility: facility(Arc::clone(&change.state)),
                    category: entry.category,
                    cause: Some(entry.cause),
                    occurred_at: entry.occurred_at,
                    registered_at: entry.registered_at,
                }
            }
        }
    }
}

/// The cursor as a client is given it.
pub(super) fn sealed(store: &Store, cursor: Cursor, seal: Seal) -> Result<String> {
    cursor.seal(store, seal).map_err(|error| fault(&error))
}

/// Those who watch with these eyes.
struct Watcher {
    standing: Standing,
    filter: OccupancyFilter,
}

impl Interest for Watcher {
    fn wants(&self, state: &FacilityState, category: PlaceCategory) -> bool {
        self.filter.wants(state, category) && self.standing.sees(state.facility.owners()).contains(Operational)
    }
}

fn by_the_day(
    context: &Arc<RequestContext>,
    execution: &Execution,
    filter: OccupancyFilter,
) -> BoxStream<'static, OccupancyEvent> {
    match execution.segment {
        Segment::State { resync } => {
            let mark = context.hub.live_board.end();
            let (position, state) = daily::state(context, &filter, resync);
            execution.begin(Some(mark.at(position)));
            state.boxed()
        }
        // A viewer by the day is not told what was missed: the state comes again.
        Segment::Missed { .. } => {
            execution.begin(None);
            stream::empty().boxed()
        }
        Segment::Live(mark) => {
            execution.begin(Some(mark));
            daily::Days::after(context, filter, mark).boxed()
        }
    }
}

#[derive(Default)]
pub(crate) struct ChangesSubscription;

#[Subscription]
impl ChangesSubscription {
    /// The state of each matching pool of places, then every single change, in order and once. Only facilities that the
    /// viewer sees are watched; access is asked again at every message. Analysts are told the state at the end of the day
    /// before, and when the next day has begun, what the last one has changed in all; a cursor leads them to the state
    /// again.
    #[graphql(directive = data_class::apply(Operational))]
    async fn occupancy_changed(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which places.")] filter: Option<OccupancyFilter>,
        #[graphql(name = "after", desc = "Go on after this cursor instead of beginning with the state.")]
        _after: Option<String>,
    ) -> Result<BoxStream<'static, OccupancyEvent>> {
        let execution = execution(ctx)?;
        let role = execution.standing.role;
        if !execution.standing.sees_somewhere(Operational) {
            return Err(forbidden(role == Role::Public));
        }
        let watcher = Watcher { standing: execution.standing.clone(), filter: filter.unwrap_or_default() };
        let context = Arc::clone(request_context(ctx));
        if !access::counts_people(role) {
            return Ok(by_the_day(&context, execution, watcher.filter));
        }
        let begun = occupancy::run(&context.hub.live_board, watcher, execution.segment);
        execution.begin(begun.as_ref().map(|(mark, _)| *mark));
        let deliveries = begun.map_or_else(|| stream::empty().boxed(), |(_, deliveries)| deliveries);
        let event = move |delivery: Delivery| {
            if let Some(execution) = &context.execution {
                execution.announce(delivery.cursor().position);
            }
            OccupancyEvent::new(&context.hub.store, &context.fresh_scope(), delivery)
        };
        Ok(deliveries.map(event).boxed())
    }
}
