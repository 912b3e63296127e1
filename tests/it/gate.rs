//! The gate, walked: every field of every type, for every role, in every relation a role can have to a record.
//!
//! What is walked comes from the contract, what must come back from the policy in `tavolo_schema::access`. A type that
//! nobody has told the way to is a failure, and so is a field that is null although its class may be seen.

mod acts;
mod fields;
mod guests;
mod members;
mod streams;
mod ways;

pub use fields::raw;

use serde_json::{Value, json};
use tavolo_schema::{
    Classes, DataClass, Organisation, OrganisationKind, Relation, Role, access::sees, id::OrganisationId,
};

use crate::{
    harness::{Client, World, codes, organisation, person},
    stage::{Setting, Stage, cui_code},
};

/// Who looks. The empty subject is the public.
const VIEWERS: [(&str, Role); 8] = [
    ("province", Role::Province),
    ("operator", Role::Operator),
    ("other_operator", Role::Operator),
    ("municipality", Role::Municipality),
    ("prefecture", Role::Prefecture),
    ("central_service", Role::CentralService),
    ("analyst", Role::Analyst),
    ("", Role::Public),
];

/// How many records there are to look at, see [`Province::new`].
const RECORDS: usize = 6;

/// How each viewer stands to each record.
fn relations(subject: &str) -> [Relation; RECORDS] {
    use Relation::{Holder as H, Keeper as K, Stranger as S, Territory as T};
    match subject {
        "operator" => [K, K, K, S, S, S],
        "other_operator" => [S, S, S, S, S, K],
        "municipality" => [H, T, S, K, T, S],
        // The analyst works at the Province.
        "province" | "analyst" => [S, H, H, S, K, H],
        _ => [S; RECORDS],
    }
}

fn sight(subject: &str, role: Role, record: usize) -> Classes {
    sees(role, relations(subject)[record])
}

/// A province with a record for each relation.
struct Province {
    world: World,
    hub: Client,
    records: Vec<Stage>,
    /// An organisation of which everything is known.
    town: OrganisationId,
}

impl Province {
    async fn new() -> Self {
        let world = World::new().await;
        let town = Organisation {
            tax_code: Some("81000250795".into()),
            ..organisation("Comune di Cotronei", OrganisationKind::Municipality, Some("101009"))
        };
        world.store.add_organisations(std::slice::from_ref(&town)).await.unwrap();
        let hub = world.hub().await;
        let bodies = &world.bodies;
        let settings = [
            Setting::in_crotone(1, bodies.operator, bodies.municipality),
            Setting::in_crotone(2, bodies.operator, bodies.province),
            Setting::in_cutro(3, bodies.operator, bodies.province),
            Setting::in_crotone(4, bodies.municipality, bodies.municipality),
            Setting::in_crotone(5, bodies.province, bodies.province),
            Setting::in_cutro(6, bodies.other_operator, bodies.province),
        ];
        let mut records = Vec::new();
        for setting in settings {
            let stage = Stage::set(&hub, setting).await;
            // Somebody who does not see the guest's file registers the same person.
            let stranger = if setting.operator == bodies.other_operator { "operator" } else { "other_operator" };
            let mut same = person();
            same["cuiCode"] = json!(cui_code(setting.number));
            let payload = hub.act(stranger, "registerGuest", "__typename", same).await;
            assert_eq!(codes(&payload), ["DUPLICATE_PERSON"]);
            records.push(stage);
        }
        assert_eq!(records.len(), RECORDS);
        Self { town: town.id, world, hub, records }
    }

    fn variables(&self, record: usize) -> Value {
        let stage = &self.records[record];
        json!({
            "facility": stage.facility, "code": stage.code, "accreditation": stage.accreditation, "guest": stage.guest,
            "town": self.town.encode(), "municipality": stage.setting.municipality,
        })
    }

    /// The records whose facility a viewer sees.
    fn visible(&self, subject: &str, role: Role) -> Vec<usize> {
        (0..RECORDS).filter(|record| sight(subject, role, *record).contains(DataClass::Operational)).collect()
    }

    /// Everything in a text that this viewer may not know.
    fn leaks(&self, subject: &str, role: Role, text: &str) -> Vec<String> {
        let mut leaks = Vec::new();
        for (record, stage) in self.records.iter().enumerate() {
            let sight = sight(subject, role, record);
            let hidden = stage.secrets.iter().filter(|secret| !sight.contains(secret.class));
            let found = hidden.filter(|secret| text.contains(&secret.text));
            leaks.extend(found.map(|secret| format!("{:?} of record {record}: {}", secret.class, secret.text)));
        }
        leaks
    }
}
