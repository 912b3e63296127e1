//! Those who wait for news of a channel: thousands, so each costs one entry of a list.

use std::task::Waker;

use slab::Slab;

/// The wakers of those who wait.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    wakers: Slab<Waker>,
    /// How often everybody has been woken.
    round: u64,
}

/// Where the waker of one who waits is, until everybody is woken.
#[derive(Clone, Copy, Debug)]
pub(super) struct FacilityState {
    key: usize,
    round: u64,
}

impl Waiting {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.wakers.len()
    }

    /// Waits, or goes on waiting. What is handed back is to be dropped when no lock is held: it may be the last that
    /// holds a task.
    #[must_use]
    pub(super) fn wait(&mut self, place: &mut Option<FacilityState>, waker: &Waker) -> Option<Waker> {
        match place.and_then(|place| self.waker(place)) {
            Some(own) if own.will_wake(waker) => None,
            Some(own) => Some(std::mem::replace(own, waker.clone())),
            None => {
                *place = Some(FacilityState { key: self.wakers.insert(waker.clone()), round: self.round });
                None
            }
        }
    }

    /// Waits no more, and hands back the waker as [`Self::wait`] does.
    #[must_use]
    pub(super) fn leave(&mut self, place: FacilityState) -> Option<Waker> {
        self.waker(place)?;
        Some(self.wakers.remove(place.key))
    }

    fn waker(&mut self, place: FacilityState) -> Option<&mut Waker> {
        if place.round == self.round { self.wakers.get_mut(place.key) } else { None }
    }

    /// Lets everybody go who has waited until now, to be woken when no lock is held.
    #[must_use]
    pub(super) fn take_all(&mut self) -> Sleepers {
        self.round += 1;
        // As many will wait again.
        let next = Slab::with_capacity(self.wakers.len());
        Sleepers(std::mem::replace(&mut self.wakers, next))
    }
}

/// Those who are to be woken.
pub(super) struct Sleepers(Slab<Waker>);

impl Sleepers {
    pub(super) fn wake(self) {
        self.0.into_iter().for_each(|(_, waker)| waker.wake());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc,
            atomic::{AtomicUsize, Ordering},
        },
        task::Wake,
    };

    use super::*;

    #[derive(Default)]
    struct Bell(AtomicUsize);

    impl Wake for Bell {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn everybody_who_waits_is_woken_once_and_nobody_else() {
        let bells: [Arc<Bell>; 3] = Default::default();
        let mut places = [None; 3];
        let mut waiting = Waiting::default();
        for (bell, place) in bells.iter().zip(&mut places) {
            assert!(waiting.wait(place, Waker::noop()).is_none());
            assert!(waiting.wait(place, &Arc::clone(bell).into()).is_some(), "the waker before");
            assert!(
                waiting.wait(place, &Arc::clone(bell).into()).is_none_or(|before| !before.will_wake(Waker::noop()))
            );
        }
        assert_eq!(waiting.len(), 3);
        assert!(waiting.leave(places[1].unwrap()).is_some());
        waiting.take_all().wake();
        let rung = || bells.each_ref().map(|bell| bell.0.load(Ordering::Relaxed));
        assert_eq!(rung(), [1, 0, 1]);
        // The places are not theirs any more.
        assert!(waiting.wait(&mut places[2], &Arc::clone(&bells[2]).into()).is_none());
        assert!(waiting.leave(places[0].unwrap()).is_none());
        waiting.take_all().wake();
        assert_eq!(rung(), [1, 0, 2]);
    }

    #[test]
    fn who_comes_and_goes_leaves_nothing_behind() {
        let mut waiting = Waiting::default();
        for _ in 0..1_000 {
            let mut place = None;
            assert!(waiting.wait(&mut place, Waker::noop()).is_none());
            assert!(waiting.leave(place.unwrap()).is_some());
        }
        assert!(waiting.wakers.is_empty() && waiting.wakers.capacity() < 8);
    }
}
