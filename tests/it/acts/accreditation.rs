//! The acts of the accreditation procedure.

use serde_json::json;

use super::case::{
    By::{Keeper, Province},
    Case, name,
};

pub(super) const SUBMIT: Case = Case {
    mutation: "submitAccreditation",
    thing: "accreditation",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_FACILITY"),
    input: |stage| json!({ "facility": stage.facility, "places": [{ "category": "ORDINARY", "places": 4 }] }),
    other: |input| input["draft"] = json!(true),
    names: &[
        |input, theirs| name(input, "facility", &theirs.facility),
        |input, theirs| name(input, "accreditation", &theirs.submitted),
    ],
};

pub(super) const DECIDE: Case = Case {
    mutation: "decideAccreditation",
    thing: "accreditation",
    by: &[Province],
    unknown: Some("UNKNOWN_ACCREDITATION"),
    input: |stage| json!({ "accreditation": stage.submitted, "outcome": "ACCREDITED", "actNumber": "Determina-2" }),
    other: |input| input["actNumber"] = json!("Determina-3"),
    names: &[],
};

pub(super) const SUSPEND: Case = Case {
    mutation: "suspendAccreditation",
    thing: "accreditation",
    by: &[Province],
    unknown: Some("UNKNOWN_ACCREDITATION"),
    input: |stage| json!({ "accreditation": stage.accreditation, "reason": "Verbale di ispezione" }),
    other: |input| input["reason"] = json!("Un'altra ragione"),
    names: &[],
};

pub(super) const REVOKE: Case = Case { mutation: "revokeAccreditation", ..SUSPEND };
