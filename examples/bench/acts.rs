//! Acts: how long an admission takes, and how long until a subscriber of another hub knows.

use std::time::Instant;

use serde_json::{Value, json};
use tavolo::command::Failure;

use crate::{
    Args, Bench,
    client::{Client, Events},
    process::{Server, cpu_micros},
    table::{Row, Samples, Table},
};

const ROOMS: &str = r#"{
  facilities(filter: {municipality: "101010", category: ORDINARY, freePlacesAtLeast: 4}, first: 100) { nodes { id } }
}"#;

const REGISTER: &str = "mutation($input: RegisterGuestInput!) {
  registerGuest(input: $input) { guest { id } irregularities { code severity path message } }
}";

const ADMIT: &str = "mutation($input: AdmitGuestInput!) {
  admitGuest(input: $input) { stay { id status } irregularities { code severity path message } }
}";

const DISCHARGE: &str = "mutation($input: DischargeGuestInput!) {
  dischargeGuest(input: $input) { stay { id status } irregularities { code severity path message } }
}";

const WATCH: &str = r#"subscription {
  occupancyChanged(filter: {municipality: "101010"}) {
    cursor kind facility { id code name } category capacity { occupied free } cause occurredAt registeredAt
  }
}"#;

/// Free places that every facility of [`ROOMS`] has.
const PLACES: usize = 4;

/// Acts before the first that counts.
const WARM_UP: usize = 10;

pub(crate) async fn measure(args: &Args, bench: &Bench, database: &str, table: &mut Table) -> Result<(), Failure> {
    let (here, there) = (Server::hub(bench, database).await?, Server::hub(bench, database).await?);
    let token = bench.token()?;
    let client = Client::new(&here, &token);
    let rooms = rooms(&client, args.admissions + WARM_UP).await?;
    let stays = admissions(bench, &here, &client, &rooms, table).await?;
    discharges(&client, &stays, table).await?;
    let mut events = Client::new(&there, &token).subscribe(WATCH).await?;
    if events.drain().await == 0 {
        return Err("the subscription does not begin with the state".into());
    }
    deliveries(&client, &mut events, &stays, table).await
}

/// A facility for each admission.
async fn rooms(client: &Client, wanted: usize) -> Result<Vec<Value>, Failure> {
    let data = client.data(ROOMS, json!({})).await?;
    let found = data["facilities"]["nodes"].as_array().cloned().unwrap_or_default();
    let rooms: Vec<Value> = found.iter().cycle().take(found.len() * PLACES).map(|node| node["id"].clone()).collect();
    match rooms.len() {
        enough if enough >= wanted => Ok(rooms.into_iter().take(wanted).collect()),
        few => Err(format!("{wanted} admissions need more facilities: there are {few} free places").into()),
    }
}

/// A guest who has been admitted.
struct Hosted {
    guest: Value,
    facility: Value,
    stay: Value,
}

/// Registers and admits, turn by turn, so that both meet the same machine.
async fn admissions(
    bench: &Bench,
    hub: &Server,
    client: &Client,
    rooms: &[Value],
    table: &mut Table,
) -> Result<Vec<Hosted>, Failure> {
    let mut hosted = Vec::new();
    let (mut registering, mut admitting) = (Vec::new(), Vec::new());
    let (mut of_hub, mut of_mongod) = (0.0, 0.0);
    for (number, facility) in rooms.iter().enumerate() {
        let (took, data) = timed(client, REGISTER, person(number)).await?;
        registering.push(took);
        let guest = data["registerGuest"]["guest"]["id"].clone();
        let before = (cpu_micros(hub.pid)?, cpu_micros(bench.mongod.pid())?);
        let (took, data) = timed(client, ADMIT, admission(&guest, facility)).await?;
        admitting.push(took);
        of_hub += cpu_micros(hub.pid)? - before.0;
        of_mongod += cpu_micros(bench.mongod.pid())? - before.1;
        hosted.push(Hosted { guest, facility: facility.clone(), stay: data["admitGuest"]["stay"]["id"].clone() });
    }
    let registering: Samples = registering.into_iter().skip(WARM_UP).collect();
    let admitting: Samples = admitting.into_iter().skip(WARM_UP).collect();
    let of = "`registerGuest`, in turns";
    table.add(Row::new("admission, until it is answered", "ms", admitting).goal(10.0).reference(of, &registering));
    let each = |micros: f64| [micros / 1_000.0 / rooms.len() as f64].into_iter().collect::<Samples>();
    let mongod = each(of_mongod);
    table.add(Row::new("hub CPU per admission", "ms", each(of_hub)).reference("mongod CPU", &mongod));
    Ok(hosted)
}

async fn discharges(client: &Client, stays: &[Hosted], table: &mut Table) -> Result<(), Failure> {
    let mut took = Vec::new();
    for hosted in stays {
        let input = json!({ "stay": hosted.stay, "reason": "SOCIO_ECONOMIC_INTEGRATION" });
        took.push(timed(client, DISCHARGE, input).await?.0);
    }
    table.add(Row::new("discharge, until it is answered", "ms", took.into_iter().skip(WARM_UP).collect()));
    Ok(())
}

/// Admits everybody again at one hub while a subscriber listens at another.
async fn deliveries(client: &Client, events: &mut Events, stays: &[Hosted], table: &mut Table) -> Result<(), Failure> {
    let (mut answered, mut delivered, mut after) = (Vec::new(), Vec::new(), Vec::new());
    for hosted in stays {
        let from = Instant::now();
        let (took, _) = timed(client, ADMIT, admission(&hosted.guest, &hosted.facility)).await?;
        let facility = hosted.facility.as_str().unwrap_or_default();
        let event = millis(from, events.arrival("ADMISSION", facility).await?);
        answered.push(took);
        delivered.push(event);
        after.push(event - took);
    }
    let of = "the answer to the admission";
    let answered: Samples = answered.into_iter().skip(WARM_UP).collect();
    let what = "change to a subscriber of another hub, since the request";
    let delivered = delivered.into_iter().skip(WARM_UP).collect();
    table.add(Row::new(what, "ms", delivered).goal(10.0).reference(of, &answered));
    let what = "the same, since the answer (negative: the event was first)";
    table.add(Row::new(what, "ms", after.into_iter().skip(WARM_UP).collect()));
    Ok(())
}

/// Performs an act and tells the milliseconds until its answer.
async fn timed(client: &Client, document: &str, input: Value) -> Result<(f64, Value), Failure> {
    let from = Instant::now();
    let data = client.data(document, json!({ "input": input })).await?;
    Ok((millis(from, Instant::now()), data))
}

fn millis(from: Instant, to: Instant) -> f64 {
    to.duration_since(from).as_secs_f64() * 1_000.0
}

/// An invented adult, a different one for each number.
fn person(number: usize) -> Value {
    json!({
        "surname": format!("Prova {number}"), "givenNames": "Persona", "sex": "M", "birthDate": "1996-03-12",
        "citizenships": ["NGA"], "languages": ["eng"], "legalStatus": "ASYLUM_APPLICANT",
    })
}

fn admission(guest: &Value, facility: &Value) -> Value {
    json!({ "guest": guest, "facility": facility, "category": "ORDINARY" })
}
