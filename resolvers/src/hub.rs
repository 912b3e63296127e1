//! What a hub process shares with every request, and who asks.

use std::{net::IpAddr, sync::Arc};

use tavolo_schema::{Clock, Member, irregularity::Language};
use tavolo_store::{Behalf, Store};
use tavolo_subscriptions::LiveBoard;

/// What a hub process shares with every request.
#[derive(Clone, Debug)]
pub struct Hub {
    /// The database.
    pub store: Store,
    /// The board and its changes.
    pub live_board: Arc<LiveBoard>,
    /// The time.
    pub clock: Clock,
}

/// Who asks, as far as the edge has found out.
#[derive(Clone, Debug, Default)]
pub struct Viewer {
    /// The member; none for the public.
    pub member: Option<Arc<Member>>,
    /// The address that pays for somebody without a token, when there is one.
    pub address: Option<IpAddr>,
    /// The language messages are wanted in.
    pub language: Language,
    /// What names the request in the log and in each error.
    pub correlation: Option<Arc<str>>,
}

impl Viewer {
    /// On whose behalf the database is asked.
    pub(crate) fn behalf(&self) -> Behalf {
        match (&self.member, self.address) {
            (Some(member), _) => Behalf::Member(Arc::clone(member)),
            (None, Some(address)) => Behalf::Address(address),
            (None, None) => Behalf::Hub,
        }
    }
}
