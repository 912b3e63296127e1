//! A hub to test: database, clock, members, and clients that speak real HTTP and WebSocket.

mod client;
mod database;
mod hubs;
mod socket;
mod values;
mod world;

pub use client::{Client, watch};
pub use database::{OwnDatabase, database_name};
pub use socket::Socket;
pub use values::{blocking, codes, input_type, mutation_document, organisation, person, text};
pub use world::{Bodies, World};

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use mongodb::bson::doc;
use tavolo::{local_mongod::LocalMongod, tokens::Signer};
use tavolo_schema::{Clock, DateTime};
use tavolo_store::{Key, key::SECRET_BYTES};

/// How long anything observable may take. Reaching it is a failure, never a way to wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// When every test begins: a Monday morning in Crotone.
pub const START: &str = "2026-11-23T08:00:00Z";

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        let start: DateTime = START.parse().unwrap();
        Self(Arc::new(AtomicI64::new(start.millis())))
    }

    pub fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::new(move || DateTime::from_millis(millis.load(Ordering::SeqCst)).unwrap())
    }

    pub fn now(&self) -> DateTime {
        self.clock().now()
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Stops the clock: whoever reads it panics, until what this hands back has been handed to [`Self::mend`].
    pub fn break_down(&self) -> i64 {
        self.0.swap(i64::MIN, Ordering::SeqCst)
    }

    pub fn mend(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    pub fn advance_days(&self, days: u64) {
        self.advance(Duration::from_secs(days * 86_400));
    }
}

/// The key that signs every test's tokens.
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().unwrap());

/// A folder for the life of the test binary.
fn scratch() -> &'static tempfile::TempDir {
    static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    &SCRATCH
}

/// The file with the keys that check what [`SIGNER`] signs.
pub fn key_file() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let path = scratch().path().join("keys.json");
        std::fs::write(&path, SIGNER.jwks().unwrap()).unwrap();
        path
    });
    FILE.clone()
}

/// The secret that every test's database is kept with.
pub const SECRET: [u8; SECRET_BYTES] = [7; SECRET_BYTES];

/// The key that comes of [`SECRET`].
pub fn database_key() -> Key {
    Key::new(&SECRET).unwrap()
}

/// The file with [`SECRET`].
pub fn database_key_file() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
        writeln!(file, "{}", STANDARD.encode(SECRET)).unwrap();
        file.keep().unwrap().1
    });
    FILE.clone()
}

/// The address of the MongoDB that all tests share. It is started once, on a runtime that lives as
/// long as the binary, and ends with it.
pub fn mongodb_uri() -> String {
    static SHARED: LazyLock<String> = LazyLock::new(|| {
        if let Ok(uri) = std::env::var("TAVOLO_MONGODB_URI") {
            return uri;
        }
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mongod = LocalMongod::start(&scratch().path().join("mongo"), None).await.expect("a mongod starts");
                forget_soon(mongod.uri()).await;
                send.send(mongod.uri().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receive.recv().expect("the shared mongod started")
    });
    SHARED.clone()
}

/// Makes a server delete the files of a dropped database within about two minutes. By default it keeps them open for five:
/// those of all tests together would be more than a process may have.
async fn forget_soon(uri: &str) {
    let admin = mongodb::Client::with_uri_str(uri).await.unwrap().database("admin");
    let window = doc! { "setParameter": 1, "minSnapshotHistoryWindowInSeconds": 60 };
    admin.run_command(window).await.expect("a server takes the parameter");
}

/// Looks every two milliseconds until something observable holds, and fails with the words for it when that takes longer
/// than [`PATIENCE`].
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let mut looks = tokio::time::interval(Duration::from_millis(2));
    let looking = async {
        while !holds().await {
            looks.tick().await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, looking).await;
    assert!(in_time.is_ok(), "waited {PATIENCE:?} in vain until {what}");
}
