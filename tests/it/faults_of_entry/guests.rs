//! What is said of a guest.

use serde_json::{Value, json};
use tavolo_schema::id::HouseholdId;

use super::{findings, pairs, refused};
use crate::{
    harness::{World, codes, person},
    stage::{accepted, provisional_tax_code},
};

#[tokio::test]
async fn every_tax_code_vector_is_judged_at_the_door() {
    let world = World::new().await;
    let hub = world.hub().await;
    let mut seen = 0;
    for line in include_str!("../../../examples/data/tax_code_vectors.csv").lines().skip(1) {
        let columns: Vec<&str> = line.split(',').collect();
        let mut input = person();
        input["taxCode"] = json!(columns[0]);
        if columns[2] == "true" {
            let payload = hub.act("operator", "registerGuest", "guest { taxCode }", input).await;
            assert_eq!(payload["guest"]["taxCode"], columns[0], "{line}\n{payload:#}");
        } else {
            let payload = refused(&world, &hub, "operator", "registerGuest", input, &["TAX_CODE_INVALID"]).await;
            assert_eq!(findings(&payload), pairs(&[("TAX_CODE_INVALID", "input.taxCode")]), "{line}");
        }
        seen += 1;
    }
    assert_eq!(seen, 17);
    // As people type it: the same code again, in lower case and with blanks around it.
    let mut input = person();
    input["taxCode"] = json!(" kfrcnd96c12z335w ");
    refused(&world, &hub, "operator", "registerGuest", input, &["DUPLICATE_PERSON"]).await;
}

#[tokio::test]
async fn a_guest_is_checked_as_a_whole_and_every_problem_told_at_once() {
    let world = World::new().await;
    let hub = world.hub().await;
    let changed = |changes: Value| {
        let mut input = person();
        for (field, value) in changes.as_object().unwrap() {
            input[field] = value.clone();
        }
        input
    };
    let household = json!({ "id": HouseholdId::fresh(world.clock.now()).encode() });
    for (changes, code, path) in [
        (json!({ "surname": " " }), "TEXT_MISSING", "input.surname"),
        (json!({ "birthDate": "2026-11-24" }), "DATE_IN_FUTURE", "input.birthDate"),
        (json!({ "birthDate": "1915-11-22" }), "AGE_IMPLAUSIBLE", "input.birthDate"),
        (json!({ "unaccompaniedMinor": true }), "NOT_A_MINOR", "input.unaccompaniedMinor"),
        (json!({ "citizenships": [] }), "CITIZENSHIP_MISSING", "input.citizenships"),
        (json!({ "citizenships": ["NGA", "XYZ"] }), "UNKNOWN_COUNTRY", "input.citizenships.1"),
        (json!({ "languages": ["eng", "english"] }), "UNKNOWN_LANGUAGE", "input.languages.1"),
        (json!({ "taxCode": "KFRCND96C12Z335X" }), "TAX_CODE_INVALID", "input.taxCode"),
        (json!({ "household": household }), "UNKNOWN_HOUSEHOLD", "input.household.id"),
    ] {
        let payload = refused(&world, &hub, "operator", "registerGuest", changed(changes), &[code]).await;
        assert_eq!(findings(&payload), pairs(&[(code, path)]));
    }
    let all = changed(json!({
        "surname": "", "birthDate": "2030-01-01", "citizenships": ["QQQ"], "languages": ["x"], "taxCode": "1",
        "household": household,
    }));
    let expected = [
        "TEXT_MISSING",
        "DATE_IN_FUTURE",
        "UNKNOWN_COUNTRY",
        "UNKNOWN_LANGUAGE",
        "TAX_CODE_INVALID",
        "UNKNOWN_HOUSEHOLD",
    ];
    refused(&world, &hub, "operator", "registerGuest", all, &expected).await;

    // The same person: by a code it is refused, by particulars it is marked.
    let known = changed(json!({ "taxCode": provisional_tax_code(1), "cuiCode": "CUI1", "vestanetCode": "KR1" }));
    accepted(&hub, "registerGuest", "guest", known.clone()).await;
    for (field, value) in
        [("taxCode", json!(provisional_tax_code(1))), ("cuiCode", json!("cui1 ")), ("vestanetCode", json!("KR1"))]
    {
        let same = changed(json!({ field: value }));
        let payload = refused(&world, &hub, "province", "registerGuest", same, &["DUPLICATE_PERSON"]).await;
        assert_eq!(findings(&payload), pairs(&[("DUPLICATE_PERSON", &format!("input.{field}"))]));
    }
    let mut alike = known;
    for field in ["taxCode", "cuiCode", "vestanetCode"] {
        alike[field] = Value::Null;
    }
    let payload = hub.act("province", "registerGuest", "guest { id }", alike).await;
    assert_eq!(findings(&payload), pairs(&[("POSSIBLE_DUPLICATE", "input")]));
    assert!(payload["guest"]["id"].is_string());

    let italian = changed(json!({ "citizenships": ["ITA"], "givenNames": "" }));
    let payload = hub.act("operator", "registerGuest", "guest { givenNames }", italian).await;
    assert_eq!(findings(&payload), pairs(&[("ITALIAN_CITIZEN", "input.citizenships.0")]));
    assert_eq!(payload["guest"]["givenNames"], "");
    let mismatch = changed(json!({ "taxCode": "HSSMNA01M65Z345L" }));
    let payload = hub.act("operator", "registerGuest", "guest { id }", mismatch).await;
    assert_eq!(codes(&payload), ["TAX_CODE_MISMATCH"; 3], "date, sex and country");
}
