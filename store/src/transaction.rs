//! One act, one transaction.
//!
//! [`Store::perform`] is the only way an act is written. It runs the act's work in a transaction
//! (snapshot read concern, majority write concern), and then either writes the record of the act
//! and commits, or aborts: because the work found something that blocks, or because the caller only
//! wanted to know. When another writer was first, the whole work is repeated on what that writer
//! left, with back-off, so that it decides again; it never overwrites.
//!
//! A refused act leaves nothing behind, with one exception: that files out of the member's sight were looked
//! at for it is counted and on record (`lookup`).

use std::{
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use backon::{BackoffBuilder, ExponentialBuilder};
use futures_util::future::BoxFuture;
use mongodb::{
    ClientSession, Database, SessionCursor,
    action::Action,
    bson::{Bson, Document as Filter, RawDocumentBuf, doc},
    options::{Acknowledgment, Hint, ReadConcern, WriteConcern},
};
use serde::{Serialize, de::DeserializeOwned};
use tavolo_schema::{
    Act, Actor, DateTime, Day, Facility, Findings, Lookup, Member,
    id::{ActId, OrganisationId},
};

use crate::{
    Order, Outcome, Store, StoreError,
    act::ActRecord,
    document::{Document, binary, collection, read, write},
    lookup::{LookupDoc, LookupLimits},
    member::MemberDoc,
};

/// How long an act is repeated while other writers are first.
const PATIENCE: Duration = Duration::from_secs(15);

/// A transaction in progress: what an act sees and has found so far.
pub(crate) struct Transaction {
    session: ClientSession,
    pub(crate) database: Database,
    pub(crate) act: ActId,
    pub(crate) ordered: Act,
    pub(crate) actor: Actor,
    pub(crate) now: DateTime,
    pub(crate) found: Findings,
    /// The look that was taken at files out of the member's sight: to be recorded, whatever comes of the act.
    pub(crate) look: Option<Lookup>,
    pub(crate) limits: LookupLimits,
    /// Whether a look may be taken, once that has been counted for the order.
    pub(crate) counted: Arc<OnceLock<bool>>,
    pub(crate) keeper: Option<OrganisationId>,
    pub(crate) within_reach: Reach<Facility>,
}

/// Says which things a member may name. What is out of reach is answered as if it did not exist.
pub type Reach<T> = Arc<dyn Fn(&T) -> bool + Send + Sync>;

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
        let counted = Arc::new(OnceLock::new());
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(2))
            .with_max_delay(Duration::from_millis(200))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            match self.attempt(order, &counted, &work).await {
                // No server was found for as long as anybody waits for one.
                Err(error @ StoreError::Unavailable(_)) if started.elapsed() >= self.patience() => return Err(error),
                Err(error) if error.is_transient() => {
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
        counted: &Arc<OnceLock<bool>>,
        work: &F,
    ) -> Result<Outcome<T>, StoreError>
    where
        T: Serialize + DeserializeOwned + Send,
        F: for<'t> Fn(&'t mut Transaction) -> Work<'t, T> + Send + Sync,
    {
        let mut transaction = Transaction::begin(self, order, counted).await?;
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
                    Err(StoreError::OutcomeUnknown) if self.was_written(act).await => {}
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
            collection::<LookupDoc>(self.database()).insert_one(write::<LookupDoc>(&look)?).await?;
        }
        Ok(())
    }

    /// Whether an act is in the books after all. That it is not there yet proves nothing.
    async fn was_written(&self, act: ActId) -> bool {
        let acts = collection::<ActRecord>(self.database());
        acts.find_one(doc! { "_id": binary(act) }).await.is_ok_and(|found| found.is_some())
    }
}

impl Transaction {
    /// Does the work, if whoever ordered it is still a member in the same part: the board may lag.
    async fn work_as_member<T, F>(&mut self, work: &F) -> Result<Option<T>, StoreError>
    where
        F: for<'t> Fn(&'t mut Transaction) -> Work<'t, T> + Send + Sync,
    {
        if let Some(subject) = self.actor.subject.clone() {
            let member = self.by_id::<MemberDoc>(subject).await?;
            let same = |member: &Member| {
                Some(member.role) == self.actor.role && Some(member.organisation) == self.actor.organisation
            };
            if !member.is_some_and(|member| same(&member)) {
                return Err(StoreError::NotAMember);
            }
        }
        work(self).await
    }

    async fn begin(store: &Store, order: &Order, counted: &Arc<OnceLock<bool>>) -> Result<Self, StoreError> {
        let mut session = store.client().start_session().await?;
        session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(WriteConcern::builder().w(Acknowledgment::Majority).build())
            .await?;
        Ok(Self {
            session,
            database: store.database().clone(),
            act: ActId::fresh(order.now),
            ordered: order.act,
            actor: order.actor.clone(),
            now: order.now,
            found: Findings::default(),
            look: None,
            limits: store.lookup_limits(),
            counted: Arc::clone(counted),
            keeper: order.keeper,
            within_reach: Reach::clone(&order.within_reach),
        })
    }

    /// Today in Rome, as this act sees it.
    pub(crate) fn today(&self) -> Day {
        self.now.day()
    }

    async fn commit(mut self) -> Result<(), StoreError> {
        let mut tries = 3;
        loop {
            match self.session.commit_transaction().await {
                Err(error) if error.contains_label(mongodb::error::UNKNOWN_TRANSACTION_COMMIT_RESULT) => {
                    if tries == 0 {
                        tracing::warn!(%error, act = %self.act, "it is unknown whether an act was committed");
                        return Err(StoreError::OutcomeUnknown);
                    }
                    tries -= 1;
                }
                outcome => return Ok(outcome?),
            }
        }
    }

    async fn abort(mut self) {
        if let Err(error) = self.session.abort_transaction().await {
            // The server ends an orphaned transaction by itself.
            tracing::debug!(%error, "a transaction could not be aborted");
        }
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
        let all = collection::<D>(&self.database);
        let found = all.find_one(filter).session(&mut self.session);
        let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index)).await?;
        found.as_ref().map(read::<D>).transpose()
    }

    /// The first documents that match.
    pub(crate) async fn find_some<D: Document>(
        &mut self,
        filter: Filter,
        sort: Filter,
        most: usize,
    ) -> Result<Vec<D::Noun>, StoreError> {
        let all = collection::<D>(&self.database);
        let found = all.find(filter).sort(sort).limit(most as i64);
        let cursor = found.session(&mut self.session).await?;
        self.nouns::<D>(cursor).await
    }

    /// The documents that match, asked for by an index when one is named.
    pub(crate) async fn find_by<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        let all = collection::<D>(&self.database);
        let found = all.find(filter);
        let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index));
        let cursor = found.session(&mut self.session).await?;
        self.nouns::<D>(cursor).await
    }

    async fn nouns<D: Document>(
        &mut self,
        mut cursor: SessionCursor<RawDocumentBuf>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        let mut nouns = Vec::new();
        while let Some(raw) = cursor.next(&mut self.session).await {
            nouns.push(read::<D>(&raw?)?);
        }
        Ok(nouns)
    }

    pub(crate) async fn find<D: Document>(&mut self, filter: Filter, sort: Filter) -> Result<Vec<D::Noun>, StoreError> {
        // A limit of zero is none.
        self.find_some::<D>(filter, sort, 0).await
    }

    pub(crate) async fn by_id<D: Document>(&mut self, id: impl Into<Bson>) -> Result<Option<D::Noun>, StoreError> {
        self.find_one::<D>(doc! { "_id": id.into() }).await
    }

    /// Whether a document matches, asked for by an index when one is named.
    pub(crate) async fn exists<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<bool, StoreError> {
        let all = collection::<D>(&self.database);
        let found = all.find_one(filter).projection(doc! { "_id": 1 });
        let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index));
        Ok(found.session(&mut self.session).await?.is_some())
    }

    pub(crate) async fn insert<D: Document>(&mut self, noun: &D::Noun) -> Result<(), StoreError> {
        collection::<D>(&self.database).insert_one(write::<D>(noun)?).session(&mut self.session).await?;
        Ok(())
    }

    /// Replaces the one document that matches, and tells whether one did.
    pub(crate) async fn replace<D: Document>(&mut self, filter: Filter, noun: &D::Noun) -> Result<bool, StoreError> {
        let replaced =
            collection::<D>(&self.database).replace_one(filter, write::<D>(noun)?).session(&mut self.session).await?;
        Ok(replaced.matched_count == 1)
    }

    /// Takes the next number of a named series, from 1. Gaps do not occur: an aborted act gives it back.
    pub(crate) async fn next_number(&mut self, series: &str) -> Result<i32, StoreError> {
        let counter = self
            .database
            .collection::<Filter>("counters")
            .find_one_and_update(doc! { "_id": series }, doc! { "$inc": { "last": 1 } })
            .upsert(true)
            .return_document(mongodb::options::ReturnDocument::After)
            .session(&mut self.session)
            .await?;
        Ok(counter.and_then(|counter| counter.get_i32("last").ok()).unwrap_or(1))
    }
}
