//! What a server has to say about itself before a hub relies on it. Nothing asked here changes a document.

use mongodb::{
    Client, Database,
    bson::{Bson, Document as Filter, doc},
};
use tavolo_schema::DateTime;

use crate::{
    Key, Settings, StoreError, database::client_options, document::collection, key::kept, member::MemberDoc, migrations,
};

/// A connection that asks questions, to whatever server is there.
#[derive(Debug)]
pub struct ServerProbe {
    database: Database,
}

/// Who answers.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The version of MongoDB, such as `6.0.5`.
    pub version: String,
    /// Its first number.
    pub major: i32,
    /// The name of the replica set, when the server is in one.
    pub replica_set: Option<String>,
    /// The server's clock.
    pub clock: Option<DateTime>,
}

/// How a replica set stands.
#[derive(Clone, Copy, Debug)]
pub struct Majority {
    /// Members of the set.
    pub members: usize,
    /// Members that are primary or follow it.
    pub healthy: usize,
    /// Members that must have a write before it counts.
    pub needed: usize,
}

/// The log that change streams resume from.
#[derive(Clone, Copy, Debug)]
pub struct Oplog {
    /// Hours between its first and its last entry.
    pub hours: f64,
    /// Whether it is so full that old entries make room for new ones.
    pub full: bool,
}

/// The disk that the server keeps its data on.
#[derive(Clone, Copy, Debug)]
pub struct ServerDisk {
    /// Bytes in all.
    pub total: u64,
    /// Bytes that are free.
    pub free: u64,
}

impl ServerProbe {
    /// Connects and makes sure of the credentials.
    ///
    /// # Errors
    ///
    /// When no server answers, or not to us.
    pub async fn open(settings: &Settings) -> Result<Self, StoreError> {
        let client = Client::with_options(client_options(settings).await?)?;
        let database = client.database(&settings.database);
        database.list_collection_names().await?;
        Ok(Self { database })
    }

    /// Who answers.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn identity(&self) -> Result<Identity, StoreError> {
        let build = self.admin("buildInfo").await?;
        let hello = self.admin("hello").await?;
        let version = build.get_str("version").unwrap_or_default().to_owned();
        let major = version.split('.').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        let replica_set = hello.get_str("setName").ok().map(Into::into);
        let clock =
            hello.get_datetime("localTime").ok().and_then(|time| DateTime::from_millis(time.timestamp_millis()));
        Ok(Identity { version, major, replica_set, clock })
    }

    /// Writes something in a transaction and takes it back.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn transact(&self) -> Result<(), StoreError> {
        let mut session = self.database.client().start_session().await?;
        session.start_transaction().await?;
        let meta = self.database.collection::<Filter>("meta");
        meta.insert_one(doc! { "checkup": true }).session(&mut session).await?;
        Ok(session.abort_transaction().await?)
    }

    /// How the replica set stands.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or may not tell this user.
    pub async fn majority(&self) -> Result<Majority, StoreError> {
        let status = self.admin("replSetGetStatus").await?;
        let members = status.get_array("members").map(Vec::as_slice).unwrap_or_default();
        let needed = status.get("writeMajorityCount").and_then(number).unwrap_or(1.0);
        let healthy = members.iter().filter_map(Bson::as_document).filter(|member| is_healthy(member)).count();
        Ok(Majority { members: members.len(), healthy, needed: needed as usize })
    }

    /// How far the change streams' log reaches back.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or may not tell this user.
    pub async fn oplog(&self) -> Result<Oplog, StoreError> {
        let local = self.database.client().database("local");
        let log = local.collection::<Filter>("oplog.rs");
        let seconds = async |direction: i32| -> Result<u32, StoreError> {
            let entry = log.find_one(doc! {}).sort(doc! { "$natural": direction }).projection(doc! { "ts": 1 }).await?;
            Ok(entry.and_then(|entry| entry.get_timestamp("ts").ok()).map(|ts| ts.time).unwrap_or_default())
        };
        let (first, last) = (seconds(1).await?, seconds(-1).await?);
        let stats = local.run_command(doc! { "collStats": "oplog.rs" }).await?;
        let bytes = |field| stats.get(field).and_then(number).unwrap_or_default();
        let full = bytes("size") >= 0.9 * bytes("maxSize");
        Ok(Oplog { hours: f64::from(last.saturating_sub(first)) / 3_600.0, full })
    }

    /// The version of the database; 0 when no Tavolo has seen it.
    ///
    /// # Errors
    ///
    /// When it was written by a newer Tavolo, or the server does not answer.
    pub async fn schema_version(&self) -> Result<i32, StoreError> {
        migrations::version(&self.database).await
    }

    /// Whether the database is kept with a key.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn has_key(&self) -> Result<bool, StoreError> {
        kept::is_kept(&self.database).await
    }

    /// Whether this is the key that the database is kept with; `None` when it is kept with none yet.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn keeps(&self, key: &Key) -> Result<Option<bool>, StoreError> {
        kept::keeps(&self.database, key).await
    }

    /// How many members the roster has.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn members(&self) -> Result<u64, StoreError> {
        Ok(collection::<MemberDoc>(&self.database).count_documents(doc! {}).await?)
    }

    /// The server's disk, when it tells.
    ///
    /// # Errors
    ///
    /// When the server does not answer, or may not tell this user.
    pub async fn disk(&self) -> Result<Option<ServerDisk>, StoreError> {
        let stats = self.database.run_command(doc! { "dbStats": 1 }).await?;
        let bytes = |field| stats.get(field).and_then(number).map(|bytes| bytes as u64);
        let disk = bytes("fsTotalSize").zip(bytes("fsUsedSize")).filter(|(total, _)| *total > 0);
        Ok(disk.map(|(total, used)| ServerDisk { total, free: total.saturating_sub(used) }))
    }

    async fn admin(&self, command: &str) -> Result<Filter, StoreError> {
        Ok(self.database.client().database("admin").run_command(doc! { command: 1 }).await?)
    }
}

/// Primary and secondary have a state of 1 and 2.
fn is_healthy(member: &Filter) -> bool {
    let is = |field, among: &[f64]| member.get(field).and_then(number).is_some_and(|value| among.contains(&value));
    is("health", &[1.0]) && is("state", &[1.0, 2.0])
}

/// The server chooses the type of a number by its size.
fn number(value: &Bson) -> Option<f64> {
    match value {
        Bson::Double(value) => Some(*value),
        Bson::Int32(value) => Some(f64::from(*value)),
        Bson::Int64(value) => Some(*value as f64),
        _ => None,
    }
}
