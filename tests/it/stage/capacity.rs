//! The acts on the places of a facility.

use serde_json::json;
use tavolo_schema::id::BlockId;

use super::case::{
    By::{Keeper, Province},
    Case, name,
};
use crate::harness::TestClock;

/// The cases of these acts, in the order they can be performed in.
pub(super) const CASES: &[Case] = &[INSTALL, BLOCK, UNBLOCK];

const INSTALL: Case = Case {
    mutation: "installPlaces",
    thing: "facility",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_FACILITY"),
    input: |stage| json!({ "facility": stage.facility, "category": "UNACCOMPANIED_MINOR", "installed": 1 }),
    other: |input| input["installed"] = json!(2),
    names: &[|input, theirs| name(input, "facility", &theirs.facility)],
};

const BLOCK: Case = Case {
    mutation: "blockPlaces",
    thing: "block",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_FACILITY"),
    input: |stage| {
        json!({
            "facility": stage.facility, "category": "MENTAL_HEALTH_OR_DISABILITY", "places": 1, "reason": "WORKS",
        })
    },
    other: |input| input["reason"] = json!("HYGIENE"),
    names: &[|input, theirs| name(input, "facility", &theirs.facility)],
};

const UNBLOCK: Case = Case {
    mutation: "unblockPlaces",
    thing: "facility",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_BLOCK"),
    input: |stage| json!({ "block": stage.block }),
    other: |input| input["block"] = json!(BlockId::fresh(TestClock::new().now()).encode()),
    names: &[|input, theirs| name(input, "block", &theirs.block)],
};
