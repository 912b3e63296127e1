//! The acts of the demonstration, as documents.

use serde_json::{Value, json};
use tavolo_schema::{DateTime, id::OrganisationId};

use super::client::DemoClient;
use crate::command::Failure;

pub(super) const REGISTER: &str = "mutation($input: RegisterFacilityInput!) {
    registerFacility(input: $input) { facility { id } irregularities { code severity } } }";
pub(super) const INSTALL: &str = "mutation($input: InstallPlacesInput!) {
    installPlaces(input: $input) { facility { id } irregularities { code severity } } }";
pub(super) const SUBMIT: &str = "mutation($input: SubmitAccreditationInput!) {
    submitAccreditation(input: $input) { accreditation { id } irregularities { code severity } } }";
pub(super) const DECIDE: &str = "mutation($input: DecideAccreditationInput!) {
    decideAccreditation(input: $input) { accreditation { id } irregularities { code severity } } }";
pub(super) const BLOCK: &str = "mutation($input: BlockPlacesInput!) {
    blockPlaces(input: $input) { block { id } irregularities { code severity } } }";
const REGISTER_GUEST: &str = "mutation($input: RegisterGuestInput!) {
    registerGuest(input: $input) { guest { id } irregularities { code severity } } }";
const ADMIT: &str = "mutation($input: AdmitGuestInput!) {
    admitGuest(input: $input) { stay { id } irregularities { code severity } } }";
pub(super) const DISCHARGE: &str = "mutation($input: DischargeGuestInput!) {
    dischargeGuest(input: $input) { stay { id } irregularities { code severity } } }";

pub(super) const REASONS: [&str; 4] =
    ["SOCIO_ECONOMIC_INTEGRATION", "VOLUNTARY_ABANDONMENT", "TERM_EXPIRED", "FAMILY_REUNIFICATION"];

/// Registers a person and gives them a place, now.
pub(super) async fn arrive(
    client: &DemoClient,
    operator: OrganisationId,
    facility: &Value,
    category: &str,
    person: &Value,
) -> Result<(), Failure> {
    let input = json!({ "facility": facility, "category": category });
    place(client, operator, person, input).await.map(drop)
}

/// Registers a person, gives them the place they have had since they arrived, and hands back the stay.
pub(super) async fn admit(
    client: &DemoClient,
    (operator, category): (OrganisationId, String),
    facility: &Value,
    person: &Value,
    arrived: DateTime,
) -> Result<Value, Failure> {
    let input = json!({ "facility": facility, "category": category, "occurredAt": arrived.to_string() });
    place(client, operator, person, input).await
}

async fn place(
    client: &DemoClient,
    operator: OrganisationId,
    person: &Value,
    mut input: Value,
) -> Result<Value, Failure> {
    let data = client.run(operator, REGISTER_GUEST, json!({ "input": person })).await?;
    input["guest"] = data["registerGuest"]["guest"]["id"].clone();
    let mut data = client.run(operator, ADMIT, json!({ "input": input })).await?;
    Ok(data["admitGuest"]["stay"]["id"].take())
}
