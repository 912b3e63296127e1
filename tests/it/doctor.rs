//! The doctor: it finds nothing where nothing is wrong, and names what is.

use std::{
    path::Path,
    process::{Output, Stdio},
};

use mongodb::bson::{Document, doc};
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
};

use crate::{
    commands::tavolo,
    harness::{World, key_file, text},
};

/// What the doctor finds, with its exit code.
struct Report {
    code: Option<i32>,
    findings: Vec<Value>,
}

impl Report {
    async fn of(uri: &str, database: &str, more: &[&str]) -> Self {
        let database = ["doctor", "--json", "--patience", "2", "--mongodb-uri", uri, "--database", database];
        let Output { status, stdout, stderr } = tavolo(&[&database[..], more].concat()).output().await.unwrap();
        let findings = serde_json::from_slice(&stdout);
        let findings = findings.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&stderr)));
        Self { code: status.code(), findings }
    }

    async fn of_world(world: &World, more: &[&str]) -> Self {
        Self::of(&world.settings.uri, &world.settings.database, more).await
    }

    fn get(&self, check: &str) -> &Value {
        let found = self.findings.iter().find(|finding| finding["check"] == check);
        found.unwrap_or_else(|| panic!("no {check} in {:#?}", self.findings))
    }

    fn verdict(&self, check: &str) -> &str {
        self.get(check)["verdict"].as_str().unwrap()
    }

    /// The checks that failed. Each says what to do.
    fn failed(&self) -> Vec<&str> {
        let failed = self.findings.iter().filter(|finding| finding["verdict"] == "FAIL");
        failed
            .inspect(|finding| assert!(!text(&finding["advice"]).is_empty()))
            .filter_map(|f| f["check"].as_str())
            .collect()
    }
}

fn key_argument() -> String {
    key_file().display().to_string()
}

const ANYWHERE: [&str; 2] = ["--listen", "127.0.0.1:0"];

#[tokio::test]
async fn nothing_fails_where_a_hub_can_run() {
    let world = World::new().await;
    let keys = key_argument();
    let report = Report::of_world(&world, &[&ANYWHERE[..], &["--keys", &keys]].concat()).await;
    assert_eq!((report.failed(), report.code), (vec![], Some(0)));
    for check in ["mongodb", "clock", "replica set", "transactions", "oplog", "schema", "members", "keys", "address"] {
        assert_eq!(report.verdict(check), "OK", "{:#}", report.get(check));
    }
    assert_eq!(report.get("members")["found"], "7 in the roster");
    assert_eq!(report.get("keys")["found"], "1 for ES256");
    for check in ["majority", "server disk", "disk", "open files"] {
        report.get(check);
    }
    let meta = world.driver().await.collection::<Document>("meta");
    assert_eq!(meta.count_documents(doc! { "checkup": true }).await.unwrap(), 0, "the write was taken back");
}

#[tokio::test]
async fn the_text_names_what_failed_and_what_to_do() {
    let world = World::new().await;
    let database = ["--mongodb-uri", &world.settings.uri, "--database", &world.settings.database];
    let arguments = [&["doctor", "--keys", "/no/such/file"], &ANYWHERE[..], &database[..]].concat();
    let Output { status, stdout, stderr } = tavolo(&arguments).output().await.unwrap();
    let printed = String::from_utf8(stdout).unwrap();
    assert!(printed.contains("OK    replica set   "), "{printed}");
    assert!(printed.contains("FAIL  keys          cannot read the key file /no/such/file"), "{printed}");
    assert!(printed.contains("→ name a readable file with a JWKS"), "{printed}");
    assert_eq!(String::from_utf8(stderr).unwrap(), "tavolo: 1 check failed\n");
    assert_eq!(status.code(), Some(1));
}

#[tokio::test]
async fn a_database_that_is_gone_is_one_failure() {
    let report = Report::of("mongodb://127.0.0.1:1/", "tavolo", &ANYWHERE).await;
    assert_eq!((report.failed(), report.code), (vec!["mongodb"], Some(1)));
    assert_eq!(report.verdict("keys"), "WARN", "everybody is the public");
    assert_eq!(report.verdict("address"), "OK");
}

/// A mongod that is in no replica set, ended when this is dropped.
struct Standalone {
    _mongod: Child,
    uri: String,
}

impl Standalone {
    async fn start(folder: &Path) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fetch-mongod");
        let program = Command::new(script).output().await.unwrap().stdout;
        let program = String::from_utf8(program).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut mongod = Command::new(program.trim_end())
            .args(["--bind_ip", "127.0.0.1", "--nounixsocket", "--port", &port.to_string(), "--dbpath"])
            .arg(folder)
            .args(["--wiredTigerCacheSizeGB", "0.25"])
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut log = BufReader::new(mongod.stdout.take().unwrap()).lines();
        while !log.next_line().await.unwrap().expect("mongod listens").contains("Waiting for connections") {}
        // A full pipe would block it.
        tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
        Self { _mongod: mongod, uri: format!("mongodb://127.0.0.1:{port}/") }
    }
}

#[tokio::test]
async fn a_server_in_no_replica_set_is_one_failure() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = Standalone::start(folder.path()).await;
    let report = Report::of(&mongod.uri, "tavolo", &ANYWHERE).await;
    assert_eq!((report.failed(), report.code), (vec!["replica set"], Some(1)));
    assert_eq!(report.verdict("mongodb"), "OK");
    assert_eq!(report.get("schema")["found"], "none yet; a hub makes it when it starts");
    assert_eq!(report.verdict("members"), "WARN", "the roster is empty");
}

#[tokio::test]
async fn a_database_of_a_newer_hub_fails() {
    let world = World::new().await;
    let meta = world.driver().await.collection::<Document>("meta");
    meta.update_one(doc! { "_id": "schema" }, doc! { "$set": { "version": 1_000 } }).await.unwrap();
    let report = Report::of_world(&world, &ANYWHERE).await;
    assert_eq!(report.failed(), ["schema"]);
}

#[tokio::test]
async fn a_port_is_taken_by_a_hub_or_by_a_stranger() {
    let world = World::new().await;
    let hub = world.hub().await;
    let report = Report::of_world(&world, &["--listen", &hub.address]).await;
    assert_eq!(report.get("address")["found"], format!("a hub answers at {}", hub.address));
    assert_eq!(report.failed(), Vec::<&str>::new());

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stranger = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.write_all(b"220 mail.example ESMTP\r\n").await;
        }
    });
    let report = Report::of_world(&world, &["--listen", &stranger]).await;
    assert_eq!(report.failed(), ["address"]);
    let report = Report::of_world(&world, &["--listen", "192.0.2.1:80"]).await;
    assert_eq!(report.failed(), ["address"], "an address of no machine");
}

#[tokio::test]
async fn keys_are_read_as_the_hub_would_read_them() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("keys.json");
    for (content, verdict) in [("{\"keys\": [{\"kty\"", "FAIL"), ("{\"keys\": []}", "WARN")] {
        std::fs::write(&file, content).unwrap();
        let arguments = [&ANYWHERE[..], &["--keys", file.to_str().unwrap()]].concat();
        let report = Report::of_world(&world, &arguments).await;
        assert_eq!(report.verdict("keys"), verdict, "{content}");
    }
}
