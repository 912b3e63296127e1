//! What can go wrong between the hub and its database.

use mongodb::error::{Error, ErrorKind, WriteFailure};
use tavolo_schema::id::FacilityId;

/// A fault of the store. Expected refusals are irregularities, not errors.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The database does not answer in time.
    #[error("the database does not answer: {0}")]
    Unavailable(#[source] Error),
    /// Nothing was sent to the database: what was asked of it before did not end within the patience.
    #[error("no turn within the patience: too much is asked of the database at once")]
    NoTurn,
    /// Other writers kept this act from committing within its time.
    #[error("too many others write the same record; try again")]
    Busy,
    /// The database stopped answering while an act was committed: it may have been written.
    #[error("the act may have been written; repeat it with the same idempotencyKey")]
    OutcomeUnknown,
    /// The actor is no member any more, or in another role.
    #[error("the membership has ended or changed")]
    NotAMember,
    /// The policy does not let the member perform this act on these records.
    #[error("the member may not perform this act")]
    Forbidden,
    /// User or password is wrong.
    #[error("MongoDB refuses the credentials in TAVOLO_MONGODB_URI: check user, password and authSource")]
    Credentials,
    /// The address cannot be understood.
    #[error("TAVOLO_MONGODB_URI is not a MongoDB address: {0}")]
    Address(String),
    /// Transactions and change streams need a replica set.
    #[error(
        "the MongoDB server is no replica set, which transactions and change streams need: start it with --replSet and run rs.initiate()"
    )]
    NoReplicaSet,
    /// The address names a set that the server is not in.
    #[error("the MongoDB server is not a member of the replica set that TAVOLO_MONGODB_URI names")]
    NotInReplicaSet,
    /// The database was written by a newer Tavolo.
    #[error(
        "database {database} was written by a newer Tavolo (schema {found}; this one knows {known}): upgrade this hub"
    )]
    NewerSchema {
        /// Name of the database.
        database: String,
        /// Version found.
        found: i32,
        /// Newest version this binary knows.
        known: i32,
    },
    /// Another process has held the migration lock for too long.
    #[error("another process is migrating database {0} and does not finish")]
    MigrationLocked(String),
    /// A stored document does not convert.
    #[error("document {id} of {collection} is damaged: {field} does not convert")]
    Corrupt {
        /// The collection.
        collection: &'static str,
        /// Its `_id`.
        id: String,
        /// The field. What it holds is not told: it may be personal.
        field: String,
    },
    /// The database is kept with another key than this process has.
    #[error("database {0} is kept with another key: take the key file of its other hubs")]
    OtherKey(String),
    /// What changed by the clock was not entered: counters, ledger and stays of a pool do not agree.
    #[error("the books of facility {0} do not agree: look with `tavolo check`, and repair them with `tavolo repair`")]
    BooksDisagree(FacilityId),
    /// The database is not one of Tavolo.
    #[error("database {0} holds nothing of Tavolo: check its name; `tavolo serve` and `tavolo migrate` make a new one")]
    NotTavolo(String),
    /// The database was written by an older Tavolo.
    #[error(
        "database {database} has schema {found}, and this binary knows {known}: bring it there with `tavolo migrate`, with a backup at hand"
    )]
    OlderSchema {
        /// Name of the database.
        database: String,
        /// Version found.
        found: i32,
        /// Version this binary knows.
        known: i32,
    },
    /// The process was started without the key of its database.
    #[error("this process has no key for the idempotency keys of acts")]
    NoKey,
    /// The cryptographic library fails.
    #[error("no keys can be derived from the key of the database")]
    Underivable,
    /// There is a record with the same id or code already.
    #[error("there is such a record already")]
    Duplicate,
    /// An act's input or answer cannot be written as JSON.
    #[error("an input or answer cannot be written: {0}")]
    Unwritable(#[from] serde_json::Error),
    /// The idempotency key was used for a different input.
    #[error("this idempotencyKey was used before with a different input")]
    KeyReused,
    /// The change stream cannot be resumed from where it was left.
    #[error("the change stream's history no longer reaches back far enough")]
    HistoryLost,
    /// Reference data that came as a file cannot be read.
    #[error("reference data: {0}")]
    ReferenceData(String),
    /// A write was refused. The server's text is not told: it quotes what was to be written.
    #[error("the database refused a write (code {code})")]
    Write {
        /// The server's code.
        code: i32,
        /// What the driver reports.
        error: Error,
    },
    /// Anything else the driver reports.
    #[error("database fault: {0}")]
    Database(#[source] Error),
}

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        if let Some(code) = write_code(&error) {
            return Self::Write { code, error };
        }
        match error.kind.as_ref() {
            ErrorKind::Authentication { .. } => Self::Credentials,
            ErrorKind::Command(command) if matches!(command.code, AUTHENTICATION_FAILED | UNAUTHORIZED) => {
                Self::Credentials
            }
            ErrorKind::Command(command) if HISTORY.contains(&command.code) => Self::HistoryLost,
            ErrorKind::ServerSelection { message, .. } if message.contains("Authentication failed") => {
                Self::Credentials
            }
            // The driver takes a server that is not of the named set off its list. An empty list means: wrong set.
            ErrorKind::ServerSelection { message, .. }
                if message.contains("ReplicaSetNoPrimary") && !message.contains("Servers: ") =>
            {
                Self::NotInReplicaSet
            }
            ErrorKind::ServerSelection { .. }
            | ErrorKind::Io(_)
            | ErrorKind::ConnectionPoolCleared { .. }
            | ErrorKind::DnsResolve { .. } => Self::Unavailable(error),
            _ if error.contains_label("RetryableWriteError") => Self::Unavailable(error),
            _ => Self::Database(error),
        }
    }
}

const UNAUTHORIZED: i32 = 13;
const AUTHENTICATION_FAILED: i32 = 18;
/// Capped position lost, invalid resume token, fatal error of a change stream, change stream history lost.
const HISTORY: [i32; 4] = [136, 260, 280, 286];
pub(crate) const DUPLICATE_KEY: i32 = 11_000;
pub(crate) const INDEX_NOT_FOUND: i32 = 27;

impl StoreError {
    /// Whether the same act may succeed when it is tried again at once: another writer was first.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Write { code: DUPLICATE_KEY, .. } => true,
            Self::Unavailable(error) | Self::Database(error) | Self::Write { error, .. } => {
                error.contains_label(mongodb::error::TRANSIENT_TRANSACTION_ERROR)
            }
            _ => false,
        }
    }
}

/// The code with which the server refused a command.
pub(crate) fn command_code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Command(command) => Some(command.code),
        _ => None,
    }
}

/// The code of a write that the server has refused for what was to be written.
pub(crate) fn write_code(error: &Error) -> Option<i32> {
    match error.kind.as_ref() {
        ErrorKind::Write(WriteFailure::WriteError(write)) => Some(write.code),
        ErrorKind::InsertMany(many) => many.write_errors.as_ref()?.first().map(|write| write.code),
        ErrorKind::Command(command) if command.code == DUPLICATE_KEY => Some(DUPLICATE_KEY),
        _ => None,
    }
}
