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
//! # The words of the trip
//!
//! | Word | What it is |
//! |---|---|
//! | [`Position`](tavolo_schema::Position) | where a change is in the replica set's own order; the same on every hub |
//! | epoch | how often a hub's log has begun anew; a [`Mark`] of another epoch says nothing |
//! | [`Mark`] | a position in the log of one epoch |
//! | floor | the position above which a log, or a ring, has everything |
//! | [`Cursor`] | a position as a client is given it |
//! | checkpoint | where the feed goes on after a fault |
//! | [`Delivery`] | what a subscriber is to be told: the state of a pool, or a change of it |
//! | [`Segment`] | which part of a subscription one execution answers: the state, what was missed, what comes |
//! | event | a delivery as the graph answers it, before it is JSON |
//! | [`Message`] | the answer to one event as JSON, with the position that a listener is at after it |
//! | answer | a message, or what refuses one, as the graph hands it to the edge |
//! | frame | an answer as it is written to a socket or an event stream |
//!
//! An example. The snapshot is as of position 5. The feed brings the changes 6 to 10, each into the board and the log. A
//! subscriber without cursor that comes at 8 is sent the state as of 8, then 9 and 10. One that was cut off at 6 comes back to
//! any hub with that cursor, and is sent 7 to 10. A hub that keeps two changes has its floor at 8: from the same cursor it sends
//! `RESYNC` with the state as of 10, and then 11.
//!
//! What to touch for the next act, noun or number is in `docs/adding.md`.

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
