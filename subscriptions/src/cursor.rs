//! Cursors: where a subscriber is, in a form it can hand back to any hub.

use std::{fmt, str::FromStr};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tavolo_schema::Position;

/// A position, and whether everything up to it has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The position.
    pub position: Position,
    /// False in the middle of a state: some pools were sent as of this position, others not yet.
    pub complete: bool,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Position { seconds, increment, ordinal } = self.position;
        let mut bytes = [u8::from(self.complete); 13];
        bytes[1..5].copy_from_slice(&seconds.to_be_bytes());
        bytes[5..9].copy_from_slice(&increment.to_be_bytes());
        bytes[9..].copy_from_slice(&ordinal.to_be_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

/// The text is no cursor of this hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCursor;

impl FromStr for Cursor {
    type Err = NoCursor;

    fn from_str(text: &str) -> Result<Self, NoCursor> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCursor)?;
        let (complete, words) = bytes.split_first().ok_or(NoCursor)?;
        let (words, []) = words.as_chunks::<4>() else { return Err(NoCursor) };
        let [seconds, increment, ordinal] = words else { return Err(NoCursor) };
        let complete = match complete {
            0 => false,
            1 => true,
            _ => return Err(NoCursor),
        };
        let [seconds, increment, ordinal] = [seconds, increment, ordinal].map(|word| u32::from_be_bytes(*word));
        Ok(Self { position: Position { seconds, increment, ordinal }, complete })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_the_client_and_back() {
        let position = Position { seconds: u32::MAX, increment: 7, ordinal: 0 };
        for complete in [true, false] {
            let cursor = Cursor { position, complete };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "x", "AAAA", "AQAAAAAAAAAAAAAAAAAAAA", "ß"] {
            assert_eq!(text.parse::<Cursor>(), Err(NoCursor), "{text}");
        }
    }
}
