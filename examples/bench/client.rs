//! A client of one hub, over HTTP and over a socket.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_TYPE};
use serde_json::{Value, json};
use tavolo::command::Failure;
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use crate::process::Server;

/// The Province, at one hub, on one connection that is kept.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    url: String,
    authority: String,
    token: String,
}

impl Client {
    pub(crate) fn new(server: &Server, token: &str) -> Self {
        Self::at(&server.address.to_string(), token)
    }

    pub(crate) fn at(authority: &str, token: &str) -> Self {
        let url = format!("http://{authority}/graphql");
        Self { http: reqwest::Client::new(), url, authority: authority.into(), token: token.into() }
    }

    /// Sends a body and reads the whole answer; `gzip` says that a compressed one is welcome.
    pub(crate) async fn post(&self, body: &str, gzip: bool) -> Result<Vec<u8>, Failure> {
        let mut request = self.http.post(&self.url).bearer_auth(&self.token).header(CONTENT_TYPE, "application/json");
        if gzip {
            request = request.header(ACCEPT_ENCODING, "gzip");
        }
        let answer = request.body(body.to_owned()).send().await?.error_for_status()?;
        Ok(answer.bytes().await?.into())
    }

    /// Reads a table to its end without keeping it, and tells its bytes and the seconds it took.
    pub(crate) async fn download(&self, path: &str) -> Result<(usize, f64), Failure> {
        let began = Instant::now();
        let request = self.http.get(format!("http://{}{path}", self.authority)).bearer_auth(&self.token);
        let mut answer = request.send().await?.error_for_status()?;
        let mut bytes = 0;
        while let Some(piece) = answer.chunk().await? {
            bytes += piece.len();
        }
        Ok((bytes, began.elapsed().as_secs_f64()))
    }

    /// Sends a document and hands back its data; an error or a refusal is a failure.
    pub(crate) async fn data(&self, document: &str, variables: Value) -> Result<Value, Failure> {
        let body = json!({ "query": document, "variables": variables }).to_string();
        let mut answer: Value = serde_json::from_slice(&self.post(&body, false).await?)?;
        let data = answer["data"].take();
        let refused = data.as_object().into_iter().flat_map(|fields| fields.values()).any(is_refused);
        if refused || !answer["errors"].is_null() || data.is_null() {
            return Err(format!("the hub refused: {answer} {data}").into());
        }
        Ok(data)
    }

    /// Subscribes, and hands over every event with the moment it came.
    pub(crate) async fn subscribe(&self, document: &str) -> Result<Events, Failure> {
        self.subscribe_to(document, json!({})).await
    }

    /// Subscribes with variables.
    pub(crate) async fn subscribe_to(&self, document: &str, variables: Value) -> Result<Events, Failure> {
        let mut request = format!("ws://{}/graphql/ws", self.authority).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let (mut socket, _) = connect_async(request).await?;
        let payload = json!({ "authorization": format!("Bearer {}", self.token) });
        let init = json!({ "type": "connection_init", "payload": payload });
        let subscribe =
            json!({ "id": "1", "type": "subscribe", "payload": { "query": document, "variables": variables } });
        for message in [init, subscribe] {
            socket.send(Message::text(message.to_string())).await?;
        }
        let (hand, events) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Some(Ok(message)) = socket.next().await {
                let at = Instant::now();
                if let Message::Text(text) = message
                    && hand.send((at, text.to_string())).is_err()
                {
                    return;
                }
            }
        });
        Ok(Events(events))
    }
}

fn is_refused(payload: &Value) -> bool {
    let found = payload["irregularities"].as_array().into_iter().flatten();
    payload.is_null() || found.into_iter().any(|found| found["severity"] == "BLOCK")
}

/// The events of one subscription.
pub(crate) struct Events(mpsc::UnboundedReceiver<(Instant, String)>);

/// How long an event may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// When nothing comes for so long, the state at the beginning is complete.
const SILENCE: Duration = Duration::from_millis(500);

impl Events {
    /// Takes what comes until nothing comes, and tells how many messages that were.
    pub(crate) async fn drain(&mut self) -> usize {
        let mut drained = 0;
        while let Ok(Some(_)) = timeout(SILENCE, self.0.recv()).await {
            drained += 1;
        }
        drained
    }

    /// The next message.
    pub(crate) async fn next(&mut self) -> Result<String, Failure> {
        let (_, text) = timeout(PATIENCE, self.0.recv()).await?.ok_or("the hub ended the subscription")?;
        Ok(text)
    }

    /// When the change of this cause in this facility came.
    pub(crate) async fn arrival(&mut self, cause: &str, facility: &str) -> Result<Instant, Failure> {
        loop {
            let (at, text) = timeout(PATIENCE, self.0.recv()).await?.ok_or("the hub ended the subscription")?;
            let message: Value = serde_json::from_str(&text)?;
            let event = &message["payload"]["data"]["occupancyChanged"];
            if event["cause"] == cause && event["facility"]["id"] == facility {
                return Ok(at);
            }
        }
    }
}
