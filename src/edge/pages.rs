//! The pages, carried in the binary.

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::RustEmbed;

use super::{Edge, http::not_found};

/// What `npm run build` left in `web/dist`.
#[derive(RustEmbed)]
#[folder = "web/dist"]
#[allow_missing = true]
struct Bundle;

const PAGE_POLICY: &str = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
/// Monaco sets styles inline and draws from `data:` images; older Safari does not take `'self'` for sockets.
const GRAPHIQL_POLICY: &str = "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
     connect-src 'self' ws: wss:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

const NOT_BUILT: &str = "This hub was built without its pages. Build them with `make web`, then build the hub again.\n";

pub(super) fn router() -> Router<Edge> {
    Router::new()
        .route("/", get(|headers: HeaderMap| file("index.html".into(), headers)))
        .route("/graphiql", get(|| async { Redirect::permanent("graphiql/") }))
        .route("/graphiql/", get(|headers: HeaderMap| file("graphiql/index.html".into(), headers)))
        .route("/graphiql/{*path}", get(of_graphiql))
}

async fn of_graphiql(path: Result<Path<String>, PathRejection>, headers: HeaderMap) -> Response {
    match path {
        Ok(Path(path)) => file(format!("graphiql/{path}"), headers).await,
        Err(_) => not_found(headers).await,
    }
}

async fn file(path: String, headers: HeaderMap) -> Response {
    let Some(found) = Bundle::get(&path) else {
        // Whoever is told so looks for a page.
        let built = Bundle::get("index.html").is_some();
        return if built { not_found(headers).await } else { (StatusCode::NOT_FOUND, NOT_BUILT).into_response() };
    };
    // Files under `assets` carry a hash of their content in their name.
    let cache = if path.contains("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let policy = if path.starts_with("graphiql/") { GRAPHIQL_POLICY } else { PAGE_POLICY };
    let headers = [
        (header::CONTENT_TYPE, found.metadata.mimetype().to_owned()),
        (header::CACHE_CONTROL, cache.into()),
        (header::CONTENT_SECURITY_POLICY, policy.into()),
    ];
    (headers, found.data.into_owned()).into_response()
}
