//! The province that all pairs of worlds begin as: made once by ordinary acts, then copied.

use std::collections::{BTreeMap, HashSet};

use futures_util::TryStreamExt;
use mongodb::bson::{Bson, Document, doc, spec::BinarySubtype};
use serde_json::{Value, json};
use tavolo_schema::{
    DateTime, Member, OrganisationKind, Role,
    publication::{Facilities, Thresholds},
};
use tavolo_store::Settings;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::steps::Step;
use crate::{
    harness::{Bodies, Client, PATIENCE, TestClock, World, blocking, organisation, text},
    stage::provisional_tax_code,
};

const ORDINARY: &str = "ORDINARY";
const MINORS: &str = "UNACCOMPANIED_MINOR";
const NEEDY: &str = "MENTAL_HEALTH_OR_DISABILITY";

/// Who looks. The empty subject is the public; `town` is the municipality of Cutro.
pub(super) const VIEWERS: [&str; 9] =
    ["", "analyst", "operator", "other_operator", "municipality", "town", "prefecture", "central_service", "province"];

/// Everything that may be named in a document.
#[derive(Clone, Default)]
pub(super) struct Cast {
    /// Ids by a short name, such as `B2` for a facility or `Samir` for a guest. A stay has the name of its guest with
    /// `'s stay` after it, a household with `'s household`.
    pub(super) ids: BTreeMap<String, String>,
    /// The names above by kind, such as `facility`.
    pub(super) kinds: BTreeMap<&'static str, Vec<String>>,
    /// The files of all guests, as they were registered.
    pub(super) files: BTreeMap<String, Value>,
    /// Facilities by their codes.
    pub(super) codes: Vec<String>,
}

impl Cast {
    pub(super) fn id(&self, name: &str) -> &str {
        self.ids.get(name).unwrap_or_else(|| panic!("nothing is called {name}"))
    }

    fn note(&mut self, kind: &'static str, name: impl Into<String>, id: &Value) -> String {
        let name = name.into();
        self.ids.insert(name.clone(), text(id));
        self.kinds.entry(kind).or_default().push(name);
        text(id)
    }
}

/// The province as it was copied.
pub(super) struct Province {
    pub(super) cast: Cast,
    pub(super) bodies: Bodies,
    pub(super) now: DateTime,
    /// Every identifier that both worlds have from the beginning.
    pub(super) known: HashSet<Uuid>,
    settings: Settings,
    collections: Vec<(String, Vec<Document>)>,
}

impl Province {
    /// The one province of the test binary.
    pub(super) async fn get() -> &'static Self {
        static PROVINCE: OnceCell<Province> = OnceCell::const_new();
        PROVINCE.get_or_init(Self::make).await
    }

    async fn make() -> Self {
        let world = World::new().await;
        let town = organisation("Comune di Cutro", OrganisationKind::Municipality, Some("101012"));
        let third = organisation("Cooperativa Tre", OrganisationKind::ManagingBody, None);
        world.store.add_organisations(&[town.clone(), third.clone()]).await.unwrap();
        let member = Member { subject: "town".into(), role: Role::Municipality, organisation: town.id };
        world.store.put_member(&member).await.unwrap();
        let hub = world.hub().await;
        let mut cast = Cast::default();
        let bodies = world.bodies;
        for (name, id) in [
            ("Provincia", bodies.province),
            ("Cooperativa Uno", bodies.operator),
            ("Cooperativa Due", bodies.other_operator),
            ("Cooperativa Tre", third.id),
            ("Comune di Crotone", bodies.municipality),
            ("Comune di Cutro", town.id),
            ("Prefettura", bodies.prefecture),
        ] {
            cast.note("organisation", name, &json!(id.encode()));
        }
        let mut making = Making { hub: &hub, cast };
        making.houses(bodies).await;
        making.first_arrivals().await;
        world.clock.advance_days(20);
        making.departures().await;
        world.clock.advance_days(23);
        making.later_arrivals().await;
        world.clock.advance_days(7);
        making.waiting().await;
        making.round_up().await;
        let cast = making.cast;
        settle(&hub).await;
        world.stop_hub(&hub).await;
        let collections = copy(&world).await;
        let mut known = HashSet::new();
        collections.iter().flat_map(|(_, documents)| documents).for_each(|found| identifiers(found, &mut known));
        let (now, settings) = (world.clock.now(), world.settings.clone());
        Self { cast, bodies, now, known, settings, collections }
    }

    /// A copy of the province with these changes, by this clock.
    pub(super) async fn copy(&self, clock: TestClock, changes: &[Step]) -> World {
        let world = World::beside(&self.settings, self.bodies, clock).await;
        let driver = world.driver().await;
        for (name, documents) in &self.collections {
            let mut documents = documents.clone();
            changes.iter().for_each(|step| step.prepare(name, &mut documents));
            if !documents.is_empty() {
                driver.collection::<Document>(name).insert_many(documents).await.unwrap();
            }
        }
        world
    }

    /// A clock that stands where the province was copied.
    pub(super) fn clock(&self) -> TestClock {
        let clock = TestClock::new();
        let millis = u64::try_from(self.now.millis() - clock.now().millis()).unwrap();
        clock.advance(std::time::Duration::from_millis(millis));
        clock
    }
}

/// Everything in a world's database but what every database has.
async fn copy(world: &World) -> Vec<(String, Vec<Document>)> {
    let driver = world.driver().await;
    let mut collections: Vec<(String, Vec<Document>)> = Vec::new();
    for name in driver.list_collection_names().await.unwrap() {
        if !["meta", "municipalities"].contains(&name.as_str()) && !name.starts_with("system.") {
            let found = driver.collection::<Document>(&name).find(doc! {}).await.unwrap();
            collections.push((name, found.try_collect().await.unwrap()));
        }
    }
    assert!(collections.iter().filter(|(_, documents)| !documents.is_empty()).count() > 8);
    collections
}

/// The identifiers in a stored document.
pub(super) fn identifiers(document: &Document, into: &mut HashSet<Uuid>) {
    fn of(value: &Bson, into: &mut HashSet<Uuid>) {
        match value {
            Bson::Binary(binary) if binary.subtype == BinarySubtype::Uuid => {
                into.extend(Uuid::from_slice(&binary.bytes));
            }
            Bson::Document(inner) => identifiers(inner, into),
            Bson::Array(items) => items.iter().for_each(|item| of(item, into)),
            _ => {}
        }
    }
    document.iter().for_each(|(_, value)| of(value, into));
}

/// Waits until there is nothing to tell the public that it has not been told, of today.
pub(super) async fn settle(hub: &Client) {
    let table = &hub.graph.hub().live_board;
    let mut changes = table.changes();
    let settled = || {
        let (board, now) = (table.board(), hub.clock.now());
        let mut facilities = Facilities::default();
        for place in board.facilities(None) {
            facilities.count(&place.facility.municipality, place.pools.iter().map(|pool| &**pool), now.day());
        }
        let last = |cell: &_| board.publication(cell).map(|publication| &**publication);
        facilities.publications(last, Thresholds::default(), now).is_empty()
    };
    let told = async {
        while !settled() {
            changes.changed().await.unwrap();
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the public is told everything there is to tell");
}

struct Making<'h> {
    hub: &'h Client,
    cast: Cast,
}

impl Making<'_> {
    /// Performs an act, which must be accepted.
    async fn act(&mut self, subject: &str, mutation: &str, selection: &str, input: Value) -> Value {
        let payload = self.hub.act(subject, mutation, selection, input.clone()).await;
        assert_eq!(blocking(&payload), Vec::<String>::new(), "{mutation} {input}");
        payload
    }

    async fn house(&mut self, name: &'static str, of: House<'_>) -> String {
        let House { operator, holder, municipality: (municipality, postal_code), places } = of;
        let input = json!({
            "name": format!("Casa {name}"), "type": "APARTMENT", "municipality": municipality,
            "address": { "street": format!("Via {name}"), "number": "7", "postalCode": postal_code },
            "operator": operator, "holder": holder, "projectCode": format!("PROG-{name}"),
            "rooms": [
                { "letter": "A", "beds": 12, "squareMetres": 90 }, { "letter": "B", "beds": 10, "squareMetres": 80 },
            ],
            "bathrooms": 4,
        });
        let payload = self.act("province", "registerFacility", "facility { id code }", input).await;
        let facility = self.cast.note("facility", name, &payload["facility"]["id"]);
        self.cast.codes.push(text(&payload["facility"]["code"]));
        for (category, installed) in places {
            let input = json!({ "facility": facility, "category": category, "installed": installed });
            self.act("province", "installPlaces", "facility { id }", input).await;
        }
        let asked: Vec<Value> =
            places.iter().map(|(category, n)| json!({ "category": category, "places": n })).collect();
        let input = json!({ "facility": facility, "places": asked });
        let payload = self.act("province", "submitAccreditation", "accreditation { id }", input).await;
        let accreditation =
            self.cast.note("accreditation", format!("{name}'s accreditation"), &payload["accreditation"]["id"]);
        let input =
            json!({ "accreditation": accreditation, "outcome": "ACCREDITED", "actNumber": format!("D-{name}") });
        self.act("province", "decideAccreditation", "accreditation { id }", input).await;
        facility
    }

    async fn houses(&mut self, bodies: Bodies) {
        let (crotone, cutro) = (("101010", "88900"), ("101012", "88842"));
        let [province, one, two, municipality] =
            [bodies.province, bodies.operator, bodies.other_operator, bodies.municipality].map(|body| body.encode());
        let house = |operator, holder, municipality, places| House { operator, holder, municipality, places };
        self.house("A1", house(&one, &municipality, crotone, &[(ORDINARY, 16)])).await;
        self.house("A2", house(&one, &province, crotone, &[(ORDINARY, 8)])).await;
        self.house("B1", house(&two, &municipality, crotone, &[(ORDINARY, 10)])).await;
        self.house("B2", house(&two, &province, crotone, &[(ORDINARY, 12)])).await;
        self.house("A3", house(&one, &province, cutro, &[(ORDINARY, 6), (MINORS, 6)])).await;
        self.house("B3", house(&two, &province, cutro, &[(ORDINARY, 4), (NEEDY, 4)])).await;
        self.house("P1", house(&province, &province, ("101009", "88836"), &[(ORDINARY, 12)])).await;
        for (name, subject) in [("A1", "operator"), ("B2", "other_operator")] {
            let input = json!({
                "facility": self.cast.id(name), "category": ORDINARY, "places": 1, "reason": "DAMAGE",
                "note": format!("Tubature {name}"), "until": "2027-06-30",
            });
            let payload = self.act(subject, "blockPlaces", "block { id }", input).await;
            self.cast.note("block", format!("{name}'s block"), &payload["block"]["id"]);
        }
        for (name, subject, draft) in [
            ("A1", "operator", true),
            ("A2", "operator", false),
            ("B2", "other_operator", true),
            ("B1", "other_operator", false),
        ] {
            let places = [json!({ "category": ORDINARY, "places": 5 })];
            let input = json!({ "facility": self.cast.id(name), "places": places, "draft": draft });
            let payload = self.act(subject, "submitAccreditation", "accreditation { id }", input).await;
            self.cast.note("accreditation", format!("{name}'s application"), &payload["accreditation"]["id"]);
        }
    }

    /// Registers somebody; hands back the id.
    async fn register(&mut self, subject: &str, name: &'static str, particulars: Value) -> String {
        let number = 100 + self.cast.files.len() as u32;
        let citizenship = ["NGA", "AFG", "ERI"][number as usize % 3];
        let mut file = json!({
            "surname": format!("Di{name}"), "givenNames": name, "sex": if number.is_multiple_of(2) { "M" } else { "F" },
            "birthDate": format!("{}-03-{:02}", 1970 + number % 30, 1 + number % 28), "birthDatePrecision": "DAY",
            "citizenships": [citizenship], "languages": ["eng"],
            "legalStatus": "ASYLUM_APPLICANT", "taxCode": provisional_tax_code(number),
            "cuiCode": format!("CUI{number}XYZ"), "vestanetCode": format!("KR{number:07}"),
        });
        for (field, value) in particulars.as_object().into_iter().flatten() {
            file[field] = value.clone();
        }
        let payload = self.act(subject, "registerGuest", "guest { id household { id } }", file.clone()).await;
        let guest = self.cast.note("guest", name, &payload["guest"]["id"]);
        self.cast.note("household", format!("{name}'s household"), &payload["guest"]["household"]["id"]);
        self.cast.files.insert(name.into(), file);
        guest
    }

    async fn host(&mut self, subject: &str, name: &'static str, house: &str, category: &str, particulars: Value) {
        let guest = self.register(subject, name, particulars).await;
        self.admit(subject, name, &guest, house, category).await;
    }

    async fn admit(&mut self, subject: &str, name: &str, guest: &str, house: &str, category: &str) {
        let input = json!({ "guest": guest, "facility": self.cast.id(house), "category": category });
        let payload = self.act(subject, "admitGuest", "stay { id }", input).await;
        self.cast.note("stay", format!("{name}'s stay"), &payload["stay"]["id"]);
    }

    async fn first_arrivals(&mut self) {
        let none = || Value::Null;
        for (name, house) in [("Amir", "A1"), ("Omar", "A1"), ("Parwiz", "A1"), ("Chidi", "A2"), ("Hadi", "A3")] {
            self.host("operator", name, house, ORDINARY, none()).await;
        }
        for (name, house) in [("Dawit", "B1"), ("Farid", "B2"), ("Marwan", "B2"), ("Nadia", "B2"), ("Jamila", "B3")] {
            self.host("other_operator", name, house, ORDINARY, none()).await;
        }
        let household = json!({ "household": { "id": self.cast.id("Farid's household"), "role": "PARTNER" } });
        self.host("other_operator", "Ghezal", "B2", ORDINARY, household).await;
        self.host("province", "Lamin", "P1", ORDINARY, none()).await;
        for name in ["Ismail", "Idris"] {
            let minor = json!({ "birthDate": "2010-08-01", "unaccompaniedMinor": true });
            self.host("operator", name, "A3", MINORS, minor).await;
        }
        let need = json!({ "specialNeedDocumented": true });
        self.host("other_operator", "Kofi", "B3", NEEDY, need).await;
    }

    async fn departures(&mut self) {
        for (name, subject, reason) in [
            ("Marwan", "other_operator", "CUSTODY"),
            ("Nadia", "other_operator", "FAMILY_REUNIFICATION"),
            ("Omar", "operator", "VOLUNTARY_ABANDONMENT"),
            ("Parwiz", "operator", "TRANSFER_OTHER_PROJECT"),
        ] {
            let input = json!({ "stay": self.cast.id(&format!("{name}'s stay")), "reason": reason });
            self.act(subject, "dischargeGuest", "stay { id }", input).await;
        }
        let guest = self.cast.id("Parwiz").to_owned();
        self.admit("province", "Parwiz again", &guest, "B1", "ORDINARY").await;
    }

    async fn later_arrivals(&mut self) {
        self.host("other_operator", "Samir", "B2", ORDINARY, json!({ "citizenships": ["ERI"] })).await;
        self.host("other_operator", "Vera", "B1", ORDINARY, Value::Null).await;
        self.host("operator", "Tarek", "A1", ORDINARY, Value::Null).await;
        let minor = json!({ "birthDate": "2010-12-01", "unaccompaniedMinor": true });
        self.host("operator", "Wali", "A3", MINORS, minor).await;
        let need = json!({ "specialNeedDocumented": true });
        self.host("other_operator", "Yonas", "B3", NEEDY, need).await;
    }

    /// Those who have no place yet, and whom only the one who registered them knows.
    async fn waiting(&mut self) {
        let minor = json!({ "birthDate": "2010-02-01", "unaccompaniedMinor": true });
        self.register("central_service", "Zahra", Value::Null).await;
        self.register("province", "Adel", Value::Null).await;
        self.register("province", "Bruk", Value::Null).await;
        self.register("province", "Daud", minor).await;
        self.register("operator", "Basma", Value::Null).await;
        self.register("other_operator", "Cyrus", Value::Null).await;
    }

    /// Fills the large cells up to multiples of five, so that what is told of them is not about to change.
    async fn round_up(&mut self) {
        const NAMES: [&str; 8] = ["Uno", "Due", "Tre", "Quattro", "Cinque", "Sei", "Sette", "Otto"];
        let mut names = NAMES.into_iter();
        for (by, filter, subject, house) in [
            ("MUNICIPALITY", json!({ "municipality": "101010", "category": "ORDINARY" }), "operator", "A1"),
            ("PROVINCE", json!({ "category": "ORDINARY" }), "province", "P1"),
        ] {
            let document = "query($by: OccupancyGrouping!, $filter: OccupancyFilter) {
                occupancy(groupBy: $by, filter: $filter) { capacity { occupied } } }";
            let data = self.hub.data("province", document, json!({ "by": by, "filter": filter })).await;
            let occupied = data["occupancy"][0]["capacity"]["occupied"].as_i64().unwrap();
            for _ in occupied..(occupied + 4) / 5 * 5 {
                self.host(subject, names.next().unwrap(), house, "ORDINARY", Value::Null).await;
            }
        }
    }
}

/// Whose a house is, where, and with which places.
struct House<'h> {
    operator: &'h str,
    holder: &'h str,
    municipality: (&'static str, &'static str),
    places: &'h [(&'static str, i32)],
}
