//! A proxy before a mongod, with a hand on the connection that a hub's change feed asks on.

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

/// What becomes of the next question of a change feed. Everything else passes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Pass,
    /// It waits.
    Hold,
    /// It vanishes, and its connection never says anything again. Those after it pass.
    Swallow,
}

/// A proxy that takes connections as long as the test runs.
pub struct Proxy {
    address: SocketAddr,
    fate: watch::Sender<Fate>,
    swallowed: Arc<AtomicUsize>,
}

impl Proxy {
    /// A proxy before the first server of an address.
    pub async fn before(uri: &str) -> Self {
        let server = ClientOptions::parse(uri).await.unwrap().hosts[0].to_string();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (fate, swallowed) = (watch::Sender::new(Fate::Pass), Arc::new(AtomicUsize::new(0)));
        let (fates, count) = (fate.clone(), Arc::clone(&swallowed));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (asked, asking) = client.into_split();
                let (answered, answering) = TcpStream::connect(&server).await.unwrap().into_split();
                let dead = Arc::new(AtomicBool::new(false));
                tokio::spawn(questions(asked, answering, fates.clone(), Arc::clone(&dead), Arc::clone(&count)));
                tokio::spawn(answers(answered, asking, dead));
            }
        });
        Self { address, fate, swallowed }
    }

    /// The address of the server by way of the proxy.
    pub fn uri(&self) -> String {
        format!("mongodb://{}/?directConnection=true", self.address)
    }

    pub fn decide(&self, fate: Fate) {
        self.fate.send_replace(fate);
    }

    /// How many connections have fallen silent.
    pub fn swallowed(&self) -> usize {
        self.swallowed.load(Ordering::SeqCst)
    }
}

async fn questions(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    fate: watch::Sender<Fate>,
    dead: Arc<AtomicBool>,
    swallowed: Arc<AtomicUsize>,
) {
    let mut fates = fate.subscribe();
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let bytes = &buffer[..length];
        let says = |word: &str| bytes.windows(word.len()).any(|window| window == word.as_bytes());
        if says("getMore") && says("$cmd.aggregate") {
            let decided = *fates.wait_for(|fate| *fate != Fate::Hold).await.unwrap();
            if decided == Fate::Swallow {
                fate.send_replace(Fate::Pass);
                dead.store(true, Ordering::SeqCst);
                swallowed.fetch_add(1, Ordering::SeqCst);
            }
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
