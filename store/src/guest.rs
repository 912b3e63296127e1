//! Guests: the vault. Read by key for loaders, in pages for lists, always within a scope.

mod readers;
pub(crate) mod scope;

use mongodb::bson::{self, Document as Filter, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Code, Findings, FormerKeeper, Guest,
    guest::{self, BirthDatePrecision, GuestFacts, HouseholdRole, LegalStatus, OutOfSight, RegisterGuestInput, Sex},
    id::{FacilityId, GuestId, HouseholdId, OrganisationId},
    lookup::{LookedAt, MOST_FILES},
};

pub use self::{
    readers::{GuestFilter, GuestPage},
    scope::GuestScope,
};
use crate::{
    Perform, Stopped, StoreError,
    document::{self, Document, Unreadable, binary, date_time, day, instant},
    transaction::Transaction,
};

#[derive(Serialize, Deserialize)]
struct FormerKeeperDoc {
    organisation: Binary,
    until: bson::DateTime,
    hosted: bool,
}

/// Why an organisation sees a file.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
enum Sees {
    Keeper,
    Holder,
    Former,
}

/// Who sees a file by itself, and where the guest is in its eyes. Every reader within a scope begins with it, in its
/// filter as in its index: what is not there for somebody is not looked at for somebody.
#[derive(Serialize)]
struct SightDoc {
    by: Binary,
    r#as: Sees,
    facility: Option<Binary>,
}

impl SightDoc {
    /// One entry for each organisation; the file as it is now comes before the file as it was.
    fn all(guest: &Guest) -> Vec<Self> {
        let facility = guest.facility.map(binary);
        let holder = guest.holder.filter(|holder| *holder != guest.custodian);
        let formers = guest.former_keepers.iter().map(|former| former.organisation);
        let formers = formers.filter(|former| *former != guest.custodian && Some(*former) != holder);
        std::iter::once((guest.custodian, Sees::Keeper, facility))
            .chain(holder.map(|holder| (holder, Sees::Holder, facility)))
            .chain(formers.map(|former| (former, Sees::Former, None)))
            .map(|(by, r#as, facility)| Self { by: binary(by), r#as, facility })
            .collect()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GuestDoc {
    #[serde(rename = "_id")]
    id: Binary,
    surname: String,
    given_names: String,
    sex: Sex,
    birth_date: String,
    birth_date_precision: BirthDatePrecision,
    citizenships: Vec<String>,
    languages: Vec<String>,
    legal_status: LegalStatus,
    unaccompanied_minor: bool,
    special_need_documented: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cui_code: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vestanet_code: Option<String>,
    household: Binary,
    household_role: HouseholdRole,
    custodian: Binary,
    facility: Option<Binary>,
    holder: Option<Binary>,
    left_at: Option<bson::DateTime>,
    former_keepers: Vec<FormerKeeperDoc>,
    /// What a query asks for; what it says is derived from the fields above.
    #[serde(skip_deserializing)]
    sight: Vec<SightDoc>,
    registered_at: bson::DateTime,
    /// By which the same person is recognised, see [`Guest::likeness`].
    likeness: String,
}

impl Document for GuestDoc {
    const COLLECTION: &'static str = "guests";
    type Noun = Guest;

    fn store(noun: &Guest) -> Self {
        let former = |former: &FormerKeeper| FormerKeeperDoc {
            organisation: binary(former.organisation),
            until: instant(former.until),
            hosted: former.hosted,
        };
        Self {
            id: binary(noun.id),
            surname: noun.surname.clone(),
            given_names: noun.given_names.clone(),
            sex: noun.sex,
            birth_date: noun.birth_date.to_string(),
            birth_date_precision: noun.birth_date_precision,
            citizenships: noun.citizenships.clone(),
            languages: noun.languages.clone(),
            legal_status: noun.legal_status,
            unaccompanied_minor: noun.unaccompanied_minor,
            special_need_documented: noun.special_need_documented,
            tax_code: noun.tax_code.clone(),
            cui_code: noun.cui_code.clone(),
            vestanet_code: noun.vestanet_code.clone(),
            household: binary(noun.household),
            household_role: noun.household_role,
            custodian: binary(noun.custodian),
            facility: noun.facility.map(binary),
            holder: noun.holder.map(binary),
            left_at: noun.left_at.map(instant),
            former_keepers: noun.former_keepers.iter().map(former).collect(),
            sight: SightDoc::all(noun),
            registered_at: instant(noun.registered_at),
            likeness: noun.likeness(),
        }
    }

    fn read(self) -> Result<Guest, Unreadable> {
        let former = |former: FormerKeeperDoc| {
            Ok(FormerKeeper {
                organisation: document::id(former.organisation),
                until: date_time("formerKeepers.until", former.until)?,
                hosted: former.hosted,
            })
        };
        Ok(Guest {
            id: document::id(self.id),
            surname: self.surname,
            given_names: self.given_names,
            sex: self.sex,
            birth_date: day("birthDate", &self.birth_date)?,
            birth_date_precision: self.birth_date_precision,
            citizenships: self.citizenships,
            languages: self.languages,
            legal_status: self.legal_status,
            unaccompanied_minor: self.unaccompanied_minor,
            special_need_documented: self.special_need_documented,
            tax_code: self.tax_code,
            cui_code: self.cui_code,
            vestanet_code: self.vestanet_code,
            household: document::id(self.household),
            household_role: self.household_role,
            custodian: document::id(self.custodian),
            facility: self.facility.map(document::id),
            holder: self.holder.map(document::id),
            left_at: self.left_at.map(|at| date_time("leftAt", at)).transpose()?,
            former_keepers: self.former_keepers.into_iter().map(former).collect::<Result<_, _>>()?,
            as_of: None,
            registered_at: date_time("registeredAt", self.registered_at)?,
        })
    }
}

impl Transaction {
    /// What is known within a scope.
    async fn guest_facts(
        &mut self,
        guest: &Guest,
        joins: Option<HouseholdId>,
        scope: GuestScope,
    ) -> Result<GuestFacts, StoreError> {
        let household_known = match joins {
            None => true,
            Some(id) => self.exists_within("household", binary(id), scope).await?,
        };
        let mut same = [false; 3];
        for ((field, code), same) in codes_of(guest).into_iter().zip(&mut same) {
            if let Some(code) = code {
                *same = self.exists_within(field, code, scope).await?;
            }
        }
        let [same_tax_code, same_cui_code, same_vestanet_code] = same;
        Ok(GuestFacts {
            household_known,
            same_tax_code,
            same_cui_code,
            same_vestanet_code,
            same_likeness: self.exists_within("likeness", guest.likeness(), scope).await?,
            out_of_sight: OutOfSight::default(),
        })
    }

    /// Looks for the same person among the files out of the member's sight, and has the look recorded; `None` when the
    /// member may take no more looks.
    async fn out_of_sight(&mut self, guest: &Guest, scope: GuestScope) -> Result<Option<OutOfSight>, StoreError> {
        if scope == GuestScope::All {
            return Ok(Some(OutOfSight::default()));
        }
        if !self.may_look().await? {
            return Ok(None);
        }
        let codes = codes_of(guest);
        let likeness = guest.likeness();
        let mut same: Vec<Filter> =
            codes.iter().filter_map(|(field, code)| code.map(|code| doc! { *field: code })).collect();
        same.push(doc! { "likeness": &likeness });
        let hidden = doc! { "$or": same, "$nor": [scope.filter()] };
        let hit = self.find_some::<GuestDoc>(hidden, doc! { "_id": 1 }, MOST_FILES).await?;
        let same_code = |other: &Guest| codes_of(other).iter().zip(&codes).any(|(a, b)| a.1.is_some() && a.1 == b.1);
        let told = |other: &Guest| {
            let same =
                [(same_code(other), Code::DuplicatePerson), (other.likeness() == likeness, Code::PossibleDuplicate)];
            same.into_iter().filter_map(|(same, code)| same.then_some(code)).collect::<Vec<_>>()
        };
        let files: Vec<LookedAt> = hit.iter().map(|other| LookedAt::of(other, told(other))).collect();
        let told = |code: Code| files.iter().any(|file| file.found.contains(&code));
        let same = OutOfSight { same_code: told(Code::DuplicatePerson), same_likeness: told(Code::PossibleDuplicate) };
        let found = [Code::DuplicatePerson, Code::PossibleDuplicate].into_iter().filter(|code| told(*code)).collect();
        self.looked(found, files);
        Ok(Some(same))
    }

    /// A guest's file as far as it is within a scope.
    pub(crate) async fn guest_within(&mut self, id: GuestId, scope: GuestScope) -> Result<Option<Guest>, StoreError> {
        let mut filter = scope.filter();
        filter.insert("_id", binary(id));
        let found = self.find_one_by::<GuestDoc>(filter, scope.index("_id")).await?;
        Ok(found.and_then(|guest| scope.view(guest)))
    }

    async fn exists_within(
        &mut self,
        field: &str,
        value: impl Into<bson::Bson>,
        scope: GuestScope,
    ) -> Result<bool, StoreError> {
        let mut filter = scope.filter();
        filter.insert(field, value.into());
        self.exists::<GuestDoc>(filter, scope.index(field)).await
    }

    /// Whether an adult of the guest's household is present in a facility.
    pub(crate) async fn household_adult_present(
        &mut self,
        guest: &Guest,
        facility: FacilityId,
    ) -> Result<bool, StoreError> {
        let of_age = self.today().plus_months(-12 * 18).to_string();
        let adult = doc! {
            "household": binary(guest.household),
            "facility": binary(facility),
            "birthDate": { "$lte": of_age },
            "_id": { "$ne": binary(guest.id) },
        };
        // Those present here, not the household wherever it is.
        self.exists::<GuestDoc>(adult, Some(doc! { "facility": 1, "_id": 1 })).await
    }

    pub(crate) async fn put_guest(&mut self, guest: &Guest) -> Result<(), StoreError> {
        self.replace::<GuestDoc>(doc! { "_id": binary(guest.id) }, guest).await.map(drop)
    }
}

impl Perform for RegisterGuestInput {
    type Answer = GuestId;

    /// The member's organisation keeps the file. The same person is looked for among the files that the member sees, and a
    /// household can be joined only there. Beyond them the person is looked for when nothing else keeps the file from
    /// being opened, never for a mere check; each such look is counted and on record.
    async fn perform(self, act: &mut Transaction) -> Result<GuestId, Stopped> {
        let (custodian, scope) = (act.actor.organisation.ok_or(StoreError::Forbidden)?, act.guest_scope()?);
        let joins = self.household.as_ref().and_then(|household| household.id);
        let (guest, today) = (opened(self, custodian, act.now), act.today());
        let mut facts = act.guest_facts(&guest, joins, scope).await?;
        act.check(|found| guest::check(&guest, facts, today, found))?;
        // `validateOnly` must not insert: the unique index would tell of a code in a file that the member does not see.
        act.unless_checking()?;
        facts.out_of_sight = act.out_of_sight(&guest, scope).await?.ok_or(Stopped::Unwritten)?;
        act.found = Findings::default();
        act.check(|found| guest::check(&guest, facts, today, found))?;
        act.insert::<GuestDoc>(&guest).await?;
        Ok(guest.id)
    }
}

/// The codes by which a person is known for certain.
fn codes_of(guest: &Guest) -> [(&'static str, Option<&String>); 3] {
    [
        ("taxCode", guest.tax_code.as_ref()),
        ("cuiCode", guest.cui_code.as_ref()),
        ("vestanetCode", guest.vestanet_code.as_ref()),
    ]
}

fn opened(input: RegisterGuestInput, custodian: OrganisationId, now: tavolo_schema::DateTime) -> Guest {
    let code = |text: Option<String>| text.map(|text| text.trim().to_uppercase()).filter(|text| !text.is_empty());
    let household = input.household.as_ref();
    Guest {
        id: GuestId::fresh(now),
        household: household.and_then(|household| household.id).unwrap_or_else(|| HouseholdId::fresh(now)),
        household_role: household.map(|household| household.role).unwrap_or_default(),
        surname: input.surname.trim().into(),
        given_names: input.given_names.trim().into(),
        sex: input.sex,
        birth_date: input.birth_date,
        birth_date_precision: input.birth_date_precision,
        citizenships: input.citizenships,
        languages: input.languages,
        legal_status: input.legal_status,
        unaccompanied_minor: input.unaccompanied_minor,
        special_need_documented: input.special_need_documented,
        tax_code: code(input.tax_code),
        cui_code: code(input.cui_code),
        vestanet_code: code(input.vestanet_code),
        custodian,
        facility: None,
        holder: None,
        left_at: None,
        former_keepers: Vec::new(),
        as_of: None,
        registered_at: now,
    }
}
