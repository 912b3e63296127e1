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
mod permits;
mod refused;
mod settings;
mod socket;
mod sse;
mod state;
mod stream_permits;
mod streams;

use std::{
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
use tavolo_resolvers::Graph;
use tavolo_subscriptions::Link;
use tower_http::{
    CompressionLevel,
    compression::CompressionLayer,
    cors::{AllowOrigin, CorsLayer},
};

pub use budget::{Balance, Budgets, Exhausted};
pub use documents::{Document, DocumentError, Documents};
pub(crate) use envelope::Peer;
use fixed::Fixed;
pub use host::Host;
pub use settings::Settings;
use state::Client;
pub use state::Edge;
pub use stream_permits::StreamPermits;

/// How often budgets and figures are relieved of what they need not remember.
const KEEP_SMALL_EVERY: Duration = Duration::from_secs(10);

/// The routes of a hub.
pub fn router(edge: Edge) -> Router {
    // The recorder of figures is installed before anything is counted.
    metrics::recorder();
    let cors = cors(&edge.origins);
    let fixed = Router::new()
        .route("/graphql/schema.graphql", get(contract))
        .merge(pages::router())
        .route_layer(from_fn_with_state(edge.clone(), http::entrance));
    Router::new()
        .route("/graphql", post(http::post).get(http::get).fallback(refused::not_allowed).layer(cors.clone()))
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics::local))
        .route("/demo/tokens.json", get(demo_tokens))
        .layer(CompressionLayer::new().gzip(true).quality(CompressionLevel::Fastest))
        // Routes below are not compressed here: files have been once for all, streams are sent piece by piece.
        .merge(fixed)
        .route("/graphql/stream", get(sse::get).post(sse::post).fallback(refused::not_allowed).layer(cors))
        .route("/graphql/ws", get(socket::upgrade))
        .merge(export::router())
        .fallback(refused::not_found)
        .method_not_allowed_fallback(refused::not_allowed)
        .layer(from_fn_with_state(edge.clone(), envelope::envelope))
        .with_state(edge)
}

/// Headers that pages of other origins may send: those that the hub reads, and those by which Apollo's clients tell of
/// themselves.
const ALLOWED_HEADERS: [HeaderName; 13] = [
    header::AUTHORIZATION,
    header::CONTENT_TYPE,
    header::ACCEPT,
    header::ACCEPT_LANGUAGE,
    header::IF_NONE_MATCH,
    HeaderName::from_static("last-event-id"),
    HeaderName::from_static("x-request-id"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("apollo-require-preflight"),
    HeaderName::from_static("apollographql-client-name"),
    HeaderName::from_static("apollographql-client-version"),
    HeaderName::from_static("x-apollo-operation-id"),
    HeaderName::from_static("x-apollo-operation-name"),
];

/// Lets the pages of listed origins ask. Tokens are bearer tokens, so a browser has no credentials to send by itself.
fn cors(origins: &Arc<[String]>) -> CorsLayer {
    let origins = Arc::clone(origins);
    let listed = move |origin: &axum::http::HeaderValue, _: &_| {
        origins.iter().any(|listed| listed.as_bytes() == origin.as_bytes())
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(listed))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(ALLOWED_HEADERS)
        .expose_headers([header::ETAG, header::RETRY_AFTER, refused::CORRELATION])
        .max_age(Duration::from_secs(3_600))
}

/// Keeps the memory of budgets and figures small.
pub(crate) async fn keep_small(budgets: Arc<Budgets>) {
    let mut tick = tokio::time::interval(KEEP_SMALL_EVERY);
    loop {
        tick.tick().await;
        budgets.drop_full_budgets();
        metrics::recorder().run_upkeep();
    }
}

async fn contract(headers: HeaderMap) -> Response {
    static CONTRACT: LazyLock<Fixed> = LazyLock::new(|| Fixed::new("text/plain; charset=utf-8", Graph::sdl()));
    CONTRACT.answer(&headers, [(header::CACHE_CONTROL, "no-cache")])
}

/// Whether the hub can answer. Reading goes on without the database; the body tells how the hub follows it. The position
/// of the board moves with every act, and so does the age of the last answer: they are told to whom figures are told.
async fn ready(State(edge): State<Edge>, Extension(client): Extension<Client>) -> impl IntoResponse {
    let live_board = &edge.graph.hub().live_board;
    // The reason is for the log alone: it names servers.
    let database = match live_board.link() {
        Link::Following => "following",
        Link::Silent => "silent",
        Link::Lost(_) => "lost",
    };
    let mut body = json!({ "database": database });
    if edge.tells_figures_to(client) {
        let position = live_board.board().position();
        body["board"] = json!({ "seconds": position.seconds, "increment": position.increment });
        body["lastAnswerSecondsAgo"] = json!(live_board.unheard().as_millis() as f64 / 1_000.0);
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
