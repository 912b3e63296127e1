//! Single cases: who takes what from the ring, from the log, or the state anew.

use std::sync::atomic::AtomicUsize;

use futures_util::stream;

use super::{
    super::ring::{KEPT, KEPT_BYTES, Taken},
    *,
};

fn message(second: u32) -> Message {
    Message { position: at(second, 1, 1), json: "{}".into() }
}

fn ring(messages: impl IntoIterator<Item = Message>) -> Ring {
    let mut ring = Ring::pumped_from(Mark::default());
    messages.into_iter().for_each(|message| ring.put(message, Instant::now()));
    ring
}

#[tokio::test]
async fn a_listener_takes_from_the_ring_what_comes_next() {
    let ring = ring((1..=200).map(message));
    let taken = |second| ring.take(Mark { position: at(second, 1, 1), ..Mark::default() });
    assert!(matches!(taken(0), Taken::Next(next) if next.position == at(1, 1, 1)));
    assert!(matches!(taken(7), Taken::Next(next) if next.position == at(8, 1, 1)));
    assert!(matches!(taken(200), Taken::Nothing));
}

/// Counts the executions.
struct Counted(Plain, Arc<AtomicUsize>);

impl Source for Counted {
    type Refusal = ();

    async fn run(&self, segment: Segment) -> Result<SegmentStream, NotRun<()>> {
        let SegmentStream { mark, messages } = self.0.run(segment).await?;
        let executions = Arc::clone(&self.1);
        let count = move |_: &Message| {
            executions.fetch_add(1, Ordering::Relaxed);
        };
        Ok(SegmentStream { mark, messages: messages.inspect(count).boxed() })
    }
}

#[tokio::test]
async fn a_burst_is_told_whole_and_rendered_once_to_all_who_fall_out_of_the_ring() {
    let mut ledger = Ledger::new();
    let mut hub = Hub::start(&ledger, 0, ALL);
    let channels = Channels::new(Arc::clone(&hub.live_board));
    let executions = Arc::new(AtomicUsize::new(0));
    let channel = channels.open((), || Counted(Plain(Arc::clone(&hub.live_board)), Arc::clone(&executions)));
    let mut listeners = Vec::new();
    for _ in 0..10 {
        let mut listener = Arc::clone(&channel).listen(None).await.map_err(|_| "refused").unwrap();
        for _ in 0..POOLS {
            listener.next().await.unwrap();
        }
        listeners.push(listener);
    }
    let burst = 5 * KEPT;
    (0..burst).for_each(|number| ledger.commit(vec![number % POOLS]));
    hub.follow(&ledger, burst);
    let end = hub.live_board.end().position;
    // The pump has told it all before anybody looks.
    while channel.shared().ring.end().position < end {
        tokio::task::yield_now().await;
    }
    executions.store(0, Ordering::Relaxed);
    for change in 1..=burst {
        for listener in &mut listeners {
            assert_eq!(listener.next().await.unwrap().position, Position { ordinal: 1, ..Ledger::time(change) });
        }
    }
    let executions = executions.load(Ordering::Relaxed);
    assert!(executions <= burst, "{executions} executions for {burst} changes");
}

#[tokio::test]
async fn a_ring_keeps_no_more_than_it_may() {
    let long: Arc<str> = "x".repeat(KEPT_BYTES / 4 + 1).into();
    let messages = (1..=8).map(|second| Message { json: Arc::clone(&long), ..message(second) });
    let ring = ring(messages);
    assert_eq!(ring.messages.len(), 3);
    assert_eq!(ring.floor, at(5, 1, 1));
    assert!(matches!(ring.take(Mark { position: at(4, 1, 1), ..Mark::default() }), Taken::Unknown));
    let many = self::ring((1..=u32::try_from(KEPT).unwrap() + 9).map(message));
    assert_eq!((many.messages.len(), many.floor), (KEPT, at(9, 1, 1)));
}

#[tokio::test]
async fn equal_subscriptions_are_executed_once_and_their_bytes_are_the_same() {
    let mut ledger = Ledger::new();
    let mut hub = Hub::start(&ledger, 0, ALL);
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::default()).collect();
    for client in &mut clients {
        client.connect(&hub).await;
        while client.take(&ledger, &hub).await {}
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
        Plain(Arc::clone(&hub.live_board))
    });
    assert!(anew, "nobody listens to the old one any more");
}

#[tokio::test]
async fn when_the_pump_breaks_off_the_listeners_end() {
    struct Breaking(Arc<LiveBoard>);
    impl Source for Breaking {
        type Refusal = ();

        async fn run(&self, segment: Segment) -> Result<SegmentStream, NotRun<()>> {
            match segment {
                Segment::Live(mark) => Ok(SegmentStream { mark, messages: stream::empty().boxed() }),
                segment => Plain(Arc::clone(&self.0)).run(segment).await,
            }
        }
    }
    let ledger = Ledger::new();
    let live_board = Hub::start(&ledger, 0, ALL).live_board;
    let channels = Channels::new(Arc::clone(&live_board));
    let channel = channels.open((), || Breaking(Arc::clone(&live_board)));
    let mut listener = channel.listen(None).await.map_err(|_| "refused").unwrap();
    let mut messages = 0;
    while listener.next().await.is_some() {
        messages += 1;
    }
    assert_eq!(messages, POOLS);
}

/// Cannot tell what was missed, as totals cannot.
struct Forgetful(Plain);

impl Source for Forgetful {
    type Refusal = ();

    async fn run(&self, segment: Segment) -> Result<SegmentStream, NotRun<()>> {
        match segment {
            Segment::Missed { .. } => Err(NotRun::TooOld),
            segment => self.0.run(segment).await,
        }
    }
}

#[tokio::test]
async fn who_falls_out_of_the_ring_where_nobody_knows_what_was_missed_is_sent_the_state() {
    let mut ledger = Ledger::new();
    let mut hub = Hub::start(&ledger, 0, ALL);
    let channels = Channels::new(Arc::clone(&hub.live_board));
    let channel = channels.open((), || Forgetful(Plain(Arc::clone(&hub.live_board))));
    let mut listener = channel.listen(None).await.map_err(|_| "refused").unwrap();
    for _ in 0..POOLS {
        listener.next().await.unwrap();
    }
    for _ in 0..=KEPT {
        ledger.commit(vec![0]);
    }
    hub.follow(&ledger, KEPT + 1);
    let end = hub.live_board.end().position;
    // The pump has told it all before the listener looks.
    while listener.channel.shared().ring.end().position < end {
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

        async fn run(&self, segment: Segment) -> Result<SegmentStream, NotRun<()>> {
            tokio::task::yield_now().await;
            self.0.run(segment).await
        }
    }
    let ledger = Ledger::new();
    let live_board = Hub::start(&ledger, 0, ALL).live_board;
    let channels = Channels::new(Arc::clone(&live_board));
    let channel = channels.open((), || Slow(Plain(Arc::clone(&live_board))));
    let mut idle = Arc::clone(&channel).listen(None).await.map_err(|_| "refused").unwrap();
    assert!(idle.poll_next_unpin(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut listener = channel.listen(None).await.map_err(|_| "refused").unwrap();
    let message = tokio::time::timeout(KEPT_FOR, listener.next()).await.expect("it waits for nobody");
    assert!(message.unwrap().json.starts_with("CURRENT "));
}
