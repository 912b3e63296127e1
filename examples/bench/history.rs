//! A year of history for the province, and the export of a long ledger.

use std::time::Instant;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use serde_json::json;
use tavolo::{command::Failure, system_clock};

use crate::{
    Bench,
    client::Client,
    process::{Server, peak_megabytes},
    table::{Row, Samples, Table},
};

const QUERY: &str = "query($from: DateTime!) { occupancyHistory(from: $from) {
    at capacity { accredited installed blocked allocable occupied reserved free overCapacity occupancyRate } } }";

/// Facilities and guests: a province, and ten of them. Each guest is one entry of the ledger, one in ten is two.
const PROVINCES: [(usize, usize); 2] = [(20, 2_700), (250, 36_000)];

/// Facilities and guests behind a ledger of a hundred thousand entries.
const LONG: (usize, usize) = (250, 91_000);

/// Requests of each measurement.
const REQUESTS: usize = 50;

pub(crate) async fn measure(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    for (facilities, guests) in PROVINCES {
        over_a_year(bench, facilities, guests, table).await?;
    }
    export(bench, table).await
}

async fn over_a_year(bench: &Bench, facilities: usize, guests: usize, table: &mut Table) -> Result<(), Failure> {
    let database = format!("bench_history_{facilities}");
    bench.seed(&database, facilities, guests).await?;
    let ledger = mongodb::Client::with_uri_str(bench.mongod.uri()).await?.database(&database).collection("ledger");
    let entries = ledger.count_documents(doc! {}).await?;
    let hub = Server::hub(bench, &database).await?;
    let client = Client::new(&hub, &bench.token()?);
    let from = system_clock().now().plus_millis(-365 * 86_400_000).to_string();
    let first = history(&client, &from).await?;
    let (mut known, mut reference) = (Vec::new(), Vec::new());
    for _ in 0..REQUESTS {
        known.push(history(&client, &from).await?);
        reference.push(aggregate(&ledger).await?);
    }
    let reference: Samples = reference.into_iter().collect();
    let of = "the sums by pool and day, added up by mongod";
    let what = format!("a year of history by day, {facilities} facilities with {entries} entries");
    table.add(Row::new(what, "ms", known.into_iter().collect()).goal(50.0).reference(of, &reference));
    let what = "– the first after the start, which reads the ledger";
    table.add(Row::new(what, "ms", [first].into_iter().collect()).reference(of, &reference));
    Ok(())
}

/// Milliseconds until the whole answer has come.
async fn history(client: &Client, from: &str) -> Result<f64, Failure> {
    let began = Instant::now();
    let data = client.data(QUERY, json!({ "from": from })).await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    let points = data["occupancyHistory"].as_array().map_or(0, Vec::len);
    let occupied = data["occupancyHistory"][points - 1]["capacity"]["occupied"].as_i64();
    if points != 366 || occupied == Some(0) {
        return Err(format!("this is no year of history: {points} points, {occupied:?} occupied").into());
    }
    Ok(took)
}

/// Milliseconds for what the database can add up by itself: the numbers of a pool do not follow from these sums alone.
async fn aggregate(ledger: &mongodb::Collection<Document>) -> Result<f64, Failure> {
    let day = doc! { "$dateTrunc": { "date": "$occurredAt", "unit": "day", "timezone": "Europe/Rome" } };
    let sum = |field: &str| doc! { "$sum": format!("$deltas.{field}") };
    let group = doc! {
        "_id": { "facility": "$facility", "category": "$category", "day": day }, "accredited": sum("accredited"),
        "installed": sum("installed"), "blocked": sum("blocked"), "occupied": sum("occupied"), "reserved": sum("reserved"),
    };
    let began = Instant::now();
    let rows: Vec<Document> = ledger.aggregate([doc! { "$group": group }]).await?.try_collect().await?;
    let took = began.elapsed().as_secs_f64() * 1e3;
    if rows.is_empty() { Err("the ledger is empty".into()) } else { Ok(took) }
}

/// What the memory of a hub grows to while it sends a long table, beside a short one.
async fn export(bench: &Bench, table: &mut Table) -> Result<(), Failure> {
    const DATABASE: &str = "bench_export";
    bench.seed(DATABASE, LONG.0, LONG.1).await?;
    let mut peaks = Vec::new();
    // Arrivals are spread over 290 days until ten days ago.
    let short = system_clock().now().plus_millis(-39 * 86_400_000).day().to_string();
    for from in [short.as_str(), "2020-01-01"] {
        for format in ["csv", "xlsx"] {
            let hub = Server::hub(bench, DATABASE).await?;
            let client = Client::new(&hub, &bench.token()?);
            hub.rests().await?;
            let before = peak_megabytes(hub.pid)?;
            let (bytes, seconds) = client.download(&format!("/export/ledger.{format}?from={from}")).await?;
            peaks.push((format, from, bytes, seconds, before, peak_megabytes(hub.pid)?));
        }
    }
    let alone = |value: f64| [value].into_iter().collect::<Samples>();
    for (at, (format, _, bytes, seconds, before, peak)) in peaks.iter().enumerate() {
        let rows = if at < 2 { "a tenth of the ledger" } else { "a ledger of 100,000 entries" };
        let what = format!("hub memory at most, {rows} exported as {format} ({bytes} bytes in {seconds:.1} s)");
        table.add(Row::new(what, "MB", alone(*peak)).reference("before", &alone(*before)));
    }
    Ok(())
}
