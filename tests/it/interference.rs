//! Nothing is told by anything: two worlds that differ in one hidden value answer with the same bytes.
//!
//! A province is made by ordinary acts and copied twice. In the second copy one thing is changed that some viewers do
//! not see ([`differences`]), through the act of the body it belongs to, or by hand where no act does it. Each of these
//! viewers then sends the same documents to both worlds: queries and checks of acts made at random from the contract
//! ([`documents`], [`values`]), trusted documents, exports, subscriptions, and in the end orders. Status, headers,
//! bytes, charges and the number of commands to the database have to be the same. What is rightly different is told by
//! [`pair`]. Somebody who may see the difference asks for all that is told of what it is about, and must find it: a difference that
//! is nowhere proves nothing.
//!
//! `TAVOLO_CASES` is how many documents there are, about, and `TAVOLO_SEED` which ones.

mod differences;
mod documents;
mod pair;
mod province;
mod steps;
mod streams;
mod values;

use std::{
    collections::BTreeSet,
    fmt::Write,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use tavolo_schema::DateTime;

use self::{
    differences::{DIFFERENCES, Difference},
    documents::{Contract, Document, Maker},
    pair::{Pair, Question, Unlike, What},
    province::{Cast, Province, VIEWERS},
    steps::place_more,
    streams::Listening,
    values::Values,
};

/// Documents in all when nobody says how many.
const CASES: usize = 400;
/// Which ones.
const SEED: u64 = 20;
/// Viewers of all differences together, about.
const PAIRS: usize = 200;
/// Subscriptions of each viewer that are only measured.
const MEASURED: usize = 25;
/// Requests that a failure may take to be told by a smaller document.
const SHRINKING: usize = 150;

/// A case in which two worlds answered otherwise.
struct Failure {
    viewer: &'static str,
    roots: BTreeSet<String>,
    question: String,
    unlike: Unlike,
}

/// One difference that is looked at.
struct Trial<'t> {
    name: &'static str,
    difference: &'t Difference,
    cast: &'t Cast,
    pair: &'t Pair,
    maker: Maker<'t>,
    failures: Vec<Failure>,
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().expect(variable))
}

async fn nothing_is_told(name: &'static str, difference: fn(&Cast, DateTime) -> Difference) {
    let province = Province::get().await;
    let (cast, contract) = (&province.cast, Contract::read());
    let difference = difference(cast, province.now);
    let viewers = || difference.hidden_from.iter().chain(&difference.shown_to);
    assert!(viewers().all(|viewer| VIEWERS.contains(viewer)), "{name} is about viewers there are");
    let (cases, seed) = (number("TAVOLO_CASES", CASES as u64) as usize, number("TAVOLO_SEED", SEED));
    // Each difference has documents of its own, whichever others are looked at.
    let own = name.bytes().fold(seed, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
    let mut values = Values::new(StdRng::seed_from_u64(own), cast, province.now, difference.focus);
    values.name_often(&difference.texts);
    let pair = Pair::start(province, &difference.steps).await;
    let maker = Maker::new(&contract, values);
    let mut trial = Trial { name, difference: &difference, cast, pair: &pair, maker, failures: Vec::new() };
    trial.run(cases.div_ceil(PAIRS)).await;
    let (failures, selected) = (trial.failures, trial.maker.selected);
    let missing = covered(&contract, selected.into_keys());
    report(name, seed, &failures);
    assert_eq!(missing, None, "what was not asked for");
}

impl Trial<'_> {
    async fn run(&mut self, cases: usize) {
        let (pair, difference) = (self.pair, self.difference);
        let before = difference.steps.iter().all(|step| !step.is_night());
        let mut listening = Vec::new();
        for &viewer in difference.hidden_from.iter().filter(|_| before) {
            listening.push(self.listen(viewer).await);
        }
        for step in &difference.steps {
            step.perform(pair, self.cast).await;
            pair.settle().await;
            pair.tick();
        }
        for &viewer in difference.hidden_from.iter().filter(|_| !before) {
            listening.push(self.listen(viewer).await);
        }
        for &viewer in &difference.hidden_from {
            let again = Listening::open(pair, viewer, vec![self.maker.subscription()]).await;
            self.hear(again);
            for _ in 0..cases {
                self.case(viewer).await;
            }
            self.checks(viewer).await;
            for _ in 0..MEASURED {
                let document = self.maker.subscription();
                if let Some(unlike) = pair.prices(viewer, &document.text()) {
                    self.note(viewer, document.root_names(), document.text(), unlike);
                }
            }
        }
        for (times, house) in ["A2", "B2", "A3"].into_iter().enumerate() {
            place_more(pair, self.cast, house).await;
            for listening in &mut listening {
                listening.until_told(times + 2).await;
            }
            pair.tick();
        }
        for listening in listening {
            self.hear(listening);
        }
        for &viewer in &difference.hidden_from {
            self.orders(viewer).await;
        }
        if let Some(viewer) = difference.shown_to {
            self.is_shown_to(viewer).await;
        }
    }

    fn note(&mut self, viewer: &'static str, roots: BTreeSet<String>, question: String, unlike: Unlike) {
        self.failures.push(Failure { viewer, roots, question, unlike });
    }

    async fn listen(&mut self, viewer: &'static str) -> Listening {
        let documents = (0..2).map(|_| self.maker.subscription()).collect();
        let listening = Listening::open(self.pair, viewer, documents).await;
        self.maker.values.stream_cursors.extend(listening.cursors());
        listening
    }

    fn hear(&mut self, listening: Listening) {
        for (document, unlike) in listening.unlike(self.pair) {
            self.note(listening.subject, document.root_names(), document.text(), unlike);
        }
    }

    /// Checks of all acts by those who may perform some, those about people more often.
    async fn checks(&mut self, viewer: &'static str) {
        if !["operator", "other_operator", "central_service", "province"].contains(&viewer) {
            return;
        }
        let all = self.maker.mutations();
        let about_people = ["admitGuest", "registerGuest"].map(ToOwned::to_owned);
        for mutation in all.into_iter().chain(about_people.iter().cycle().take(8).cloned()) {
            let document = self.maker.check_of(&mutation);
            self.ask(viewer, document).await;
        }
    }

    /// Asks one thing, whichever it is.
    async fn case(&mut self, viewer: &'static str) {
        let kind = self.maker.values.rng.random_range(0..20);
        match kind {
            0..13 => {
                let document = self.maker.query();
                self.ask(viewer, document).await;
            }
            13..17 => {
                let document = self.maker.check();
                self.ask(viewer, document).await;
            }
            17 => {
                let (name, variables) = self.trusted();
                let question = Question::Trusted(name, variables.clone());
                let (unlike, _) = self.pair.ask(viewer, &question).await;
                for unlike in unlike {
                    self.note(viewer, BTreeSet::from(["trusted".into()]), format!("GET {name} {variables}"), unlike);
                }
            }
            _ => {
                let path = self.export();
                let (unlike, _) = self.pair.ask(viewer, &Question::Export(path.clone())).await;
                for unlike in unlike {
                    self.note(viewer, BTreeSet::from(["export".into()]), format!("GET {path}"), unlike);
                }
            }
        }
    }

    async fn ask(&mut self, viewer: &'static str, document: Document) {
        let (unlike, body) = self.pair.ask(viewer, &Question::Document(document.text())).await;
        self.remember_cursors(&serde_json::from_str(&body).unwrap_or_default());
        if unlike.is_empty() {
            return;
        }
        let mut apart = Vec::new();
        for root in &document.roots {
            let alone = Document { roots: vec![root.clone()], ..document.clone() };
            let (unlike, _) = self.pair.ask(viewer, &Question::Document(alone.text())).await;
            apart.extend(unlike.into_iter().map(|unlike| (alone.clone(), unlike)));
        }
        if apart.is_empty() {
            apart = unlike.into_iter().map(|unlike| (document.clone(), unlike)).collect();
        }
        for (document, unlike) in apart {
            let (document, unlike) = self.shrunk(viewer, document, unlike).await;
            self.note(viewer, document.root_names(), document.text(), unlike);
        }
    }

    /// A smaller document that tells the same difference, of the first of each kind.
    async fn shrunk(&self, viewer: &'static str, mut document: Document, mut unlike: Unlike) -> (Document, Unlike) {
        let roots = document.root_names();
        let alike = |other: &&Failure| other.roots == roots && other.unlike.what == unlike.what;
        let mut left = if self.failures.iter().any(|other| alike(&other)) { 0 } else { SHRINKING };
        'smaller: loop {
            for smaller in document.smaller() {
                if left == 0 {
                    break 'smaller;
                }
                left -= 1;
                let (found, _) = self.pair.ask(viewer, &Question::Document(smaller.text())).await;
                if let Some(found) = found.into_iter().find(|found| found.what == unlike.what) {
                    (document, unlike) = (smaller, found);
                    continue 'smaller;
                }
            }
            break;
        }
        (document, unlike)
    }

    fn remember_cursors(&mut self, value: &Value) {
        match value {
            Value::Array(items) => items.iter().for_each(|item| self.remember_cursors(item)),
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field {
                        Value::String(cursor) if name.to_lowercase().ends_with("cursor") => {
                            self.maker.values.cursors.push(cursor.clone());
                        }
                        field => self.remember_cursors(field),
                    }
                }
            }
            _ => {}
        }
    }

    fn named(&mut self, kind: &str) -> String {
        let about = self.difference.focus.iter().filter(|name| self.cast.kinds[kind].iter().any(|own| own == *name));
        let about: Vec<&str> = about.copied().collect();
        let all: Vec<&str> = self.cast.kinds[kind].iter().map(String::as_str).collect();
        let name = about.choose(&mut self.maker.values.rng).or_else(|| all.choose(&mut self.maker.values.rng));
        self.cast.id(name.expect("something of this kind")).to_owned()
    }

    fn trusted(&mut self) -> (&'static str, Value) {
        match self.maker.values.rng.random_range(0..3) {
            0 => ("totals", json!({})),
            1 => ("house", json!({ "id": self.named("facility") })),
            _ => ("person", json!({ "id": self.named("guest") })),
        }
    }

    fn export(&mut self) -> String {
        let tables = ["facilities", "occupancy-history", "ledger", "statistics", "stays"];
        let table = *tables.choose(&mut self.maker.values.rng).unwrap();
        let mut path = format!("/export/{table}.csv?");
        match table {
            "occupancy-history" => path.push_str("from=2026-12-20&every=DAY&"),
            "statistics" => path.push_str("from=2026-11-01&to=2027-01-31&"),
            _ => {}
        }
        match self.maker.values.rng.random_range(0..5) {
            0 => {
                let _ = write!(path, "facility={}", self.named("facility"));
            }
            1 => {
                let _ = write!(path, "operator={}", self.named("organisation"));
            }
            2 => path.push_str("municipality=101010"),
            3 => path.push_str("category=ORDINARY"),
            _ => {}
        }
        path
    }

    /// Orders acts that are right, and one that is not.
    async fn orders(&mut self, viewer: &'static str) {
        for (mutation, input) in differences::orders(self.cast, viewer) {
            if self.difference.orders_tell.contains(&mutation) {
                continue;
            }
            // Of files that are opened at one instant, chance says in which order lists have them.
            self.pair.clock.advance(Duration::from_millis(1));
            let document = self.maker.order(mutation, &input);
            let (unlike, _) = self.pair.ask(viewer, &Question::Document(document.text())).await;
            for unlike in unlike {
                self.note(viewer, document.root_names(), document.text(), unlike);
            }
            self.pair.settle().await;
            self.pair.tick();
            let after = self.maker.query();
            self.ask(viewer, after).await;
        }
    }

    /// Whoever may see a difference finds it in what the things that it is about say of themselves, or in how many there are.
    async fn is_shown_to(&self, viewer: &'static str) {
        let named = self.cast.kinds.iter().flat_map(|(kind, names)| names.iter().map(move |name| (*kind, name)));
        let focused = named.filter(|(_, name)| self.difference.focus.contains(&name.as_str()));
        let wholes = focused.filter_map(|(kind, name)| self.maker.whole(kind, self.cast.id(name)));
        for document in wholes.chain([self.maker.counts()]) {
            let (unlike, _) = self.pair.ask(viewer, &Question::Document(document.text())).await;
            if unlike.iter().any(|unlike| unlike.what == What::Answer) {
                return;
            }
        }
        panic!("{}: {viewer:?} may see it, and neither its things nor their numbers show it", self.name);
    }
}

/// Tells the first failure of each kind.
fn report(name: &'static str, seed: u64, failures: &[Failure]) {
    let mut report = String::new();
    let mut told = BTreeSet::new();
    let first = failures.iter().filter(|failure| told.insert((failure.viewer, &failure.roots, failure.unlike.what)));
    for Failure { viewer, question, unlike: Unlike { what, left, right }, .. } in first {
        let (left, right) = excerpts(left, right);
        let _ = write!(
            report,
            "\n{name} is told to {viewer:?} by its {what:?} (seed {seed})\n  {question}\n  one:   {left}\n  other: {right}\n"
        );
    }
    assert!(report.is_empty(), "{report}");
}

/// Both texts from a little before where they part.
fn excerpts(left: &str, right: &str) -> (String, String) {
    const BEFORE: usize = 120;
    const SHOWN: usize = 400;
    let parts = left.chars().zip(right.chars()).take_while(|(left, right)| left == right).count();
    let cut = |text: &str| text.chars().skip(parts.saturating_sub(BEFORE)).take(SHOWN).collect();
    (cut(left), cut(right))
}

/// What the documents have not asked for, when all differences have been looked at and that is more than a twentieth.
fn covered(contract: &Contract, selected: impl Iterator<Item = String>) -> Option<Vec<String>> {
    static SELECTED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    static DONE: AtomicUsize = AtomicUsize::new(0);
    let mut all = SELECTED.lock().unwrap_or_else(PoisonError::into_inner);
    all.extend(selected);
    if DONE.fetch_add(1, Ordering::SeqCst) + 1 < DIFFERENCES {
        return None;
    }
    let fields = contract.all_fields();
    let missing: Vec<String> = fields.difference(&all).cloned().collect();
    (missing.len() * 20 > fields.len()).then_some(missing)
}
