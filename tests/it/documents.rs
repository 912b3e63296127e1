//! Trusted documents: read and validated at the start, served by id, and where it is so decided, nothing else.

use std::path::{Path, PathBuf};

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tavolo::edge::{Documents, Settings};

use crate::harness::{Client, SIGNER, World, text};

const WHO: &str = "{ viewer { role subject } }";
const REGISTER: &str = "mutation Register($input: RegisterGuestInput!) {
  registerGuest(input: $input) { guest { id } irregularities { code } } }";

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/documents")
}

/// A folder with these documents.
fn folder(documents: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in documents {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn trusting(folder: &Path) -> Settings {
    Settings { documents: Some(folder.to_owned()), ..Settings::default() }
}

fn hash(text: &str) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn by_get(hub: &Client, path: &str, parameters: &[(&str, &str)]) -> RequestBuilder {
    let address = reqwest::Url::parse_with_params(&format!("http://{}{path}", hub.address), parameters).unwrap();
    hub.http.get(address)
}

fn by_post(hub: &Client, body: &Value) -> RequestBuilder {
    hub.http.post(format!("http://{}/graphql", hub.address)).json(body)
}

async fn answer(request: RequestBuilder) -> (StatusCode, Value) {
    let response = request.send().await.unwrap();
    (response.status(), response.json().await.unwrap())
}

fn code(body: &Value) -> &Value {
    &body["errors"][0]["extensions"]["code"]
}

#[tokio::test]
async fn the_examples_are_documents_that_a_hub_trusts() {
    let documents = Documents::read(&examples()).unwrap();
    let mut names: Vec<_> = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap().path()).collect();
    names.sort();
    assert!(names.len() >= 5);
    for path in names {
        let name = path.file_stem().unwrap().to_str().unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(documents.find(name).unwrap().text, text);
        assert_eq!(documents.find(&format!("sha256:{}", hash(&text))).unwrap().name, name);
    }
}

#[tokio::test]
async fn a_document_is_answered_by_its_name_and_by_its_hash() {
    let world = World::new().await;
    let hub = world.hub_with(trusting(&examples())).await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let variables = json!({ "code": "KR-F-0001" });
    let hash = hash(&std::fs::read_to_string(examples().join("facility-by-code.graphql")).unwrap());
    let apollo = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } });
    for body in [
        json!({ "documentId": "facility-by-code", "variables": variables }),
        json!({ "documentId": format!("sha256:{hash}"), "variables": variables }),
        json!({ "extensions": apollo, "variables": variables, "operationName": "FacilityByCode" }),
    ] {
        let (status, answered) = answer(by_post(&hub, &body).bearer_auth(hub.token("operator"))).await;
        assert_eq!((status, &answered["data"]["facility"]["id"]), (StatusCode::OK, &json!(facility)), "{answered}");
    }
    for id in ["nothing", "sha256:00", ""] {
        let (status, body) = answer(by_post(&hub, &json!({ "documentId": id }))).await;
        assert_eq!((status, code(&body)), (StatusCode::BAD_REQUEST, &json!("PERSISTED_QUERY_NOT_FOUND")), "{id}");
        assert_eq!(body["data"], Value::Null);
    }
    // Nothing is learnt: who sends text and hash together is answered, and the hash alone is as unknown as before.
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": self::hash(WHO) } });
    let (_, body) = answer(by_post(&hub, &json!({ "query": WHO, "extensions": extensions }))).await;
    assert_eq!(body["data"]["viewer"]["role"], "PUBLIC");
    let (_, body) = answer(by_post(&hub, &json!({ "extensions": extensions }))).await;
    assert_eq!(code(&body), "PERSISTED_QUERY_NOT_FOUND");
    let (status, body) = answer(by_post(&hub, &json!({ "documentId": "who-am-i", "query": WHO }))).await;
    assert_eq!((status, code(&body)), (StatusCode::BAD_REQUEST, &json!("BAD_REQUEST")));
}

#[tokio::test]
async fn by_get_a_document_is_sent_again_only_when_the_answer_has_changed() {
    let world = World::new().await;
    let hub = world.hub_with(trusting(&examples())).await;
    let ask = || by_get(&hub, "/graphql", &[("documentId", "free-places-by-municipality")]);
    let response = ask().send().await.unwrap();
    assert_eq!(response.headers()[header::CACHE_CONTROL], "private, no-cache");
    let varies: Vec<_> = response.headers().get_all(header::VARY).iter().map(|value| value.to_str().unwrap()).collect();
    let varies = varies.join(", ").to_lowercase();
    for on in ["authorization", "accept", "accept-language", "accept-encoding"] {
        assert!(varies.split(", ").any(|varied| varied == on), "{on}: {varies}");
    }
    let tag = response.headers()[header::ETAG].to_str().unwrap().to_owned();
    assert!(tag.starts_with('"'), "a strong tag: {tag}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["extensions"]["cost"]["remaining"], Value::Null, "what is kept has the same bytes each time");

    let again = || ask().header(header::IF_NONE_MATCH, format!("\"x\", {tag}"));
    let same = again().send().await.unwrap();
    assert_eq!(same.status(), StatusCode::NOT_MODIFIED);
    assert_eq!(same.headers()[header::ETAG].to_str().unwrap(), tag);
    assert_eq!(same.bytes().await.unwrap().len(), 0);
    let not_zipped = again().header(header::ACCEPT_ENCODING, "gzip;q=0, identity").send().await.unwrap();
    assert_eq!(not_zipped.headers()[header::ETAG].to_str().unwrap(), tag, "it takes no gzip");
    let zipped = again().header(header::ACCEPT_ENCODING, "gzip").send().await.unwrap();
    assert_eq!(zipped.status(), StatusCode::OK, "other bytes have another tag");
    assert_ne!(zipped.headers()[header::ETAG].to_str().unwrap(), tag);

    hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let changed = again().send().await.unwrap();
    assert_eq!(changed.status(), StatusCode::OK);
    assert_ne!(changed.headers()[header::ETAG].to_str().unwrap(), tag);
    let free = by_get(&hub, "/graphql", &[("query", WHO)]).send().await.unwrap();
    assert_eq!(free.headers()[header::CACHE_CONTROL], "no-store");
    assert!(!free.headers().contains_key(header::ETAG));
}

#[tokio::test]
async fn no_mutation_comes_by_get_on_any_path_and_by_any_id() {
    let world = World::new().await;
    let documents = folder(&[("register.graphql", REGISTER)]);
    let hub = world.hub_with(trusting(documents.path())).await;
    let input = json!({ "input": crate::harness::person() }).to_string();
    let hash = hash(REGISTER);
    let extensions = json!({ "persistedQuery": { "version": 1, "sha256Hash": hash } }).to_string();
    let prefixed = format!("sha256:{hash}");
    for path in ["/graphql", "/graphql/stream"] {
        for by in
            [("documentId", "register"), ("documentId", &prefixed), ("extensions", &extensions), ("query", REGISTER)]
        {
            let request = by_get(&hub, path, &[by, ("variables", &input), ("operationName", "Register")]);
            let response = request.bearer_auth(hub.token("operator")).send().await.unwrap();
            assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{path} {by:?}");
            assert_eq!(response.headers()[header::ALLOW], "POST");
        }
    }
    let guests = "{ guests { totalCount } }";
    assert_eq!(hub.data("operator", guests, Value::Null).await["guests"]["totalCount"], 0);
    let body = json!({ "documentId": "register", "variables": { "input": crate::harness::person() } });
    let (_, body) = answer(by_post(&hub, &body).bearer_auth(hub.token("operator"))).await;
    assert!(body["data"]["registerGuest"]["guest"]["id"].is_string(), "{body}");
}

#[tokio::test]
async fn sockets_and_streams_take_documents_by_id() {
    let world = World::new().await;
    let hub = world.hub_with(trusting(&examples())).await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let mut socket = hub.socket("operator").await;
    let payload = json!({ "documentId": "watch-occupancy", "variables": { "filter": { "facility": facility } } });
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    assert_eq!(socket.event().await["facility"]["id"], json!(facility));
    socket.send(json!({ "id": "2", "type": "subscribe", "payload": { "documentId": "nothing" } })).await;
    let refused = socket.next().await;
    assert_eq!((&refused["type"], &refused["id"]), (&json!("error"), &json!("2")));
    assert_eq!(refused["payload"][0]["extensions"]["code"], "PERSISTED_QUERY_NOT_FOUND");
    let stream = by_get(&hub, "/graphql/stream", &[("documentId", "who-am-i")]).send().await.unwrap();
    let events = stream.text().await.unwrap();
    assert!(events.contains("event: next") && events.contains(r#""role":"PUBLIC""#), "{events}");
}

#[tokio::test]
async fn where_only_documents_of_the_hub_are_trusted_free_text_needs_its_scope() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { trusted_only: true, ..trusting(&examples()) }).await;
    let token = |scope| SIGNER.sign_scoped("operator", scope, world.clock.now(), 3_600).unwrap();
    let free = json!({ "query": WHO });
    for scope in [None, Some(""), Some("graphql"), Some("openid graphql:freedom")] {
        let (status, body) = answer(by_post(&hub, &free).bearer_auth(token(scope))).await;
        assert_eq!((status, code(&body)), (StatusCode::FORBIDDEN, &json!("FORBIDDEN")), "{scope:?}");
    }
    assert_eq!(answer(by_post(&hub, &free)).await.0, StatusCode::FORBIDDEN, "the public");
    let by_address = by_get(&hub, "/graphql", &[("query", WHO)]).bearer_auth(token(None));
    assert_eq!(answer(by_address).await.0, StatusCode::FORBIDDEN);
    let (status, body) = answer(by_post(&hub, &free).bearer_auth(token(Some("openid graphql:free")))).await;
    assert_eq!((status, &body["data"]["viewer"]["role"]), (StatusCode::OK, &json!("OPERATOR")));
    let trusted = std::fs::read_to_string(examples().join("who-am-i.graphql")).unwrap();
    for body in [json!({ "documentId": "who-am-i" }), json!({ "query": trusted })] {
        let (status, body) = answer(by_post(&hub, &body)).await;
        assert_eq!((status, &body["data"]["viewer"]["role"]), (StatusCode::OK, &json!("PUBLIC")));
    }
    let mut socket = hub.subscribe("operator", "subscription { occupancyChanged { kind } }", Value::Null).await;
    let refused = socket.next().await;
    assert_eq!(
        (&refused["type"], &refused["payload"][0]["extensions"]["code"]),
        (&json!("error"), &json!("FORBIDDEN"))
    );
}

#[tokio::test]
async fn a_document_that_is_none_ends_the_start() {
    let deep = format!("{{ viewer {} }}", "{ a".repeat(80));
    for (name, document, why) in [
        ("broken.graphql", "{ viewer { role }", "expected"),
        ("deep.graphql", &deep, "brackets"),
        ("unknown.graphql", "{ nothing }", "nothing"),
        ("variable.graphql", "{ facilities(first: $n) { nodes { id } } }", "`$n`"),
        ("argument.graphql", "{ facilities(first: TWENTY) { nodes { id } } }", "type Int"),
        (
            "costly.graphql",
            "{ facilities(first: 100) { nodes { stays(first: 100) { nodes { guest { stays(first: 100) { nodes { id } } } } } } } }",
            "length of lists",
        ),
        ("two.graphql", "subscription { a: occupancyChanged { kind } b: occupancyChanged { kind } }", "exactly one"),
        ("a name.graphql", WHO, "no id"),
    ] {
        let documents = folder(&[(name, document)]);
        let error = Documents::read(documents.path()).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(why), "{name}: {error}");
    }
    let nowhere = examples().join("nowhere");
    let error = Documents::read(&nowhere).unwrap_err().to_string();
    assert!(error.contains("nowhere"), "{error}");
    let others = folder(&[("readme.md", "{ nothing }"), ("who.graphql", WHO)]);
    assert_eq!(text(&json!(Documents::read(others.path()).unwrap().find("who").unwrap().text)), WHO);
}
