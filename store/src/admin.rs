//! What a hub does to a MongoDB server it started itself, before there is a database to speak of.
//!
//! Transactions and change streams need a replica set, so the local server is a set of one member. Nothing here touches a
//! server somebody else runs.

use std::time::Duration;

use mongodb::Client;
use mongodb::Database;
use mongodb::bson::{Bson, Document, doc};
use mongodb::error::{Error, ErrorKind};
use mongodb::options::ClientOptions;

use crate::StoreError;

type Result<T, E = Error> = std::result::Result<T, E>;

/// How long a server may take to become primary. A start after a crash replays the journal first.
const READY_WITHIN: Duration = Duration::from_secs(30);

/// The time between two looks at a server that is not primary yet.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Makes the server at `uri` the only member and the primary of the replica set `set`, under the address `member`.
///
/// A fresh data folder gets the set's first configuration. One kept from a run on another port gets its member's address
/// replaced: until then the server does not find itself in its own set.
///
/// # Errors
///
/// When the server refuses, or is not a writable primary within 30 seconds.
pub async fn initiate_replica_set(uri: &str, set: &str, member: &str) -> Result<(), StoreError> {
    let mut options = ClientOptions::parse(uri).await?;
    options.direct_connection = Some(true);
    options.server_selection_timeout = Some(READY_WITHIN);
    let client = Client::with_options(options)?;
    let admin = client.database("admin");
    let outcome = tokio::time::timeout(READY_WITHIN, become_primary(&admin, set, member)).await;
    client.shutdown().immediate(true).await;
    outcome.unwrap_or_else(|_| {
        let seconds = READY_WITHIN.as_secs();
        Err(Error::custom(format!("{member} is not primary of replica set {set} after {seconds} seconds")))
    })?;
    Ok(())
}

/// Looks and mends until the server is primary under the right address.
///
/// Each round starts from what the server says now. So it does not matter how far an earlier start came, that the server
/// still reads a stored configuration while it answers that it has none, nor that it hangs up when it finds itself in its
/// set again.
async fn become_primary(admin: &Database, set: &str, member: &str) -> Result<()> {
    loop {
        match step_towards_primary(admin, set, member).await {
            Ok(true) => return Ok(()),
            Err(error) if !hung_up(&error) => return Err(error),
            _ => tokio::time::sleep(LOOK_AGAIN).await,
        }
    }
}

/// Tells whether the server is primary, and if not does the next thing to make it so.
async fn step_towards_primary(admin: &Database, set: &str, member: &str) -> Result<bool> {
    let hello = admin.run_command(doc! { "hello": 1 }).await?;
    if hello.get_bool("isWritablePrimary").is_ok_and(|is| is) && names(&hello, "me", member) {
        return Ok(true);
    }
    match admin.run_command(doc! { "replSetGetConfig": 1 }).await {
        Ok(answer) => move_member(admin, answer, member).await?,
        Err(error) if has_code(&error, NOT_YET_INITIALIZED) => initiate(admin, set, member).await?,
        Err(error) => return Err(error),
    }
    Ok(false)
}

async fn initiate(admin: &Database, set: &str, member: &str) -> Result<()> {
    let config = doc! { "_id": set, "members": [{ "_id": 0, "host": member }] };
    match admin.run_command(doc! { "replSetInitiate": config }).await {
        Err(error) if !has_code(&error, ALREADY_INITIALIZED) => Err(error),
        _ => Ok(()),
    }
}

/// Gives the only member its present address, by force because a set that lost its member elects nobody to ask.
async fn move_member(admin: &Database, answer: Document, member: &str) -> Result<()> {
    let mut config = answer.get_document("config").cloned().unwrap_or_default();
    let host = match config.get_array_mut("members").map(Vec::as_mut_slice) {
        Ok([Bson::Document(only)]) => only,
        _ => {
            return Err(Error::custom("the data folder belongs to a replica set of more than one member"));
        }
    };
    if names(host, "host", member) {
        return Ok(());
    }
    host.insert("host", member);
    admin.run_command(doc! { "replSetReconfig": config, "force": true }).await?;
    Ok(())
}

fn hung_up(error: &Error) -> bool {
    matches!(*error.kind, ErrorKind::Io(_) | ErrorKind::ConnectionPoolCleared { .. })
}

fn names(document: &Document, field: &str, member: &str) -> bool {
    document.get_str(field).is_ok_and(|name| name == member)
}

const ALREADY_INITIALIZED: i32 = 23;
const NOT_YET_INITIALIZED: i32 = 94;

fn has_code(error: &Error, code: i32) -> bool {
    matches!(&*error.kind, ErrorKind::Command(failure) if failure.code == code)
}
