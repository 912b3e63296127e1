//! What every response carries: its mark, its headers, and in trouble an error that says nothing of the inside.

use reqwest::{Method, RequestBuilder, StatusCode, header};
use serde_json::{Value, json};

use crate::harness::{Client, World, text};

const MARK: &str = "x-correlation-id";
/// Marks that a proxy may give.
const ONE: &str = "0192c5a4-7a2b-7c3d-8e4f-5a6b7c8d9e0f";
const TWO: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const LIST: &str = "{ facilities { nodes { id } } }";

fn request(hub: &Client, method: Method, path: &str) -> RequestBuilder {
    hub.http.request(method, format!("http://{}{path}", hub.address))
}

fn ask(hub: &Client, document: &str) -> RequestBuilder {
    request(hub, Method::POST, "/graphql").json(&json!({ "query": document }))
}

#[tokio::test]
async fn every_response_forbids_a_browser_what_it_does_not_need() {
    let world = World::new().await;
    let hub = world.hub().await;
    let query = json!({ "query": "{ viewer { role } }" }).to_string();
    for (method, path) in [
        (Method::POST, "/graphql"),
        (Method::GET, "/graphql"),
        (Method::PUT, "/graphql"),
        (Method::GET, "/graphql/stream"),
        (Method::GET, "/graphql/ws"),
        (Method::GET, "/graphql/schema.graphql"),
        (Method::GET, "/graphiql/"),
        (Method::GET, "/healthz"),
        (Method::GET, "/readyz"),
        (Method::GET, "/metrics"),
        (Method::GET, "/nowhere"),
        (Method::GET, "/"),
    ] {
        let sent = request(&hub, method, path).header(header::CONTENT_TYPE, "application/json").body(query.clone());
        let response = sent.send().await.unwrap();
        let header =
            |name: &str| response.headers().get(name).unwrap_or_else(|| panic!("{path}: {name}")).to_str().unwrap();
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(header("cross-origin-resource-policy"), "same-origin", "{path}");
        let policy = header("content-security-policy");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        let is_page =
            response.headers().get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        assert_eq!(policy.starts_with("default-src 'none'"), !is_page, "{path}: {policy}");
        assert!(!header(MARK).is_empty(), "{path}");
    }
}

#[tokio::test]
async fn the_errors_of_a_request_have_its_mark() {
    let world = World::new().await;
    let hub = world.hub().await;
    let two = "{ a: facilities(first: 0) { nodes { id } } b: facilities(first: 0) { nodes { id } } }";
    for (document, errors) in [(two, 2), ("{ nothing }", 1), ("{", 1), ("mutation { __typename", 1)] {
        let response = ask(&hub, document).send().await.unwrap();
        let mark = response.headers()[MARK].to_str().unwrap().to_owned();
        assert_eq!(mark.len(), 36, "a fresh one: {mark}");
        let body: Value = response.json().await.unwrap();
        let found = body["errors"].as_array().unwrap();
        assert_eq!(found.len(), errors, "{body}");
        assert!(found.iter().all(|error| error["extensions"]["correlationId"] == json!(mark)), "{body}");
    }
    let marked = ask(&hub, "{").header("x-request-id", ONE).bearer_auth("nonsense");
    let response = marked.send().await.unwrap();
    assert_eq!((response.status(), response.headers()[MARK].to_str().unwrap()), (StatusCode::UNAUTHORIZED, ONE));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["correlationId"], ONE);
    for words in ["<script>", "Rossi-Mario-RSSMRA80A01D122X"] {
        let odd = ask(&hub, "{").header("x-request-id", words).send().await.unwrap();
        assert_eq!(odd.headers()[MARK].len(), 36, "{words} would be in the log");
    }
}

#[tokio::test]
async fn a_panic_is_answered_masked_and_the_hub_goes_on() {
    let world = World::new().await;
    let hub = world.hub().await;
    let token = hub.token("operator");
    let stopped_at = world.clock.break_down();
    // Without a token a resolver is the first to read the clock; with one, the check of the token is.
    let in_a_resolver = ask(&hub, LIST).header("x-request-id", ONE).send().await.unwrap();
    let before_the_graph = ask(&hub, LIST).header("x-request-id", TWO).bearer_auth(&token).send().await.unwrap();
    world.clock.mend(stopped_at);
    for (response, mark) in [(in_a_resolver, ONE), (before_the_graph, TWO)] {
        assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(response.headers()[MARK], mark);
        let body: Value = response.json().await.unwrap();
        let extensions = json!({ "code": "INTERNAL", "correlationId": mark });
        let masked = json!({ "errors": [{ "message": "the hub could not answer this", "extensions": extensions }] });
        assert_eq!(body, masked);
    }
    hub.data("operator", LIST, Value::Null).await;
}

#[tokio::test]
async fn whoever_sends_a_batch_is_told_what_to_do_instead() {
    let world = World::new().await;
    let hub = world.hub().await;
    let batch = json!([{ "query": LIST }, { "query": LIST }]);
    let refused = request(&hub, Method::POST, "/graphql").json(&batch).send().await.unwrap();
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
    let answer: Value = refused.json().await.unwrap();
    assert!(text(&answer["errors"][0]["message"]).contains("send one request for each operation"), "{answer}");
}

#[tokio::test]
async fn pages_of_listed_origins_may_ask_and_no_others() {
    let world = World::new().await;
    let hub = world.hub_for(&["https://pages.example"]).await;
    for path in ["/graphql", "/graphql/stream"] {
        let preflight = |origin: &'static str| {
            request(&hub, Method::OPTIONS, path)
                .header(header::ORIGIN, origin)
                .header(header::ACCESS_CONTROL_REQUEST_METHOD, "POST")
                .header(
                    header::ACCESS_CONTROL_REQUEST_HEADERS,
                    "authorization,content-type,last-event-id,if-none-match",
                )
                .send()
        };
        let allowed = preflight("https://pages.example").await.unwrap();
        assert_eq!(allowed.status(), StatusCode::OK);
        let header = |name: header::HeaderName| allowed.headers()[name].to_str().unwrap().to_lowercase();
        assert_eq!(header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "https://pages.example");
        assert_eq!(header(header::ACCESS_CONTROL_ALLOW_METHODS), "get,post");
        let ours = ["authorization", "content-type", "accept", "accept-language", "last-event-id", "if-none-match"];
        let marks = ["x-request-id", "traceparent"];
        let apollo = ["apollo-require-preflight", "apollographql-client-name", "x-apollo-operation-name"];
        for name in ours.into_iter().chain(marks).chain(apollo) {
            assert!(header(header::ACCESS_CONTROL_ALLOW_HEADERS).split(',').any(|allowed| allowed == name), "{name}");
        }
        assert!(!allowed.headers().contains_key(header::ACCESS_CONTROL_ALLOW_CREDENTIALS));
        for origin in ["https://evil.example", "https://pages.example.evil.example", "null"] {
            let refused = preflight(origin).await.unwrap();
            assert!(!refused.headers().contains_key(header::ACCESS_CONTROL_ALLOW_ORIGIN), "{origin}");
        }
    }
    let asked = ask(&hub, LIST).header(header::ORIGIN, "https://pages.example").send().await.unwrap();
    assert_eq!(asked.headers()[header::ACCESS_CONTROL_ALLOW_ORIGIN], "https://pages.example");
    let exposed = asked.headers()[header::ACCESS_CONTROL_EXPOSE_HEADERS].to_str().unwrap().to_lowercase();
    assert_eq!(exposed, "etag,retry-after,x-correlation-id");
}
