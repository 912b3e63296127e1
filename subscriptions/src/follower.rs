//! The follower: the one task that reads the change feed and keeps the table true.
//!
//! The server answers about once a second, with or without changes. Of a server that does not answer there may be no
//! other sign: a connection that somebody in between has forgotten says nothing. So silence is a fault like any other.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tavolo_schema::{Position, id::ActId};
use tavolo_store::{
    Store, StoreError,
    changes::{Checkpoint, Feed, Group, News, Start},
};
use tokio::{
    task::coop::consume_budget,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{Board, Link, LiveBoard};

/// How a hub follows its database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Changes of occupancy that are kept for those who come back, or take what they are sent too slowly.
    pub kept: usize,
    /// A feed without an answer for so long is broken.
    pub silence: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self { kept: 20_000, silence: Duration::from_secs(10) }
    }
}

/// How far back a starting hub reads, so that subscribers of the hub before it miss nothing.
const HISTORY_SECONDS: u32 = 600;

/// The pause before the feed is opened anew, when that does not follow another attempt.
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);

/// The longest silence that is waited out. Each in vain makes the next twice as long: to look through a long history
/// takes its time.
const LONGEST_SILENCE: Duration = Duration::from_secs(600);

/// Why the feed is opened anew.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("no answer for {0:?}")]
    Silence(Duration),
}

impl Fault {
    /// Whether what comes after the checkpoint cannot be had or applied: what is true can then only be read.
    fn is_of_history(&self) -> bool {
        matches!(self, Self::Store(StoreError::HistoryLost | StoreError::Corrupt { .. }))
    }
}

/// Follows the feed from where the table stands.
pub struct Follower {
    store: Store,
    live_board: Arc<LiveBoard>,
    settings: Settings,
    feed: Feed,
    checkpoint: Option<Checkpoint>,
    /// The snapshot covers every group up to here.
    snapshot: Position,
    /// The feed tells the past up to here; `None` when the board shows what the majority has.
    behind: Option<Position>,
    /// How long the next answer may take.
    patience: Duration,
}

impl Follower {
    /// Opens the feed, then reads the snapshot: the table is true from here on.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn open(store: Store) -> Result<(Arc<LiveBoard>, Self), StoreError> {
        Self::open_with(store, Settings::default()).await
    }

    /// As [`Self::open`], in another way than usual.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub async fn open_with(store: Store, settings: Settings) -> Result<(Arc<LiveBoard>, Self), StoreError> {
        let (feed, board, acts) = read(&store, HISTORY_SECONDS).await?;
        let snapshot = board.position();
        let live_board = LiveBoard::new(board, acts, feed.since(), settings.kept);
        let follower = Self {
            store,
            live_board: Arc::clone(&live_board),
            settings,
            feed,
            checkpoint: None,
            snapshot,
            behind: None,
            patience: settings.silence,
        };
        Ok((live_board, follower))
    }

    /// Follows until cancelled. Faults of the database are waited out; nothing is missed.
    pub async fn run(mut self, stop: CancellationToken) {
        let follow = async {
            loop {
                let fault = self.follow().await;
                tracing::warn!(error = %fault, "the change feed broke");
                self.live_board.set_link(Link::Lost(fault.to_string()));
                self.reopen(fault).await;
                if self.behind.is_none() {
                    self.caught_up();
                }
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = follow => {}
        }
    }

    async fn follow(&mut self) -> Fault {
        loop {
            let news = match timeout(self.patience, self.feed.next()).await {
                Ok(Ok(news)) => news,
                Ok(Err(fault)) => return fault.into(),
                Err(_) => return self.silence(),
            };
            self.patience = self.settings.silence;
            let reached = match news {
                News::Group(Group { position, changes, checkpoint }) => {
                    self.checkpoint = Some(checkpoint);
                    self.live_board.apply(position, changes, position <= self.snapshot);
                    Some(position)
                }
                News::Nothing(checkpoint) => {
                    self.checkpoint = checkpoint.or(self.checkpoint.take());
                    None
                }
            };
            self.live_board.heard();
            // An empty answer reaches the end as well: then the board has caught up.
            if self.behind.is_some_and(|until| reached.is_none_or(|reached| reached >= until)) {
                self.caught_up();
            }
            // Answers come without a pause while the board catches up: other tasks need their turn.
            consume_budget().await;
        }
    }

    fn silence(&mut self) -> Fault {
        let waited = self.patience;
        self.patience = (2 * waited).min(LONGEST_SILENCE).max(waited);
        Fault::Silence(waited)
    }

    /// The board shows again what the majority has.
    fn caught_up(&mut self) {
        self.behind = None;
        self.live_board.heard();
        tracing::info!("the change feed is followed again");
        self.live_board.set_link(Link::Following);
    }

    async fn reopen(&mut self, mut fault: Fault) {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(SHORTEST_PAUSE)
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            // First of all a pause: a feed that opens and breaks at once must not keep the hub busy.
            let pause = sleep(pauses.next().unwrap_or_default());
            if fault.is_of_history() {
                pause.await;
            } else {
                tokio::select! {
                    () = pause => {}
                    // What somebody waits to see on the board was written: the database is there.
                    () = self.live_board.wanted() => sleep(SHORTEST_PAUSE).await,
                }
            }
            match self.try_reopen(&fault).await {
                Ok(()) => return,
                Err(again) => fault = again,
            }
        }
    }

    /// Resumes from the checkpoint. Begins anew, from now, when the history does not reach back to it or
    /// holds something that cannot be applied: what is true can then only be read.
    async fn try_reopen(&mut self, fault: &Fault) -> Result<(), Fault> {
        match &self.checkpoint {
            Some(checkpoint) if !fault.is_of_history() => {
                // The server answers this question at once: without an answer the connection is dead like the last.
                let asking = timeout(self.settings.silence, self.store.majority_position());
                let until = asking.await.map_err(|_| Fault::Silence(self.settings.silence))??;
                let opening = self.store.follow(Start::Checkpoint(checkpoint.clone()));
                let Ok(feed) = timeout(self.patience, opening).await else { return Err(self.silence()) };
                // The driver ends the old one in a task of its own: nobody waits for who does not answer.
                self.feed = feed?;
                self.behind = Some(until);
            }
            _ => {
                let reading = read(&self.store, 0);
                let Ok(found) = timeout(self.patience, reading).await else { return Err(self.silence()) };
                let (feed, board, acts) = found?;
                self.snapshot = board.position();
                self.live_board.reset(board, acts, feed.since());
                self.feed = feed;
                self.checkpoint = None;
                self.behind = None;
            }
        }
        Ok(())
    }
}

/// The feed first, then the snapshot: whatever happens between the two is in both.
async fn read(store: &Store, seconds_back: u32) -> Result<(Feed, Board, Vec<ActId>), StoreError> {
    let feed = store.follow(Start::SecondsBack(seconds_back)).await?;
    let mut snapshot = store.snapshot().await?;
    let acts = std::mem::take(&mut snapshot.acts);
    Ok((feed, Board::new(snapshot), acts))
}
