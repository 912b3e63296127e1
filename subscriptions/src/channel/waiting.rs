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
pub(super) struct WakerSlot {
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
    pub(super) fn wait(&mut self, slot: &mut Option<WakerSlot>, waker: &Waker) -> Option<Waker> {
        match slot.and_then(|slot| self.waker(slot)) {
            Some(own) if own.will_wake(waker) => None,
            Some(own) => Some(std::mem::replace(own, waker.clone())),
            None => {
                *slot = Some(WakerSlot { key: self.wakers.insert(waker.clone()), round: self.round });
                None
            }
        }
    }

    /// Waits no more, and hands back the waker as [`Self::wait`] does.
    #[must_use]
    pub(super) fn leave(&mut self, slot: WakerSlot) -> Option<Waker> {
        self.waker(slot)?;
        Some(self.wakers.remove(slot.key))
    }

    fn waker(&mut self, slot: WakerSlot) -> Option<&mut Waker> {
        if slot.round == self.round { self.wakers.get_mut(slot.key) } else { None }
    }

    /// Lets everybody go who has waited until now, to be woken when no lock is held.
    #[must_use]
    pub(super) fn take_all(&mut self) -> Sleepers {
        self.round += 1;
        // Listeners usually wait again at once, so the new slab has room for as many.
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
        let mut slots = [None; 3];
        let mut waiting = Waiting::default();
        for (bell, slot) in bells.iter().zip(&mut slots) {
            assert!(waiting.wait(slot, Waker::noop()).is_none());
            assert!(waiting.wait(slot, &Arc::clone(bell).into()).is_some(), "the waker before");
            assert!(waiting.wait(slot, &Arc::clone(bell).into()).is_none_or(|before| !before.will_wake(Waker::noop())));
        }
        assert_eq!(waiting.len(), 3);
        assert!(waiting.leave(slots[1].unwrap()).is_some());
        waiting.take_all().wake();
        let rung = || bells.each_ref().map(|bell| bell.0.load(Ordering::Relaxed));
        assert_eq!(rung(), [1, 0, 1]);
        // Slots of an earlier round belong to nobody.
        assert!(waiting.wait(&mut slots[2], &Arc::clone(&bells[2]).into()).is_none());
        assert!(waiting.leave(slots[0].unwrap()).is_none());
        waiting.take_all().wake();
        assert_eq!(rung(), [1, 0, 2]);
    }

    #[test]
    fn who_comes_and_goes_leaves_nothing_behind() {
        let mut waiting = Waiting::default();
        for _ in 0..1_000 {
            let mut slot = None;
            assert!(waiting.wait(&mut slot, Waker::noop()).is_none());
            assert!(waiting.leave(slot.unwrap()).is_some());
        }
        assert!(waiting.wakers.is_empty() && waiting.wakers.capacity() < 8);
    }
}
