//! The query of 50 facilities: what it costs over HTTP, and where.

use std::{hint::black_box, sync::Arc, time::Duration};

use async_graphql::{Request, parser::parse_query};
use serde_json::{Value, json};
use tavolo::{
    auth::{Authority, Demands, KeySource},
    command::Failure,
    edge,
    serve::{Running, Setup, open_store},
    system_clock,
};
use tavolo_resolvers::{Graph, Viewer};

use crate::{
    Args, Bench,
    client::Client,
    process::{Server, cpu_micros, own_cpu_micros},
    table::{Row, Samples, Table},
};

const QUERY: &str = r#"{
  facilities(filter: {municipality: "101010"}, first: 50) {
    nodes {
      id code name
      municipality { istatCode name }
      operator { id name kind }
      capacity { category accredited installed blocked allocable occupied reserved free overCapacity occupancyRate }
      accreditation { id status validUntil }
    }
  }
}"#;

/// Requests before the first that counts.
const WARM_UP: usize = 300;

/// So many requests to the bare handler for each one to the hub: it takes so little that clock ticks would show.
const REFERENCE: usize = 5;

pub(crate) async fn measure(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    over_http(args, bench, database, table).await?;
    with_the_database(args, bench, database, table).await?;
    in_process(args, bench, database, table).await
}

async fn over_http(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    let body = json!({ "query": QUERY }).to_string();
    let hub = Server::hub(bench, database).await?;
    let client = Client::new(&hub, &bench.token()?);
    let answer = client.post(&body, false).await?;
    let parsed: Value = serde_json::from_slice(&answer)?;
    let nodes = parsed["data"]["facilities"]["nodes"].as_array().map_or(0, Vec::len);
    let bare = Server::bytes(bench, &answer).await?;
    let compared = Client::new(&bare, "nobody");

    let (mut plain, mut packed, mut reference) = (Vec::new(), Vec::new(), Vec::new());
    for (server, client, gzip) in [(&hub, &client, true), (&hub, &client, false), (&bare, &compared, false)] {
        cpu_per_request(server, client, &body, gzip, WARM_UP).await?;
    }
    for _ in 0..args.rounds {
        plain.push(cpu_per_request(&hub, &client, &body, false, args.requests).await?);
        reference.push(cpu_per_request(&bare, &compared, &body, false, args.requests * REFERENCE).await?);
        packed.push(cpu_per_request(&hub, &client, &body, true, args.requests).await?);
    }
    let reference: Samples = reference.into_iter().collect();
    let of = "bare handler, same bytes";
    let what = format!("hub CPU per query of {nodes} facilities of {} ({} bytes)", args.facilities, answer.len());
    table.add(Row::new(what, "µs", plain.into_iter().collect()).goal(600.0).reference(of, &reference));
    let what = "the same, answer compressed";
    table.add(Row::new(what, "µs", packed.into_iter().collect()).reference(of, &reference));
    Ok(())
}

/// Beside a handler on MongoDB as one writes it by hand, the database's own time included for both.
async fn with_the_database(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    let body = json!({ "query": QUERY }).to_string();
    let (hub, bare) = (Server::hub(bench, database).await?, Server::documents(bench, database).await?);
    let (client, compared) = (Client::new(&hub, &bench.token()?), Client::new(&bare, "nobody"));
    let ours: Value = serde_json::from_slice(&client.post(&body, false).await?)?;
    let theirs: Value = serde_json::from_slice(&compared.post(&body, false).await?)?;
    if ours["data"] != theirs["data"] {
        return Err(format!("the bare handler answers something else: {ours} {theirs}").into());
    }
    let (mut with_hub, mut by_hand) = (Vec::new(), Vec::new());
    for round in 0..=args.rounds {
        for (server, client, taken) in [(&hub, &client, &mut with_hub), (&bare, &compared, &mut by_hand)] {
            let before = cpu_micros(bench.mongod.pid())?;
            let own = cpu_per_request(server, client, &body, false, args.requests).await?;
            let of_mongod = (cpu_micros(bench.mongod.pid())? - before) / args.requests as f64;
            // The first round warms up.
            if round > 0 {
                taken.push(own + of_mongod);
            }
        }
    }
    let by_hand: Samples = by_hand.into_iter().collect();
    let row = Row::new("the same with MongoDB's own time", "µs", with_hub.into_iter().collect());
    table.add(row.reference("a bare handler on MongoDB, same JSON", &by_hand).ratio(0.25));
    Ok(())
}

/// Microseconds of the server's processor time for each of so many requests, one after the other.
async fn cpu_per_request(
    server: &Server,
    client: &Client,
    body: &str,
    gzip: bool,
    requests: usize,
) -> Result<f64, Failure> {
    let before = cpu_micros(server.pid)?;
    for _ in 0..requests {
        black_box(client.post(body, gzip).await?);
    }
    Ok((cpu_micros(server.pid)? - before) / requests as f64)
}

/// A hub in this process, whose insides can be asked.
async fn in_process(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    let store = open_store(&bench.settings(database)).await?;
    let authority = Authority::open(KeySource::File(bench.keys()), Demands::default(), system_clock()).await?;
    let setup = Setup {
        listen: "127.0.0.1:0".parse()?,
        authority: Some(Arc::new(authority)),
        origins: Vec::new(),
        demo_tokens: None,
        settings: edge::Settings::default(),
        following: Default::default(),
        clock: system_clock(),
    };
    let running = Running::start(store, setup).await?;
    let commands = commands_per_request(args, bench, &running).await?;
    table.add(Row::new("database commands per query", "", [commands].into_iter().collect()).goal(0.0));
    stages(args, running.graph(), table).await?;
    running.stop().await;
    Ok(())
}

async fn commands_per_request(args: &Args, bench: &Bench, running: &Running) -> Result<f64, Failure> {
    let client = Client::at(&running.address().to_string(), &bench.token()?);
    let body = json!({ "query": QUERY }).to_string();
    let store = &running.graph().hub().store;
    // What a hub does by itself when it starts is done when its commands stop.
    let mut before = store.commands();
    loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let now = store.commands();
        if now == before {
            break;
        }
        before = now;
    }
    for _ in 0..args.requests {
        client.post(&body, false).await?;
    }
    Ok((store.commands() - before) as f64 / args.requests as f64)
}

/// The stages of one query without HTTP, in processor time of this thread.
async fn stages(args: &Args, graph: &Graph, table: &mut Table) -> Result<(), Failure> {
    let board = graph.hub().live_board.board();
    let viewer = Viewer { member: board.member("demo-province-1").cloned(), ..Viewer::default() };
    let execute = || graph.execute(Request::new(QUERY), viewer.clone());
    let answer = execute().await;
    let (mut parsing, mut whole, mut writing) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let mut cpu = vec![own_cpu_micros()?];
        for _ in 0..args.requests {
            black_box(parse_query(black_box(QUERY))?);
        }
        cpu.push(own_cpu_micros()?);
        for _ in 0..args.requests {
            black_box(execute().await);
        }
        cpu.push(own_cpu_micros()?);
        for _ in 0..args.requests {
            black_box(serde_json::to_vec(black_box(&answer))?);
        }
        cpu.push(own_cpu_micros()?);
        for (stage, pair) in [&mut parsing, &mut whole, &mut writing].into_iter().zip(cpu.windows(2)) {
            stage.push((pair[1] - pair[0]) / args.requests as f64);
        }
    }
    let whole: Samples = whole.into_iter().collect();
    let of = "`Graph::execute`";
    table.add(Row::new("`Graph::execute` of the query, without HTTP", "µs", whole.clone()));
    table.add(Row::new("– of it reading the document", "µs", parsing.into_iter().collect()).reference(of, &whole));
    table.add(Row::new("writing its answer as JSON", "µs", writing.into_iter().collect()).reference(of, &whole));
    Ok(())
}
