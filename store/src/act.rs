//! The record of an act: audit trail, idempotency and the mark that ends its events, in one document.
//!
//! The record is the last document an act writes, so a hub that has seen it in the change feed has
//! seen everything the act changed on the board.

use mongodb::bson::doc;
use serde::{Serialize, de::DeserializeOwned};
use tavolo_schema::{
    Act, Actor, DateTime, Irregularity, Role, Standing,
    id::{ActId, OrganisationId},
};

use crate::{
    StoreError,
    document::{
        Document, document,
        shape::{plain_where, unique_where},
    },
};

/// Who orders an act.
#[derive(Clone, Debug)]
pub enum OrderedBy {
    /// The system, for what changes by the clock and what the administrator does at the command line. No policy limits it.
    System,
    /// A member. The transaction asks the policy with the standing, of each record as it is read there.
    Member {
        /// The member's subject at the identity provider.
        subject: String,
        /// Role and organisation. An act whose member has another one by then is not performed.
        standing: Standing,
    },
}

impl OrderedBy {
    /// Who performs the act, as it is recorded.
    #[must_use]
    pub fn actor(&self) -> Actor {
        match self {
            Self::System => Actor::system(),
            Self::Member { subject, standing } => {
                Actor { subject: Some(subject.clone()), role: Some(standing.role), organisation: standing.organisation }
            }
        }
    }

    /// The member's standing; none for the system.
    pub(crate) fn standing(&self) -> Option<&Standing> {
        match self {
            Self::System => None,
            Self::Member { standing, .. } => Some(standing),
        }
    }
}

/// An act as it is ordered.
#[derive(Clone, Debug)]
pub struct Order {
    /// Who orders it.
    pub by: OrderedBy,
    /// The member's own key; the same key answers the same input once.
    pub idempotency_key: Option<String>,
    /// Check everything, write nothing.
    pub validate_only: bool,
    /// When the order arrived.
    pub now: DateTime,
}

impl Order {
    /// An order of the system itself.
    #[must_use]
    pub fn of_system(now: DateTime) -> Self {
        Self { by: OrderedBy::System, idempotency_key: None, validate_only: false, now }
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

/// The record of an act.
pub(crate) struct ActRecord {
    id: ActId,
    act: Act,
    subject: Option<String>,
    role: Option<Role>,
    organisation: Option<OrganisationId>,
    registered_at: DateTime,
    key: Option<String>,
    /// By what the input is known again; none without a key. Empty when it was taken away.
    fingerprint: Option<String>,
    answer: String,
    irregularities: Vec<Irregularity>,
}

document! {
    pub(crate) ActDoc of ActRecord in "acts" {
        id as "_id", act, subject, role, organisation, registered_at, answer, irregularities,
    }
    absent when none { key, fingerprint }
    indexes {
        // One answer for each idempotency key of a member; keys whose time is over are found.
        unique_where(doc! { "subject": 1, "key": 1 }, doc! { "key": { "$exists": true } }),
        plain_where(doc! { "registeredAt": 1 }, doc! { "key": { "$exists": true } }),
    }
}

impl ActRecord {
    /// The record with what the act answers, and by which key it is known again.
    pub(crate) fn answering<T: Serialize>(
        self,
        answer: &T,
        irregularities: &[Irregularity],
        key: Option<String>,
        fingerprint: &str,
    ) -> Result<Self, StoreError> {
        let answer = serde_json::to_string(answer)?;
        let fingerprint = key.as_ref().map(|_| fingerprint.into());
        Ok(Self { key, fingerprint, answer, irregularities: irregularities.to_vec(), ..self })
    }

    /// The record of an act without answer.
    pub(crate) fn new(id: ActId, act: Act, actor: &Actor, now: DateTime) -> Self {
        Self {
            id,
            act,
            subject: actor.subject.clone(),
            role: actor.role,
            organisation: actor.organisation,
            registered_at: now,
            key: None,
            fingerprint: None,
            answer: "null".into(),
            irregularities: Vec::new(),
        }
    }

    /// What an order of the same act with the same key and input is answered.
    pub(crate) fn answer_to<T: DeserializeOwned>(
        self,
        ordered: Act,
        fingerprint: &str,
    ) -> Result<Outcome<T>, StoreError> {
        // Without a fingerprint there is nothing to compare the input with.
        let same_input = self.fingerprint.is_none_or(|own| own.is_empty() || own == fingerprint);
        if self.act != ordered || !same_input {
            return Err(StoreError::KeyReused);
        }
        let answer = serde_json::from_str(&self.answer).map_err(|_| StoreError::Corrupt {
            collection: ActDoc::COLLECTION,
            id: self.id.encode(),
            field: "answer".into(),
        })?;
        let act = Some(self.id);
        Ok(Outcome { answer: Some(answer), irregularities: self.irregularities, act })
    }

    pub(crate) fn id(&self) -> ActId {
        self.id
    }
}
