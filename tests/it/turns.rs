//! Whose turn it is at the database: who asks for much, or on links that swallow what is sent, makes nobody else wait,
//! and nothing waits without end.

use std::{
    net::Ipv6Addr,
    sync::Arc,
    time::{Duration, Instant},
};

use mongodb::bson::{Document, doc};
use serde_json::{Value, json};
use tavolo_schema::{Member, id::FacilityId};
use tavolo_store::{Behalf, Store};
use tokio::task::JoinHandle;

use crate::{
    harness::{Client, World, until},
    proxy::{Fate, Proxy},
    statistics::{STATISTICS, autumn, guest},
};

/// More than a busy machine needs for a few commands, and less than anybody waits for one that is not answered.
const PROMPT: Duration = Duration::from_secs(4);

const GUESTS: &str = "{ guests(first: 1) { nodes { id } } }";

/// What questions say that nobody else asks.
const LOST: &str = "a mark on a dead link";

/// A hub whose questions to the database go through a proxy, and whose readers wait for so long.
async fn behind_a_proxy(patience: Duration) -> (World, Client, Proxy) {
    let mut world = World::new().await;
    let proxy = Proxy::before(&world.settings.uri).await;
    world.settings.uri = proxy.uri();
    world.settings.patience = patience;
    let hub = world.hub().await;
    proxy.decide_on(&[LOST.as_bytes()], Fate::Swallow);
    (world, hub, proxy)
}

fn store(hub: &Client, behalf: Behalf) -> Store {
    hub.graph.hub().store.on_behalf_of(behalf)
}

fn member(hub: &Client, subject: &str) -> Behalf {
    let member: Arc<Member> = Arc::clone(hub.graph.hub().live_board.board().member(subject).unwrap());
    Behalf::Member(member)
}

/// Begins a read that is never answered.
fn lose(store: &Store) -> JoinHandle<bool> {
    let store = store.clone();
    tokio::spawn(async move { store.has_flag(LOST).await.is_ok() })
}

/// Begins all the reads that a member may have at once, and none of them is ever answered.
async fn lose_all(hub: &Client, proxy: &Proxy, subject: &str) {
    let own = store(hub, member(hub, subject));
    for _ in 0..4 {
        lose(&own);
    }
    until("four reads wait for an answer", async || proxy.swallowed() == 4).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_strangers_ask_members_are_answered() {
    let (_world, hub, _proxy) = behind_a_proxy(Duration::from_secs(20)).await;
    for network in 0..64 {
        let stranger = store(&hub, Behalf::Address(Ipv6Addr::from_bits(network << 64).into()));
        for _ in 0..4 {
            lose(&stranger);
        }
    }
    let connections = || hub.graph.hub().store.connections();
    until("all ask", async || connections().in_use + connections().waiting >= 256).await;
    for subject in ["operator", "province"] {
        let began = Instant::now();
        hub.data(subject, GUESTS, Value::Null).await;
        hub.guest(subject).await;
        let took = began.elapsed();
        assert!(took < PROMPT, "{subject} waited for {took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_watches_much_makes_no_other_organisation_wait() {
    let (world, hub, proxy) = behind_a_proxy(Duration::from_secs(20)).await;
    let bodies = &world.bodies;
    let own = hub.facility(bodies.operator, bodies.province, "ORDINARY", 3).await;
    let others = hub.facility(bodies.other_operator, bodies.province, "ORDINARY", 3).await;
    let id = uuid::Uuid::from(FacilityId::decode(&own).unwrap());
    proxy.decide_on(&[b"stays", id.as_bytes()], Fate::Swallow);
    let watch = |alias: usize| {
        format!(
            "subscription($facility: ID) {{ occupancyChanged(filter: {{ facility: $facility }}) {{
                a{alias}: kind facility {{ stays(first: 5) {{ nodes {{ id }} }} }} }} }}"
        )
    };
    let mut held = Vec::new();
    for alias in 0..6 {
        held.push(hub.subscribe("operator", &watch(alias), json!({ "facility": own })).await);
    }
    until("four of them wait for an answer", async || proxy.swallowed() >= 4).await;
    let began = Instant::now();
    let mut socket = hub.subscribe("other_operator", &watch(0), json!({ "facility": others })).await;
    let event = socket.event().await;
    assert_eq!((&event["a0"], &event["facility"]["stays"]["nodes"]), (&json!("CURRENT"), &json!([])));
    let took = began.elapsed();
    assert!(took < PROMPT, "it waited for {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_published_on_a_dead_link_is_published_on_another() {
    let (world, hub, proxy) = behind_a_proxy(Duration::from_secs(1)).await;
    let insert: [&[u8]; 2] = [b"insert", b"publications"];
    let published = async || {
        let all = world.driver().await.collection::<Document>("publications");
        all.count_documents(doc! {}).await.unwrap()
    };
    proxy.decide_on(&insert, Fate::Swallow);
    let (before, swallowed) = (published().await, proxy.swallowed());
    hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    until("it is to be published", async || proxy.swallowed() > swallowed).await;
    proxy.decide_on(&insert, Fate::Pass);
    hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    until("it is published", async || published().await > before).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_whose_reads_were_lost_reads_again_soon() {
    let patience = Duration::from_secs(1);
    let (_world, hub, proxy) = behind_a_proxy(patience).await;
    let began = Instant::now();
    lose_all(&hub, &proxy, "operator").await;
    until("it is answered", async || hub.send("operator", GUESTS, Value::Null).await.get("errors").is_none()).await;
    let took = began.elapsed();
    assert!(took < 2 * patience + PROMPT, "after {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_its_own_turn_is_counted_and_not_told_that_the_database_is_silent() {
    let (_world, hub, proxy) = behind_a_proxy(Duration::from_secs(2)).await;
    lose_all(&hub, &proxy, "operator").await;
    let asked = hub.send("operator", GUESTS, Value::Null);
    let connections = || hub.graph.hub().store.connections();
    let (answer, ()) = tokio::join!(asked, until("it waits", async || connections().waiting == 1));
    let error = &answer["errors"][0];
    assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(error["message"], "too much is asked of the database at once; try again");
    hub.data("province", GUESTS, Value::Null).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn published_statistics_are_made_in_nobodys_turn() {
    let (mut world, _, _) = autumn(vec![guest(0, "M", "NGA", "2026-09-10")]).await;
    world.clock.advance_days(71);
    let proxy = Proxy::before(&world.settings.uri).await;
    world.settings.uri = proxy.uri();
    world.settings.patience = Duration::from_secs(60);
    let hub = world.hub().await;
    proxy.decide_on(&[LOST.as_bytes()], Fate::Swallow);
    let stays: [&[u8]; 2] = [b"find", b"stays"];
    proxy.decide_on(&stays, Fate::Hold);
    let variables = json!({ "from": "2026-07-01", "to": "2026-12-31" });
    let (asking, wanted) = (hub.clone(), variables.clone());
    let asking = tokio::spawn(async move { asking.send("analyst", STATISTICS, wanted).await });
    until("the stays are asked for", async || proxy.held() >= 1).await;
    // The analyst has gone, and asks for as much as it may on links that bring no answer.
    asking.abort();
    let own = store(&hub, member(&hub, "analyst"));
    for _ in 0..8 {
        lose(&own);
    }
    let connections = || own.connections();
    until("all ask", async || connections().in_use + connections().waiting >= 8).await;
    proxy.decide_on(&stays, Fate::Pass);
    let began = Instant::now();
    let table = hub.data("prefecture", STATISTICS, variables).await;
    assert_eq!(table["statistics"]["to"], "2026-12-31");
    let took = began.elapsed();
    assert!(took < PROMPT, "others waited for {took:?}");
}
