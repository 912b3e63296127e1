//! Somebody who listens in both worlds.

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    documents::Document,
    pair::{Pair, Unlike, What},
};
use crate::harness::{PATIENCE, Socket};

/// What everybody is told of: how many places there are.
const EVERYBODYS: &str = "subscription { totalsChanged(groupBy: PROVINCE) { kind groups { capacity { installed } } } }";

/// How often it is looked whether more is told, after everybody was told of the last act.
const LOOKS: usize = 3;

/// How long one world may be behind the other.
const BEHIND: std::time::Duration = std::time::Duration::from_secs(5);

/// One who listens, with a socket to each world. The first of the operations is everybody's.
pub(super) struct Listening {
    pub(super) subject: &'static str,
    pub(super) documents: Vec<Document>,
    sockets: [Socket; 2],
    heard: [Vec<Vec<String>>; 2],
}

impl Listening {
    pub(super) async fn open(pair: &Pair, subject: &'static str, documents: Vec<Document>) -> Self {
        let mut sockets = [pair.hubs[0].socket(subject).await, pair.hubs[1].socket(subject).await];
        for (side, socket) in sockets.iter_mut().enumerate() {
            let texts = documents.iter().map(|document| pair.text_for(side, &document.text()));
            for (id, text) in std::iter::once(EVERYBODYS.to_owned()).chain(texts).enumerate() {
                let payload = json!({ "query": text });
                socket.send(json!({ "id": id.to_string(), "type": "subscribe", "payload": payload })).await;
            }
        }
        let nothing = || vec![Vec::new(); documents.len() + 1];
        let heard = [nothing(), nothing()];
        let mut listening = Self { subject, documents, sockets, heard };
        listening.until_told(1).await;
        listening.until_states_are_told(pair).await;
        listening
    }

    /// Reads what has been told until now.
    async fn read(&mut self) {
        for (socket, heard) in self.sockets.iter_mut().zip(&mut self.heard) {
            socket.send(json!({ "type": "ping" })).await;
            loop {
                let message = socket.next().await;
                if message["type"] == "pong" {
                    break;
                }
                if let Some(id) = message["id"].as_str().and_then(|id| id.parse::<usize>().ok()) {
                    heard[id].push(format!("{} {}", message["type"], message["payload"]));
                }
            }
        }
    }

    /// Reads until each state has been told in both worlds, or refused: what is read for it is read before anything else
    /// happens.
    async fn until_states_are_told(&mut self, pair: &Pair) {
        let deadline = Instant::now() + PATIENCE;
        let wanted: Vec<[usize; 2]> = self
            .documents
            .iter()
            .map(|document| {
                [0, 1].map(|side| pair.messages_of_state(side, self.subject, &pair.text_for(side, &document.text())))
            })
            .collect();
        let ended = |message: &String| message.starts_with("error") || message.starts_with("complete");
        let told = |heard: &[Vec<Vec<String>>; 2]| {
            wanted.iter().enumerate().all(|(at, wanted)| {
                (0..2).all(|side| {
                    let heard = &heard[side][at + 1];
                    heard.len() >= wanted[side] || heard.iter().any(ended)
                })
            })
        };
        while !told(&self.heard) {
            assert!(Instant::now() < deadline, "{:?} was not told a state", self.subject);
            self.read().await;
        }
    }

    /// Reads until everybody was told so often in both worlds, and neither world has more to tell than the other.
    pub(super) async fn until_told(&mut self, times: usize) {
        let deadline = Instant::now() + PATIENCE;
        while self.heard.iter().any(|heard| heard[0].len() < times) {
            assert!(Instant::now() < deadline, "{:?} was not told {times} times of the places there are", self.subject);
            self.read().await;
        }
        let deadline = Instant::now() + BEHIND;
        let mut looks = 0;
        while looks < LOOKS && Instant::now() < deadline {
            self.read().await;
            let even = self.heard[0].iter().zip(&self.heard[1]).all(|(left, right)| left.len() == right.len());
            looks = if even { looks + 1 } else { 0 };
        }
    }

    /// Which subscriptions were told otherwise in the two worlds.
    pub(super) fn unlike(&self, pair: &Pair) -> Vec<(Document, Unlike)> {
        let mut found = Vec::new();
        for (at, document) in self.documents.iter().enumerate() {
            let [left, right] = [0, 1].map(|side| self.heard[side][at + 1].join("\n"));
            let [left, right] = pair.alike(&left, &right);
            if left != right {
                found.push((document.clone(), Unlike { what: What::Answer, left, right }));
            }
            found.extend(pair.prices(self.subject, &document.text()).map(|unlike| (document.clone(), unlike)));
        }
        found
    }

    /// The cursors that were told in the first world.
    pub(super) fn cursors(&self) -> Vec<String> {
        let messages = self.heard[0].iter().flatten().filter_map(|text| text.split_once(' '));
        let values = messages.filter_map(|(_, payload)| serde_json::from_str::<Value>(payload).ok());
        let cursor = |value: Value| Some(value["data"].as_object()?.values().next()?["cursor"].as_str()?.to_owned());
        values.filter_map(cursor).collect()
    }
}
