//! A gentle stream of arrivals and departures.

use std::{sync::Arc, time::Duration};

use async_graphql::InputType;
use serde_json::{Value, json};
use tavolo_schema::contract_name;
use tavolo_subscriptions::FacilityState;

use super::{
    acts::{DISCHARGE, REASONS, arrive},
    client::DemoClient,
};
use crate::{command::Failure, invent::Inventor};

const PRESENT: &str =
    "query($id: ID!) { facility(by: { id: $id }) { stays(first: 100, status: OPEN) { nodes { id } } } }";
/// Milliseconds between two movements, at least; up to twice as many.
const PAUSE: usize = 1_500;

pub(super) async fn run(client: &DemoClient, mut inventor: Inventor) {
    loop {
        let pause = PAUSE + inventor.below(PAUSE);
        tokio::time::sleep(Duration::from_millis(pause as u64)).await;
        if let Err(error) = step(client, &mut inventor).await {
            tracing::warn!(%error, "a movement of the demonstration failed");
        }
    }
}

/// Somebody arrives where there is room, or leaves.
async fn step(client: &DemoClient, inventor: &mut Inventor) -> Result<(), Failure> {
    let board = client.graph.hub().live_board.board();
    let states: Vec<&Arc<FacilityState>> = board.facilities(None).collect();
    let Some(state) = inventor.one_of(&states) else { return Ok(()) };
    let Some(pool) = inventor.one_of(&state.pools) else { return Ok(()) };
    let now = client.graph.hub().clock.now();
    let numbers = pool.numbers_on(now.day());
    let facility = Value::from(state.facility.id.encode());
    // About four in five places stay taken.
    let crowded = numbers.free == 0 || numbers.occupied * 5 > numbers.allocable * 4;
    let leaves = numbers.occupied > 0 && inventor.chance(if crowded { 65 } else { 30 });
    if leaves {
        let reason = REASONS[inventor.below(REASONS.len())];
        let data = client.run(state.facility.operator, PRESENT, json!({ "id": facility })).await?;
        let present = data["facility"]["stays"]["nodes"].as_array().cloned().unwrap_or_default();
        if let Some(stay) = inventor.one_of(&present) {
            let discharge = json!({ "input": { "stay": stay["id"], "reason": reason } });
            client.run(state.facility.operator, DISCHARGE, discharge).await?;
        }
    } else if numbers.free > 0 {
        let person = inventor.person(pool.category, now.day()).to_value().into_json()?;
        arrive(client, state.facility.operator, &facility, &contract_name(pool.category), &person).await?;
    }
    Ok(())
}
