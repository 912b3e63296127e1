//! Numbered migrations, run by one process at a time.
//!
//! The version of a database is the number of migrations it has seen. Add a step at the end of
//! [`STEPS`]; never change one that has been released.

mod custody;
pub(crate) mod fingerprints;
mod protected_apart;

use std::{
    convert::Infallible,
    time::{Duration, Instant},
};

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture};
use mongodb::{
    Collection, Database,
    bson::{self, Bson, Document as Filter, Uuid, doc},
    options::ReturnDocument,
};
use tavolo_schema::{Clock, DateTime};

use crate::{
    Settings, Store, StoreError,
    accreditation::AccreditationDoc,
    act::ActDoc,
    capacity::PoolDoc,
    document::{
        instant,
        shape::{create_indexes, plain, shape, validator},
        stored::Stored,
    },
    error::{DUPLICATE_KEY, INDEX_NOT_FOUND, command_code, write_code},
    facility::FacilityDoc,
    guest::GuestDoc,
    ledger::LedgerDoc,
    lookup::LookupDoc,
    member::MemberDoc,
    municipality::MunicipalityDoc,
    organisation::OrganisationDoc,
    publication::PublicationDoc,
    statistics_table::StatisticsTableDoc,
    stay::StayDoc,
};

/// A migration. It can be run again from any point at which it was interrupted.
struct Step {
    /// What it does, for whoever waits for it.
    what: &'static str,
    run: for<'d> fn(&'d Database) -> BoxFuture<'d, Result<(), StoreError>>,
}

/// Every migration, in order.
const STEPS: &[Step] = &[
    Step { what: "collections, their validators and indexes", run: |database| shapes(database).boxed() },
    Step { what: "indexes by time, for exports and statistics", run: |database| time(database).boxed() },
    Step { what: "who sees a file, and the looks at files", run: |database| custody::run(database).boxed() },
    Step { what: "fingerprints of inputs, with a key", run: |database| fingerprints::run(database).boxed() },
    Step { what: "published statistics", run: |database| shape::<StatisticsTableDoc>(database).boxed() },
    Step { what: "published totals, and what a day began with", run: |database| publications(database).boxed() },
    Step { what: "the order of entries of one instant", run: |database| order_within_an_instant(database).boxed() },
    Step { what: "protected places published apart", run: |database| protected_apart::run(database).boxed() },
    Step { what: "validators that demand every field", run: |database| shapes(database).boxed() },
];

/// The version this binary brings a database to.
pub const SCHEMA_VERSION: i32 = STEPS.len() as i32;

impl Store {
    /// Connects, demands a replica set, and brings the database to the schema this binary knows.
    ///
    /// # Errors
    ///
    /// One line for each thing that can be wrong: the address, the server, its credentials, no
    /// replica set, a database of a newer version.
    pub async fn open(settings: &Settings, clock: &Clock) -> Result<Self, StoreError> {
        let store = Self::connect(settings).await?;
        store.migrate(clock).await?;
        Ok(store)
    }

    /// Brings the database to the schema this binary knows. By the clock, which has to be that of the machine, another
    /// process that is migrating the database is told from one that has died meanwhile.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or another process is migrating it and does not finish.
    pub async fn migrate(&self, clock: &Clock) -> Result<(), StoreError> {
        let clock = clock.clone();
        self.gate().to_the_end(|database| async move { run(&database, &clock).await }).await
    }

    /// Connects to a database that a hub works on, and changes nothing of it.
    ///
    /// # Errors
    ///
    /// As [`Store::connect`]; [`StoreError::NotTavolo`] when it is none, [`StoreError::OlderSchema`] when it has not been
    /// migrated.
    pub async fn open_existing(settings: &Settings) -> Result<Self, StoreError> {
        let store = Self::connect(settings).await?;
        match store.version().await? {
            SCHEMA_VERSION => Ok(store),
            0 => Err(StoreError::NotTavolo(settings.database.clone())),
            found => Err(StoreError::OlderSchema { database: settings.database.clone(), found, known: SCHEMA_VERSION }),
        }
    }

    /// The schema of the database; 0 when it is none of Tavolo.
    ///
    /// # Errors
    ///
    /// [`StoreError::NewerSchema`] when this binary does not know it; otherwise faults of the database.
    pub async fn version(&self) -> Result<i32, StoreError> {
        self.gate().command(|database| async move { version(&database).await }).await
    }
}

/// A process that has not renewed its lock for so long is taken for dead.
const LEASE: Duration = Duration::from_secs(60);

/// How long to wait for another process that migrates.
const PATIENCE: Duration = Duration::from_secs(90);

/// Renews the lock for as long as a migration takes.
async fn keep_lock(database: &Database, holder: Uuid, clock: &Clock) -> Infallible {
    let meta = database.collection::<Filter>("meta");
    loop {
        tokio::time::sleep(LEASE / 4).await;
        let own = doc! { "_id": "schema", "holder": holder };
        if let Err(error) = meta.update_one(own, doc! { "$set": { "until": lease_from(clock.now()) } }).await {
            tracing::warn!(%error, "the lock of a migration could not be renewed");
        }
    }
}

/// When a lock ends that is taken or renewed now.
fn lease_from(now: DateTime) -> bson::DateTime {
    instant(now.plus_millis(LEASE.as_millis() as i64))
}

/// Brings the database to [`SCHEMA_VERSION`]. The clock is that of this machine, as that of every other process which may
/// hold the lock.
pub(crate) async fn run(database: &Database, clock: &Clock) -> Result<(), StoreError> {
    if version(database).await? == SCHEMA_VERSION {
        return Ok(());
    }
    let holder = Uuid::new();
    lock(database, holder, clock).await?;
    let outcome = tokio::select! {
        outcome = migrate(database, holder) => outcome,
        never = keep_lock(database, holder, clock) => match never {},
    };
    let meta = database.collection::<Filter>("meta");
    let unlock = doc! { "$unset": { "holder": "", "until": "" } };
    meta.update_one(doc! { "_id": "schema", "holder": holder }, unlock).await?;
    outcome
}

async fn migrate(database: &Database, holder: Uuid) -> Result<(), StoreError> {
    let done = version(database).await?;
    for (step, number) in STEPS.iter().zip(1..).filter(|(_, number)| *number > done) {
        tracing::info!(database = database.name(), version = number, what = step.what, "migrating");
        (step.run)(database).await?;
        let done = doc! { "$set": { "version": number } };
        let own = doc! { "_id": "schema", "holder": holder };
        if database.collection::<Filter>("meta").update_one(own, done).await?.matched_count == 0 {
            return Err(StoreError::MigrationLocked(database.name().into()));
        }
        tracing::info!(database = database.name(), version = number, "migrated");
    }
    Ok(())
}

/// The version of a database; 0 when no Tavolo has seen it.
pub(crate) async fn version(database: &Database) -> Result<i32, StoreError> {
    let found = database.collection::<Filter>("meta").find_one(doc! { "_id": "schema" }).await?;
    let version = found.and_then(|schema| schema.get_i32("version").ok()).unwrap_or(0);
    if version > SCHEMA_VERSION {
        return Err(StoreError::NewerSchema {
            database: database.name().into(),
            found: version,
            known: SCHEMA_VERSION,
        });
    }
    Ok(version)
}

async fn lock(database: &Database, holder: Uuid, clock: &Clock) -> Result<(), StoreError> {
    let meta = database.collection::<Filter>("meta");
    let started = Instant::now();
    loop {
        let now = clock.now();
        let free = doc! { "_id": "schema", "$or": [{ "until": null }, { "until": { "$lt": instant(now) } }] };
        let take = doc! { "$set": { "holder": holder, "until": lease_from(now) } };
        match meta.find_one_and_update(free, take).upsert(true).return_document(ReturnDocument::After).await {
            Ok(_) => return Ok(()),
            Err(error) if write_code(&error) == Some(DUPLICATE_KEY) => {}
            Err(error) => return Err(error.into()),
        }
        if started.elapsed() > PATIENCE {
            return Err(StoreError::MigrationLocked(database.name().into()));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Every collection with its shape, as the documents say.
async fn shapes(database: &Database) -> Result<(), StoreError> {
    shape::<MunicipalityDoc>(database).await?;
    shape::<OrganisationDoc>(database).await?;
    shape::<MemberDoc>(database).await?;
    shape::<FacilityDoc>(database).await?;
    shape::<PoolDoc>(database).await?;
    shape::<AccreditationDoc>(database).await?;
    shape::<LedgerDoc>(database).await?;
    shape::<GuestDoc>(database).await?;
    shape::<StayDoc>(database).await?;
    shape::<ActDoc>(database).await?;
    shape::<LookupDoc>(database).await?;
    shape::<PublicationDoc>(database).await?;
    shape::<StatisticsTableDoc>(database).await?;
    counters(database).await
}

/// Numbers of named series, which are no nouns.
async fn counters(database: &Database) -> Result<(), StoreError> {
    if !database.list_collection_names().await?.iter().any(|existing| existing == "counters") {
        let validator = validator(&[("last", i32::KIND)]);
        database.create_collection("counters").validator(validator).await?;
    }
    Ok(())
}

/// The order of time, for exports and statistics.
async fn time(database: &Database) -> Result<(), StoreError> {
    for (name, index) in [("ledger", doc! { "occurredAt": 1, "_id": 1 }), ("stays", doc! { "entryAt": 1, "_id": 1 })] {
        create_indexes(database, name, vec![plain(index)]).await?;
    }
    Ok(())
}

/// What the public is told of totals; and in each pool, what its day began with.
async fn publications(database: &Database) -> Result<(), StoreError> {
    shape::<PublicationDoc>(database).await?;
    also_require(database, "pools", &[("opening", "object")]).await?;
    let pools = database.collection::<Filter>("pools");
    let mut without = pools.find(doc! { "opening": { "$exists": false } }).await?;
    while let Some(mut pool) = without.try_next().await? {
        let id = pool.get_document("_id").cloned().unwrap_or_default();
        pool.insert("opening", opening_of(database, &id).await?);
        let unchanged = doc! { "_id": id, "revision": pool.get("revision") };
        // Pools are replaced as a whole: the change feed takes no patches.
        pools.replace_one(unchanged, pool).await?;
    }
    Ok(())
}

/// The order of entries that occurred at one instant: by pool, as its ledger has them.
async fn order_within_an_instant(database: &Database) -> Result<(), StoreError> {
    let ledger = database.collection::<Filter>("ledger");
    let order = plain(doc! { "occurredAt": 1, "facility": 1, "category": 1, "revision": 1 });
    create_indexes(database, "ledger", vec![order]).await?;
    drop_unused(&ledger, "occurredAt_1__id_1").await
}

/// Drops an index that nothing asks by any more, unless an interrupted run has dropped it already.
async fn drop_unused(collection: &Collection<Filter>, index: &str) -> Result<(), StoreError> {
    match collection.drop_index(index).await {
        Err(error) if command_code(&error) == Some(INDEX_NOT_FOUND) => Ok(()),
        dropped => Ok(dropped?),
    }
}

/// What the last day of a pool's ledger began with.
async fn opening_of(database: &Database, pool: &Filter) -> Result<Filter, StoreError> {
    let of_pool = doc! { "facility": pool.get("facility"), "category": pool.get("category") };
    let ledger = database.collection::<Filter>("ledger");
    let mut entries = ledger.find(of_pool).sort(doc! { "revision": -1 }).await?;
    let mut last = None;
    while let Some(entry) = entries.try_next().await? {
        let day = entry.get_datetime("registeredAt").ok().and_then(|at| at.timestamp_millis().into()).map(day_of);
        if *last.get_or_insert(day) != day {
            return Ok(entry.get_document("after").cloned().unwrap_or_default());
        }
    }
    Ok(doc! { "accredited": 0, "installed": 0, "blocked": 0, "occupied": 0, "reserved": 0 })
}

fn day_of(millis: i64) -> Option<tavolo_schema::Day> {
    tavolo_schema::DateTime::from_millis(millis).map(tavolo_schema::DateTime::day)
}

/// Adds fields that a document of a collection must have. A hub of an earlier version that is still at work is refused its
/// writes from then on: it would leave the fields out, and nobody could read what it wrote.
async fn also_require(database: &Database, name: &str, fields: &[(&str, &str)]) -> Result<(), StoreError> {
    let mut found = database.list_collections().filter(doc! { "name": name }).await?;
    let options = found.try_next().await?.map(|collection| collection.options).unwrap_or_default();
    let mut validator = options.validator.unwrap_or_default();
    let schema = validator.entry("$jsonSchema").or_insert_with(|| doc! { "bsonType": "object" }.into());
    if let Some(schema) = schema.as_document_mut() {
        for (field, kind) in fields {
            add_field(schema, field, kind);
        }
    }
    database.run_command(doc! { "collMod": name, "validator": validator }).await?;
    Ok(())
}

fn add_field(schema: &mut Filter, field: &str, kind: &str) {
    let required = schema.entry("required").or_insert_with(|| Bson::Array(Vec::new()));
    if let Some(required) = required.as_array_mut()
        && !required.iter().any(|own| own.as_str() == Some(field))
    {
        required.push(field.into());
    }
    let properties = schema.entry("properties").or_insert_with(|| doc! {}.into());
    if let Some(properties) = properties.as_document_mut() {
        properties.insert(field, doc! { "bsonType": kind });
    }
}
