//! What may differ between two worlds, from whom it is hidden, and to whom it is shown.

use serde_json::{Value, json};
use tavolo_schema::DateTime;

use super::{
    province::Cast,
    steps::{Step, binary},
};

macro_rules! differences {
    ($($name:ident,)*) => {
        /// How many differences there are.
        pub(super) const DIFFERENCES: usize = [$(stringify!($name)),*].len();

        mod nothing_is_told_of {$(
            #[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                crate::interference::nothing_is_told(stringify!($name), super::$name).await;
            }
        )*}
    };
}

differences! {
    surname,
    given_names_and_languages,
    birth_date,
    citizenship,
    tax_code,
    cui_and_vestanet_codes,
    legal_status,
    surname_of_who_waits,
    citizenship_of_who_was_counted,
    need,
    need_that_the_holder_sees,
    need_of_who_has_left,
    need_of_who_waits,
    household,
    reason_of_an_exit,
    reason_of_an_exit_today,
    existence_of_a_file,
    what_became_of_who_has_left,
    name_of_a_house,
    address_of_a_house,
    rooms_of_a_house,
    block_of_places,
    draft_of_an_application,
    many_drafts,
    decision_on_an_application,
    operator_of_a_house,
    arrival,
    two_arrivals,
    removal_to_another_house,
    removal_the_day_before,
    arrival_the_day_before,
    arrival_of_a_minor,
    arrival_of_a_minor_the_day_before,
    departures_of_protected_people,
    late_registration,
}

/// One hidden value, different in two worlds.
pub(super) struct Difference {
    /// Whose answers must be the same in both worlds.
    pub(super) hidden_from: Vec<&'static str>,
    /// Somebody to whom it shows. `None` where nobody sees it and an order alone tells it.
    pub(super) shown_to: Option<&'static str>,
    /// What it is about.
    pub(super) focus: &'static [&'static str],
    /// Texts to be named often.
    pub(super) texts: Value,
    /// How it comes about.
    pub(super) steps: Vec<Step>,
    /// Orders that may tell it, because they could not be decided otherwise: each of these is on record.
    pub(super) orders_tell: &'static [&'static str],
}

impl Difference {
    fn new(
        hidden_from: &[&'static str],
        shown_to: &'static str,
        focus: &'static [&'static str],
        steps: Vec<Step>,
    ) -> Self {
        Self {
            hidden_from: hidden_from.to_vec(),
            shown_to: Some(shown_to),
            focus,
            texts: Value::Null,
            steps,
            orders_tell: &[],
        }
    }

    fn told_by(self, orders_tell: &'static [&'static str]) -> Self {
        Self { orders_tell, ..self }
    }

    fn with_texts(self, texts: Value) -> Self {
        Self { texts, ..self }
    }
}

/// Who does not see the persons in `B2`, which Cooperativa Due runs for the Province.
const STRANGERS: [&str; 6] = ["", "analyst", "operator", "municipality", "town", "prefecture"];
/// Who sees no facility of Cooperativa Due in Crotone.
const OUTSIDE: [&str; 3] = ["", "operator", "town"];
/// Who is told totals, and no single movement.
const OF_TOTALS: [&str; 2] = ["", "analyst"];

/// Orders that look for a person everywhere, or for a documented need.
const BY_REGISTRATION: &[&str] = &["registerGuest"];
const BY_ADMISSION: &[&str] = &["admitGuest"];

/// A particular of a file.
fn file(
    cast: &Cast,
    (guest, keeper): (&'static str, &'static str),
    focus: &'static [&'static str],
    change: Value,
    hidden_from: &[&'static str],
    shown_to: &'static str,
) -> Difference {
    let mut changed = cast.files[guest].clone();
    for (field, value) in change.as_object().unwrap() {
        changed[field] = value.clone();
    }
    let steps = vec![Step::File { guest, keeper, file: cast.files[guest].clone(), changed: changed.clone() }];
    let texts = json!([change, cast.files[guest]["surname"], cast.files[guest]["birthDate"]]);
    Difference::new(hidden_from, shown_to, focus, steps).told_by(BY_REGISTRATION).with_texts(texts)
}

/// A particular of Samir, who lives in `B2`.
fn of_samir(cast: &Cast, change: Value) -> Difference {
    let focus = &["Samir", "Samir's stay", "Samir's household", "B2"];
    file(cast, ("Samir", "other_operator"), focus, change, &STRANGERS, "central_service")
}

fn surname(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "surname": "DiSara" }))
}

fn given_names_and_languages(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "givenNames": "Sara", "languages": ["tir"], "sex": "X" }))
}

fn birth_date(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "birthDate": "1999-09-09" }))
}

fn citizenship(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "citizenships": ["SOM"] }))
}

fn tax_code(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "taxCode": crate::stage::provisional_tax_code(999) }))
}

fn cui_and_vestanet_codes(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "cuiCode": "CUI999XYZ", "vestanetCode": "KR0000999" }))
}

fn legal_status(cast: &Cast, _: DateTime) -> Difference {
    of_samir(cast, json!({ "legalStatus": "REFUGEE" }))
}

/// Somebody whom the Central Service has registered, and who has no place.
fn surname_of_who_waits(cast: &Cast, _: DateTime) -> Difference {
    let hidden = [&STRANGERS[..], &["other_operator"]].concat();
    file(cast, ("Zahra", "central_service"), &["Zahra", "B2", "A2"], json!({ "surname": "DiZoe" }), &hidden, "province")
}

/// Somebody who was counted in months that are over.
fn citizenship_of_who_was_counted(cast: &Cast, _: DateTime) -> Difference {
    let focus = &["Dawit", "Dawit's stay", "B1"];
    let hidden = ["", "analyst", "operator", "town", "prefecture"];
    file(cast, ("Dawit", "other_operator"), focus, json!({ "citizenships": ["SOM"] }), &hidden, "municipality")
}

/// A documented need: of somebody in a house that a municipality holds.
fn need(cast: &Cast, _: DateTime) -> Difference {
    let focus = &["Vera", "Vera's stay", "B1", "B3"];
    let hidden = [&STRANGERS[..], &["central_service", "province"]].concat();
    let change = json!({ "specialNeedDocumented": true });
    file(cast, ("Vera", "other_operator"), focus, change, &hidden, "other_operator").told_by(BY_ADMISSION)
}

/// Of somebody in a house that the Province holds.
fn need_that_the_holder_sees(cast: &Cast, _: DateTime) -> Difference {
    let change = json!({ "specialNeedDocumented": true });
    let focus = &["Samir", "Samir's stay", "B2", "B3"];
    let hidden = [&STRANGERS[..], &["central_service"]].concat();
    file(cast, ("Samir", "other_operator"), focus, change, &hidden, "province").told_by(BY_ADMISSION)
}

/// Of somebody who has left.
fn need_of_who_has_left(cast: &Cast, _: DateTime) -> Difference {
    let focus = &["Marwan", "Marwan's stay", "B3", "P1"];
    let hidden = [&STRANGERS[..], &["central_service", "province"]].concat();
    let change = json!({ "specialNeedDocumented": true });
    file(cast, ("Marwan", "other_operator"), focus, change, &hidden, "other_operator").told_by(BY_ADMISSION)
}

/// Of somebody who was registered by a body that does not see needs, and has no place.
fn need_of_who_waits(cast: &Cast, _: DateTime) -> Difference {
    let hidden = [&STRANGERS[..], &["other_operator", "central_service", "province"]].concat();
    let change = json!({ "specialNeedDocumented": true });
    let difference = file(cast, ("Zahra", "central_service"), &["Zahra", "B3", "P1", "A2"], change, &hidden, "");
    Difference { shown_to: None, ..difference.told_by(BY_ADMISSION) }
}

fn household(cast: &Cast, _: DateTime) -> Difference {
    let step = Step::stored("guests", cast.id("Samir"), "household", binary(cast.id("Farid's household")));
    let focus = &["Samir", "Samir's household", "Farid", "Farid's household", "B2"];
    Difference::new(&STRANGERS, "central_service", focus, vec![step])
}

/// Why somebody left months ago.
fn reason_of_an_exit(cast: &Cast, _: DateTime) -> Difference {
    let step = Step::stored("stays", cast.id("Marwan's stay"), "exitReason", "DECEASED");
    Difference::new(&STRANGERS, "province", &["Marwan", "Marwan's stay", "B2"], vec![step])
}

/// Why somebody leaves now.
fn reason_of_an_exit_today(cast: &Cast, _: DateTime) -> Difference {
    let exit = |reason| json!({ "stay": cast.id("Samir's stay"), "reason": reason });
    let step = Step::both("other_operator", "dischargeGuest", "stay", exit("CUSTODY"), exit("FAMILY_REUNIFICATION"));
    Difference::new(&STRANGERS, "province", &["Samir", "Samir's stay", "B2"], vec![step])
}

/// Somebody is registered, in one of the worlds.
fn existence_of_a_file(_: &Cast, _: DateTime) -> Difference {
    let person = json!({
        "surname": "DiNessuno", "givenNames": "Nessuno", "sex": "F", "birthDate": "1991-01-01",
        "citizenships": ["SOM"], "legalStatus": "REFUGEE", "cuiCode": "CUI998XYZ",
    });
    let hidden = [&STRANGERS[..], &["other_operator"]].concat();
    let steps = vec![Step::one("central_service", "registerGuest", "guest", person.clone())];
    Difference::new(&hidden, "province", &[], steps).told_by(BY_REGISTRATION).with_texts(person)
}

/// Whether somebody who has left is with another body now, or nobody: in both worlds somebody arrives there.
fn what_became_of_who_has_left(cast: &Cast, _: DateTime) -> Difference {
    let admission = |guest| json!({ "guest": cast.id(guest), "facility": cast.id("B2"), "category": "ORDINARY" });
    let step = Step::both("province", "admitGuest", "stay", admission("Adel"), admission("Omar"));
    let focus = &["Omar", "Omar's stay", "Omar's household", "A1", "A2"];
    Difference::new(&["operator"], "central_service", focus, vec![step]).told_by(BY_ADMISSION)
}

/// What is registered about `B2`.
fn of_house(
    cast: &Cast,
    left: Value,
    right: Value,
    hidden_from: &[&'static str],
    shown_to: &'static str,
) -> Difference {
    let texts = json!([left, right]);
    let input = |change: Value| {
        let mut input = change;
        input["facility"] = json!(cast.id("B2"));
        input
    };
    let step = Step::both("other_operator", "reviseFacility", "facility", input(left), input(right));
    Difference::new(hidden_from, shown_to, &["B2", "Cooperativa Due"], vec![step]).with_texts(texts)
}

fn name_of_a_house(cast: &Cast, _: DateTime) -> Difference {
    of_house(cast, json!({ "name": "Casa del Mare" }), json!({ "name": "Casa del Monte" }), &OUTSIDE, "analyst")
}

fn address_of_a_house(cast: &Cast, _: DateTime) -> Difference {
    let address = |street| json!({ "address": { "street": street, "number": "9", "postalCode": "88900" } });
    let hidden = ["", "operator", "town", "analyst"];
    of_house(cast, address("Via dei Gelsi"), address("Via dei Tigli"), &hidden, "prefecture")
}

fn rooms_of_a_house(cast: &Cast, _: DateTime) -> Difference {
    let rooms = |beds| {
        json!({
            "bathrooms": beds - 11, "barrierFree": beds > 12, "projectCode": format!("PROG-{beds}"),
            "rooms": [{ "letter": "C", "beds": beds, "squareMetres": 150 }],
        })
    };
    of_house(cast, rooms(13), rooms(14), &OUTSIDE, "municipality")
}

fn block_of_places(cast: &Cast, _: DateTime) -> Difference {
    let block = |reason, note| {
        let facility = cast.id("B2");
        json!({ "facility": facility, "category": "ORDINARY", "places": 1, "reason": reason, "note": note })
    };
    let step = Step::both("other_operator", "blockPlaces", "block", block("WORKS", "Tetto"), block("HYGIENE", "Topi"));
    Difference::new(&OUTSIDE, "analyst", &["B2", "B2's block"], vec![step]).with_texts(json!(["Tetto", "Topi"]))
}

fn draft_of_an_application(cast: &Cast, _: DateTime) -> Difference {
    let places = json!([{ "category": "ORDINARY", "places": 3 }]);
    let input = json!({ "facility": cast.id("B2"), "places": places, "draft": true });
    let step = Step::one("other_operator", "submitAccreditation", "accreditation", input);
    Difference::new(&OUTSIDE, "prefecture", &["B2", "B2's application"], vec![step])
}

/// So many drafts that a list of them is longer than any other.
fn many_drafts(cast: &Cast, _: DateTime) -> Difference {
    let step = Step::Copied { collection: "accreditations", id: cast.id("B2's application").into(), times: 150 };
    Difference::new(&OUTSIDE, "prefecture", &["B2", "B2's application"], vec![step])
}

fn decision_on_an_application(cast: &Cast, _: DateTime) -> Difference {
    let input = json!({ "accreditation": cast.id("B1's application"), "outcome": "REJECTED", "reason": "Requisiti" });
    let step = Step::one("province", "decideAccreditation", "accreditation", input);
    Difference::new(&OUTSIDE, "prefecture", &["B1", "B1's application"], vec![step])
}

/// Who runs a house: how many each body has is nobody's affair.
fn operator_of_a_house(cast: &Cast, _: DateTime) -> Difference {
    let step = Step::stored("facilities", cast.id("B3"), "operator", binary(cast.id("Cooperativa Tre")));
    let focus = &["B3", "Cooperativa Due", "Cooperativa Tre"];
    Difference::new(&["", "operator", "municipality"], "prefecture", focus, vec![step])
}

fn admission(cast: &Cast, guest: &str, house: &str, category: &str) -> Step {
    let input = json!({ "guest": cast.id(guest), "facility": cast.id(house), "category": category });
    Step::one("province", "admitGuest", "stay", input)
}

fn arrival(cast: &Cast, _: DateTime) -> Difference {
    let steps = vec![admission(cast, "Adel", "B1", "ORDINARY")];
    Difference::new(&OF_TOTALS, "municipality", &["Adel", "B1"], steps)
}

fn two_arrivals(cast: &Cast, _: DateTime) -> Difference {
    let steps = vec![admission(cast, "Adel", "B1", "ORDINARY"), admission(cast, "Bruk", "A2", "ORDINARY")];
    Difference::new(&OF_TOTALS, "prefecture", &["B1", "A2"], steps)
}

fn removal(cast: &Cast) -> Vec<Step> {
    let exit = json!({ "stay": cast.id("Tarek's stay"), "reason": "TRANSFER_OTHER_PROJECT" });
    vec![Step::one("province", "dischargeGuest", "stay", exit), admission(cast, "Tarek", "B1", "ORDINARY")]
}

fn removal_to_another_house(cast: &Cast, _: DateTime) -> Difference {
    Difference::new(&OF_TOTALS, "other_operator", &["Tarek", "A1", "B1"], removal(cast))
}

/// Analysts are told of houses when the day is over.
fn removal_the_day_before(cast: &Cast, _: DateTime) -> Difference {
    let steps = [removal(cast), vec![Step::Night]].concat();
    Difference::new(&[""], "analyst", &["Tarek", "A1", "B1"], steps)
}

fn arrival_the_day_before(cast: &Cast, _: DateTime) -> Difference {
    let steps = vec![admission(cast, "Adel", "B1", "ORDINARY"), Step::Night];
    Difference::new(&[""], "analyst", &["Adel", "B1"], steps)
}

fn arrival_of_a_minor(cast: &Cast, _: DateTime) -> Difference {
    let steps = vec![admission(cast, "Daud", "A3", "UNACCOMPANIED_MINOR")];
    Difference::new(&OF_TOTALS, "town", &["Daud", "A3"], steps)
}

/// Protected categories are not told to analysts even then.
fn arrival_of_a_minor_the_day_before(cast: &Cast, _: DateTime) -> Difference {
    let steps = vec![admission(cast, "Daud", "A3", "UNACCOMPANIED_MINOR"), Step::Night];
    Difference::new(&OF_TOTALS, "town", &["Daud", "A3"], steps)
}

/// All five of a day leave: as many as a step of a total has.
fn departures_of_protected_people(cast: &Cast, _: DateTime) -> Difference {
    let departure = |name: &str| {
        let exit = json!({ "stay": cast.id(&format!("{name}'s stay")), "reason": "TRANSFER_OTHER_PROJECT" });
        Step::one("province", "dischargeGuest", "stay", exit)
    };
    let steps = ["Ismail", "Idris", "Wali", "Kofi", "Yonas"].map(departure).into();
    Difference::new(&OF_TOTALS, "prefecture", &["Ismail", "Kofi", "A3", "B3"], steps)
}

/// An arrival of last week that is registered today.
fn late_registration(cast: &Cast, now: DateTime) -> Difference {
    let at = now.plus_millis(-6 * 86_400_000).to_string();
    let input =
        json!({ "guest": cast.id("Adel"), "facility": cast.id("B1"), "category": "ORDINARY", "occurredAt": at });
    let steps = vec![Step::one("province", "admitGuest", "stay", input)];
    Difference::new(&OF_TOTALS, "municipality", &["Adel", "B1"], steps)
}

/// What a viewer orders in the end, in both worlds.
pub(super) fn orders(cast: &Cast, viewer: &str) -> Vec<(&'static str, Value)> {
    let id = |name: &str| cast.id(name);
    let file = |name: &str| {
        let mut file = cast.files[name].clone();
        file["surname"] = json!("DiNuovo");
        for code in ["taxCode", "cuiCode", "vestanetCode", "household"] {
            file.as_object_mut().unwrap().remove(code);
        }
        file
    };
    let draft = json!({ "facility": id("A2"), "places": [{ "category": "ORDINARY", "places": 2 }], "draft": true });
    match viewer {
        "operator" => vec![
            ("registerGuest", file("Amir")),
            ("admitGuest", json!({ "guest": id("Basma"), "facility": id("A2"), "category": "ORDINARY" })),
            ("submitAccreditation", draft),
            ("reviseFacility", json!({ "facility": id("A2"), "bathrooms": 5 })),
            ("dischargeGuest", json!({ "stay": id("Amir's stay"), "reason": "TERM_EXPIRED" })),
        ],
        "other_operator" => vec![
            ("registerGuest", file("Dawit")),
            ("admitGuest", json!({ "guest": id("Cyrus"), "facility": id("B3"), "category": "ORDINARY" })),
        ],
        "province" => vec![
            ("registerGuest", file("Lamin")),
            ("admitGuest", json!({ "guest": id("Bruk"), "facility": id("P1"), "category": "ORDINARY" })),
        ],
        "central_service" => vec![("registerGuest", file("Zahra"))],
        _ => vec![("dischargeGuest", json!({ "stay": id("Dawit's stay"), "reason": "TERM_EXPIRED" }))],
    }
}
