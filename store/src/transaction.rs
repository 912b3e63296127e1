//! One act, one transaction.
//!
//! [`Store::act`] is the only way an act is written. It does the work of the act ([`Perform`]) in a
//! transaction (snapshot read concern, majority write concern), and then either writes the record of the
//! act and commits, or aborts: because the work found something that blocks, or because the caller only
//! wanted to know. When another writer was first, the whole work is repeated on what that writer
//! left, with back-off, so that it decides again; it never overwrites.
//!
//! Each command of a transaction is done in a task of its own (`gate`), and so is a commit: an act whose client has gone,
//! or whose database has stopped answering, is never broken off in the middle of one. An attempt has as long as anybody
//! waits for the database; where it may have been written by then, that is what is answered.
//!
//! A refused act leaves nothing behind, with one exception: that files out of the member's sight were looked
//! at for it is counted and on record (`lookup`).

mod documents;

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Arc, OnceLock},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{
    ClientSession, Database,
    bson::doc,
    options::{Acknowledgment, ReadConcern, WriteConcern},
};
use serde::{Serialize, de::DeserializeOwned};
use tavolo_schema::{
    Act, ActInput, Actor, Code, DataClass, DateTime, Day, Findings, Lookup, Member, PoolKey, RecordOwners,
    id::{ActId, OrganisationId},
};
use tokio::time::Instant;

use crate::{
    LookupLimits, Order, OrderedBy, Outcome, Store, StoreError,
    act::{ActDoc, ActRecord},
    document::{binary, collection},
    gate::Conversation,
    guest::scope::GuestScope,
    lookup::LookupDoc,
    member::MemberDoc,
};

/// How long an act is repeated while other writers are first.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the last commands of an attempt have at least, when the others have taken their time: to commit, to abort, to
/// look whether it was written.
const LAST_WORD: Duration = Duration::from_millis(500);

/// An act that can be performed: what it does, in one transaction.
pub trait Perform: ActInput + Clone + Send + Sync {
    /// What the act answers, as it is kept in its record.
    type Answer: Serialize + DeserializeOwned + Send;

    /// Does the work. When another writer was first it is done again, from the beginning.
    ///
    /// An act that consists of others calls theirs: it is one transaction, one record and one right in the table of acts.
    fn perform(self, act: &mut Transaction) -> impl Future<Output = Result<Self::Answer, Stopped>> + Send;
}

/// Why an act ends before it has an answer.
#[derive(Debug)]
pub enum Stopped {
    /// Nothing is written: something that was found blocks it, it was only to be checked, or nothing is left to do.
    Unwritten,
    /// A fault of the database.
    Failed(StoreError),
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

/// A transaction in progress: what an act sees and has found so far.
pub struct Transaction {
    conversation: Conversation,
    /// When whoever ordered the act has waited long enough.
    until: Instant,
    pub(crate) id: ActId,
    pub(crate) ordered: Act,
    order: Order,
    pub(crate) actor: Actor,
    pub(crate) now: DateTime,
    pub(crate) found: Findings,
    /// The look that was taken at files out of the member's sight: to be recorded, whatever comes of the act.
    pub(crate) look: Option<Lookup>,
    pub(crate) limits: LookupLimits,
    /// Whether a look may be taken, once that has been counted for the order.
    pub(crate) counted: Arc<OnceLock<bool>>,
    /// Pools that have been compared with their books.
    pub(crate) compared: BTreeSet<PoolKey>,
}

impl fmt::Debug for Transaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction").field("id", &self.id).field("ordered", &self.ordered).finish_non_exhaustive()
    }
}

impl Store {
    /// Performs an act. Refusals are in the outcome. An order with an idempotency key that has been used for the same
    /// input is answered from the record of the act.
    ///
    /// # Errors
    ///
    /// Faults of the database; [`StoreError::Forbidden`] and [`StoreError::NotAMember`] when the policy does not allow
    /// the act; [`StoreError::KeyReused`] when the key was used for another input.
    pub async fn act<I: Perform>(&self, order: &Order, input: &I) -> Result<Outcome<I::Answer>, StoreError> {
        let fingerprint = match (&order.idempotency_key, &order.by) {
            (Some(key), OrderedBy::Member { subject, .. }) => self.fingerprint(subject, key, input)?,
            _ => String::new(),
        };
        let started = Instant::now();
        // When the database was last heard of.
        let mut answered = started;
        let counted = Arc::new(OnceLock::new());
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(2))
            .with_max_delay(Duration::from_millis(200))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            let patience = self.gate().patience();
            let until = self.gate().patient_until() - answered.elapsed();
            let transaction = Transaction::begin::<I>(self, order, until, &counted);
            let outcome = match transaction.await {
                Ok(transaction) => self.attempt(transaction, input.clone(), &fingerprint).await,
                Err(error) => Err(error),
            };
            match outcome {
                // An unavailable database is not waited for beyond the patience since its last answer.
                Err(error @ StoreError::Unavailable(_)) if answered.elapsed() >= patience => return Err(error),
                Err(error) if error.is_transient() => {
                    if !matches!(error, StoreError::Unavailable(_)) {
                        answered = Instant::now();
                    }
                    if started.elapsed() > PATIENCE {
                        return Err(if matches!(error, StoreError::Unavailable(_)) { error } else { StoreError::Busy });
                    }
                    tokio::time::sleep(pauses.next().unwrap_or_default()).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn attempt<I: Perform>(
        &self,
        mut transaction: Transaction,
        input: I,
        fingerprint: &str,
    ) -> Result<Outcome<I::Answer>, StoreError> {
        // A mere check is made afresh, whatever the key was used for.
        if !transaction.validate_only()
            && let Some(replay) = transaction.replay(fingerprint).await?
        {
            transaction.abort().await;
            return replay;
        }
        let answer = match transaction.as_member(input).await {
            Ok(answer) if !transaction.found.blocks() && !transaction.validate_only() => answer,
            Ok(_) | Err(Stopped::Unwritten) => {
                let irregularities = std::mem::take(&mut transaction.found).into_vec();
                self.undo(transaction).await?;
                return Ok(Outcome { answer: None, irregularities, act: None });
            }
            Err(Stopped::Failed(error)) => {
                transaction.abort().await;
                return Err(error);
            }
        };
        let irregularities = std::mem::take(&mut transaction.found).into_vec();
        if let Some(look) = transaction.look.take() {
            transaction.insert::<LookupDoc>(&look).await?;
        }
        let record = ActRecord::new(transaction.id, transaction.ordered, &transaction.actor, transaction.now);
        let key = transaction.order.idempotency_key.clone();
        let record = record.answering(&answer, &irregularities, key, fingerprint)?;
        transaction.insert::<ActDoc>(&record).await?;
        let (act, until) = (transaction.id, transaction.until);
        match transaction.commit().await {
            Err(StoreError::OutcomeUnknown) if self.was_written(act, until).await => {}
            committed => committed?,
        }
        Ok(Outcome { answer: Some(answer), irregularities, act: Some(act) })
    }

    /// Undoes an act. Nothing is answered before a look at files out of sight is on record.
    async fn undo(&self, mut transaction: Transaction) -> Result<(), StoreError> {
        let look = transaction.look.take();
        transaction.abort().await;
        if let Some(look) = look {
            self.insert::<LookupDoc>(&look).await?;
        }
        Ok(())
    }

    /// Whether an act is in the books after all. That it is not there yet proves nothing.
    async fn was_written(&self, act: ActId, until: Instant) -> bool {
        let looked = self.gate().command_until(until.max(Instant::now() + LAST_WORD), |database| async move {
            Ok(collection::<ActDoc>(&database).find_one(doc! { "_id": binary(act) }).await?)
        });
        looked.await.is_ok_and(|found| found.is_some())
    }
}

impl Transaction {
    /// Does the work, if whoever ordered it is still a member in the same part: the board may lag.
    async fn as_member<I: Perform>(&mut self, input: I) -> Result<I::Answer, Stopped> {
        if let OrderedBy::Member { subject, standing } = self.order.by.clone() {
            let member = self.by_id::<MemberDoc>(subject).await?;
            let same =
                |member: &Member| member.role == standing.role && Some(member.organisation) == standing.organisation;
            if !member.is_some_and(|member| same(&member)) {
                return Err(StoreError::NotAMember.into());
            }
        }
        input.perform(self).await
    }

    /// What an earlier order with the same key was answered.
    async fn replay<T: DeserializeOwned>(
        &mut self,
        fingerprint: &str,
    ) -> Result<Option<Result<Outcome<T>, StoreError>>, StoreError> {
        let (Some(key), OrderedBy::Member { subject, .. }) = (&self.order.idempotency_key, &self.order.by) else {
            return Ok(None);
        };
        let same_key = doc! { "subject": subject, "key": key };
        let record = self.find_one::<ActDoc>(same_key).await?;
        Ok(record.map(|record| record.answer_to(self.ordered, fingerprint)))
    }

    /// Whether the member may perform the act on a record of these organisations. What it may not act on is answered as
    /// if it did not exist.
    pub(crate) fn may(&self, owners: RecordOwners<'_>) -> bool {
        self.order.by.standing().is_none_or(|standing| standing.may(self.ordered, owners))
    }

    /// Whether the member sees a class of a record of these organisations.
    pub(crate) fn sees(&self, owners: RecordOwners<'_>, class: DataClass) -> bool {
        self.order.by.standing().is_none_or(|standing| standing.sees(owners).contains(class))
    }

    /// Whose records alone the member may act on: what others keep is not even read. None for everybody's.
    pub(crate) fn keeper(&self) -> Option<OrganisationId> {
        self.actor.organisation.filter(|_| !self.may(RecordOwners::default()))
    }

    /// Whose files the member may see at all.
    pub(crate) fn guest_scope(&self) -> Result<GuestScope, StoreError> {
        match self.order.by.standing() {
            None => Ok(GuestScope::All),
            Some(standing) => GuestScope::of(standing).ok_or(StoreError::Forbidden),
        }
    }

    async fn begin<I: Perform>(
        store: &Store,
        order: &Order,
        until: Instant,
        counted: &Arc<OnceLock<bool>>,
    ) -> Result<Self, StoreError> {
        let conversation = store.gate().converse(until, |session| {
            let concern = WriteConcern::builder().w(Acknowledgment::Majority).build();
            session
                .start_transaction()
                .read_concern(ReadConcern::snapshot())
                .write_concern(concern)
                .into_future()
                .boxed()
        });
        Ok(Self {
            conversation: conversation.await?,
            until,
            id: ActId::fresh(order.now),
            ordered: I::ACT,
            actor: order.by.actor(),
            now: order.now,
            order: order.clone(),
            found: Findings::default(),
            look: None,
            limits: store.lookup_limits(),
            counted: Arc::clone(counted),
            compared: BTreeSet::new(),
        })
    }

    /// Whether everything is only to be checked.
    pub(crate) fn validate_only(&self) -> bool {
        self.order.validate_only
    }

    /// Today in Rome, as this act sees it.
    pub(crate) fn today(&self) -> Day {
        self.now.day()
    }

    /// Adds what a check finds, and goes on when nothing blocks.
    pub(crate) fn check(&mut self, check: impl FnOnce(&mut Findings)) -> Result<(), Stopped> {
        check(&mut self.found);
        self.unless_blocked()
    }

    /// Goes on when nothing that was found blocks.
    pub(crate) fn unless_blocked(&self) -> Result<(), Stopped> {
        if self.found.blocks() { Err(Stopped::Unwritten) } else { Ok(()) }
    }

    /// Goes on when the order is not only to be checked.
    pub(crate) fn unless_checking(&self) -> Result<(), Stopped> {
        if self.order.validate_only { Err(Stopped::Unwritten) } else { Ok(()) }
    }

    /// Adds what is wrong, and ends the act.
    pub(crate) fn refuse<T>(&mut self, code: Code, field: &str) -> Result<T, Stopped> {
        self.found.add(code, field);
        Err(Stopped::Unwritten)
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let act = self.id;
        let committed = self.conversation.command(self.until.max(Instant::now() + LAST_WORD), move |_, session| {
            let commit = async move {
                let mut tries = 3;
                loop {
                    match session.commit_transaction().await {
                        Err(error) if error.contains_label(mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                            if tries == 0 {
                                tracing::warn!(%error, %act, "it is unknown whether an act was committed");
                                return Err(StoreError::OutcomeUnknown);
                            }
                            tries -= 1;
                        }
                        outcome => return Ok(outcome?),
                    }
                }
            };
            commit.boxed()
        });
        let committed = committed.await;
        // A commit that was cut off goes on in the database: nobody knows its outcome.
        if self.conversation.goes_on() { committed } else { Err(StoreError::OutcomeUnknown) }
    }

    async fn abort(mut self) {
        if !self.conversation.goes_on() {
            return;
        }
        let aborted = self.conversation.command(self.until.max(Instant::now() + LAST_WORD), |_, session| {
            async move { Ok(session.abort_transaction().await?) }.boxed()
        });
        if let Err(error) = aborted.await {
            // The server ends an orphaned transaction by itself.
            tracing::debug!(%error, "a transaction could not be aborted");
        }
    }

    /// Has one command of it done.
    async fn command<T: Send + 'static>(
        &mut self,
        work: impl for<'s> FnOnce(&'s Database, &'s mut ClientSession) -> BoxFuture<'s, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        self.conversation.command(self.until, work).await
    }

    /// Has one command done that is no part of the transaction and is not undone with it, with the same place at the gate.
    pub(crate) async fn aside<T: Send + 'static>(
        &mut self,
        work: impl for<'d> FnOnce(&'d Database) -> BoxFuture<'d, Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.command(|database, _| work(database)).await
    }
}
