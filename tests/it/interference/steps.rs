//! How a difference comes about: by acts of those who may, or by hand where no act does it.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use mongodb::{
    Collection,
    bson::{Bson, Document, Uuid as Binary, doc},
};
use serde_json::{Value, json};
use tavolo_schema::id::fresh;
use uuid::Uuid;

use super::{pair::Pair, province::Cast};
use crate::harness::{Client, TestClock, blocking, text};

/// One step. A `thing` is the field of the payload that is null when the act was refused.
#[derive(Clone)]
pub(super) enum Step {
    /// Changes a field of a stored document of the second world, before there is a hub.
    Stored { collection: &'static str, id: String, field: &'static str, value: Bson },
    /// Copies a stored document of the second world, before there is a hub.
    Copied { collection: &'static str, id: String, times: usize },
    /// Performs an act, in both worlds or in one of them.
    Act { by: &'static str, mutation: &'static str, thing: &'static str, inputs: [Option<Value>; 2] },
    /// Gives a file other particulars in the second world: what registering the one and the other makes different.
    File { guest: &'static str, keeper: &'static str, file: Value, changed: Value },
    /// A night passes in both worlds, and something happens of which everybody hears.
    Night,
}

impl Step {
    pub(super) fn stored(collection: &'static str, id: &str, field: &'static str, value: impl Into<Bson>) -> Self {
        Self::Stored { collection, id: id.into(), field, value: value.into() }
    }

    pub(super) fn both(
        by: &'static str,
        mutation: &'static str,
        thing: &'static str,
        left: Value,
        right: Value,
    ) -> Self {
        Self::Act { by, mutation, thing, inputs: [Some(left), Some(right)] }
    }

    /// In the second world alone.
    pub(super) fn one(by: &'static str, mutation: &'static str, thing: &'static str, input: Value) -> Self {
        Self::Act { by, mutation, thing, inputs: [None, Some(input)] }
    }

    /// Whether a day is over by it.
    pub(super) fn is_night(&self) -> bool {
        matches!(self, Self::Night)
    }

    /// Does what has to be done before there is a hub, to the documents of one collection.
    pub(super) fn prepare(&self, name: &str, documents: &mut Vec<Document>) {
        let position = |documents: &[Document], id: &str| {
            let id = Bson::from(binary(id));
            documents.iter().position(|document| document.get("_id") == Some(&id)).expect("what is changed")
        };
        match self {
            Self::Stored { collection, id, field, value } if *collection == name => {
                let at = position(documents, id);
                let before = documents[at].insert(*field, value.clone());
                assert!(before.is_some_and(|before| before != *value), "{field} is changed");
            }
            Self::Copied { collection, id, times } if *collection == name => {
                let copied = documents[position(documents, id)].clone();
                documents.extend((0..*times).map(|_| {
                    let mut copy = copied.clone();
                    copy.insert("_id", Binary::from_bytes(fresh(TestClock::new().now()).into_bytes()));
                    copy
                }));
            }
            _ => {}
        }
    }

    /// Does what has to be done when there is one.
    pub(super) async fn perform(&self, pair: &Pair, cast: &Cast) {
        match self {
            Self::Act { by, mutation, thing, inputs } => {
                let mut answers = Vec::new();
                for (hub, input) in pair.hubs.iter().zip(inputs) {
                    if let Some(input) = input {
                        answers.push(act(hub, by, mutation, thing, input).await.to_string());
                    }
                }
                if let [left, right] = &answers[..] {
                    pair.alike(left, right);
                }
            }
            Self::File { guest, keeper, file, changed } => {
                for (side, other) in [file, changed].into_iter().enumerate() {
                    let hub = &pair.hubs[side];
                    let files = pair.worlds[side].driver().await.collection::<Document>("guests");
                    let id = cast.id(guest);
                    let mut kept = files.find_one_and_delete(by_id(id)).await.unwrap().expect("a file");
                    let before = registered(hub, keeper, &files, file).await;
                    let after = registered(hub, keeper, &files, other).await;
                    let own = ["_id", "household", "householdRole", "custodian", "facility", "registeredAt"];
                    let names = before.keys().chain(after.keys()).filter(|name| !own.contains(&name.as_str()));
                    for name in names.filter(|name| before.get(name) != after.get(name)) {
                        match after.get(name) {
                            Some(value) => kept.insert(name, value.clone()),
                            None => kept.remove(name),
                        };
                    }
                    files.insert_one(kept).await.unwrap();
                }
            }
            Self::Night => {
                pair.clock.advance(Duration::from_secs(86_400));
                place_more(pair, cast, "P1").await;
            }
            Self::Stored { .. } | Self::Copied { .. } => {}
        }
    }
}

/// Installs one place more of a house in both worlds: everybody is told of it.
pub(super) async fn place_more(pair: &Pair, cast: &Cast, house: &str) {
    let facility = cast.id(house);
    let installed = pair.hubs[0].pool(facility).await["installed"].as_i64().unwrap() + 1;
    let input = json!({ "facility": facility, "category": "ORDINARY", "installed": installed });
    for hub in &pair.hubs {
        act(hub, "province", "installPlaces", "facility", &input).await;
    }
}

/// Performs an act, which must be accepted.
async fn act(hub: &Client, by: &str, mutation: &str, thing: &str, input: &Value) -> Value {
    let payload = hub.act(by, mutation, &format!("{thing} {{ id }}"), input.clone()).await;
    assert_eq!(blocking(&payload), Vec::<String>::new(), "{mutation} {input}");
    payload
}

/// A file as it is stored when somebody is registered, who is forgotten again.
async fn registered(hub: &Client, keeper: &str, files: &Collection<Document>, file: &Value) -> Document {
    let payload = act(hub, keeper, "registerGuest", "guest", file).await;
    files.find_one_and_delete(by_id(&text(&payload["guest"]["id"]))).await.unwrap().expect("a file")
}

/// The stored form of a global id.
pub(super) fn binary(id: &str) -> Binary {
    let bytes = URL_SAFE_NO_PAD.decode(id).unwrap();
    Binary::from_bytes(Uuid::from_slice(&bytes[1..]).unwrap().into_bytes())
}

/// What a stored document is found by.
fn by_id(id: &str) -> Document {
    doc! { "_id": binary(id) }
}
