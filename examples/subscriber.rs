//! Prints every change of places for as long as it runs, whatever happens to hub and network in between:
//!
//! ```sh
//! TAVOLO_URL=http://127.0.0.1:8080 TAVOLO_TOKEN=… cargo run --example subscriber
//! ```
//!
//! Each message carries a cursor. After a break the last one is handed back as `after`, to the same hub or another,
//! and brings exactly what came in between; if that is more than the hub keeps, the state as `RESYNC`. (For `wss:` give
//! tokio-tungstenite a TLS feature.)

use std::{env, error::Error, io::Write, time::Duration};

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

const CHANGES: &str = "subscription($after: String) {
    occupancyChanged(after: $after) {
        cursor kind cause category registeredAt facility { code name } capacity { occupied free precision }
    }
}";

const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The hub's codes for "who are you?" and "no longer": to come back with the same token is of no use.
const REFUSED: [u16; 2] = [4401, 4403];

type Failure = Box<dyn Error>;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let url = env::var("TAVOLO_URL").unwrap_or_else(|_| "http://127.0.0.1:8080".into());
    let url = format!("{}/graphql/ws", url.replacen("http", "ws", 1));
    let token = env::var("TAVOLO_TOKEN")?;
    let (mut cursor, mut pause) = (None, SHORTEST_PAUSE);
    loop {
        let reached = cursor.clone();
        match watch(&url, &token, &mut cursor).await {
            Ok(Some(frame)) if REFUSED.contains(&frame.code.into()) => return Err(frame.reason.to_string().into()),
            Ok(_) => eprintln!("the hub closed the socket"),
            Err(error) => eprintln!("{error}"),
        }
        // Whoever heard something may come back at once; whoever did not waits longer each time.
        pause = if cursor == reached { (2 * pause).min(LONGEST_PAUSE) } else { SHORTEST_PAUSE };
        tokio::time::sleep(pause).await;
    }
}

/// Follows the changes until the connection ends, and keeps the cursor of the last one.
async fn watch(url: &str, token: &str, cursor: &mut Option<String>) -> Result<Option<CloseFrame>, Failure> {
    let mut request = url.into_client_request()?;
    request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
    let (mut socket, _) = connect_async(request).await?;
    let hello = json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {token}") } });
    socket.send(Message::text(hello.to_string())).await?;
    while let Some(message) = socket.next().await {
        let text = match message? {
            Message::Text(text) => text,
            Message::Close(frame) => return Ok(frame),
            _ => continue,
        };
        let message: Value = serde_json::from_str(&text)?;
        match message["type"].as_str() {
            Some("connection_ack") => {
                let payload = json!({ "query": CHANGES, "variables": { "after": cursor } });
                let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
                socket.send(Message::text(subscribe.to_string())).await?;
            }
            Some("ping") => socket.send(Message::text(json!({ "type": "pong" }).to_string())).await?,
            Some("next") => take(&message["payload"]["data"]["occupancyChanged"], cursor)?,
            _ => return Err(text.to_string().into()),
        }
    }
    Ok(None)
}

fn take(event: &Value, cursor: &mut Option<String>) -> Result<(), Failure> {
    let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
    let [kind, cause, category, at] = ["kind", "cause", "category", "registeredAt"].map(|name| text(&event[name]));
    let (facility, capacity) = (&event["facility"], &event["capacity"]);
    // What is not told of protected places is null, which is not 0.
    let count = |value: &Value| value.as_i64().map_or_else(|| "?".to_owned(), |count| count.to_string());
    let told = match capacity["precision"].as_str() {
        Some("DAY_BEFORE") => " at the end of the day before",
        Some("WITHHELD") => ", not told",
        _ => "",
    };
    let line = format!(
        "{at} {kind} {cause} {} {category}: {} occupied, {} free{told}",
        text(&facility["code"]),
        count(&capacity["occupied"]),
        count(&capacity["free"])
    );
    // A line for each message, at once: whoever reads this may be a program.
    writeln!(std::io::stdout(), "{line}")?;
    *cursor = event["cursor"].as_str().map(Into::into);
    Ok(())
}
