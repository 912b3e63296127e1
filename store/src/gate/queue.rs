//! The queue before the database: who may use a connection now, and who waits for whom.
//!
//! First comes the turn of the holder, then the part that all have together who ask without a token, then the permit.
//! Each is waited for by those who would use it alone, in the order in which they came.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicI64, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::turns::{Behalf, Holders, WorkKind};
use crate::StoreError;

/// What part of the permits all have together who ask without a token: an address is had for the asking, so turns by
/// address alone would not leave any to members.
const OF_STRANGERS: usize = 3;

/// The right to use a connection, and the turn of whoever it is for.
#[derive(Debug)]
pub(super) struct Pass {
    _permit: OwnedSemaphorePermit,
    _part: Option<OwnedSemaphorePermit>,
    _turn: Option<OwnedSemaphorePermit>,
}

#[derive(Debug)]
pub(super) struct Queue {
    permits: Arc<Semaphore>,
    all: usize,
    strangers: Arc<Semaphore>,
    holders: Mutex<Holders>,
    waiting: AtomicI64,
}

/// Counts one who waits.
struct Waits<'f>(&'f AtomicI64);

impl<'f> Waits<'f> {
    fn new(waiting: &'f AtomicI64) -> Self {
        waiting.fetch_add(1, Ordering::Relaxed);
        Self(waiting)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Queue {
    /// A queue for so many permits.
    pub(super) fn new(all: usize) -> Self {
        let strangers = (all / OF_STRANGERS).max(1);
        Self {
            permits: Arc::new(Semaphore::new(all)),
            all,
            strangers: Arc::new(Semaphore::new(strangers)),
            holders: Mutex::default(),
            waiting: AtomicI64::default(),
        }
    }

    /// How many have a pass.
    pub(super) fn in_use(&self) -> i64 {
        (self.all - self.permits.available_permits()) as i64
    }

    /// How many wait for theirs, be it for others or for themselves.
    pub(super) fn waiting(&self) -> i64 {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Waits for a pass, however long it takes.
    pub(super) async fn pass(&self, behalf: &Behalf, kind: WorkKind) -> Result<Pass, StoreError> {
        let turn = match behalf.holder() {
            Some(holder) => {
                let turns = self.holders.lock().unwrap_or_else(PoisonError::into_inner).turns(holder, kind);
                Some(self.take(turns).await?)
            }
            None => None,
        };
        let part = match behalf {
            Behalf::Address(_) => Some(self.take(Arc::clone(&self.strangers)).await?),
            Behalf::Hub | Behalf::Member(_) | Behalf::Watchers(_) => None,
        };
        let permit = self.take(Arc::clone(&self.permits)).await?;
        Ok(Pass { _permit: permit, _part: part, _turn: turn })
    }

    async fn take(&self, semaphore: Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StoreError> {
        if let Ok(permit) = Arc::clone(&semaphore).try_acquire_owned() {
            return Ok(permit);
        }
        let _waits = Waits::new(&self.waiting);
        // The semaphore is never closed, so it never fails.
        semaphore.acquire_owned().await.map_err(|_| StoreError::NoTurn)
    }
}

#[cfg(test)]
mod tests {
    use std::{net::Ipv6Addr, sync::Arc};

    use futures_util::FutureExt;
    use tavolo_schema::{Member, Role, id::OrganisationId};

    use super::*;

    fn at_once(queue: &Queue, behalf: &Behalf) -> Option<Pass> {
        queue.pass(behalf, WorkKind::Command).now_or_never().map(Result::unwrap)
    }

    fn member(subject: &str) -> Behalf {
        let organisation = OrganisationId::fresh("2026-11-23T08:00:00Z".parse().unwrap());
        Behalf::Member(Arc::new(Member { subject: subject.into(), role: Role::Operator, organisation }))
    }

    #[test]
    fn all_strangers_together_have_a_third() {
        for (all, third) in [(30, 10), (2, 1)] {
            let queue = Queue::new(all);
            let stranger = |network: usize| Behalf::Address(Ipv6Addr::from_bits((network as u128) << 64).into());
            let held: Vec<Pass> = (0..256).filter_map(|network| at_once(&queue, &stranger(network))).collect();
            assert_eq!(held.len(), third, "of {all}");
            assert!(at_once(&queue, &member("a")).is_some());
            drop(held);
            assert!(at_once(&queue, &stranger(0)).is_some());
            assert_eq!((queue.in_use(), queue.waiting()), (0, 0));
        }
    }

    #[test]
    fn whoever_waits_is_counted_from_before_its_turn() {
        let queue = Queue::new(30);
        let held: Vec<Pass> = std::iter::from_fn(|| at_once(&queue, &member("a"))).collect();
        let (one, watchers) = (member("a"), Behalf::Watchers(None));
        let mut waits = Box::pin(queue.pass(&one, WorkKind::Command));
        assert!(waits.as_mut().now_or_never().is_none());
        assert_eq!((queue.in_use(), queue.waiting()), (held.len() as i64, 1));
        assert!(at_once(&queue, &watchers).is_some(), "not others for it");
        drop(held);
        assert!(waits.now_or_never().is_some());
        assert_eq!((queue.in_use(), queue.waiting()), (0, 0));
    }
}
