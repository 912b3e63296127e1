//! The acts on the files of guests.

use serde_json::json;

use super::case::{
    By::{CentralService, Keeper, Province},
    Case,
};
use crate::harness::person;

/// The cases of these acts, in the order they can be performed in.
pub(super) const CASES: &[Case] = &[REGISTER];

const REGISTER: Case = Case {
    mutation: "registerGuest",
    thing: "guest",
    by: &[Province, CentralService, Keeper],
    unknown: None,
    input: |_| person(),
    other: |input| input["sex"] = json!("F"),
    names: &[|input, theirs| {
        input["household"] = json!({ "id": theirs.household, "role": "CHILD" });
        theirs.household.clone()
    }],
};
