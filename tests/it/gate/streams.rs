//! What subscriptions carry.

use std::time::Duration;

use async_graphql::{Request, Variables};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tavolo_resolvers::{Answer, Viewer};
use tavolo_schema::{Member, Role};
use tokio::time::timeout;

use super::{
    Province, VIEWERS,
    ways::{Contract, shown},
};
use crate::{
    contract::fields,
    harness::{PATIENCE, text, until, watch},
};

/// How long nothing must come after the last message that is expected.
const SILENCE: Duration = Duration::from_millis(200);

#[tokio::test]
async fn an_event_never_carries_a_facility_the_viewer_does_not_see() {
    let province = Province::new().await;
    let (hub, contract) = (&province.hub, Contract::read());
    let fields = fields(&contract.0["OccupancyEvent"]);
    let selection: Vec<String> = fields.iter().map(|field| contract.selection("OccupancyEvent", field)).collect();
    let document = format!(
        "subscription($after: String) {{ occupancyChanged(after: $after) {{ {} facility {{ id code name operator {{ id }}
            address {{ street }} stays {{ nodes {{ id guest {{ surname taxCode household {{ id }} }} }} }} }} }} }}",
        selection.join(" ")
    );
    let looking: Vec<_> =
        VIEWERS.into_iter().filter(|(subject, role)| !province.visible(subject, *role).is_empty()).collect();
    assert_eq!(looking.len(), 7, "all but the public see something");
    let mut sockets = Vec::new();
    for (subject, role) in looking {
        let mut socket = hub.subscribe(subject, &document, json!({ "after": null })).await;
        let mut cursor = Value::Null;
        for record in province.visible(subject, role) {
            for _ in 0..2 {
                let event = socket.event().await;
                assert_eq!(event["kind"], "CURRENT");
                assert_eq!(event["facility"]["id"], json!(province.records[record].facility), "{role:?}");
                assert_eq!(province.leaks(subject, role, &event.to_string()), Vec::<String>::new(), "{role:?}");
                cursor = event["cursor"].clone();
            }
        }
        sockets.push((subject, role, socket, cursor));
    }
    let province_cursor = sockets[0].3.clone();

    // Two rounds of changes, so that what leaks after a viewer's last facility shows before its first of the next.
    for round in 0..2 {
        for stage in &province.records {
            let input = json!({
                "facility": stage.facility, "category": "ORDINARY", "installed": 5 + round,
            });
            hub.act("province", "installPlaces", "facility { id }", input).await;
        }
    }
    for (subject, role, mut socket, _) in sockets {
        if role == Role::Analyst {
            // Told by the day: nothing yet, and who comes back is told the state.
            let mut back = hub.subscribe(subject, &document, json!({ "after": province_cursor })).await;
            for record in province.visible(subject, role) {
                for _ in 0..2 {
                    let event = back.event().await;
                    assert_eq!((&event["kind"], &event["cause"]), (&json!("RESYNC"), &Value::Null));
                    assert_eq!(event["facility"]["id"], json!(province.records[record].facility));
                    assert_eq!(province.leaks(subject, role, &event.to_string()), Vec::<String>::new());
                }
            }
            for mut quiet in [socket, back] {
                quiet.send(json!({ "type": "ping" })).await;
                assert_eq!(quiet.next().await["type"], "pong");
            }
            continue;
        }
        // Who comes back with a cursor of somebody else learns no more by it.
        let mut back = hub.subscribe(subject, &document, json!({ "after": province_cursor })).await;
        for round in 0..2 {
            for record in province.visible(subject, role) {
                for event in [socket.event().await, back.event().await] {
                    assert_eq!(event["facility"]["id"], json!(province.records[record].facility), "{role:?}, {round}");
                    assert_eq!(event["cause"], "PLACES_INSTALLED");
                    assert_eq!(province.leaks(subject, role, &event.to_string()), Vec::<String>::new(), "{role:?}");
                    for field in &fields {
                        let field = field.name.node.as_str();
                        assert!(shown(&event[field]), "OccupancyEvent.{field} for {role:?}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn whoever_sees_nothing_hears_nothing_and_a_changed_membership_counts_at_once() {
    let province = Province::new().await;
    let (hub, records) = (&province.hub, &province.records);
    let board = || hub.graph.hub().live_board.board();
    let listen = |subject: &str, filter: Value| {
        let member = board().member(subject).cloned();
        let document =
            "subscription($filter: OccupancyFilter) { occupancyChanged(filter: $filter) { facility { code } } }";
        let request = Request::new(document).variables(Variables::from_json(json!({ "filter": filter })));
        Box::pin(watch(hub, request, Viewer { member, ..Viewer::default() }))
    };
    // So many messages, however long they take, and whatever comes right after them.
    async fn heard<S: futures_util::Stream<Item = Answer> + Unpin>(stream: &mut S, expected: usize) -> Vec<String> {
        let mut codes = Vec::new();
        loop {
            let within = if codes.len() < expected { PATIENCE } else { SILENCE };
            match timeout(within, stream.next()).await {
                Ok(Some(Answer::Refused(errors))) => {
                    let errors: Value = serde_json::from_str(&errors).unwrap();
                    codes.push(text(&errors[0]["message"]));
                }
                Ok(Some(Answer::Next(json))) => {
                    let answer: Value = serde_json::from_str(&json).unwrap();
                    codes.push(text(&answer["data"]["occupancyChanged"]["facility"]["code"]));
                }
                Ok(None) => {
                    codes.push("the end".into());
                    return codes;
                }
                Err(_) => return codes,
            }
        }
    }
    let mut public = listen("", Value::Null);
    assert_eq!(heard(&mut public, 2).await, ["this needs a token", "the end"]);
    let mut foreign = listen("other_operator", json!({ "facility": records[0].facility }));
    let mut foreign_operator = listen("other_operator", json!({ "operator": province.world.bodies.operator.encode() }));
    let mut stranger = listen("municipality", json!({ "municipality": "101012" }));
    let mut prefecture = listen("prefecture", json!({ "category": "ORDINARY" }));
    let all: Vec<String> = records.iter().map(|stage| stage.code.clone()).collect();
    assert_eq!(heard(&mut prefecture, all.len()).await, all, "those who see hear");

    let change = async |installed: i32| {
        for stage in records {
            let input = json!({ "facility": stage.facility, "category": "ORDINARY", "installed": installed });
            hub.act("province", "installPlaces", "facility { id }", input).await;
        }
    };
    change(5).await;
    assert_eq!(heard(&mut prefecture, all.len()).await, all);
    for silent in [&mut foreign, &mut foreign_operator, &mut stranger] {
        assert_eq!(heard(silent, 0).await, Vec::<String>::new());
    }

    // Somebody changes sides, and later leaves.
    let store = &province.world.store;
    let member = Member {
        subject: "prefecture".into(),
        role: Role::Operator,
        organisation: province.world.bodies.other_operator,
    };
    store.put_member(&member).await.unwrap();
    until("the board shows the new role", async || {
        board().member("prefecture").is_some_and(|member| member.role == Role::Operator)
    })
    .await;
    change(6).await;
    assert_eq!(heard(&mut prefecture, 1).await, [records[5].code.clone()]);
    assert!(store.remove_member("prefecture").await.unwrap());
    until("the board shows that the member has left", async || board().member("prefecture").is_none()).await;
    change(5).await;
    assert_eq!(heard(&mut prefecture, 1).await, ["the end"]);
}
