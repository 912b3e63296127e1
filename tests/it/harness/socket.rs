//! A WebSocket client.

use futures_util::{SinkExt, StreamExt};
use serde_json::Value;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, protocol::CloseFrame},
};

use super::PATIENCE;

/// A WebSocket client.
pub struct Socket(pub(super) WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends many messages at once.
    pub async fn send_all(&mut self, messages: impl IntoIterator<Item = Value>) {
        for message in messages {
            self.0.feed(Message::text(message.to_string())).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    /// Sends a ping of the protocol below, and does not read the answer.
    pub async fn ping(&mut self) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        self.0.send(Message::Ping(vec![0; 125].into())).await
    }

    /// Whether the connection ends in good order after a close frame, and is not cut.
    pub async fn ends_well(&mut self) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.0.next()).await, Ok(None))
    }

    /// Says that it closes.
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "goodbye".into() };
        self.0.send(Message::Close(Some(frame))).await.unwrap();
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        match self.next_or_close().await {
            Ok(message) => message,
            Err(close) => panic!("the socket closed: {close:?}"),
        }
    }

    /// The next message, or how the socket was closed.
    pub async fn next_or_close(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match received {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next message of the first subscription field, such as an occupancy event.
    pub async fn event(&mut self) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["type"], "next", "{message:#}");
        let data = message["payload"]["data"].take();
        data.as_object().and_then(|data| data.values().next().cloned()).unwrap_or(message)
    }

    /// Reads on until the server closes, and hands back the close code.
    pub async fn close_code(&mut self) -> u16 {
        let closed = async {
            loop {
                if let Err(frame) = self.next_or_close().await {
                    return frame.expect("a close frame").code.into();
                }
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("a close in time")
    }
}
