//! What one reader may do to the others: whoever hangs up, asks for much at once, or finds a database that does not
//! answer, keeps nobody else from it.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, future::join_all, stream};
use serde_json::{Value, json};
use tavolo::{
    local_mongod::LocalMongod,
    seed::{Scale, fill},
};
use tavolo_store::Connections;
use tokio::process::Command;

use crate::harness::{Client, World, person, until};

/// Far less than it would take to work off what was given up, and more than a busy machine needs for one answer.
const PROMPT: Duration = Duration::from_secs(4);

/// Fifty reads of the vault in one document.
fn many_reads() -> String {
    let reads =
        (0..50).map(|number| format!("a{number}: guests(first: 1, filter: {{ surname: \"\" }}) {{ totalCount }} "));
    format!("{{ {} }}", reads.collect::<String>())
}

/// Sends a request and hangs up when it is not answered within a few milliseconds. Tells whether it was given up.
async fn hang_up(hub: &Client, subject: &str, body: &Value, within: Duration) -> bool {
    let request = hub.http.post(format!("http://{}/graphql", hub.address)).bearer_auth(hub.token(subject)).json(body);
    tokio::time::timeout(within, request.send()).await.is_err()
}

async fn all_is_given_back(hub: &Client) {
    let at_rest = async || {
        let Connections { in_use, waiting, .. } = hub.graph.hub().store.connections();
        assert!(in_use >= 0 && waiting >= 0, "{in_use} {waiting}");
        (in_use, waiting) == (0, 0)
    };
    until("nobody uses or awaits a connection", at_rest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_hang_up_keep_nobody_from_the_database() {
    let world = World::new().await;
    fill(&world.store, &world.clock.clock(), &Scale { facilities: 10, guests: 300, seed: 7 }, |_| ()).await.unwrap();
    let hub = world.hub().await;
    let reads = json!({ "query": many_reads() });
    let register = "mutation($input: RegisterGuestInput!) { a: registerGuest(input: $input) { guest { id } } }";
    let act = json!({ "query": register, "variables": { "input": person() } });
    // The first ones show what is to be given up.
    hub.data("province", &many_reads(), Value::Null).await;
    for (body, subject) in [(&reads, "operator"), (&reads, "province"), (&act, "operator")] {
        let left =
            stream::iter(0..200).map(|number| hang_up(&hub, subject, body, Duration::from_millis(5 + number % 20)));
        let given_up = left.buffer_unordered(8).filter(|left| std::future::ready(*left)).count().await;
        assert!(given_up >= 20, "{given_up} were given up");
        for asked in 0..3 {
            let began = Instant::now();
            let found = hub.data("central_service", "{ guests(first: 1) { nodes { id } } }", Value::Null).await;
            assert_eq!(found["guests"]["nodes"].as_array().map(Vec::len), Some(1));
            let took = began.elapsed();
            assert!(took < PROMPT, "read {asked} after {given_up} abandoned requests took {took:?}");
        }
        let began = Instant::now();
        hub.guest("other_operator").await;
        let took = began.elapsed();
        assert!(took < PROMPT, "an act after {given_up} abandoned requests took {took:?}");
        all_is_given_back(&hub).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_has_few_reads_at_once_however_it_asks() {
    let world = World::new().await;
    fill(&world.store, &world.clock.clock(), &Scale { facilities: 10, guests: 300, seed: 7 }, |_| ()).await.unwrap();
    let hub = world.hub().await;
    let (document, store) = (many_reads(), hub.graph.hub().store.clone());
    let asking = join_all((0..8).map(|_| hub.data("province", &document, Value::Null)));
    let mut most = 0;
    let watching = async {
        loop {
            most = most.max(store.connections().in_use);
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        answers = asking => assert_eq!(answers.len(), 8),
        () = watching => {}
    }
    // One more for the timekeeper, and one for the publisher.
    assert!((1..=6).contains(&most), "{most} at once");
    // The past is read once for everybody.
    let past: String = (0..20)
        .map(|number| {
            format!(
                "a{number}: occupancy(groupBy: PROVINCE, at: \"2026-11-0{}T00:00:00Z\") {{ facilities }} ",
                1 + number % 9
            )
        })
        .collect();
    let before = store.commands();
    hub.data("province", &format!("{{ {past} }}"), Value::Null).await;
    assert!(store.commands() - before <= 4, "{} commands", store.commands() - before);
}

async fn signal(mongod: &LocalMongod, signal: &str) {
    let pid = mongod.pid().to_string();
    assert!(Command::new("kill").args([signal, &pid]).status().await.unwrap().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_database_stands_still_nobody_waits_longer_than_the_patience() {
    let folder = tempfile::tempdir().unwrap();
    let mongod = LocalMongod::start(folder.path(), None).await.unwrap();
    let mut world = World::at(mongod.uri()).await;
    fill(&world.store, &world.clock.clock(), &Scale { facilities: 10, guests: 60, seed: 7 }, |_| ()).await.unwrap();
    world.settings.patience = Duration::from_secs(1);
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let guest = hub.guest("operator").await;
    signal(&mongod, "-STOP").await;

    let at = "occupancy(groupBy: PROVINCE, at: \"2026-11-01T00:00:00Z\") { facilities }";
    let reads = [
        "{ guests(first: 1) { nodes { id } totalCount } }".into(),
        "{ facilities(first: 10) { nodes { stays(first: 5) { nodes { guest { surname } } } } } }".into(),
        "{ statistics(from: \"2026-01-01\", to: \"2026-10-31\") { hosted { count } } }".into(),
        format!("{{ a: {at} b: {at} }}"),
        many_reads(),
    ];
    let timed = async |document: &str, variables: Value| {
        let began = Instant::now();
        // What the Province is told of the past may be known already; what the public was told is looked up.
        let subject = if document.contains("at:") { "" } else { "province" };
        let answer = hub.send(subject, document, variables).await;
        (answer["errors"][0]["extensions"]["code"].clone(), began.elapsed())
    };
    let admit = "mutation($input: AdmitGuestInput!) { admitGuest(input: $input) { stay { id } } }";
    let input = json!({ "input": { "guest": guest, "facility": facility, "category": "ORDINARY" } });
    let answers = join_all(reads.iter().map(|document| timed(document, Value::Null)));
    let (answers, act) = futures_util::join!(answers, timed(admit, input.clone()));
    for ((code, took), document) in answers.iter().chain([&act]).zip(reads.iter().map(String::as_str).chain([admit])) {
        assert_eq!(code, "UNAVAILABLE", "{document}");
        assert!(*took < Duration::from_millis(3_500), "{took:?} for {document}");
    }
    let board = hub.data("province", "{ facilities(first: 1) { nodes { code } } }", Value::Null).await;
    assert_eq!(board["facilities"]["nodes"].as_array().map(Vec::len), Some(1), "the board goes on");
    assert!(hub.graph.hub().store.connections().in_use > 0, "what was begun is not broken off");

    signal(&mongod, "-CONT").await;
    let well = async || hub.send("province", &reads[0], Value::Null).await.get("errors").is_none();
    until("the vault is read again", well).await;
    all_is_given_back(&hub).await;
    // The act that got no answer had not begun, or has been ended: the place is there to be taken.
    let admitted = async || {
        let answer = hub.send("province", admit, input.clone()).await;
        answer["data"]["admitGuest"]["stay"]["id"].is_string()
    };
    until("the guest is admitted", admitted).await;
    drop(world);
    mongod.stop().await;
}
