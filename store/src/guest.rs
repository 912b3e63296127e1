//! Guests: the vault. Read by key for loaders, in pages for lists, always within a scope.

mod readers;
pub(crate) mod scope;

use mongodb::{
    IndexModel,
    bson::{self, Document as Filter, doc},
};
use tavolo_schema::{
    Code, Findings, FormerKeeper, Guest,
    guest::{self, GuestFacts, OutOfSight, RegisterGuestInput},
    id::{FacilityId, GuestId, HouseholdId, OrganisationId},
    lookup::{LookedAt, MOST_FILES},
};

use self::scope::Sees;
pub use self::{readers::GuestPage, scope::GuestScope};
use crate::{
    Perform, Stopped, StoreError,
    document::{
        binary, document, embedded,
        shape::{plain, plain_where, present},
    },
    transaction::Transaction,
};

embedded! { FormerKeeper { organisation, until, hosted } }

/// Index over a code within the files that somebody sees.
fn seen_by(code: &str) -> IndexModel {
    plain_where(doc! { "sight.by": 1, code: 1 }, doc! { code: { "$exists": true } })
}

/// Who sees a file by itself, and where the guest is in its eyes. Every reader within a scope begins with it, in its
/// filter as in its index: what is not there for somebody is not looked at for somebody.
struct SightEntry {
    by: OrganisationId,
    why: Sees,
    facility: Option<FacilityId>,
}

embedded! { SightEntry { by, why as "as", facility } }

/// One entry for each organisation; the file as it is now comes before the file as it was.
fn sight_of(guest: &Guest) -> Vec<SightEntry> {
    let holder = guest.holder.filter(|holder| *holder != guest.custodian);
    let formers = guest.former_keepers.iter().map(|former| former.organisation);
    let formers = formers.filter(|former| *former != guest.custodian && Some(*former) != holder);
    std::iter::once((guest.custodian, Sees::Keeper, guest.facility))
        .chain(holder.map(|holder| (holder, Sees::Holder, guest.facility)))
        .chain(formers.map(|former| (former, Sees::Former, None)))
        .map(|(by, why, facility)| SightEntry { by, why, facility })
        .collect()
}

document! {
    pub(crate) GuestDoc of Guest in "guests" {
        id as "_id", surname, given_names, sex, birth_date, birth_date_precision, citizenships, languages, legal_status,
        unaccompanied_minor, special_need_documented, household, household_role, custodian, facility, holder, left_at,
        former_keepers, registered_at,
    }
    absent when none { tax_code, cui_code, vestanet_code }
    // `sight` says who sees the file, `likeness` by what the same person is recognised: queries ask for both.
    derived { "sight" => sight_of, "likeness" => Guest::match_key }
    not kept { as_of: None }
    indexes {
        present("taxCode"),
        present("cuiCode"),
        present("vestanetCode"),
        plain(doc! { "likeness": 1 }),
        plain(doc! { "household": 1 }),
        plain(doc! { "facility": 1, "_id": 1 }),
        plain(doc! { "surname": 1 }),
        // Indexes that begin with `sight.by` serve members who do not see every file.
        plain(doc! { "sight.by": 1, "_id": 1 }),
        plain(doc! { "sight.by": 1, "sight.facility": 1, "_id": 1 }),
        plain(doc! { "sight.by": 1, "surname": 1 }),
        plain(doc! { "sight.by": 1, "household": 1 }),
        plain(doc! { "sight.by": 1, "likeness": 1 }),
        seen_by("taxCode"),
        seen_by("cuiCode"),
        seen_by("vestanetCode"),
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
            same_match_key: self.exists_within("likeness", guest.match_key(), scope).await?,
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
        let match_key = guest.match_key();
        let mut same: Vec<Filter> =
            codes.iter().filter_map(|(field, code)| code.map(|code| doc! { *field: code })).collect();
        same.push(doc! { "likeness": &match_key });
        let hidden = doc! { "$or": same, "$nor": [scope.filter()] };
        let hit = self.find_some::<GuestDoc>(hidden, doc! { "_id": 1 }, MOST_FILES).await?;
        let same_code = |other: &Guest| codes_of(other).iter().zip(&codes).any(|(a, b)| a.1.is_some() && a.1 == b.1);
        let told = |other: &Guest| {
            let same =
                [(same_code(other), Code::DuplicatePerson), (other.match_key() == match_key, Code::PossibleDuplicate)];
            same.into_iter().filter_map(|(same, code)| same.then_some(code)).collect::<Vec<_>>()
        };
        let files: Vec<LookedAt> = hit.iter().map(|other| LookedAt::of(other, told(other))).collect();
        let told = |code: Code| files.iter().any(|file| file.found.contains(&code));
        let same = OutOfSight { same_code: told(Code::DuplicatePerson), same_match_key: told(Code::PossibleDuplicate) };
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
        // The index of the facility serves this: households have members elsewhere.
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
