//! `tavolo demo`: the first five minutes.
//!
//! The eleven published projects of the province, 250 places, spread over invented facilities of
//! invented operators; a year of invented guests; and a gentle stream of arrivals and departures. Everything
//! after the organisations goes through the same mutations as everybody's.

mod activity;
mod acts;
mod client;
mod past;
mod plan;
mod province;

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use serde_json::{Map, Value, json};
use tavolo_schema::contract_name;
use tavolo_store::{LookupLimits, Settings, Store};
use tavolo_subscriptions::{Follower, follower};

use crate::{
    auth::{Authority, Demands, KeySource},
    command::{Failure, print},
    edge::{self, Host},
    invent::Inventor,
    key_file::KeyArgs,
    local_mongod::LocalMongod,
    serve::{Running, Setup, open_store, signalled},
    system_clock,
    tokens::{Signer, write_private},
    world::World,
};
use client::DemoClient;

/// How to show it.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Folder that keeps the database, the keys and `tokens.json`.
    #[arg(long, env = "TAVOLO_DATA", default_value = "tavolo-demo")]
    data: PathBuf,
    /// Where to listen.
    #[arg(long, env = "TAVOLO_LISTEN", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Nobody arrives or leaves by itself.
    #[arg(long, env = "TAVOLO_NO_ACTIVITY")]
    no_activity: bool,
    /// Origins of pages elsewhere that may open a socket.
    #[arg(long, env = "TAVOLO_ORIGINS", value_delimiter = ',')]
    origins: Vec<String>,
    /// Names that the hub is asked by (`Host`, without port), beside those of this machine.
    #[arg(long, env = "TAVOLO_HOSTS", value_delimiter = ',', value_name = "NAMES")]
    hosts: Vec<Host>,
    /// Address of a MongoDB replica set to use instead of one of its own.
    #[arg(long, env = "TAVOLO_MONGODB_URI", hide_env_values = true)]
    mongodb_uri: Option<String>,
    /// Name of the database.
    #[arg(long, env = "TAVOLO_DATABASE", default_value = "tavolo_demo")]
    database: String,
    #[command(flatten)]
    key: KeyArgs,
}

/// The invented operators register and admit people all day long.
const UNTIRING: LookupLimits = LookupLimits { member: 1_000_000, body: 1_000_000 };

/// Seconds a ready token is good for: a week.
const TOKEN_SECONDS: i64 = 7 * 24 * 3_600;

pub(crate) async fn run(args: DemoArgs) -> Result<(), Failure> {
    std::fs::create_dir_all(&args.data).map_err(|error| format!("cannot use {}: {error}", args.data.display()))?;
    let mongod = match &args.mongodb_uri {
        Some(_) => None,
        None => Some(LocalMongod::start(&args.data.join("mongo"), None).await?),
    };
    let uri = mongod.as_ref().map(LocalMongod::uri).or(args.mongodb_uri.as_deref()).unwrap_or_default();
    let shown = show(&args, uri).await;
    if let Some(mongod) = mongod {
        mongod.stop().await;
    }
    shown
}

async fn show(args: &DemoArgs, uri: &str) -> Result<(), Failure> {
    let clock = system_clock();
    let settings = Settings { lookups: UNTIRING, ..Settings::new(uri, &args.database) };
    let store = args.key.unlock(own_database(&settings).await?).await?;
    let signer = Signer::open_or_create(&args.data.join("demo-key.pem"))?;
    let keys = args.data.join("demo-keys.json");
    std::fs::write(&keys, signer.jwks()?)?;
    let authority = Authority::open(KeySource::File(keys), Demands::default(), clock.clone()).await?;
    let mut inventor = Inventor::new(2014);
    let world = World::prepare(&store, &mut inventor, 5, clock.now()).await?;
    fill_once(&store, &world, &mut inventor).await?;
    let tokens = tokens(&world, &signer, clock.now())?;
    write_private(&args.data.join("tokens.json"), &serde_json::to_string_pretty(&tokens)?)?;
    let hosts = Host::of_this_machine(args.listen).into_iter().chain(args.hosts.clone()).collect();
    let setup = Setup {
        listen: args.listen,
        authority: Some(Arc::new(authority)),
        origins: args.origins.clone(),
        demo_tokens: Some(Value::Object(tokens.clone()).to_string()),
        settings: edge::Settings { hosts, ..edge::Settings::default() },
        following: follower::Settings::default(),
        clock,
    };
    let running = Running::start(store, setup).await?;
    print(&welcome(&running, args, &tokens))?;
    let activity = async {
        if args.no_activity {
            std::future::pending::<()>().await;
        }
        activity::run(&DemoClient::new(running.graph().clone(), &world), inventor).await;
    };
    tokio::select! {
        () = signalled() => {}
        () = activity => {}
    }
    running.stop().await;
    Ok(())
}

/// The mark of a database that the demonstration made.
const MADE: &str = "demo";
/// The mark of a database that the demonstration has filled to the last.
const FILLED: &str = "demo filled";

/// Opens a database that the demonstration made or may make. Invented members and movements must never
/// get among real people. One whose filling was interrupted is made anew.
async fn own_database(settings: &Settings) -> Result<Store, Failure> {
    let store = open_store(settings).await?;
    let made = store.has_flag(MADE).await?;
    if !made && !store.is_empty().await? {
        let name = &settings.database;
        return Err(format!("database {name} was not made by the demonstration: name another with --database").into());
    }
    if made && !store.has_flag(FILLED).await? {
        store.drop_database().await?;
        return fresh(open_store(settings).await?).await;
    }
    if made { Ok(store) } else { fresh(store).await }
}

async fn fresh(store: Store) -> Result<Store, Failure> {
    store.set_flag(MADE).await?;
    Ok(store)
}

/// Brings the projects to the table, on the first start.
async fn fill_once(store: &Store, world: &World, inventor: &mut Inventor) -> Result<(), Failure> {
    if store.has_flag(FILLED).await? {
        return Ok(());
    }
    let stop = tokio_util::sync::CancellationToken::new();
    let (live_board, follower) = Follower::open(store.clone()).await?;
    let following = tokio::spawn(follower.run(stop.clone()));
    let hub = tavolo_resolvers::Hub { store: store.clone(), live_board, clock: system_clock() };
    let filled = province::fill(&DemoClient::new(tavolo_resolvers::Graph::new(hub), world), world, inventor).await;
    stop.cancel();
    following.await?;
    filled?;
    Ok(store.set_flag(FILLED).await?)
}

fn tokens(world: &World, signer: &Signer, now: tavolo_schema::DateTime) -> Result<Map<String, Value>, Failure> {
    let mut tokens = Map::new();
    for member in &world.members {
        let role = contract_name(member.role).to_lowercase();
        if !tokens.contains_key(&role) {
            tokens.insert(role, Value::from(signer.sign(&member.subject, now, TOKEN_SECONDS)?));
        }
    }
    Ok(tokens)
}

fn welcome(running: &Running, args: &DemoArgs, tokens: &Map<String, Value>) -> String {
    let address = running.address();
    let token = tokens.get("province").and_then(Value::as_str).unwrap_or_default();
    let query = json!({ "query": "{ occupancy(groupBy: MUNICIPALITY) { municipality { name } capacity { allocable occupied free } } }" });
    let roles: Vec<&str> = tokens.keys().map(String::as_str).collect();
    format!(
        "
Tavolo shows the Province of Crotone, with invented operators and people.

  start page   http://{address}/
  GraphiQL     http://{address}/graphiql/
  contract     http://{address}/graphql/schema.graphql
  GraphQL      http://{address}/graphql   (WebSocket: ws://{address}/graphql/ws)

Free places by municipality, for anybody:

  curl -s http://{address}/graphql -H 'content-type: application/json' \\
    -d '{query}'

Tokens for {roles}: {file}
The Province's:

  {token}

Stop with Ctrl-C. The data stays in {data}.

",
        roles = roles.join(", "),
        file = args.data.join("tokens.json").display(),
        data = args.data.display(),
    )
}
