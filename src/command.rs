//! What all commands have in common.

use std::{io::Write, time::Duration};

use clap::Args;
use tavolo_store::{Settings, Store};

/// What ends a command.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Prints to standard output; a reader that has gone is no fault.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

/// Which database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// Address of a MongoDB replica set.
    #[arg(long, env = "TAVOLO_MONGODB_URI", hide_env_values = true)]
    pub mongodb_uri: String,
    /// Name of the database.
    #[arg(long, env = "TAVOLO_DATABASE", default_value = "tavolo")]
    pub database: String,
    /// Seconds an operation waits for a database server.
    #[arg(long, env = "TAVOLO_PATIENCE", default_value_t = 5)]
    pub patience: u64,
}

impl DatabaseArgs {
    pub(crate) fn settings(&self) -> Settings {
        let patience = Duration::from_secs(self.patience);
        Settings { patience, ..Settings::new(&self.mongodb_uri, &self.database) }
    }

    /// The database, as it is: whatever a command does, it migrates nothing.
    pub(crate) async fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open_existing(&self.settings()).await?)
    }
}
