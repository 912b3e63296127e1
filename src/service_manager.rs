//! What a service manager such as systemd is told: ready, alive, stopping. Where there is none, nothing.

use std::time::Duration;

use sd_notify::NotifyState;

/// Says that the hub listens.
pub fn ready() {
    tell(NotifyState::Ready);
}

/// Says that the hub stops.
pub fn stopping() {
    tell(NotifyState::Stopping);
}

/// Says again and again that the process makes progress, if that is asked for; never resolves.
pub async fn keep_alive() {
    let Some(limit) = sd_notify::watchdog_enabled() else { return std::future::pending().await };
    let mut tick = tokio::time::interval((limit / 2).max(Duration::from_millis(1)));
    loop {
        tick.tick().await;
        tell(NotifyState::Watchdog);
    }
}

fn tell(state: NotifyState<'_>) {
    if let Err(error) = sd_notify::notify(&[state]) {
        tracing::warn!(%error, "the service manager could not be told");
    }
}
