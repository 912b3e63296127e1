//! The projects of the province, brought to the table.

use async_graphql::InputType;
use futures_util::future::try_join_all;
use serde::Deserialize;
use serde_json::{Value, json};
use tavolo_schema::{
    DateTime, FacilityType, OrganisationKind, PlaceCategory, contract_name,
    facility::{AddressInput, RegisterFacilityInput, RoomInput},
    id::OrganisationId,
};

use super::{
    acts::{BLOCK, DECIDE, INSTALL, REGISTER, SUBMIT},
    client::DemoClient,
    past::{self, SettableClock},
    plan::Plan,
};
use crate::{command::Failure, invent::Inventor, world::World};

/// The published projects 2014-2016: 250 places.
const PROJECTS: &str = include_str!("../../examples/data/crotone_projects_2014_2016.csv");

/// Places of one facility at most, when a project is spread.
const LARGEST: i32 = 16;

#[derive(Deserialize)]
struct Project {
    project: String,
    holder: String,
    holder_kind: OrganisationKind,
    municipality_istat: String,
    category: PlaceCategory,
    places: i32,
}

/// Registers, equips and accredits every facility, and lives through its year.
pub(super) async fn fill(client: &DemoClient, world: &World, inventor: &mut Inventor) -> Result<(), Failure> {
    let now = client.graph.hub().clock.now();
    let mut plans = Vec::new();
    for project in csv::Reader::from_reader(PROJECTS.as_bytes()).deserialize() {
        spread(project?, world, inventor, now, &mut plans)?;
    }
    // In the order of the projects, so that codes follow them; then everything else at once.
    let mut registered = Vec::new();
    for plan in plans {
        let input = plan.input.to_value().into_json()?;
        let data = client.run(plan.input.operator, REGISTER, json!({ "input": input })).await?;
        registered.push((data["registerFacility"]["facility"]["id"].clone(), plan));
    }
    try_join_all(registered.iter().map(|(facility, plan)| open(client, world.province.id, facility, plan))).await?;
    Ok(())
}

/// Spreads a project over facilities of about the same size.
fn spread(
    project: Project,
    world: &World,
    inventor: &mut Inventor,
    now: DateTime,
    plans: &mut Vec<Plan>,
) -> Result<(), Failure> {
    let mut bodies = std::iter::once(&world.province).chain(&world.authorities);
    let holder = bodies
        .find(|body| body.kind == project.holder_kind && body.name == project.holder)
        .ok_or_else(|| format!("nobody is called {}", project.holder))?;
    let municipality = world.municipalities.iter().find(|found| found.istat_code == project.municipality_istat);
    let postal_code = municipality.map(|found| found.postal_code.clone()).unwrap_or_default();
    let facilities = (project.places + LARGEST - 1) / LARGEST;
    for part in 0..facilities {
        let places = project.places / facilities + i32::from(part < project.places % facilities);
        let number = plans.len();
        let (street, civic_number) = inventor.street();
        let rooms = inventor.rooms(places).into_iter();
        let input = RegisterFacilityInput {
            name: inventor.house(number),
            facility_type: facility_type(project.category, places),
            municipality: project.municipality_istat.clone(),
            address: AddressInput { street, number: civic_number, postal_code: postal_code.clone() },
            operator: world.operators[number % world.operators.len()].id,
            holder: holder.id,
            project_code: Some(project.project.clone()),
            rooms: rooms
                .map(|room| RoomInput { letter: room.letter, beds: room.beds, square_metres: room.square_metres })
                .collect(),
            bathrooms: Some(places / 5 + 1),
            barrier_free: number.is_multiple_of(3),
        };
        // One facility in seven has little time left; one in five has a room out of service.
        let blocked = i32::from(number % 5 == 4);
        let beds = (places * i32::try_from(75 + inventor.below(25)).unwrap_or(80) / 100).min(places - blocked);
        let opening = past::opening(number, now);
        let person = |inventor: &mut Inventor, at: DateTime| {
            Ok(inventor.person(project.category, at.day()).to_value().into_json()?)
        };
        plans.push(Plan {
            input,
            category: project.category,
            places,
            opening,
            valid_until: now.day().plus_months(if number % 7 == 3 { 2 } else { 23 }),
            blocked,
            visits: past::visits(beds, opening, now, inventor, person)?,
        });
    }
    Ok(())
}

fn facility_type(category: PlaceCategory, places: i32) -> FacilityType {
    match category {
        PlaceCategory::UnaccompaniedMinor => FacilityType::MinorsCommunity,
        PlaceCategory::MentalHealthOrDisability => FacilityType::HealthCommunity,
        PlaceCategory::Ordinary if places > 12 => FacilityType::CollectiveCentre,
        PlaceCategory::Ordinary => FacilityType::Apartment,
    }
}

async fn open(client: &DemoClient, province: OrganisationId, facility: &Value, plan: &Plan) -> Result<(), Failure> {
    let now = client.graph.hub().clock.now();
    let hand = SettableClock::at(plan.opening);
    let client = &client.at(hand.clock());
    let operator = plan.input.operator;
    let category = contract_name(plan.category);
    let installed = json!({ "input": { "facility": facility, "category": category, "installed": plan.places } });
    client.run(operator, INSTALL, installed).await?;
    let places = json!([{ "category": category, "places": plan.places }]);
    let data = client.run(operator, SUBMIT, json!({ "input": { "facility": facility, "places": places } })).await?;
    let accreditation = &data["submitAccreditation"]["accreditation"]["id"];
    let decision = json!({ "input": {
        "accreditation": accreditation, "outcome": "ACCREDITED", "validFrom": plan.opening.day().to_string(),
        "validUntil": plan.valid_until.to_string(),
    } });
    client.run(province, DECIDE, decision).await?;
    past::live(client, &hand, facility, plan).await?;
    hand.put(now);
    if plan.blocked > 0 {
        let block = json!({ "input": {
            "facility": facility, "category": category, "places": plan.blocked, "reason": "WORKS",
        } });
        client.run(operator, BLOCK, block).await?;
    }
    Ok(())
}
