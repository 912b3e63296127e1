//! Child processes: hubs and the bare handler they are compared with, and the processor time each has taken.

use std::{
    ffi::{OsStr, OsString},
    fs::File,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    process::Stdio,
    time::{Duration, Instant},
};

use clap::Parser;
use tavolo::{cli::Cli, command::Failure};
use tokio::process::{Child, Command};

use crate::Bench;

/// A server in a process of its own, killed when this value is dropped.
#[derive(Debug)]
pub(crate) struct Server {
    _child: Child,
    pub(crate) pid: u32,
    pub(crate) address: SocketAddr,
    /// From the start of the process until it answered that it is ready.
    pub(crate) ready_after: Duration,
}

/// How long a server has to become ready.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a server is asked whether it is ready.
const ASK_AGAIN: Duration = Duration::from_millis(1);

impl Server {
    /// Starts a hub, by the code of `tavolo serve`.
    pub(crate) async fn hub(bench: &Bench, database: &str) -> Result<Self, Failure> {
        Self::hub_with(bench, database, &[]).await
    }

    /// Starts a hub with further flags.
    pub(crate) async fn hub_with(bench: &Bench, database: &str, flags: &[&str]) -> Result<Self, Failure> {
        let keys = bench.keys();
        let arguments = ["tavolo", "--log", "warn", "serve", "--mongodb-uri", bench.mongod.uri()];
        let arguments = arguments.iter().map(OsStr::new);
        let more = [OsStr::new("--database"), OsStr::new(database), OsStr::new("--keys"), keys.as_os_str()];
        let address = free_address()?;
        let listen = OsString::from(format!("--listen={address}"));
        let flags = flags.iter().map(OsStr::new);
        Self::start(arguments.chain(more).chain([listen.as_os_str()]).chain(flags), address, bench).await
    }

    /// Starts the bare handler that answers with these bytes.
    pub(crate) async fn bytes(bench: &Bench, answer: &[u8]) -> Result<Self, Failure> {
        let file = bench.folder.path().join("answer.json");
        std::fs::write(&file, answer)?;
        let address = free_address()?;
        let listen = OsString::from(address.to_string());
        Self::start([OsStr::new("bytes"), &listen, file.as_os_str()], address, bench).await
    }

    /// Starts the bare handler that answers from the database.
    pub(crate) async fn documents(bench: &Bench, database: &str) -> Result<Self, Failure> {
        let address = free_address()?;
        let arguments = ["documents".into(), address.to_string(), bench.mongod.uri().to_owned(), database.to_owned()];
        Self::start(arguments.iter().map(OsStr::new), address, bench).await
    }

    /// Starts the bare server that says to every socket what is said to it.
    pub(crate) async fn broadcast(bench: &Bench) -> Result<Self, Failure> {
        let address = free_address()?;
        let listen = OsString::from(address.to_string());
        Self::start([OsStr::new("broadcast"), &listen], address, bench).await
    }

    async fn start<'a>(
        arguments: impl IntoIterator<Item = &'a OsStr>,
        address: SocketAddr,
        bench: &Bench,
    ) -> Result<Self, Failure> {
        let log = bench.folder.path().join(format!("{}.log", address.port()));
        let mut command = Command::new(std::env::current_exe()?);
        command.args(arguments).env("XDG_STATE_HOME", bench.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(File::create(&log)?).kill_on_drop(true);
        let client = reqwest::Client::new();
        let from = Instant::now();
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("a server ended at once")?;
        while !is_ready(&client, address).await {
            if child.try_wait()?.is_some() || from.elapsed() > PATIENCE {
                return Err(format!("a server does not start: {}", std::fs::read_to_string(&log)?).into());
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
        Ok(Self { _child: child, pid, address, ready_after: from.elapsed() })
    }
}

impl Server {
    /// Waits until it does nothing: a hub that has just started reads the history before it.
    pub(crate) async fn rests(&self) -> Result<(), Failure> {
        let mut before = cpu_micros(self.pid)?;
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = cpu_micros(self.pid)?;
            if now - before < 2.0 * TICK_MICROS {
                return Ok(());
            }
            before = now;
        }
    }
}

async fn is_ready(client: &reqwest::Client, address: SocketAddr) -> bool {
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}

fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

/// Is a hub until the process is ended.
pub(crate) async fn be_hub(arguments: &[OsString]) -> Result<(), Failure> {
    let name = OsString::from("tavolo");
    Cli::parse_from([&name].into_iter().chain(arguments)).run().await
}

/// KiB of memory that a process takes now.
pub(crate) fn resident_kib(pid: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("/proc has no memory")?;
    Ok(resident.trim_end_matches("kB").trim().parse()?)
}

/// Microseconds of a clock tick in `/proc`, which is the same on every Linux.
const TICK_MICROS: f64 = 10_000.0;

/// Microseconds of processor time that a process has taken so far.
pub(crate) fn cpu_micros(pid: u32) -> Result<f64, Failure> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name of the program may contain anything, a bracket included.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc has no process times")?;
    let ticks: Vec<f64> = fields.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse().ok()).collect();
    Ok(ticks.iter().sum::<f64>() * TICK_MICROS)
}

/// Megabytes of memory that a process has had at most so far.
pub(crate) fn peak_megabytes(pid: u32) -> Result<f64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("/proc has no memory peak")?;
    Ok(peak.trim().trim_end_matches(" kB").parse::<f64>()? / 1_024.0)
}

/// Microseconds of processor time that this thread has taken so far.
pub(crate) fn own_cpu_micros() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanos: f64 = stat.split_whitespace().next().ok_or("/proc has no thread times")?.parse()?;
    Ok(nanos / 1_000.0)
}
