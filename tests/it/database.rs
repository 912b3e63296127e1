//! The database: what the hub demands of it, what it keeps, and one clear line for each thing that is wrong.

use std::{
    collections::BTreeSet,
    net::TcpListener,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use futures_util::{TryStreamExt, future::join_all};
use mongodb::{
    Database,
    bson::{Bson, Document, doc},
    error::{ErrorKind, WriteFailure},
};
use serde_json::{Value, json};
use tavolo::{
    local_mongod::LocalMongod,
    seed::{Scale, fill},
    serve::open_store,
};
use tavolo_schema::{
    AccreditationStatus, PlaceCategory, Position,
    id::{GuestId, fresh},
};
use tavolo_store::{GuestScope, SCHEMA_VERSION, Settings, Store, StoreError};
use tokio::{
    process::{Child, Command},
    time::timeout,
};

use crate::{
    harness::{Client, OwnDatabase, PATIENCE, World, blocking, database_name, mongodb_uri, person, text, until},
    stage::assert_books_agree,
};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Settings that do not wait long.
fn hasty(uri: &str) -> Settings {
    Settings { patience: Duration::from_secs(2), ..Settings::new(uri, database_name()) }
}

/// The fault of a database that must not be opened, which is one line.
async fn refusal(settings: &Settings) -> String {
    let line = Store::open(settings, &tavolo::system_clock())
        .await
        .expect_err("this database is not as it must be")
        .to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

async fn mongod_program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/fetch-mongod");
    let output = Command::new("sh").arg(script).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().into()
}

/// A mongod with no replica set. It ends when the child is dropped.
async fn standalone(folder: &Path, port: u16) -> Child {
    Command::new(mongod_program().await)
        .arg("--dbpath")
        .arg(folder)
        .args(["--port", &port.to_string(), "--bind_ip", "127.0.0.1", "--nounixsocket", "--quiet"])
        .arg("--wiredTigerCacheSizeGB=0.25")
        .stdout(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn a_server_that_is_no_replica_set_is_refused_and_told_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut mongod = standalone(folder.path(), port).await;
    until("mongod listens", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() }).await;
    let line = refusal(&hasty(&format!("mongodb://127.0.0.1:{port}/"))).await;
    assert!(line.contains("no replica set") && line.contains("--replSet"), "{line}");
    mongod.kill().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_not_in_the_replica_set_of_the_address_is_refused_and_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let mut mongod = standalone(folder.path(), port).await;
    until("mongod listens", || async { tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() }).await;
    let line = refusal(&hasty(&format!("mongodb://127.0.0.1:{port}/?replicaSet=tavolo"))).await;
    assert!(line.contains("replica set"), "{line}");
    mongod.kill().await.unwrap();
}

#[tokio::test]
async fn wrong_credentials_are_called_that_and_never_repeated() {
    let uri = mongodb_uri().replace("mongodb://", "mongodb://somebody:secret-word@");
    let line = refusal(&hasty(&uri)).await;
    assert!(line.contains("credentials") && line.contains("TAVOLO_MONGODB_URI"), "{line}");
    assert!(!line.contains("secret-word"), "{line}");
}

#[tokio::test]
async fn where_nothing_listens_the_hub_waits_as_long_as_it_was_told_and_says_so() {
    let began = Instant::now();
    let settings = hasty(&format!("mongodb://127.0.0.1:{}/?replicaSet=tavolo", free_port()));
    // The driver alone would look for a server for half a minute.
    let line = timeout(PATIENCE, refusal(&settings)).await.expect("a refusal within the patience");
    assert!(line.starts_with("the database does not answer"), "{line}");
    assert!(began.elapsed() >= settings.patience, "it waits: {:?}", began.elapsed());
}

#[tokio::test]
async fn an_address_that_is_none_is_called_that() {
    for uri in ["nonsense", "http://127.0.0.1:27017", "mongodb://", "mongodb://127.0.0.1:port/", ""] {
        let line = refusal(&hasty(uri)).await;
        assert!(line.starts_with("TAVOLO_MONGODB_URI is not a MongoDB address"), "{uri}: {line}");
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let world = World::new().await;
    let driver = world.driver().await;
    let newer = doc! { "$set": { "version": 99 } };
    driver.collection::<Document>("meta").update_one(doc! { "_id": "schema" }, newer).await.unwrap();
    let line = refusal(&world.settings).await;
    assert!(line.contains("newer") && line.contains("99") && line.contains("upgrade"), "{line}");
    assert!(line.contains(&world.settings.database), "{line}");
    let meta = driver.collection::<Document>("meta").find_one(doc! { "_id": "schema" }).await.unwrap().unwrap();
    assert_eq!(meta.get_i32("version").unwrap(), 99);
}

/// Everything the server did in a database since it was told to write it down.
pub async fn profile(database: &Database) -> Vec<Document> {
    let found = database.collection::<Document>("system.profile").find(doc! {}).await.unwrap();
    found.try_collect().await.unwrap()
}

pub async fn write_everything_down(database: &Database) {
    database.run_command(doc! { "profile": 2 }).await.unwrap();
}

pub async fn stop_writing_down(database: &Database) {
    database.run_command(doc! { "profile": 0 }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_asked_for_by_five_hubs_at_once_run_once() {
    let own = OwnDatabase::new();
    let settings = Settings::new(mongodb_uri(), own.name());
    let driver = mongodb::Client::with_uri_str(&settings.uri).await.unwrap().database(&settings.database);
    write_everything_down(&driver).await;
    let stores = join_all((0..5).map(|_| open_store(&settings))).await;
    stop_writing_down(&driver).await;
    for store in stores {
        assert_eq!(store.unwrap().snapshot().await.unwrap().municipalities.len(), 27);
    }
    let versions: Vec<i32> = {
        let entries = profile(&driver).await;
        let sets = entries.iter().filter_map(|entry| {
            entry.get_document("command").ok()?.get_document("u").ok()?.get_document("$set").ok().cloned()
        });
        sets.filter_map(|set| set.get_i32("version").ok()).collect()
    };
    assert_eq!(versions, (1..=SCHEMA_VERSION).collect::<Vec<_>>());
    let meta = driver.collection::<Document>("meta").find_one(doc! { "_id": "schema" }).await.unwrap().unwrap();
    assert_eq!(meta, doc! { "_id": "schema", "version": SCHEMA_VERSION }, "the lock is free again");
}

#[tokio::test]
async fn no_collection_takes_a_document_without_its_fields() {
    let world = World::new().await;
    let driver = world.driver().await;
    let found = driver.list_collection_names().await.unwrap();
    assert!(found.len() >= 15, "{found:?}");
    // What the database itself has been through is written by migrations alone.
    for name in found.iter().filter(|name| *name != "meta") {
        let refused = driver.collection::<Document>(name).insert_one(doc! { "_id": "x", "note": "y" }).await;
        match *refused.expect_err(name).kind {
            ErrorKind::Write(WriteFailure::WriteError(ref error)) => assert_eq!(error.code, 121, "{name}"),
            ref other => panic!("{name}: {other}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_knows_its_time_and_never_shows_half_of_an_act() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 5).await;
    let document = "query($id: ID!) { facility(by: { id: $id }) { accreditation { id } } }";
    let data = hub.data("province", document, json!({ "id": facility })).await;
    let accreditation = &data["facility"]["accreditation"]["id"];
    let suspending_and_reinstating = async {
        for _ in 0..20 {
            let input = json!({ "accreditation": accreditation, "reason": "sopralluogo" });
            hub.act("province", "suspendAccreditation", "accreditation { id }", input).await;
            let input = json!({ "accreditation": accreditation, "outcome": "ACCREDITED" });
            hub.act("province", "decideAccreditation", "accreditation { id }", input).await;
        }
    };
    let looking = async {
        let mut last = Position::default();
        loop {
            let snapshot = world.store.snapshot().await.unwrap();
            assert!(snapshot.position > Position::default(), "a snapshot without a time");
            assert!(snapshot.position >= last);
            last = snapshot.position;
            let granted = !snapshot.pools[0].grants.is_empty();
            let accredited = snapshot.accreditations[0].status == AccreditationStatus::Accredited;
            assert_eq!(granted, accredited, "the pool and the register are of different times");
        }
    };
    tokio::select! {
        () = suspending_and_reinstating => {}
        () = looking => {}
    }
}

/// Performs every act and reads the vault along every path, so that the server has seen each query of the hub.
async fn a_day_at_the_table(world: &World, hub: &Client) {
    let facility = hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 5).await;
    let mut guest = person();
    for (name, value) in [("taxCode", "HSSMNA01M65Z345L"), ("cuiCode", "04FPXYZ"), ("vestanetCode", "KR0012345")] {
        guest[name] = json!(value);
    }
    guest["birthDate"] = json!("2001-08-25");
    guest["sex"] = json!("F");
    let registered = hub.act("operator", "registerGuest", "guest { id household { id } }", guest.clone()).await;
    assert_eq!(blocking(&registered), Vec::<String>::new());
    let guest_id = text(&registered["guest"]["id"]);
    let mut relative = person();
    relative["household"] = json!({ "id": registered["guest"]["household"]["id"] });
    hub.act("operator", "registerGuest", "guest { id }", relative).await;
    for subject in ["operator", "central_service"] {
        let again = json!({ "input": guest, "key": "again" });
        assert!(hub.order(subject, "registerGuest", "__typename", again).await.get("errors").is_none());
    }
    let admission = json!({ "guest": guest_id, "facility": facility, "category": "ORDINARY" });
    for _ in 0..2 {
        let arrival = json!({ "input": admission, "key": "arrival" });
        assert!(hub.order("operator", "admitGuest", "__typename", arrival).await.get("errors").is_none());
    }
    let block = json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": "WORKS" });
    let block = hub.act("operator", "blockPlaces", "block { id }", block).await;
    hub.act("operator", "unblockPlaces", "facility { id }", json!({ "block": block["block"]["id"] })).await;
    let revision = json!({ "facility": facility, "name": "Casa Nuova", "bathrooms": 2 });
    hub.act("operator", "reviseFacility", "facility { id }", revision).await;
    let again = hub.accredit(&facility, "ORDINARY", 4).await;
    let stop = json!({ "accreditation": again, "reason": "fine" });
    hub.act("province", "suspendAccreditation", "accreditation { id }", stop.clone()).await;
    hub.act("province", "revokeAccreditation", "accreditation { id }", stop).await;
    let stays = "query($id: ID!, $guest: ID!) {
        facility(by: { id: $id }) { open: stays(status: OPEN, first: 2) { nodes { id guest { surname } } } all: stays { nodes { id } } }
        guest(by: { id: $guest }) { household { members { id } } stays { nodes { id } } }
        one: guests(first: 2, filter: { facility: $id }) { nodes { id } totalCount }
        two: guests(last: 2, filter: { present: true }) { nodes { id } }
        three: guests(first: 2) { nodes { id } pageInfo { endCursor } }
        four: guests(first: 2, filter: { surname: \"P\" }) { nodes { id } totalCount }
        all: guestLookups(last: 2) { nodes { id guests { id } } totalCount }
        one_of: guestLookups(filter: { guest: $guest }) { nodes { id } totalCount } }";
    let variables = json!({ "id": facility, "guest": guest_id });
    for subject in ["province", "operator", "municipality"] {
        hub.data(subject, stays, variables.clone()).await;
    }
    let data = hub.data("operator", stays, variables).await;
    let stay = text(&data["facility"]["open"]["nodes"][0]["id"]);
    let node = "query($id: ID!) { node(id: $id) { id } }";
    hub.data("operator", node, json!({ "id": stay })).await;
    hub.act("operator", "dischargeGuest", "stay { id }", json!({ "stay": stay, "reason": "OTHER" })).await;
    world.store.keep_time(fresh(world.clock.now()), world.clock.now()).await.unwrap();
    assert_books_agree(world).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_act_and_no_reader_of_the_vault_looks_through_a_whole_collection() {
    let world = World::new().await;
    let hub = world.hub().await;
    let driver = world.driver().await;
    write_everything_down(&driver).await;
    a_day_at_the_table(&world, &hub).await;
    stop_writing_down(&driver).await;
    let mut scans = BTreeSet::new();
    let mut seen = 0;
    for entry in profile(&driver).await {
        let plan = entry.get_str("planSummary").unwrap_or_default();
        let namespace = entry.get_str("ns").unwrap();
        let collection = namespace.split_once('.').unwrap().1;
        seen += 1;
        let command = entry.get_document("command").cloned().unwrap_or_default();
        // The audit reads these as a whole, which is its purpose.
        let filter = command.get_document("filter").cloned().unwrap_or_default();
        let whole = filter.is_empty() && AUDITED.contains(&collection) && command.contains_key("find");
        if plan.contains("COLLSCAN") && collection != "system.profile" && !whole {
            let fields: Vec<_> = ["filter", "q", "query", "pipeline"]
                .iter()
                .filter_map(|part| command.get(part))
                .map(|part| redacted(part).to_string())
                .collect();
            scans.insert(format!("{collection} {}", fields.join(" ")));
        }
    }
    assert!(seen > 150, "the server wrote down only {seen} operations");
    assert_eq!(scans, BTreeSet::new(), "each of these needs an index");
}

/// What an audit of the books reads.
const AUDITED: [&str; 5] = ["ledger", "pools", "stays", "facilities", "accreditations"];

/// The shape of a filter, without its values.
fn redacted(filter: &Bson) -> Bson {
    match filter {
        Bson::Document(document) => {
            document.iter().map(|(key, value)| (key.clone(), redacted(value))).collect::<Document>().into()
        }
        Bson::Array(items) => items.iter().map(redacted).collect::<Vec<_>>().into(),
        _ => "?".into(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_of_stays_is_read_along_an_index_and_not_beyond_its_end() {
    let world = World::new().await;
    fill(&world.store, &world.clock.clock(), &Scale { facilities: 4, guests: 200, seed: 3 }, |_| ()).await.unwrap();
    let driver = world.driver().await;
    for (owners, field, wanted) in [
        ("facilities", "facility", doc! { "status": "OPEN" }),
        ("facilities", "facility", doc! {}),
        ("guests", "guest", doc! {}),
    ] {
        let ids = driver.collection::<Document>(owners).distinct("_id", doc! {}).await.unwrap();
        let ids: Vec<Bson> = ids.into_iter().take(2).collect();
        let pipeline = vec![
            doc! { "$match": { "_id": { "$in": ids } } },
            doc! { "$project": { "_id": 1 } },
            doc! { "$lookup": {
                "from": "stays", "localField": "_id", "foreignField": field, "as": "stays",
                "pipeline": [{ "$match": wanted }, { "$sort": { "_id": -1 } }, { "$limit": 6 }],
            } },
        ];
        let aggregate = doc! { "aggregate": owners, "pipeline": pipeline, "cursor": {} };
        let explain = doc! { "explain": aggregate, "verbosity": "executionStats" };
        let explained = driver.run_command(explain).await.unwrap();
        let stages = explained.get_array("stages").unwrap();
        let lookup = stages.iter().filter_map(Bson::as_document).find(|stage| stage.contains_key("$lookup")).unwrap();
        let number = |name: &str| match lookup.get(name) {
            Some(Bson::Int64(number)) => *number,
            Some(Bson::Int32(number)) => i64::from(*number),
            other => panic!("{name}: {other:?}"),
        };
        assert_eq!(number("collectionScans"), 0, "{owners}");
        assert!(number("totalDocsExamined") <= 2 * 6, "{owners}: {} documents", number("totalDocsExamined"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_acknowledged_by_the_majority() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = LocalMongod::start(folder.path(), None).await.unwrap();
    let world = World::at(mongod.uri()).await;
    let hub = world.hub().await;
    let admin = mongodb::Client::with_uri_str(mongod.uri()).await.unwrap().database("admin");
    let verbosity =
        |level: i32| doc! { "setParameter": 1, "logComponentVerbosity": { "command": { "verbosity": level } } };
    admin.run_command(verbosity(2)).await.unwrap();
    a_day_at_the_table(&world, &hub).await;
    world.store.put_member(&world.store.members().await.unwrap()[0]).await.unwrap();
    world.store.remove_member("analyst").await.unwrap();
    admin.run_command(verbosity(0)).await.unwrap();
    let log = std::fs::read_to_string(folder.path().join("mongod.log")).unwrap();
    let commands = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok())
        .filter_map(|mut line| (line["msg"] == "About to run the command").then(|| line["attr"]["commandArgs"].take()));
    let (mut commits, mut alone) = (0, 0);
    for command in commands {
        let database = command["$db"].as_str().unwrap_or_default();
        let commit = command.get("commitTransaction").is_some();
        let writes = ["insert", "update", "delete", "findAndModify"].iter().any(|name| command.get(*name).is_some());
        let of_hub = commit || database == world.settings.database;
        if !of_hub
            || !(commit || writes)
            || (writes && command.get("txnNumber").is_some() && command["autocommit"] == false)
        {
            continue;
        }
        assert_eq!(command["writeConcern"]["w"], "majority", "{command}");
        if commit { commits += 1 } else { alone += 1 }
    }
    assert!(commits >= 15, "{commits} commits");
    assert!(alone >= 3, "{alone} writes outside of acts");
    drop(world);
    mongod.stop().await;
}

/// Replaces one field of one document behind the validator's back, and tells the `_id`.
async fn damage(database: &Database, collection: &str, field: &str, value: impl Into<Bson>) -> uuid::Uuid {
    let documents = database.collection::<Document>(collection);
    let mut document = documents.find_one(doc! {}).await.unwrap().unwrap();
    let Some(Bson::Binary(id)) = document.get("_id").cloned() else { panic!("{document}") };
    document.insert(field, value);
    documents.replace_one(doc! { "_id": id.clone() }, document).bypass_document_validation(true).await.unwrap();
    uuid::Uuid::from_slice(&id.bytes).unwrap()
}

fn assert_names(error: &StoreError, collection: &str, id: uuid::Uuid, field: &str) {
    let line = error.to_string();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{line}");
    for part in [collection, &id.to_string(), field] {
        assert!(line.contains(part), "{part} is missing in: {line}");
    }
    assert!(!line.contains('\n'), "{line}");
}

#[tokio::test]
async fn a_damaged_document_of_the_board_is_named_with_collection_id_and_field() {
    for (field, value) in [("municipality", Bson::Int32(5)), ("facilityType", "CASTLE".into()), ("rooms", Bson::Null)] {
        let world = World::new().await;
        fill(&world.store, &world.clock.clock(), &Scale { facilities: 3, guests: 3, seed: 3 }, |_| ()).await.unwrap();
        let id = damage(&world.driver().await, "facilities", field, value).await;
        assert_names(&world.store.snapshot().await.unwrap_err(), "facilities", id, field);
    }
}

#[tokio::test]
async fn a_damaged_document_of_the_vault_is_named_and_its_content_is_not() {
    let world = World::new().await;
    fill(&world.store, &world.clock.clock(), &Scale { facilities: 1, guests: 3, seed: 3 }, |_| ()).await.unwrap();
    let id = damage(&world.driver().await, "guests", "birthDate", "1996-13-45").await;
    let error = world.store.guests_by_ids(&[GuestId::from(id)], GuestScope::All).await.unwrap_err();
    assert_names(&error, "guests", id, "birthDate");
    assert!(!error.to_string().contains("1996"), "what is written about a person stays out of the log: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_filled_at_scale_has_clean_books_that_acts_can_go_on_with() {
    let world = World::new().await;
    let told = std::sync::atomic::AtomicUsize::new(0);
    let scale = Scale { facilities: 40, guests: 300, seed: 11 };
    fill(&world.store, &world.clock.clock(), &scale, |guests| {
        told.fetch_add(guests, std::sync::atomic::Ordering::Relaxed);
    })
    .await
    .unwrap();
    assert_eq!(told.into_inner(), 300);
    let audit = world.store.audit(world.clock.now()).await.unwrap();
    assert!(audit.discrepancies.is_empty(), "{audit:?}");
    assert_eq!(audit.pools, 40);
    assert!((200..300).contains(&audit.open_stays), "{}", audit.open_stays);
    let snapshot = world.store.snapshot().await.unwrap();
    let codes: BTreeSet<_> = snapshot.facilities.iter().map(|facility| facility.code.as_str()).collect();
    assert_eq!(codes.len(), 40);
    let today = world.clock.now().day();
    let present: i32 = snapshot.pools.iter().map(|pool| pool.numbers_on(today).occupied).sum();
    assert_eq!(usize::try_from(present).unwrap(), audit.open_stays);
    assert!(snapshot.pools.iter().all(|pool| pool.numbers_on(today).over_capacity == 0));

    let hub = world.hub().await;
    let pool = snapshot.pools.iter().find(|pool| pool.category == PlaceCategory::Ordinary).unwrap();
    let guest = hub.guest("province").await;
    let payload = hub.admit("province", &guest, &pool.facility.encode()).await;
    assert_eq!(blocking(&payload), Vec::<String>::new());
    assert_books_agree(&world).await;
}
