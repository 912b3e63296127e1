//! The start: how long until a hub is ready, and how long it takes to fill its database.

use tavolo::command::Failure;

use crate::{
    Args, Bench,
    process::{Server, cpu_micros},
    table::{Row, Samples, Table},
};

/// Measures both; `seconds` is how long the smaller database took to be filled.
pub(crate) async fn measure(args: &Args, bench: &Bench, seconds: f64, table: &mut Table) -> Result<(), Failure> {
    const FULL: &str = "bench_start";
    const EMPTY: &str = "bench_empty";
    let (facilities, guests) = (args.start_facilities, args.start_guests);
    let each = |seconds: f64, guests: usize| [seconds * 1e6 / guests.max(1) as f64].into_iter().collect::<Samples>();
    let took = bench.seed(FULL, facilities, guests).await?;
    tavolo::serve::open_store(&bench.settings(EMPTY)).await?;

    let what = format!("seeding {guests} guests and {facilities} facilities");
    table.add(Row::new(what, "s", [took].into_iter().collect()));
    let smaller = each(seconds, args.guests);
    table.add(Row::new("– for each guest", "µs", each(took, guests)).reference("the smaller database", &smaller));

    let (mut full, mut cpu, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..args.rounds {
        let hub = Server::hub(bench, FULL).await?;
        full.push(hub.ready_after.as_secs_f64());
        cpu.push(cpu_micros(hub.pid)? / 1e6);
        drop(hub);
        empty.push(Server::hub(bench, EMPTY).await?.ready_after.as_secs_f64());
    }
    let empty: Samples = empty.into_iter().collect();
    let full: Samples = full.into_iter().collect();
    let what = format!("ready after the start on {facilities} facilities");
    table.add(Row::new(what, "s", full.clone()).goal(2.0).reference("on none", &empty));
    table.add(Row::new("– hub CPU until then", "s", cpu.into_iter().collect()).reference("ready after", &full));
    Ok(())
}
