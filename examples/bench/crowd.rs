//! A crowd: so many sockets in a process of its own, each with one subscription.

use std::{
    net::SocketAddr,
    process::Stdio,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use clap::Args;
use futures_util::{SinkExt, StreamExt};
use serde::{Deserialize, Serialize};
use tavolo::{command::Failure, system_clock};
use tavolo_schema::DateTime;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::Semaphore,
    task::JoinSet,
    time::timeout,
};
use tokio_tungstenite::{
    connect_async_with_config,
    tungstenite::{Message, client::IntoClientRequest, protocol::WebSocketConfig},
};

/// What the process of a crowd is told.
#[derive(Args, Clone, Debug)]
pub(crate) struct Orders {
    /// Whom to ask.
    pub(crate) server: SocketAddr,
    /// How many sockets.
    pub(crate) sockets: usize,
    /// The messages each one sends, as a JSON list of texts.
    pub(crate) messages: String,
    /// Messages each one gets before what counts begins.
    pub(crate) before: usize,
}

/// What a crowd has received.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Received {
    /// Messages of all sockets.
    pub(crate) messages: usize,
    /// Milliseconds from the instant in a message until it was received, in order.
    pub(crate) delays: Vec<f64>,
}

impl Received {
    /// What two crowds have received.
    pub(crate) fn and(mut self, other: Self) -> Self {
        self.delays.extend(other.delays);
        self.delays.sort_by(f64::total_cmp);
        Self { messages: self.messages + other.messages, delays: self.delays }
    }
}

/// A crowd, as the benchmark sees it.
pub(crate) struct Crowd {
    _child: Child,
    orders: ChildStdin,
    words: Lines<BufReader<ChildStdout>>,
}

/// How long a crowd may take to come, or to tell what it has received.
const PATIENCE: Duration = Duration::from_secs(120);

impl Crowd {
    /// Comes, and is there when everybody has got what is sent at the beginning.
    pub(crate) async fn come(orders: &Orders) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        let arguments = [orders.server.to_string(), orders.sockets.to_string(), orders.messages.clone()];
        command.arg("crowd").args(arguments).arg(orders.before.to_string());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let (stdin, stdout) = child.stdin.take().zip(child.stdout.take()).ok_or("a crowd has no ears")?;
        let mut crowd = Self { _child: child, orders: stdin, words: BufReader::new(stdout).lines() };
        crowd.word().await?;
        Ok(crowd)
    }

    async fn word(&mut self) -> Result<String, Failure> {
        Ok(timeout(PATIENCE, self.words.next_line()).await??.ok_or("a crowd has gone")?)
    }

    /// Waits until each one has got so many messages, and leaves.
    pub(crate) async fn leave(mut self, expected: usize) -> Result<Received, Failure> {
        self.orders.write_all(format!("{expected}\n").as_bytes()).await?;
        Ok(serde_json::from_str(&self.word().await?)?)
    }
}

/// Sockets that connect at the same time.
const AT_ONCE: usize = 64;

/// How long somebody waits for a message that does not come.
const GIVE_UP: Duration = Duration::from_secs(10);

/// Is a crowd until it is told to leave.
pub(crate) async fn be(orders: Orders) -> Result<(), Failure> {
    let messages: Arc<[String]> = serde_json::from_str::<Vec<String>>(&orders.messages)?.into();
    let (come, here) = (Arc::new(Semaphore::new(AT_ONCE)), Arc::new(AtomicUsize::new(0)));
    let tally =
        Arc::new(Tally { counts: (0..orders.sockets).map(|_| AtomicUsize::new(0)).collect(), ..Tally::default() });
    let mut members = JoinSet::new();
    for number in 0..orders.sockets {
        let member = Member { number, server: orders.server, before: orders.before, tally: Arc::clone(&tally) };
        let (messages, come, here) = (Arc::clone(&messages), Arc::clone(&come), Arc::clone(&here));
        members.spawn(async move {
            let permit = come.acquire_owned().await;
            member
                .listen(&messages, || {
                    drop(permit);
                    here.fetch_add(1, Ordering::Relaxed);
                })
                .await
        });
    }
    while here.load(Ordering::Relaxed) < orders.sockets {
        tokio::select! {
            Some(ended) = members.join_next() => return ended?.and(Err("somebody ended".into())),
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
    say("here").await?;
    let expected = BufReader::new(tokio::io::stdin()).lines().next_line().await?.ok_or("nobody says to leave")?;
    tally.wait(expected.parse()?).await;
    say(&serde_json::to_string(&tally.received())?).await
}

async fn say(word: &str) -> Result<(), Failure> {
    let mut stdout = tokio::io::stdout();
    stdout.write_all(format!("{word}\n").as_bytes()).await?;
    Ok(stdout.flush().await?)
}

#[derive(Debug, Default)]
struct Tally {
    counts: Vec<AtomicUsize>,
    delays: Mutex<Vec<f64>>,
}

impl Tally {
    fn received(&self) -> Received {
        let messages = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let mut delays = self.delays.lock().unwrap_or_else(PoisonError::into_inner).clone();
        delays.sort_by(f64::total_cmp);
        Received { messages, delays }
    }

    async fn wait(&self, expected: usize) {
        let all = async {
            while self.counts.iter().any(|count| count.load(Ordering::Relaxed) < expected) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        // Whoever has got fewer is counted with what it has.
        let _ = timeout(GIVE_UP, all).await;
    }
}

struct Member {
    number: usize,
    server: SocketAddr,
    before: usize,
    tally: Arc<Tally>,
}

impl Member {
    async fn listen(self, messages: &[String], here: impl FnOnce()) -> Result<(), Failure> {
        let mut request = format!("ws://{}/graphql/ws", self.server).into_client_request()?;
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse()?);
        let config = WebSocketConfig::default().read_buffer_size(4 * 1024).write_buffer_size(0);
        let (mut socket, _) = connect_async_with_config(request, Some(config), true).await?;
        for message in messages {
            socket.send(Message::text(message.clone())).await?;
        }
        let (mut left, mut here) = (self.before, Some(here));
        loop {
            if left == 0
                && let Some(here) = here.take()
            {
                here();
            }
            match socket.next().await.ok_or("a server closed a socket")?? {
                Message::Text(text) if left == 0 => self.count(&text),
                Message::Text(_) => left -= 1,
                _ => {}
            }
        }
    }

    fn count(&self, text: &str) {
        const INSTANT: &str = "\"registeredAt\":\"";
        self.tally.counts[self.number].fetch_add(1, Ordering::Relaxed);
        let instant = text.split_once(INSTANT).and_then(|(_, rest)| rest.split_once('"'));
        if let Some(then) = instant.and_then(|(then, _)| then.parse::<DateTime>().ok()) {
            let delay = system_clock().now().millis() - then.millis();
            self.tally.delays.lock().unwrap_or_else(PoisonError::into_inner).push(delay as f64);
        }
    }
}
