//! Whatever happens in whatever order: transactions, hubs that learn of them late, begin anew or are
//! replaced, clients that read slowly, leave and come back to any hub. A model says what each client
//! must have been sent.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Wake, Waker},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::{collection::vec, prelude::*};
use tavolo_schema::{PlaceCategory, Pool, PoolKey};
use tavolo_store::changes::{BoardChange, Snapshot};

use super::{missed::PIECE, ring::KEPT_FOR, *};
use crate::{
    Board, Delivery, FacilityState, Interest,
    invented::{at, entry, facility, start},
    occupancy,
};

const HUBS: usize = 3;
const CLIENTS: usize = 4;
const POOLS: usize = 6;

/// Changes that a log keeps in which nobody falls behind.
const ALL: usize = 1_000_000;

/// A pool in one word.
fn name(pool: &PoolKey) -> String {
    format!("{pool:?}").replace(' ', "")
}

#[derive(Clone, Debug)]
enum Step {
    /// So many transactions of one pool each.
    Burst(usize),
    /// These pools change in one transaction.
    Commit(Vec<usize>),
    /// A hub learns of so many transactions.
    Follow(usize, usize),
    /// The history of a hub does not reach back: it begins anew with what is true now.
    Reset(usize),
    /// A hub process takes the place of another; its feed begins so many transactions back.
    Restart(usize, usize),
    /// A client leaves where it was, and comes to this hub with what it has.
    Connect(usize, usize),
    /// A client takes so many messages, if there are.
    Take(usize, usize),
    /// So much time that no ring keeps anything.
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (1..3 * PIECE).prop_map(Step::Burst),
        5 => vec(0..POOLS, 1..4).prop_map(Step::Commit),
        5 => (0..HUBS, 1..6_usize).prop_map(|(hub, transactions)| Step::Follow(hub, transactions)),
        2 => (0..HUBS, PIECE..3 * PIECE).prop_map(|(hub, transactions)| Step::Follow(hub, transactions)),
        1 => (0..HUBS).prop_map(Step::Reset),
        1 => (0..HUBS, 0..8_usize).prop_map(|(hub, back)| Step::Restart(hub, back)),
        3 => (0..CLIENTS, 0..HUBS).prop_map(|(client, hub)| Step::Connect(client, hub)),
        6 => (0..CLIENTS, 1..5_usize).prop_map(|(client, messages)| Step::Take(client, messages)),
        2 => (0..CLIENTS, 1..2 * PIECE).prop_map(|(client, messages)| Step::Take(client, messages)),
        1 => Just(Step::Wait),
    ]
}

/// Everybody's facility, and every transaction there was.
struct Ledger {
    pools: Vec<PoolKey>,
    facility: tavolo_schema::Facility,
    other: tavolo_schema::Facility,
    /// For each transaction, the pools it changed and the numbers it left.
    transactions: Vec<Vec<(usize, i32)>>,
}

impl Ledger {
    fn new() -> Self {
        let (facility, other) = (facility("KR-F-0001"), facility("KR-F-0002"));
        let pools = [facility.id, other.id].into_iter();
        let pools = pools.flat_map(|id| PlaceCategory::ALL.map(|category| (id, category))).collect();
        Self { pools, facility, other, transactions: Vec::new() }
    }

    fn time(transactions: usize) -> Position {
        at(100 + u32::try_from(transactions).unwrap(), 1, 0)
    }

    /// The number each pool has after so many transactions.
    fn truth(&self, transactions: usize) -> BTreeMap<PoolKey, i32> {
        let mut truth: BTreeMap<PoolKey, i32> = self.pools.iter().map(|pool| (*pool, 0)).collect();
        for (pool, occupied) in self.transactions[..transactions].iter().flatten() {
            truth.insert(self.pools[*pool], *occupied);
        }
        truth
    }

    /// The first change above a position.
    fn next_above(&self, position: Position) -> Option<(Position, PoolKey, i32)> {
        // Transactions of earlier seconds lie below the position.
        let earlier = usize::try_from(position.seconds.saturating_sub(101)).unwrap();
        let all = self.transactions.iter().enumerate().skip(earlier).flat_map(|(number, transaction)| {
            let time = Self::time(number + 1);
            transaction.iter().zip(1..).map(move |(change, ordinal)| (Position { ordinal, ..time }, *change))
        });
        let mut above = all.filter(|(at, _)| *at > position);
        above.next().map(|(position, (pool, occupied))| (position, self.pools[pool], occupied))
    }

    fn commit(&mut self, mut changed: Vec<usize>) {
        changed.sort_unstable();
        changed.dedup();
        let number = i32::try_from(self.transactions.len()).unwrap() + 1;
        self.transactions.push(changed.into_iter().map(|pool| (pool, number)).collect());
    }

    fn pool(&self, (facility, category): PoolKey, occupied: i32) -> Pool {
        Pool { occupied, ..Pool::empty(facility, category, start()) }
    }

    fn board(&self, transactions: usize) -> Board {
        Board::new(Snapshot {
            position: Self::time(transactions),
            facilities: vec![self.facility.clone(), self.other.clone()],
            pools: self.truth(transactions).into_iter().map(|(pool, occupied)| self.pool(pool, occupied)).collect(),
            ..Snapshot::default()
        })
    }

    fn changes(&self, number: usize) -> Vec<BoardChange> {
        let changes = self.transactions[number].iter().flat_map(|(pool, occupied)| {
            let (facility, category) = self.pools[*pool];
            let pool = self.pool((facility, category), *occupied);
            [BoardChange::Pool(pool), BoardChange::Entry(entry(facility, category, *occupied))]
        });
        changes.collect()
    }
}

struct Everything;

impl Interest for Everything {
    fn wants(&self, _: &FacilityState, _: PlaceCategory) -> bool {
        true
    }
}

struct Plain(Arc<LiveBoard>);

impl Source for Plain {
    type Refusal = ();

    async fn run(&self, segment: Segment) -> Result<SegmentStream, NotRun<()>> {
        let (mark, deliveries) = occupancy::run(&self.0, Everything, segment).ok_or(NotRun::TooOld)?;
        let message = |delivery: Delivery| {
            let (kind, occupied) = match &delivery {
                Delivery::Current { pool, resync, .. } => (if *resync { "RESYNC" } else { "CURRENT" }, pool.occupied),
                Delivery::Changed(change) => ("CHANGED", change.entry.after.occupied),
            };
            let pool = match &delivery {
                Delivery::Current { state, pool, .. } => (state.facility.id, pool.category),
                Delivery::Changed(change) => (change.entry.facility, change.entry.category),
            };
            let cursor = delivery.cursor();
            let written = URL_SAFE_NO_PAD.encode(cursor.to_bytes());
            Message { position: cursor.position, json: format!("{kind} {occupied} {written} {}", name(&pool)).into() }
        };
        Ok(SegmentStream { mark, messages: deliveries.map(message).boxed() })
    }
}

struct Hub {
    live_board: Arc<LiveBoard>,
    channels: Channels<(), Plain>,
    /// It knows of so many transactions.
    follows: usize,
    /// Those were in its snapshot.
    snapshot: usize,
}

impl Hub {
    fn start(ledger: &Ledger, back: usize, kept: usize) -> Self {
        let snapshot = ledger.transactions.len();
        let follows = snapshot.saturating_sub(back);
        let floor = Position { ordinal: u32::MAX, ..Ledger::time(follows) };
        let live_board = LiveBoard::new(ledger.board(snapshot), Vec::new(), floor, kept);
        Self { channels: Channels::new(Arc::clone(&live_board)), live_board, follows, snapshot }
    }

    fn follow(&mut self, ledger: &Ledger, transactions: usize) {
        for _ in 0..transactions {
            if self.follows < ledger.transactions.len() {
                self.follows += 1;
                let changes = ledger.changes(self.follows - 1);
                self.live_board.apply(Ledger::time(self.follows), changes, self.follows <= self.snapshot);
            }
        }
    }

    fn reset(&mut self, ledger: &Ledger) {
        self.snapshot = ledger.transactions.len();
        self.follows = self.snapshot;
        let floor = Position { ordinal: u32::MAX, ..Ledger::time(self.snapshot) };
        self.live_board.reset(ledger.board(self.snapshot), Vec::new(), floor);
    }
}

/// Rings when there may be something to take.
struct Bell(AtomicBool);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A client, and all it knows.
#[derive(Default)]
struct Client {
    listener: Option<(Listener<Plain>, Arc<Bell>)>,
    cursor: Option<Cursor>,
    known: BTreeMap<PoolKey, i32>,
    in_state: bool,
}

impl Client {
    async fn connect(&mut self, hub: &Hub) {
        let channel = hub.channels.open((), || Plain(Arc::clone(&hub.live_board)));
        let listener = channel.listen(self.cursor).await.map_err(|_| "refused").unwrap();
        self.listener = Some((listener, Arc::new(Bell(AtomicBool::new(true)))));
        self.in_state = false;
    }

    /// Takes a message, if there is one, and checks it against the model.
    async fn take(&mut self, ledger: &Ledger, hub: &Hub) -> bool {
        let Some((listener, bell)) = &mut self.listener else { return false };
        let waker = Waker::from(Arc::clone(bell));
        let mut poll = || listener.poll_next_unpin(&mut Context::from_waker(&waker));
        let mut message = None;
        // The pump gets its turns before the listener is said to have nothing.
        for _ in 0..50 {
            if bell.0.swap(false, Ordering::Relaxed)
                && let Poll::Ready(next) = poll()
            {
                bell.0.store(true, Ordering::Relaxed);
                message = next;
                break;
            }
            tokio::task::yield_now().await;
        }
        let Some(message) = message else {
            assert!(!matches!(poll(), Poll::Ready(Some(_))), "there was something to take, and nobody was told");
            return false;
        };
        let words: Vec<&str> = message.json.split(' ').collect();
        let (kind, occupied) = (words[0], words[1].parse().unwrap());
        let cursor = Cursor::from_bytes(&URL_SAFE_NO_PAD.decode(words[2]).unwrap()).unwrap();
        let subject = *ledger.pools.iter().find(|pool| name(pool) == words[3]).unwrap();
        if kind == "CHANGED" {
            let before = self.cursor.unwrap();
            assert!(before.complete, "a change in the middle of a state");
            assert_eq!(ledger.next_above(before.position), Some((cursor.position, subject, occupied)));
        } else if !self.in_state {
            assert_eq!(kind == "RESYNC", self.cursor.is_some(), "whoever knew something is told to forget it");
            let complete = self.cursor.filter(|cursor| cursor.complete);
            let known =
                complete.is_some_and(|cursor| hub.live_board.behind(hub.live_board.mark_at(cursor.position)).is_some());
            assert!(!known || listener.mark.epoch != hub.live_board.epoch(), "the log knows what was missed");
            self.known.clear();
        }
        self.in_state = kind != "CHANGED" && !cursor.complete;
        self.known.insert(subject, occupied);
        self.cursor = Some(cursor);
        true
    }
}

async fn follow(steps: Vec<Step>, kept: usize) {
    let mut ledger = Ledger::new();
    let mut hubs: Vec<Hub> = (0..HUBS).map(|_| Hub::start(&ledger, 0, kept)).collect();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    let mut at: Vec<usize> = vec![0; CLIENTS];
    for step in steps {
        match step {
            Step::Burst(transactions) => (0..transactions).for_each(|number| ledger.commit(vec![number % POOLS])),
            Step::Commit(pools) => ledger.commit(pools),
            Step::Follow(hub, transactions) => hubs[hub].follow(&ledger, transactions),
            Step::Reset(hub) => hubs[hub].reset(&ledger),
            Step::Restart(hub, back) => {
                hubs[hub] = Hub::start(&ledger, back, kept);
                for client in (0..CLIENTS).filter(|client| at[*client] == hub) {
                    clients[client].listener = None;
                }
            }
            Step::Connect(client, hub) => {
                at[client] = hub;
                clients[client].connect(&hubs[hub]).await;
            }
            Step::Take(client, messages) => {
                for _ in 0..messages {
                    clients[client].take(&ledger, &hubs[at[client]]).await;
                }
            }
            Step::Wait => tokio::time::advance(2 * KEPT_FOR).await,
        }
    }
    // In the end everybody knows what is true.
    hubs.iter_mut().for_each(|hub| hub.follow(&ledger, ALL));
    for (client, hub) in clients.iter_mut().zip(at) {
        if client.listener.is_none() {
            client.connect(&hubs[hub]).await;
        }
        while client.take(&ledger, &hubs[hub]).await {}
        assert_eq!(client.known, ledger.truth(ledger.transactions.len()));
    }
}

fn run(steps: Vec<Step>, kept: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(follow(steps, kept));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_misses_a_change_or_is_sent_one_twice(steps in vec(step(), 1..40)) {
        run(steps, ALL);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whoever_is_too_late_for_the_log_is_told_so_and_knows_what_is_true(
        steps in vec(step(), 100..400),
        kept in 1..2 * PIECE,
    ) {
        run(steps, kept);
    }
}

mod cases;
