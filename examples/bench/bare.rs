//! The references: bare servers that do one thing and nothing else, in processes of their own.

use std::{collections::HashMap, net::SocketAddr, path::Path};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        State,
        ws::{Message, Utf8Bytes, WebSocketUpgrade},
    },
    http::header,
    response::IntoResponse,
    routing::{get, post},
    serve::ListenerExt,
};
use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{Uuid, doc},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tavolo::{command::Failure, system_clock};
use tavolo_schema::{
    CapacityNumbers,
    capacity::Counts,
    id::{AccreditationId, FacilityId, OrganisationId},
};
use tokio::sync::broadcast;

/// Is the bare handler until the process is ended: what HTTP costs with this client, these bytes and this machine.
pub(crate) async fn be_bytes(listen: SocketAddr, file: &Path) -> Result<(), Failure> {
    async fn answer(State(bytes): State<Bytes>, _asked: Bytes) -> impl IntoResponse {
        ([(header::CONTENT_TYPE, "application/json; charset=utf-8")], bytes)
    }
    let routes = Router::new().route("/graphql", post(answer)).route("/readyz", get(|| async { "ready\n" }));
    let router = routes.with_state(Bytes::from(std::fs::read(file)?));
    Ok(axum::serve(tokio::net::TcpListener::bind(listen).await?, router).await?)
}

/// Is the bare broadcast until the process is ended: what a socket costs with these bytes and this machine.
pub(crate) async fn be_broadcast(listen: SocketAddr) -> Result<(), Failure> {
    type Said = broadcast::Sender<Utf8Bytes>;
    async fn say(State(said): State<Said>, text: String) {
        // Without a socket nobody hears it.
        let _ = said.send(text.into());
    }
    async fn listen_to(State(said): State<Said>, upgrade: WebSocketUpgrade) -> impl IntoResponse {
        let mut said = said.subscribe();
        let upgrade = upgrade.protocols(["graphql-transport-ws"]).read_buffer_size(4 * 1024).write_buffer_size(0);
        upgrade.on_upgrade(async move |mut socket| {
            while let Ok(text) = said.recv().await
                && socket.send(Message::Text(text)).await.is_ok()
            {}
        })
    }
    let routes = Router::new().route("/say", post(say)).route("/graphql/ws", get(listen_to));
    let router = routes.route("/readyz", get(|| async { "ready\n" })).with_state(broadcast::Sender::new(1_024));
    let listener = tokio::net::TcpListener::bind(listen).await?.tap_io(|stream| {
        // A message that waits for another is late.
        let _ = stream.set_nodelay(true);
    });
    Ok(axum::serve(listener, router).await?)
}

#[derive(Deserialize)]
struct Facility {
    #[serde(rename = "_id")]
    id: Uuid,
    code: String,
    name: String,
    operator: Uuid,
}

#[derive(Deserialize)]
struct Municipality {
    #[serde(rename = "_id")]
    istat_code: String,
    name: String,
}

#[derive(Deserialize)]
struct Organisation {
    #[serde(rename = "_id")]
    id: Uuid,
    name: String,
    kind: String,
}

#[derive(Deserialize)]
struct Pool {
    #[serde(rename = "_id")]
    key: PoolKey,
    ledgered: Counts,
}

#[derive(Deserialize)]
struct PoolKey {
    facility: Uuid,
    category: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Accreditation {
    #[serde(rename = "_id")]
    id: Uuid,
    facility: Uuid,
    status: String,
    valid_from: Option<String>,
    valid_until: Option<String>,
}

async fn find<T: DeserializeOwned + Send + Sync>(
    database: &Database,
    collection: &str,
    filter: mongodb::bson::Document,
) -> Vec<T> {
    let collection = database.collection::<T>(collection);
    let found = collection.find(filter).sort(doc! { "_id": 1 }).batch_size(1_000).await.expect("the database answers");
    found.try_collect().await.expect("documents are as they are")
}

/// Answers the query of fifty facilities as one writes it by hand: find, then find what belongs to it, then shape.
async fn facilities(State(database): State<Database>, _asked: Bytes) -> Json<Value> {
    const TOWN: &str = "101010";
    let collection = database.collection::<Facility>("facilities");
    let found = collection.find(doc! { "municipality": TOWN }).sort(doc! { "code": 1 }).limit(50);
    let found = found.await.expect("the database answers");
    let found: Vec<Facility> = found.try_collect().await.expect("documents are as they are");
    let ids: Vec<Uuid> = found.iter().map(|facility| facility.id).collect();
    let operators: Vec<Uuid> = found.iter().map(|facility| facility.operator).collect();
    let (towns, organisations, pools, accreditations) = tokio::join!(
        find::<Municipality>(&database, "municipalities", doc! { "_id": TOWN }),
        find::<Organisation>(&database, "organisations", doc! { "_id": { "$in": operators } }),
        find::<Pool>(&database, "pools", doc! { "_id.facility": { "$in": ids.clone() } }),
        find::<Accreditation>(&database, "accreditations", doc! { "facility": { "$in": ids } }),
    );
    let town = towns.first().map(|town| json!({ "istatCode": town.istat_code, "name": town.name }));
    let organisations: HashMap<Uuid, Value> =
        organisations.into_iter().map(|body| (body.id, organisation(&body))).collect();
    let mut capacity: HashMap<Uuid, Vec<Value>> = HashMap::new();
    for pool in pools {
        capacity.entry(pool.key.facility).or_default().push(numbers(&pool));
    }
    let today = system_clock().now().day().to_string();
    let in_force = accreditations.into_iter().filter(|found| {
        let begun = found.valid_from.as_ref().is_some_and(|from| *from <= today);
        found.status == "ACCREDITED" && begun && found.valid_until.as_ref().is_none_or(|until| *until >= today)
    });
    let in_force: HashMap<Uuid, Value> = in_force.map(|found| (found.facility, accreditation(&found))).collect();
    let node = |facility: &Facility| {
        json!({
            "id": FacilityId(own(facility.id)).encode(), "code": facility.code, "name": facility.name,
            "municipality": town, "operator": organisations.get(&facility.operator),
            "capacity": capacity.get(&facility.id), "accreditation": in_force.get(&facility.id),
        })
    };
    Json(json!({ "data": { "facilities": { "nodes": found.iter().map(node).collect::<Vec<_>>() } } }))
}

fn own(id: Uuid) -> uuid::Uuid {
    uuid::Uuid::from_bytes(id.bytes())
}

fn organisation(body: &Organisation) -> Value {
    json!({ "id": OrganisationId(own(body.id)).encode(), "name": body.name, "kind": body.kind })
}

fn accreditation(found: &Accreditation) -> Value {
    let id = AccreditationId(own(found.id)).encode();
    json!({ "id": id, "status": found.status, "validUntil": found.valid_until })
}

fn numbers(pool: &Pool) -> Value {
    let of = CapacityNumbers::from(pool.ledgered);
    json!({
        "category": pool.key.category, "accredited": of.accredited, "installed": of.installed, "blocked": of.blocked,
        "allocable": of.allocable, "occupied": of.occupied, "reserved": of.reserved, "free": of.free,
        "overCapacity": of.over_capacity, "occupancyRate": of.occupancy_rate,
    })
}

/// Is the bare handler on MongoDB until the process is ended.
pub(crate) async fn be_documents(listen: SocketAddr, uri: &str, database: &str) -> Result<(), Failure> {
    let database = mongodb::Client::with_uri_str(uri).await?.database(database);
    let routes = Router::new().route("/graphql", post(facilities)).route("/readyz", get(|| async { "ready\n" }));
    Ok(axum::serve(tokio::net::TcpListener::bind(listen).await?, routes.with_state(database)).await?)
}
