//! Whatever happens in whatever order: transactions, hubs that learn of them late, begin anew or are
//! replaced, clients that read slowly, leave and come back to any hub. A model says what each client
//! must have been sent.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
    task::{Context, Poll, Wake, Waker},
};

use futures_util::stream;
use proptest::{collection::vec, prelude::*};
use tavolo_schema::Pool;
use tavolo_store::changes::{BoardChange, Snapshot};

use super::{
    ring::{KEPT, KEPT_BYTES, KEPT_FOR, SLOW, Taken},
    *,
};
use crate::{
    Board, Delivery, Interest, Place,
    invented::{at, entry, facility, start},
    occupancy,
};

const HUBS: usize = 3;
const CLIENTS: usize = 4;
const POOLS: usize = 6;

#[derive(Clone, Debug)]
enum Step {
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
        5 => vec(0..POOLS, 1..4).prop_map(Step::Commit),
        5 => (0..HUBS, 1..6_usize).prop_map(|(hub, transactions)| Step::Follow(hub, transactions)),
        1 => (0..HUBS).prop_map(Step::Reset),
        1 => (0..HUBS, 0..8_usize).prop_map(|(hub, back)| Step::Restart(hub, back)),
        3 => (0..CLIENTS, 0..HUBS).prop_map(|(client, hub)| Step::Connect(client, hub)),
        6 => (0..CLIENTS, 1..5_usize).prop_map(|(client, messages)| Step::Take(client, messages)),
        1 => Just(Step::Wait),
    ]
}

/// Everybody's facility, and every transaction there was.
struct Ledger {
    pools: Vec<Subject>,
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
    fn truth(&self, transactions: usize) -> BTreeMap<Subject, i32> {
        let mut truth: BTreeMap<Subject, i32> = self.pools.iter().map(|pool| (*pool, 0)).collect();
        for (pool, occupied) in self.transactions[..transactions].iter().flatten() {
            truth.insert(self.pools[*pool], *occupied);
        }
        truth
    }

    /// The first change above a position.
    fn next_above(&self, position: Position) -> Option<(Position, Subject, i32)> {
        let all = self.transactions.iter().enumerate().flat_map(|(number, transaction)| {
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

    fn pool(&self, (facility, category): Subject, occupied: i32) -> Pool {
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
    fn wants(&self, _: &Place, _: PlaceCategory) -> bool {
        true
    }
}

struct Plain(Arc<Table>);

impl Source for Plain {
    type Refusal = ();

    async fn play(&self, part: Part) -> Result<Playing, Unplayed<()>> {
        let (mark, deliveries) = occupancy::play(&self.0, Everything, part).ok_or(Unplayed::TooOld)?;
        let message = |delivery: Delivery| {
            let (kind, occupied) = match &delivery {
                Delivery::Current { pool, resync, .. } => (if *resync { "RESYNC" } else { "CURRENT" }, pool.occupied),
                Delivery::Changed(change) => ("CHANGED", change.entry.after.occupied),
            };
            let (cursor, subject) = (delivery.cursor(), delivery.subject());
            let json = format!("{kind} {occupied} {cursor}").into();
            Message { position: cursor.position, subject: Some(subject), json }
        };
        Ok(Playing { mark, messages: deliveries.map(message).boxed() })
    }
}

struct Hub {
    table: Arc<Table>,
    channels: Channels<(), Plain>,
    /// It knows of so many transactions.
    follows: usize,
    /// Those were in its snapshot.
    snapshot: usize,
}

impl Hub {
    fn start(ledger: &Ledger, back: usize) -> Self {
        let snapshot = ledger.transactions.len();
        let follows = snapshot.saturating_sub(back);
        let floor = Position { ordinal: u32::MAX, ..Ledger::time(follows) };
        let table = Table::new(ledger.board(snapshot), Vec::new(), floor);
        Self { channels: Channels::new(Arc::clone(&table)), table, follows, snapshot }
    }

    fn follow(&mut self, ledger: &Ledger, transactions: usize) {
        for _ in 0..transactions {
            if self.follows < ledger.transactions.len() {
                self.follows += 1;
                let changes = ledger.changes(self.follows - 1);
                self.table.apply(Ledger::time(self.follows), changes, self.follows <= self.snapshot);
            }
        }
    }

    fn reset(&mut self, ledger: &Ledger) {
        self.snapshot = ledger.transactions.len();
        self.follows = self.snapshot;
        let floor = Position { ordinal: u32::MAX, ..Ledger::time(self.snapshot) };
        self.table.reset(ledger.board(self.snapshot), Vec::new(), floor);
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
    known: BTreeMap<Subject, i32>,
    in_state: bool,
}

impl Client {
    async fn connect(&mut self, hub: &Hub) {
        let channel = hub.channels.open((), || Plain(Arc::clone(&hub.table)));
        let listener = channel.listen(self.cursor).await.map_err(|_| "refused").unwrap();
        self.listener = Some((listener, Arc::new(Bell(AtomicBool::new(true)))));
        self.in_state = false;
    }

    /// Takes a message, if there is one, and checks it against the model.
    async fn take(&mut self, ledger: &Ledger, exactly: bool) -> bool {
        let Some((listener, bell)) = &mut self.listener else { return false };
        let waker = Waker::from(Arc::clone(bell));
        let mut poll = || listener.poll_next_unpin(&mut Context::from_waker(&waker));
        let mut message = None;
        // The narrator has its turn before there is said to be nothing.
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
        let (kind, occupied, cursor) = (words[0], words[1].parse().unwrap(), words[2].parse::<Cursor>().unwrap());
        let subject = message.subject.unwrap();
        if kind == "CHANGED" {
            let before = self.cursor.unwrap();
            assert!(before.complete, "a change in the middle of a state");
            assert!(cursor.position > before.position, "{cursor:?} after {before:?}");
            if exactly {
                assert_eq!(ledger.next_above(before.position), Some((cursor.position, subject, occupied)));
            }
        } else if !self.in_state {
            assert_eq!(kind == "RESYNC", self.cursor.is_some(), "whoever knew something is told to forget it");
            self.known.clear();
        }
        self.in_state = kind != "CHANGED" && !cursor.complete;
        self.known.insert(subject, occupied);
        self.cursor = Some(cursor);
        true
    }
}

async fn play(steps: Vec<Step>, exactly: bool) {
    let mut ledger = Ledger::new();
    let mut hubs: Vec<Hub> = (0..HUBS).map(|_| Hub::start(&ledger, 0)).collect();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    let mut at: Vec<usize> = vec![0; CLIENTS];
    for step in steps {
        match step {
            Step::Commit(pools) => ledger.commit(pools),
            Step::Follow(hub, transactions) => hubs[hub].follow(&ledger, transactions),
            Step::Reset(hub) => hubs[hub].reset(&ledger),
            Step::Restart(hub, back) => {
                hubs[hub] = Hub::start(&ledger, back);
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
                    clients[client].take(&ledger, exactly).await;
                }
            }
            Step::Wait => tokio::time::advance(2 * KEPT_FOR).await,
        }
    }
    // In the end everybody knows what is true.
    hubs.iter_mut().for_each(|hub| hub.follow(&ledger, 10_000));
    for (client, hub) in clients.iter_mut().zip(at) {
        if client.listener.is_none() {
            client.connect(&hubs[hub]).await;
        }
        while client.take(&ledger, exactly).await {}
        assert_eq!(client.known, ledger.truth(ledger.transactions.len()));
    }
}

fn run(steps: Vec<Step>, exactly: bool) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(play(steps, exactly));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn nobody_misses_a_change_or_is_sent_one_twice(steps in vec(step(), 1..40)) {
        // At most 40 steps of 3 changes each would be too many for a slow listener to be sent them all.
        let commits = steps.iter().filter(|step| matches!(step, Step::Commit(_))).count();
        run(steps, commits * 3 <= SLOW);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn whoever_is_slow_knows_what_is_true_all_the_same(steps in vec(step(), 100..400)) {
        run(steps, false);
    }
}

fn message(second: u32, category: PlaceCategory) -> Message {
    let facility = FacilityId::from(uuid::Uuid::nil());
    Message { position: at(second, 1, 1), subject: Some((facility, category)), json: "{}".into() }
}

fn ring(messages: impl IntoIterator<Item = Message>) -> Ring {
    let mut ring = Ring::narrated_from(Mark::default());
    messages.into_iter().for_each(|message| ring.put(message, Instant::now()));
    ring
}

#[tokio::test]
async fn a_slow_listener_is_sent_the_latest_of_each_pool() {
    let seconds = 1..=u32::try_from(SLOW).unwrap() + 1;
    let last = *seconds.end();
    let messages = seconds.map(|second| {
        message(second, if second == 7 { PlaceCategory::UnaccompaniedMinor } else { PlaceCategory::Ordinary })
    });
    let ring = ring(messages);
    let Taken::Latest(latest, others) = ring.take(Mark::default()) else { panic!("it is not slow") };
    let positions: Vec<Position> = latest.iter().map(|message| message.position).collect();
    assert_eq!(positions, [at(7, 1, 1), at(last, 1, 1)]);
    assert_eq!(others, SLOW - 1);
    let near = Mark { position: at(1, 1, 1), ..Mark::default() };
    assert!(matches!(ring.take(near), Taken::Next(next) if next.position == at(2, 1, 1)));
    let up_to_date = Mark { position: at(last, 1, 1), ..Mark::default() };
    assert!(matches!(ring.take(up_to_date), Taken::Nothing));
}

#[tokio::test]
async fn a_ring_keeps_no_more_than_it_may() {
    let long: Arc<str> = "x".repeat(KEPT_BYTES / 4 + 1).into();
    let messages =
        (1..=8).map(|second| Message { json: Arc::clone(&long), ..message(second, PlaceCategory::Ordinary) });
    let ring = ring(messages);
    assert_eq!(ring.messages.len(), 3);
    assert_eq!(ring.floor, at(5, 1, 1));
    assert!(matches!(ring.take(Mark { position: at(4, 1, 1), ..Mark::default() }), Taken::Unknown));
    let many =
        self::ring((1..=u32::try_from(KEPT).unwrap() + 9).map(|second| message(second, PlaceCategory::Ordinary)));
    assert_eq!((many.messages.len(), many.floor), (KEPT, at(9, 1, 1)));
}

#[tokio::test]
async fn equal_subscriptions_are_played_once_and_their_bytes_are_the_same() {
    let mut ledger = Ledger::new();
    let mut hub = Hub::start(&ledger, 0);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    for client in &mut clients {
        client.connect(&hub).await;
        while client.take(&ledger, true).await {}
    }
    ledger.commit(vec![2]);
    hub.follow(&ledger, 1);
    let mut taken: Vec<Arc<str>> = Vec::new();
    for client in &mut clients {
        taken.push(client.listener.as_mut().unwrap().0.next().await.unwrap().json);
    }
    assert!(taken.iter().all(|json| Arc::ptr_eq(json, &taken[0])));
    let channel = hub.channels.open((), || unreachable!("there is one already"));
    assert_eq!(Arc::strong_count(&channel), 1 + CLIENTS);
    drop((clients, channel));
    let mut anew = false;
    hub.channels.open((), || {
        anew = true;
        Plain(Arc::clone(&hub.table))
    });
    assert!(anew, "nobody listens to the old one any more");
}

#[tokio::test]
async fn when_the_narrator_breaks_off_the_listeners_end() {
    struct Breaking(Arc<Table>);
    impl Source for Breaking {
        type Refusal = ();

        async fn play(&self, part: Part) -> Result<Playing, Unplayed<()>> {
            match part {
                Part::Live(mark) => Ok(Playing { mark, messages: stream::empty().boxed() }),
                part => Plain(Arc::clone(&self.0)).play(part).await,
            }
        }
    }
    let ledger = Ledger::new();
    let table = Hub::start(&ledger, 0).table;
    let channels = Channels::new(Arc::clone(&table));
    let channel = channels.open((), || Breaking(Arc::clone(&table)));
    let mut listener = channel.listen(None).await.map_err(|_| "refused").unwrap();
    let mut messages = 0;
    while listener.next().await.is_some() {
        messages += 1;
    }
    assert_eq!(messages, POOLS);
}

/// Messages that are about no pool, so that none takes the place of another.
struct Whole(Plain);

impl Source for Whole {
    type Refusal = ();

    async fn play(&self, part: Part) -> Result<Playing, Unplayed<()>> {
        let Playing { mark, messages } = self.0.play(part).await?;
        Ok(Playing { mark, messages: messages.map(|message| Message { subject: None, ..message }).boxed() })
    }
}

#[tokio::test]
async fn a_slow_listener_of_messages_without_a_pool_is_sent_the_state() {
    let mut ledger = Ledger::new();
    let mut hub = Hub::start(&ledger, 0);
    let channels = Channels::new(Arc::clone(&hub.table));
    let channel = channels.open((), || Whole(Plain(Arc::clone(&hub.table))));
    let mut listener = channel.listen(None).await.map_err(|_| "refused").unwrap();
    for _ in 0..POOLS {
        listener.next().await.unwrap();
    }
    for _ in 0..=SLOW {
        ledger.commit(vec![0]);
    }
    hub.follow(&ledger, SLOW + 1);
    let end = hub.table.end().position;
    // The narrator has told it all before the listener looks.
    while listener.channel.shared().ring.messages.back().is_none_or(|(_, last)| last.position < end) {
        tokio::task::yield_now().await;
    }
    for _ in 0..POOLS {
        let message = listener.next().await.unwrap();
        assert!(message.json.starts_with("RESYNC "), "{}", message.json);
    }
    ledger.commit(vec![1]);
    hub.follow(&ledger, 1);
    assert!(listener.next().await.unwrap().json.starts_with("CHANGED "));
}

#[tokio::test]
async fn nobody_waits_for_a_listener_that_is_not_polled() {
    /// Takes its time.
    struct Slow(Plain);
    impl Source for Slow {
        type Refusal = ();

        async fn play(&self, part: Part) -> Result<Playing, Unplayed<()>> {
            tokio::task::yield_now().await;
            self.0.play(part).await
        }
    }
    let ledger = Ledger::new();
    let table = Hub::start(&ledger, 0).table;
    let channels = Channels::new(Arc::clone(&table));
    let channel = channels.open((), || Slow(Plain(Arc::clone(&table))));
    let mut idle = Arc::clone(&channel).listen(None).await.map_err(|_| "refused").unwrap();
    assert!(idle.poll_next_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut listener = channel.listen(None).await.map_err(|_| "refused").unwrap();
    let message = tokio::time::timeout(KEPT_FOR, listener.next()).await.expect("it waits for nobody");
    assert!(message.unwrap().json.starts_with("CURRENT "));
}
