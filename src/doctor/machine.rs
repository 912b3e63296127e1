//! What is asked of this machine.

use std::{
    collections::BTreeMap,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    time::Duration,
};

use rustix::{
    fs::statvfs,
    process::{Resource, getrlimit},
};

use super::{Finding, gibibytes};
use crate::auth::{self, Demands, KeySource};

/// Ten thousand subscribers, the database, and some to spare.
const OPEN_FILES: u64 = 11_000;

/// Less free than this is little.
const LITTLE_BYTES: u64 = 1 << 30;

/// With less free than this, things break.
const TOO_FEW_BYTES: u64 = 100 << 20;

/// How long a hub may take to say that it is one.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whether tokens can be checked.
pub(super) async fn keys(source: Option<KeySource>) -> Finding {
    let Some(source) = source else {
        let advice = "give --keys or --jwks, unless this hub is for the public alone";
        return Finding::warn("keys", "none are given: everybody is the public", advice);
    };
    match auth::algorithms(&source).await {
        Ok(algorithms) if algorithms.is_empty() => Finding::warn(
            "keys",
            "the set has no key for ES256 or EdDSA: no token will be accepted",
            "let the identity provider sign with ES256 or EdDSA",
        ),
        Ok(algorithms) => {
            let mut counts = BTreeMap::new();
            for algorithm in algorithms {
                *counts.entry(format!("{algorithm:?}")).or_insert(0) += 1;
            }
            let counts: Vec<String> =
                counts.iter().map(|(algorithm, count)| format!("{count} for {algorithm}")).collect();
            Finding::ok("keys", counts.join(", "))
        }
        Err(error) => Finding::fail(
            "keys",
            error.to_string(),
            "name a readable file with a JWKS or a public key in PEM, or an address that answers with a JWKS",
        ),
    }
}

/// Whether tokens that were made for others are told apart.
pub(super) fn tokens(demands: &Demands) -> Finding {
    match demands.undemanded() {
        Some(what) => Finding::warn(
            "tokens",
            format!("{what} not demanded: a token that was made for another service is taken"),
            "name them with --issuer and --audience, as the identity provider writes them",
        ),
        None => Finding::ok("tokens", "are taken from one issuer and for one audience"),
    }
}

/// Whether the address is free, or a hub has it already.
pub(super) async fn address(listen: SocketAddr) -> Finding {
    match TcpListener::bind(listen) {
        Ok(_) => Finding::ok("address", format!("{listen} is free")),
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            if is_hub(listen).await {
                return Finding::ok("address", format!("a hub answers at {listen}"));
            }
            let advice = "stop the program that has it (`ss -ltnp`), or choose another with --listen";
            Finding::fail("address", format!("{listen} is taken, and not by a hub"), advice)
        }
        Err(error) => Finding::fail(
            "address",
            format!("{listen}: {error}"),
            "choose an address of this machine with --listen, and a port above 1023 for a user who is not root",
        ),
    }
}

async fn is_hub(listen: SocketAddr) -> bool {
    let host = match listen.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let ask = async || -> Result<String, reqwest::Error> {
        let client = reqwest::Client::builder().timeout(ANSWER_WITHIN).no_proxy().build()?;
        let address = format!("http://{}/healthz", SocketAddr::new(host, listen.port()));
        client.get(address).send().await?.error_for_status()?.text().await
    };
    ask().await.is_ok_and(|answer| answer == "ok\n")
}

/// The disks of the folder the hub runs in and of temporary files.
pub(super) fn disks() -> Vec<Finding> {
    let mut folders: Vec<PathBuf> = std::env::current_dir().into_iter().chain([std::env::temp_dir()]).collect();
    folders.dedup();
    folders.iter().map(|folder| disk(folder)).collect()
}

fn disk(folder: &Path) -> Finding {
    let advice = "make room, or run the hub elsewhere (TMPDIR names the folder of temporary files)";
    let free = match statvfs(folder) {
        Ok(disk) => disk.f_bavail.saturating_mul(disk.f_frsize),
        Err(error) => return Finding::warn("disk", format!("{}: {error}", folder.display()), advice),
    };
    let found = format!("{} are free in {}", gibibytes(free), folder.display());
    match free {
        ..TOO_FEW_BYTES => Finding::fail("disk", found, advice),
        TOO_FEW_BYTES..LITTLE_BYTES => Finding::warn("disk", found, advice),
        LITTLE_BYTES.. => Finding::ok("disk", found),
    }
}

/// Whether as many sockets can be open as subscribers are meant to be served.
pub(super) fn open_files() -> Finding {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < OPEN_FILES => Finding::warn(
            "open files",
            format!("{limit} at most; 10,000 subscribers need {OPEN_FILES}"),
            "raise it: LimitNOFILE=65536 in the systemd unit, `ulimits` in compose.yaml, or `ulimit -n 65536`",
        ),
        Some(limit) => Finding::ok("open files", format!("{limit} at most")),
        None => Finding::ok("open files", "without a limit"),
    }
}
