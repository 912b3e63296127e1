//! The acts of the accreditation procedure.

use serde_json::json;

use super::case::{
    By::{Keeper, Province},
    Case, name,
};

/// The cases of these acts, in the order they can be performed in.
pub(super) const CASES: &[Case] = &[SUBMIT, DECIDE];

/// Those that end an accreditation: after them nobody is admitted.
pub(super) const ENDS: &[Case] = &[SUSPEND, REVOKE];

const SUBMIT: Case = Case {
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

const DECIDE: Case = Case {
    mutation: "decideAccreditation",
    thing: "accreditation",
    by: &[Province],
    unknown: Some("UNKNOWN_ACCREDITATION"),
    input: |stage| json!({ "accreditation": stage.submitted, "outcome": "ACCREDITED", "actNumber": "Determina-2" }),
    other: |input| input["actNumber"] = json!("Determina-3"),
    names: &[],
};

const SUSPEND: Case = Case {
    mutation: "suspendAccreditation",
    thing: "accreditation",
    by: &[Province],
    unknown: Some("UNKNOWN_ACCREDITATION"),
    input: |stage| json!({ "accreditation": stage.accreditation, "reason": "Verbale di ispezione" }),
    other: |input| input["reason"] = json!("Un'altra ragione"),
    names: &[],
};

const REVOKE: Case = Case { mutation: "revokeAccreditation", ..SUSPEND };
