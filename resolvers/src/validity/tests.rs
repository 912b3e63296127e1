//! What is valid, and what is told of what is not.

use async_graphql::parser::parse_query;
use serde_json::{Value as Json, json};

use super::*;

fn found(text: &str) -> Vec<String> {
    document(text).err().unwrap_or_default().into_iter().map(|error| error.message).collect()
}

fn refused(text: &str, values: Json) -> Option<String> {
    let parsed = parse_query(text).unwrap();
    let (_, operation) = parsed.operations.iter().next().unwrap();
    variables(&operation.node, &Variables::from_json(values)).err().map(|error| error.message)
}

#[test]
fn a_document_is_valid_or_told_what_is_wrong() {
    for valid in [
        include_str!("../../testdata/introspection.graphql"),
        "{ viewer { role } }",
        "query($id: ID!) { facility(by: { id: $id }) { id } node(id: 5) { id } }",
        "{ statistics(from: \"2026-01-01\", to: \"2026-06-30\") { madeAt } }",
        "query($ids: [ID!] = [], $kind: OrganisationKind) {
            nodes(ids: $ids) { id } organisations(filter: { kind: $kind }) { totalCount } }",
        "query A { ...a } query B($id: ID!) { ...b }
            fragment a on Query { node(id: \"\") { id } } fragment b on Query { nodes(ids: [$id]) { id } }",
        "query($on: Boolean = true) { viewer { role @include(if: $on) } }",
    ] {
        assert_eq!(found(valid), Vec::<String>::new(), "{valid}");
    }
    for (invalid, errors) in [
        ("{ weather }", 1),
        // A text where an enum belongs, though it names one of its values.
        ("query($kind: String) { organisations(filter: { kind: $kind }) { totalCount } }", 1),
        ("query($a: Int @nothing) { facilities(first: $a) { totalCount } }", 1),
        ("{ organisations(filter: { text: \"a\", text: \"b\" }) { totalCount } }", 1),
        ("{ facilities(first: 2147483648) { totalCount } }", 1),
        ("{ statistics(from: \"2026-02-30\", to: \"2026-06-31\") { madeAt } }", 2),
        ("{ facility(by: { id: \"a\", code: \"b\" }) { id } }", 1),
        ("{ facility(by: {}) { id } }", 1),
        ("{ facility(by: { id: null }) { id } }", 1),
        ("query($id: ID) { facility(by: { id: $id }) { id } }", 1),
        ("query($id: ID) { nodes(ids: [$id]) { id } }", 1),
        ("query($text: Int) { organisations(filter: { text: $text }) { totalCount } }", 1),
    ] {
        assert_eq!(found(invalid).len(), errors, "{invalid}: {:?}", found(invalid));
    }
}

#[test]
fn a_variable_is_what_it_is_declared_as() {
    let register = "mutation($input: RegisterGuestInput!) { registerGuest(input: $input) { guest { id } } }";
    let guest = json!({
        "surname": "Rossi", "sex": "M", "birthDate": "2001-01-01", "citizenships": "NGA", "legalStatus": "REFUGEE",
    });
    assert_eq!(refused(register, json!({ "input": guest })), None);
    assert_eq!(refused(register, json!({})).unwrap(), "the variable $input of type RegisterGuestInput! is missing");
    assert_eq!(refused(register, json!({ "input": null })).unwrap(), "$input of type RegisterGuestInput! is null");
    for (field, value, told) in [
        ("birthDate", json!("2001-02-30"), "$input.birthDate is no Date"),
        ("sex", json!("Z"), "$input.sex is no Sex"),
        ("citizenships", json!(["NGA", 5]), "$input.citizenships.1 is no String"),
        ("surname", json!(null), "$input.surname of type String! is null"),
        ("nickname", json!("Rossi"), "$input has a field nickname, which RegisterGuestInput has not"),
        ("household", json!({ "role": "KING" }), "$input.household.role is no HouseholdRole"),
    ] {
        let mut input = guest.clone();
        input[field] = value;
        assert_eq!(refused(register, json!({ "input": input })).unwrap(), told);
    }
    let by = "query($by: FacilityBy!) { facility(by: $by) { id } }";
    assert_eq!(refused(by, json!({ "by": { "id": 5 } })), None);
    for by_two in [json!({}), json!({ "id": "a", "code": "b" }), json!({ "id": null })] {
        assert!(refused(by, json!({ "by": by_two })).unwrap().starts_with("$by: exactly one field"));
    }
    let page = "query($n: Int = 5, $at: DateTime) { facilities(first: $n) { totalCount } }";
    assert_eq!(refused(page, json!({ "n": 7 })), None);
    assert_eq!(refused(page, json!({ "n": null })), None);
    for n in [json!(2_147_483_648_i64), json!(1.5), json!("7"), json!(true)] {
        assert_eq!(refused(page, json!({ "n": n })).unwrap(), "$n is no Int");
    }
    assert_eq!(refused(page, json!({ "at": "yesterday" })).unwrap(), "$at is no DateTime");
}
