//! What all acts have in common: the mutation, the order, and the payload made from its outcome.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, Enum, Result};
use tavolo_schema::{self as schema, Act, Severity};
use tavolo_store::{Order, OrderedBy, Outcome, Perform, StoreError};

use crate::{
    error::{bad_request, fault, forbidden, pending},
    irregularity::Irregularity,
    request_context::request_context,
    viewer_scope::ViewerScope,
};

/// How long an answer waits for its own board to show the act. The act is kept in any case.
const PATIENCE: Duration = Duration::from_secs(2);

/// Characters of an idempotency key at most.
const LONGEST_KEY: usize = 200;

/// What a client says beside the input.
pub(crate) struct Terms {
    pub(crate) idempotency_key: Option<String>,
    pub(crate) validate_only: bool,
}

/// Has an act performed, and answers what came of it.
pub(crate) async fn perform<I: Perform, P: Payload<I::Answer>>(
    ctx: &Context<'_>,
    input: &I,
    terms: Terms,
) -> Result<P> {
    let order = order(ctx, I::ACT, terms)?;
    let outcome = request_context(ctx).hub.store.act(&order, input).await;
    P::new(ctx, done(ctx, outcome).await?).await
}

/// Makes the order for an act, if the viewer may perform it on anything at all. On which records it may is asked inside
/// the transaction, of each record as it is there.
fn order(ctx: &Context<'_>, act: Act, Terms { idempotency_key, validate_only }: Terms) -> Result<Order> {
    let context = request_context(ctx);
    let viewer_scope = context.fresh_scope();
    let member = context.viewer.member.as_ref().filter(|_| viewer_scope.standing.may_somewhere(act));
    let subject = member.map(|member| member.subject.clone()).ok_or_else(|| forbidden(viewer_scope.is_public()))?;
    if idempotency_key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
        return Err(bad_request("an idempotencyKey has 1 to 200 bytes"));
    }
    let by = OrderedBy::Member { subject, standing: viewer_scope.standing.clone() };
    Ok(Order { by, idempotency_key, validate_only, now: viewer_scope.now })
}

/// Whether an act was done.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ActOutcome {
    /// It was performed and written, now or by an earlier order with the same key.
    Done,
    /// It was only checked (`validateOnly`), and nothing would refuse it.
    Checked,
    /// It was refused, or would be: an irregularity of severity `BLOCK` says why. Nothing was written.
    Refused,
}

/// What came of an order, ready to be answered.
pub(crate) struct Done<A> {
    /// The answer of the act; none when it was refused or only checked.
    answer: Option<A>,
    /// Whether it was done.
    pub(crate) outcome: ActOutcome,
    /// Everything found irregular.
    pub(crate) irregularities: Vec<Irregularity>,
    /// The scope of an answer that shows the act.
    viewer_scope: Arc<ViewerScope>,
}

/// Waits until the board shows the act, so that the member reads its own write in this answer and
/// the next.
async fn done<A>(ctx: &Context<'_>, outcome: Result<Outcome<A>, StoreError>) -> Result<Done<A>> {
    let context = request_context(ctx);
    let outcome = outcome.map_err(|error| fault(&error))?;
    if let Some(act) = outcome.act
        && !context.hub.live_board.shows(act, context.hub.clock.now(), PATIENCE).await
    {
        tracing::warn!(%act, "the board does not show an act in time");
        return Err(pending());
    }
    let blocks = |found: &schema::Irregularity| found.severity() == Severity::Block;
    let refused = outcome.irregularities.iter().any(blocks);
    Ok(Done {
        outcome: match &outcome.answer {
            Some(_) => ActOutcome::Done,
            None if refused => ActOutcome::Refused,
            None => ActOutcome::Checked,
        },
        answer: outcome.answer,
        irregularities: outcome.irregularities.into_iter().map(Irregularity).collect(),
        viewer_scope: context.fresh_scope(),
    })
}

impl<A: Copy> Done<A> {
    /// A record that the act is about, as the viewer sees it now.
    pub(crate) async fn show<T: After<A>>(&self, ctx: &Context<'_>) -> Result<Option<T>> {
        match self.answer {
            Some(answer) => T::after(ctx, &self.viewer_scope, answer).await,
            None => Ok(None),
        }
    }
}

/// A record that can be shown after an act that answers `A`.
pub(crate) trait After<A>: Sized {
    /// The record after the act, if the viewer sees it.
    async fn after(ctx: &Context<'_>, viewer_scope: &Arc<ViewerScope>, answer: A) -> Result<Option<Self>>;
}

/// What a mutation answers whose act answers `A`. [`payload!`] makes them.
pub(crate) trait Payload<A>: Sized {
    async fn new(ctx: &Context<'_>, done: Done<A>) -> Result<Self>;
}

/// The payload of mutations: the records that the act is about, each [`After`] it, and what was found irregular.
///
/// ```text
/// payload! {
///     /// What came of an act on a facility.
///     FacilityPayload {
///         /// The facility after the act; null when it was refused or only checked.
///         facility: Facility,
///     }
/// }
/// ```
macro_rules! payload {
    ($(#[$($doc:tt)*])* $payload:ident { $($(#[$($about:tt)*])* $record:ident: $kind:ident,)* }) => {
        $(#[$($doc)*])*
        #[derive(async_graphql::SimpleObject)]
        pub(crate) struct $payload {
            $($(#[$($about)*])*
            #[graphql(directive = tavolo_schema::access::data_class::apply(tavolo_schema::DataClass::Public))]
            $record: Option<$kind>,)*
            /// Whether it was done.
            #[graphql(directive = tavolo_schema::access::data_class::apply(tavolo_schema::DataClass::Public))]
            outcome: crate::act::ActOutcome,
            /// Everything found irregular.
            #[graphql(directive = tavolo_schema::access::data_class::apply(tavolo_schema::DataClass::Public))]
            irregularities: Vec<crate::irregularity::Irregularity>,
        }

        impl<A: Copy> crate::act::Payload<A> for $payload
        where
            $($kind: crate::act::After<A>,)*
        {
            async fn new(
                ctx: &async_graphql::Context<'_>,
                done: crate::act::Done<A>,
            ) -> async_graphql::Result<Self> {
                // Records are shown at the same time, so that loaders ask for two of a kind in one command.
                let ($($record,)*) = futures_util::try_join!($(done.show::<$kind>(ctx),)*)?;
                Ok(Self { $($record,)* outcome: done.outcome, irregularities: done.irregularities })
            }
        }
    };
}
pub(crate) use payload;

/// The mutations of a noun, one for each act: its name, its input with a description, and its [`payload!`].
///
/// ```text
/// mutations! {
///     StayMutation {
///         /// Ends a stay.
///         discharge_guest(DischargeGuestInput, "The discharge.") -> StayPayload;
///     }
/// }
/// ```
macro_rules! mutations {
    ($mutations:ident { $($(#[$($doc:tt)*])* $act:ident($input:ident, $about:tt) -> $payload:ident;)* }) => {
        #[derive(Default)]
        pub(crate) struct $mutations;

        #[async_graphql::Object]
        impl $mutations {
            $($(#[$($doc)*])*
            #[graphql(directive = tavolo_schema::access::data_class::apply(tavolo_schema::DataClass::Act))]
            async fn $act(
                &self,
                ctx: &async_graphql::Context<'_>,
                #[graphql(desc = $about)] input: $input,
                #[graphql(desc = "Repeat an order with the same key and input: it is performed once.")]
                idempotency_key: Option<String>,
                #[graphql(desc = "Check everything, write nothing.", default)] validate_only: bool,
            ) -> Option<async_graphql::Result<$payload>> {
                let terms = crate::act::Terms { idempotency_key, validate_only };
                Some(crate::act::perform(ctx, &input, terms).await)
            })*
        }
    };
}
pub(crate) use mutations;
