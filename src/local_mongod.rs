//! A real MongoDB without installing one: found or fetched, started for this process, and gone with it.
//!
//! `tavolo demo` and the tests need a replica set (transactions, change streams) on machines where nobody set one up.
//! Three promises shape this module:
//!
//! - **It dies with us**, also by `kill -9`. No process can clean up after its own death, so mongod runs under a few lines
//!   of shell that read a pipe we never write to while we live: its end of file means that we are gone.
//! - **It is ours.** The port is known to be ours from mongod's own log, never from a connection that succeeds: another
//!   mongod might have answered. The log is locked by every process that may still write it, so of two hubs on one data
//!   folder the second is refused, and a hub started right after a crash waits for the old mongod to end.
//! - **One line tells what is wrong**, taken from mongod's log when it ends early.
//!
//! The server asks for no password, listens on the loopback interface only, and is meant for data one may lose.

use std::fs::{self, File, TryLockError};
use std::io::{self, PipeWriter, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde_json::Value;
use tavolo_store::{StoreError, admin::initiate_replica_set};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

/// Prints the path of a mongod, fetching one when there is none.
const FETCH: &str = include_str!("../scripts/fetch-mongod");

/// Runs its arguments as a child until the child ends, or stops it when standard input ends.
///
/// A word on standard input names the signal to send instead of TERM; what does not end by it is killed after 10 seconds.
/// The child does not get the pipe, or mongod would be what keeps itself alive. Whoever holds standard error holds the
/// lock on the log, so the watcher lets go of it. At the end the rest of our process group goes: the watcher.
const SUPERVISE: &str = r#"
    exec 3<&0
    "$@" </dev/null >&2 3<&- &
    child=$!
    { read -r signal <&3; kill -s "${signal:-TERM}" $child; sleep 10; kill -s KILL $child; } 2>/dev/null &
    wait $child
    code=$?
    trap '' TERM
    kill 0
    exit $code
"#;

/// What makes mongod small, quick and quiet; durability stays as MongoDB has it.
///
/// No slow command is logged, because the log would show its values, persons included.
const FLAGS: [&str; 13] = [
    "--replSet",
    SET,
    "--bind_ip",
    "127.0.0.1",
    "--nounixsocket",
    "--quiet",
    "--slowms",
    "1000000000",
    "--oplogSize",
    "256",
    "--wiredTigerCacheSizeGB",
    "0.25",
    "--setParameter=diagnosticDataCollectionEnabled=false",
];

/// The name of the replica set.
const SET: &str = "tavolo";

/// What mongod logs once the port is its own.
const LISTENING: &str = r#""msg":"Waiting for connections""#;

/// The exit code of a mongod whose port is taken.
const PORT_TAKEN: i32 = 48;

/// How many free ports to try before giving up. Between choosing a port and using it, anybody may take it.
const PORTS_TO_TRY: usize = 5;

/// How long a data folder may stay locked: a mongod whose hub died needs a moment to end.
const UNLOCKED_WITHIN: Duration = Duration::from_secs(5);

/// How long a mongod that broke off a conversation may take to end and say why.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(1);

/// The time between two looks at the lock, or at the log.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// Why there is no local mongod. Each message is one line and says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum LocalMongodError {
    /// No mongod on this machine, and none could be fetched.
    #[error("{0}")]
    NotFound(String),
    /// A mongod of ours uses the data folder already.
    #[error("the data folder {} is in use: another hub runs on it", .0.display())]
    InUse(PathBuf),
    /// Something else listens on the port.
    #[error("port {0} of the loopback interface is taken")]
    PortTaken(u16),
    /// The server ended while it started; the text is its own.
    #[error("mongod does not start: {0}")]
    Ended(String),
    /// The server runs and does not become primary.
    #[error("mongod starts and its replica set does not: {0}")]
    NoPrimary(#[source] StoreError),
    /// A file or a program of the system refused.
    #[error("{0}: {1}")]
    Io(String, #[source] io::Error),
}

/// A mongod of our own: a one-member replica set on a loopback port, stopped when this value is dropped or this process
/// dies.
#[derive(Debug)]
pub struct LocalMongod {
    port: u16,
    pid: u32,
    uri: String,
    supervisor: Child,
    /// The pipe whose end of file stops mongod.
    lifeline: PipeWriter,
}

impl LocalMongod {
    /// Finds or fetches a mongod, starts it on `data_dir`, and waits until it is a writable primary.
    ///
    /// Without a `port` it takes a free one. The folder is made when absent; what an earlier run left in it is kept,
    /// whatever its port was and however it ended.
    ///
    /// # Errors
    ///
    /// When there is no mongod, when another one uses the folder, or with mongod's own words when it does not start.
    pub async fn start(data_dir: &Path, port: Option<u16>) -> Result<Self, LocalMongodError> {
        let program = find().await?;
        fs::create_dir_all(data_dir).map_err(io_error("cannot make the data folder", data_dir))?;
        if let Some(port) = port {
            return start_on(&program, data_dir, port).await;
        }
        let mut tries = 1;
        loop {
            match start_on(&program, data_dir, free_port()?).await {
                Err(LocalMongodError::PortTaken(_)) if tries < PORTS_TO_TRY => tries += 1,
                outcome => return outcome,
            }
        }
    }

    /// The connection string for clients of the replica set.
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of mongod itself, not of its supervisor.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Shuts mongod down in good order and waits for its end; after 10 seconds it is killed.
    pub async fn stop(self) {
        let Self { mut supervisor, lifeline, .. } = self;
        drop(lifeline);
        // Waiting for one's own child fails only when it is gone already.
        let _ = supervisor.wait().await;
    }

    /// Ends mongod as a crash would and waits for its end. Folder and port can be started again.
    pub async fn kill(mut self) {
        // A broken pipe says that mongod has ended by itself.
        let _ = self.lifeline.write_all(b"KILL\n");
        let _ = self.supervisor.wait().await;
    }
}

/// Runs the script that prints the path of a mongod, passing on its notices: a download takes a while.
async fn find() -> Result<PathBuf, LocalMongodError> {
    let failed = |error| LocalMongodError::Io("cannot run sh".into(), error);
    let mut script = Command::new("sh")
        .args(["-c", FETCH, "fetch-mongod"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let mut error = String::from("scripts/fetch-mongod found no mongod and did not say why");
    if let Some(stderr) = script.stderr.take() {
        let mut lines = BufReader::new(stderr).lines();
        while let Some(line) = lines.next_line().await.map_err(failed)? {
            match line.strip_prefix("tavolo: ") {
                Some(text) => error = text.to_owned(),
                None => tracing::info!("{line}"),
            }
        }
    }
    let output = script.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim_end()))
    } else {
        Err(LocalMongodError::NotFound(error))
    }
}

fn free_port() -> Result<u16, LocalMongodError> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|address| address.port())
        .map_err(|error| LocalMongodError::Io("no free port on the loopback interface".into(), error))
}

async fn start_on(program: &Path, data_dir: &Path, port: u16) -> Result<LocalMongod, LocalMongodError> {
    let log = data_dir.join("mongod.log");
    let (lifeline_end, lifeline) = io::pipe().map_err(io_error("cannot run", program))?;
    let mut supervisor = Command::new("sh")
        .args(["-c", SUPERVISE, "tavolo-mongod"])
        .arg(program)
        .arg("--dbpath")
        .arg(data_dir)
        .args(["--port", &port.to_string()])
        .args(FLAGS)
        .stdin(lifeline_end)
        .stdout(Stdio::null())
        .stderr(lock(&log, data_dir).await?)
        // Ctrl-C in a terminal reaches the whole group: the hub must be able to finish its work before mongod ends.
        .process_group(0)
        .spawn()
        .map_err(io_error("cannot run", program))?;

    tokio::select! {
        outcome = become_primary(&log, port) => outcome?,
        status = supervisor.wait() => return Err(last_word(&log, port, status)),
    }
    Ok(LocalMongod {
        port,
        pid: pid(data_dir)?,
        uri: format!("mongodb://127.0.0.1:{port}/?replicaSet={SET}"),
        supervisor,
        lifeline,
    })
}

/// Opens and empties the log, locked for as long as anyone may write it.
async fn lock(log: &Path, data_dir: &Path) -> Result<File, LocalMongodError> {
    let failed = io_error("cannot write", log);
    let file = File::options().create(true).append(true).open(log).map_err(&failed)?;
    let locked = timeout(UNLOCKED_WITHIN, async {
        loop {
            match file.try_lock() {
                Err(TryLockError::WouldBlock) => sleep(LOOK_AGAIN).await,
                Err(TryLockError::Error(error)) => return Err(error),
                Ok(()) => return file.set_len(0),
            }
        }
    });
    match locked.await {
        Ok(Ok(())) => Ok(file),
        Ok(Err(error)) => Err(failed(error)),
        Err(_) => Err(LocalMongodError::InUse(data_dir.to_owned())),
    }
}

/// Waits until mongod listens, however long it replays its journal, and makes it primary.
async fn become_primary(log: &Path, port: u16) -> Result<(), LocalMongodError> {
    while !read(log).contains(LISTENING) {
        sleep(LOOK_AGAIN).await;
    }
    let member = format!("127.0.0.1:{port}");
    let outcome = initiate_replica_set(&format!("mongodb://{member}/"), SET, &member).await;
    if outcome.is_err() {
        // The log of a mongod that ended says more than the broken connection.
        sleep(LAST_WORD_WITHIN).await;
    }
    outcome.map_err(LocalMongodError::NoPrimary)
}

/// The process id that mongod leaves in its lock file.
fn pid(data_dir: &Path) -> Result<u32, LocalMongodError> {
    let file = data_dir.join("mongod.lock");
    fs::read_to_string(&file)
        .and_then(|text| text.trim().parse().map_err(io::Error::other))
        .map_err(io_error("cannot read", &file))
}

/// Says why mongod ended: the first error of its log, since what follows are consequences and stack traces.
///
/// Before mongod has a log to speak of, the last line is what the loader or the shell wrote.
fn last_word(log: &Path, port: u16, status: io::Result<ExitStatus>) -> LocalMongodError {
    if status.is_ok_and(|status| status.code() == Some(PORT_TAKEN)) {
        return LocalMongodError::PortTaken(port);
    }
    let text = read(log);
    let word = text.lines().find_map(logged_error).or_else(|| text.lines().last().map(str::to_owned));
    LocalMongodError::Ended(word.unwrap_or_else(|| "it left no word in its log".to_owned()))
}

/// The cause that a line of mongod's log gives, when the line is an error and not just the answer to a client's command.
fn logged_error(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    if !matches!(line["s"].as_str(), Some("E" | "F")) || line["c"] == "COMMAND" {
        return None;
    }
    let attr = &line["attr"];
    [&attr["error"]["errmsg"], &attr["error"], &attr["message"]["error_str"], &attr["message"], &line["msg"]]
        .into_iter()
        .find_map(Value::as_str)
        .map(|text| text.replace('\n', " "))
}

/// The log so far. What cannot be read says nothing, and mongod's end is noticed without it.
fn read(log: &Path) -> String {
    fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

fn io_error(what: &str, path: &Path) -> impl Fn(io::Error) -> LocalMongodError {
    let what = format!("{what} {}", path.display());
    move |error| LocalMongodError::Io(what.clone(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_error_of_the_log_is_the_cause() {
        let folder = tempfile::tempdir().expect("a folder");
        let log = folder.path().join("mongod.log");
        let cases = [
            (
                r#"{"s":"I","c":"CONTROL","msg":"MongoDB starting","attr":{"pid":7}}
                {"s":"E","c":"COMMAND","msg":"Failed to handle request","attr":{"error":"SplitHorizonChange: noise"}}
                {"s":"E","c":"CONTROL","msg":"terminating","attr":{"error":"DBPathInUse: Unable to lock the lock file"}}
                {"s":"F","c":"CONTROL","msg":"Writing fatal message","attr":{"message":"Got signal: 6 (Aborted).\n"}}"#,
                "mongod does not start: DBPathInUse: Unable to lock the lock file",
            ),
            (
                r#"{"s":"E","c":"WT","msg":"WiredTiger error message","attr":{"error":28,"message":{"error_str":"No space left"}}}"#,
                "mongod does not start: No space left",
            ),
            (
                "Error parsing command line: unrecognised option '--bogus'",
                "mongod does not start: Error parsing command line: unrecognised option '--bogus'",
            ),
            ("", "mongod does not start: it left no word in its log"),
        ];
        for (text, expected) in cases {
            fs::write(&log, text).expect("a log");
            assert_eq!(last_word(&log, 1, Ok(ExitStatus::default())).to_string(), expected);
        }
    }
}
