//! What an answer costs: nothing in the database for the board, a constant number of commands for the vault.

use async_graphql::{Request, Variables};
use serde_json::{Value, json};
use tavolo::{
    seed::{Scale, fill},
    serve::open_store,
};
use tavolo_resolvers::{Graph, Hub, Viewer};
use tavolo_schema::{
    Member, Role,
    id::{FacilityId, GuestId, OrganisationId},
};
use tavolo_subscriptions::Follower;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::harness::{World, database_key, until};

/// A hub without a listener and without a timekeeper: the only commands are those of the requests.
struct Quiet {
    graph: Graph,
    _stop: DropGuard,
}

impl Quiet {
    async fn start(world: &World) -> Self {
        let store = open_store(&world.settings).await.unwrap().with_key(database_key()).await.unwrap();
        let (live_board, follower) = Follower::open(store.clone()).await.unwrap();
        let stop = CancellationToken::new();
        tokio::spawn(follower.run(stop.clone()));
        let graph = Graph::new(Hub { store, live_board, clock: world.clock.clock() });
        Self { graph, _stop: stop.drop_guard() }
    }

    /// The data of an answer, and how many commands it cost.
    async fn ask(&self, subject: &str, document: &str, variables: Value) -> (Value, u64) {
        let member = self.graph.hub().live_board.board().member(subject).cloned();
        let viewer = Viewer { member, ..Viewer::default() };
        let request = Request::new(document).variables(Variables::from_json(variables));
        let before = self.graph.hub().store.commands();
        let answer = self.graph.execute(request, viewer).await;
        let cost = self.graph.hub().store.commands() - before;
        assert_eq!(answer.errors, [], "{document}");
        (answer.data.into_json().unwrap(), cost)
    }
}

/// A world with invented facilities and guests on it.
async fn filled(facilities: usize, guests: usize) -> World {
    let world = World::new().await;
    fill(&world.store, &world.clock.clock(), &Scale { facilities, guests, seed: 7 }, |_| ()).await.unwrap();
    world
}

/// The document of the issue that outside measurements send.
const FACILITIES: &str = "{ facilities(filter: {municipality: \"101010\"}, first: 50) { nodes {
    id code name municipality { istatCode name } operator { id name kind }
    capacity { category accredited installed blocked allocable occupied reserved free overCapacity occupancyRate }
    accreditation { id status validUntil } } } }";

#[tokio::test(flavor = "multi_thread")]
async fn everything_on_the_board_costs_no_database_command() {
    let world = filled(60, 200).await;
    let hub = Quiet::start(&world).await;
    let (data, cost) = hub.ask("province", FACILITIES, json!({})).await;
    let found = data["facilities"]["nodes"].as_array().unwrap();
    assert!(!found.is_empty());
    assert_eq!(cost, 0);
    let (facility, code) = (&found[0]["id"], &found[0]["code"]);
    let (operator, accreditation) = (&found[0]["operator"]["id"], &found[0]["accreditation"]["id"]);
    let ids = json!({ "facility": facility, "operator": operator, "accreditation": accreditation });
    let numbers =
        "{ accredited installed blocked allocable occupied reserved free overCapacity occupancyRate utilisationRate }";
    let group = |by: &str| {
        format!(
            "{{ occupancy(groupBy: {by}) {{ province municipality {{ name }} category operator {{ name }}
            facility {{ code address {{ street }} }} facilities capacity {numbers} }} }}"
        )
    };
    let documents = [
        format!("{{ facility(by: {{ code: {code} }}) {{ id name type municipality {{ name }} address {{ street number postalCode }}
            operator {{ name }} holder {{ name }} projectCode rooms {{ letter beds }} bathrooms barrierFree revision
            capacity {{ category blocks {{ id }} }} occupancy {numbers} accreditations {{ id granted {{ places }} facility {{ id }} }}
            irregularities {{ code }} }} }}"),
        format!("{{ facility(by: {{ id: {facility} }}) {{ occupancy {numbers} }} }}"),
        "query($facility: ID!, $operator: ID!, $accreditation: ID!) { node(id: $facility) { __typename id }
            nodes(ids: [$facility, $operator, $accreditation]) { __typename id } }"
            .into(),
        format!("{{ organisation(by: {{ id: {operator} }}) {{ name taxCode }} }}"),
        "{ organisations(first: 100, filter: { kind: MANAGING_BODY }) { nodes { id name municipality { name } } totalCount } }".into(),
        "{ municipalities { istatCode name population } }".into(),
        "{ accreditations(first: 100, filter: { status: ACCREDITED }) { nodes { id status facility { name } } totalCount } }".into(),
        format!("{{ accreditation(by: {{ id: {accreditation} }}) {{ id status validUntil facility {{ code }} }} }}"),
        "{ viewer { subject role organisation { name } sight { relation classes acts } } }".into(),
        "{ facilities(filter: { text: \"kr-f\", category: ORDINARY, freePlacesAtLeast: 1, accreditationStatus: ACCREDITED },
            orderBy: { field: FREE_PLACES, direction: DESC }, first: 100) { nodes { id } totalCount } }"
            .into(),
        group("MUNICIPALITY"),
        group("OPERATOR"),
        group("CATEGORY"),
        group("FACILITY"),
        group("PROVINCE"),
    ];
    for document in documents {
        let declared = if document.contains("$facility") { ids.clone() } else { json!({}) };
        let (data, cost) = hub.ask("province", &document, declared).await;
        let first = data.as_object().unwrap().values().next().unwrap();
        assert!(!first.is_null() && *first != json!([]), "{document}\n{data}");
        assert_eq!(cost, 0, "{document}");
    }
    // Forbidden persons do not cost a command either.
    let vault = "query($guest: ID!) { guest(by: { id: $guest }) { id } node(id: $guest) { id } guests { totalCount } }";
    let guest = GuestId::fresh(world.clock.now()).encode();
    for subject in ["", "analyst", "prefecture"] {
        let (data, cost) = hub.ask(subject, vault, json!({ "guest": guest })).await;
        assert_eq!((data, cost), (json!({ "guest": null, "node": null, "guests": null }), 0), "{subject}");
    }
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn fifty_stays_with_guest_and_facility_cost_as_many_commands_as_five() {
    let world = filled(1, 80).await;
    let hub = Quiet::start(&world).await;
    let document = "query($first: Int!) { facilities(first: 1) { nodes { stays(first: $first) { nodes {
        id status guest { surname facility { name } household { members { surname } } } facility { name municipality { name } }
    } } } } }";
    let mut costs = Vec::new();
    for first in [5, 50] {
        let (data, cost) = hub.ask("province", document, json!({ "first": first })).await;
        let stays = data["facilities"]["nodes"][0]["stays"]["nodes"].as_array().unwrap();
        assert_eq!(stays.len(), first);
        assert!(stays.iter().all(|stay| stay["guest"]["household"]["members"][0]["surname"].is_string()));
        costs.push(cost);
    }
    // Stays, guests, households: one command for each edge into the vault.
    assert_eq!(costs, [3, 3]);
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_facilities_with_stays_with_guests_cost_as_many_commands_as_two() {
    let world = filled(25, 200).await;
    let hub = Quiet::start(&world).await;
    let document = "query($first: Int!) { facilities(first: $first) { nodes { name stays(first: 5) { nodes {
        guest { surname stays(first: 3) { nodes { facility { name } } } } } } } } }";
    let mut costs = Vec::new();
    for first in [2, 20] {
        let (data, cost) = hub.ask("province", document, json!({ "first": first })).await;
        let facilities = data["facilities"]["nodes"].as_array().unwrap();
        assert_eq!(facilities.len(), first);
        assert!(facilities.iter().all(|facility| {
            facility["stays"]["nodes"][0]["guest"]["stays"]["nodes"][0]["facility"]["name"].is_string()
        }));
        costs.push(cost);
    }
    assert_eq!(costs, [3, 3]);
    drop(hub);
}

/// An order that is repeated is answered from its record, so it costs what its payload costs, and as much as any other.
#[tokio::test(flavor = "multi_thread")]
async fn a_payload_asks_once_for_what_its_records_share() {
    let world = World::new().await;
    let ordinary = world.hub().await;
    let facility = world.house(&ordinary, 5).await;
    let guest = ordinary.guest("operator").await;
    let hub = Quiet::start(&world).await;
    let known = async || {
        let id = FacilityId::decode(&facility).unwrap();
        hub.graph.hub().live_board.board().facility(id).is_some_and(|state| !state.accreditations.is_empty())
    };
    until("the quiet hub knows the facility", known).await;
    let repeated = async |mutation: &str, kind: &str, records: &str, input: Value| {
        let document = format!(
            "mutation($input: {kind}!) {{ {mutation}(input: $input, idempotencyKey: \"{mutation}\") {{ {records} }} }}"
        );
        let (first, _) = hub.ask("operator", &document, json!({ "input": input })).await;
        let (second, cost) = hub.ask("operator", &document, json!({ "input": input })).await;
        assert_eq!(first, second);
        assert!(first[mutation]["facility"]["id"].is_string(), "{first}");
        cost
    };
    let install = json!({ "facility": facility, "category": "ORDINARY", "installed": 6 });
    let of_board = repeated("installPlaces", "InstallPlacesInput", "facility { id }", install).await;
    let admit = json!({ "facility": facility, "guest": guest, "category": "ORDINARY" });
    let with_stay = repeated("admitGuest", "AdmitGuestInput", "stay { id } facility { id }", admit).await;
    assert_eq!(with_stay, of_board + 1, "the stay is asked for once, for itself and for its facility");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_nodes_of_the_vault_cost_one_command_for_each_kind() {
    let world = filled(2, 60).await;
    let hub = Quiet::start(&world).await;
    let (data, cost) =
        hub.ask("province", "{ guests(first: 50) { nodes { id stays(first: 1) { nodes { id } } } } }", json!({})).await;
    assert_eq!(cost, 2);
    let guests = data["guests"]["nodes"].as_array().unwrap();
    let ids: Vec<&Value> = guests.iter().flat_map(|guest| [&guest["id"], &guest["stays"]["nodes"][0]["id"]]).collect();
    let (data, cost) =
        hub.ask("province", "query($ids: [ID!]!) { nodes(ids: $ids) { __typename id } }", json!({ "ids": ids })).await;
    let found: Vec<&Value> = data["nodes"].as_array().unwrap().iter().map(|node| &node["id"]).collect();
    assert_eq!(found, ids);
    assert_eq!(cost, 2);
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_operator_may_not_see_is_left_out_at_the_same_cost() {
    let world = filled(3, 30).await;
    let board = Follower::open(world.store.clone()).await.unwrap().0.board();
    let place = board.facilities(None).next().unwrap();
    let (facility, operator): (FacilityId, OrganisationId) = (place.facility.id, place.facility.operator);
    let member = Member { subject: "keeper".into(), role: Role::Operator, organisation: operator };
    world.store.put_member(&member).await.unwrap();
    let hub = Quiet::start(&world).await;
    let document =
        "query($facility: ID!) { facility(by: { id: $facility }) { stays(first: 5) { nodes { guest { surname } } } } }";
    let mut costs = Vec::new();
    let another = if operator == world.bodies.operator { "other_operator" } else { "operator" };
    for (subject, sees) in [("keeper", true), (another, false), ("analyst", false)] {
        let (data, cost) = hub.ask(subject, document, json!({ "facility": facility.encode() })).await;
        assert_eq!(data["facility"]["stays"]["nodes"][0]["guest"]["surname"].is_string(), sees, "{subject}");
        costs.push(cost);
    }
    assert_eq!(costs, [2, 0, 0]);
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_read_once_and_then_what_is_new() {
    let world = filled(30, 60).await;
    let hub = Quiet::start(&world).await;
    let history = "{ occupancyHistory(from: \"2026-01-01T00:00:00Z\") { at capacity { free occupied } } }";
    let (first, read) = hub.ask("prefecture", history, json!({})).await;
    assert!(read > 0, "the ledger is in the database");
    let (again, cost) = hub.ask("prefecture", history, json!({})).await;
    assert_eq!((again, cost), (first.clone(), 0));
    let at = "{ occupancy(groupBy: PROVINCE, at: \"2026-06-30T12:00:00Z\") { facilities capacity { occupied } } }";
    let (then, cost) = hub.ask("prefecture", at, json!({})).await;
    assert_eq!((&then["occupancy"][0]["facilities"], cost), (&json!(30), 0));

    // One more entry in the ledger of one pool: one command reads it.
    let client = world.hub().await;
    let facility = client.facility(world.bodies.operator, world.bodies.province, "ORDINARY", 3).await;
    let known = async || hub.graph.hub().live_board.board().facility(FacilityId::decode(&facility).unwrap()).is_some();
    crate::harness::until("the quiet hub knows the facility", known).await;
    let guest = client.guest("operator").await;
    client.admit("operator", &guest, &facility).await;
    let last = |answer: &Value| answer["occupancyHistory"].as_array().unwrap().last().unwrap()["capacity"].clone();
    let before = last(&first)["occupied"].as_i64().unwrap();
    let seen = async || last(&hub.ask("prefecture", history, json!({})).await.0)["occupied"] == before + 1;
    crate::harness::until("the quiet hub knows of the admission", seen).await;
    assert_eq!(hub.ask("prefecture", history, json!({})).await.1, 0);
    for question in [history, at] {
        hub.ask("", question, json!({})).await;
        assert_eq!(hub.ask("", question, json!({})).await.1, 1, "what the public was told is looked up");
    }
    drop(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn statistics_read_stays_and_particulars_and_no_name() {
    let mut costs = Vec::new();
    for guests in [10, 90] {
        let world = filled(4, guests).await;
        let hub = Quiet::start(&world).await;
        let statistics = "query($from: Date!, $to: Date!) { statistics(from: $from, to: $to) { hosted { count }
            bySex { sex count } byCitizenship { citizenship count } exitsByReason { reason count }
            arrivalsBySex { count } lengthOfStay { meanDays } } }";
        let period = |from: &str, to: &str| json!({ "from": from, "to": to });
        let (data, cost) = hub.ask("province", statistics, period("2026-01-01", "2026-10-31")).await;
        assert!(data["statistics"]["hosted"]["count"].as_i64() > Some(4), "{data}");
        costs.push(cost);
        let half = period("2026-01-01", "2026-06-30");
        for _ in 0..2 {
            let (data, cost) = hub.ask("analyst", statistics, half.clone()).await;
            assert_eq!(data["statistics"]["bySex"][0], json!({ "sex": "F", "count": null }));
            costs.push(cost);
        }
        let (data, cost) = hub.ask("", statistics, half).await;
        assert_eq!((data, cost), (json!({ "statistics": null }), 0));
        drop(hub);
    }
    // One command for the stays and one for the people; before and after them, whether there is a table, and keeping it.
    assert_eq!(costs, [2, 6, 1, 2, 6, 1]);
}
