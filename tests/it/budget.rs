//! What a request costs, and what happens when a member or an address has spent its budget.

use reqwest::{RequestBuilder, StatusCode, header};
use serde_json::{Value, json};
use tavolo::edge::Settings;

use crate::harness::{Client, World};

/// Costs 142: a hundred for the entrance, one to be read, and 41 for twenty facilities with two fields each and the list
/// itself.
const LIST: &str = "{ facilities(first: 20) { nodes { id } } }";

fn ask(hub: &Client, subject: &str) -> RequestBuilder {
    let request = hub.http.post(format!("http://{}/graphql", hub.address)).json(&json!({ "query": LIST }));
    if subject.is_empty() { request } else { request.bearer_auth(hub.token(subject)) }
}

async fn status(request: RequestBuilder) -> StatusCode {
    request.send().await.unwrap().status()
}

#[tokio::test]
async fn an_answer_tells_its_cost_and_what_is_left() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { member_budget: 1_000, ..Settings::default() }).await;
    let text = ask(&hub, "operator").send().await.unwrap().text().await.unwrap();
    let (_, told) =
        text.split_once(r#""extensions":{"cost":{"requested":142,"budget":1000,"remaining":"#).expect(&text);
    let remaining: u32 = told.strip_suffix("}}}").unwrap().parse().unwrap();
    // A little of it may have come back meanwhile.
    assert!((858..900).contains(&remaining), "{remaining}");
    let refused = hub.send("operator", "{ nothing }", Value::Null).await;
    assert_eq!(refused["extensions"]["cost"], Value::Null, "nothing was executed");
}

#[tokio::test]
async fn who_has_spent_a_budget_is_told_when_to_come_back_and_others_do_not_notice() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { member_budget: 300, address_budget: 150, ..Settings::default() }).await;
    for _ in 0..2 {
        assert_eq!(status(ask(&hub, "operator")).await, StatusCode::OK);
    }
    let response = ask(&hub, "operator").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
    let seconds: u64 = response.headers()[header::RETRY_AFTER].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "BUDGET_EXHAUSTED");
    assert_eq!(status(ask(&hub, "province")).await, StatusCode::OK, "another member");
    assert_eq!(status(ask(&hub, "")).await, StatusCode::OK, "somebody without a token, at the same address");
    assert_eq!(status(ask(&hub, "")).await, StatusCode::TOO_MANY_REQUESTS, "and again");
}

#[tokio::test]
async fn an_address_is_taken_from_a_proxy_that_is_trusted_and_from_nobody_else() {
    let world = World::new().await;
    let settings = Settings { address_budget: 150, ..Settings::default() };
    let trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let trusting = world.hub_with(Settings { trusted_proxies, ..settings.clone() }).await;
    let from = |hub: &Client, address: &str| status(ask(hub, "").header("x-forwarded-for", address));
    assert_eq!(from(&trusting, "203.0.113.9, 192.0.2.1").await, StatusCode::OK);
    assert_eq!(from(&trusting, "203.0.113.10, 192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS, "its own word");
    assert_eq!(from(&trusting, "192.0.2.2").await, StatusCode::OK);
    let alone = world.hub_with(settings).await;
    assert_eq!(from(&alone, "192.0.2.1").await, StatusCode::OK);
    assert_eq!(from(&alone, "192.0.2.2").await, StatusCode::TOO_MANY_REQUESTS, "the same peer");
}

#[tokio::test]
async fn what_costs_more_than_can_be_saved_up_is_too_costly() {
    let world = World::new().await;
    let hub = world.hub_with(Settings { address_budget: 120, ..Settings::default() }).await;
    let response = ask(&hub, "").send().await.unwrap();
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["errors"][0]["extensions"]["code"], "TOO_COSTLY");
}

#[tokio::test]
async fn what_is_refused_is_paid_for_like_anything_else() {
    let aliases: String = (0..201).map(|number| format!("a{number}: role ")).collect();
    let costly = json!({ "query": format!("{{ viewer {{ {aliases} }} }}") }).to_string();
    let long = json!({ "query": "{ viewer { role } }", "variables": { "text": "x".repeat(10_000) } }).to_string();
    let world = World::new().await;
    for (name, body) in [
        ("too costly", &*costly),
        ("no document", r#"{"query":"{ viewer"}"#),
        ("no JSON", r#"{"query":"#),
        ("a long variable", &*long),
    ] {
        for path in ["graphql", "graphql/stream"] {
            let hub = world.hub_with(Settings { member_budget: 1_000, ..Settings::default() }).await;
            let send = |subject: &str| {
                let request = hub.http.post(format!("http://{}/{path}", hub.address)).bearer_auth(hub.token(subject));
                status(request.header(header::CONTENT_TYPE, "application/json").body(body.to_owned()))
            };
            let mut paid = 0;
            while send("operator").await != StatusCode::TOO_MANY_REQUESTS {
                paid += 1;
                assert!(paid <= 20, "{name} at {path} costs next to nothing");
            }
            assert!(paid >= 1, "{name} at {path}");
            assert_ne!(send("province").await, StatusCode::TOO_MANY_REQUESTS, "others do not notice");
        }
    }
}

/// A document that is not valid has to be read to its end like one that is.
#[tokio::test]
async fn what_is_not_valid_costs_what_it_would_cost_if_it_were() {
    let world = World::new().await;
    let wrong: String = (0..700).map(|number| format!("x{number} ")).collect();
    let input = "\"input\": { \"block\": 5, \"more\": 5 }";
    for (name, body) in [
        ("unknown fields", json!({ "query": format!("{{ viewer {{ {wrong} }} }}") }).to_string()),
        (
            "a variable",
            format!(
                "{{ \"query\": \"query($input: UnblockPlacesInput!) {{ viewer {{ {} }} }}\", \"variables\": {{ {input} }} }}",
                "role ".repeat(700)
            ),
        ),
    ] {
        for path in ["graphql", "graphql/stream"] {
            let hub = world.hub_with(Settings { member_budget: 2_000, ..Settings::default() }).await;
            let send = || {
                let request =
                    hub.http.post(format!("http://{}/{path}", hub.address)).bearer_auth(hub.token("operator"));
                status(request.header(header::CONTENT_TYPE, "application/json").body(body.clone()))
            };
            let mut answered = 0;
            while send().await != StatusCode::TOO_MANY_REQUESTS {
                answered += 1;
                assert!(answered <= 3, "{name} at {path} costs less than its fields");
            }
            assert!(answered >= 1, "{name} at {path}");
        }
    }
}
