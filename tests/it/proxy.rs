//! A proxy before a mongod, with a hand on the connection that a hub's change feed asks on, and on those that are asked
//! certain questions.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use mongodb::options::ClientOptions;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
};

/// What becomes of the next question of a change feed, or of others. Everything else passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Pass,
    /// It waits.
    Hold,
    /// It vanishes, and its connection never says anything again. Of a change feed, those after it pass.
    Swallow,
}

/// What becomes of every question with all these words in it.
struct Rule {
    words: Vec<Vec<u8>>,
    fate: Fate,
}

/// A proxy that takes connections as long as the test runs.
pub struct Proxy {
    address: SocketAddr,
    hands: Hands,
}

/// What all connections of a proxy share.
#[derive(Clone)]
struct Hands {
    feed: watch::Sender<Fate>,
    rules: watch::Sender<Vec<Rule>>,
    held: Arc<AtomicUsize>,
    swallowed: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy before the first server of an address.
    pub async fn before(uri: &str) -> Self {
        let server = ClientOptions::parse(uri).await.unwrap().hosts[0].to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hands = Hands {
            feed: watch::Sender::new(Fate::Pass),
            rules: watch::Sender::default(),
            held: Arc::default(),
            swallowed: Arc::default(),
        };
        let shared = hands.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (asked, asking) = client.into_split();
                let (answered, answering) = TcpStream::connect(&server).await.unwrap().into_split();
                let dead = Arc::new(AtomicBool::new(false));
                tokio::spawn(questions(asked, answering, shared.clone(), Arc::clone(&dead)));
                tokio::spawn(answers(answered, asking, dead));
            }
        });
        Self { address, hands }
    }

    /// The address of the server by way of the proxy.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    /// Decides about the next question of a change feed.
    pub fn decide(&self, fate: Fate) {
        self.hands.feed.send_replace(fate);
    }

    /// Decides about every question with all these words in it, from now on.
    pub fn decide_on(&self, words: &[&[u8]], fate: Fate) {
        let words: Vec<Vec<u8>> = words.iter().map(|word| word.to_vec()).collect();
        self.hands.rules.send_modify(|rules| {
            rules.retain(|rule| rule.words != words);
            rules.push(Rule { words, fate });
        });
    }

    /// How many questions had to wait.
    pub fn held(&self) -> usize {
        self.hands.held.load(Ordering::SeqCst)
    }

    /// How many connections have fallen silent.
    pub fn swallowed(&self) -> usize {
        self.hands.swallowed.load(Ordering::SeqCst)
    }
}

impl Hands {
    /// What becomes of a question now. One of a change feed falls silent alone.
    async fn fate(&self, says: impl Fn(&[u8]) -> bool) -> Fate {
        if says(b"getMore") && says(b"$cmd.aggregate") {
            let decided = *self.feed.subscribe().wait_for(|fate| *fate != Fate::Hold).await.unwrap();
            if decided == Fate::Swallow {
                self.feed.send_replace(Fate::Pass);
            }
            return decided;
        }
        let decided = |rules: &Vec<Rule>| {
            let rule = rules.iter().find(|rule| rule.words.iter().all(|word| says(word)));
            rule.map_or(Fate::Pass, |rule| rule.fate)
        };
        if decided(&self.rules.borrow()) == Fate::Hold {
            self.held.fetch_add(1, Ordering::SeqCst);
        }
        let rules = &mut self.rules.subscribe();
        let rules = rules.wait_for(|rules| decided(rules) != Fate::Hold).await.unwrap();
        decided(&rules)
    }
}

async fn questions(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, hands: Hands, dead: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let says = |word: &[u8]| bytes.windows(word.len()).any(|window| window == word);
        if hands.fate(says).await == Fate::Swallow && !dead.swap(true, Ordering::SeqCst) {
            hands.swallowed.fetch_add(1, Ordering::SeqCst);
        }
        if !dead.load(Ordering::SeqCst) && to.write_all(bytes).await.is_err() {
            return;
        }
    }
}

async fn answers(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, dead: Arc<AtomicBool>) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        if !dead.load(Ordering::SeqCst) && to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
    // Whoever is cut off is not told that the other side has gone.
    if dead.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
}
