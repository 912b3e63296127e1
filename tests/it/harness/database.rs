//! Databases of tests: each has a name that nobody else uses, and is gone when its test is over, however it ended.

use std::{thread, time::Duration};

use mongodb::{Client, error::ErrorKind, options::ClientOptions};
use tavolo_schema::id::fresh;
use tokio::{runtime, time::timeout};

use super::{PATIENCE, TestClock, mongodb_uri};

/// How long a server is looked for whose test may have killed it.
const FOUND_WITHIN: Duration = Duration::from_secs(2);

/// A name for a database that nobody else uses.
pub fn database_name() -> String {
    let now = TestClock::new().now();
    format!("it_{}", fresh(now).simple())
}

/// A database that is dropped with this value, also while its test panics.
#[derive(Debug)]
pub struct OwnDatabase {
    uri: String,
    name: String,
}

impl OwnDatabase {
    /// A database on the shared MongoDB that is not there yet.
    pub fn new() -> Self {
        Self::at(&mongodb_uri(), &database_name())
    }

    /// The database of this name on this MongoDB.
    pub fn at(uri: &str, name: &str) -> Self {
        Self { uri: uri.to_owned(), name: name.to_owned() }
    }

    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for OwnDatabase {
    /// Blocks until the database is gone. Where its server does not answer in time, the database goes with the server.
    fn drop(&mut self) {
        let (uri, name) = (self.uri.clone(), self.name.clone());
        // The runtime of the test may have no thread but this one, and the driver's tasks need one that goes on.
        let dropping = thread::spawn(move || {
            let runtime = runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { timeout(PATIENCE, drop_database(&uri, &name)).await })
        });
        match dropping.join() {
            Ok(Ok(Ok(())) | Err(_)) => {}
            Ok(Ok(Err(fault))) if matches!(*fault.kind, ErrorKind::ServerSelection { .. }) => {}
            fault => assert!(thread::panicking(), "{} could not be dropped: {fault:?}", self.name),
        }
    }
}

async fn drop_database(uri: &str, name: &str) -> mongodb::error::Result<()> {
    let mut options = ClientOptions::parse(uri).await?;
    options.server_selection_timeout = Some(FOUND_WITHIN);
    Client::with_options(options)?.database(name).drop().await
}
