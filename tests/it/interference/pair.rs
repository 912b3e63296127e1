//! Two worlds, and one who asks both the same.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use async_graphql::Request;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::header;
use serde_json::{Value, json};
use tavolo::edge;
use tavolo_resolvers::Viewer;
use uuid::Uuid;

use super::{
    province::{Province, settle},
    steps::Step,
};
use crate::harness::{Client, TestClock, World};

/// The hubs' own act of time comes so often, and sends commands that no request asked for.
const TIME_KEPT_EVERY: Duration = Duration::from_secs(30);

/// The two worlds, the changed one second, with a hub on each.
pub(super) struct Pair {
    pub(super) worlds: [World; 2],
    pub(super) hubs: [Client; 2],
    pub(super) clock: TestClock,
    twins: Mutex<Twins>,
    started: Instant,
    _documents: tempfile::TempDir,
}

/// What is asked.
#[derive(Clone, Debug)]
pub(super) enum Question {
    /// A document, by POST.
    Document(String),
    /// A trusted document with its variables, by GET.
    Trusted(&'static str, Value),
    /// A table.
    Export(String),
}

/// By what two answers are told from each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// Status, headers or bytes.
    Answer,
    /// How many commands the database was sent.
    Commands,
    /// What is charged, told or not.
    Price,
}

/// How two answers differ.
#[derive(Clone, Debug)]
pub(super) struct Unlike {
    pub(super) what: What,
    pub(super) left: String,
    pub(super) right: String,
}

/// What one world answers.
struct Told {
    head: String,
    body: String,
    commands: u64,
    price: String,
}

/// The documents that hubs trust here. Their answers may be kept, so each has a tag made of its bytes.
const TRUSTED: [(&str, &str); 3] = [
    (
        "totals",
        "query Totals { occupancy(groupBy: MUNICIPALITY) { municipality { name } facilities capacity { occupied free } } }",
    ),
    (
        "house",
        "query House($id: ID!) { facility(by: { id: $id }) { name address { street } capacity { occupied }
            stays(first: 5) { nodes { id exitReason guest { surname } } } } }",
    ),
    ("person", "query Person($id: ID!) { node(id: $id) { id ... on Guest { surname legalStatus } } }"),
];

impl Pair {
    /// Copies the province twice, the second time with changes, and starts the hubs.
    pub(super) async fn start(province: &'static Province, changes: &[Step]) -> Self {
        let clock = province.clock();
        let worlds = [province.copy(clock.clone(), &[]).await, province.copy(clock.clone(), changes).await];
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in TRUSTED {
            std::fs::write(folder.path().join(format!("{name}.graphql")), text).unwrap();
        }
        let settings = edge::Settings {
            documents: Some(folder.path().to_owned()),
            member_budget: u32::MAX,
            address_budget: u32::MAX,
            ..edge::Settings::default()
        };
        let started = Instant::now();
        let hubs = [worlds[0].hub_with(settings.clone()).await, worlds[1].hub_with(settings).await];
        for hub in &hubs {
            settle(hub).await;
        }
        let twins = Mutex::new(Twins::new(&province.known));
        Self { worlds, hubs, clock, twins, started, _documents: folder }
    }

    pub(super) async fn settle(&self) {
        settle(&self.hubs[0]).await;
        settle(&self.hubs[1]).await;
    }

    /// Both texts with what is rightly different replaced, see [`Twins`].
    pub(super) fn alike(&self, left: &str, right: &str) -> [String; 2] {
        self.twins.lock().unwrap_or_else(PoisonError::into_inner).alike(left, right)
    }

    /// Asks both worlds as a subject: how they differ, and what the first one answered.
    pub(super) async fn ask(&self, subject: &str, question: &Question) -> (Vec<Unlike>, String) {
        let left = self.send(0, subject, question).await;
        let right = self.send(1, subject, &self.translated(question)).await;
        let mut unlike = Vec::new();
        let mut compare = |what, left: String, right: String| {
            if left != right {
                unlike.push(Unlike { what, left, right });
            }
        };
        let told = |told: &Told| format!("{}{}", told.head, told.body);
        let [one, other] = self.alike(&told(&left), &told(&right));
        compare(What::Answer, one, other);
        compare(What::Price, left.price.clone(), right.price.clone());
        if left.commands != right.commands && self.commands_differ(subject, question).await {
            compare(What::Commands, left.commands.to_string(), right.commands.to_string());
        }
        (unlike, left.body)
    }

    /// Whether the commands differ whenever it is asked. Once they may differ by chance: the hubs keep time by
    /// themselves, and how many keys a loader asks for at once is a matter of time. An order cannot be asked again; it
    /// is looked at except about the time when the hubs keep theirs.
    async fn commands_differ(&self, subject: &str, question: &Question) -> bool {
        const AGAIN: usize = 10;
        if matches!(question, Question::Document(text) if text.starts_with("mutation") && !text.contains("validateOnly: true"))
        {
            let since = self.started.elapsed().as_secs_f64() % TIME_KEPT_EVERY.as_secs_f64();
            return self.started.elapsed() < TIME_KEPT_EVERY / 2 || (5.0..25.0).contains(&since);
        }
        for _ in 0..AGAIN {
            let left = self.send(0, subject, question).await.commands;
            if left == self.send(1, subject, &self.translated(question)).await.commands {
                return false;
            }
        }
        true
    }

    /// Lets a moment pass in both worlds, so that what comes next is ordered after what came before.
    pub(super) fn tick(&self) {
        self.clock.advance(Duration::from_millis(1));
    }

    /// A question with the names that things have in the second world.
    fn translated(&self, question: &Question) -> Question {
        let twins = self.twins.lock().unwrap_or_else(PoisonError::into_inner);
        match question {
            Question::Document(text) => Question::Document(twins.translated(text)),
            Question::Trusted(name, variables) => {
                Question::Trusted(name, serde_json::from_str(&twins.translated(&variables.to_string())).unwrap())
            }
            Question::Export(path) => Question::Export(twins.translated(path)),
        }
    }

    async fn send(&self, side: usize, subject: &str, question: &Question) -> Told {
        let hub = &self.hubs[side];
        let before = hub.graph.hub().store.commands();
        let address = |path: &str| format!("http://{}{path}", hub.address);
        let mut request = match question {
            Question::Document(text) => {
                let accept = "application/graphql-response+json";
                hub.http.post(address("/graphql")).header(header::ACCEPT, accept).json(&json!({ "query": text }))
            }
            Question::Trusted(name, variables) => {
                let parameters = [("documentId", (*name).to_owned()), ("variables", variables.to_string())];
                hub.http.get(reqwest::Url::parse_with_params(&address("/graphql"), parameters).unwrap())
            }
            Question::Export(path) => hub.http.get(address(path)),
        };
        if !subject.is_empty() {
            request = request.bearer_auth(hub.token(subject));
        }
        let response = request.send().await.unwrap();
        let mut head = response.status().to_string();
        let headers = response.headers().iter().filter(|(name, _)| *name != header::DATE);
        let mut headers: Vec<String> =
            headers.map(|(name, value)| format!("\n{name}: {}", value.to_str().unwrap())).collect();
        headers.sort();
        let body = response.text().await.unwrap();
        head.extend(headers);
        head.push_str("\n\n");
        let commands = hub.graph.hub().store.commands() - before;
        let price = match question {
            Question::Document(text) => self.price(side, subject, text),
            _ => String::new(),
        };
        Told { head, body, commands, price }
    }

    /// What a document is charged, be it told or not.
    pub(super) fn price(&self, side: usize, subject: &str, text: &str) -> String {
        let graph = &self.hubs[side].graph;
        let member = graph.hub().live_board.board().member(subject).cloned();
        let viewer = Viewer { member, ..Viewer::default() };
        match graph.prepare(Request::new(text), &viewer) {
            Ok(prepared) => format!("{} each, {} in all", prepared.cost, prepared.price()),
            Err(refusal) => refusal.errors[0].message.clone(),
        }
    }

    /// How many messages the state has that a subscription begins with.
    pub(super) fn messages_of_state(&self, side: usize, subject: &str, text: &str) -> usize {
        let graph = &self.hubs[side].graph;
        let member = graph.hub().live_board.board().member(subject).cloned();
        let viewer = Viewer { member, ..Viewer::default() };
        // Whoever goes on after a cursor is sent no state, and totals are one message.
        match graph.prepare(Request::new(text), &viewer) {
            Ok(_) if text.contains("totalsChanged") => 1,
            Ok(prepared) if !text.contains("after:") => usize::try_from(prepared.messages).unwrap(),
            _ => 0,
        }
    }

    /// How the price of a subscription differs, if it does.
    pub(super) fn prices(&self, subject: &str, text: &str) -> Option<Unlike> {
        let Question::Document(other) = self.translated(&Question::Document(text.to_owned())) else { return None };
        let (left, right) = (self.price(0, subject, text), self.price(1, subject, &other));
        (left != right).then_some(Unlike { what: What::Price, left, right })
    }

    pub(super) fn text_for(&self, side: usize, text: &str) -> String {
        if side == 0 {
            return text.to_owned();
        }
        self.twins.lock().unwrap_or_else(PoisonError::into_inner).translated(text)
    }
}

/// What is rightly different in two worlds: the ids and cursors of things that came to be after the worlds had parted,
/// the marks of requests, and what remains of a budget, which grows with the real time.
///
/// Nothing is left out. Where one answer has an id, a cursor or a mark that was not there before, the other has to have
/// one of the same kind in the same place, and the two belong together from then on: wherever one of them is told
/// again, the other has to be told in the other world. What remains of a budget follows from what is charged, which is
/// compared by itself ([`What::Price`]).
struct Twins {
    known: &'static HashSet<Uuid>,
    right_of: HashMap<String, String>,
    left_of: HashMap<String, String>,
}

impl Twins {
    fn new(known: &'static HashSet<Uuid>) -> Self {
        Self { known, right_of: HashMap::new(), left_of: HashMap::new() }
    }

    /// Both texts, the left one in the words of the right wherever two words belong together.
    fn alike(&mut self, left: &str, right: &str) -> [String; 2] {
        let (left, right) = (without_remainder(left), without_remainder(right));
        let (own, others): (Vec<&str>, Vec<&str>) = (words(&left).collect(), words(&right).collect());
        if own.len() == others.len() {
            for (own, other) in own.into_iter().zip(others) {
                let kind = self.fresh(own);
                let new = !self.right_of.contains_key(own) && !self.left_of.contains_key(other);
                if kind.is_some() && kind == self.fresh(other) && new {
                    self.right_of.insert(own.to_owned(), other.to_owned());
                    self.left_of.insert(other.to_owned(), own.to_owned());
                }
            }
        }
        [self.translated(&left), right]
    }

    /// A text of the left world in the words of the right.
    fn translated(&self, text: &str) -> String {
        words(text).map(|word| self.right_of.get(word).map_or(word, String::as_str)).collect()
    }

    /// What kind of new name a word is, if it is one.
    fn fresh(&self, word: &str) -> Option<&'static str> {
        let is_fresh = |uuid: &Uuid| uuid.get_version_num() == 7 && !self.known.contains(uuid);
        if word.len() < 18 {
            return None;
        }
        if word.len() == 36
            && let Ok(uuid) = Uuid::try_parse(word)
        {
            return is_fresh(&uuid).then_some("mark");
        }
        let bytes = URL_SAFE_NO_PAD.decode(word).ok()?;
        match &bytes[..] {
            sealed if sealed.len() == 41 => Some("cursor of a stream"),
            [_, uuid @ ..] if uuid.len() == 16 => {
                Uuid::from_slice(uuid).is_ok_and(|uuid| is_fresh(&uuid)).then_some("thing")
            }
            _ => {
                let text = std::str::from_utf8(&bytes).ok()?;
                words(text).any(|word| Uuid::try_parse(word).is_ok_and(|uuid| is_fresh(&uuid))).then_some("cursor")
            }
        }
    }
}

/// A text in pieces: the longest runs of letters that ids and cursors are written with, and what is between.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let of_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    text.as_bytes().chunk_by(move |one, next| of_word(one) == of_word(next)).map(|piece| {
        // Cut where ASCII and the rest meet, or between ASCII: both ends are ends of characters.
        std::str::from_utf8(piece).expect("whole characters")
    })
}

fn without_remainder(text: &str) -> String {
    const REMAINING: &str = "\"remaining\":";
    match text.split_once(REMAINING) {
        Some((before, after)) => {
            format!("{before}{REMAINING}…{}", after.trim_start_matches(|c: char| c.is_ascii_digit()))
        }
        None => text.to_owned(),
    }
}

#[test]
fn only_what_came_to_be_may_have_another_name() {
    let [old, one, other, third] = [0_u128, 1, 2, 3].map(|number| {
        let mut bytes = (number << 64 | 0x0123).to_be_bytes();
        (bytes[6], bytes[8]) = (0x70, 0x80);
        Uuid::from_bytes(bytes)
    });
    let known: &'static HashSet<Uuid> = Box::leak(Box::new(HashSet::from([old])));
    let thing = |uuid: Uuid| {
        let bytes: Vec<u8> = [b'g'].into_iter().chain(*uuid.as_bytes()).collect();
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let mut twins = Twins::new(known);
    let mut same = |left: String, right: String| {
        let [left, right] = twins.alike(&left, &right);
        left == right
    };
    assert!(same(format!("{{\"id\":\"{}\"}}", thing(one)), format!("{{\"id\":\"{}\"}}", thing(other))));
    assert!(same(thing(one), thing(other)), "they belong together");
    assert!(!same(thing(one), thing(third)), "for good");
    assert!(!same(thing(third), thing(other)), "in both directions");
    assert!(!same(thing(old), thing(third)), "what was there has its name");
    assert!(!same(format!("{} {}", thing(third), thing(third)), thing(old)));
    assert!(same("\"remaining\":12}".into(), "\"remaining\":999}".into()));
    assert!(!same("\"requested\":12}".into(), "\"requested\":13}".into()));
}
