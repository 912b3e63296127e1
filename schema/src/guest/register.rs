//! Registration: what opens a guest's file, and what it is checked against.

use async_graphql::InputObject;
use serde::Serialize;

use super::{BirthDatePrecision, Guest, HouseholdRole, LegalStatus, Sex};
use crate::{Act, ActInput, Code, Day, Findings, codes, id::HouseholdId, tax_code::TaxCode};

/// The part of a guest in a household, to be registered.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct HouseholdInput {
    /// The household to join; a household of its own when absent.
    pub id: Option<HouseholdId>,
    /// Part in the household.
    #[graphql(default)]
    pub role: HouseholdRole,
}

/// Opens a guest's file.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct RegisterGuestInput {
    /// Surname; the only name of a person with one name.
    pub surname: String,
    /// Given names; empty for a person with one name.
    #[graphql(default)]
    pub given_names: String,
    /// Sex as on the residence permit.
    pub sex: Sex,
    /// Birth date.
    pub birth_date: Day,
    /// How exactly the birth date is known.
    #[graphql(default)]
    pub birth_date_precision: BirthDatePrecision,
    /// ISO 3166-1 alpha-3, at least one; XXA stateless, XXX unknown.
    pub citizenships: Vec<String>,
    /// ISO 639-3.
    #[graphql(default)]
    pub languages: Vec<String>,
    /// Legal ground of presence.
    pub legal_status: LegalStatus,
    /// Under eighteen and without a responsible adult (MSNA).
    #[graphql(default)]
    pub unaccompanied_minor: bool,
    /// A need for places of mental health or disability is documented.
    #[graphql(default)]
    pub special_need_documented: bool,
    /// Tax code (codice fiscale), 16 characters, or 11 digits when provisional.
    pub tax_code: Option<String>,
    /// CUI, tied to the fingerprints.
    pub cui_code: Option<String>,
    /// Vestanet code of the asylum procedure.
    pub vestanet_code: Option<String>,
    /// Part in a household; alone when absent.
    pub household: Option<HouseholdInput>,
}

impl ActInput for RegisterGuestInput {
    const ACT: Act = Act::RegisterGuest;
}

/// What the database knows that a guest is checked against.
#[derive(Clone, Copy, Debug, Default)]
pub struct GuestFacts {
    /// The household named in the input exists and may be joined.
    pub household_known: bool,
    /// Another person whose file the member sees has the same tax code.
    pub same_tax_code: bool,
    /// Another person whose file the member sees has the same CUI.
    pub same_cui_code: bool,
    /// Another person whose file the member sees has the same Vestanet code.
    pub same_vestanet_code: bool,
    /// Another person whose file the member sees has the same names, birth date and citizenships.
    pub same_match_key: bool,
    /// Who else is the same person, as far as the order alone may be told.
    pub out_of_sight: OutOfSight,
}

/// Whether somebody whose file the member does not see is the same person. That tells that a person is in reception,
/// so it is looked at when nothing else keeps an order from being written, never for a mere check; that it was looked
/// at is on record, whatever was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct OutOfSight {
    /// Somebody has one of the codes. Which one is not told.
    pub same_code: bool,
    /// Somebody has the same names, birth date and citizenships.
    pub same_match_key: bool,
}

/// Checks a guest's file as it would be stored (P1, P2, P3).
pub fn check(guest: &Guest, facts: GuestFacts, today: Day, found: &mut Findings) {
    found.require_text(&guest.surname, "input.surname");
    if guest.birth_date > today {
        found.add_with(Code::DateInFuture, "input.birthDate", guest.birth_date);
    } else if guest.birth_date.years_until(today) > 110 {
        found.add(Code::AgeImplausible, "input.birthDate");
    } else if guest.unaccompanied_minor && !guest.was_minor_lately(today) {
        found.add(Code::NotAMinor, "input.unaccompaniedMinor");
    }
    check_codes(guest, found);
    if !facts.household_known {
        found.add(Code::UnknownHousehold, "input.household.id");
    }
    for (duplicate, path) in [
        (facts.same_tax_code, "input.taxCode"),
        (facts.same_cui_code, "input.cuiCode"),
        (facts.same_vestanet_code, "input.vestanetCode"),
    ] {
        if duplicate {
            found.add(Code::DuplicatePerson, path);
        }
    }
    if facts.out_of_sight.same_code {
        found.add(Code::DuplicatePerson, "input");
    }
    if facts.same_match_key || facts.out_of_sight.same_match_key {
        found.add(Code::PossibleDuplicate, "input");
    }
}

fn check_codes(guest: &Guest, found: &mut Findings) {
    if guest.citizenships.is_empty() {
        found.add(Code::CitizenshipMissing, "input.citizenships");
    }
    for (index, country) in guest.citizenships.iter().enumerate() {
        let path = format!("input.citizenships.{index}");
        if !codes::is_citizenship(country) {
            found.add_with(Code::UnknownCountry, path, country);
        } else if country == "ITA" {
            found.add(Code::ItalianCitizen, path);
        }
    }
    for (index, language) in guest.languages.iter().enumerate() {
        if !codes::is_language(language) {
            found.add_with(Code::UnknownLanguage, format!("input.languages.{index}"), language);
        }
    }
    if let Some(text) = &guest.tax_code {
        match TaxCode::parse(text) {
            None => found.add(Code::TaxCodeInvalid, "input.taxCode"),
            Some(code) => {
                for detail in guest.disagreements_with(&code) {
                    found.add_in_words(Code::TaxCodeMismatch, "input.taxCode", detail);
                }
            }
        }
    }
}
