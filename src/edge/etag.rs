//! Tags of bodies, by which a client asks whether what it has still holds.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// The tag of a body. The bytes that are sent differ with the encoding, and so does their tag.
pub(super) fn of(body: &[u8], zipped: bool) -> String {
    let encoding = if zipped { "-gzip" } else { "" };
    format!("\"{}{encoding}\"", URL_SAFE_NO_PAD.encode(&Sha256::digest(body)[..18]))
}

/// Whether the client has what bears this tag.
pub(super) fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let mut known = known.flat_map(|value| value.split(',')).map(|known| known.trim().trim_start_matches("W/"));
    known.any(|known| known == tag || known == "*")
}
