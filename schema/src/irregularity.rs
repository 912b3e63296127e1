//! Irregular data: what is wrong with an entry, said so that it can be put right.
//!
//! The rules are data: each code has one severity, one text in Italian and English, and the source
//! that asks for it. `{}` in a text stands for the detail that the finding carries.

use async_graphql::Enum;
use serde::{Deserialize, Serialize};

/// What an irregularity does to the entry.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// The entry is refused; nothing was written.
    Block,
    /// The entry is accepted and the irregularity is on record.
    Warn,
}

/// The language of a message to a person.
#[derive(Enum, Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// Italiano.
    #[default]
    It,
    /// English.
    En,
}

/// One row of the rule table.
#[derive(Debug)]
pub struct Rule {
    /// What the irregularity does to the entry.
    pub severity: Severity,
    /// The message in Italian.
    pub it: &'static str,
    /// The message in English.
    pub en: &'static str,
    /// Decree, article or project rule that asks for it.
    pub source: &'static str,
    /// Numbers of the rules that it is found by, with which checks say what they look at: P of persons, F of facilities, A
    /// of accreditations. Empty for what is no rule of the trade.
    pub numbers: &'static str,
}

macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $code:ident: $severity:ident, $it:literal, $en:literal, $source:literal $(, $number:literal)?;)*) => {
        /// Every irregularity Tavolo can find. The set is closed: a client may switch on it.
        #[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[graphql(name = "IrregularityCode")]
        #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
        pub enum Code { $($(#[doc = $doc])+ $code,)* }

        impl Code {
            /// Every code.
            pub const ALL: &[Code] = &[$(Code::$code),*];

            /// The row of the rule table.
            #[must_use]
            pub fn rule(self) -> &'static Rule {
                match self {
                    $(Code::$code => &Rule { severity: Severity::$severity, it: $it, en: $en, source: $source, numbers: concat!($($number)?) },)*
                }
            }
        }
    };
}

rules! {
    /// A required text is empty.
    TextMissing: Block, "Campo obbligatorio vuoto.", "A required text is empty.", "Tavolo";
    /// A number is outside its range.
    NumberOutOfRange: Block, "Il numero deve essere {}.", "The number must be {}.", "Tavolo";
    /// The period ends before it begins.
    PeriodReversed: Block, "Il periodo finisce prima di iniziare.", "The period ends before it begins.", "Tavolo";
    /// The date lies in the future.
    DateInFuture: Block, "La data {} è nel futuro.", "The date {} is in the future.", "DM 10/08/2016 art. 32", "P1";
    /// The record was changed since it was read.
    StaleRevision: Block, "Il dato è stato modificato nel frattempo: rileggere e ripetere.", "The record has changed since it was read: read it again and repeat.", "Tavolo";

    /// Counters, ledger and open stays of these places do not agree, so nothing is entered about them.
    BooksDisagree: Block, "I numeri di questi posti non concordano con il registro o con le presenze: nulla viene registrato finché l'amministratore del sistema non li ha verificati (tavolo check, tavolo repair).", "The numbers of these places do not agree with the ledger or with the stays: nothing is entered until the administrator of the system has looked into it (tavolo check, tavolo repair).", "Tavolo";

    /// There is no such municipality in the province.
    UnknownMunicipality: Block, "Il comune {} non esiste nella provincia.", "There is no municipality {} in the province.", "ISTAT", "F1";
    /// The postal code is not one of the municipality.
    PostalCodeMismatch: Block, "Il CAP {} non è di questo comune.", "The postal code {} is not of this municipality.", "ISTAT", "F1";
    /// There is no such organisation.
    UnknownOrganisation: Block, "L'ente non esiste.", "There is no such organisation.", "Tavolo";
    /// The organisation cannot play this part.
    WrongOrganisationKind: Block, "Un ente di questo tipo non può avere questo ruolo.", "An organisation of this kind cannot play this part.", "DM 18/11/2019";

    /// There is no such facility.
    UnknownFacility: Block, "La struttura non esiste.", "There is no such facility.", "Tavolo";
    /// A facility with this address is already registered.
    SameAddress: Warn, "Una struttura è già registrata a questo indirizzo.", "A facility is already registered at this address.", "DM 18/11/2019 art. 19", "F5";
    /// Two rooms have the same letter.
    DuplicateRoom: Block, "Due camere hanno la stessa lettera {}.", "Two rooms have the same letter {}.", "Tavolo";
    /// A room has less than 4 square metres for each bed.
    RoomTooSmall: Block, "La camera {} ha meno di 4 m² a persona.", "Room {} has less than 4 m² per person.", "EUAA Guidance on reception conditions, standard 13", "F2";
    /// A room is below the national housing measure.
    RoomBelowHousingStandard: Warn, "La camera {} è sotto la misura abitativa nazionale (9 m² per una persona, 14 m² per due).", "Room {} is below the national housing measure (9 m² for one person, 14 m² for two).", "DM Sanità 05/07/1975", "F2";
    /// A room has more beds than the standard allows.
    TooManyBeds: Warn, "La camera {} ha più di 6 posti letto.", "Room {} has more than 6 beds.", "EUAA Guidance on reception conditions, standard 13", "F2";

    /// More places than the beds of the declared rooms.
    MorePlacesThanBeds: Block, "I posti superano i {} posti letto delle camere dichiarate.", "There are more places than the {} beds of the declared rooms.", "DM 18/11/2019 art. 19", "F3";
    /// More places in one facility than the guidelines normally allow.
    AboveFacilityCap: Warn, "La struttura supera i {} posti normalmente ammessi.", "The facility has more than the {} places normally allowed.", "DM 18/11/2019 art. 11 c. 1", "F3";
    /// Fewer places than guests present or expected.
    BelowOccupied: Block, "I posti sono meno degli ospiti presenti o attesi ({}).", "There are fewer places than guests present or expected ({}).", "Tavolo", "F6";
    /// With the blocks in force or to come, fewer places than guests present or expected.
    BelowBlocked: Block, "Con i posti bloccati ({}) non restano posti per gli ospiti presenti o attesi.", "With the blocked places ({}), no places are left for guests present or expected.", "Tavolo", "F6";
    /// More places blocked than are installed.
    BlockExceedsInstalled: Block, "Si bloccano più posti di quelli esistenti ({}).", "More places are blocked than exist ({}).", "Tavolo";
    /// There is no such block in force.
    UnknownBlock: Block, "Il blocco non esiste o è già tolto.", "There is no such block, or it is already lifted.", "Tavolo";

    /// There is no such accreditation.
    UnknownAccreditation: Block, "L'accreditamento non esiste.", "There is no such accreditation.", "Tavolo";
    /// The accreditation's state does not allow this act.
    TransitionNotAllowed: Block, "Lo stato {} non consente questo atto.", "The state {} does not allow this act.", "L. 241/1990", "A1";
    /// An accreditation asks for or grants no places.
    NoPlacesRequested: Block, "Nessun posto richiesto o concesso.", "No places are requested or granted.", "DM 18/11/2019 art. 11";
    /// The same category is named twice.
    DuplicateCategory: Block, "La categoria {} è indicata due volte.", "The category {} is named twice.", "Tavolo";
    /// More places are granted or requested than are installed.
    MorePlacesThanInstalled: Warn, "I posti superano quelli esistenti ({}).", "There are more places than are installed ({}).", "DM 18/11/2019 art. 19";
    /// A decision needs its reason.
    ReasonMissing: Block, "Manca la motivazione.", "The reason is missing.", "L. 241/1990 art. 3";

    /// The tax code is malformed or its check character is wrong.
    TaxCodeInvalid: Block, "Il codice fiscale non è valido (carattere di controllo).", "The tax code is not valid (check character).", "DM 23/12/1976";
    /// The tax code does not agree with birth date or sex.
    TaxCodeMismatch: Warn, "Il codice fiscale non concorda con {}.", "The tax code does not agree with {}.", "DM 23/12/1976";
    /// The country code is not in ISO 3166-1.
    UnknownCountry: Block, "Il paese {} non è in ISO 3166-1 alpha-3.", "The country {} is not in ISO 3166-1 alpha-3.", "ISO 3166-1", "P2";
    /// No citizenship is given; statelessness is XXA, unknown is XXX.
    CitizenshipMissing: Block, "Manca la cittadinanza (apolide: XXA, sconosciuta: XXX).", "The citizenship is missing (stateless: XXA, unknown: XXX).", "ISO 3166-1", "P2";
    /// An Italian citizen is registered as a guest.
    ItalianCitizen: Warn, "L'ospite ha cittadinanza italiana.", "The guest has Italian citizenship.", "D.Lgs. 142/2015", "P2";
    /// The language code has not the shape of ISO 639-3.
    UnknownLanguage: Block, "La lingua {} non è un codice ISO 639-3.", "The language {} is not an ISO 639-3 code.", "ISO 639-3";
    /// The birth date gives an age above 110 years.
    AgeImplausible: Block, "La data di nascita dà più di 110 anni.", "The birth date gives an age above 110 years.", "Tavolo", "P1";
    /// A person is registered as an unaccompanied minor only under eighteen, or within six months after.
    NotAMinor: Block, "La persona ha più di 18 anni e 6 mesi: non è un minore.", "The person is over 18 years and 6 months: not a minor.", "L. 47/2017 art. 2; DM 18/11/2019 art. 38";
    /// A person with the same tax code, CUI or Vestanet code is registered.
    DuplicatePerson: Block, "Una persona con lo stesso codice è già registrata: contattare la Provincia.", "A person with the same code is already registered: contact the Province.", "DM 10/08/2016 art. 40", "P3";
    /// A person with the same name, birth date and citizenship is registered.
    PossibleDuplicate: Warn, "Una persona con gli stessi dati anagrafici è già registrata: verificare con la Provincia.", "A person with the same particulars is already registered: check with the Province.", "DM 10/08/2016 art. 40", "P3";
    /// The looks at files out of sight that a member, or its organisation, may take in a day are used up.
    LookupsExhausted: Block, "Le verifiche di oggi su persone seguite da altri enti sono esaurite: contattare la Provincia.", "Today's looks at persons whose files other bodies keep are used up: contact the Province.", "GDPR art. 5 and 32";
    /// There is no such household.
    UnknownHousehold: Block, "Il nucleo familiare non esiste.", "There is no such household.", "Tavolo";

    /// There is no such guest, or none that the member may admit.
    UnknownGuest: Block, "Nessun ospite che l'ente possa accogliere: contattare la Provincia.", "There is no such guest for this body to admit: contact the Province.", "Tavolo";
    /// The guest already has an open stay.
    GuestAlreadyHosted: Block, "L'ospite è già accolto ({}): contattare la Provincia.", "The guest is already hosted ({}): contact the Province.", "DM 10/08/2016 art. 37", "P4";
    /// No accreditation is in force on the day for this category.
    NoAccreditationInForce: Block, "Nessun accreditamento in vigore il {} per questa categoria.", "No accreditation is in force on {} for this category.", "DM 18/11/2019 art. 19", "P7";
    /// Every place that can be allocated is taken.
    NoFreePlace: Block, "Nessun posto libero in questa categoria.", "There is no free place in this category.", "DM 18/11/2019 art. 11", "P6";
    /// The person does not belong in this category of place.
    WrongCategory: Block, "La persona non può occupare un posto di questa categoria: {}.", "The person cannot take a place of this category: {}.", "L. 47/2017; DM 18/11/2019 art. 7", "P8, P11";
    /// The stay overlaps an earlier one.
    StayOverlaps: Block, "L'accoglienza si sovrappone a una precedente.", "The stay overlaps an earlier one.", "DM 10/08/2016 art. 32", "P5";
    /// The entry is before the guest was born.
    EntryBeforeBirth: Block, "L'ingresso precede la nascita.", "The entry is before the guest was born.", "Tavolo", "P1";
    /// Entry or exit is registered later than three working days.
    LateRegistration: Warn, "Registrazione oltre i 3 giorni lavorativi.", "Registered later than 3 working days.", "DM 10/08/2016 art. 32", "P17";
    /// There is no such stay.
    UnknownStay: Block, "L'accoglienza non esiste.", "There is no such stay.", "Tavolo";
    /// The stay is already closed.
    StayAlreadyClosed: Block, "L'accoglienza è già conclusa.", "The stay is already closed.", "Tavolo";
    /// The exit is before the entry.
    ExitBeforeEntry: Block, "L'uscita precede l'ingresso.", "The exit is before the entry.", "DM 10/08/2016 art. 32", "P1";

    /// More guests are present or expected than places can be allocated.
    OverCapacity: Warn, "Gli ospiti superano i posti assegnabili di {}.", "Guests exceed the allocable places by {}.", "DM 18/11/2019 art. 11";
    /// Guests are present in a category without an accreditation in force.
    HostingWithoutAccreditation: Warn, "Ospiti presenti senza accreditamento in vigore ({}).", "Guests are present without an accreditation in force ({}).", "DM 18/11/2019 art. 19";
}

/// A detail in both languages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Words {
    /// In Italian.
    pub it: &'static str,
    /// In English.
    pub en: &'static str,
}

/// One thing that is irregular about an entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Irregularity {
    /// The code from the closed set.
    pub code: Code,
    /// Where in the arguments, such as `input.address.postalCode`; empty for the whole.
    pub path: String,
    /// What the message names: a code, a number, a date. Never a person.
    pub detail: String,
    /// The same in English, where it is a matter of language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail_en: Option<String>,
}

impl Irregularity {
    /// What the irregularity does to the entry.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.code.rule().severity
    }

    /// The message for a person.
    #[must_use]
    pub fn message(&self, language: Language) -> String {
        let rule = self.code.rule();
        let (text, detail) = match language {
            Language::It => (rule.it, &self.detail),
            Language::En => (rule.en, self.detail_en.as_ref().unwrap_or(&self.detail)),
        };
        text.replace("{}", detail)
    }
}

/// Collects what a check finds, so that everything is reported at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Irregularity>);

impl Findings {
    /// Adds a finding.
    pub fn add(&mut self, code: Code, path: impl Into<String>) {
        self.add_with(code, path, "");
    }

    /// Adds a finding whose message names a detail.
    pub fn add_with(&mut self, code: Code, path: impl Into<String>, detail: impl ToString) {
        self.0.push(Irregularity { code, path: path.into(), detail: detail.to_string(), detail_en: None });
    }

    /// Adds a finding whose message names a detail in words.
    pub fn add_in_words(&mut self, code: Code, path: impl Into<String>, words: Words) {
        let (detail, detail_en) = (words.it.to_owned(), Some(words.en.to_owned()));
        self.0.push(Irregularity { code, path: path.into(), detail, detail_en });
    }

    /// Adds `TEXT_MISSING` when the text is blank.
    pub fn require_text(&mut self, text: &str, path: &str) {
        if text.trim().is_empty() {
            self.add(Code::TextMissing, path);
        }
    }

    /// Adds `NUMBER_OUT_OF_RANGE` when the number is outside the range, and tells whether it is inside.
    pub fn require_range(&mut self, number: i32, range: std::ops::RangeInclusive<i32>, path: &str) -> bool {
        let inside = range.contains(&number);
        if !inside {
            self.add_with(Code::NumberOutOfRange, path, format!("{}–{}", range.start(), range.end()));
        }
        inside
    }

    /// Whether any finding refuses the entry.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.0.iter().any(|found| found.severity() == Severity::Block)
    }

    /// The findings, in the order they were made.
    #[must_use]
    pub fn into_vec(self) -> Vec<Irregularity> {
        self.0
    }
}
