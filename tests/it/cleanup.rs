//! What a test leaves behind, be it that it fails: no database and no hub.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use tavolo::local_mongod::LocalMongod;
use tokio::net::TcpStream;

use crate::harness::{OwnDatabase, World, mongodb_uri};

/// What a test that fails had.
#[derive(Default)]
struct Had {
    database: String,
    hub: String,
}

/// A test that panics in the middle of what it does, with a hub, a subscriber and an act in progress.
async fn fails(had: &mut Had) {
    let world = World::new().await;
    let hub = world.hub().await;
    had.database.clone_from(&world.settings.database);
    had.hub.clone_from(&hub.address);
    let _socket = hub.subscribe("province", "subscription { occupancyChanged { kind } }", serde_json::json!({})).await;
    assert!(is_there(&had.database).await, "the database is there while its test runs");
    tokio::select! {
        _ = hub.guest("operator") => {}
        () = std::future::ready(()) => {}
    }
    panic!("this test fails on purpose");
}

async fn is_there(database: &str) -> bool {
    let client = mongodb::Client::with_uri_str(mongodb_uri()).await.unwrap();
    client.list_database_names().await.unwrap().iter().any(|name| name == database)
}

async fn assert_nothing_is_left(had: &Had) {
    assert!(!had.database.is_empty() && !had.hub.is_empty(), "it came to the point where it fails");
    assert!(!is_there(&had.database).await, "{} is left behind", had.database);
    assert!(TcpStream::connect(&had.hub).await.is_err(), "its hub still listens");
}

#[tokio::test]
async fn a_test_that_fails_leaves_nothing_behind() {
    let mut had = Had::default();
    let outcome = AssertUnwindSafe(fails(&mut had)).catch_unwind().await;
    assert!(outcome.is_err());
    assert_nothing_is_left(&had).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_task_that_panics_leaves_nothing_behind() {
    let (tell, told) = tokio::sync::oneshot::channel();
    let task = tokio::spawn(async move {
        let mut had = Had::default();
        let outcome = AssertUnwindSafe(fails(&mut had)).catch_unwind().await;
        assert!(tell.send(had).is_ok());
        if let Err(panic) = outcome {
            std::panic::resume_unwind(panic);
        }
    });
    assert!(task.await.unwrap_err().is_panic());
    assert_nothing_is_left(&told.await.unwrap()).await;
}

#[tokio::test]
async fn a_database_that_a_test_gives_away_is_gone_with_it() {
    let database = OwnDatabase::new();
    let name = database.name().to_owned();
    let driver = mongodb::Client::with_uri_str(mongodb_uri()).await.unwrap().database(&name);
    driver.create_collection("things").await.unwrap();
    assert!(is_there(&name).await);
    drop(database);
    assert!(!is_there(&name).await);
}

#[tokio::test]
async fn a_world_whose_mongod_was_killed_ends_all_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = LocalMongod::start(folder.path(), None).await.unwrap();
    let world = World::at(mongod.uri()).await;
    let hub = world.hub().await;
    mongod.kill().await;
    drop(world);
    assert!(TcpStream::connect(&hub.address).await.is_err(), "its hub still listens");
}
