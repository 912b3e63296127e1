//! The live board: the current board, the log of its changes, and those who wait for either.

use std::{
    collections::{HashSet, VecDeque},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwap;
use tavolo_schema::{DateTime, Pool, Position, id::ActId};
use tavolo_store::{Store, StoreError, changes::BoardChange};
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};

use crate::{
    Board,
    journal::{Journal, Movements, Until},
    log::{Log, LogSlice, Mark, OccupancyChange},
};

/// Whether the board follows the database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// Changes arrive.
    Following,
    /// Nothing says that the feed is broken, but it has been silent for longer than it ever should be; the board shows
    /// what it knew.
    Silent,
    /// The feed is broken, or has not caught up yet; the board shows what it knew. The text says why, for operators.
    Lost(String),
}

/// A feed that lives is never silent for so long.
const SILENT: Duration = Duration::from_secs(3);

/// How long it is worth waiting for a change while the board does not follow: it may be just about to.
const IN_VAIN: Duration = Duration::from_millis(500);

/// What one hub process shares among all its readers.
#[derive(Debug)]
pub struct LiveBoard {
    board: ArcSwap<Board>,
    log: RwLock<Log>,
    acts: RwLock<RecentActs>,
    journal: Journal,
    changed: watch::Sender<Position>,
    /// What [`Board::roster`] counts: those who only wait for a change of it are not woken by others.
    roster: watch::Sender<u64>,
    /// `roster` as an atomic: listeners compare it for each message and must not take the lock of the watch.
    roster_now: AtomicU64,
    /// As the feed tells: never [`Link::Silent`].
    link: watch::Sender<Link>,
    /// When the feed was last answered.
    heard: Mutex<Instant>,
    /// Told when somebody waits for a change although the board does not follow.
    wanted: Notify,
}

/// Acts kept for the member who waits to see its own.
const ACTS_KEPT: usize = 20_000;

/// An act older than this is on the board, or the hub is behind by more than anybody waits.
const ACT_REMEMBERED: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct RecentActs {
    order: VecDeque<ActId>,
    known: HashSet<ActId>,
}

impl LiveBoard {
    /// A table with a log of so many changes.
    pub(crate) fn new(board: Board, acts: Vec<ActId>, floor: Position, kept: usize) -> Arc<Self> {
        let (position, roster) = (board.position(), board.roster());
        let mut log = Log::keeping(kept);
        log.begin(floor);
        let live_board = Self {
            board: ArcSwap::from_pointee(board),
            log: RwLock::new(log),
            acts: RwLock::default(),
            journal: Journal::default(),
            changed: watch::Sender::new(position),
            roster: watch::Sender::new(roster),
            roster_now: AtomicU64::new(roster),
            link: watch::Sender::new(Link::Following),
            heard: Mutex::new(Instant::now()),
            wanted: Notify::new(),
        };
        live_board.remember(acts);
        Arc::new(live_board)
    }

    /// The board as it is now.
    #[must_use]
    pub fn board(&self) -> Arc<Board> {
        self.board.load_full()
    }

    /// Tells of every change of the board.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<Position> {
        self.changed.subscribe()
    }

    /// What [`Board::roster`] counts, on the board that is shown now or, for an instant, the one before.
    #[must_use]
    pub fn roster(&self) -> u64 {
        self.roster_now.load(Ordering::Acquire)
    }

    /// Tells of every change that can change how somebody stands at the table.
    #[must_use]
    pub fn roster_changes(&self) -> watch::Receiver<u64> {
        self.roster.subscribe()
    }

    /// Whether the board follows the database.
    #[must_use]
    pub fn link(&self) -> Link {
        match &*self.link.borrow() {
            Link::Following if self.unheard() > SILENT => Link::Silent,
            link => link.clone(),
        }
    }

    /// How long ago the feed was last answered, with or without changes. While the board follows, no more than about a
    /// second.
    #[must_use]
    pub fn unheard(&self) -> Duration {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).elapsed()
    }

    /// Waits until somebody waits for a change although the board does not follow.
    pub(crate) async fn wanted(&self) {
        self.wanted.notified().await;
    }

    /// The feed has been answered.
    pub(crate) fn heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// The movements of these pools, read from the ledger as far as they are not known yet.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn movements<'p>(
        &self,
        store: &Store,
        pools: impl Iterator<Item = &'p Pool>,
        until: Until,
    ) -> Result<Movements, StoreError> {
        self.journal.of(self.epoch(), store, pools, until).await
    }

    /// Waits until the board shows an act, at most for `patience`, and tells whether it does. Which acts a board shows
    /// is remembered of the latest; of older ones it is known as long as the board follows the database. While it does
    /// not, hardly anything is waited for.
    pub async fn shows(&self, act: ActId, now: DateTime, patience: Duration) -> bool {
        let mut changed = self.changes();
        let known = || self.acts.read().unwrap_or_else(PoisonError::into_inner).known.contains(&act);
        let follows = self.link() == Link::Following;
        let old = age(act, now) > ACT_REMEMBERED && follows;
        let patience = if follows { patience } else { patience.min(IN_VAIN) };
        if !follows {
            self.wanted.notify_one();
        }
        let seen = async { while !known() && changed.changed().await.is_ok() {} };
        old || tokio::time::timeout(patience, seen).await.is_ok()
    }

    pub(crate) fn set_link(&self, link: Link) {
        self.link.send_if_modified(|current| {
            let modified = *current != link;
            *current = link;
            modified
        });
    }

    /// Begins anew with a board read afresh.
    pub(crate) fn reset(&self, mut board: Board, acts: Vec<ActId>, floor: Position) {
        // The new board counts from zero. The old count goes on, so that no listener takes the new roster for the one it knows.
        board.count_roster_on(self.roster());
        let position = board.position();
        self.show(board);
        self.write_log(|log| log.begin(floor));
        self.remember(acts);
        self.changed.send_replace(position);
    }

    fn show(&self, board: Board) {
        let roster = board.roster();
        self.board.store(Arc::new(board));
        // After the board: whoever sees a new roster sees the board it belongs to.
        self.roster_now.store(roster, Ordering::Release);
        self.roster.send_if_modified(|current| std::mem::replace(current, roster) != roster);
    }

    /// Applies the changes of one transaction as a whole. What the snapshot `covered` goes to the log alone.
    pub(crate) fn apply(&self, time: Position, changes: Vec<BoardChange>, covered: bool) {
        let mut board = Board::clone(&self.board());
        let mut entries = Vec::new();
        let mut acts = Vec::new();
        for change in changes {
            match change {
                BoardChange::Entry(entry) => entries.push(entry),
                BoardChange::Act(act) => acts.push(act),
                change if !covered => board.apply(change),
                _ => {}
            }
        }
        // The log first: whoever takes the new board finds every change above it in the log.
        let last = self.write_log(|log| {
            let mut position = log.last_of(time);
            for entry in entries {
                if let Some(state) = board.facility(entry.facility) {
                    position.ordinal += 1;
                    log.push(OccupancyChange { position, entry, state: Arc::clone(state) });
                }
            }
            position
        });
        if !covered {
            board.advance(last);
        }
        let position = board.position();
        self.show(board);
        self.remember(acts);
        self.changed.send_replace(position);
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.log().epoch()
    }

    /// The mark of a position, in the log as it is now.
    pub(crate) fn mark_at(&self, position: Position) -> Mark {
        Mark { position, epoch: self.epoch() }
    }

    /// Where the log ends now.
    #[must_use]
    pub fn end(&self) -> Mark {
        self.log().end()
    }

    /// Whether the log is still the one of this mark.
    #[must_use]
    pub fn goes_on(&self, mark: Mark) -> bool {
        self.epoch() == mark.epoch
    }

    pub(crate) fn behind(&self, mark: Mark) -> Option<usize> {
        self.log().behind(mark)
    }

    pub(crate) fn beginning(&self, mark: Mark) -> Mark {
        self.log().beginning(mark)
    }

    pub(crate) fn above(&self, mark: Mark, most: usize) -> LogSlice {
        self.log().above(mark, most)
    }

    fn log(&self) -> RwLockReadGuard<'_, Log> {
        self.log.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_log<T>(&self, write: impl FnOnce(&mut Log) -> T) -> T {
        write(&mut self.log.write().unwrap_or_else(PoisonError::into_inner))
    }

    fn remember(&self, acts: Vec<ActId>) {
        if acts.is_empty() {
            return;
        }
        let mut recent = self.acts.write().unwrap_or_else(PoisonError::into_inner);
        for act in acts {
            if !recent.known.insert(act) {
                continue;
            }
            recent.order.push_back(act);
            if recent.order.len() > ACTS_KEPT
                && let Some(oldest) = recent.order.pop_front()
            {
                recent.known.remove(&oldest);
            }
        }
    }
}

/// How long ago an act was made, by the time in its id.
fn age(act: ActId, now: DateTime) -> Duration {
    let made = act.0.get_timestamp().map_or(0, |timestamp| timestamp.to_unix().0);
    Duration::from_secs(u64::try_from(now.millis() / 1_000).unwrap_or_default().saturating_sub(made))
}
