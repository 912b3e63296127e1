//! The edge: HTTP and WebSocket, by the letter of their specifications and with limits of our own.

mod http;
mod pages;
mod seats;
mod settings;
mod socket;
mod sse;

use std::{
    convert::Infallible,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    extract::{ConnectInfo, FromRequestParts, State},
    http::{HeaderMap, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use metrics::{Counter, counter};
use serde_json::json;
use tavolo_resolvers::{Graph, Viewer};
use tavolo_schema::irregularity::Language;
use tavolo_subscriptions::Link;
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::{CompressionLevel, compression::CompressionLayer};

pub use seats::Seats;
pub use settings::Settings;

use self::seats::Transport;
use crate::auth::{Admitted, Authority, Refusal};

/// A timer further away than this need not be set.
const FAR: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the edge of one hub works with.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The graph.
    pub graph: Graph,
    /// Who checks tokens; without one, everybody is the public.
    pub authority: Option<Arc<Authority>>,
    /// Origins of pages that may open a socket, beside the hub's own.
    pub origins: Arc<[String]>,
    /// Ready tokens by role, which only a demonstration gives away.
    pub demo_tokens: Option<Arc<str>>,
    /// Its limits.
    pub settings: Arc<Settings>,
    /// Ends every socket.
    pub stop: CancellationToken,
    /// Knows every socket.
    pub sockets: TaskTracker,
    /// Who holds a stream of answers open.
    pub seats: Seats,
}

/// The routes of a hub.
pub fn router(edge: Edge) -> Router {
    Router::new()
        .route("/graphql", post(http::post).get(http::get))
        .route("/graphql/schema.graphql", get(contract))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/demo/tokens.json", get(demo_tokens))
        .merge(pages::router())
        .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
        // Not compressed: what is sent piece by piece.
        .route("/graphql/stream", get(sse::get).post(sse::post))
        .route("/graphql/ws", get(socket::upgrade))
        .with_state(edge)
}

impl Edge {
    /// Resolves when somebody who was let in may no longer listen: the token's time is over, or the
    /// membership has ended.
    async fn entitlement_ends(&self, admitted: Option<Admitted>) -> Refusal {
        let Some(Admitted { member, until }) = admitted else { return std::future::pending().await };
        let hub = self.graph.hub();
        let mut roster = hub.table.roster_changes();
        let left = u64::try_from(until.millis() - hub.clock.now().millis()).unwrap_or_default();
        let expiry = sleep(Duration::from_millis(left).min(FAR));
        let removal =
            async { while hub.table.board().member(&member.subject).is_some() && roster.changed().await.is_ok() {} };
        tokio::select! {
            () = expiry => Refusal::Expired,
            () = removal => Refusal::NoMember,
        }
    }

    /// Whom a header or an init message names; nobody in particular without a token.
    async fn admit(&self, authorization: Option<&str>) -> Result<Option<Admitted>, Refusal> {
        let Some(text) = authorization else { return Ok(None) };
        let (scheme, token) = text.split_once(' ').ok_or(Refusal::Invalid)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Refusal::Invalid);
        }
        let authority = self.authority.as_ref().ok_or(Refusal::Invalid)?;
        authority.admit(token.trim(), &self.graph.hub().table.board()).await.map(Some)
    }
}

/// The address of the client.
struct Address(IpAddr);

impl<S: Sync> FromRequestParts<S> for Address {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        Ok(Self(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.ip())))
    }
}

/// Counts what streams of answers have brought.
fn deliveries(transport: Transport) -> Counter {
    counter!("tavolo_deliveries_total", "transport" => transport.name())
}

fn viewer(admitted: Option<&Admitted>, headers: &HeaderMap) -> Viewer {
    Viewer { member: admitted.map(|admitted| Arc::clone(&admitted.member)), language: language(headers) }
}

/// The one of our languages that the client likes best (RFC 9110 section 12.5.4); Italian when it names none.
fn language(headers: &HeaderMap) -> Language {
    let wanted = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let ranges = wanted.split(',').filter_map(|range| {
        let (tag, weight) = range.split_once(";q=").unwrap_or((range, "1"));
        let language = match tag.trim().split('-').next()?.to_ascii_lowercase().as_str() {
            "it" => Language::It,
            "en" => Language::En,
            _ => return None,
        };
        weight.trim().parse::<f32>().ok().filter(|weight| *weight > 0.0).map(|weight| (language, weight))
    });
    let best = ranges.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(language, _)| language).unwrap_or_default()
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

async fn contract() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], Graph::sdl())
}

/// Whether the hub can answer. Reading goes on without the database; the body tells how the board stands.
async fn ready(State(edge): State<Edge>) -> impl IntoResponse {
    let table = &edge.graph.hub().table;
    let position = table.board().position();
    // Why is for the log: it names servers.
    let database = match &*table.link().borrow() {
        Link::Following => "following",
        Link::Lost(_) => "lost",
    };
    let body = json!({
        "board": { "seconds": position.seconds, "increment": position.increment },
        "database": database,
    });
    axum::Json(body)
}

async fn demo_tokens(State(edge): State<Edge>) -> Response {
    match &edge.demo_tokens {
        Some(tokens) => {
            let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
            (headers, tokens.to_string()).into_response()
        }
        None => StatusCode::NO_CONTENT.into_response(),
    }
}
