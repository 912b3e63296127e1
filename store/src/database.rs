//! The connection: what a hub demands of its database before it trusts it with anything.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{Stream, StreamExt, TryStreamExt};
use mongodb::{
    Client, Database,
    bson::{Document as Bson, RawDocumentBuf, doc},
    error::ErrorKind,
    event::{EventHandler, cmap::CmapEvent, command::CommandEvent},
    options::{Acknowledgment, ClientOptions, ReadConcern, WriteConcern},
};

use crate::{
    StoreError,
    document::{Document, Excerpt, collection, read, read_excerpt, write},
    lookup::LookupLimits,
    migrations,
};

/// Where the database is and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// MongoDB address.
    pub uri: String,
    /// Name of the database.
    pub database: String,
    /// How long an operation waits for a server.
    pub patience: Duration,
    /// How many looks at files out of their sight members may take in a day.
    pub lookups: LookupLimits,
}

impl Settings {
    /// Settings for an address and a database, with a patience of five seconds and the usual number of looks.
    #[must_use]
    pub fn new(uri: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            patience: Duration::from_secs(5),
            lookups: LookupLimits::default(),
        }
    }
}

/// The database of one hub.
#[derive(Clone, Debug)]
pub struct Store {
    database: Database,
    commands: Arc<AtomicU64>,
    connections: Arc<Gauges>,
    patience: Duration,
    lookups: LookupLimits,
}

/// The connections to the database, as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Connections that are open.
    pub open: i64,
    /// Those that somebody works with.
    pub in_use: i64,
    /// Operations that wait for one.
    pub waiting: i64,
}

/// What the driver tells about its connections, added up.
#[derive(Debug, Default)]
struct Gauges {
    open: AtomicI64,
    in_use: AtomicI64,
    waiting: AtomicI64,
}

impl Gauges {
    fn note(&self, event: &CmapEvent) {
        let add = |gauge: &AtomicI64, change| {
            gauge.fetch_add(change, Ordering::Relaxed);
        };
        match event {
            CmapEvent::ConnectionCreated(_) => add(&self.open, 1),
            CmapEvent::ConnectionClosed(_) => add(&self.open, -1),
            CmapEvent::ConnectionCheckoutStarted(_) => add(&self.waiting, 1),
            CmapEvent::ConnectionCheckoutFailed(_) => add(&self.waiting, -1),
            CmapEvent::ConnectionCheckedOut(_) => {
                add(&self.waiting, -1);
                add(&self.in_use, 1);
            }
            CmapEvent::ConnectionCheckedIn(_) => add(&self.in_use, -1),
            _ => {}
        }
    }
}

/// Documents of a batch. The server by itself would send 16 MB of them at a time.
const BATCH: u32 = 1_000;

impl Store {
    /// Connects, demands a replica set, and brings the database to the schema this binary knows.
    ///
    /// # Errors
    ///
    /// One line for each thing that can be wrong: the address, the server, its credentials, no
    /// replica set, a database of a newer version.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let store = Self::connect(settings).await?;
        migrations::run(&store.database).await?;
        Ok(store)
    }

    /// Connects and demands a replica set.
    ///
    /// # Errors
    ///
    /// As [`Store::open`], without those of the schema.
    pub async fn connect(settings: &Settings) -> Result<Self, StoreError> {
        let mut options = client_options(settings).await?;
        let commands = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&commands);
        options.command_event_handler = Some(EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event
                && is_work(&started.command_name, &started.command)
            {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }));
        let connections = Arc::new(Gauges::default());
        let noted = Arc::clone(&connections);
        options.cmap_event_handler = Some(EventHandler::callback(move |event| noted.note(&event)));
        let client = Client::with_options(options)?;
        let hello = client.database("admin").run_command(doc! { "hello": 1 }).await?;
        if !hello.contains_key("setName") {
            return Err(StoreError::NoReplicaSet);
        }
        let database = client.database(&settings.database);
        let store = Self { database, commands, connections, patience: settings.patience, lookups: settings.lookups };
        // `hello` needs no credentials; this does.
        store.database.list_collection_names().await?;
        Ok(store)
    }

    /// Commands sent to the database so far, without those that keep the change feed open.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.load(Ordering::Relaxed)
    }

    /// The connections to the database.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let now = |gauge: &AtomicI64| gauge.load(Ordering::Relaxed);
        let Gauges { open, in_use, waiting } = &*self.connections;
        Connections { open: now(open), in_use: now(in_use), waiting: now(waiting) }
    }

    /// Removes the whole database. For tests and demonstrations that made it themselves.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn drop_database(&self) -> Result<(), StoreError> {
        Ok(self.database.drop().await?)
    }

    /// How long an operation waits for a server.
    pub(crate) fn patience(&self) -> Duration {
        self.patience
    }

    pub(crate) fn lookup_limits(&self) -> LookupLimits {
        self.lookups
    }

    /// Puts a mark on the database, by which a later process knows what was done to it.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn mark(&self, mark: &str) -> Result<(), StoreError> {
        let meta = self.database.collection::<Bson>("meta");
        meta.update_one(doc! { "_id": mark }, doc! { "$set": { "marked": true } }).upsert(true).await?;
        Ok(())
    }

    /// Whether the database bears a mark.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn has_mark(&self, mark: &str) -> Result<bool, StoreError> {
        Ok(self.database.collection::<Bson>("meta").find_one(doc! { "_id": mark }).await?.is_some())
    }

    pub(crate) fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn client(&self) -> &Client {
        self.database.client()
    }

    pub(crate) async fn find_all<D: Document>(&self, filter: Bson, sort: Bson) -> Result<Vec<D::Noun>, StoreError> {
        let cursor = collection::<D>(&self.database).find(filter).sort(sort).await?;
        cursor.map_err(StoreError::from).and_then(|raw| async move { read::<D>(&raw) }).try_collect().await
    }

    /// Documents as they come, a batch at a time: what is not read is not held. Dropping the stream ends the cursor.
    pub(crate) async fn excerpts<E: Excerpt>(
        &self,
        filter: Bson,
        sort: Bson,
    ) -> Result<impl Stream<Item = Result<E::Noun, StoreError>> + Send + use<E>, StoreError> {
        let documents = self.database.collection::<RawDocumentBuf>(E::COLLECTION);
        let cursor = documents.find(filter).sort(sort).projection(E::fields()).batch_size(BATCH).await?;
        Ok(cursor.map(|raw| read_excerpt::<E>(&raw?)))
    }

    /// Whole documents, in the same way.
    pub(crate) async fn stream<D: Document>(
        &self,
        filter: Bson,
        sort: Bson,
    ) -> Result<impl Stream<Item = Result<D::Noun, StoreError>> + Send + use<D>, StoreError> {
        let cursor = collection::<D>(&self.database).find(filter).sort(sort).batch_size(BATCH).await?;
        Ok(cursor.map(|raw| read::<D>(&raw?)))
    }

    pub(crate) async fn insert_all<D: Document>(&self, nouns: &[D::Noun]) -> Result<(), StoreError> {
        for chunk in nouns.chunks(2_000) {
            let documents = chunk.iter().map(write::<D>).collect::<Result<Vec<_>, _>>()?;
            collection::<D>(&self.database).insert_many(documents).ordered(false).await?;
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

/// The change feed's own waiting is no work; everything else is.
fn is_work(name: &str, command: &Bson) -> bool {
    match name {
        "getMore" => command.get_str("collection").ok() != Some("$cmd.aggregate"),
        "hello" | "ismaster" | "ping" | "killCursors" | "endSessions" => false,
        _ => true,
    }
}
