//! The edge: HTTP and WebSocket, by the letter of their specifications and with limits of our own.

mod accept;
mod budget;
mod documents;
mod envelope;
mod etag;
mod export;
mod fixed;
mod host;
mod http;
pub(crate) mod metrics;
mod operation;
mod pages;
mod seats;
mod settings;
mod socket;
mod sse;
mod streams;

use std::{
    net::IpAddr,
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, HeaderName, Method, StatusCode, header},
    middleware::from_fn_with_state,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::json;
use tavolo_resolvers::{Graph, Viewer};
use tavolo_subscriptions::Link;
use tokio::time::sleep;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower_http::{
    CompressionLevel,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};

use budget::payer;
pub use budget::{Balance, Budgets, Exhausted};
pub use documents::{Document, DocumentError, Documents};
use envelope::Client;
pub(crate) use envelope::Peer;
use fixed::Fixed;
pub use host::Host;
pub(crate) use operation::FREE;
pub use seats::Seats;
pub use settings::Settings;

use crate::auth::{Admitted, Authority, Refusal};

/// How often budgets and figures are relieved of what they need not remember.
const KEEP_SMALL_EVERY: Duration = Duration::from_secs(10);

/// A timer further away than this need not be set.
const FAR: Duration = Duration::from_secs(30 * 24 * 3600);

/// What the edge of one hub works with.
#[derive(Clone, Debug)]
pub struct Edge {
    /// The graph.
    pub graph: Graph,
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
    pub seats: Seats,
}

/// The routes of a hub.
pub fn router(edge: Edge) -> Router {
    // Before anything is counted.
    metrics::recorder();
    let cors = cors(&edge.origins);
    let fixed = Router::new()
        .route("/graphql/schema.graphql", get(contract))
        .merge(pages::router())
        .route_layer(from_fn_with_state(edge.clone(), http::entrance));
    Router::new()
        .route("/graphql", post(http::post).get(http::get).fallback(http::not_allowed).layer(cors.clone()))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::local))
        .route("/demo/tokens.json", get(demo_tokens))
        .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
        // Not compressed: what has been once and for all, and what is sent piece by piece.
        .merge(fixed)
        .route("/graphql/stream", get(sse::get).post(sse::post).fallback(http::not_allowed).layer(cors))
        .route("/graphql/ws", get(socket::upgrade))
        .merge(export::router())
        .fallback(http::not_found)
        .method_not_allowed_fallback(http::not_allowed)
        .layer(from_fn_with_state(edge.clone(), envelope::envelope))
        .with_state(edge)
}

/// Lets the pages of listed origins ask. Tokens are bearer tokens, so a browser has no credentials to send by itself.
fn cors(origins: &Arc<[String]>) -> CorsLayer {
    let origins = Arc::clone(origins);
    let listed = move |origin: &axum::http::HeaderValue, _: &_| {
        origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(listed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::ACCEPT,
            header::ACCEPT_LANGUAGE,
            header::IF_NONE_MATCH,
            HeaderName::from_static("last-event-id"),
        ])
        .expose_headers([header::ETAG, header::RETRY_AFTER, envelope::CORRELATION])
        .max_age(Duration::from_secs(3_600))
}

/// Keeps the memory of budgets and figures small.
pub(crate) async fn keep_small(budgets: Arc<Budgets>) {
    let mut tick = tokio::time::interval(KEEP_SMALL_EVERY);
    loop {
        tick.tick().await;
        budgets.forget_the_solvent();
        metrics::recorder().run_upkeep();
    }
}

impl Edge {
    /// Resolves when somebody who was let in may no longer listen: the token's time is over, or the
    /// membership has ended.
    async fn entitlement_ends(&self, admitted: Option<Admitted>) -> Refusal {
        let Some(Admitted { member, until, .. }) = admitted else { return std::future::pending().await };
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

    /// Whether figures are told at the hub's own address: to whoever asks from this machine, where they have no address
    /// of their own.
    fn tells_figures_to(&self, client: Client) -> bool {
        client.local && self.settings.metrics_listen.is_none()
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

fn viewer(admitted: Option<&Admitted>, address: IpAddr, headers: &HeaderMap) -> Viewer {
    Viewer {
        member: admitted.map(|admitted| Arc::clone(&admitted.member)),
        address: Some(payer(address)),
        language: accept::language(headers),
        correlation: correlation(headers).map(Arc::from),
    }
}

/// What names a request; the envelope has put it there.
fn correlation(headers: &HeaderMap) -> Option<&str> {
    headers.get(envelope::CORRELATION).and_then(|value| value.to_str().ok())
}

fn authorization(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or_default())
}

async fn contract(headers: HeaderMap) -> Response {
    static CONTRACT: LazyLock<Fixed> = LazyLock::new(|| Fixed::new("text/plain; charset=utf-8", Graph::sdl()));
    CONTRACT.answer(&headers, [(header::CACHE_CONTROL, "no-cache")])
}

/// Whether the hub can answer. Reading goes on without the database; the body tells how the hub follows it. The position
/// of the board moves with every act, and so does the age of the last answer: they are told to whom figures are told.
async fn ready(State(edge): State<Edge>, Extension(client): Extension<Client>) -> impl IntoResponse {
    let table = &edge.graph.hub().table;
    // Why is for the log: it names servers.
    let database = match table.link() {
        Link::Following => "following",
        Link::Silent => "silent",
        Link::Lost(_) => "lost",
    };
    let mut body = json!({ "database": database });
    if edge.tells_figures_to(client) {
        let position = table.board().position();
        body["board"] = json!({ "seconds": position.seconds, "increment": position.increment });
        body["lastAnswerSecondsAgo"] = json!(table.unheard().as_millis() as f64 / 1_000.0);
    }
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
