//! What the edge of one hub works with, and who asks it.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::http::{HeaderMap, header};
use tavolo_resolvers::{Graph, Live, Viewer};
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    accept,
    budget::{Budgets, payer},
    documents::Documents,
    refused::correlation,
    settings::Settings,
    stream_permits::StreamPermits,
};
use crate::auth::{Authenticated, Authority, Refusal};

/// A timer further away than this need not be set.
const FAR: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the edge of one hub works with.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The graph.
    pub graph: Graph,
    /// The graph, for those who watch it.
    pub live: Live,
    /// Who checks tokens; without one, everybody is the public.
    pub authority: Option<Arc<Authority>>,
    /// Origins of pages that may ask and open a socket, beside the hub's own.
    pub origins: Arc<[String]>,
    /// Ready tokens by role, which only a demonstration gives away.
    pub demo_tokens: Option<Arc<str>>,
    /// Its limits.
    pub settings: Arc<Settings>,
    /// What members and addresses may still spend.
    pub budgets: Arc<Budgets>,
    /// The documents it trusts.
    pub documents: Arc<Documents>,
    /// Knows every act in progress: it goes on when its client has gone.
    pub acts: TaskTracker,
    /// Ends every socket.
    pub stop: CancellationToken,
    /// Knows every socket.
    pub sockets: TaskTracker,
    /// Who holds a stream of answers open.
    pub permits: StreamPermits,
}

/// Whose request it is: the peer, or whom a trusted proxy names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    pub(super) address: IpAddr,
    /// Whether it asks from this machine, with no proxy between.
    pub(super) local: bool,
}

impl Edge {
    /// Resolves when somebody who was let in may no longer listen: the token's time is over, or the
    /// membership has ended.
    pub(super) async fn entitlement_ends(&self, authenticated: Option<Authenticated>) -> Refusal {
        let Some(Authenticated { member, until, .. }) = authenticated else { return std::future::pending().await };
        let hub = self.graph.hub();
        let mut roster = hub.live_board.roster_changes();
        let left = u64::try_from(until.millis() - hub.clock.now().millis()).unwrap_or_default();
        let expiry = sleep(Duration::from_millis(left).min(FAR));
        let removal = async {
            while hub.live_board.board().member(&member.subject).is_some() && roster.changed().await.is_ok() {}
        };
        tokio::select! {
            () = expiry => Refusal::Expired,
            () = removal => Refusal::NoMember,
        }
    }

    /// Whether figures are told at the hub's own address: to whoever asks from this machine, where they have no address
    /// of their own.
    pub(super) fn tells_figures_to(&self, client: Client) -> bool {
        client.local && self.settings.metrics_listen.is_none()
    }

    /// Whom a header or an init message names; nobody in particular without a token.
    pub(super) async fn authenticate(&self, authorization: Option<&str>) -> Result<Option<Authenticated>, Refusal> {
        let Some(text) = authorization else { return Ok(None) };
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::Invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Invalid);
        }
        let authority = self.authority.as_ref().ok_or(Refusal::Invalid)?;
        authority.authenticate(token.trim(), &self.graph.hub().live_board.board()).await.map(Some)
    }
}

pub(super) fn viewer(authenticated: Option<&Authenticated>, address: IpAddr, headers: &HeaderMap) -> Viewer {
    Viewer {
        member: authenticated.map(|authenticated| Arc::clone(&authenticated.member)),
        address: Some(payer(address)),
        language: accept::language(headers),
        correlation: correlation(headers).map(Arc::from),
    }
}

pub(super) fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}
