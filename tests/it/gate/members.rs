//! Who is let in, and as whom.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tavolo::tokens::Signer;
use tavolo_schema::{Act, Member, Relation, Role, access::sees, contract_name};

use super::{VIEWERS, fields::raw};
use crate::harness::{Client, SIGNER, World, until};

#[tokio::test]
async fn the_viewer_is_told_who_it_is_and_what_follows() {
    let world = World::new().await;
    let hub = world.hub().await;
    let bodies = &world.bodies;
    let organisations = [
        Some(bodies.province),
        Some(bodies.operator),
        Some(bodies.other_operator),
        Some(bodies.municipality),
        Some(bodies.prefecture),
        Some(bodies.central_service),
        Some(bodies.province),
        None,
    ];
    let names = |things: Vec<String>| json!(things);
    for ((subject, role), organisation) in VIEWERS.into_iter().zip(organisations) {
        let document = "{ viewer { subject role organisation { id } sight { relation classes acts } } }";
        let data = hub.data(subject, document, Value::Null).await;
        let sight: Vec<Value> = Relation::ALL
            .into_iter()
            .map(|relation| {
                let acts = Act::by_members().filter(|act| act.is_for(role, relation));
                json!({
                    "relation": contract_name(relation),
                    "classes": names(sees(role, relation).iter().map(contract_name).collect()),
                    "acts": names(acts.map(contract_name).collect()),
                })
            })
            .collect();
        let expected = json!({
            "subject": (!subject.is_empty()).then_some(subject), "role": contract_name(role),
            "organisation": organisation.map(|id| json!({ "id": id.encode() })), "sight": sight,
        });
        assert_eq!(data["viewer"], expected);
    }
}

#[tokio::test]
async fn a_membership_that_ends_or_changes_counts_from_the_next_request_on() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 1).await;
    let guest = hub.guest("operator").await;
    let document =
        "query($guest: ID!, $facility: ID!) { viewer { subject role organisation { id } } guest(by: { id: $guest })
        { id } facility(by: { id: $facility }) { address { number } } }";
    let variables = json!({ "guest": guest, "facility": facility });
    let data = hub.data("operator", document, variables.clone()).await;
    let operator =
        json!({ "subject": "operator", "role": "OPERATOR", "organisation": { "id": world.bodies.operator.encode() } });
    assert_eq!(data["viewer"], operator);
    assert_eq!((&data["guest"]["id"], &data["facility"]["address"]["number"]), (&json!(guest), &json!("1")));

    let board = || hub.graph.hub().live_board.board();
    let member = Member { subject: "operator".into(), role: Role::Analyst, organisation: world.bodies.operator };
    world.store.put_member(&member).await.unwrap();
    until("the new role", async || board().member("operator").is_some_and(|member| member.role == Role::Analyst)).await;
    let data = hub.data("operator", document, variables.clone()).await;
    assert_eq!(data["viewer"]["role"], "ANALYST");
    assert_eq!((&data["guest"], &data["facility"]), (&Value::Null, &json!({ "address": null })));
    let refused =
        hub.order("operator", "registerGuest", "guest { id }", json!({ "input": crate::harness::person() })).await;
    assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN");

    let member = Member { role: Role::Operator, organisation: world.bodies.other_operator, ..member };
    world.store.put_member(&member).await.unwrap();
    let moved = || board().member("operator").is_some_and(|member| member.organisation == world.bodies.other_operator);
    until("the new organisation", async || moved()).await;
    let data = hub.data("operator", document, variables.clone()).await;
    assert_eq!((&data["guest"], &data["facility"]), (&Value::Null, &Value::Null));

    assert!(world.store.remove_member("operator").await.unwrap());
    until("the member is gone", async || board().member("operator").is_none()).await;
    let (status, body) = raw(&hub, "operator", document, &variables).await;
    assert_eq!(status, StatusCode::FORBIDDEN, "{body}");
    assert!(!body.contains("data"), "{body}");
}

#[tokio::test]
async fn a_token_that_is_not_good_lets_nobody_in() {
    let world = World::new().await;
    let hub = world.hub().await;
    let now = world.clock.now();
    let hours_ago = |hours: i64| tavolo_schema::DateTime::from_millis(now.millis() - hours * 3_600_000).unwrap();
    let good = hub.token("province");
    let parts: Vec<&str> = good.split('.').collect();
    let encoded = |claims: Value| URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = encoded(json!({ "alg": "none", "typ": "JWT" }));
    let symmetric = encoded(json!({ "alg": "HS256", "typ": "JWT" }));
    let later = now.millis() / 1_000 + 3_600;
    let altered = encoded(json!({ "sub": "central_service", "exp": later }));
    let endless = encoded(json!({ "sub": "province" }));
    let mut signature = parts[2].as_bytes().to_vec();
    signature[10] = if signature[10] == b'A' { b'B' } else { b'A' };
    let signature = String::from_utf8(signature).unwrap();

    let unauthorised = (StatusCode::UNAUTHORIZED, "UNAUTHENTICATED");
    for (what, authorization, (status, code)) in [
        ("expired", format!("Bearer {}", SIGNER.sign("province", hours_ago(2), 3_600).unwrap()), unauthorised),
        ("wrongly signed", format!("Bearer {}.{}.{signature}", parts[0], parts[1]), unauthorised),
        ("altered", format!("Bearer {}.{altered}.{}", parts[0], parts[2]), unauthorised),
        ("not signed", format!("Bearer {none}.{}.", parts[1]), unauthorised),
        ("called not signed", format!("Bearer {none}.{}.{}", parts[1], parts[2]), unauthorised),
        ("of another algorithm", format!("Bearer {symmetric}.{}.{}", parts[1], parts[2]), unauthorised),
        ("without an end", format!("Bearer {}.{endless}.{}", parts[0], parts[2]), unauthorised),
        (
            "of another key",
            format!("Bearer {}", Signer::generate().unwrap().sign("province", now, 3_600).unwrap()),
            unauthorised,
        ),
        ("no token", "Bearer province".into(), unauthorised),
        ("empty", "Bearer ".into(), unauthorised),
        ("of another scheme", format!("Basic {good}"), unauthorised),
        ("of no member", format!("Bearer {}", hub.token("nobody")), (StatusCode::FORBIDDEN, "FORBIDDEN")),
        ("good", format!("Bearer {good}"), (StatusCode::OK, "")),
        ("good, by another case", format!("bearer {good}"), (StatusCode::OK, "")),
    ] {
        let request = hub.http.post(format!("http://{}/graphql", hub.address)).header("authorization", authorization);
        let answer = request.json(&json!({ "query": "{ viewer { role } }" })).send().await.unwrap();
        assert_eq!(answer.status(), status, "a token that is {what}");
        let body: Value = answer.json().await.unwrap();
        if status == StatusCode::OK {
            assert_eq!(body["data"]["viewer"]["role"], "PROVINCE", "{what}");
        } else {
            assert_eq!(body["errors"][0]["extensions"]["code"], code, "{what}");
            assert!(body.get("data").is_none(), "{what}");
        }
    }
    // A good token runs out by the clock, though it was good before.
    let (status, _) = raw_with(&hub, &good).await;
    assert_eq!(status, StatusCode::OK);
    world.clock.advance(std::time::Duration::from_secs(3_600 + 31));
    let (status, body) = raw_with(&hub, &good).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED, "{body}");
}

async fn raw_with(hub: &Client, token: &str) -> (StatusCode, String) {
    let request = hub.http.post(format!("http://{}/graphql", hub.address)).bearer_auth(token);
    let answer = request.json(&json!({ "query": "{ viewer { role } }" })).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}
