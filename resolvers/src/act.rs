//! What all acts have in common: the order, and the answer made from its outcome.

use std::{sync::Arc, time::Duration};

use async_graphql::{Context, Result};
use serde::Serialize;
use tavolo_schema::Act;
use tavolo_store::{Order, OrderedBy, Outcome, StoreError};

use crate::{
    error::{bad_request, fault, forbidden, pending},
    graph::desk,
    irregularity::Irregularity,
    sheet::Sheet,
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

/// Makes the order for an act, if the viewer may perform it on anything at all. On which records it may is asked inside
/// the transaction, of each record as it is there.
pub(crate) fn order(ctx: &Context<'_>, act: Act, input: &impl Serialize, terms: Terms) -> Result<Order> {
    let desk = desk(ctx);
    let sheet = desk.fresh_sheet();
    let member = desk.viewer.member.as_ref().filter(|_| sheet.standing.may_somewhere(act));
    let subject = member.map(|member| member.subject.clone()).ok_or_else(|| forbidden(sheet.is_public()))?;
    let key = terms.idempotency_key;
    if key.as_ref().is_some_and(|key| key.is_empty() || key.len() > LONGEST_KEY) {
        return Err(bad_request("an idempotencyKey has 1 to 200 bytes"));
    }
    let fingerprint = match &key {
        Some(key) => desk.hub.store.fingerprint(&subject, key, input).map_err(|error| fault(&error))?,
        None => String::new(),
    };
    Ok(Order {
        act,
        by: OrderedBy::Member { subject, standing: sheet.standing.clone() },
        idempotency_key: key,
        fingerprint,
        validate_only: terms.validate_only,
        now: sheet.now,
    })
}

/// What came of an order, ready to be answered.
pub(crate) struct Done<T> {
    /// The answer of the act; none when it was refused or only checked.
    pub(crate) answer: Option<T>,
    /// Everything found irregular.
    pub(crate) irregularities: Vec<Irregularity>,
    /// A sheet that shows the act.
    pub(crate) sheet: Arc<Sheet>,
}

/// Waits until the board shows the act, so that the member reads its own write in this answer and
/// the next.
pub(crate) async fn done<T>(ctx: &Context<'_>, outcome: Result<Outcome<T>, StoreError>) -> Result<Done<T>> {
    let desk = desk(ctx);
    let outcome = outcome.map_err(|error| fault(&error))?;
    if let Some(act) = outcome.act
        && !desk.hub.table.shows(act, desk.hub.clock.now(), PATIENCE).await
    {
        tracing::warn!(%act, "the board does not show an act in time");
        return Err(pending());
    }
    Ok(Done {
        answer: outcome.answer,
        irregularities: outcome.irregularities.into_iter().map(Irregularity).collect(),
        sheet: desk.fresh_sheet(),
    })
}
