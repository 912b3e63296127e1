//! The acts by which a guest takes a place and leaves it.

use serde_json::json;

use super::case::{
    By::{Keeper, Province},
    Case, name,
};

/// The cases of these acts, in the order they can be performed in.
pub(super) const CASES: &[Case] = &[ADMIT, DISCHARGE];

const ADMIT: Case = Case {
    mutation: "admitGuest",
    thing: "stay",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_FACILITY"),
    input: |stage| json!({ "guest": stage.waiting, "facility": stage.facility, "category": "MENTAL_HEALTH_OR_DISABILITY" }),
    other: |input| input["category"] = json!("ORDINARY"),
    names: &[
        |input, theirs| name(input, "guest", &theirs.guest),
        |input, theirs| name(input, "facility", &theirs.facility),
    ],
};

const DISCHARGE: Case = Case {
    mutation: "dischargeGuest",
    thing: "stay",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_STAY"),
    input: |stage| json!({ "stay": stage.open, "reason": "TERM_EXPIRED" }),
    other: |input| input["reason"] = json!("OTHER"),
    names: &[|input, theirs| name(input, "stay", &theirs.open)],
};
