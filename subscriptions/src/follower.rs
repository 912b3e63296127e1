//! The follower: the one task that reads the change feed and keeps the table true.

use std::{sync::Arc, time::Duration};

use backon::{BackoffBuilder, ExponentialBuilder};
use tavolo_schema::{Position, id::ActId};
use tavolo_store::{
    Store, StoreError,
    changes::{Checkpoint, Feed, Group, Start},
};
use tokio_util::sync::CancellationToken;

use crate::{Board, Link, Table};

/// How far back a starting hub reads, so that subscribers of the hub before it miss nothing.
const HISTORY_SECONDS: u32 = 600;

/// Follows the feed from where the table stands.
pub struct Follower {
    store: Store,
    table: Arc<Table>,
    feed: Feed,
    checkpoint: Option<Checkpoint>,
    /// The snapshot covers every group up to here.
    snapshot: Position,
}

impl Follower {
    /// Opens the feed, then reads the snapshot: the table is true from here on.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn open(store: Store) -> Result<(Arc<Table>, Self), StoreError> {
        let (feed, board, acts) = read(&store, HISTORY_SECONDS).await?;
        let snapshot = board.position();
        let table = Table::new(board, acts, feed.since());
        Ok((Arc::clone(&table), Self { store, table, feed, checkpoint: None, snapshot }))
    }

    /// Follows until cancelled. Faults of the database are waited out; nothing is missed.
    pub async fn run(mut self, stop: CancellationToken) {
        let follow = async {
            loop {
                let fault = self.follow().await;
                tracing::warn!(error = %fault, "the change feed broke");
                self.table.set_link(Link::Lost(fault.to_string()));
                self.reopen(fault).await;
                tracing::info!("the change feed is followed again");
                self.table.set_link(Link::Following);
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = follow => {}
        }
    }

    async fn follow(&mut self) -> StoreError {
        loop {
            match self.feed.next().await {
                Ok(Group { position, changes, checkpoint }) => {
                    self.checkpoint = Some(checkpoint);
                    self.table.apply(position, changes, position <= self.snapshot);
                }
                Err(fault) => return fault,
            }
        }
    }

    async fn reopen(&mut self, mut fault: StoreError) {
        let mut pauses = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(50))
            .with_max_delay(Duration::from_secs(2))
            .with_jitter()
            .without_max_times()
            .build();
        loop {
            // First of all a pause: a feed that opens and breaks at once must not keep the hub busy.
            tokio::time::sleep(pauses.next().unwrap_or_default()).await;
            match self.try_reopen(&fault).await {
                Ok(()) => return,
                Err(again) => fault = again,
            }
        }
    }

    /// Resumes from the checkpoint. Begins anew, from now, when the history does not reach back to it or
    /// holds something that cannot be applied: what is true can then only be read.
    async fn try_reopen(&mut self, fault: &StoreError) -> Result<(), StoreError> {
        match &self.checkpoint {
            Some(checkpoint) if !matches!(fault, StoreError::HistoryLost | StoreError::Corrupt { .. }) => {
                self.feed = self.store.follow(Start::Checkpoint(checkpoint.clone())).await?;
            }
            _ => {
                let (feed, board, acts) = read(&self.store, 0).await?;
                self.snapshot = board.position();
                self.table.reset(board, acts, feed.since());
                self.feed = feed;
                self.checkpoint = None;
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
