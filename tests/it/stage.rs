//! A stage: a facility of which everything is known, with guests, at which every act can be performed.

mod accreditation;
mod capacity;
pub mod case;
mod facility;
mod guest;
mod stay;

use std::{collections::BTreeSet, fmt::Write, sync::LazyLock};

use serde_json::{Value, json};
use tavolo_schema::{
    Act, DataClass, DateTime, PlaceCategory, Position, contract_name,
    guest::GuestFilter,
    id::{FacilityId, MunicipalityId, OrganisationId, PoolId},
};
use tavolo_store::{GuestPage, GuestScope, KeyPage, StayPage, Within};

use self::case::{Case, in_capitals};
use crate::harness::{Client, World, blocking, person, text};

/// A case for each act of members. They can be performed one after the other, in this order.
pub static CASES: LazyLock<Vec<Case>> = LazyLock::new(|| {
    let accreditation = accreditation::CASES;
    [facility::CASES, capacity::CASES, accreditation, guest::CASES, stay::CASES, accreditation::ENDS].concat()
});

/// Whose facility a stage is, and where. The number tells its names and codes from those of others.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    pub number: u32,
    pub operator: OrganisationId,
    pub holder: OrganisationId,
    pub municipality: &'static str,
    pub postal_code: &'static str,
}

impl Setting {
    /// In Crotone.
    pub fn in_crotone(number: u32, operator: OrganisationId, holder: OrganisationId) -> Self {
        Self { number, operator, holder, municipality: "101010", postal_code: "88900" }
    }

    /// In Cutro.
    pub fn in_cutro(number: u32, operator: OrganisationId, holder: OrganisationId) -> Self {
        Self { number, operator, holder, municipality: "101012", postal_code: "88842" }
    }
}

/// A text by which a leak is recognised, and its class.
#[derive(Clone, Debug)]
pub struct Secret {
    pub class: DataClass,
    pub text: String,
}

/// An act that can be performed at a stage.
#[derive(Debug)]
pub struct Order {
    pub case: &'static Case,
    pub input: Value,
    /// A different input that would be accepted as well, or at least understood.
    pub other: Value,
}

/// A facility with ordinary places (four, two guests, three blocked: one guest too many) and two free places for
/// people with a documented need.
pub struct Stage {
    pub setting: Setting,
    pub facility: String,
    pub code: String,
    /// In force, for both categories.
    pub accreditation: String,
    /// Handed in, not decided.
    pub submitted: String,
    pub block: String,
    /// Present since an hour, after an earlier stay in the same facility.
    pub guest: String,
    pub household: String,
    /// The earlier stay, closed.
    pub closed: String,
    /// The stay of the other member of the household, open.
    pub open: String,
    /// A guest without a place, with a documented need, whose file the Province keeps.
    pub waiting: String,
    pub secrets: Vec<Secret>,
}

impl Stage {
    /// Sets the stage, by the Province alone.
    pub async fn set(hub: &Client, setting: Setting) -> Self {
        let Setting { number, .. } = setting;
        let (facility, code) = house(hub, setting).await;
        let places = json!([
            { "category": "ORDINARY", "places": 4 }, { "category": "MENTAL_HEALTH_OR_DISABILITY", "places": 2 },
        ]);
        let accreditation = submit(hub, &facility, &places).await;
        let decision = json!({
            "accreditation": accreditation, "outcome": "ACCREDITED", "actNumber": format!("Determina-{number:02}"),
            "reason": format!("Requisiti verificati {number:02}"),
        });
        accepted(hub, "decideAccreditation", "accreditation", decision).await;
        let submitted = submit(hub, &facility, &json!([{ "category": "ORDINARY", "places": 4 }])).await;

        let head = relative(number, "HEAD", None);
        let guest = accepted(hub, "registerGuest", "guest", head.clone()).await;
        let document = "query($id: ID!) { guest(by: { id: $id }) { household { id } } }";
        let found = hub.data("province", document, json!({ "id": guest })).await;
        let household = text(&found["guest"]["household"]["id"]);
        let partner = relative(number, "PARTNER", Some(&household));
        let other = accepted(hub, "registerGuest", "guest", partner.clone()).await;

        let admission = |guest: &str, hours: i64| {
            let at = hours_ago(hub, hours);
            json!({ "guest": guest, "facility": facility, "category": "ORDINARY", "occurredAt": at })
        };
        let closed = accepted(hub, "admitGuest", "stay", admission(&guest, 3)).await;
        let exit = json!({ "stay": closed, "reason": "CUSTODY", "occurredAt": hours_ago(hub, 2) });
        accepted(hub, "dischargeGuest", "stay", exit).await;
        let again = accepted(hub, "admitGuest", "stay", admission(&guest, 1)).await;
        let open = accepted(hub, "admitGuest", "stay", admission(&other, 1)).await;
        let block = json!({
            "facility": facility, "category": "ORDINARY", "places": 3, "reason": "DAMAGE",
            "note": format!("Tubature {number:02}"), "until": "2027-03-24",
        });
        let block = accepted(hub, "blockPlaces", "block", block).await;
        let mut needy = person();
        needy["specialNeedDocumented"] = json!(true);
        let waiting = accepted(hub, "registerGuest", "guest", needy).await;

        let mut secrets = Vec::new();
        let mut keep = |class, texts: &[&str]| {
            secrets.extend(texts.iter().map(|text| Secret { class, text: (*text).into() }));
        };
        keep(DataClass::Operational, &[&facility, &code, &house_name(number), &format!("PROG-{number:02}")]);
        keep(DataClass::Operational, &[&accreditation, &submitted, &block, &format!("Tubature {number:02}")]);
        keep(DataClass::Address, &[&street(number)]);
        keep(DataClass::Presence, &[&closed, &again, &open]);
        keep(DataClass::Identity, &[&guest, &other, &household]);
        for person in [&head, &partner] {
            for field in ["surname", "givenNames", "birthDate", "taxCode"] {
                keep(DataClass::Identity, &[person[field].as_str().unwrap()]);
            }
            keep(DataClass::Legal, &[person["cuiCode"].as_str().unwrap(), person["vestanetCode"].as_str().unwrap()]);
        }
        Self {
            setting,
            facility,
            code,
            accreditation,
            submitted,
            block,
            guest,
            household,
            closed,
            open,
            waiting,
            secrets,
        }
    }

    /// Everything here that has a global id and is found by it, by type.
    pub fn nodes(&self) -> Vec<(&'static str, String)> {
        let facility = FacilityId::decode(&self.facility).unwrap();
        let municipality = MunicipalityId(self.setting.municipality.to_owned());
        let nodes = [
            ("Accreditation", &self.accreditation),
            ("Block", &self.block),
            ("Capacity", &PoolId((facility, PlaceCategory::Ordinary)).encode()),
            ("Facility", &self.facility),
            ("Guest", &self.guest),
            ("Household", &self.household),
            ("Municipality", &municipality.encode()),
            ("Organisation", &self.setting.operator.encode()),
            ("Stay", &self.closed),
        ];
        nodes.map(|(name, id)| (name, id.clone())).into()
    }

    /// An order for each act. They can be performed one after the other, in this order.
    pub fn orders(&self) -> Vec<Order> {
        let order = |case: &'static Case| {
            let input = (case.input)(self);
            let mut other = input.clone();
            (case.other)(&mut other);
            Order { case, input, other }
        };
        CASES.iter().map(order).collect()
    }
}

/// Registers the house of a setting, with every detail, and its places; hands back id and code.
async fn house(hub: &Client, setting: Setting) -> (String, String) {
    let payload = hub.act("province", "registerFacility", "facility { id code }", house_input(setting)).await;
    let facility = text(&payload["facility"]["id"]);
    for (category, installed) in [("ORDINARY", 4), ("MENTAL_HEALTH_OR_DISABILITY", 2)] {
        let input = json!({ "facility": facility, "category": category, "installed": installed });
        accepted(hub, "installPlaces", "facility", input).await;
    }
    (facility, text(&payload["facility"]["code"]))
}

fn house_name(number: u32) -> String {
    format!("Casa Levante {number:02}")
}

fn street(number: u32) -> String {
    format!("Via dei Gelsomini {number:02}")
}

/// What is said of the house of a setting when it is registered.
pub fn house_input(setting: Setting) -> Value {
    let Setting { number, operator, holder, municipality, postal_code } = setting;
    json!({
        "name": house_name(number), "type": "APARTMENT", "municipality": municipality,
        "address": { "street": street(number), "number": "12/B", "postalCode": postal_code },
        "operator": operator.encode(), "holder": holder.encode(), "projectCode": format!("PROG-{number:02}"),
        "rooms": [
            { "letter": "A", "beds": 5, "squareMetres": 40.5 }, { "letter": "B", "beds": 3, "squareMetres": 20 },
        ],
        "bathrooms": 2, "barrierFree": true,
    })
}

/// A person of whom everything is known, and whose every particular is told from those of anybody else.
fn relative(number: u32, role: &str, household: Option<&str>) -> Value {
    let head = household.is_none();
    let serial = number * 2 + u32::from(head);
    json!({
        "surname": format!("Tesfay{serial:02}"), "givenNames": format!("Berhane{serial:02}"),
        "sex": if head { "F" } else { "M" }, "birthDate": format!("19{}-06-{:02}", 60 + number, 10 + serial % 2),
        "birthDatePrecision": "ESTIMATED", "citizenships": ["ERI"], "languages": ["tir"],
        "legalStatus": "SUBSIDIARY_PROTECTION", "specialNeedDocumented": true,
        "taxCode": provisional_tax_code(serial), "cuiCode": format!("CUI{serial:03}XYZ"),
        "vestanetCode": format!("KR{serial:07}"), "household": { "id": household, "role": role },
    })
}

/// The CUI of the guest of a setting.
pub fn cui_code(number: u32) -> String {
    text(&relative(number, "HEAD", None)["cuiCode"])
}

/// A provisional tax code: ten digits and the plain check digit.
pub fn provisional_tax_code(number: u32) -> String {
    let digits = format!("77{number:08}");
    let sum: u32 = digits
        .chars()
        .enumerate()
        .map(|(index, digit)| match digit.to_digit(10).unwrap() * (1 + index as u32 % 2) {
            double if double > 9 => double - 9,
            digit => digit,
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// The instant so many hours before the test's clock.
pub fn hours_ago(hub: &Client, hours: i64) -> String {
    DateTime::from_millis(hub.clock.now().millis() - hours * 3_600_000).unwrap().to_string()
}

async fn submit(hub: &Client, facility: &str, places: &Value) -> String {
    accepted(hub, "submitAccreditation", "accreditation", json!({ "facility": facility, "places": places })).await
}

/// Performs an act as the Province, which must be accepted, and hands back the id of the thing.
pub async fn accepted(hub: &Client, mutation: &str, thing: &str, input: Value) -> String {
    let payload = hub.act("province", mutation, &format!("{thing} {{ id }}"), input).await;
    assert_eq!(blocking(&payload), Vec::<String>::new(), "{mutation}");
    text(&payload[thing]["id"])
}

/// Everything that acts write, as text: two equal texts say that nothing was written in between.
pub async fn books(world: &World) -> String {
    let store = &world.store;
    let mut snapshot = store.snapshot().await.unwrap();
    snapshot.position = Position::default();
    // Hubs publish by themselves, and may do so at any time.
    snapshot.publications.clear();
    let facilities: Vec<FacilityId> = snapshot.facilities.iter().map(|facility| facility.id).collect();
    let mut books = format!("{snapshot:#?}\n");
    let page = GuestPage { after: None, before: None, limit: 10_000, backwards: false };
    for guest in store.guests(&GuestFilter::default(), GuestScope::All, page).await.unwrap() {
        writeln!(books, "{guest:?}").unwrap();
    }
    let page = StayPage {
        within: Within(None),
        status: None,
        keys: KeyPage { after: None, before: None, limit: 10_000, backwards: true },
    };
    let stays = store.stays_of_facilities(&facilities, page).await.unwrap();
    for facility in &facilities {
        writeln!(books, "{:?}", stays.get(facility)).unwrap();
    }
    for pool in &snapshot.pools {
        writeln!(books, "{:?}", store.ledger_of(pool.facility, pool.category).await.unwrap()).unwrap();
    }
    books
}

/// Asserts that ledger, pools and stays agree.
pub async fn assert_books_agree(world: &World) {
    let audit = world.store.audit(world.clock.now()).await.unwrap();
    assert!(audit.pools > 0 && audit.entries > 0, "there is something to compare: {audit:?}");
    assert!(audit.discrepancies.is_empty(), "{audit:?}");
}

#[test]
fn there_is_one_case_for_each_act_of_members() {
    let described: BTreeSet<String> = CASES.iter().map(|case| in_capitals(case.mutation)).collect();
    assert_eq!(described, Act::by_members().map(contract_name).collect());
    assert_eq!(described.len(), CASES.len(), "each act is described once");
}
