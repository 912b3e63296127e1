//! The year behind the demonstration: facilities that open, and people who arrive and leave one after the other.
//!
//! Everything is done by the ordinary acts, at its own time: each facility is lived through with a clock of its own,
//! which moves from one event to the next. So the ledger is what it would be had the hub been there all along.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use serde_json::{Value, json};
use tavolo_schema::{Clock, DateTime};

use super::{
    acts::{DISCHARGE, REASONS, admit},
    client::DemoClient,
    plan::{Plan, Visit},
};
use crate::{command::Failure, invent::Inventor};

/// Milliseconds of a day.
const DAY: i64 = 86_400_000;

/// Days since the first facilities opened.
const YEAR: usize = 395;

/// When a facility opened: most at the beginning, some in the course of the year.
pub(super) fn opening(number: usize, now: DateTime) -> DateTime {
    let late = if number % 4 == 2 { 60 + 20 * (number % 9) } else { 0 };
    now.plus_millis(-DAY * i64::try_from(YEAR - late).unwrap_or(0))
}

/// Invents who has each bed of a facility, one after the other, from its opening until now.
pub(super) fn visits(
    beds: i32,
    opening: DateTime,
    now: DateTime,
    inventor: &mut Inventor,
    person: impl Fn(&mut Inventor, DateTime) -> Result<Value, Failure>,
) -> Result<Vec<Visit>, Failure> {
    let mut visits = Vec::new();
    for _ in 0..beds {
        let mut free = opening.plus_millis(days(inventor, 1, 50));
        while free < now.plus_millis(-8 * DAY) {
            let arrives = free;
            let left = arrives.plus_millis(days(inventor, 120, 420));
            let reason = REASONS[inventor.below(REASONS.len())];
            let leaves = (left < now.plus_millis(-DAY)).then_some((left, reason));
            let registered = if inventor.chance(8) { arrives.plus_millis(6 * DAY) } else { arrives };
            visits.push(Visit { arrives, registered, leaves, person: person(inventor, arrives)? });
            let Some((left, _)) = leaves else { break };
            free = left.plus_millis(days(inventor, 2, 20));
        }
    }
    Ok(visits)
}

fn days(inventor: &mut Inventor, least: usize, more: usize) -> i64 {
    let hours = 24 * (least + inventor.below(more)) + inventor.below(9);
    i64::try_from(hours).unwrap_or(0) * (DAY / 24)
}

/// A clock that stands where it is put.
#[derive(Clone)]
pub(super) struct SettableClock(Arc<AtomicI64>);

impl SettableClock {
    pub(super) fn at(instant: DateTime) -> Self {
        Self(Arc::new(AtomicI64::new(instant.millis())))
    }

    pub(super) fn put(&self, instant: DateTime) {
        self.0.store(instant.millis(), Ordering::Relaxed);
    }

    pub(super) fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::new(move || DateTime::from_millis(millis.load(Ordering::Relaxed)).unwrap_or(DateTime::EPOCH))
    }
}

/// What happens to a visit, in the order of time.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Leaves,
    Arrives,
}

/// Lives through the visits of a facility.
pub(super) async fn live(
    client: &DemoClient,
    hand: &SettableClock,
    facility: &Value,
    plan: &Plan,
) -> Result<(), Failure> {
    let mut turns: Vec<(DateTime, Turn, usize)> = Vec::new();
    for (number, visit) in plan.visits.iter().enumerate() {
        turns.push((visit.registered, Turn::Arrives, number));
        turns.extend(visit.leaves.map(|(left, _)| (left, Turn::Leaves, number)));
    }
    turns.sort_unstable();
    let mut stays = vec![Value::Null; plan.visits.len()];
    for (at, turn, number) in turns {
        hand.put(at);
        let visit = &plan.visits[number];
        match turn {
            Turn::Arrives => stays[number] = admit(client, plan.of(), facility, &visit.person, visit.arrives).await?,
            Turn::Leaves => {
                let reason = visit.leaves.map(|(_, reason)| reason);
                let discharge = json!({ "input": { "stay": stays[number], "reason": reason } });
                client.run(plan.input.operator, DISCHARGE, discharge).await?;
            }
        }
    }
    Ok(())
}
