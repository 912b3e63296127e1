//! Guests: the vault. Read by key for loaders, in pages for lists, always within a scope.

use std::collections::HashMap;

use mongodb::bson::{self, Document as Filter, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Code, Guest, contract_name,
    guest::{self, BirthDatePrecision, GuestFacts, HouseholdRole, LegalStatus, OutOfSight, RegisterGuestInput, Sex},
    id::{FacilityId, GuestId, HouseholdId, OrganisationId},
};

use crate::{
    Order, Outcome, Store, StoreError,
    document::{self, Document, Unreadable, binary, date_time, day, instant},
    transaction::Transaction,
};

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
    registered_at: bson::DateTime,
    /// By which the same person is recognised, see [`Guest::likeness`].
    likeness: String,
}

impl Document for GuestDoc {
    const COLLECTION: &'static str = "guests";
    type Noun = Guest;

    fn store(noun: &Guest) -> Self {
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
            registered_at: instant(noun.registered_at),
            likeness: noun.likeness(),
        }
    }

    fn read(self) -> Result<Guest, Unreadable> {
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
            registered_at: date_time("registeredAt", self.registered_at)?,
        })
    }
}

/// Whose files a viewer may see at all. It is part of every query, so that counts and pages do not
/// betray what they leave out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum GuestScope {
    /// Every file.
    All,
    /// The files an organisation keeps, and those of guests in these facilities.
    Kept {
        /// The organisation.
        organisation: OrganisationId,
        /// The facilities.
        facilities: Vec<FacilityId>,
    },
}

impl GuestScope {
    fn filter(&self) -> Filter {
        match self {
            Self::All => doc! {},
            Self::Kept { organisation, facilities } => {
                let facilities: Vec<Binary> = facilities.iter().map(|id| binary(*id)).collect();
                doc! { "$or": [{ "custodian": binary(*organisation) }, { "facility": { "$in": facilities } }] }
            }
        }
    }
}

/// Which guests a list is about.
#[derive(Clone, Debug, Default)]
pub struct GuestFilter {
    /// Present in this facility.
    pub facility: Option<FacilityId>,
    /// Present anywhere, or nowhere.
    pub present: Option<bool>,
    /// Of this legal status.
    pub legal_status: Option<LegalStatus>,
    /// With this citizenship, ISO 3166-1 alpha-3.
    pub citizenship: Option<String>,
    /// Surname begins with this text, case and accents as written.
    pub surname: Option<String>,
}

impl GuestFilter {
    fn filter(&self, scope: &GuestScope) -> Filter {
        let mut all = vec![scope.filter()];
        if let Some(facility) = self.facility {
            all.push(doc! { "facility": binary(facility) });
        }
        if let Some(present) = self.present {
            all.push(if present {
                doc! { "facility": { "$ne": null } }
            } else {
                doc! { "facility": null }
            });
        }
        if let Some(status) = self.legal_status {
            all.push(doc! { "legalStatus": contract_name(status) });
        }
        if let Some(citizenship) = &self.citizenship {
            all.push(doc! { "citizenships": citizenship });
        }
        if let Some(surname) = &self.surname {
            // A range, not a pattern: nothing in the text is an operator, and the index serves it.
            all.push(doc! { "surname": { "$gte": surname, "$lt": format!("{surname}\u{10FFFF}") } });
        }
        doc! { "$and": all }
    }
}

/// Which part of a list of guests.
#[derive(Clone, Copy, Debug)]
pub struct GuestPage {
    /// Only guests after this one.
    pub after: Option<GuestId>,
    /// Only guests before this one.
    pub before: Option<GuestId>,
    /// How many at most.
    pub limit: i64,
    /// Counted from the end.
    pub backwards: bool,
}

impl Transaction {
    async fn guest_facts(
        &mut self,
        guest: &Guest,
        joins: Option<HouseholdId>,
        scope: &GuestScope,
    ) -> Result<GuestFacts, StoreError> {
        let household_known = match joins {
            None => true,
            Some(id) => {
                let member = doc! { "$and": [{ "household": binary(id) }, scope.filter()] };
                self.exists::<GuestDoc>(member).await?
            }
        };
        let sight = scope.filter();
        let likeness = guest.likeness();
        Ok(GuestFacts {
            household_known,
            same_tax_code: self.another_has("taxCode", guest.tax_code.as_ref(), &sight).await?,
            same_cui_code: self.another_has("cuiCode", guest.cui_code.as_ref(), &sight).await?,
            same_vestanet_code: self.another_has("vestanetCode", guest.vestanet_code.as_ref(), &sight).await?,
            same_likeness: self.another_has("likeness", Some(&likeness), &sight).await?,
            out_of_sight: OutOfSight::default(),
        })
    }

    /// Looks for the same person among the files out of the member's sight, and has it recorded when there is one.
    async fn out_of_sight(&mut self, guest: &Guest, scope: &GuestScope) -> Result<OutOfSight, StoreError> {
        if *scope == GuestScope::All {
            return Ok(OutOfSight::default());
        }
        let hidden = doc! { "$nor": [scope.filter()] };
        let codes =
            [("taxCode", &guest.tax_code), ("cuiCode", &guest.cui_code), ("vestanetCode", &guest.vestanet_code)];
        let codes = codes.into_iter().filter_map(|(field, code)| code.as_ref().map(|code| doc! { field: code }));
        let codes: Vec<Filter> = codes.collect();
        let same_code =
            !codes.is_empty() && self.exists::<GuestDoc>(doc! { "$or": codes, "$and": [hidden.clone()] }).await?;
        let same_likeness = self.another_has("likeness", Some(&guest.likeness()), &hidden).await?;
        if same_code {
            self.out_of_sight.push(Code::DuplicatePerson);
        }
        if same_likeness {
            self.out_of_sight.push(Code::PossibleDuplicate);
        }
        Ok(OutOfSight { same_code, same_likeness })
    }

    async fn another_has(&mut self, field: &str, value: Option<&String>, among: &Filter) -> Result<bool, StoreError> {
        match value {
            None => Ok(false),
            Some(value) => self.exists::<GuestDoc>(doc! { "$and": [{ field: value }, among.clone()] }).await,
        }
    }

    /// Whether an adult of the guest's household is present in a facility.
    pub(crate) async fn household_adult_present(
        &mut self,
        guest: &Guest,
        facility: FacilityId,
    ) -> Result<bool, StoreError> {
        let of_age = self.today().plus_months(-12 * 18).to_string();
        self.exists::<GuestDoc>(doc! {
            "household": binary(guest.household),
            "facility": binary(facility),
            "birthDate": { "$lte": of_age },
            "_id": { "$ne": binary(guest.id) },
        })
        .await
    }

    pub(crate) async fn put_guest(&mut self, guest: &Guest) -> Result<(), StoreError> {
        self.replace::<GuestDoc>(doc! { "_id": binary(guest.id) }, guest).await.map(drop)
    }
}

impl Store {
    /// Opens a guest's file, kept by `custodian`. A household can be joined only within `scope`. The same person is
    /// looked for everywhere, but for a mere check within `scope` alone; whoever is found beyond it is on record.
    ///
    /// # Errors
    ///
    /// Faults of the database; refusals are in the outcome.
    pub async fn register_guest(
        &self,
        order: &Order,
        input: &RegisterGuestInput,
        custodian: OrganisationId,
        scope: &GuestScope,
    ) -> Result<Outcome<GuestId>, StoreError> {
        let check = order.validate_only;
        self.perform(order, move |transaction| {
            let (input, scope) = (input.clone(), scope.clone());
            Box::pin(async move {
                let joins = input.household.as_ref().and_then(|household| household.id);
                let guest = opened(input, custodian, transaction.now);
                let mut facts = transaction.guest_facts(&guest, joins, &scope).await?;
                if !check {
                    facts.out_of_sight = transaction.out_of_sight(&guest, &scope).await?;
                }
                guest::check(&guest, facts, transaction.today(), &mut transaction.found);
                // A check does not try: the index of codes would answer for everybody's.
                if transaction.found.blocks() || check {
                    return Ok(None);
                }
                transaction.insert::<GuestDoc>(&guest).await?;
                Ok(Some(guest.id))
            })
        })
        .await
    }

    /// Guests by id, for a loader.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn guests_by_ids(&self, ids: &[GuestId]) -> Result<HashMap<GuestId, Guest>, StoreError> {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let guests = self.find_all::<GuestDoc>(doc! { "_id": { "$in": ids } }, doc! {}).await?;
        Ok(guests.into_iter().map(|guest| (guest.id, guest)).collect())
    }

    /// The members of households, for a loader.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn guests_by_households(
        &self,
        ids: &[HouseholdId],
    ) -> Result<HashMap<HouseholdId, Vec<Guest>>, StoreError> {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let mut households: HashMap<HouseholdId, Vec<Guest>> = HashMap::new();
        for guest in self.find_all::<GuestDoc>(doc! { "household": { "$in": ids } }, doc! { "_id": 1 }).await? {
            households.entry(guest.household).or_default().push(guest);
        }
        Ok(households)
    }

    /// One page of guests in the order of registration.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn guests(
        &self,
        filter: &GuestFilter,
        scope: &GuestScope,
        page: GuestPage,
    ) -> Result<Vec<Guest>, StoreError> {
        let mut ids = doc! {};
        if let Some(after) = page.after {
            ids.insert("$gt", binary(after));
        }
        if let Some(before) = page.before {
            ids.insert("$lt", binary(before));
        }
        let mut query = filter.filter(scope);
        if !ids.is_empty() {
            query.insert("_id", ids);
        }
        let sort = doc! { "_id": if page.backwards { -1 } else { 1 } };
        let mut guests = self.find_some::<GuestDoc>(query, sort, page.limit).await?;
        if page.backwards {
            guests.reverse();
        }
        Ok(guests)
    }

    /// How many guests a list has.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn count_guests(&self, filter: &GuestFilter, scope: &GuestScope) -> Result<u64, StoreError> {
        self.count::<GuestDoc>(filter.filter(scope)).await
    }
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
        registered_at: now,
    }
}
