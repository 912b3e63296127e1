//! The connection: what a hub demands of its database before it trusts it with anything, and the ways to ask it.

use std::sync::{Arc, atomic::Ordering};

use futures_util::{Stream, StreamExt, TryStreamExt};
use mongodb::{
    action::Action,
    bson::{self, Document as Bson, RawDocumentBuf, doc},
    error::ErrorKind,
    event::{EventHandler, cmap::CmapEvent, command::CommandEvent},
    options::{Acknowledgment, ClientOptions, Hint, ReadConcern, WriteConcern},
};
use serde::de::DeserializeOwned;

use crate::{
    LookupLimits, Settings, StoreError,
    document::{Document, Projection, collection, read, read_projection, write},
    gate::{Behalf, Connections, Figures, Gate},
    key::Key,
};

/// Where flags are.
const META: &str = "meta";

/// The database of one hub.
#[derive(Clone, Debug)]
pub struct Store {
    gate: Gate,
    /// None for whoever performs no acts with an idempotency key.
    key: Option<Arc<Key>>,
    lookups: LookupLimits,
}

impl Store {
    /// Connects and demands a replica set.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], without those of the schema.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let mut options = client_options(settings).await?;
        let figures = Arc::new(Figures::default());
        let noted = Arc::clone(&figures);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event
                && is_work(&started.command_name, &started.command)
            {
                noted.commands.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let noted = Arc::clone(&figures);
        options.cmap_event_handler = Some(EventHandler::callback(move |event| {
            match event {
                CmapEvent::ConnectionCreated(_) => noted.open.fetch_add(1, Ordering::Relaxed),
                CmapEvent::ConnectionClosed(_) => noted.open.fetch_sub(1, Ordering::Relaxed),
                _ => 0,
            };
        }));
        let gate = Gate::before(options, settings, figures)?;
        gate.at_leisure(|database| async move {
            let hello = database.client().database("admin").run_command(doc! { "hello": 1 }).await?;
            if !hello.contains_key("setName") {
                return Err(StoreError::NoReplicaSet);
            }
            // `hello` needs no credentials, a list of collections does: wrong credentials are found here.
            database.list_collection_names().await?;
            Ok(())
        })
        .await?;
        Ok(Self { gate, key: None, lookups: settings.lookups })
    }

    /// The same database, asked on somebody's behalf: few commands of each at once.
    #[must_use]
    pub fn on_behalf_of(&self, behalf: Behalf) -> Self {
        Self { gate: self.gate.on_behalf_of(behalf), key: self.key.clone(), lookups: self.lookups }
    }

    /// Waits for something else as long as for an answer of the database.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] when it does not come within the patience.
    pub async fn in_patience<T>(&self, other: impl Future<Output = T>) -> Result<T, StoreError> {
        self.gate.in_patience(other).await
    }

    /// Commands sent to the database so far, without those that keep the change feed open and those that publish totals.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.gate.commands()
    }

    /// The connections to the database.
    #[must_use]
    pub fn connections(&self) -> Connections {
        self.gate.connections()
    }

    /// Name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        self.gate.database_name()
    }

    /// Removes the whole database. For tests and demonstrations that made it themselves.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn drop_database(&self) -> Result<(), StoreError> {
        self.gate.to_the_end(|database| async move { Ok(database.drop().await?) }).await
    }

    pub(crate) fn keyed(self, key: Key) -> Self {
        Self { key: Some(Arc::new(key)), ..self }
    }

    pub(crate) fn key(&self) -> Option<&Key> {
        self.key.as_deref()
    }

    pub(crate) fn lookup_limits(&self) -> LookupLimits {
        self.lookups
    }

    /// Sets a flag in the database, by which a later process knows what was done to it.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn set_flag(&self, flag: &str) -> Result<(), StoreError> {
        let (which, marked) = (doc! { "_id": flag }, doc! { "$set": { "marked": true } });
        self.gate
            .command(|database| async move {
                database.collection::<Bson>(META).update_one(which, marked).upsert(true).await?;
                Ok(())
            })
            .await
    }

    /// Whether the database has a flag.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn has_flag(&self, flag: &str) -> Result<bool, StoreError> {
        let which = doc! { "_id": flag };
        let found =
            self.gate.command(|database| async move { Ok(database.collection::<Bson>(META).find_one(which).await?) });
        Ok(found.await?.is_some())
    }

    /// The way to the database.
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }

    pub(crate) async fn find_all<D: Document>(&self, filter: Bson, sort: Bson) -> Result<Vec<D::Noun>, StoreError> {
        self.stream::<D>(filter, sort).await?.try_collect().await
    }

    /// The first documents, so many at most, or all when that is zero; asked for by an index when one is named.
    pub(crate) async fn find_by<D: Document>(
        &self,
        filter: Bson,
        sort: Bson,
        most: i64,
        index: Option<Bson>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        let found = self.gate.read(move |database, batch| async move {
            let all = collection::<D>(&database);
            let found = all.find(filter).sort(sort).limit(most).batch_size(batch);
            found.optional(index.map(Hint::Keys), |found, index| found.hint(index)).await
        });
        found.await?.map(|raw| read::<D>(&raw?)).try_collect().await
    }

    /// How many documents match, asked for by an index when one is named.
    pub(crate) async fn count<D: Document>(&self, filter: Bson, index: Option<Bson>) -> Result<u64, StoreError> {
        let count = |database: mongodb::Database| async move {
            let all = collection::<D>(&database);
            let counted = all.count_documents(filter);
            Ok(counted.optional(index.map(Hint::Keys), |counted, index| counted.hint(index)).await?)
        };
        self.gate.command(count).await
    }

    /// What a pipeline makes of a collection, asked for by an index when one is named.
    pub(crate) async fn aggregate<T>(
        &self,
        name: &'static str,
        pipeline: Vec<Bson>,
        index: Option<Bson>,
    ) -> Result<Vec<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + Unpin + 'static,
    {
        let found = self.gate.read(move |database, batch| async move {
            let documents = database.collection::<RawDocumentBuf>(name);
            let made = documents.aggregate(pipeline).batch_size(batch);
            made.optional(index.map(Hint::Keys), |made, index| made.hint(index)).with_type::<T>().await
        });
        found.await?.try_collect().await
    }

    /// Documents as they come, a batch at a time: what is not read is not held. Dropping the stream ends the cursor.
    pub(crate) async fn projections<E: Projection>(
        &self,
        filter: Bson,
        sort: Bson,
    ) -> Result<impl Stream<Item = Result<E::Noun, StoreError>> + Send + use<E>, StoreError> {
        let found = self.gate.read(move |database, batch| async move {
            let documents = database.collection::<RawDocumentBuf>(E::COLLECTION);
            documents.find(filter).sort(sort).projection(E::fields()).batch_size(batch).await
        });
        Ok(found.await?.map(|raw| read_projection::<E>(&raw?)))
    }

    /// Whole documents, in the same way.
    pub(crate) async fn stream<D: Document>(
        &self,
        filter: Bson,
        sort: Bson,
    ) -> Result<impl Stream<Item = Result<D::Noun, StoreError>> + Send + use<D>, StoreError> {
        let found = self.gate.read(move |database, batch| async move {
            collection::<D>(&database).find(filter).sort(sort).batch_size(batch).await
        });
        Ok(found.await?.map(|raw| read::<D>(&raw?)))
    }

    /// Writes one document outside of any act.
    pub(crate) async fn insert<D: Document>(&self, noun: &D::Noun) -> Result<(), StoreError> {
        let document = write::<D>(noun)?;
        self.gate
            .command(|database| async move {
                collection::<D>(&database).insert_one(document).await?;
                Ok(())
            })
            .await
    }

    /// Writes one document outside of any act, in the place of another with the same id if there is one.
    pub(crate) async fn put<D: Document>(&self, id: bson::Bson, noun: &D::Noun) -> Result<(), StoreError> {
        let document = write::<D>(noun)?;
        self.gate
            .command(|database| async move {
                collection::<D>(&database).replace_one(doc! { "_id": id }, document).upsert(true).await?;
                Ok(())
            })
            .await
    }

    pub(crate) async fn insert_all<D: Document>(&self, nouns: &[D::Noun]) -> Result<(), StoreError> {
        for chunk in nouns.chunks(2_000) {
            let documents = chunk.iter().map(write::<D>).collect::<Result<Vec<_>, _>>()?;
            self.gate
                .at_leisure(|database| async move {
                    collection::<D>(&database).insert_many(documents).ordered(false).await?;
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }
}

/// How every connection of ours behaves, whatever the address says.
pub(crate) async fn client_options(settings: &Settings) -> Result<ClientOptions, StoreError> {
    let mut options = ClientOptions::parse(&settings.uri).await.map_err(|error| match error.kind.as_ref() {
        ErrorKind::InvalidArgument { message, .. } => StoreError::Address(message.clone()),
        _ => error.into(),
    })?;
    options.app_name.get_or_insert_with(|| "tavolo".into());
    options.server_selection_timeout = Some(settings.patience);
    options.connect_timeout = Some(settings.patience);
    options.write_concern = Some(WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build());
    options.read_concern = Some(ReadConcern::majority());
    // A secondary may not know yet what the change feed has told.
    options.selection_criteria = None;
    options.retry_reads = Some(true);
    options.retry_writes = Some(true);
    Ok(options)
}

/// The change feed's own waiting is no work, nor is what is published by the hub itself; everything else is.
fn is_work(name: &str, command: &Bson) -> bool {
    match name {
        "getMore" => command.get_str("collection").ok() != Some("$cmd.aggregate"),
        "insert" => command.get_str("insert").ok() != Some("publications"),
        "hello" | "ismaster" | "ping" | "killCursors" | "endSessions" => false,
        _ => true,
    }
}
