//! What is asked of the database.

use std::time::Duration;

use tavolo_schema::Clock;
use tavolo_store::{
    SCHEMA_VERSION, Settings, StoreError,
    health::{Identity, Majority, Oplog, ServerDisk, ServerProbe},
};

use super::{Finding, gibibytes};
use crate::key_file::{self, KeyArgs, KeyFileError};

/// The oldest MongoDB that a hub works with.
const OLDEST_MAJOR: i32 = 6;

/// Clocks that differ by more make entries appear out of their order.
const CLOCKS_DIFFER: Duration = Duration::from_secs(1);

/// A hub or a subscriber that was away for longer than the log reaches back has to begin anew.
const OPLOG_HOURS: f64 = 24.0;

/// The part of the server's disk that should be free.
const FREE_PART: f64 = 0.1;

/// Every check of the database, as far as there is one.
pub(super) async fn examine(settings: &Settings, key: &KeyArgs, clock: &Clock) -> Vec<Finding> {
    let probe = ServerProbe::open(settings).await;
    let answer = match &probe {
        Ok(probe) => probe.identity().await.map(|identity| (probe, identity)),
        Err(error) => return vec![unreachable(error)],
    };
    let (probe, identity) = match answer {
        Ok(answer) => answer,
        Err(error) => return vec![unreachable(&error)],
    };
    let mut findings = vec![version(&identity), clocks(&identity, clock), replica_set(&identity)];
    if identity.replica_set.is_some() {
        findings.push(transactions(probe.transact().await));
        findings.push(majority(probe.majority().await));
        findings.push(oplog(probe.oplog().await));
    }
    findings.push(schema(probe.schema_version().await));
    findings.push(key_file(probe, key).await);
    findings.push(members(probe.members().await));
    findings.push(disk(probe.disk().await));
    findings
}

fn unreachable(error: &StoreError) -> Finding {
    let advice = "see that mongod runs, that this machine reaches it, and that TAVOLO_MONGODB_URI is right; \
                  the other questions to the database wait for that";
    Finding::fail("mongodb", error.to_string(), advice)
}

fn version(identity: &Identity) -> Finding {
    let found = format!("version {} answers", identity.version);
    if identity.major < OLDEST_MAJOR {
        return Finding::fail("mongodb", found, "upgrade the server to MongoDB 6 or newer");
    }
    Finding::ok("mongodb", found)
}

fn clocks(identity: &Identity, clock: &Clock) -> Finding {
    let advice = "let NTP keep the time on both machines (`timedatectl set-ntp true`)";
    let Some(server) = identity.clock else {
        return Finding::warn("clock", "the server does not tell its time", advice);
    };
    let apart = server.millis() - clock.now().millis();
    let found = format!("the server's clock differs by {apart} ms");
    if apart.unsigned_abs() > CLOCKS_DIFFER.as_millis() as u64 {
        return Finding::warn("clock", found, advice);
    }
    Finding::ok("clock", found)
}

fn replica_set(identity: &Identity) -> Finding {
    match &identity.replica_set {
        Some(name) => Finding::ok("replica set", name.as_str()),
        None => Finding::fail(
            "replica set",
            "the server is in none; transactions and change streams need one",
            "start mongod with --replSet NAME and run rs.initiate() once",
        ),
    }
}

fn transactions(outcome: Result<(), StoreError>) -> Finding {
    match outcome {
        Ok(()) => Finding::ok("transactions", "a write was made and taken back"),
        Err(error) => Finding::fail(
            "transactions",
            error.to_string(),
            "see that the set has a primary and that the user of TAVOLO_MONGODB_URI has the role readWrite",
        ),
    }
}

fn majority(outcome: Result<Majority, StoreError>) -> Finding {
    let Majority { members, healthy, needed } = match outcome {
        Ok(majority) => majority,
        Err(error) => return untold("majority", &error),
    };
    let found = format!("{healthy} of {members} members are well, {needed} make the majority");
    if healthy < needed {
        let advice = "bring members back: until then no act is acknowledged";
        return Finding::fail("majority", found, advice);
    }
    if members == 1 {
        let advice = "for data one must not lose, have three members on three machines";
        return Finding::warn("majority", found, advice);
    }
    if healthy < members {
        return Finding::warn("majority", found, "bring the missing members back: the next loss may stop all acts");
    }
    Finding::ok("majority", found)
}

fn oplog(outcome: Result<Oplog, StoreError>) -> Finding {
    let Oplog { hours, full } = match outcome {
        Ok(oplog) => oplog,
        Err(error) => return untold("oplog", &error),
    };
    let found = format!("reaches back {hours:.1} hours{}", if full { "" } else { " and is not full yet" });
    if full && hours < OPLOG_HOURS {
        let advice = "enlarge it (`replSetResizeOplog`) to 24 hours or more, so that nobody loses their place";
        return Finding::warn("oplog", found, advice);
    }
    Finding::ok("oplog", found)
}

fn schema(outcome: Result<i32, StoreError>) -> Finding {
    match outcome {
        Ok(SCHEMA_VERSION) => Finding::ok("schema", format!("version {SCHEMA_VERSION}")),
        Ok(0) => Finding::ok("schema", "none yet; a hub makes it when it starts"),
        Ok(found) => Finding::warn(
            "schema",
            format!("version {found}; this hub brings it to {SCHEMA_VERSION} when it starts"),
            "have a backup first, and stop hubs of the older version",
        ),
        Err(error) => Finding::fail("schema", error.to_string(), "start the version that wrote the database, or newer"),
    }
}

/// Whether the key of the database is here, and for nobody else to read.
async fn key_file(probe: &ServerProbe, args: &KeyArgs) -> Finding {
    const CHECK: &str = "key file";
    let look = async || -> Result<Finding, KeyFileError> {
        let path = args.path()?;
        let shown = path.display();
        let Some(key) = key_file::read(&path)? else {
            if probe.has_key().await? {
                let advice = "copy the key file of the other hubs there, or name it with --key-file; when it is lost, see \
                              `tavolo key replace --help`";
                return Ok(Finding::fail(CHECK, format!("the key of the database is not at {shown}"), advice));
            }
            return Ok(Finding::ok(CHECK, format!("none yet; a hub makes {shown} when it starts")));
        };
        let found = match probe.keeps(&key).await? {
            Some(true) => format!("{shown} has the key of the database"),
            None => format!("{shown}; the database will be kept with it when a hub starts"),
            Some(false) => {
                let advice = "put the key file of the other hubs in its place, or name it with --key-file; when it is \
                              lost, see `tavolo key replace --help`";
                return Ok(Finding::fail(CHECK, format!("the key in {shown} is not that of the database"), advice));
            }
        };
        if key_file::is_open_to_others(&path) {
            let advice = "let nobody but the hub's user read it (`chmod 600`)";
            return Ok(Finding::warn(CHECK, format!("{found}, and others than its owner may read it"), advice));
        }
        Ok(Finding::ok(CHECK, found))
    };
    let advice = "name a readable key file with --key-file; `tavolo key make` makes one for a new database";
    look().await.unwrap_or_else(|error| Finding::fail(CHECK, error.to_string(), advice))
}

fn members(outcome: Result<u64, StoreError>) -> Finding {
    match outcome {
        Ok(0) => Finding::warn(
            "members",
            "the roster is empty: nobody may act",
            "register an organisation (`tavolo organisation`) and its people (`tavolo member add`)",
        ),
        Ok(count) => Finding::ok("members", format!("{count} in the roster")),
        Err(error) => untold("members", &error),
    }
}

fn disk(outcome: Result<Option<ServerDisk>, StoreError>) -> Finding {
    match outcome {
        Ok(Some(ServerDisk { total, free })) => {
            let found = format!("{} of the server's {} are free", gibibytes(free), gibibytes(total));
            if (free as f64) < FREE_PART * total as f64 {
                return Finding::warn(
                    "server disk",
                    found,
                    "enlarge the volume of MongoDB: a full one ends the server",
                );
            }
            Finding::ok("server disk", found)
        }
        Ok(None) => Finding::ok("server disk", "the server does not tell"),
        Err(error) => untold("server disk", &error),
    }
}

/// A question that this user may not ask is no fault of the server's.
fn untold(check: &'static str, error: &StoreError) -> Finding {
    if matches!(error, StoreError::Credentials) {
        let advice = "give the user of TAVOLO_MONGODB_URI the role clusterMonitor to have this looked at";
        return Finding::warn(check, "the server does not tell this user", advice);
    }
    Finding::fail(check, error.to_string(), "see the log of mongod")
}
