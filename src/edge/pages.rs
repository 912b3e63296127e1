//! The pages, carried in the binary.

use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{LazyLock, OnceLock},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, rejection::PathRejection},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use rust_embed::RustEmbed;

use super::{fixed::Fixed, refused::not_found, state::Edge};

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

/// The files, each packed when it is first asked for.
static FILES: LazyLock<HashMap<Cow<'static, str>, OnceLock<Fixed>>> =
    LazyLock::new(|| Bundle::iter().map(|path| (path, OnceLock::new())).collect());

fn found(path: &str) -> Option<&'static Fixed> {
    let kept = FILES.get(path)?;
    if let Some(fixed) = kept.get() {
        return Some(fixed);
    }
    let file = Bundle::get(path)?;
    let body = match file.data {
        Cow::Borrowed(carried) => Bytes::from_static(carried),
        Cow::Owned(read) => read.into(),
    };
    Some(kept.get_or_init(|| Fixed::new(file.metadata.mimetype(), body)))
}

async fn file(path: String, headers: HeaderMap) -> Response {
    let Some(found) = found(&path) else {
        // A binary with pages answers 404 as usual; one without says that they were not built.
        let built = FILES.contains_key("index.html");
        return if built { not_found(headers).await } else { (StatusCode::NOT_FOUND, NOT_BUILT).into_response() };
    };
    // Files under `assets` carry a hash of their content in their name.
    let cache = if path.contains("/assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let policy = if path.starts_with("graphiql/") { GRAPHIQL_POLICY } else { PAGE_POLICY };
    found.answer(&headers, [(header::CACHE_CONTROL, cache), (header::CONTENT_SECURITY_POLICY, policy)])
}
