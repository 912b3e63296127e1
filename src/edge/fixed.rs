//! Bodies that are the same for everybody for as long as the process runs: made once, packed once, and not sent to
//! whoever has them.

use std::io::Write;

use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};

use super::{accept, etag};

/// A body as it is sent, with its tag.
struct Sent {
    body: Bytes,
    tag: String,
}

/// A body that never changes.
pub(super) struct Fixed {
    kind: HeaderValue,
    plain: Sent,
    /// Where that is shorter.
    zipped: Option<Sent>,
}

impl Fixed {
    /// A body of a media type. It is packed now.
    pub(super) fn new(kind: &str, body: impl Into<Bytes>) -> Self {
        let body = body.into();
        let kind = HeaderValue::from_str(kind).unwrap_or(HeaderValue::from_static("application/octet-stream"));
        let zipped = zip(&body).filter(|zipped| zipped.len() < body.len());
        let zipped = zipped.map(|zipped| Sent { tag: etag::of(&body, true), body: zipped.into() });
        Self { kind, plain: Sent { tag: etag::of(&body, false), body }, zipped }
    }

    /// The answer to a request with these headers, with others of its own.
    pub(super) fn answer<const N: usize>(&self, asked: &HeaderMap, own: [(HeaderName, &'static str); N]) -> Response {
        let zipped = self.zipped.as_ref().filter(|_| accept::gzip(asked));
        let Sent { body, tag } = zipped.unwrap_or(&self.plain);
        let mut response = if etag::is_known(asked, tag) {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            let kind = [(header::CONTENT_TYPE, self.kind.clone())];
            let mut response = (kind, body.clone()).into_response();
            if zipped.is_some() {
                response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            }
            response
        };
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
        headers.extend(HeaderValue::from_str(tag).map(|tag| (header::ETAG, tag)));
        headers.extend(own.map(|(name, value)| (name, HeaderValue::from_static(value))));
        response
    }
}

/// A body in a shorter form; none where it cannot be packed.
fn zip(body: &[u8]) -> Option<Vec<u8>> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(body).and_then(|()| packer.finish()).ok()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use axum::body::to_bytes;
    use flate2::read::GzDecoder;

    use super::*;

    fn asking(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, "gzip, br".parse().unwrap()), (name, value.parse().unwrap())])
    }

    fn header(response: &Response, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[tokio::test]
    async fn a_body_is_packed_once_and_sent_to_whoever_does_not_have_it() {
        let text = "type Query { facilities: Int }\n".repeat(100);
        let fixed = Fixed::new("text/plain", text.clone());
        let own = [(header::CACHE_CONTROL, "no-cache")];
        let plain = fixed.answer(&HeaderMap::new(), own.clone());
        assert_eq!(header(&plain, header::CONTENT_ENCODING), "");
        let tag = header(&plain, header::ETAG).to_owned();
        assert_eq!(to_bytes(plain.into_body(), 10_000).await.unwrap(), text);

        let zipped = [(); 2].map(|()| fixed.answer(&asking(header::ACCEPT, "*/*"), own.clone()));
        for (name, value) in [
            (header::CONTENT_ENCODING, "gzip"),
            (header::CONTENT_TYPE, "text/plain"),
            (header::VARY, "accept-encoding"),
            (header::CACHE_CONTROL, "no-cache"),
        ] {
            assert_eq!(header(&zipped[0], name), value);
        }
        let zipped_tag = header(&zipped[0], header::ETAG).to_owned();
        assert_ne!(zipped_tag, tag);
        let [first, second] = zipped.map(|response| to_bytes(response.into_body(), 10_000));
        let (first, second) = (first.await.unwrap(), second.await.unwrap());
        assert_eq!(first.as_ptr(), second.as_ptr(), "the same memory");
        let mut unpacked = String::new();
        GzDecoder::new(&*first).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);

        let known = fixed.answer(&asking(header::IF_NONE_MATCH, &zipped_tag), own.clone());
        assert_eq!((known.status(), header(&known, header::ETAG)), (StatusCode::NOT_MODIFIED, &*zipped_tag));
        let other = fixed.answer(&asking(header::IF_NONE_MATCH, &tag), own);
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[test]
    fn what_cannot_be_packed_is_sent_as_it_is() {
        let short = Fixed::new("text/plain", "a");
        assert_eq!(header(&short.answer(&asking(header::ACCEPT, "*/*"), []), header::CONTENT_ENCODING), "");
    }
}
