//! Keeps the board and fans out its changes.
//!
//! The [`Board`] is what is shared with everybody: an immutable snapshot in memory, replaced as a
//! whole by the next. The [`follower`] feeds it from the store's one change feed; a [`LiveBoard`] holds
//! the current board, the log of recent occupancy changes and those who wait. Nothing here is
//! personal, nothing here writes, and queries on the board never touch the database.
//!
//! # Delivery: no gap, no duplicate
//!
//! Every change has a [`Position`](tavolo_schema::Position) in the replica set's own order, so it means the same on every hub.
//!
//! 1. *The board is exact.* The feed is opened first, at a time the majority already has; the
//!    snapshot is read after it, as of one time S. Groups up to S are not applied (the snapshot has
//!    them), groups after S are, in order, each as a whole. So the board at position P contains
//!    every change up to P and none after.
//! 2. *The log is complete above its floor.* It takes every ledger entry of the feed in order,
//!    those up to S as well. Its floor is where the feed began, or the last entry that was dropped
//!    for space: it keeps [`follower::Settings::kept`] entries.
//! 3. *A subscriber without cursor* is sent the state of one board as of P, and then every log
//!    entry above P. Nothing between the two can be missed, because P is the board's own position,
//!    and nothing is sent twice, because entries up to P are skipped by position.
//! 4. *A subscriber with cursor C* at or above the floor is sent every log entry above C, however many. Below the
//!    floor the log cannot tell what was missed: the subscriber gets `RESYNC` with the current
//!    state, and goes on as in 3. A cursor from the middle of a state names no position it has
//!    completely; it is answered by `RESYNC` as well.
//! 5. *After a fault*, silence included, the feed goes on from the checkpoint of the last answer that was taken in,
//!    with or without a group. When the history does not reach back to it, board and log begin anew, and every
//!    subscriber is sent `RESYNC`.
//! 6. *Equal subscribers* share a [`channel`], whose ring is a rendering of the log: the argument
//!    there says why it may stand in for the log.
//!
//! A subscriber pulls at its own pace: there is no queue per subscriber. One that lags reads the log on from where it is.
//! What it did not take before the log dropped it is lost to it, and it is told so, by `RESYNC`.
//!
//! # Adding the next noun
//!
//! If it belongs on the board: a field in [`board::Board`], an arm in [`board::Board::apply`]. If
//! stakeholders wait for its changes: its parts as in [`occupancy`], with the argument above adapted.

pub mod board;
pub mod channel;
pub mod cursor;
pub mod follower;
pub mod journal;
pub mod live_board;
pub mod occupancy;
pub mod publisher;

#[cfg(test)]
mod invented;
mod log;

pub use board::{Board, FacilityState};
pub use channel::{Channel, Channels, Listener, Message, NotRun, Segment, SegmentStream, Source};
pub use cursor::Cursor;
pub use follower::Follower;
pub use journal::{Movements, Until};
pub use live_board::{Link, LiveBoard};
pub use log::{Mark, OccupancyChange};
pub use occupancy::{Delivery, Interest};
pub use publisher::Publisher;
