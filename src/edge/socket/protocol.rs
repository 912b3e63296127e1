//! The messages of `graphql-transport-ws`, and the ways a socket ends.

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes};
use serde::{Deserialize, Serialize};

use crate::auth::Refusal;

/// The name of the protocol in the handshake.
pub(super) const PROTOCOL: &str = "graphql-transport-ws";

/// A message of the client.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum FromClient {
    ConnectionInit { payload: Option<serde_json::Value> },
    Subscribe { id: String, payload: serde_json::Value },
    Complete { id: String },
    Ping { payload: Option<serde_json::Value> },
    Pong {},
}

/// A message to the client that brings no answer: these are [`Frame`]s.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ToClient<'a> {
    ConnectionAck,
    Complete { id: &'a str },
    Pong { payload: Option<serde_json::Value> },
}

impl ToClient<'_> {
    pub(super) fn message(&self) -> Message {
        Message::text(serde_json::to_string(self).unwrap_or_default())
    }
}

/// What stands around the answers of one operation, which are JSON already and shared with other sockets.
pub(super) struct Frame(String);

impl Frame {
    /// Of the answers.
    pub(super) fn next(id: &str) -> Self {
        Self::of("next", id)
    }

    /// Of the errors that say why there are none.
    pub(super) fn error(id: &str) -> Self {
        Self::of("error", id)
    }

    fn of(kind: &str, id: &str) -> Self {
        let id = serde_json::Value::from(id);
        Self(format!(r#"{{"type":"{kind}","id":{id},"payload":"#))
    }

    pub(super) fn around(&self, payload: &str) -> Message {
        Message::text([&self.0, payload, "}"].concat())
    }
}

/// Why a socket ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client has closed it, or is not there any more.
    Gone,
    /// The subprotocol is not ours.
    Unprotocolled,
    /// A message is not of the protocol.
    Invalid,
    /// A message is longer than one may be.
    TooLong,
    /// There was no `connection_init` in time.
    Uninitialised,
    /// There was a second `connection_init`.
    Reinitialised,
    /// An operation was asked for before `connection_init`.
    Unacknowledged,
    /// The token is not valid, or nobody was let in with it.
    Refused(Refusal),
    /// This operation is running.
    Duplicate(String),
    /// One operation too many.
    Crowded,
    /// One socket too many of the same member or address.
    TooManySockets,
    /// The hub has as many sockets as it can hold.
    HubFull,
    /// The client does not take what is sent.
    Unread,
    /// The client has not been heard for too long.
    Silent,
    /// The hub stops.
    Stopping,
}

/// Bytes of a close frame's reason at most (RFC 6455 section 5.5).
const LONGEST_REASON: usize = 123;

impl End {
    /// How it is counted.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Gone => "gone",
            Self::Unprotocolled => "unprotocolled",
            Self::Invalid => "invalid",
            Self::TooLong => "too long",
            Self::Uninitialised => "uninitialised",
            Self::Reinitialised => "reinitialised",
            Self::Unacknowledged => "unacknowledged",
            Self::Refused(refusal) => refusal.name(),
            Self::Duplicate(_) => "duplicate",
            Self::Crowded => "crowded",
            Self::TooManySockets => "too many sockets",
            Self::HubFull => "hub full",
            Self::Unread => "unread",
            Self::Silent => "silent",
            Self::Stopping => "stopping",
        }
    }

    /// What the client is told; nothing when it has gone.
    pub(super) fn frame(&self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Gone => return None,
            Self::Unprotocolled => (4406, "Subprotocol not acceptable"),
            Self::Invalid => (4400, "Invalid message"),
            // RFC 6455 section 7.4.1.
            Self::TooLong => (1009, "Message too long"),
            Self::Uninitialised => (4408, "Connection initialisation timeout"),
            Self::Reinitialised => (4429, "Too many initialisation requests"),
            Self::Unacknowledged => (4401, "Unauthorized"),
            Self::Refused(Refusal::NoMember) => (4403, "Forbidden"),
            Self::Refused(Refusal::Expired) => (4401, "Token expired"),
            Self::Refused(Refusal::Invalid | Refusal::TooLong) => (4401, "Unauthorized"),
            Self::Duplicate(id) => {
                let mut reason = format!("Subscriber for {id} already exists");
                reason.truncate(reason.floor_char_boundary(LONGEST_REASON));
                return Some(CloseFrame { code: 4409, reason: reason.into() });
            }
            Self::Crowded => (4429, "Too many operations"),
            Self::TooManySockets => (4429, "Too many sockets"),
            // Clients reconnect after these two codes.
            Self::HubFull => (1013, "Try again later"),
            Self::Stopping => (1012, "Service restart"),
            Self::Unread => (4408, "Client does not read"),
            Self::Silent => (4408, "Client is silent"),
        };
        Some(CloseFrame { code, reason: Utf8Bytes::from_static(reason) })
    }
}

/// Reads a message; `None` for one that needs no answer of ours.
pub(super) fn receive(received: Option<Result<Message, axum::Error>>) -> Result<Option<FromClient>, End> {
    match received {
        // The library names a message that is too long only in the text of its error.
        Some(Err(error)) if error.to_string().starts_with("Space limit exceeded") => Err(End::TooLong),
        None | Some(Err(_) | Ok(Message::Close(_))) => Err(End::Gone),
        // An object is demanded: serde would also read an array, as fields in their order.
        Some(Ok(Message::Text(text))) if text.trim_start().starts_with('{') => {
            serde_json::from_str(&text).map(Some).map_err(|_| End::Invalid)
        }
        Some(Ok(Message::Text(_) | Message::Binary(_))) => Err(End::Invalid),
        Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_put_between_the_head_and_the_end_of_its_message() {
        let message = Frame::next("a \"b\"").around(r#"{"data":null}"#);
        let expected = r#"{"type":"next","id":"a \"b\"","payload":{"data":null}}"#;
        assert_eq!(message, Message::text(expected));
    }

    #[test]
    fn a_reason_fits_into_its_frame_however_long_the_id() {
        let frame = End::Duplicate("è".repeat(200)).frame().unwrap();
        assert_eq!(frame.code, 4409);
        assert!(frame.reason.len() <= LONGEST_REASON && frame.reason.starts_with("Subscriber for èè"));
    }
}
