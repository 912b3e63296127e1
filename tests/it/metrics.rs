//! What the hub tells whoever watches it, and what it tells nobody: its figures and its log.

use std::path::Path;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tavolo::edge::Settings;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};

use crate::{
    commands::{tavolo, token_now},
    harness::{Client, World, key_file, person, until},
};

async fn figures(hub: &Client, address: &str) -> String {
    let response = hub.http.get(format!("http://{address}/metrics")).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    response.text().await.unwrap()
}

/// The value of a figure with these labels.
fn value(figures: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let of_it = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
    figures.lines().find(of_it)?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn the_figures_tell_how_a_hub_fares() {
    let world = World::new().await;
    let documents = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/documents");
    let hub = world.hub_with(Settings { documents: Some(documents), ..Settings::default() }).await;
    let count = async |labels: &[&str]| {
        value(&figures(&hub, &hub.address).await, "tavolo_requests_total", labels).unwrap_or_default()
    };
    let trusted = [r#"type="query""#, r#"operation="accreditations-ending""#, r#"code="OK""#];
    // All hubs of a process count together, and other tests run: only this one asks for this document.
    assert_eq!(count(&trusted).await, 0.0);
    let body = json!({ "documentId": "accreditations-ending", "variables": { "until": "2026-12-31" } });
    let address = format!("http://{}/graphql", hub.address);
    hub.http.post(address).json(&body).send().await.unwrap();
    assert_eq!(count(&trusted).await, 1.0);
    hub.send("", "query WithANameOfItsOwn { viewer { role } }", Value::Null).await;
    hub.send("", "{ facilities(first: 100) { nodes { stays(first: 100) { nodes { guest { stays(first: 100) { nodes { id } } } } } } } }", Value::Null).await;
    let text = figures(&hub, &hub.address).await;
    assert!(!text.contains("WithANameOfItsOwn"), "a name that anybody can choose is no label");
    assert!(value(&text, "tavolo_requests_total", &[r#"operation="other""#, r#"code="OK""#]).unwrap() >= 1.0);
    assert!(value(&text, "tavolo_requests_total", &[r#"code="TOO_COSTLY""#]).unwrap() >= 1.0);
    assert!(value(&text, "tavolo_request_seconds_bucket", &[r#"type="query""#, r#"le="+Inf""#]).unwrap() >= 1.0);
    assert!(value(&text, "tavolo_board_position_seconds", &[]).unwrap() > 0.0);
    assert_eq!(value(&text, "tavolo_board_following", &[]), Some(1.0));
    for line in text.lines().filter_map(|line| line.strip_prefix("# TYPE ")) {
        let name = line.split(' ').next().unwrap();
        assert!(text.contains(&format!("# HELP {name} ")), "{name} says what it is");
    }
    assert!(value(&text, "tavolo_board_age_seconds", &[]).is_some());
    assert!(value(&text, "tavolo_database_connections", &[r#"state="open""#]).unwrap() >= 1.0);
    assert!(value(&text, "tavolo_database_connections", &[r#"state="in_use""#]).is_some());
    assert!(value(&text, "tavolo_database_commands_total", &[]).unwrap() >= 1.0);
}

#[tokio::test]
async fn the_figures_are_for_this_machine_or_at_an_address_of_their_own() {
    let world = World::new().await;
    let hub = world.hub().await;
    let through_a_proxy =
        hub.http.get(format!("http://{}/metrics", hub.address)).header("x-forwarded-for", "192.0.2.1");
    assert_eq!(through_a_proxy.send().await.unwrap().status(), StatusCode::NOT_FOUND);
    figures(&hub, &hub.address).await;
    let metrics_listen = Some("127.0.0.1:0".parse().unwrap());
    let apart = world.hub_with(Settings { metrics_listen, ..Settings::default() }).await;
    let at_the_hub = apart.http.get(format!("http://{}/metrics", apart.address)).send().await.unwrap();
    assert_eq!(at_the_hub.status(), StatusCode::NOT_FOUND);
    let address = apart.metrics.clone().unwrap();
    assert!(figures(&apart, &address).await.contains("tavolo_board_following 1"));
    let graph = apart.http.post(format!("http://{address}/graphql")).send().await.unwrap();
    assert_eq!(graph.status(), StatusCode::NOT_FOUND, "nothing else is there");
}

#[tokio::test]
async fn the_connections_to_the_database_are_given_back() {
    let world = World::new().await;
    let hub = world.hub().await;
    hub.guest("operator").await;
    let store = &hub.graph.hub().store;
    until("nobody waits and nobody works", || async {
        let now = store.connections();
        now.open >= 1 && now.in_use == 0 && now.waiting == 0
    })
    .await;
}

#[tokio::test]
async fn the_log_has_each_request_and_no_person() {
    const SURNAME: &str = "Zyxwvutson";
    const MARK: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let world = World::new().await;
    let keys = key_file();
    let crates =
        "tavolo=trace,tavolo_store=trace,tavolo_subscriptions=trace,tavolo_resolvers=trace,tavolo_schema=trace";
    let mut child = tavolo(&["--log-json", "--log", crates, "serve", "--listen", "127.0.0.1:0"])
        .args(["--mongodb-uri", &world.settings.uri, "--database", &world.settings.database])
        .args(["--keys", keys.to_str().unwrap()])
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let mut log = String::new();
    let address = loop {
        let from = log.len();
        assert!(lines.read_line(&mut log).await.unwrap() > 0, "{log}");
        let line: Value = serde_json::from_str(&log[from..]).unwrap();
        if line["fields"]["message"] == "ready" {
            break line["fields"]["address"].as_str().unwrap().to_owned();
        }
    };
    let marked = async |mark: &str, body: Value| {
        let request = reqwest::Client::new().post(format!("http://{address}/graphql")).header("x-request-id", mark);
        let response = request.bearer_auth(token_now("operator")).json(&body).send().await.unwrap();
        response.json::<Value>().await.unwrap()
    };
    let ask = |body: Value| marked(MARK, body);
    let mut input = person();
    input["surname"] = json!(SURNAME);
    let register = "mutation($input: RegisterGuestInput!) { registerGuest(input: $input) { guest { surname } irregularities { code } } }";
    let registered = ask(json!({ "query": register, "variables": { "input": input } })).await;
    assert_eq!(registered["data"]["registerGuest"]["guest"]["surname"], SURNAME);
    let found =
        ask(json!({ "query": format!("{{ guests(filter: {{ surname: \"{SURNAME}\" }}) {{ nodes {{ id }} }} }}") }))
            .await;
    assert!(found["data"]["guests"]["nodes"][0]["id"].is_string(), "{found}");
    ask(json!({ "query": format!("{{ {SURNAME} }}") })).await;
    ask(json!({ "query": register, "variables": { "input": { "surname": SURNAME } } })).await;
    marked(SURNAME, json!({ "query": "{ viewer { role } }" })).await;

    let pid = child.id().unwrap().to_string();
    assert!(tokio::process::Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
    lines.read_to_string(&mut log).await.unwrap();
    assert!(child.wait().await.unwrap().success());
    assert!(!log.to_lowercase().contains(&SURNAME.to_lowercase()), "{log}");
    let parsed = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let answered: Vec<_> = parsed.filter(|line| line["fields"]["message"] == "answered").collect();
    let told = |at: usize| (&answered[at]["fields"]["kind"], &answered[at]["fields"]["code"]);
    assert_eq!(answered.len(), 5, "{log}");
    assert_eq!(told(0), (&json!("mutation"), &json!("OK")));
    assert_eq!(told(1), (&json!("query"), &json!("OK")));
    assert_eq!(told(2).1, "BAD_REQUEST");
    assert!(answered.iter().all(|line| line["fields"]["ms"].is_number()));
    assert!(answered[..4].iter().all(|line| line["span"]["correlation"] == MARK));
}
