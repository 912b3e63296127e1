//! What every request and every response carries, whatever it is about: a correlation id that names the request, the client's
//! address, and headers that forbid a browser what no page of ours needs. A panic anywhere ends here, masked.
//!
//! `Strict-Transport-Security` is the proxy's to say: the hub itself speaks no TLS.

use std::{
    net::{IpAddr, Ipv4Addr},
    panic::AssertUnwindSafe,
};

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::Next,
    response::Response,
};
use futures_util::FutureExt;
use ipnet::IpNet;
use tavolo_resolvers::error::ErrorCode;
use tavolo_schema::id::fresh;
use tracing::Instrument;
use uuid::Uuid;

use super::{
    host::is_asked_by,
    refused::{CORRELATION, JSON, Refused, rejected},
    state::{Client, Edge},
};

/// Who is at the other end of the connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

pub(super) async fn envelope(State(edge): State<Edge>, mut request: Request, next: Next) -> Response {
    let correlation_id = match inbound(request.headers()) {
        Some(correlation_id) => correlation_id.to_owned(),
        None => fresh(edge.graph.hub().clock.now()).to_string(),
    };
    let value = HeaderValue::from_str(&correlation_id).unwrap_or(HeaderValue::from_static("none"));
    let client = client(&request, &edge.settings.trusted_proxies);
    request.headers_mut().insert(CORRELATION, value.clone());
    request.extensions_mut().insert(client);
    let headers = HeaderMap::from_iter([(CORRELATION, value.clone())]);
    let span = tracing::info_span!("request", correlation = correlation_id);
    let expected = is_asked_by(&edge.settings.hosts, request.uri(), request.headers());
    let answered = async {
        if !expected {
            let message = "this hub is not asked by this name";
            return rejected(StatusCode::MISDIRECTED_REQUEST, message).answer(&headers, JSON);
        }
        AssertUnwindSafe(next.run(request)).catch_unwind().await.unwrap_or_else(|_| {
            tracing::error!("a request panicked");
            let message = "the hub could not answer this".into();
            Refused::new(StatusCode::INTERNAL_SERVER_ERROR, ErrorCode::Internal, message).answer(&headers, JSON)
        })
    };
    let mut response = answered.instrument(span).await;
    response.headers_mut().insert(CORRELATION, value);
    protect(response.headers_mut());
    response
}

/// The correlation id that the client or a proxy gave the request: its `x-request-id`, or the trace of its `traceparent`. It goes
/// into the log, so it is taken in the form of a UUID alone: no words fit into one.
fn inbound(headers: &HeaderMap) -> Option<&str> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let trace = || text("traceparent")?.split('-').nth(1).filter(|trace| trace.len() == 32);
    text("x-request-id")
        .filter(|correlation_id| is_correlation_id(correlation_id))
        .or_else(|| trace().filter(|correlation_id| is_correlation_id(correlation_id)))
}

/// Whether it is a UUID, with its hyphens or without, and not the one that says nothing.
fn is_correlation_id(text: &str) -> bool {
    matches!(text.len(), 32 | 36) && Uuid::try_parse(text).is_ok_and(|correlation_id| !correlation_id.is_nil())
}

/// Forbids a browser everything that the response itself has not allowed.
fn protect(headers: &mut HeaderMap) {
    const NOTHING: HeaderValue = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    headers.entry(header::CONTENT_SECURITY_POLICY).or_insert(NOTHING);
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("same-origin"));
}

fn client(request: &Request, proxies: &[IpNet]) -> Client {
    let headers = request.headers();
    let peer = request.extensions().get::<Peer>().map_or(Ipv4Addr::UNSPECIFIED.into(), |peer| peer.0.to_canonical());
    let local = peer.is_loopback() && !headers.keys().any(is_of_a_proxy);
    let trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !trusted(&peer) {
        return Client { address: peer, local };
    }
    // Entries are read from the last to the first: before an untrusted one stands only what that one claims.
    let mut address = peer;
    for entry in forwarded(headers).into_iter().rev() {
        let Some(named) = entry else { break };
        address = named;
        if !trusted(&named) {
            break;
        }
    }
    Client { address, local }
}

/// Whether a header is one that proxies add, whatever it says.
fn is_of_a_proxy(name: &HeaderName) -> bool {
    name.as_str().starts_with("x-forwarded-") || ["forwarded", "x-real-ip", "via"].contains(&name.as_str())
}

/// The addresses in `X-Forwarded-For`, or else in `Forwarded` (RFC 7239); `None` for what is no address. A proxy that
/// writes the one passes on the other as the client wrote it, so the second is read only where the first is not there.
fn forwarded(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    const LISTED: HeaderName = HeaderName::from_static("x-forwarded-for");
    if headers.contains_key(LISTED) {
        return hops(headers, LISTED).map(|hop| hop.and_then(address)).collect();
    }
    let for_whom = |element: &str| {
        let mut pairs = element.split(';').filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| name.eq_ignore_ascii_case("for")).and_then(|(_, node)| address(node))
    };
    hops(headers, header::FORWARDED).map(|hop| hop.and_then(for_whom)).collect()
}

/// The elements of all headers of a name; `None` for what is no text.
fn hops(headers: &HeaderMap, name: HeaderName) -> impl Iterator<Item = Option<&str>> {
    let hops = headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    hops.map(|hop| str::from_utf8(hop).ok().map(str::trim))
}

/// An address, with or without port, quotes and brackets.
fn address(text: &str) -> Option<IpAddr> {
    let text = text.trim_matches('"');
    let bare = text.trim_start_matches('[').split(']').next().unwrap_or_default();
    let found = text.parse().or_else(|_| text.parse().map(|socket: std::net::SocketAddr| socket.ip()));
    found.or_else(|_| bare.parse()).ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    const XFF: &str = "x-forwarded-for";

    fn seen(peer: &str, headers: &[(&'static str, &str)]) -> (String, bool) {
        let mut request = Request::new(Body::empty());
        request.extensions_mut().insert(Peer(peer.parse().unwrap()));
        for (name, value) in headers {
            request.headers_mut().append(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        let client = client(&request, &["10.0.0.0/8".parse().unwrap()]);
        (client.address.to_string(), client.local)
    }

    #[test]
    fn a_client_is_its_address_or_whom_a_trusted_proxy_names_last() {
        for (peer, headers, client) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &[(XFF, "198.51.100.7")], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(XFF, "203.0.113.9, 198.51.100.7, 10.0.0.2")], "198.51.100.7"),
            ("10.0.0.1", &[(XFF, "203.0.113.9"), (XFF, "198.51.100.7:1234")], "198.51.100.7"),
            ("10.0.0.1", &[(XFF, "nonsense")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, "è, 198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[(XFF, "203.0.113.9, è, 10.0.0.2")], "10.0.0.2"),
            ("10.0.0.1", &[(XFF, "è"), ("forwarded", "for=203.0.113.9")], "10.0.0.1"),
            ("10.0.0.1", &[(XFF, ""), ("forwarded", "for=203.0.113.9")], "10.0.0.1"),
            ("10.0.0.1", &[("forwarded", "for=è, for=198.51.100.7")], "198.51.100.7"),
            ("10.0.0.1", &[("forwarded", "for=203.0.113.9, For=\"[2001:db8::1]:4711\";proto=https")], "2001:db8::1"),
            ("::ffff:192.0.2.1", &[], "192.0.2.1"),
        ] {
            assert_eq!(seen(peer, headers).0, client, "{peer} {headers:?}");
        }
        assert!(seen("127.0.0.1", &[]).1 && seen("::1", &[]).1);
        assert!(!seen("192.0.2.1", &[]).1);
        for header in
            [(XFF, "198.51.100.7"), (XFF, "è"), (XFF, ""), ("forwarded", "for=è"), ("x-forwarded-proto", "https")]
        {
            assert!(!seen("127.0.0.1", &[header]).1, "{header:?}: somebody else, through a proxy of this machine");
        }
    }

    #[test]
    fn a_mark_from_outside_has_the_form_of_a_uuid() {
        let correlation_of = |name: &'static str, value: &str| {
            let headers = HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())]);
            inbound(&headers).map(str::to_owned)
        };
        for correlation_id in ["0192c5a4-7a2b-7c3d-8e4f-5a6b7c8d9e0f", "4BF92F3577B34DA6A3CE929D0E0E4736"] {
            assert_eq!(correlation_of("x-request-id", correlation_id).as_deref(), Some(correlation_id));
        }
        let braced = "{0192c5a4-7a2b-7c3d-8e4f-5a6b7c8d9e0f}";
        for word in ["", "a b", "Rossi-Mario-RSSMRA80A01D122X", "RossiMarioRossiMarioRossiMarioRo", braced] {
            assert_eq!(correlation_of("x-request-id", word), None, "{word}");
        }
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        assert_eq!(correlation_of("traceparent", trace).as_deref(), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert_eq!(correlation_of("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"), None);
        assert_eq!(correlation_of("traceparent", "nonsense"), None);
    }
}
