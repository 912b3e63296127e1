//! What sockets and event streams have in common: who may hold one open, how an operation is answered on it,
//! and that it is paid for as long as it runs.

use std::net::IpAddr;

use futures_util::{
    FutureExt, StreamExt,
    stream::{self, BoxStream},
};
use metrics::{Counter, counter};
use tavolo_resolvers::{
    Answer, OperationKind, Viewer,
    guard::{ENTRANCE, reading},
};
use tokio::time::Instant;

use super::{
    budget::payer,
    http::no_mutation,
    operation::Operation,
    permits::{Full, Holder},
    refused::Refused,
    state::Edge,
    stream_permits::{OperationPermit, StreamPermit, Transport},
};
use crate::auth::Authenticated;

/// Whoever holds a stream open.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    /// The member, if a token names one.
    pub(super) authenticated: Option<Authenticated>,
    pub(super) address: IpAddr,
    pub(super) viewer: Viewer,
}

impl Caller {
    /// For whom its streams are held open.
    pub(super) fn holder(&self) -> Holder {
        match &self.authenticated {
            Some(authenticated) => Holder::Member(authenticated.member.subject.clone()),
            None => Holder::Address(payer(self.address)),
        }
    }
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

/// An operation that runs.
pub(super) struct Answers {
    pub(super) stream: BoxStream<'static, Answer>,
    /// What it costs to go on watching.
    dues: Option<Dues>,
    _permit: Option<OperationPermit>,
}

/// What has to be paid from time to time.
struct Dues {
    amount: u64,
    next: Instant,
}

/// Why an operation is not answered on a stream.
pub(super) enum Unanswered {
    Refused(Refused),
    /// Its holder has as many as one may have.
    Crowded,
}

impl From<Refused> for Unanswered {
    fn from(refused: Refused) -> Self {
        Self::Refused(refused)
    }
}

impl From<Unanswered> for Refused {
    fn from(unanswered: Unanswered) -> Self {
        match unanswered {
            Unanswered::Refused(refused) => refused,
            Unanswered::Crowded => Self::too_many("you have as many operations as one may have"),
        }
    }
}

impl From<Full> for Refused {
    fn from(full: Full) -> Self {
        match full {
            Full::Hub => Self::unavailable("this hub has as many streams as it can hold"),
            Full::Holder => Self::too_many("you have as many streams as one may have"),
        }
    }
}

impl Answers {
    /// Says why they end, and nothing after it.
    fn end(&mut self, refused: &Refused, correlation: Option<&str>) {
        self.stream = stream::iter([Answer::Refused(refused.errors(correlation))]).boxed();
        self.dues = None;
    }
}

impl Edge {
    /// A permit for a stream of somebody who has yet to say who it is.
    pub(super) fn unnamed_permit(&self, address: IpAddr, transport: Transport) -> Result<StreamPermit, Full> {
        self.permits.take(Holder::Unnamed(payer(address)), transport, &self.settings)
    }

    /// A permit for a stream.
    pub(super) fn permit(&self, caller: &Caller, transport: Transport) -> Result<StreamPermit, Full> {
        self.permits.take(caller.holder(), transport, &self.settings)
    }

    /// Answers an operation on a stream: a subscription until it ends, a query once, a mutation never.
    pub(super) fn answers(
        &self,
        operation: Result<Operation, Refused>,
        caller: &Caller,
        permit: &StreamPermit,
    ) -> Result<Answers, Unanswered> {
        let mut bill = self.budgets.bill(caller.authenticated.as_ref(), caller.address);
        bill.charge(ENTRANCE).map_err(Refused::from)?;
        let request = self.resolve(operation?, caller.authenticated.as_ref())?.request;
        bill.charge(reading(&request)).map_err(Refused::from)?;
        let viewer = caller.viewer.clone();
        let prepared = match self.graph.prepare(request, &viewer) {
            Ok(prepared) => prepared,
            Err(response) => {
                let stream = stream::iter([Answer::of(&response)]).boxed();
                return Ok(Answers { stream, dues: None, _permit: None });
            }
        };
        no_mutation(prepared.kind)?;
        let operation = Some(permit.operation(prepared.bytes(), &self.settings).ok_or(Unanswered::Crowded)?);
        let amount = prepared.price();
        bill.charge(amount).map_err(Refused::from)?;
        if prepared.kind == OperationKind::Subscription {
            let dues = Some(Dues { amount, next: Instant::now() + self.settings.due_every });
            return Ok(Answers { stream: self.live.watch(prepared, viewer).boxed(), dues, _permit: operation });
        }
        let (edge, mark) = (self.clone(), viewer.correlation.clone());
        let answer = async move {
            match edge.execute(prepared, viewer).await {
                Ok(response) => Answer::of(&response),
                Err(refused) => Answer::Refused(refused.errors(mark.as_deref())),
            }
        };
        Ok(Answers { stream: answer.into_stream().boxed(), dues: None, _permit: operation })
    }

    /// Ends an operation that can no longer be paid for.
    pub(super) fn collect(&self, answers: &mut Answers, caller: &Caller) {
        let now = Instant::now();
        let Some(dues) = answers.dues.as_mut().filter(|dues| dues.next <= now) else { return };
        dues.next += self.settings.due_every;
        let mut bill = self.budgets.bill(caller.authenticated.as_ref(), caller.address);
        if let Err(exhausted) = bill.charge(dues.amount) {
            answers.end(&exhausted.into(), caller.viewer.correlation.as_deref());
        }
    }
}
