//! The gate: nothing is sent to the database but through here.
//!
//! The driver has a pool of connections, and a queue before it that nobody may leave: a turn of the pool that falls to
//! somebody who has gone is lost, and the next in the queue is not woken (`docs/driver-checkout-queue.md`). So there is
//! a queue of our own before that one, with fewer permits than there are connections. Who leaves it, leaves no trace.
//! What has a permit is done in a task of its own, which nobody ends: who waits for it may go, or lose patience, and
//! the permit is given back when the command has really ended.
//!
//! Each reader has a turn to wait for first ([`Behalf`]): few commands at once for each member, so that whoever asks for
//! much waits for itself; and all who have no token have a part of the permits together. These are always taken in this
//! order, and whoever has a permit waits for nobody who could be waiting for one. A transaction keeps its permit from
//! beginning to end for that reason: with one for each command, it would hold locks of the database while it waits for
//! the permits of those who wait for its locks.
//!
//! The raw database is private to this file. Only the change feed is handed it, for which connections are left over.

mod queue;
mod turns;

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use futures_util::{
    StreamExt, TryStreamExt,
    future::BoxFuture,
    stream::{self, BoxStream},
};
use mongodb::{Client, ClientSession, Cursor, Database, error::Error, options::ClientOptions};
use serde::de::DeserializeOwned;
use tokio::{
    task::JoinError,
    time::{Instant, timeout_at},
};
use tracing::Instrument;

use queue::{Pass, Queue};
pub use turns::Behalf;
use turns::WorkKind;

use crate::{Settings, StoreError};

/// Who uses the database itself, beside the gate: the change feed alone.
pub(crate) trait Beside {}

/// Connections to a server when the address does not say how many.
const CONNECTIONS: u32 = 32;
/// Fewer connections than these are too few for one who acts, one who reads and the feed.
const FEWEST: u32 = 4;
/// Connections that are left over: for the change feed, and for what the driver has to say by itself, such as that a
/// cursor is not read any further.
const LEFT_OVER: u32 = 2;

/// The driver speaks up by itself when it has found no server for as long as it was told to wait; it says more about why
/// than that time is over. So it is given a moment longer.
const MOMENT: Duration = Duration::from_millis(500);
/// After so long a command of a transaction will get no answer any more: some link swallows what is sent. The connection
/// is given up. That of any other command is given up when nobody has waited for it for as long as patience lasts.
const LOST_AFTER: Duration = Duration::from_secs(60);
/// How long something may take that nobody at a table waits for.
const LEISURE: Duration = Duration::from_secs(120);

/// Documents of a batch. The server by itself would send 16 MB of them at a time.
const BATCH: u32 = 1_000;

/// What the gate and the driver tell of themselves.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) commands: AtomicU64,
    pub(crate) open: AtomicI64,
}

/// The connections to the database, as they are now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connections {
    /// Connections that are open, those of the change feed among them.
    pub open: i64,
    /// Commands and transactions that are being done.
    pub in_use: i64,
    /// Those that wait until they may be: for others, or for the turn of whoever asks.
    pub waiting: i64,
}

/// The way to a database, on somebody's behalf.
#[derive(Clone, Debug)]
pub(crate) struct Gate {
    shared: Arc<Shared>,
    behalf: Behalf,
}

#[derive(Debug)]
struct Shared {
    database: Database,
    queue: Queue,
    figures: Arc<Figures>,
    patience: Duration,
}

/// No answer came in time.
fn silent() -> StoreError {
    StoreError::Unavailable(Error::custom("no answer within the patience"))
}

/// Does a piece of work in a task of its own and waits for it until then. It is done in any case, unless it takes until
/// it is lost.
async fn apart<T: Send + 'static>(
    until: Instant,
    lost: Instant,
    work: impl Future<Output = T> + Send + 'static,
) -> Result<T, StoreError> {
    let task = tokio::spawn(timeout_at(lost, work).in_current_span());
    let Ok(done) = timeout_at(until, task).await else { return Err(silent()) };
    ended(done)?.map_err(|_| silent())
}

/// What came of a task. A panic goes on where it was waited for.
fn ended<T>(task: Result<T, JoinError>) -> Result<T, StoreError> {
    task.or_else(|failed| match failed.try_into_panic() {
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => Err(silent()),
    })
}

/// How many connections the driver may have to a server, and how many permits there are before them.
fn sizes(wanted: Option<u32>) -> (u32, usize) {
    let connections = wanted.unwrap_or(CONNECTIONS).max(FEWEST);
    (connections, (connections - LEFT_OVER) as usize)
}

impl Gate {
    /// A gate before a database. Nothing is sent to it yet.
    pub(crate) fn before(
        mut options: ClientOptions,
        settings: &Settings,
        figures: Arc<Figures>,
    ) -> Result<Self, StoreError> {
        let (connections, all) = sizes(options.max_pool_size);
        options.max_pool_size = Some(connections);
        let database = Client::with_options(options)?.database(&settings.database);
        let shared = Shared { database, queue: Queue::new(all), figures, patience: settings.patience };
        Ok(Self { shared: Arc::new(shared), behalf: Behalf::Hub })
    }

    /// The same gate, for somebody else.
    pub(crate) fn on_behalf_of(&self, behalf: Behalf) -> Self {
        Self { shared: Arc::clone(&self.shared), behalf }
    }

    pub(crate) fn database_name(&self) -> &str {
        self.shared.database.name()
    }

    pub(crate) fn patience(&self) -> Duration {
        self.shared.patience
    }

    /// When whoever asks now has waited long enough.
    pub(crate) fn patient_until(&self) -> Instant {
        Instant::now() + self.shared.patience + MOMENT
    }

    /// Waits for something else as long as for an answer.
    pub(crate) async fn in_patience<T>(&self, other: impl Future<Output = T>) -> Result<T, StoreError> {
        timeout_at(self.patient_until(), other).await.map_err(|_| silent())
    }

    pub(crate) fn commands(&self) -> u64 {
        self.shared.figures.commands.load(Ordering::Relaxed)
    }

    pub(crate) fn connections(&self) -> Connections {
        let Shared { queue, figures, .. } = &*self.shared;
        Connections { open: figures.open.load(Ordering::Relaxed), in_use: queue.in_use(), waiting: queue.waiting() }
    }

    /// The database itself, for whom connections are left over.
    pub(crate) fn beside(&self, _: &impl Beside) -> &Database {
        &self.shared.database
    }

    /// Waits for a pass until then.
    async fn pass(&self, kind: WorkKind, until: Instant) -> Result<Pass, StoreError> {
        let pass = self.shared.queue.pass(&self.behalf, kind);
        timeout_at(until, pass).await.map_err(|_| StoreError::NoTurn)?
    }

    /// Has something done by the driver with one pass, and waits for it as long as patience lasts.
    pub(crate) async fn command<T, F>(&self, work: impl FnOnce(Database) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.command_until(self.patient_until(), work).await
    }

    /// Likewise, but until then.
    pub(crate) async fn command_until<T, F>(
        &self,
        until: Instant,
        work: impl FnOnce(Database) -> F,
    ) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let pass = self.pass(WorkKind::Command, until).await?;
        let work = work(self.shared.database.clone());
        apart(until, until + self.shared.patience, async move {
            let done = work.await;
            drop(pass);
            done
        })
        .await?
    }

    /// Likewise, but with time for what takes longer than anybody at a table would wait.
    pub(crate) async fn at_leisure<T, F>(&self, work: impl FnOnce(Database) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        self.command_until(Instant::now() + LEISURE, work).await
    }

    /// Has something done with one pass, however long it takes: what is done to a whole database, before anybody sits at
    /// a table or by whoever sits at a terminal and sees that it goes on.
    pub(crate) async fn to_the_end<T, F>(&self, work: impl FnOnce(Database) -> F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, StoreError>> + Send + 'static,
    {
        let pass = self.shared.queue.pass(&self.behalf, WorkKind::Command).await?;
        let work = work(self.shared.database.clone());
        let task = tokio::spawn(
            async move {
                let done = work.await;
                drop(pass);
                done
            }
            .in_current_span(),
        );
        ended(task.await)?
    }

    /// What a cursor brings, with one pass for each batch: what is not read is not held, and who reads for long keeps
    /// nobody from reading. Dropping the stream ends the cursor.
    pub(crate) async fn read<T, F>(
        &self,
        open: impl FnOnce(Database, u32) -> F + Send,
    ) -> Result<BoxStream<'static, Result<T, StoreError>>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + Unpin + 'static,
        F: Future<Output = Result<Cursor<T>, Error>> + Send + 'static,
    {
        let first = self
            .command(|database| {
                let opened = open(database, BATCH);
                async move { Batch::of(opened.await?).await }
            })
            .await?;
        let gate = self.clone();
        let later = stream::try_unfold(first.rest, move |rest| {
            let gate = gate.clone();
            async move {
                let Some(cursor) = rest else { return Ok(None) };
                let Batch { documents, rest } = gate.command(|_| Batch::of(cursor)).await?;
                Ok::<_, StoreError>(Some((documents, rest)))
            }
        });
        let batches = stream::iter([Ok(first.documents)]).chain(later);
        Ok(batches.map_ok(|documents| stream::iter(documents).map(Ok)).try_flatten().boxed())
    }

    /// Begins to speak with the database in a transaction, or in another session, with one pass for all of it.
    pub(crate) async fn converse(
        &self,
        until: Instant,
        begin: impl for<'s> FnOnce(&'s mut ClientSession) -> BoxFuture<'s, Result<(), Error>> + Send + 'static,
    ) -> Result<Conversation, StoreError> {
        let pass = self.pass(WorkKind::Transaction, until).await?;
        let database = self.shared.database.clone();
        let held = apart(until, Instant::now() + LOST_AFTER, async move {
            let mut session = database.client().start_session().await?;
            begin(&mut session).await?;
            Ok::<_, StoreError>(Held { database, session, _pass: pass })
        });
        Ok(Conversation { held: Some(Box::new(held.await??)) })
    }
}

/// A part of what a cursor brings.
struct Batch<T> {
    documents: Vec<T>,
    /// The cursor, when there may be more.
    rest: Option<Cursor<T>>,
}

impl<T: DeserializeOwned + Send + Sync + Unpin> Batch<T> {
    /// Takes as many as one command brings; of large documents the server sends fewer at a time, and is asked again.
    async fn of(mut cursor: Cursor<T>) -> Result<Self, StoreError> {
        let mut documents = Vec::new();
        while documents.len() < BATCH as usize {
            match cursor.try_next().await? {
                Some(document) => documents.push(document),
                None => return Ok(Self { documents, rest: None }),
            }
        }
        Ok(Self { documents, rest: Some(cursor) })
    }
}

/// Commands in one session. Whoever gives it up while one of them is being done leaves the session to that one: it ends
/// with it, and so does a transaction in it.
pub(crate) struct Conversation {
    /// Away while a command is being done.
    held: Option<Box<Held>>,
}

struct Held {
    database: Database,
    session: ClientSession,
    _pass: Pass,
}

impl Conversation {
    /// Whether it goes on: no command of it was given up.
    pub(crate) fn goes_on(&self) -> bool {
        self.held.is_some()
    }

    /// Has a command of it done, and waits for it until then.
    pub(crate) async fn command<T: Send + 'static>(
        &mut self,
        until: Instant,
        work: impl for<'s> FnOnce(&'s Database, &'s mut ClientSession) -> BoxFuture<'s, Result<T, StoreError>>
        + Send
        + 'static,
    ) -> Result<T, StoreError> {
        let mut held = self.held.take().ok_or_else(silent)?;
        let (held, done) = apart(until, Instant::now() + LOST_AFTER, async move {
            let done = work(&held.database, &mut held.session).await;
            (held, done)
        })
        .await?;
        self.held = Some(held);
        done
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    #[test]
    fn there_are_fewer_permits_than_connections() {
        for (wanted, expected) in [(None, (32, 30)), (Some(200), (200, 198)), (Some(1), (4, 2))] {
            assert_eq!(sizes(wanted), expected, "{wanted:?}");
        }
    }

    /// Has something begun that never ends, and tells when it is given up by who waits and when by the gate.
    async fn given_up(begin: impl AsyncFnOnce(&Gate) -> Result<(), StoreError>) -> (Duration, Duration) {
        let settings = Settings { patience: Duration::from_secs(5), ..Settings::new("", "none") };
        let gate = Gate::before(ClientOptions::default(), &settings, Arc::default()).unwrap();
        let began = Instant::now();
        assert!(matches!(begin(&gate).await, Err(StoreError::Unavailable(_))));
        let waited = began.elapsed();
        while gate.connections().in_use > 0 {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        (waited, began.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_without_end() {
        let seconds = |(waited, held): (Duration, Duration)| (waited.as_secs(), held.as_secs());
        let command = given_up(async |gate| gate.command(|_| pending()).await);
        assert_eq!(seconds(command.await), (5, 10), "a command keeps its turn for twice the patience");
        let leisure = given_up(async |gate| gate.at_leisure(|_| pending()).await);
        assert_eq!(seconds(leisure.await), (120, 125));
        let transaction = given_up(async |gate| {
            let mut conversation = gate.converse(gate.patient_until(), |_| Box::pin(async { Ok(()) })).await?;
            conversation.command(gate.patient_until(), |_, _| Box::pin(pending())).await
        });
        assert_eq!(seconds(transaction.await), (5, 60), "a commit may still go on");
    }
}
