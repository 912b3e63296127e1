//! Values that are sent and values that come back.

use serde_json::{Value, json};
use tavolo_schema::{
    Organisation, OrganisationKind,
    id::{OrganisationId, fresh},
};

use super::TestClock;

/// An organisation without much ado.
pub fn organisation(name: &str, kind: OrganisationKind, municipality: Option<&str>) -> Organisation {
    Organisation {
        id: OrganisationId::fresh(TestClock::new().now()),
        name: name.into(),
        kind,
        tax_code: None,
        municipality: municipality.map(Into::into),
        revision: 1,
    }
}

/// An invented adult, a different one each time.
pub fn person() -> Value {
    let name = fresh(TestClock::new().now()).simple().to_string();
    json!({
        "surname": format!("Prova {name}"), "givenNames": "Persona", "sex": "M", "birthDate": "1996-03-12",
        "citizenships": ["NGA"], "languages": ["eng"], "legalStatus": "ASYLUM_APPLICANT",
    })
}

/// A string of a response.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// The codes of a payload's irregularities that block.
pub fn blocking(payload: &Value) -> Vec<String> {
    let found = payload["irregularities"].as_array().unwrap();
    found.iter().filter(|found| found["severity"] == "BLOCK").map(|found| text(&found["code"])).collect()
}

/// The codes of all of a payload's irregularities.
pub fn codes(payload: &Value) -> Vec<String> {
    payload["irregularities"].as_array().unwrap().iter().map(|found| text(&found["code"])).collect()
}

/// The type of a mutation's input, such as `AdmitGuestInput`.
pub fn input_type(mutation: &str) -> String {
    format!("{}{}Input", mutation[..1].to_uppercase(), &mutation[1..])
}

/// A document that performs one mutation: `$input`, and beside it `$key` and `$only`, which can be left out.
pub fn mutation_document(mutation: &str, selection: &str) -> String {
    format!(
        "mutation($input: {}!, $key: String, $only: Boolean! = false) {{
            {mutation}(input: $input, idempotencyKey: $key, validateOnly: $only) {{ {selection} }} }}",
        input_type(mutation)
    )
}
