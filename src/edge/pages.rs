//! The pages, carried in the binary.

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::RustEmbed;

use super::Edge;

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
        .route("/", get(|| async { file("index.html") }))
        .route("/graphiql", get(|| async { Redirect::permanent("graphiql/") }))
        .route("/graphiql/", get(|| async { file("graphiql/index.html") }))
        .route("/graphiql/{*path}", get(|Path(path): Path<String>| async move { file(&format!("graphiql/{path}")) }))
}

fn file(path: &str) -> Response {
    let Some(found) = Bundle::get(path) else {
        let built = Bundle::get("index.html").is_some();
        return (StatusCode::NOT_FOUND, if built { "not found\n" } else { NOT_BUILT }).into_response();
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
