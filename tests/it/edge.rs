//! The edge by the letter: methods, media types, sizes, origins, and errors whose codes are a closed set.

use reqwest::{Method, RequestBuilder, StatusCode, header, redirect::Policy};
use serde_json::{Value, json};
use tavolo::edge::Settings;
use tavolo_resolvers::error::ErrorCode;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Error as SocketError;

use crate::harness::{Client, World};

const WHO: &str = r#"{"query":"{ viewer { role } }"}"#;
const GRAPHQL_JSON: &str = "application/graphql-response+json";

fn request(hub: &Client, method: Method, path: &str) -> RequestBuilder {
    hub.http.request(method, format!("http://{}{path}", hub.address))
}

fn post(hub: &Client, body: impl Into<reqwest::Body>) -> RequestBuilder {
    request(hub, Method::POST, "/graphql").header(header::CONTENT_TYPE, "application/json").body(body)
}

/// The status and the body, whose errors, if any, all have codes of the closed set.
async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    let status = response.status();
    let body: Value = response.json().await.unwrap();
    for error in body["errors"].as_array().into_iter().flatten() {
        let code = error["extensions"]["code"].as_str();
        assert!(ErrorCode::ALL.iter().any(|known| Some(known.name()) == code), "{error}");
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{error}");
    }
    (status, body)
}

/// The code of the first error.
fn code(body: &Value) -> &str {
    body["errors"][0]["extensions"]["code"].as_str().unwrap_or_else(|| panic!("no code: {body}"))
}

#[tokio::test]
async fn only_json_is_taken() {
    let world = World::new().await;
    let hub = world.hub().await;
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "application/jsonp",
    ] {
        let request = request(&hub, Method::POST, "/graphql").header(header::CONTENT_TYPE, kind).body(WHO);
        let (status, body) = answer(request).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        assert_eq!(body["data"], Value::Null);
    }
    let (status, _) = answer(request(&hub, Method::POST, "/graphql").body(WHO)).await;
    assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "no type at all");
    let typed = request(&hub, Method::POST, "/graphql").header(header::CONTENT_TYPE, "Application/JSON; charset=utf-8");
    let (status, body) = answer(typed.body(WHO)).await;
    assert_eq!((status, &body["data"]["viewer"]["role"]), (StatusCode::OK, &json!("PUBLIC")));
}

#[tokio::test]
async fn a_request_has_64_kib_at_most() {
    let world = World::new().await;
    let hub = world.hub().await;
    let padded = |bytes: usize| format!("{WHO}{}", " ".repeat(bytes - WHO.len()));
    let (status, body) = answer(post(&hub, padded(64 * 1024))).await;
    assert_eq!((status, &body["data"]["viewer"]["role"]), (StatusCode::OK, &json!("PUBLIC")));
    let (status, body) = answer(post(&hub, padded(64 * 1024 + 1))).await;
    assert_eq!(
        (status, &body["errors"][0]["extensions"]["code"]),
        (StatusCode::PAYLOAD_TOO_LARGE, &json!("BAD_REQUEST"))
    );
}

#[tokio::test]
async fn what_is_no_graphql_request_is_a_bad_request() {
    let world = World::new().await;
    let hub = world.hub().await;
    for body in [
        "",
        "{",
        "null",
        "\"{ viewer { role } }\"",
        "{}",
        r#"{"query":null}"#,
        r#"{"query":7}"#,
        r#"{"query":"{ viewer { role } }","variables":[]}"#,
        r#"{"query":"{ viewer { role } }","variables":"x"}"#,
        r#"{"query":"{ viewer { role } }","operationName":1}"#,
        r#"{"query":"{ viewer { role } }","extensions":7}"#,
        r#"[{"query":"{ viewer { role } }"}]"#,
        r#"["{ viewer { role } }", null, null, null]"#,
        "[]",
    ] {
        let (status, answer) = answer(post(&hub, body).header(header::ACCEPT, "application/json")).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_REQUEST", "{body}");
    }
}

#[tokio::test]
async fn the_media_type_follows_accept_and_the_status_follows_the_media_type() {
    let world = World::new().await;
    let hub = world.hub().await;
    let wrong = r#"{"query":"{ nothing }"}"#;
    for (accept, kind, status) in [
        (GRAPHQL_JSON, GRAPHQL_JSON, StatusCode::BAD_REQUEST),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL_JSON, StatusCode::BAD_REQUEST),
        ("application/json", "application/json", StatusCode::OK),
        ("*/*", "application/json", StatusCode::OK),
        ("text/html, application/*", "application/json", StatusCode::OK),
    ] {
        for (body, expected) in [(wrong, status), (WHO, StatusCode::OK)] {
            let response = post(&hub, body).header(header::ACCEPT, accept).send().await.unwrap();
            assert_eq!(response.status(), expected, "{accept} {body}");
            let content = response.headers()[header::CONTENT_TYPE].to_str().unwrap();
            assert_eq!(content, format!("{kind}; charset=utf-8"), "{accept}");
            assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        }
    }
    for accept in ["text/html", "image/png, text/csv", "application/json;q=0, text/html"] {
        let (status, body) = answer(post(&hub, WHO).header(header::ACCEPT, accept)).await;
        assert_eq!((status, code(&body)), (StatusCode::NOT_ACCEPTABLE, "BAD_REQUEST"), "{accept}");
    }
}

#[tokio::test]
async fn what_the_graph_never_sees_is_refused_with_a_code_too() {
    let world = World::new().await;
    let hub =
        world.hub_with(Settings { metrics_listen: Some("127.0.0.1:0".parse().unwrap()), ..Settings::default() }).await;
    for (method, path, status) in [
        (Method::GET, "/nowhere", StatusCode::NOT_FOUND),
        (Method::GET, "/export/guests.csv", StatusCode::NOT_FOUND),
        (Method::GET, "/export/%ff.csv", StatusCode::NOT_FOUND),
        (Method::GET, "/graphiql/%ff", StatusCode::NOT_FOUND),
        (Method::GET, "/metrics", StatusCode::NOT_FOUND),
        (Method::GET, "/export/ledger.csv?from=2026-01-01&%ff=%ff", StatusCode::BAD_REQUEST),
        (Method::GET, "/graphql/ws", StatusCode::BAD_REQUEST),
        (Method::DELETE, "/graphql", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/graphql/stream", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/healthz", StatusCode::METHOD_NOT_ALLOWED),
        (Method::POST, "/export/ledger.csv", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let (found, body) = answer(request(&hub, method.clone(), path)).await;
        assert_eq!((found, code(&body)), (status, "BAD_REQUEST"), "{method} {path}");
    }
    let put = request(&hub, Method::PUT, "/graphql").send().await.unwrap();
    assert_eq!(put.headers()[header::ALLOW], "POST,GET,HEAD");
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_one_that_is_too_long() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut stream = TcpStream::connect(&hub.address).await.unwrap();
    let head = "POST /graphql HTTP/1.1\r\nhost: hub\r\nconnection: close\r\ncontent-type: application/json\r\n";
    stream
        .write_all(format!("{head}transfer-encoding: chunked\r\n\r\n5\r\n{{\"que\r\nno number\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("\"BAD_REQUEST\""), "{answer}");
}

#[tokio::test]
async fn a_token_that_is_not_valid_is_refused_and_never_taken_for_nobody() {
    let world = World::new().await;
    let hub = world.hub().await;
    let expired = hub.token("operator");
    world.clock.advance_days(1);
    for authorization in [
        "Bearer x.y.z".to_owned(),
        "Bearer".to_owned(),
        "Basic dXNlcjpwYXNz".to_owned(),
        String::new(),
        format!("Bearer {expired}"),
        format!("Bearer {}x", hub.token("operator")),
    ] {
        let request = post(&hub, WHO).header(header::AUTHORIZATION, &authorization);
        let response = request.try_clone().unwrap().send().await.unwrap();
        assert_eq!(response.headers()[header::WWW_AUTHENTICATE], "Bearer", "{authorization}");
        let (status, body) = answer(request).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{authorization}");
        assert_eq!(body["errors"][0]["extensions"]["code"], "UNAUTHENTICATED");
    }
    let (status, body) = answer(post(&hub, WHO).bearer_auth(hub.token("stranger"))).await;
    assert_eq!((status, &body["errors"][0]["extensions"]["code"]), (StatusCode::FORBIDDEN, &json!("FORBIDDEN")));
    let (status, body) = answer(post(&hub, WHO).bearer_auth(hub.token("operator"))).await;
    assert_eq!((status, &body["data"]["viewer"]["role"]), (StatusCode::OK, &json!("OPERATOR")));
}

#[tokio::test]
async fn a_response_has_its_keys_in_the_order_of_the_query() {
    let world = World::new().await;
    let hub = world.hub().await;
    let body = json!({ "query": "{ z: viewer { role subject } a: municipalities { name istatCode } m: viewer { subject role } }" });
    let text = post(&hub, body.to_string()).send().await.unwrap().text().await.unwrap();
    let at = |key: &str| text.find(key).unwrap_or_else(|| panic!("{key} in {text}"));
    assert!(at("\"z\"") < at("\"a\"") && at("\"a\"") < at("\"m\""), "{text}");
    assert!(text.contains(r#""z":{"role":"PUBLIC","subject":null}"#), "{text}");
    assert!(text.contains(r#""m":{"subject":null,"role":"PUBLIC"}"#), "{text}");
    assert!(at("\"name\"") < at("\"istatCode\""), "{text}");
}

#[tokio::test]
async fn a_long_answer_is_compressed_for_whoever_takes_gzip() {
    let world = World::new().await;
    let hub = world.hub().await;
    let body = json!({ "query": "{ municipalities { istatCode name postalCode } }" }).to_string();
    let zipped = post(&hub, body.clone()).header(header::ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!(zipped.headers()[header::CONTENT_ENCODING], "gzip");
    let plain = post(&hub, body).send().await.unwrap();
    assert!(!plain.headers().contains_key(header::CONTENT_ENCODING));
    let (zipped, plain) = (zipped.bytes().await.unwrap(), plain.bytes().await.unwrap());
    assert_eq!(zipped[..2], [0x1f, 0x8b]);
    assert!(zipped.len() * 2 < plain.len(), "{} of {}", zipped.len(), plain.len());
}

#[tokio::test]
async fn by_get_a_browser_is_led_to_graphiql_queries_are_answered_and_mutations_are_not() {
    let world = World::new().await;
    let mut hub = world.hub().await;
    hub.http = reqwest::Client::builder().redirect(Policy::none()).build().unwrap();
    let browser = request(&hub, Method::GET, "/graphql").header(header::ACCEPT, "text/html,application/xhtml+xml");
    let response = browser.send().await.unwrap();
    assert!(response.status().is_redirection());
    let location = response.url().join(response.headers()[header::LOCATION].to_str().unwrap()).unwrap();
    assert_eq!(location.path(), "/graphiql/");
    let by_get = |query: &str| {
        let address = reqwest::Url::parse_with_params(&format!("http://{}/graphql", hub.address), [("query", query)]);
        hub.http.get(address.unwrap()).bearer_auth(hub.token("operator"))
    };
    let (status, body) = answer(by_get("{ viewer { role } }")).await;
    assert_eq!((status, &body["data"]["viewer"]["role"]), (StatusCode::OK, &json!("OPERATOR")));
    let guest = tavolo_schema::id::GuestId::fresh(world.clock.now()).encode();
    let facility = tavolo_schema::id::FacilityId::fresh(world.clock.now()).encode();
    let mutation = format!(
        "mutation {{ admitGuest(input: {{ guest: \"{guest}\", facility: \"{facility}\", category: ORDINARY }}) {{ stay {{ id }} }} }}"
    );
    let response = by_get(&mutation).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(response.headers()[header::ALLOW], "POST");
    let (status, body) = answer(request(&hub, Method::GET, "/graphql")).await;
    assert_eq!((status, &body["data"]), (StatusCode::BAD_REQUEST, &Value::Null), "no query");
    for method in [Method::PUT, Method::DELETE, Method::PATCH] {
        let response = request(&hub, method, "/graphql").body(WHO).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
    }
}

#[tokio::test]
async fn a_page_from_elsewhere_may_not_open_a_socket() {
    let world = World::new().await;
    let hub = world.hub().await;
    const PROTOCOL: (&str, &str) = ("sec-websocket-protocol", "graphql-transport-ws");
    for origin in ["https://evil.example", "null", "http://127.0.0.1:1"] {
        match hub.socket_with(&[PROTOCOL, ("origin", origin)]).await {
            Err(SocketError::Http(response)) => {
                let body: Value = serde_json::from_slice(response.body().as_deref().unwrap_or_default()).unwrap();
                assert_eq!((response.status().as_u16(), code(&body)), (403, "FORBIDDEN"), "{origin}");
            }
            Err(error) => panic!("{origin}: {error}"),
            Ok(_) => panic!("{origin} was let in"),
        }
    }
    let own = format!("http://{}", hub.address);
    let mut socket = hub.socket_with(&[PROTOCOL, ("origin", &own)]).await.unwrap();
    socket.send(json!({ "type": "connection_init" })).await;
    assert_eq!(socket.next().await["type"], "connection_ack");
}

#[tokio::test]
async fn every_error_has_a_code_of_the_closed_set_and_no_internals() {
    let world = World::new().await;
    let hub = world.hub().await;
    let deep = format!("{{ viewer {}", "{ organisation { municipality ".repeat(20));
    let mutation = "mutation { registerFacility(input: { name: \"x\" }) { facility { id } } }";
    let key = "x".repeat(201);
    let long_key = format!(
        "mutation {{ admitGuest(idempotencyKey: \"{key}\", input: {{ guest: \"x\", facility: \"y\", category: ORDINARY }}) {{ stay {{ id }} }} }}"
    );
    for (document, code) in [
        ("{ viewer { role }".to_owned(), "BAD_REQUEST"),
        ("{ nothing }".to_owned(), "BAD_REQUEST"),
        (deep, "BAD_REQUEST"),
        ("query($x: Int!) { facilities(first: $x) { nodes { id } } }".to_owned(), "BAD_REQUEST"),
        ("{ facilities(first: 0) { nodes { id } } }".to_owned(), "BAD_REQUEST"),
        ("{ facilities(first: 1, last: 1) { nodes { id } } }".to_owned(), "BAD_REQUEST"),
        ("{ facilities(after: \"x\") { nodes { id } } }".to_owned(), "BAD_REQUEST"),
        ("{ nodes(ids: [IDS]) { id } }".replace("IDS", &"\"x\" ".repeat(101)), "BAD_REQUEST"),
        ("subscription { occupancyChanged { kind } }".to_owned(), "BAD_REQUEST"),
        (mutation.to_owned(), "BAD_REQUEST"),
        (long_key, "BAD_REQUEST"),
    ] {
        let body = json!({ "query": document }).to_string();
        let (_, body) = answer(post(&hub, body).bearer_auth(hub.token("operator"))).await;
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{document} {body}");
    }
    let document = "mutation { unblockPlaces(input: { block: \"BLOCK\" }) { facility { id } } }";
    let block = tavolo_schema::id::BlockId::fresh(world.clock.now()).encode();
    let body = json!({ "query": document.replace("BLOCK", &block) }).to_string();
    for (subject, code) in [("", "UNAUTHENTICATED"), ("analyst", "FORBIDDEN")] {
        let request = post(&hub, body.clone());
        let request = if subject.is_empty() { request } else { request.bearer_auth(hub.token(subject)) };
        let (_, body) = answer(request).await;
        assert_eq!(body["errors"][0]["extensions"]["code"], code, "{body}");
    }
}

#[tokio::test]
async fn the_pages_say_what_they_may_load_and_who_may_frame_them() {
    let world = World::new().await;
    let hub = world.hub().await;
    for path in ["/", "/graphiql/"] {
        let response = request(&hub, Method::GET, path).send().await.unwrap();
        if response.status() == StatusCode::NOT_FOUND {
            let text = response.text().await.unwrap();
            assert!(text.contains("make web"), "a hub without its pages says how to build them: {text}");
            continue;
        }
        assert_eq!(response.status(), StatusCode::OK);
        let header = |name: header::HeaderName| response.headers()[name].to_str().unwrap().to_owned();
        let policy = header(header::CONTENT_SECURITY_POLICY);
        for part in ["default-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("http:") && !policy.contains("https:") && !policy.contains("unsafe-eval"), "{policy}");
        assert_eq!(policy.contains("unsafe-inline"), path == "/graphiql/", "{policy}");
        assert_eq!(header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(header(header::REFERRER_POLICY), "no-referrer");
        assert!(header(header::CONTENT_TYPE).starts_with("text/html"));
        assert_eq!(header(header::CACHE_CONTROL), "no-cache");
    }
    let missing = request(&hub, Method::GET, "/graphiql/../Cargo.toml").send().await.unwrap();
    assert_eq!(missing.status(), StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_addresses_beside_the_graph_answer() {
    let world = World::new().await;
    let hub = world.hub().await;
    let get = |path| request(&hub, Method::GET, path).send();
    assert_eq!(get("/healthz").await.unwrap().text().await.unwrap(), "ok\n");
    let ready: Value = get("/readyz").await.unwrap().json().await.unwrap();
    assert_eq!((&ready["database"], &ready["why"]), (&json!("following"), &Value::Null));
    assert!(ready["board"]["seconds"].as_u64().is_some_and(|seconds| seconds > 0));
    let contract = get("/graphql/schema.graphql").await.unwrap().text().await.unwrap();
    assert_eq!(contract, tavolo_resolvers::Graph::sdl());
    assert_eq!(
        get("/demo/tokens.json").await.unwrap().status(),
        StatusCode::NO_CONTENT,
        "only a demonstration has tokens"
    );
}

#[tokio::test]
async fn nothing_that_moves_with_acts_is_told_elsewhere() {
    let world = World::new().await;
    let hub = world.hub().await;
    let ready = async |hub: &Client, through: &[&'static str]| {
        let through =
            through.iter().fold(request(hub, Method::GET, "/readyz"), |request, name| request.header(*name, "x"));
        through.send().await.unwrap().json::<Value>().await.unwrap()
    };
    for header in ["x-forwarded-for", "x-forwarded-proto", "forwarded", "via"] {
        assert_eq!(ready(&hub, &[header]).await, json!({ "database": "following" }), "through a proxy: {header}");
    }
    let local = ready(&hub, &[]).await;
    hub.guest("operator").await;
    assert_ne!(ready(&hub, &[]).await["board"], local["board"]);
    // Where figures have an address of their own, nobody knows who asks at this one.
    let metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    let apart = world.hub_with(Settings { metrics_listen, ..Settings::default() }).await;
    assert_eq!(ready(&apart, &[]).await, json!({ "database": "following" }));
}

#[tokio::test]
async fn the_contract_is_packed_once_sent_to_whoever_does_not_have_it_and_paid_for() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { address_budget: 310, ..Settings::default() }).await;
    let ask = |known: &str| {
        let request = request(&hub, Method::GET, "/graphql/schema.graphql").header(header::ACCEPT_ENCODING, "gzip");
        request.header(header::IF_NONE_MATCH, known).send()
    };
    let first = ask("\"another\"").await.unwrap();
    assert_eq!(first.status(), StatusCode::OK);
    assert_eq!(first.headers()[header::CONTENT_ENCODING], "gzip");
    assert_eq!(first.headers().get_all(header::VARY).iter().collect::<Vec<_>>(), ["accept-encoding"]);
    let tag = first.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert!(first.bytes().await.unwrap().len() < tavolo_resolvers::Graph::sdl().len() / 2);
    for _ in 0..2 {
        let again = ask(&tag).await.unwrap();
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(again.headers()[header::ETAG], *tag);
        assert!(again.bytes().await.unwrap().is_empty());
    }
    let spent = ask(&tag).await.unwrap();
    assert_eq!(spent.status(), StatusCode::TOO_MANY_REQUESTS);
    let body: Value = spent.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "BUDGET_EXHAUSTED");
}
