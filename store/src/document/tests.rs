//! Documents keep the form in which earlier versions have written them.

use mongodb::bson::{Bson, Document as Bsondoc, RawDocumentBuf, doc};
use tavolo_schema::{
    Block, CapacityNumbers, DateTime, Day, FormerKeeper, Grant, Guest, PlaceCategory, Pool,
    capacity::{BlockReason, Counts},
    guest::{BirthDatePrecision, HouseholdRole, LegalStatus, Sex},
    id::{AccreditationId, BlockId, FacilityId, GuestId, HouseholdId, OrganisationId},
};
use uuid::Uuid;

use super::{DecodeError, Document, binary, instant, read, write};
use crate::{StoreError, capacity::PoolDoc, guest::GuestDoc};

const AT: i64 = 1_760_000_000_123;

fn at() -> DateTime {
    DateTime::from_millis(AT).unwrap()
}

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

fn of<I: From<Uuid>>(number: u128) -> I {
    Uuid::from_u128(number).into()
}

fn uuid(number: u128) -> Bson {
    binary(Uuid::from_u128(number)).into()
}

fn pool() -> Pool {
    let counts = Counts { accredited: 5, installed: 6, blocked: 1, occupied: 2, reserved: 0 };
    Pool {
        facility: of::<FacilityId>(1),
        category: PlaceCategory::UnaccompaniedMinor,
        installed: 6,
        blocks: vec![Block {
            id: of::<BlockId>(2),
            places: 1,
            reason: BlockReason::Works,
            note: None,
            from: day("2025-10-01"),
            until: Some(day("2025-10-31")),
        }],
        grants: vec![Grant {
            accreditation: of::<AccreditationId>(3),
            places: 5,
            valid_from: day("2025-01-01"),
            valid_until: day("2027-12-31"),
        }],
        occupied: 2,
        reserved: 0,
        ledgered: counts,
        opening: counts,
        settled_on: day("2025-10-09"),
        revision: 7,
        occurred_at: at(),
        registered_at: at(),
    }
}

fn pool_document() -> Bsondoc {
    let counts = doc! { "accredited": 5, "installed": 6, "blocked": 1, "occupied": 2, "reserved": 0 };
    doc! {
        "_id": { "facility": uuid(1), "category": "UNACCOMPANIED_MINOR" },
        "installed": 6,
        "blocks": [{
            "id": uuid(2), "places": 1, "reason": "WORKS", "note": null, "from": "2025-10-01", "until": "2025-10-31",
        }],
        "grants": [{ "accreditation": uuid(3), "places": 5, "validFrom": "2025-01-01", "validUntil": "2027-12-31" }],
        "occupied": 2,
        "reserved": 0,
        "ledgered": counts.clone(),
        "opening": counts,
        "settledOn": "2025-10-09",
        "revision": 7_i64,
        "occurredAt": instant(at()),
        "registeredAt": instant(at()),
        "nextChange": "2025-11-01",
    }
}

fn guest() -> Guest {
    Guest {
        id: of::<GuestId>(1),
        surname: "Traoré".into(),
        given_names: String::new(),
        sex: Sex::M,
        birth_date: day("1999-02-01"),
        birth_date_precision: BirthDatePrecision::Year,
        citizenships: vec!["MLI".into()],
        languages: vec!["bam".into(), "fra".into()],
        legal_status: LegalStatus::AsylumApplicant,
        unaccompanied_minor: false,
        special_need_documented: true,
        tax_code: Some("TRRMMD99B01Z329X".into()),
        cui_code: None,
        vestanet_code: None,
        household: of::<HouseholdId>(2),
        household_role: HouseholdRole::default(),
        custodian: of::<OrganisationId>(3),
        facility: Some(of::<FacilityId>(4)),
        holder: Some(of::<OrganisationId>(5)),
        left_at: None,
        former_keepers: vec![FormerKeeper { organisation: of::<OrganisationId>(6), until: at(), hosted: true }],
        as_of: None,
        registered_at: at(),
    }
}

fn guest_document() -> Bsondoc {
    doc! {
        "_id": uuid(1),
        "surname": "Traoré",
        "givenNames": "",
        "sex": "M",
        "birthDate": "1999-02-01",
        "birthDatePrecision": "YEAR",
        "citizenships": ["MLI"],
        "languages": ["bam", "fra"],
        "legalStatus": "ASYLUM_APPLICANT",
        "unaccompaniedMinor": false,
        "specialNeedDocumented": true,
        "taxCode": "TRRMMD99B01Z329X",
        "household": uuid(2),
        "householdRole": "HEAD",
        "custodian": uuid(3),
        "facility": uuid(4),
        "holder": uuid(5),
        "leftAt": null,
        "formerKeepers": [{ "organisation": uuid(6), "until": instant(at()), "hosted": true }],
        "sight": [
            { "by": uuid(3), "as": "KEEPER", "facility": uuid(4) },
            { "by": uuid(5), "as": "HOLDER", "facility": uuid(4) },
            { "by": uuid(6), "as": "FORMER", "facility": null },
        ],
        "registeredAt": instant(at()),
        "likeness": guest().match_key(),
    }
}

/// Fields by name, so that their order does not count.
fn sorted(document: &Bsondoc) -> Vec<(String, Bson)> {
    let mut fields: Vec<(String, Bson)> = document.clone().into_iter().collect();
    fields.sort_by(|one, other| one.0.cmp(&other.0));
    fields
}

fn damaged<D: Document>(document: &Bsondoc) -> String {
    match read::<D>(&RawDocumentBuf::try_from(document).unwrap()) {
        Err(StoreError::Corrupt { field, .. }) => field,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it reads well"),
    }
}

#[test]
fn nouns_are_written_as_ever_and_read_back() {
    assert_eq!(sorted(&PoolDoc::store(&pool())), sorted(&pool_document()));
    assert_eq!(read::<PoolDoc>(&write::<PoolDoc>(&pool()).unwrap()).unwrap(), pool());
    assert_eq!(sorted(&GuestDoc::store(&guest())), sorted(&guest_document()));
    assert_eq!(read::<GuestDoc>(&write::<GuestDoc>(&guest()).unwrap()).unwrap(), guest());
    assert_eq!(CapacityNumbers::from(pool().ledgered).occupied, 2);
}

#[test]
fn a_number_that_somebody_has_written_in_another_width_is_read() {
    let mut document = pool_document();
    document.insert("revision", 7);
    document.insert("occupied", 2_i64);
    assert_eq!(read::<PoolDoc>(&RawDocumentBuf::try_from(&document).unwrap()).unwrap(), pool());
}

#[test]
fn what_is_damaged_is_named_by_its_path_and_its_value_is_not_told() {
    let with = |field: &str, value: Bson| {
        let mut document = pool_document();
        document.insert(field, value);
        damaged::<PoolDoc>(&document)
    };
    assert_eq!(with("settledOn", "yesterday".into()), "settledOn");
    assert_eq!(with("occupied", "two".into()), "occupied");
    assert_eq!(with("_id", doc! { "facility": uuid(1), "category": "CASTLE" }.into()), "_id.category");
    assert_eq!(with("grants", Bson::Array(vec![doc! { "accreditation": 3 }.into()])), "grants.0.accreditation");
    assert_eq!(with("ledgered", doc! { "accredited": "many" }.into()), "ledgered.accredited");
    let mut document = guest_document();
    document.remove("household");
    assert_eq!(damaged::<GuestDoc>(&document), "household (missing)");
    document.insert("household", uuid(2));
    document.insert("citizenships", Bson::Array(vec!["MLI".into(), Bson::Null]));
    assert_eq!(damaged::<GuestDoc>(&document), "citizenships.1");
}

#[test]
fn a_path_is_that_of_the_innermost_field() {
    let innermost = DecodeError(String::new()).within(3).within("list").within("field");
    assert_eq!(innermost, DecodeError("field.list.3".into()));
}
