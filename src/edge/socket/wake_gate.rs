//! A part of a task that sleeps while other parts of it are woken again and again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

/// Polls something only when it has been woken.
#[derive(Debug, Default)]
pub(super) struct WakeGate(Option<Arc<WakeSignal>>);

#[derive(Debug)]
struct WakeSignal {
    task: Waker,
    fired: AtomicBool,
}

impl Wake for WakeSignal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.fire();
        self.task.wake_by_ref();
    }
}

impl WakeSignal {
    /// An exchange, not a store: whoever finds it fired sees what all who fired it have done before.
    fn fire(&self) {
        self.fired.swap(true, Ordering::AcqRel);
    }

    /// Tells whether it was fired; what comes from now on fires it again.
    fn take(&self) -> bool {
        self.fired.swap(false, Ordering::AcqRel)
    }
}

impl WakeGate {
    /// Calls `poll` only when its waker has fired since the last `Pending`. After `Ready` the caller has to poll again by
    /// itself, as with anything that has been ready.
    pub(super) fn poll<T>(&mut self, context: &Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        // The old signal wakes the task that was polled before: another task needs a signal of its own.
        if self.0.as_ref().is_none_or(|signal| !signal.task.will_wake(context.waker())) {
            let task = context.waker().clone();
            self.0 = Some(Arc::new(WakeSignal { task, fired: AtomicBool::new(true) }));
        }
        let Some(signal) = self.0.as_ref().filter(|signal| signal.take()) else { return Poll::Pending };
        let polled = poll(&mut Context::from_waker(&Arc::clone(signal).into()));
        if polled.is_ready() {
            // There may be more.
            signal.fire();
        }
        polled
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    #[derive(Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_was_not_woken_is_not_polled() {
        let task = Arc::<Task>::default();
        let waker = Waker::from(Arc::clone(&task));
        let context = Context::from_waker(&waker);
        let (mut wake_gate, mut polled, mut signal) = (WakeGate::default(), 0, None);
        let mut poll = |wake_gate: &mut WakeGate, answer: Poll<()>| {
            let answered = wake_gate.poll(&context, |context| {
                polled += 1;
                signal = Some(context.waker().clone());
                answer
            });
            (answered, polled, signal.clone().unwrap())
        };
        // The first time it has to register.
        let (answered, polled, signal) = poll(&mut wake_gate, Poll::Pending);
        assert_eq!((answered, polled), (Poll::Pending, 1));
        let (answered, polled, _) = poll(&mut wake_gate, Poll::Ready(()));
        assert_eq!((answered, polled), (Poll::Pending, 1));
        signal.wake();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
        let (answered, polled, _) = poll(&mut wake_gate, Poll::Ready(()));
        assert_eq!((answered, polled), (Poll::Ready(()), 2));
        // There may be more.
        let (answered, polled, signal) = poll(&mut wake_gate, Poll::Pending);
        assert_eq!((answered, polled), (Poll::Pending, 3));
        signal.wake_by_ref();
        signal.wake_by_ref();
        let (answered, polled, _) = poll(&mut wake_gate, Poll::Pending);
        assert_eq!((answered, polled), (Poll::Pending, 4));
        let (answered, polled, _) = poll(&mut wake_gate, Poll::Pending);
        assert_eq!((answered, polled), (Poll::Pending, 4));
    }

    #[test]
    fn another_task_is_woken_instead() {
        let [first, second]: [Arc<Task>; 2] = Default::default();
        let mut wake_gate = WakeGate::default();
        let mut signal = None;
        for task in [&first, &second] {
            let waker = Waker::from(Arc::clone(task));
            let answered = wake_gate.poll(&Context::from_waker(&waker), |context| {
                signal = Some(context.waker().clone());
                Poll::<()>::Pending
            });
            assert_eq!(answered, Poll::Pending);
        }
        signal.unwrap().wake();
        assert_eq!([&first, &second].map(|task| task.0.load(Ordering::Relaxed)), [0, 1]);
    }
}
