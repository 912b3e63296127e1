//! The hubs of a world, on threads of their own as processes would be, which stop with it.

use std::sync::{Mutex, mpsc};

use tavolo::serve::Running;

use tokio::runtime::{Builder, Runtime};

use super::PATIENCE;

/// Hubs that are stopped in good order with this value, also while their test panics.
pub(super) struct Hubs {
    /// None only while this is dropped.
    runtime: Option<Runtime>,
    running: Mutex<Vec<Running>>,
}

impl Hubs {
    pub(super) fn new() -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("hub").enable_all().build().unwrap();
        Self { runtime: Some(runtime), running: Mutex::default() }
    }

    /// Does something on the threads of the hubs, and hands back what comes of it.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        self.runtime.as_ref().expect("the hubs are there").spawn(work).await.unwrap()
    }

    pub(super) fn keep(&self, hub: Running) {
        self.running.lock().unwrap().push(hub);
    }

    /// Stops the hub at an address in good order; the others go on.
    pub(super) async fn stop(&self, address: &str) {
        let hub = {
            let mut running = self.running.lock().unwrap();
            let at = running.iter().position(|hub| hub.address().to_string() == address).expect("a hub of this world");
            running.remove(at)
        };
        self.run(hub.stop()).await;
    }
}

impl Drop for Hubs {
    /// Blocks until the hubs have stopped, so that none writes into a database that is dropped next.
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        let running = std::mem::take(self.running.get_mut().unwrap());
        let (stopped, stopping) = mpsc::channel();
        runtime.spawn(async move {
            futures_util::future::join_all(running.into_iter().map(Running::stop)).await;
            let _ = stopped.send(());
        });
        let in_time = stopping.recv_timeout(PATIENCE).is_ok();
        runtime.shutdown_background();
        assert!(in_time || std::thread::panicking(), "the hubs did not stop within {PATIENCE:?}");
    }
}
