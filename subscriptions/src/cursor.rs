//! Cursors: where a subscriber is, in a form it can hand back to any hub.
//!
//! A position moves with every act of every body, so its time and its number would tell whoever watches one facility when
//! something happens in another. A client is given it sealed with the key of the database.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use tavolo_schema::Position;
use tavolo_store::{
    Store, StoreError,
    key::{SEAL_BYTES, Seal},
};

/// Bytes of a cursor before it is sealed.
const BYTES: usize = 13;

/// A position, and whether everything up to it has been sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The position.
    pub position: Position,
    /// False in the middle of a state: some pools were sent as of this position, others not yet.
    pub complete: bool,
}

/// The text is no cursor of a hub.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoCursor;

impl Cursor {
    /// Before everything: whoever goes on from here is sent the state again.
    pub const LONG_AGO: Self = Self { position: Position { seconds: 0, increment: 0, ordinal: 0 }, complete: false };

    /// The text that a client is given. That of a change is the same on every hub; that of a state never is: whoever has
    /// two of the same would know that nothing has happened anywhere meanwhile.
    ///
    /// # Errors
    ///
    /// When the store was opened without its key.
    pub fn seal(self, store: &Store, seal: Seal) -> Result<String, StoreError> {
        Ok(URL_SAFE_NO_PAD.encode(store.seal(&self.to_bytes(), seal)?))
    }

    /// Reads what a client was given. What was sealed with a former key is from long ago.
    ///
    /// # Errors
    ///
    /// When no hub has given a text like this.
    pub fn open(text: &str, store: &Store) -> Result<Self, NoCursor> {
        let sealed = URL_SAFE_NO_PAD.decode(text).map_err(|_| NoCursor)?;
        if sealed.len() != SEAL_BYTES + BYTES {
            return Err(NoCursor);
        }
        let opened = store.open_sealed(&sealed).and_then(|bytes| Self::from_bytes(&bytes));
        Ok(opened.unwrap_or(Self::LONG_AGO))
    }

    pub(crate) fn to_bytes(self) -> [u8; BYTES] {
        let Position { seconds, increment, ordinal } = self.position;
        let mut bytes = [u8::from(self.complete); BYTES];
        bytes[1..5].copy_from_slice(&seconds.to_be_bytes());
        bytes[5..9].copy_from_slice(&increment.to_be_bytes());
        bytes[9..].copy_from_slice(&ordinal.to_be_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (complete, words) = bytes.split_first()?;
        let (words, []) = words.as_chunks::<4>() else { return None };
        let [seconds, increment, ordinal] = words else { return None };
        let [seconds, increment, ordinal] = [seconds, increment, ordinal].map(|word| u32::from_be_bytes(*word));
        Some(Self { position: Position { seconds, increment, ordinal }, complete: *complete == 1 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_to_bytes_and_back() {
        let position = Position { seconds: u32::MAX, increment: 7, ordinal: 0 };
        for complete in [true, false] {
            let cursor = Cursor { position, complete };
            assert_eq!(Cursor::from_bytes(&cursor.to_bytes()), Some(cursor));
        }
        assert_eq!(Cursor::from_bytes(&[]), None);
        assert_eq!(Cursor::from_bytes(&[0; BYTES + 1]), None);
        assert_eq!(Cursor::from_bytes(&[0; BYTES]), Some(Cursor::LONG_AGO));
    }
}
