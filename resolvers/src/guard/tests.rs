//! What the guard refuses, and what it lets through at which cost.

use std::{path::Path, sync::LazyLock};

use async_graphql::parser::parse_query;
use serde_json::json;

use tavolo_schema::{
    Address, DateTime, Facility, FacilityType, Municipality, Role, Standing,
    id::{FacilityId, OrganisationId},
};
use tavolo_store::changes::BoardChange;
use tavolo_subscriptions::Board;

use super::*;
use crate::{lists::CONTRACT, price::Asks};

/// The Province sees everything.
fn seen(board: &Board) -> Seen<'_> {
    static PROVINCE: LazyLock<Standing> = LazyLock::new(|| Standing { role: Role::Province, ..Standing::public() });
    Seen::new(board, &PROVINCE)
}

fn refusal(document: &str) -> Option<String> {
    let document = parse_query(document).unwrap();
    check(&document, &Variables::default(), &LIMITS, seen(&Board::default())).err().map(|error| error.message)
}

fn nested(levels: usize) -> String {
    "{a".repeat(levels) + &"}".repeat(levels)
}

fn added_up(times: usize) -> String {
    (0..times).map(|n| format!("s{n}: statistics(from: \"2026-01-01\", to: \"2026-12-31\") {{ from }} ")).collect()
}

#[test]
fn ordinary_documents_pass() {
    assert_eq!(refusal(include_str!("../../testdata/introspection.graphql")), None);
    assert_eq!(refusal("{ facilities(first: 50) { nodes { id capacity { category free } } } }"), None);
    assert_eq!(refusal(&nested(16)), None);
    assert_eq!(refusal(&format!("{{ {} }}", added_up(12))), None);
    let history = "{ occupancyHistory(from: \"2025-01-01T00:00:00Z\") { at capacity { free occupied } } }";
    assert_eq!(refusal(history), None);
}

#[test]
fn each_limit_refuses_what_breaks_it() {
    let aliases: String = (0..201).map(|number| format!("a{number}: role ")).collect();
    let roots = "viewer ".repeat(51);
    let names = "name ".repeat(2_900);
    let many = "role ".repeat(4_001);
    let variables: Vec<String> = (0..101).map(|number| format!("$v{number}: Int")).collect();
    let directives = "@skip(if: true)".repeat(101);
    let fragments: String = (0..101).map(|number| format!("fragment f{number} on Viewer {{ role }} ")).collect();
    for (document, limit) in [
        (nested(17), "levels"),
        (format!("{{ viewer {{ {aliases} }} }}"), "aliases"),
        (format!("{{ {roots} }}"), "root fields"),
        (format!("{{ viewer {{ {many} }} }}"), "fields"),
        (format!("query({}) {{ viewer }}", variables.join(",")), "variables"),
        (format!("{{ viewer {{ role {directives} }} }}"), "directives"),
        (format!("{{ viewer {{ role }} }} {fragments}"), "definitions"),
        (format!("{{ viewer {{ role }} }} fragment a on Viewer {{ {many} }}"), "fields"),
        (
            "{ __schema { types { fields { type { fields { args { type { inputFields { name } } } } } } } } }".into(),
            "length of lists",
        ),
        (format!("{{ __schema {{ types {{ fields {{ type {{ fields {{ {names} }} }} }} }} }} }}"), "length of lists"),
        (format!("{{ __schema {{ types {{ fields {{ {names} }} }} }} }}"), "length of lists"),
        (format!("{{ __type(name: \"Query\") {{ fields {{ args {{ {names} }} }} }} }}"), "length of lists"),
        ("{ a(first: 100) { b(last: 100) { c(first: 100) { d } } } }".into(), "length of lists"),
        (format!("{{ {} }}", added_up(16)), "length of lists"),
    ] {
        let refusal = refusal(&document).unwrap_or_default();
        assert!(refusal.contains(limit), "{limit}: {refusal}");
    }
}

#[test]
fn fragments_that_spread_each_other_sixty_times_are_measured_once_each() {
    let mut document = String::from("{ viewer { ...f0 } }");
    for level in 0..8 {
        let spreads = format!("...f{} ", level + 1).repeat(60);
        document += &format!(" fragment f{level} on Viewer {{ {spreads} }}");
    }
    document += " fragment f8 on Viewer { role }";
    assert!(refusal(&document).unwrap_or_default().contains("fields"));
}

fn cost(document: &str, variables: serde_json::Value) -> u64 {
    check(&parse_query(document).unwrap(), &Variables::from_json(variables), &LIMITS, seen(&Board::default())).unwrap()
}

#[test]
fn the_cost_counts_each_field_as_often_as_it_may_come() {
    let list = "query($n: Int = 7) { facilities(first: $n) { nodes { id } } }";
    let constant = "{ facilities(first: 7) { nodes { id } } }";
    assert_eq!(cost(constant, json!({})), 15);
    assert_eq!(cost(list, json!({})), 15, "the default of a variable counts");
    assert_eq!(cost(list, json!({ "n": 3 })), 7);
    assert_eq!(cost("{ facilities { nodes { id } } }", json!({})), 41, "a page is as long as it is");
    assert_eq!(cost(list, json!({ "n": -5 })), 3, "nothing wraps around");
    assert_eq!(cost("{ facilities(first: -9223372036854775808) { nodes { id } } }", json!({})), 3);
    assert_eq!(cost("mutation { a: blockPlaces { facility } b: blockPlaces { facility } }", json!({})), 5_004);
    assert_eq!(cost("query($x: String) { facilities(after: $x) { nodes { id } } }", json!({})), 41);
}

#[test]
fn more_variables_than_may_be_declared_may_not_be_sent_either() {
    let sent: serde_json::Map<_, _> = (0..100_000).map(|number| (format!("v{number}"), json!(1))).collect();
    let document = parse_query("{ viewer { role } }").unwrap();
    let refused = check(&document, &Variables::from_json(sent.into()), &LIMITS, seen(&Board::default())).unwrap_err();
    assert!(refused.message.contains("variables"), "{}", refused.message);
}

#[test]
fn a_subscription_has_exactly_one_field_at_its_root() {
    let one = "subscription { occupancyChanged { kind } }";
    assert_eq!(refusal(one), None);
    for more in [
        "subscription { a: occupancyChanged { kind } b: occupancyChanged { kind } }",
        "subscription { ...f } fragment f on Subscription { a: occupancyChanged { kind } b: accreditationChanged { kind } }",
    ] {
        assert!(refusal(more).unwrap_or_default().contains("exactly one field"), "{more}");
    }
}

#[test]
fn a_fragment_that_spreads_itself_is_refused() {
    let document = "{ viewer { ...f } } fragment f on Viewer { ...g } fragment g on Viewer { ...f }";
    assert!(refusal(document).unwrap_or_default().contains("spreads itself"));
    assert!(refusal("{ ...f } fragment f on Query { ...f }").is_some());
}

#[test]
fn what_there_is_not_costs_what_there_is() {
    let cost = |document: &str| cost(document, json!({}));
    assert_eq!(cost("{ viewer { role __typename } }"), 3);
    assert_eq!(cost("{ viewer { rolle __typename } }"), 3);
    assert_eq!(cost("{ viewer { role ...nothing } }"), 3);
}

#[test]
fn fragments_that_lead_nowhere_cost_no_time_either() {
    let mut document = String::from("{ ...f0 }");
    for level in 0..12 {
        let spreads = format!("...f{} ", level + 1).repeat(60);
        document += &format!(" fragment f{level} on Query {{ {spreads} }}");
    }
    // Nobody defines the last one, so there is no field at all.
    assert!(refusal(&document).unwrap_or_default().contains("fields"));
}

#[test]
fn the_introspection_costs_what_the_contract_has_to_tell() {
    let cost = |document: &str| cost(document, json!({}));
    let whole = cost(include_str!("../../testdata/introspection.graphql"));
    assert!(whole > 10_000 && whole < LIMITS.cost / 2, "{whole}");
    let (types, fields) = (cost("{ __schema { types { name } } }"), cost("{ __schema { types { fields { name } } } }"));
    assert!(2 * types < fields && fields < 20 * types, "the fields of all types are counted: {types}, {fields}");
    // By fragments it is the same.
    let spread =
        "{ __schema { ...s } } fragment s on __Schema { types { ...t } } fragment t on __Type { fields { name } }";
    assert_eq!(cost(spread), fields);
}

#[test]
fn a_list_is_as_long_as_its_variable_or_its_default() {
    // Ids are looked for in each collection of the vault.
    let Some(Asks::Things(collections)) = CONTRACT.edge("Query", "nodes").and_then(|edge| edge.asks) else {
        panic!("nodes are things by id")
    };
    let command = price::work(Asks::Things(1), false, 0, Sizes { facilities: 0, entries: &|| 0 }).all();
    let of_nodes = collections * command;
    let node = |value: &str| format!("query($id: ID = \"x\", $ids: [ID!]! = {value}) {{ nodes(ids: $ids) {{ id }} }}");
    assert_eq!(
        cost(&node("[\"a\", \"b\", \"c\"]"), json!({})),
        4 + of_nodes + 3 * 20,
        "three nodes and the list itself"
    );
    assert_eq!(cost(&node("[]"), json!({ "ids": ["a", "b"] })), 3 + of_nodes + 2 * 20);
    assert_eq!(cost("query($id: ID = \"x\") { nodes(ids: [$id, $id]) { id } }", json!({})), 3 + of_nodes + 2 * 20);
    assert_eq!(
        cost("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", json!({})),
        101 + of_nodes + 100 * 20,
        "of what nobody knows, the most"
    );
    let page = "query($n: Int) { facilities(first: $n) { nodes { id } } }";
    for (sent, expected) in [(json!({}), 41), (json!({ "n": null }), 41), (json!({ "n": "many" }), 201)] {
        assert_eq!(cost(page, sent.clone()), expected, "{sent}");
    }
    let both =
        "query A($n: Int = 3) { facilities(first: $n) { nodes { id } } } query B($n: Int = 5) { viewer { role } }";
    assert_eq!(cost(both, json!({})), 11, "where operations differ, the longest");
}

#[test]
fn lists_that_are_not_paged_are_counted_as_well() {
    let months = "{ statistics(from: \"2020-01-01\", to: \"2026-12-31\") { movementsByMonth { month } } }";
    assert_eq!(cost(months, json!({})), 10_000 + 1 + 120 + (2 * 300 + 12 * 1_024));
    let capacity = "{ facility(by: { code: \"KR-F-0001\" }) { capacity { free } } }";
    assert_eq!(cost(capacity, json!({})), 1 + 1 + 3);
    let nested = "accreditations { facility { ".repeat(3) + "code" + &" } }".repeat(3);
    assert!(refusal(&format!("{{ facility(by: {{ code: \"KR-F-0001\" }}) {{ {nested} }} }}")).is_some());
    assert_eq!(cost("{ occupancy(groupBy: CATEGORY) { capacity { free } } }", json!({})), 1 + 3 * 2);
}

fn municipality(number: usize) -> Municipality {
    Municipality {
        istat_code: format!("101{number:03}"),
        name: "Crotone".into(),
        cadastral_code: "D122".into(),
        postal_code: "88900".into(),
        population: 0,
        province: "KR".into(),
    }
}

fn facility(number: usize) -> Facility {
    let began = DateTime::from_millis(1_795_420_800_000).unwrap();
    let organisation = OrganisationId::fresh(began);
    Facility {
        id: FacilityId::fresh(began),
        code: format!("KR-F-{number:04}"),
        name: "Casa".into(),
        facility_type: FacilityType::Apartment,
        municipality: "101010".into(),
        address: Address { street: "Via Roma".into(), number: "1".into(), postal_code: "88900".into() },
        operator: organisation,
        holder: organisation,
        project_code: None,
        rooms: Vec::new(),
        bathrooms: None,
        barrier_free: false,
        revision: 1,
    }
}

/// The `.graphql` files of a folder and of those in it.
fn documents(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let found = entries.flat_map(|path| match path.extension() {
        _ if path.is_dir() => documents(&path),
        Some(ending) if ending == "graphql" => vec![std::fs::read_to_string(&path).unwrap()],
        _ => Vec::new(),
    });
    found.collect()
}

#[test]
fn our_own_documents_pass_in_a_province_of_two_thousand_facilities() {
    let (root, board) = (Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), board(2_000, 27));
    let own: Vec<String> =
        ["web/src", "examples"].into_iter().flat_map(|folder| documents(&root.join(folder))).collect();
    assert!(own.len() > 15, "{} documents", own.len());
    for document in own {
        let parsed = parse_query(&document).unwrap();
        for by in ["FACILITY", "MUNICIPALITY"] {
            let variables = Variables::from_json(json!({ "groupBy": by }));
            assert!(check(&parsed, &variables, &LIMITS, seen(&board)).is_ok(), "{document}");
        }
    }
}

#[test]
fn an_entry_may_be_irregular_in_as_many_ways_as_it_has_values() {
    let document =
        "mutation($rooms: [RoomInput!]) { registerFacility(input: { rooms: $rooms }) { irregularities { code } } }";
    let cost = |rooms: usize| cost(document, json!({ "rooms": vec![json!({ "letter": "", "beds": 1 }); rooms] }));
    assert_eq!(cost(2), 2_500 + 1 + 101);
    assert!((2_500 + 2_500..6_500).contains(&cost(500)), "{}", cost(500));
}

/// A board with so many facilities and municipalities.
fn board(facilities: usize, municipalities: usize) -> Board {
    let mut board = Board::default();
    (0..municipalities).for_each(|number| board.apply(BoardChange::Municipality(municipality(number))));
    (0..facilities).for_each(|number| board.apply(BoardChange::Facility(facility(number))));
    board
}

#[test]
fn groups_are_counted_as_many_as_there_are_now() {
    let cost = |document: &str, by: &str, board: &Board| {
        let variables = Variables::from_json(json!({ "by": by }));
        check(&parse_query(document).unwrap(), &variables, &LIMITS, seen(board))
    };
    let (small, large) = (board(10, 27), board(2_000, 27));
    // Whatever they are added up by, all facilities are walked over; what is watched, five times a second.
    let (small_walk, large_walk) = (16 / 4, 2_048 / 4);
    for (document, walks) in [
        ("query($by: OccupancyGrouping!) { occupancy(groupBy: $by) { facilities } }", 1),
        ("subscription($by: OccupancyGrouping!) { totalsChanged(groupBy: $by) { kind } }", 300),
    ] {
        let small = |by: &str| cost(document, by, &small).unwrap() - walks * small_walk;
        let large = |by: &str| cost(document, by, &large).unwrap() - walks * large_walk;
        assert_eq!(small("FACILITY"), 11);
        assert_eq!(small("ANOTHER"), 28, "of what nobody knows, the most");
        assert_eq!(large("FACILITY"), 2_001);
        assert_eq!(large("MUNICIPALITY"), 28);
        assert_eq!(large("CATEGORY"), 4);
        assert_eq!(large("PROVINCE"), 2);
    }
    let stays = "{ occupancy(groupBy: FACILITY) { facility { stays(first: 100) { nodes { guest { surname } } } } } }";
    assert!(cost(stays, "", &large).is_err() && cost(stays, "", &small).is_ok());
    let places = "{ occupancy(groupBy: FACILITY) { facility { code address { street } municipality { name } }
        capacity { accredited installed blocked allocable occupied reserved free overCapacity occupancyRate } } }";
    assert!(cost(places, "", &large).is_ok());
}

#[test]
fn a_variable_weighs_wherever_it_stands() {
    let zeros = vec![0; 29_000];
    let list = format!("query($i: [Int]) {{ a(ids: [{}]) {{ b }} }}", "$i ".repeat(2_900));
    let object = "query($i: [Int]) { a(by: { x: { y: [$i] } }) { b } }".into();
    let directive = "query($i: [Int]) { a @skip(if: $i) @include(if: $i) { b } }".into();
    let fragments = format!("query($i: [Int]) {{ {} }} fragment f on Query {{ a(ids: $i) }}", "...f ".repeat(40));
    for document in [list, object, directive, fragments] {
        let document = parse_query(document).unwrap();
        let refusal = |zeros: &[i32]| {
            let variables = Variables::from_json(json!({ "i": zeros }));
            check(&document, &variables, &LIMITS, seen(&Board::default())).err().map(|refusal| refusal.message)
        };
        let began = std::time::Instant::now();
        let refused = refusal(&zeros).unwrap_or_default();
        assert!(refused.contains("values"), "{refused}");
        assert!(began.elapsed().as_millis() < 200, "nothing is copied: {:?}", began.elapsed());
        assert_eq!(refusal(&[0]), None);
    }
}

#[test]
fn a_default_and_a_text_weigh_as_well() {
    let zeros = "0 ".repeat(2_000);
    assert!(refusal(&format!("query($i: [Int] = [{zeros}]) {{ a(ids: [{}]) }}", "$i ".repeat(50))).is_some());
    let document = "query($s: String) { viewer(x: $s, y: { z: [$s] }) }";
    let long = json!({ "s": "x".repeat(400_000) });
    assert_eq!(cost(document, long), 1 + 2 * 400_000 / 1_024 * 64, "{document}");
    let longer = Variables::from_json(json!({ "s": "x".repeat(600_000) }));
    let refused = check(&parse_query(document).unwrap(), &longer, &LIMITS, seen(&Board::default())).unwrap_err();
    assert!(refused.message.contains("bytes of text"), "{}", refused.message);
}

/// The Province's costs and those of somebody who sees no facility, on the same board.
fn both(document: &str, board: &Board) -> [u64; 2] {
    let document = parse_query(document).unwrap();
    let public = Standing::public();
    [seen(board), Seen::new(board, &public)]
        .map(|seen| check(&document, &Variables::default(), &LIMITS, seen).unwrap_or_default())
}

#[test]
fn what_the_viewer_does_not_see_costs_the_viewer_nothing() {
    let (none, many) = (board(0, 27), board(2_000, 27));
    // How many facilities there are in all is no secret: totals say it.
    let walk = 2_048 / 4;
    for (document, walks) in [
        ("{ occupancy(groupBy: FACILITY) { facilities } }", 1),
        ("{ occupancy(groupBy: OPERATOR) { facilities } }", 1),
        ("{ statistics(from: \"2026-01-01\", to: \"2026-12-31\") { hosted { count } } }", 0),
        ("{ guests(filter: { surname: \"A\" }) { totalCount } }", 0),
        ("{ facilities(first: 20) { nodes { accreditations { id } } } }", 1),
    ] {
        assert_eq!(both(document, &many)[1], both(document, &none)[1] + walks * walk, "{document}");
    }
    let [province, public] = both("{ occupancy(groupBy: FACILITY) { facilities } }", &many);
    assert_eq!((province, public), (2_001 + walk, 2 + walk));
}
