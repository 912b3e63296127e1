//! Subscribers: what a delivery costs beside a bare broadcast of the same bytes, what an idle subscriber
//! takes of memory, and how late the last of ten thousand is.

use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use serde_json::{Value, json};
use tavolo::{command::Failure, system_clock};
use tokio::time::{interval, sleep};

use crate::{
    Args, Bench,
    client::Client,
    crowd::{Crowd, Orders, Received},
    process::{Server, cpu_micros, resident_kib},
    table::{Row, Samples, Table},
};

const HOUSE: &str = r#"{ facilities(filter: {municipality: "101010", category: ORDINARY, freePlacesAtLeast: 2}, first: 1) {
  nodes { id capacity { category installed } }
} }"#;

const WATCH: &str = "subscription($facility: ID!) {
  occupancyChanged(filter: {facility: $facility, category: ORDINARY}) {
    cursor kind facility { id code name } category capacity { occupied free } cause occurredAt registeredAt
  }
}";

const INSTALL: &str = "mutation($input: InstallPlacesInput!) {
  installPlaces(input: $input) { facility { id } irregularities { code severity } }
}";

/// Changes in a second.
const PACE: u32 = 5;

/// How long nothing happens before idle subscribers are looked at.
const IDLE: Duration = Duration::from_secs(5);

pub(crate) async fn measure(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let hub = Hub::start(bench, database, args.subscribers).await?;
        let crowd = Crowd::come(&hub.orders(args.subscribers)).await?;
        hub.server.rests().await?;
        let (micros, received) = hub.deliver([crowd], args.changes).await?;
        ours.push(micros / received.messages.max(1) as f64);
        let (micros, received) = broadcast(bench, &hub.message().await?, args.subscribers, args.changes).await?;
        theirs.push(micros / received.messages.max(1) as f64);
    }
    let (ours, theirs): (Samples, Samples) = (ours.into_iter().collect(), theirs.into_iter().collect());
    let what = format!("hub CPU per delivery to {} equal subscribers", args.subscribers);
    table.add(Row::new(what, "µs", ours).reference("a bare broadcast of the same bytes", &theirs).ratio(1.25));
    crowded(args, bench, database, table).await
}

/// Ten thousand at the pace of a whole country.
async fn crowded(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    let hub = Hub::start(bench, database, args.most_subscribers).await?;
    // The first half fills what the start of the hub has left over; what the second half takes comes on top.
    let half = args.most_subscribers / 2;
    let first = Crowd::come(&hub.orders(half)).await?;
    hub.server.rests().await?;
    let before = resident_kib(hub.server.pid)?;
    let second = Crowd::come(&hub.orders(half)).await?;
    hub.server.rests().await?;
    let kib = (resident_kib(hub.server.pid)? - before) / half as f64;
    let what = format!("hub memory per idle subscriber, the second {half} of {}", 2 * half);
    table.add(Row::new(what, "KiB", [kib].into_iter().collect()).goal(12.0));
    let (from, before) = (Instant::now(), cpu_micros(hub.server.pid)?);
    sleep(IDLE).await;
    let micros = (cpu_micros(hub.server.pid)? - before) / from.elapsed().as_secs_f64() / (2 * half) as f64;
    let what = "– hub CPU per idle subscriber and second";
    table.add(Row::new(what, "µs", [micros].into_iter().collect()));
    let (_, received) = hub.deliver([first, second], args.changes).await?;
    let what = format!("change to the last of {} subscribers, {PACE} changes a second: p99", 2 * half);
    let late: Samples = received.delays.get(received.delays.len() * 99 / 100).copied().into_iter().collect();
    let median: Samples = received.delays.into_iter().collect();
    table.add(Row::new(what, "ms", late).goal(300.0).reference("median", &median));
    let lost = 2 * half * args.changes - received.messages;
    table.add(Row::new("– changes lost", "", [lost as f64].into_iter().collect()).goal(0.0));
    Ok(())
}

/// A hub with the facility that everybody watches, and another one whose acts change it.
struct Hub {
    server: Server,
    _other: Server,
    client: Client,
    token: String,
    facility: Value,
    installed: i64,
}

impl Hub {
    async fn start(bench: &Bench, database: &str, sockets: usize) -> Result<Self, Failure> {
        let limit = format!("--sockets-per-member={}", sockets + 10);
        let server = Server::hub_with(bench, database, &[&limit]).await?;
        let other = Server::hub(bench, database).await?;
        let token = bench.token()?;
        let client = Client::new(&other, &token);
        let found = client.data(HOUSE, json!({})).await?["facilities"]["nodes"][0].take();
        let pools = found["capacity"].as_array().into_iter().flatten();
        let installed = pools.filter(|pool| pool["category"] == "ORDINARY").find_map(|pool| pool["installed"].as_i64());
        let installed = installed.ok_or("there is no facility to watch")?;
        Ok(Self { server, _other: other, client, token, facility: found["id"].clone(), installed })
    }

    fn orders(&self, sockets: usize) -> Orders {
        let init =
            json!({ "type": "connection_init", "payload": { "authorization": format!("Bearer {}", self.token) } });
        let payload = json!({ "query": WATCH, "variables": { "facility": self.facility } });
        let subscribe = json!({ "id": "1", "type": "subscribe", "payload": payload });
        let messages = json!([init.to_string(), subscribe.to_string()]).to_string();
        // The acknowledgement and the state of the one pool.
        Orders { server: self.server.address, sockets, messages, before: 2 }
    }

    async fn change(&self, number: usize) -> Result<(), Failure> {
        let installed = self.installed - i64::from(number.is_multiple_of(2));
        let input = json!({ "facility": self.facility, "category": "ORDINARY", "installed": installed });
        self.client.data(INSTALL, json!({ "input": input })).await.map(drop)
    }

    /// Makes so many changes, and tells what processor time they took and what the crowds received.
    async fn deliver<const N: usize>(&self, crowds: [Crowd; N], changes: usize) -> Result<(f64, Received), Failure> {
        let before = cpu_micros(self.server.pid)?;
        let mut pace = interval(Duration::from_secs(1) / PACE);
        for number in 0..changes {
            pace.tick().await;
            self.change(number).await?;
        }
        let received = try_join_all(crowds.map(|crowd| crowd.leave(changes))).await?;
        let micros = cpu_micros(self.server.pid)? - before;
        // As it was.
        self.change(1).await?;
        Ok((micros, received.into_iter().reduce(Received::and).unwrap_or_default()))
    }

    /// A message, as every subscriber is sent it.
    async fn message(&self) -> Result<String, Failure> {
        let mut events =
            Client::new(&self.server, &self.token).subscribe_to(WATCH, json!({ "facility": self.facility })).await?;
        events.drain().await;
        self.change(0).await?;
        let message = events.next().await?;
        self.change(1).await?;
        Ok(message)
    }
}

/// The same by a server that knows nothing but sockets.
async fn broadcast(bench: &Bench, message: &str, sockets: usize, changes: usize) -> Result<(f64, Received), Failure> {
    let server = Server::broadcast(bench).await?;
    let orders = Orders { server: server.address, sockets, messages: "[]".into(), before: 0 };
    let crowd = Crowd::come(&orders).await?;
    let http = reqwest::Client::new();
    let say = format!("http://{}/say", server.address);
    let (head, tail) = message.split_once("\"registeredAt\":\"").ok_or("a message has no instant")?;
    let (_, tail) = tail.split_once('"').ok_or("a message has no instant")?;
    let before = cpu_micros(server.pid)?;
    let mut pace = interval(Duration::from_secs(1) / PACE);
    for _ in 0..changes {
        pace.tick().await;
        let message = format!("{head}\"registeredAt\":\"{}\"{tail}", system_clock().now());
        http.post(&say).body(message).send().await?.error_for_status()?;
    }
    let received = crowd.leave(changes).await?;
    Ok((cpu_micros(server.pid)? - before, received))
}
