//! What a request costs tells nothing of what its sender does not see, and refusing one costs little.

use serde_json::{Value, json};
use tavolo::edge::Settings;
use tavolo_resolvers::guard::ENTRANCE;

use crate::harness::{Client, World, text, until};

/// What an answer says it has cost, or what is left after one that was refused.
fn cost(answer: &Value) -> u64 {
    answer["extensions"]["cost"]["requested"].as_u64().unwrap_or_else(|| panic!("{answer}"))
}

/// What a subscription is charged, found out as anybody could: by how many of them a budget pays for. One pool costs 1,104,
/// and the budget is that of five and a half.
async fn subscriptions_in_a_budget(world: &World, subject: &str, filter: &Value) -> usize {
    let hub = world.hub_with(Settings { member_budget: 6_072, address_budget: 6_072, ..Settings::default() }).await;
    let query = format!(
        "subscription($f: OccupancyFilter) {{ occupancyChanged(filter: $f) {{ facility {{ accreditations {{ {} }} }} }} }}",
        (0..10).map(|number| format!("a{number}: id ")).collect::<String>()
    );
    let body = json!({ "query": query, "variables": { "f": filter } });
    let mut open = Vec::new();
    loop {
        let mut request = hub.http.post(format!("http://{}/graphql/stream", hub.address)).json(&body);
        if !subject.is_empty() {
            request = request.bearer_auth(hub.token(subject));
        }
        let response = request.header("accept", "text/event-stream").send().await.unwrap();
        if response.status() != 200 {
            return open.len();
        }
        open.push(response);
        assert!(open.len() < 20, "a budget has an end");
    }
}

#[tokio::test]
async fn a_subscription_is_charged_for_the_pools_that_its_viewer_sees() {
    let world = World::new().await;
    let hub = world.hub().await;
    let (own, other) = (world.bodies.operator, world.bodies.other_operator);
    for _ in 0..4 {
        hub.facility(other, world.bodies.province, "ORDINARY", 2).await;
    }
    let hidden = hub.facility(other, world.bodies.province, "UNACCOMPANIED_MINOR", 2).await;
    for _ in 0..3 {
        hub.facility(own, world.bodies.province, "ORDINARY", 2).await;
    }
    let of = |operator: tavolo_schema::id::OrganisationId| json!({ "operator": operator.encode() });
    let nothing = json!({ "operator": world.bodies.prefecture.encode() });
    for subject in ["", "operator"] {
        for filter in
            [nothing.clone(), of(other), json!({ "facility": hidden }), json!({ "category": "UNACCOMPANIED_MINOR" })]
        {
            let told = subscriptions_in_a_budget(&world, subject, &filter).await;
            assert_eq!(told, 5, "{subject}: {filter}");
        }
    }
    for (subject, filter, paid) in [("", of(own), 5), ("operator", of(own), 1), ("province", of(other), 1)] {
        assert_eq!(subscriptions_in_a_budget(&world, subject, &filter).await, paid, "{subject}");
    }
}

async fn costs(hub: &Client, subject: &str) -> Vec<u64> {
    let documents = [
        "{ facilities(first: 20) { nodes { accreditations { id facility { code } } } } }",
        "{ occupancy(groupBy: FACILITY) { facilities } }",
        "{ occupancy(groupBy: OPERATOR) { facilities } }",
        "{ guests(first: 5, filter: { surname: \"A\" }) { totalCount nodes { surname } } }",
        "{ statistics(from: \"2026-01-01\", to: \"2026-10-31\") { hosted { count } } }",
        "{ nodes(ids: [\"a\", \"b\"]) { id } }",
    ];
    let mut costs = Vec::new();
    for document in documents {
        costs.push(cost(&hub.send(subject, document, Value::Null).await));
    }
    costs
}

#[tokio::test]
async fn what_another_keeps_raises_nobodys_cost() {
    let world = World::new().await;
    let hub = world.hub().await;
    hub.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 2).await;
    let before = [costs(&hub, "").await, costs(&hub, "operator").await];
    let list = "{ facilities(first: 20) { nodes { accreditations { id } } } }";
    let of_the_province = cost(&hub.send("province", list, Value::Null).await);
    let facility = hub.facility(world.bodies.other_operator, world.bodies.province, "ORDINARY", 2).await;
    let drafted = "mutation($input: SubmitAccreditationInput!) {
        submitAccreditation(input: $input) { accreditation { id } irregularities { code } } }";
    let draft = json!({ "input": { "facility": facility, "places": [{ "category": "ORDINARY", "places": 2 }], "draft": true } });
    for _ in 0..120 {
        let answer = hub.send("other_operator", drafted, draft.clone()).await;
        assert!(answer["data"]["submitAccreditation"]["accreditation"]["id"].is_string(), "{answer}");
    }
    let found = async || {
        let document = "query($f: ID!) { facility(by: { id: $f }) { accreditations { id } }
            accreditations(filter: { facility: $f }, last: 1) { totalCount nodes { id } } }";
        hub.data("province", document, json!({ "f": facility })).await
    };
    until("all are on the board", || async { found().await["accreditations"]["totalCount"] == 121 }).await;
    assert_eq!([costs(&hub, "").await, costs(&hub, "operator").await], before);
    assert_eq!(cost(&hub.send("province", list, Value::Null).await), of_the_province, "one operator's drafts");
    let found = found().await;
    let latest = found["facility"]["accreditations"].as_array().unwrap();
    assert_eq!(latest.len(), 100);
    assert_eq!(text(&latest[0]["id"]), text(&found["accreditations"]["nodes"][0]["id"]), "the latest first");
}

#[tokio::test]
async fn a_document_that_is_wrong_in_many_ways_is_told_ten_of_them() {
    let world = World::new().await;
    let hub = world.hub().await;
    let unknown: String = (0..2_900).map(|number| format!("x{number} ")).collect();
    let unused: Vec<String> = (0..99).map(|number| format!("$v{number}: Int")).collect();
    for (document, more) in [
        // Beside the fields that there are not, none is left.
        (format!("{{ viewer {{ {unknown} }} }}"), 2_891),
        (format!("query({}) {{ viewer {{ role }} }}", unused.join(" ")), 89),
    ] {
        let answer = hub.send("", &document, Value::Null).await;
        let errors = answer["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 11);
        assert_eq!(errors[10]["message"], format!("there are {more} more errors"));
        assert!(errors.iter().all(|error| error["extensions"]["code"] == "BAD_REQUEST"), "{answer}");
        assert!(answer.to_string().len() < 8 * 1_024, "{} bytes", answer.to_string().len());
    }
    let few = hub.send("", "{ viewer { x1 x2 } }", Value::Null).await;
    assert_eq!(few["errors"].as_array().map(Vec::len), Some(3), "each field, and that nothing is left of them");
}

#[tokio::test]
async fn what_is_asked_of_the_database_is_paid_for() {
    let world = World::new().await;
    let hub = world.hub().await;
    let asked = async |document: &str| cost(&hub.send("province", document, Value::Null).await) - ENTRANCE;
    let counted: String = (0..40).map(|number| format!("a{number}: guests(first: 1) {{ totalCount }} ")).collect();
    let paged: String = (0..40).map(|number| format!("a{number}: guests(first: 1) {{ nodes {{ id }} }} ")).collect();
    let (counted, paged) = (asked(&format!("{{ {counted} }}")).await, asked(&format!("{{ {paged} }}")).await);
    assert!(counted >= 40 * (300 + 300 + 1_024 / 4), "{counted}");
    assert!(paged >= 40 * 300 && paged < counted, "{paged}");
    let board = asked("{ facilities(first: 20) { nodes { name } } }").await;
    assert_eq!(board, 1 + 1 + 40, "the board asks nothing of it");
}

/// The time of an answer tells how many commands it took.
#[tokio::test(flavor = "multi_thread")]
async fn the_past_takes_as_many_commands_whether_somebody_has_moved_since_or_not() {
    let world = World::new().await;
    let hub = world.hub().await;
    let facility = hub.facility(world.bodies.operator, world.bodies.municipality, "ORDINARY", 9).await;
    world.clock.advance_days(2);
    // The first publication of a municipality takes commands of its own.
    hub.has_published_the_day().await;
    let commands = async |subject: &str| {
        let before = hub.graph.hub().store.commands();
        hub.data(
            subject,
            "{ occupancy(groupBy: MUNICIPALITY, at: \"2026-11-23T20:00:00Z\") { facilities } }",
            json!({}),
        )
        .await;
        hub.graph.hub().store.commands() - before
    };
    for subject in ["", "analyst"] {
        commands(subject).await;
        let quiet = commands(subject).await;
        let guest = hub.guest("operator").await;
        hub.admit("operator", &guest, &facility).await;
        assert_eq!(commands(subject).await, quiet, "{subject:?}: somebody has moved");
    }
}
