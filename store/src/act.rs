//! The record of an act: audit trail, idempotency and the mark that ends its events, in one document.
//!
//! The record is the last document an act writes, so a hub that has seen it in the change feed has
//! seen everything the act changed on the board.

use std::{fmt, sync::Arc};

use mongodb::bson::{self, Uuid as Binary, doc};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tavolo_schema::{
    Act, Actor, DateTime, Facility, Irregularity, Role,
    id::{ActId, OrganisationId},
};

use crate::{
    StoreError,
    document::{Document, Unreadable, binary, date_time, id, instant},
    transaction::{Reach, Transaction},
};

/// An act as a member orders it.
#[derive(Clone)]
pub struct Order {
    /// Which act.
    pub act: Act,
    /// Who performs it.
    pub actor: Actor,
    /// The member's own key; the same key answers the same input once.
    pub idempotency_key: Option<String>,
    /// Fingerprint of the input, see [`crate::Store::fingerprint`]; empty without a key of the member's own.
    pub fingerprint: String,
    /// Check everything, write nothing.
    pub validate_only: bool,
    /// When the order arrived.
    pub now: DateTime,
    /// Whose facilities alone the member may act on: what others keep is not even read. None for everybody's.
    pub keeper: Option<OrganisationId>,
    /// Which facilities the member may act on. The transaction asks with the facility it reads.
    pub within_reach: Reach<Facility>,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Order").field("act", &self.act).field("now", &self.now).finish_non_exhaustive()
    }
}

impl Order {
    /// An order of the system itself.
    #[must_use]
    pub fn of_system(now: DateTime) -> Self {
        Self::without_member(Act::KeepTime, now)
    }

    /// An order of the administrator at the command line.
    #[must_use]
    pub fn of_administrator(now: DateTime) -> Self {
        Self::without_member(Act::RepairBooks, now)
    }

    fn without_member(act: Act, now: DateTime) -> Self {
        Self {
            act,
            actor: Actor::system(),
            idempotency_key: None,
            fingerprint: String::new(),
            validate_only: false,
            now,
            keeper: None,
            within_reach: Arc::new(|_| true),
        }
    }
}

/// What came of an order.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// The answer; `None` when the act was refused or only checked.
    pub answer: Option<T>,
    /// Everything found irregular.
    pub irregularities: Vec<Irregularity>,
    /// The act that was written, now or by an earlier order with the same key.
    pub act: Option<ActId>,
}

/// The record as it is written and read.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ActRecord {
    #[serde(rename = "_id")]
    id: Binary,
    act: Act,
    subject: Option<String>,
    role: Option<Role>,
    organisation: Option<Binary>,
    registered_at: bson::DateTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// Empty when the act has no idempotency key, and when it was taken away.
    #[serde(default)]
    fingerprint: String,
    answer: String,
    irregularities: Vec<Irregularity>,
}

impl ActRecord {
    pub(crate) fn new<T: Serialize>(order: &Order, act: ActId, answer: &T, irregularities: &[Irregularity]) -> Self {
        Self {
            id: binary(act),
            act: order.act,
            subject: order.actor.subject.clone(),
            role: order.actor.role,
            organisation: order.actor.organisation.map(binary),
            registered_at: instant(order.now),
            key: order.idempotency_key.clone(),
            fingerprint: order.fingerprint.clone(),
            answer: serde_json::to_string(answer).unwrap_or_default(),
            irregularities: irregularities.to_vec(),
        }
    }

    pub(crate) fn act_id(&self) -> ActId {
        id(self.id)
    }
}

impl Document for ActRecord {
    const COLLECTION: &'static str = "acts";
    type Noun = Self;

    fn store(noun: &Self) -> Self {
        noun.clone()
    }

    fn read(self) -> Result<Self, Unreadable> {
        date_time("registeredAt", self.registered_at)?;
        Ok(self)
    }
}

impl Transaction {
    /// What an earlier order with the same key was answered.
    pub(crate) async fn replay<T: DeserializeOwned>(
        &mut self,
        order: &Order,
    ) -> Result<Option<Result<Outcome<T>, StoreError>>, StoreError> {
        let (Some(key), Some(subject)) = (&order.idempotency_key, &order.actor.subject) else {
            return Ok(None);
        };
        let Some(record) = self.find_one::<ActRecord>(doc! { "subject": subject, "key": key }).await? else {
            return Ok(None);
        };
        // Without a fingerprint there is nothing to compare the input with.
        let same_input = record.fingerprint.is_empty() || record.fingerprint == order.fingerprint;
        if record.act != order.act || !same_input {
            return Ok(Some(Err(StoreError::KeyReused)));
        }
        let answer = serde_json::from_str(&record.answer).map_err(|_| StoreError::Corrupt {
            collection: ActRecord::COLLECTION,
            id: record.act_id().encode(),
            field: "answer".into(),
        })?;
        let act = Some(record.act_id());
        Ok(Some(Ok(Outcome { answer: Some(answer), irregularities: record.irregularities, act })))
    }
}
