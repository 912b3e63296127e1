//! One act, one transaction.
//!
//! [`Store::perform`] is the only way an act is written. It runs the act's work in a transaction
//! (snapshot read concern, majority write concern), and then either writes the record of the act
//! and commits, or aborts: because the work found something that blocks, or because the caller only
//! wanted to know. When another writer was first, the whole work is repeated on what that writer
//! left, with back-off, so that it decides again; it never overwrites.
//!
//! Each command of a transaction is done in a task of its own (`gate`), and so is a commit: an act whose client has gone,
//! or whose database has stopped answering, is never broken off in the middle of one. An attempt has as long as anybody
//! waits for the database; where it may have been written by then, that is what is answered.
//!
//! A refused act leaves nothing behind, with one exception: that files out of the member's sight were looked
//! at for it is counted and on record (`lookup`).

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::{FutureExt, future::BoxFuture};
use mongodb::{
    ClientSession, Database,
    action::Action,
    bson::{Bson, Document as Filter, doc},
    options::{Acknowledgment, Hint, ReadConcern, ReturnDocument, WriteConcern},
};
use serde::{Serialize, de::DeserializeOwned};
use tavolo_schema::{
    Act, Actor, DataClass, DateTime, Day, Findings, Lookup, Member, Party,
    id::{ActId, OrganisationId},
};
use tokio::time::Instant;

use crate::{
    Order, OrderedBy, Outcome, Store, StoreError,
    act::ActRecord,
    audit::Compared,
    document::{Document, binary, collection, read, write},
    gate::Conversation,
    guest::GuestScope,
    lookup::{LookupDoc, LookupLimits},
    member::MemberDoc,
};

/// How long an act is repeated while other writers are first.
const PATIENCE: Duration = Duration::from_secs(15);

/// What the last commands of an attempt have at least, when the others have taken their time: to commit, to abort, to
/// look whether it was written.
const LAST_WORD: Duration = Duration::from_millis(500);

/// A transaction in progress: what an act sees and has found so far.
pub(crate) struct Transaction {
    conversation: Conversation,
    /// When whoever ordered the act has waited long enough.
    until: Instant,
    pub(crate) act: ActId,
    pub(crate) ordered: Act,
    by: OrderedBy,
    pub(crate) actor: Actor,
    /// Everything is checked and nothing written.
    pub(crate) validate_only: bool,
    pub(crate) now: DateTime,
    pub(crate) found: Findings,
    /// The look that was taken at files out of the member's sight: to be recorded, whatever comes of the act.
    pub(crate) look: Option<Lookup>,
    pub(crate) limits: LookupLimits,
    /// Whether a look may be taken, once that has been counted for the order.
    pub(crate) counted: Arc<OnceLock<bool>>,
    pub(crate) compared: Compared,
}

/// What a work hands back: its answer, or nothing when it found something that blocks.
pub(crate) type Work<'t, T> = BoxFuture<'t, Result<Option<T>, StoreError>>;

impl Store {
    /// Performs an act. `work` may run more than once.
    pub(crate) async fn perform<T, F>(&self, order: &Order, work: F) -> Result<Outcome<T>, StoreError>
    where
        T: Serialize + DeserializeOwned + Send,
        F: for<'t> Fn(&'t mut Transaction) -> Work<'t, T> + Send + Sync,
    {
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
            match self.attempt(order, until, &counted, &work).await {
                // No server was found for as long as anybody waits for one.
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

    async fn attempt<T, F>(
        &self,
        order: &Order,
        until: Instant,
        counted: &Arc<OnceLock<bool>>,
        work: &F,
    ) -> Result<Outcome<T>, StoreError>
    where
        T: Serialize + DeserializeOwned + Send,
        F: for<'t> Fn(&'t mut Transaction) -> Work<'t, T> + Send + Sync,
    {
        let mut transaction = Transaction::begin(self, order, until, counted).await?;
        // A mere check is made afresh, whatever the key was used for.
        if !order.validate_only
            && let Some(replay) = transaction.replay(order).await?
        {
            transaction.abort().await;
            return replay;
        }
        let answer = match transaction.work_as_member(work).await {
            Ok(answer) => answer,
            Err(error) => {
                transaction.abort().await;
                return Err(error);
            }
        };
        let irregularities = std::mem::take(&mut transaction.found);
        let blocked = irregularities.blocks();
        let irregularities = irregularities.into_vec();
        match answer.filter(|_| !blocked && !order.validate_only) {
            None => {
                self.refuse(transaction).await?;
                Ok(Outcome { answer: None, irregularities, act: None })
            }
            Some(answer) => {
                if let Some(look) = transaction.look.take() {
                    transaction.insert::<LookupDoc>(&look).await?;
                }
                let record = ActRecord::new(order, transaction.act, &answer, &irregularities);
                transaction.insert::<ActRecord>(&record).await?;
                let act = transaction.act;
                match transaction.commit().await {
                    Err(StoreError::OutcomeUnknown) if self.was_written(act, until).await => {}
                    committed => committed?,
                }
                Ok(Outcome { answer: Some(answer), irregularities, act: Some(act) })
            }
        }
    }
}

impl Store {
    /// Undoes an act. Nothing is answered before a look at files out of sight is on record.
    async fn refuse(&self, mut transaction: Transaction) -> Result<(), StoreError> {
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
            Ok(collection::<ActRecord>(&database).find_one(doc! { "_id": binary(act) }).await?)
        });
        looked.await.is_ok_and(|found| found.is_some())
    }
}

impl Transaction {
    /// Does the work, if whoever ordered it is still a member in the same part: the board may lag.
    async fn work_as_member<T, F>(&mut self, work: &F) -> Result<Option<T>, StoreError>
    where
        F: for<'t> Fn(&'t mut Transaction) -> Work<'t, T> + Send + Sync,
    {
        if let OrderedBy::Member { subject, standing } = self.by.clone() {
            let member = self.by_id::<MemberDoc>(subject).await?;
            let same =
                |member: &Member| member.role == standing.role && Some(member.organisation) == standing.organisation;
            if !member.is_some_and(|member| same(&member)) {
                return Err(StoreError::NotAMember);
            }
        }
        work(self).await
    }

    /// Whether the member may perform the act on a record of these organisations. What it may not act on is answered as
    /// if it did not exist.
    pub(crate) fn may(&self, owners: Party<'_>) -> bool {
        self.by.standing().is_none_or(|standing| standing.may(self.ordered, owners))
    }

    /// Whether the member sees a class of a record of these organisations.
    pub(crate) fn sees(&self, owners: Party<'_>, class: DataClass) -> bool {
        self.by.standing().is_none_or(|standing| standing.sees(owners).contains(class))
    }

    /// Whose records alone the member may act on: what others keep is not even read. None for everybody's.
    pub(crate) fn keeper(&self) -> Option<OrganisationId> {
        self.actor.organisation.filter(|_| !self.may(Party::default()))
    }

    /// Whose files the member may see at all.
    pub(crate) fn guest_scope(&self) -> Result<GuestScope, StoreError> {
        match self.by.standing() {
            None => Ok(GuestScope::All),
            Some(standing) => GuestScope::of(standing).ok_or(StoreError::Forbidden),
        }
    }

    async fn begin(
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
            act: ActId::fresh(order.now),
            ordered: order.act,
            by: order.by.clone(),
            actor: order.by.actor(),
            validate_only: order.validate_only,
            now: order.now,
            found: Findings::default(),
            look: None,
            limits: store.lookup_limits(),
            counted: Arc::clone(counted),
            compared: Compared::new(),
        })
    }

    /// Today in Rome, as this act sees it.
    pub(crate) fn today(&self) -> Day {
        self.now.day()
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let act = self.act;
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
        // The commit itself goes on.
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

    pub(crate) async fn find_one<D: Document>(&mut self, filter: Filter) -> Result<Option<D::Noun>, StoreError> {
        self.find_one_by::<D>(filter, None).await
    }

    /// The one document that matches, asked for by an index when one is named.
    pub(crate) async fn find_one_by<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<Option<D::Noun>, StoreError> {
        let found = self.command(|database, session| {
            let find = async move {
                let all = collection::<D>(database);
                let found = all.find_one(filter).session(session);
                Ok(found.optional(index.map(Hint::Keys), |found, index| found.hint(index)).await?)
            };
            find.boxed()
        });
        found.await?.as_ref().map(read::<D>).transpose()
    }

    /// The first documents that match.
    pub(crate) async fn find_some<D: Document>(
        &mut self,
        filter: Filter,
        sort: Filter,
        most: usize,
    ) -> Result<Vec<D::Noun>, StoreError> {
        self.nouns::<D>(filter, sort, most as i64, None).await
    }

    /// The documents that match, asked for by an index when one is named.
    pub(crate) async fn find_by<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        self.nouns::<D>(filter, doc! {}, 0, index).await
    }

    async fn nouns<D: Document>(
        &mut self,
        filter: Filter,
        sort: Filter,
        most: i64,
        index: Option<Filter>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        let found = self.command(move |database, session| {
            let read = async move {
                let all = collection::<D>(database);
                let found = all.find(filter).sort(sort).limit(most);
                let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index));
                let mut cursor = found.session(&mut *session).await?;
                let mut found = Vec::new();
                while let Some(raw) = cursor.next(session).await {
                    found.push(raw?);
                }
                Ok(found)
            };
            read.boxed()
        });
        found.await?.iter().map(read::<D>).collect()
    }

    pub(crate) async fn find<D: Document>(&mut self, filter: Filter, sort: Filter) -> Result<Vec<D::Noun>, StoreError> {
        // A limit of zero is none.
        self.find_some::<D>(filter, sort, 0).await
    }

    pub(crate) async fn by_id<D: Document>(&mut self, id: impl Into<Bson>) -> Result<Option<D::Noun>, StoreError> {
        self.find_one::<D>(doc! { "_id": id.into() }).await
    }

    /// The one document that a pipeline makes of a collection.
    pub(crate) async fn aggregate_one<T>(
        &mut self,
        name: &'static str,
        pipeline: Vec<Filter>,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let made = self.command(move |database, session| {
            let make = async move {
                let documents = database.collection::<Filter>(name);
                let mut cursor = documents.aggregate(pipeline).with_type::<T>().session(&mut *session).await?;
                Ok(cursor.next(session).await.transpose()?)
            };
            make.boxed()
        });
        made.await
    }

    /// Whether a document matches, asked for by an index when one is named.
    pub(crate) async fn exists<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<bool, StoreError> {
        let found = self.command(|database, session| {
            let find = async move {
                let documents = collection::<D>(database);
                let found = documents.find_one(filter).projection(doc! { "_id": 1 });
                let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index));
                Ok(found.session(session).await?)
            };
            find.boxed()
        });
        Ok(found.await?.is_some())
    }

    pub(crate) async fn insert<D: Document>(&mut self, noun: &D::Noun) -> Result<(), StoreError> {
        let document = write::<D>(noun)?;
        let inserted = self.command(|database, session| {
            async move { Ok(collection::<D>(database).insert_one(document).session(session).await?) }.boxed()
        });
        inserted.await.map(drop)
    }

    /// Replaces the one document that matches, and tells whether one did.
    pub(crate) async fn replace<D: Document>(&mut self, filter: Filter, noun: &D::Noun) -> Result<bool, StoreError> {
        let document = write::<D>(noun)?;
        let replaced = self.command(|database, session| {
            async move { Ok(collection::<D>(database).replace_one(filter, document).session(session).await?) }.boxed()
        });
        Ok(replaced.await?.matched_count == 1)
    }

    /// Takes the next number of a named series, from 1. Gaps do not occur: an aborted act gives it back.
    pub(crate) async fn next_number(&mut self, series: &str) -> Result<i32, StoreError> {
        let (which, more) = (doc! { "_id": series }, doc! { "$inc": { "last": 1 } });
        let counter = self.command(|database, session| {
            let take = async move {
                let counters = database.collection::<Filter>("counters");
                let taken = counters.find_one_and_update(which, more).upsert(true);
                Ok(taken.return_document(ReturnDocument::After).session(session).await?)
            };
            take.boxed()
        });
        Ok(counter.await?.and_then(|counter| counter.get_i32("last").ok()).unwrap_or(1))
    }
}
