//! The life of a hub: open the database, take the board, listen, keep time, and stop in order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tavolo_resolvers::{Graph, Hub, Live};
use tavolo_schema::Clock;
use tavolo_store::{Settings, Store, StoreError};
use tavolo_subscriptions::{Follower, Publisher, follower};
use tokio::{net::TcpListener, time::MissedTickBehavior};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use uuid::Uuid;

use crate::{
    auth::Authority,
    edge::{self, Budgets, DocumentError, Documents},
    listener,
};

/// How a hub is set up.
#[derive(Clone, Debug)]
pub struct Setup {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Who checks tokens; without one, everybody is the public.
    pub authority: Option<Arc<Authority>>,
    /// Origins of pages that may ask and open a socket, beside the hub's own.
    pub origins: Vec<String>,
    /// Ready tokens by role, which only a demonstration gives away.
    pub demo_tokens: Option<String>,
    /// The limits of the edge.
    pub settings: edge::Settings,
    /// How it follows the database.
    pub following: follower::Settings,
    /// The time.
    pub clock: Clock,
}

/// A hub cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database is not as it must be.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The address cannot be listened on.
    #[error("cannot listen on {0}: {1}")]
    Listen(SocketAddr, std::io::Error),
    /// A document that the hub is to trust is none.
    #[error(transparent)]
    Documents(#[from] DocumentError),
}

/// A hub that is running.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    live: Live,
    stop: CancellationToken,
    /// Ends what requests in progress still need.
    halt: CancellationToken,
    sockets: TaskTracker,
    acts: TaskTracker,
    tasks: TaskTracker,
    listeners: TaskTracker,
    metrics: Option<SocketAddr>,
    permits: edge::StreamPermits,
}

/// How often what changes by the clock is entered.
const TIME_KEPT_EVERY: Duration = Duration::from_secs(30);

/// How long open requests and sockets have to end.
const STOP_WITHIN: Duration = Duration::from_secs(10);

/// Opens the database of the settings, with the reference data it needs.
///
/// # Errors
///
/// As [`Store::open`].
pub async fn open_store(settings: &Settings) -> Result<Store, StoreError> {
    let store = Store::open(settings, &crate::system_clock()).await?;
    store.load_municipalities_once(crate::MUNICIPALITIES.as_bytes()).await?;
    Ok(store)
}

impl Running {
    /// Starts a hub on a database and returns when it is ready.
    ///
    /// # Errors
    ///
    /// When the board cannot be read or the address is taken.
    pub async fn start(store: Store, setup: Setup) -> Result<Self, ServeError> {
        // Address and documents come first: when one of them is wrong, nothing has been started yet.
        let (listener, address) = bind(setup.listen).await?;
        let metrics = match setup.settings.metrics_listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        let documents = match &setup.settings.documents {
            Some(folder) => Documents::read(folder)?,
            None => Documents::default(),
        };
        let (stop, halt) = (CancellationToken::new(), CancellationToken::new());
        let (sockets, acts, tasks) = (TaskTracker::new(), TaskTracker::new(), TaskTracker::new());
        let (live_board, follower) = Follower::open_with(store.clone(), setup.following).await?;
        let settings = Arc::new(setup.settings);
        let budgets = Arc::new(Budgets::new(&settings));
        tasks.spawn(follower.run(halt.clone()));
        let publisher =
            Publisher::new(store.clone(), Arc::clone(&live_board), setup.clock.clone(), settings.thresholds());
        tasks.spawn(publisher.run(halt.clone()));
        tasks.spawn(keep_time(store.clone(), setup.clock.clone(), halt.clone()));
        tasks.spawn(halt.clone().run_until_cancelled_owned(edge::keep_small(Arc::clone(&budgets))));
        let graph = Graph::new(Hub { store, live_board, clock: setup.clock });
        let live = Live::new(graph.clone());
        let permits = edge::StreamPermits::default();
        let edge = edge::Edge {
            graph,
            live: live.clone(),
            authority: setup.authority,
            origins: setup.origins.into(),
            demo_tokens: setup.demo_tokens.map(Arc::from),
            settings: Arc::clone(&settings),
            budgets,
            documents: Arc::new(documents),
            acts: acts.clone(),
            stop: stop.clone(),
            sockets: sockets.clone(),
            permits: permits.clone(),
        };
        let listeners = TaskTracker::new();
        let metrics = metrics.map(|(listener, address)| {
            let router = edge::metrics::router(edge.clone());
            listeners.spawn(listener::serve(listener, router, Arc::clone(&settings), stop.clone()));
            address
        });
        listeners.spawn(listener::serve(listener, edge::router(edge), settings, stop.clone()));
        tracing::info!(%address, "ready");
        Ok(Self { address, live, stop, halt, sockets, acts, tasks, listeners, metrics, permits })
    }

    /// Where the figures are told, when they have an address of their own.
    #[must_use]
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics
    }

    /// Where the hub listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Who holds its streams open, and why others ended.
    #[must_use]
    pub fn permits(&self) -> &edge::StreamPermits {
        &self.permits
    }

    /// The hub's graph, for those who watch it.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.live
    }

    /// The hub's graph.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        self.live.graph()
    }

    /// Cancelled when the hub stops.
    #[must_use]
    pub fn stopping(&self) -> &CancellationToken {
        &self.stop
    }

    /// Stops: sockets are closed with a code that lets clients come back, requests in progress are
    /// answered, and what has not ended in ten seconds is left.
    pub async fn stop(self) {
        self.stop.cancel();
        for tracker in [&self.sockets, &self.acts, &self.listeners, &self.tasks] {
            tracker.close();
        }
        let drained = async {
            self.sockets.wait().await;
            self.listeners.wait().await;
            self.acts.wait().await;
        };
        if tokio::time::timeout(STOP_WITHIN, drained).await.is_err() {
            tracing::warn!("some connections did not end in time");
        }
        // The follower stops last: an act in progress waits for the board to show it.
        self.halt.cancel();
        self.tasks.wait().await;
    }
}

/// Listens on an address and tells which port that is.
async fn bind(address: SocketAddr) -> Result<(TcpListener, SocketAddr), ServeError> {
    let refused = |error| ServeError::Listen(address, error);
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// Waits for the signal to stop.
pub async fn signalled() {
    let interrupt = async { drop(tokio::signal::ctrl_c().await) };
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => tokio::select! {
                () = interrupt => {}
                _ = terminate.recv() => {}
            },
            Err(_) => interrupt.await,
        }
    }
    #[cfg(not(unix))]
    interrupt.await;
}

async fn keep_time(store: Store, clock: Clock, stop: CancellationToken) {
    let hub = Uuid::from(tavolo_schema::id::ActId::fresh(clock.now()));
    let mut tick = tokio::time::interval(TIME_KEPT_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => {}
        }
        match store.keep_time(hub, clock.now()).await {
            Ok(0) => {}
            Ok(changed) => tracing::info!(changed, "entered what changed by the clock"),
            Err(error) => tracing::warn!(%error, "could not enter what changed by the clock"),
        }
    }
}
