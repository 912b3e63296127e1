//! What a client accepts: the media type of an answer and the language of its messages.

use std::cmp::Reverse;

use axum::http::{HeaderMap, HeaderName, header};
use tavolo_schema::irregularity::Language;

use super::refused::{GRAPHQL_JSON, JSON};

/// The media type to answer with; `None` when the client accepts neither of ours. What it names exactly counts before
/// what it names by a pattern, and of equals the one that it names first.
pub(super) fn media_type(headers: &HeaderMap) -> Option<&'static str> {
    let accepted = weighted(headers, header::ACCEPT);
    if accepted.is_empty() {
        return Some(JSON);
    }
    let liking = |name: &str| {
        let mut patterns = [name, "application/*", "*/*"].into_iter();
        let at = patterns.find_map(|pattern| accepted.iter().position(|(range, _)| range == pattern))?;
        Some((accepted[at].1, Reverse(at))).filter(|(weight, _)| *weight > 0)
    };
    let ours = [(GRAPHQL_JSON, "application/graphql-response+json"), (JSON, "application/json")];
    let liked = ours.into_iter().filter_map(|(media, name)| Some((liking(name)?, media)));
    liked.max_by_key(|(liking, _)| *liking).map(|(_, media)| media)
}

/// Whether it is a browser that wants a page.
pub(super) fn page(headers: &HeaderMap) -> bool {
    weighted(headers, header::ACCEPT).iter().any(|(range, weight)| range == "text/html" && *weight > 0)
}

/// Whether a body may be packed with gzip.
pub(super) fn gzip(headers: &HeaderMap) -> bool {
    let accepted = weighted(headers, header::ACCEPT_ENCODING);
    let weight = |name: &str| accepted.iter().find(|(coding, _)| coding == name).map(|(_, weight)| *weight);
    weight("gzip").or_else(|| weight("*")).is_some_and(|weight| weight > 0)
}

/// The one of our languages that the client likes best; Italian when it names none.
pub(super) fn language(headers: &HeaderMap) -> Language {
    let spoken = weighted(headers, header::ACCEPT_LANGUAGE).into_iter().filter_map(|(tag, weight)| {
        let language = match tag.split('-').next()? {
            "it" => Language::It,
            "en" => Language::En,
            _ => return None,
        };
        (weight > 0).then_some((language, weight))
    });
    let best = spoken.reduce(|best, next| if next.1 > best.1 { next } else { best });
    best.map(|(language, _)| language).unwrap_or_default()
}

/// What a header lists, in its order, each with its weight in thousandths (RFC 9110 section 12.4.2).
fn weighted(headers: &HeaderMap, name: HeaderName) -> Vec<(String, u16)> {
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let elements = values.flat_map(|value| value.split(','));
    elements
        .filter_map(|element| {
            let mut parts = element.split(';').map(str::trim);
            let range = parts.next().filter(|range| !range.is_empty())?.to_ascii_lowercase();
            let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
            let weight = weight.map_or(Ok(1.0), str::parse::<f32>).ok()?;
            Some((range, (weight.clamp(0.0, 1.0) * 1_000.0) as u16))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    #[test]
    fn the_answer_has_the_media_type_that_the_client_likes_best() {
        assert_eq!(media_type(&HeaderMap::new()), Some(JSON));
        for (accept, media) in [
            ("*/*", Some(JSON)),
            ("application/graphql-response+json, application/json;q=0.9", Some(GRAPHQL_JSON)),
            ("application/graphql-response+json;q=0.5, application/json", Some(JSON)),
            ("application/graphql-response+json, */*", Some(GRAPHQL_JSON)),
            ("application/json, application/graphql-response+json", Some(JSON)),
            ("application/json;charset=utf-8;q=0, */*;q=0.1", Some(GRAPHQL_JSON)),
            ("application/*; q=0, */*", None),
            ("application/json;q=0.000", None),
            ("text/csv, Application/JSON", Some(JSON)),
            ("image/png", None),
        ] {
            assert_eq!(media_type(&headers(header::ACCEPT, accept)), media, "{accept}");
        }
        assert!(page(&headers(header::ACCEPT, "text/html,*/*;q=0.8")));
        assert!(!page(&headers(header::ACCEPT, "text/html;q=0,*/*")));
    }

    #[test]
    fn a_body_is_packed_for_whoever_can_unpack_it() {
        assert!(!gzip(&HeaderMap::new()));
        for (accepted, packed) in [
            ("gzip, deflate, br", true),
            ("br, GZIP;q=0.1", true),
            ("*", true),
            ("gzip;q=0, *", false),
            ("identity, *;q=0", false),
            ("gzipped", false),
        ] {
            assert_eq!(gzip(&headers(header::ACCEPT_ENCODING, accepted)), packed, "{accepted}");
        }
    }

    #[test]
    fn messages_have_the_language_that_the_client_likes_best() {
        assert_eq!(language(&HeaderMap::new()), Language::It);
        for (accepted, spoken) in [
            ("en-GB", Language::En),
            ("en;q=0.5, it-IT; q=0.6", Language::It),
            ("de, en;q=0.1", Language::En),
            ("en;q=0", Language::It),
        ] {
            assert_eq!(language(&headers(header::ACCEPT_LANGUAGE, accepted)), spoken, "{accepted}");
        }
    }
}
