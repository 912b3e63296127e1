//! The acts on the register of facilities.

use serde_json::json;

use super::case::{
    By::{Keeper, Province},
    Case, name,
};
use crate::stage::{Setting, house_input};

/// The cases of these acts, in the order they can be performed in.
pub(super) const CASES: &[Case] = &[REGISTER, REVISE];

const REGISTER: Case = Case {
    mutation: "registerFacility",
    thing: "facility",
    by: &[Province, Keeper],
    unknown: None,
    input: |stage| {
        let mut house = house_input(Setting { number: stage.setting.number + 50, ..stage.setting });
        house["rooms"] = json!([]);
        house
    },
    other: |input| input["name"] = json!("Casa diversa"),
    names: &[],
};

const REVISE: Case = Case {
    mutation: "reviseFacility",
    thing: "facility",
    by: &[Province, Keeper],
    unknown: Some("UNKNOWN_FACILITY"),
    input: |stage| json!({ "facility": stage.facility, "bathrooms": 3 }),
    other: |input| input["bathrooms"] = json!(4),
    names: &[|input, theirs| name(input, "facility", &theirs.facility)],
};
