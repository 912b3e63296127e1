//! Guests: the people the system exists for.
//!
//! Everything in this file is personal data. It lives in the vault alone: never on the board, never
//! in the ledger, never in a log line.

mod filter;
mod register;

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

pub use self::{
    filter::GuestFilter,
    register::{GuestFacts, HouseholdInput, OutOfSight, RegisterGuestInput, check},
};
use crate::{
    DateTime, Day, Facility, RecordOwners, codes,
    id::{FacilityId, GuestId, HouseholdId, OrganisationId},
    irregularity::Words,
    tax_code::TaxCode,
};

/// A former minor may stay in a minors' place so many months beyond the eighteenth birthday (DM 18/11/2019 art. 38).
const FORMER_MINOR_MONTHS: i32 = 6;

/// Sex as on the residence permit.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sex {
    /// Female.
    F,
    /// Male.
    M,
    /// Other or not stated.
    X,
}

/// How exactly a birth date is known.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum BirthDatePrecision {
    /// To the day.
    #[default]
    Day,
    /// To the year; day and month are conventional.
    Year,
    /// Estimated, such as by an age assessment.
    Estimated,
}

/// The legal ground of a person's presence.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum LegalStatus {
    /// Richiedente asilo.
    AsylumApplicant,
    /// Status di rifugiato.
    Refugee,
    /// Protezione sussidiaria.
    SubsidiaryProtection,
    /// Protezione speciale.
    SpecialProtection,
    /// Protezione umanitaria (before 2018).
    Humanitarian,
    /// Protezione temporanea.
    TemporaryProtection,
    /// Casi speciali.
    SpecialCases,
    /// Cure mediche.
    MedicalCare,
    /// Protezione sociale (art. 18).
    #[graphql(name = "SOCIAL_PROTECTION_ART18")]
    #[serde(rename = "SOCIAL_PROTECTION_ART18")]
    SocialProtectionArt18,
    /// Particolare sfruttamento lavorativo.
    LabourExploitation,
    /// Atti di particolare valore civile.
    CivilValue,
    /// Minore straniero non accompagnato.
    UnaccompaniedMinor,
    /// Family member of a protected person.
    FamilyMember,
    /// Denied, with an appeal pending.
    DeniedAppealing,
    /// Another ground.
    Other,
}

/// A person's part in a household (nucleo familiare).
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum HouseholdRole {
    /// Reference person.
    #[default]
    Head,
    /// Spouse or partner.
    Partner,
    /// Child.
    Child,
    /// Parent.
    Parent,
    /// Brother or sister.
    Sibling,
    /// Another relation.
    Other,
}

/// A guest (beneficiario): one person's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest {
    /// Identifies the person for good.
    pub id: GuestId,
    /// Surname; the only name of a person with one name.
    pub surname: String,
    /// Given names; empty for a person with one name.
    pub given_names: String,
    /// Sex.
    pub sex: Sex,
    /// Birth date, as exact as its precision says.
    pub birth_date: Day,
    /// How exactly the birth date is known.
    pub birth_date_precision: BirthDatePrecision,
    /// ISO 3166-1 alpha-3, or XXA stateless, XXX unknown.
    pub citizenships: Vec<String>,
    /// ISO 639-3.
    pub languages: Vec<String>,
    /// Legal ground of presence.
    pub legal_status: LegalStatus,
    /// Under eighteen and without a responsible adult.
    pub unaccompanied_minor: bool,
    /// A need for places of mental health or disability is documented; the content is not kept here.
    pub special_need_documented: bool,
    /// Tax code, 16 characters or 11 digits.
    pub tax_code: Option<String>,
    /// CUI, tied to the fingerprints.
    pub cui_code: Option<String>,
    /// Vestanet code of the asylum procedure.
    pub vestanet_code: Option<String>,
    /// The household.
    pub household: HouseholdId,
    /// Part in the household.
    pub household_role: HouseholdRole,
    /// The organisation that keeps the file: who registered the guest, later who hosts or last hosted.
    pub custodian: OrganisationId,
    /// Where the guest stays now.
    pub facility: Option<FacilityId>,
    /// Who holds the project of that facility.
    pub holder: Option<OrganisationId>,
    /// When the guest left the last place; none while the guest has one, and before the first.
    pub left_at: Option<DateTime>,
    /// Who kept the file before, each once.
    pub former_keepers: Vec<FormerKeeper>,
    /// As of when this is the file, for somebody who kept it then; none for the file as it is now.
    pub as_of: Option<DateTime>,
    /// When the file was opened.
    pub registered_at: DateTime,
}

/// An organisation that kept a guest's file once. It goes on seeing the file as it was then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerKeeper {
    /// The organisation.
    pub organisation: OrganisationId,
    /// When the guest left it; when somebody else took the guest in, if it never hosted the guest.
    pub until: DateTime,
    /// Whether it hosted the guest, and did not only open the file.
    pub hosted: bool,
}

impl Guest {
    /// The guest has got a place: whoever runs the facility keeps the file from now on.
    pub fn arrive(&mut self, facility: &Facility, at: DateTime) {
        if self.custodian != facility.operator {
            let (until, hosted) = (self.left_at.unwrap_or(at), self.left_at.is_some());
            self.former_keepers.retain(|former| former.organisation != facility.operator);
            self.former_keepers.push(FormerKeeper { organisation: self.custodian, until, hosted });
        }
        self.custodian = facility.operator;
        self.facility = Some(facility.id);
        self.holder = Some(facility.holder);
        self.left_at = None;
    }

    /// The guest has left the place.
    pub fn leave(&mut self, at: DateTime) {
        self.facility = None;
        self.holder = None;
        self.left_at = Some(at);
    }

    /// The file as an organisation sees it by itself: as it is now for its keeper and, where `holds` says so, for the
    /// holder of the project; for a former keeper as it was when the guest left, wherever the guest has been since.
    #[must_use]
    pub fn as_seen_by(self, organisation: OrganisationId, holds: bool) -> Option<Self> {
        if self.custodian == organisation || (holds && self.holder == Some(organisation)) {
            return Some(self);
        }
        let former = self.former_keepers.iter().find(|former| former.organisation == organisation).copied()?;
        Some(Self {
            custodian: organisation,
            facility: None,
            holder: None,
            left_at: former.hosted.then_some(former.until),
            former_keepers: Vec::new(),
            as_of: Some(former.until),
            ..self
        })
    }

    /// In what a tax code disagrees with the file. Names are not compared: transliterations vary.
    #[must_use]
    pub fn disagreements_with(&self, code: &TaxCode) -> Vec<Words> {
        let TaxCode::Personal16(code) = code else { return Vec::new() };
        let born = self.birth_date.0;
        let same_date = born.year().rem_euclid(100) == i16::from(code.year)
            && born.month() == code.month as i8
            && born.day() == code.day as i8;
        let same_sex = self.sex == Sex::X || (self.sex == Sex::F) == code.female;
        let same_country = codes::country_of_belfiore(&code.place)
            .is_none_or(|country| self.citizenships.iter().any(|citizenship| citizenship == country));
        [
            (same_date, Words { it: "la data di nascita", en: "the birth date" }),
            (same_sex, Words { it: "il sesso", en: "the sex" }),
            (same_country, Words { it: "la cittadinanza", en: "the citizenship" }),
        ]
        .into_iter()
        .filter_map(|(same, what)| (!same).then_some(what))
        .collect()
    }

    /// The organisations the file belongs to: who keeps it, and who holds the project that hosts the guest.
    #[must_use]
    pub fn owners(&self) -> RecordOwners<'_> {
        RecordOwners { keeper: Some(self.custodian), holder: self.holder, municipality: None }
    }

    /// Who is told when the file is looked at for somebody who does not see it: whoever hosts the guest. Somebody else
    /// would learn where the guest has turned up: whom the guest has left, and whoever opened a file to be told.
    #[must_use]
    pub fn told_of_lookups(&self) -> Vec<OrganisationId> {
        self.facility.map(|_| self.custodian).into_iter().collect()
    }

    /// The names and particulars by which the same person is recognised, in plain upper case.
    #[must_use]
    pub fn match_key(&self) -> String {
        let plain = |text: &str| -> String {
            text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_uppercase).collect()
        };
        let mut citizenships = self.citizenships.clone();
        citizenships.sort();
        format!("{}|{}|{}|{}", plain(&self.surname), plain(&self.given_names), self.birth_date, citizenships.join(","))
    }

    /// Whether the person is under eighteen on a day, or was so lately that a minors' place is still right.
    #[must_use]
    pub fn was_minor_lately(&self, day: Day) -> bool {
        day <= self.birth_date.plus_months(12 * 18 + FORMER_MINOR_MONTHS)
    }

    /// Whether the person is under eighteen on a day.
    #[must_use]
    pub fn is_minor_on(&self, day: Day) -> bool {
        self.birth_date.years_until(day) < 18
    }
}
