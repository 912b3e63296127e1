//! What sockets and event streams have in common: who may hold one open, and how an operation is answered on it.

use std::net::IpAddr;

use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use metrics::{Counter, counter};
use tavolo_resolvers::{
    Answer, Kind, Viewer,
    guard::{ENTRANCE, reading},
};

use super::{
    Edge,
    http::{Refused, no_mutation},
    operation::Operation,
    seats::{Full, Holder, Seat, Transport},
};
use crate::auth::Admitted;

/// Whoever holds a stream open.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The member, if a token names one.
    pub(super) admitted: Option<Admitted>,
    pub(super) address: IpAddr,
    pub(super) viewer: Viewer,
}

/// Counts what a stream of answers brings. All streams count into one place, so each tells it from time to time.
pub(super) struct Deliveries {
    all: Counter,
    untold: u64,
}

impl Deliveries {
    pub(super) fn new(transport: Transport) -> Self {
        Self { all: counter!("tavolo_deliveries_total", "transport" => transport.name()), untold: 0 }
    }

    pub(super) fn count(&mut self) {
        self.untold += 1;
    }

    pub(super) fn tell(&mut self) {
        self.all.increment(std::mem::take(&mut self.untold));
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        self.tell();
    }
}

impl Edge {
    /// A seat for a stream.
    pub(super) fn seat(&self, caller: &Caller, transport: Transport) -> Result<Seat, Full> {
        let holder = match &caller.admitted {
            Some(admitted) => Holder::Member(admitted.member.subject.clone()),
            None => Holder::Address(caller.address),
        };
        self.seats.take(holder, transport, &self.settings)
    }

    /// Answers an operation on a stream: a subscription until it ends, a query once, a mutation never.
    pub(super) fn answers(
        &self,
        operation: Result<Operation, Refused>,
        caller: &Caller,
    ) -> Result<BoxStream<'static, Answer>, Refused> {
        let mut bill = self.budgets.bill(caller.admitted.as_ref(), caller.address);
        bill.charge(ENTRANCE)?;
        let request = self.resolve(operation?, caller.admitted.as_ref())?.request;
        bill.charge(reading(&request))?;
        let viewer = caller.viewer.clone();
        let prepared = match self.graph.prepare(request, &viewer) {
            Ok(prepared) => prepared,
            Err(response) => return Ok(stream::iter([Answer::of(&response)]).boxed()),
        };
        no_mutation(prepared.kind)?;
        bill.charge(prepared.cost)?;
        if prepared.kind == Kind::Subscription {
            return Ok(self.graph.watch(prepared, viewer).boxed());
        }
        let (edge, mark) = (self.clone(), viewer.correlation.clone());
        let answer = async move {
            match edge.perform(prepared, viewer).await {
                Ok(response) => Answer::of(&response),
                Err(refused) => Answer::Refused(refused.errors(mark.as_deref())),
            }
        };
        Ok(answer.into_stream().boxed())
    }
}
