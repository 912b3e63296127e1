//! What the README claims, measured: `cargo run --release --example bench`.
//!
//! It starts a mongod of its own and fills it with invented facilities and guests. The hubs run as child processes, by
//! the code of `tavolo serve`, so that the processor time of a hub, of mongod and of this client are kept apart. Every
//! figure stands next to a reference measured in the same run, because the time of a machine that does other things
//! too means little by itself: compare ratios. Processor time is read from `/proc`, so this needs Linux.

// As in `tavolo`: whoever awaits a hub has to know the layout of its graph.
#![recursion_limit = "256"]

mod acts;
mod bare;
mod client;
mod crowd;
mod history;
mod process;
mod query;
mod start;
mod subscribers;
mod table;

use std::{ffi::OsString, net::SocketAddr, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};
use tavolo::{command::Failure, local_mongod::LocalMongod, seed::Scale, system_clock, tokens::Signer};
use tavolo_store::Settings;
use tempfile::TempDir;

use table::Table;

/// The hub's own.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Measures the hub and prints one table in Markdown.
#[derive(Debug, Parser)]
struct Args {
    #[command(subcommand)]
    part: Option<Part>,
    /// Facilities while queries, acts and events are measured.
    #[arg(long, default_value_t = 2_000)]
    facilities: usize,
    /// Guests beside these facilities.
    #[arg(long, default_value_t = 4_000)]
    guests: usize,
    /// Facilities while the start is measured.
    #[arg(long, default_value_t = 10_000)]
    start_facilities: usize,
    /// Guests beside these facilities; how long it takes to seed them is measured too.
    #[arg(long, default_value_t = 20_000)]
    start_guests: usize,
    /// Rounds of a measurement; what is printed is their median.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Requests in each round of a query.
    #[arg(long, default_value_t = 1_000)]
    requests: usize,
    /// Admissions, one after the other.
    #[arg(long, default_value_t = 200)]
    admissions: usize,
    /// Equal subscribers that deliveries are measured with.
    #[arg(long, default_value_t = 5_000)]
    subscribers: usize,
    /// Subscribers at the most.
    #[arg(long, default_value_t = 10_000)]
    most_subscribers: usize,
    /// Changes that subscribers are sent.
    #[arg(long, default_value_t = 50)]
    changes: usize,
    /// Measure only this: `query`, `acts`, `history`, `start` or `subscribers`. Repeat it for several.
    #[arg(long)]
    only: Vec<String>,
}

impl Args {
    fn wants(&self, what: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|only| only == what)
    }
}

/// What a child process of the benchmark is.
#[derive(Debug, Subcommand)]
enum Part {
    /// A hub: the arguments are those of `tavolo`.
    #[command(hide = true)]
    Tavolo {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// The reference of the query: a bare handler that answers with the bytes of a file.
    #[command(hide = true)]
    Bytes { listen: SocketAddr, file: PathBuf },
    /// The reference of the query with its database: a bare handler that finds the documents and shapes them.
    #[command(hide = true)]
    Documents { listen: SocketAddr, uri: String, database: String },
    /// The reference of deliveries: whatever is said to it, it says to every socket.
    #[command(hide = true)]
    Broadcast { listen: SocketAddr },
    /// Many sockets.
    #[command(hide = true)]
    Crowd(crowd::Orders),
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let done = match &args.part {
        None => measure(&args).await,
        Some(Part::Tavolo { arguments }) => process::be_hub(arguments).await,
        Some(Part::Bytes { listen, file }) => bare::be_bytes(*listen, file).await,
        Some(Part::Documents { listen, uri, database }) => bare::be_documents(*listen, uri, database).await,
        Some(Part::Broadcast { listen }) => bare::be_broadcast(*listen).await,
        Some(Part::Crowd(orders)) => crowd::be(orders.clone()).await,
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Where everything is that a measurement works with.
struct Bench {
    folder: TempDir,
    mongod: LocalMongod,
    signer: Signer,
}

/// The file with the public keys, within the folder of the benchmark.
const KEYS: &str = "keys.json";

impl Bench {
    async fn begin() -> Result<Self, Failure> {
        let folder = tempfile::tempdir()?;
        let mongod = LocalMongod::start(&folder.path().join("mongo"), None).await?;
        let signer = Signer::generate()?;
        std::fs::write(folder.path().join(KEYS), signer.jwks()?)?;
        Ok(Self { folder, mongod, signer })
    }

    fn keys(&self) -> PathBuf {
        self.folder.path().join(KEYS)
    }

    fn settings(&self, database: &str) -> Settings {
        Settings::new(self.mongod.uri(), database)
    }

    /// A token of the Province for an hour.
    fn token(&self) -> Result<String, Failure> {
        Ok(self.signer.sign("demo-province-1", system_clock().now(), 3_600)?)
    }

    /// Fills a database and tells how many seconds that took.
    async fn seed(&self, database: &str, facilities: usize, guests: usize) -> Result<f64, Failure> {
        eprintln!("seeding {facilities} facilities and {guests} guests");
        let store = tavolo::serve::open_store(&self.settings(database)).await?;
        let from = std::time::Instant::now();
        tavolo::seed::fill(&store, &system_clock(), &Scale { facilities, guests, seed: 1 }, |_| {}).await?;
        Ok(from.elapsed().as_secs_f64())
    }
}

async fn measure(args: &Args) -> Result<(), Failure> {
    let bench = Bench::begin().await?;
    let mut table = Table::default();
    let measured = measure_with(args, &bench, &mut table).await;
    bench.mongod.stop().await;
    println!("{table}");
    measured
}

async fn measure_with(args: &Args, bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    const DATABASE: &str = "bench";
    let seconds = bench.seed(DATABASE, args.facilities, args.guests).await?;
    if args.wants("query") {
        query::measure(args, bench, DATABASE, table).await?;
    }
    if args.wants("acts") {
        acts::measure(args, bench, DATABASE, table).await?;
    }
    if args.wants("subscribers") {
        subscribers::measure(args, bench, DATABASE, table).await?;
    }
    if args.wants("history") {
        history::measure(bench, table).await?;
    }
    if args.wants("start") {
        start::measure(args, bench, seconds, table).await?;
    }
    Ok(())
}
