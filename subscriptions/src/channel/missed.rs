//! What listeners have missed: read from the log in pieces, each rendered once for all who are at about the same place.

use std::{
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::StreamExt;
use tokio::time::Instant;

use super::{Channel, Message, NotRun, Segment, SegmentStream, Source};
use crate::Mark;

/// Messages of a piece at most.
pub(super) const PIECE: usize = 128;

/// A piece ends with the message that makes it longer than so many bytes: so much is kept for each listener that stands
/// still somewhere else.
const PIECE_BYTES: usize = 64 * 1024;

/// A piece ends when rendering it has taken so long: others wait for it.
const PIECE_WITHIN: Duration = Duration::from_secs(1);

/// Every change above one mark and up to another, rendered.
#[derive(Debug)]
pub(super) struct Piece {
    after: Mark,
    /// Where a listener is at its end.
    pub(super) then: Mark,
    pub(super) messages: Vec<Message>,
}

impl Piece {
    /// Whether it tells what comes next after a mark.
    fn tells(&self, mark: Mark) -> bool {
        self.after.epoch == mark.epoch && (self.after.position..self.then.position).contains(&mark.position)
    }

    /// How many of its messages somebody at a mark has already.
    pub(super) fn known(&self, mark: Mark) -> usize {
        self.messages.partition_point(|message| message.position <= mark.position)
    }
}

/// The pieces that somebody is being sent.
pub(super) type Pieces = Vec<Weak<Piece>>;

impl<S: Source> Channel<S> {
    /// A piece of what somebody at a mark has missed.
    pub(super) async fn missed(&self, mark: Mark) -> Result<Arc<Piece>, NotRun<S::Refusal>> {
        // The lock is held while a piece is rendered: of many who miss the same, one has it rendered.
        let mut pieces = self.pieces.lock().await;
        pieces.retain(|piece| piece.strong_count() > 0);
        if let Some(piece) = pieces.iter().filter_map(Weak::upgrade).find(|piece| piece.tells(mark)) {
            return Ok(piece);
        }
        let began = Instant::now();
        let SegmentStream { mark: then, mut messages } =
            self.source.run(Segment::Missed { after: mark, most: PIECE }).await?;
        let mut piece = Piece { after: mark, then, messages: Vec::new() };
        let mut bytes = 0;
        while let Some(message) = messages.next().await {
            bytes += message.json.len();
            let position = message.position;
            piece.messages.push(message);
            if bytes > PIECE_BYTES || began.elapsed() > PIECE_WITHIN {
                piece.then.position = position;
                break;
            }
        }
        let piece = Arc::new(piece);
        pieces.push(Arc::downgrade(&piece));
        Ok(piece)
    }
}
