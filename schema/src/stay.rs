//! Stays: who has which place, from when to when.

use async_graphql::{Enum, InputObject};
use serde::{Deserialize, Serialize};

use crate::{
    Act, ActInput, Code, DateTime, Day, Findings, Guest, PlaceCategory, Pool,
    id::{FacilityId, GuestId, OrganisationId, StayId},
    irregularity::Words,
};

/// Whether a stay goes on.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StayStatus {
    /// The guest is present.
    Open,
    /// The guest has left.
    Closed,
}

/// Why a stay ended (official wording of the Central Service, and law).
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExitReason {
    /// Inserimento socio-economico.
    SocioEconomicIntegration,
    /// Scadenza dei termini.
    TermExpired,
    /// Abbandono o dimissione volontaria.
    VoluntaryAbandonment,
    /// Revoca dell'accoglienza (DM 18/11/2019 art. 40).
    Revoked,
    /// Ritorno volontario assistito.
    AssistedVoluntaryReturn,
    /// Trasferimento Dublino.
    DublinTransfer,
    /// Trasferimento ad altro progetto.
    TransferOtherProject,
    /// Custodia cautelare.
    Custody,
    /// Ricongiungimento familiare.
    FamilyReunification,
    /// Raggiunta la maggiore età.
    AgedOut,
    /// Affidamento familiare.
    FosterCare,
    /// Decesso.
    Deceased,
    /// Another reason.
    Other,
}

impl ExitReason {
    /// Every reason, in the order they are shown in.
    pub const ALL: [Self; 13] = [
        Self::SocioEconomicIntegration,
        Self::TermExpired,
        Self::VoluntaryAbandonment,
        Self::Revoked,
        Self::AssistedVoluntaryReturn,
        Self::DublinTransfer,
        Self::TransferOtherProject,
        Self::Custody,
        Self::FamilyReunification,
        Self::AgedOut,
        Self::FosterCare,
        Self::Deceased,
        Self::Other,
    ];
}

/// A stay (periodo di accoglienza).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stay {
    /// Identifies the stay for good.
    pub id: StayId,
    /// The guest.
    pub guest: GuestId,
    /// The facility.
    pub facility: FacilityId,
    /// The category of the place.
    pub category: PlaceCategory,
    /// Whether it goes on.
    pub status: StayStatus,
    /// When the guest arrived.
    pub entry_at: DateTime,
    /// When the guest left.
    pub exit_at: Option<DateTime>,
    /// Why the guest left.
    pub exit_reason: Option<ExitReason>,
    /// When the arrival was registered.
    pub registered_at: DateTime,
    /// The organisation that ran the facility then.
    pub operator: OrganisationId,
}

impl Stay {
    /// A stay that begins in a pool, whose facility this organisation runs.
    #[must_use]
    pub fn begun(guest: GuestId, pool: &Pool, operator: OrganisationId, entry_at: DateTime, now: DateTime) -> Self {
        Self {
            id: StayId::fresh(now),
            guest,
            facility: pool.facility,
            category: pool.category,
            status: StayStatus::Open,
            entry_at,
            exit_at: None,
            exit_reason: None,
            registered_at: now,
            operator,
        }
    }
}

/// Gives a guest a place.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct AdmitGuestInput {
    /// The guest.
    pub guest: GuestId,
    /// The facility.
    pub facility: FacilityId,
    /// The category of the place.
    pub category: PlaceCategory,
    /// When the guest arrived; now when absent, never in the future.
    pub occurred_at: Option<DateTime>,
}

impl ActInput for AdmitGuestInput {
    const ACT: Act = Act::AdmitGuest;
}

/// Ends a stay.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct DischargeGuestInput {
    /// The stay.
    pub stay: StayId,
    /// Why the guest leaves.
    pub reason: ExitReason,
    /// When the guest left; now when absent, never in the future.
    pub occurred_at: Option<DateTime>,
}

impl ActInput for DischargeGuestInput {
    const ACT: Act = Act::DischargeGuest;
}

/// What an admission is checked against.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionFacts<'a> {
    /// The pool of the facility and category, if there is one.
    pub pool: Option<&'a Pool>,
    /// Who arrives; none while the file is out of the member's sight.
    pub arriving: Option<Arriving<'a>>,
}

/// What is known of somebody who is to be admitted, as far as it may be told.
#[derive(Clone, Copy, Debug)]
pub struct Arriving<'a> {
    /// The guest.
    pub guest: &'a Guest,
    /// The guest has an open stay: the code of the facility, as far as the member may know.
    pub already_hosted: Option<Option<&'a str>>,
    /// It may be told whether a need is documented.
    pub needs_told: bool,
    /// When the last closed stay that counts ended.
    pub last_exit: Option<DateTime>,
    /// An adult of the guest's household is present in the facility.
    pub household_adult_present: bool,
}

/// Partners' clocks may be ahead of ours by so many milliseconds.
const CLOCK_DIFFERENCE: i64 = 60_000;

/// When something happened: as stated, or now. What lies in the future by no more than clocks differ
/// is taken for now.
#[must_use]
pub fn moment(stated: Option<DateTime>, now: DateTime) -> DateTime {
    match stated {
        Some(at) if at <= now || at.millis() > now.millis() + CLOCK_DIFFERENCE => at,
        _ => now,
    }
}

/// Late registration starts after so many working days (DM 10/08/2016 art. 32).
const REGISTRATION_TERM: u32 = 3;

/// What a member who may not know where somebody is hosted is told instead.
const ELSEWHERE: Words = Words { it: "altrove", en: "elsewhere" };

/// Checks an admission (P1, P4 to P8, P11, P17).
pub fn check_admission(
    facts: AdmissionFacts<'_>,
    category: PlaceCategory,
    at: DateTime,
    now: DateTime,
    found: &mut Findings,
) {
    let day = at.day();
    check_time(at, now, found);
    if let Some(arriving) = facts.arriving {
        check_arriving(arriving, category, at, found);
    }
    match facts.pool.filter(|pool| pool.grant_on(day).is_some()) {
        None => found.add_with(Code::NoAccreditationInForce, "input.facility", day),
        Some(pool) if pool.claimed() >= pool.claimable(day, now.day()) => {
            found.add(Code::NoFreePlace, "input.category")
        }
        Some(_) => {}
    }
}

fn check_arriving(arriving: Arriving<'_>, category: PlaceCategory, at: DateTime, found: &mut Findings) {
    let day = at.day();
    if day < arriving.guest.birth_date {
        found.add(Code::EntryBeforeBirth, "input.occurredAt");
    }
    if let Some(place) = arriving.already_hosted {
        already_hosted(place, found);
    } else if arriving.last_exit.is_some_and(|exit| at < exit) {
        found.add(Code::StayOverlaps, "input.occurredAt");
    }
    if let Some(reason) = unfit_for(arriving, category, day) {
        found.add_in_words(Code::WrongCategory, "input.category", reason);
    }
}

/// Says that the guest is hosted, and where to those who may know.
fn already_hosted(place: Option<&str>, found: &mut Findings) {
    match place {
        Some(code) => found.add_with(Code::GuestAlreadyHosted, "input.guest", code),
        None => found.add_in_words(Code::GuestAlreadyHosted, "input.guest", ELSEWHERE),
    }
}

/// Checks a discharge (P1, P16, P17).
pub fn check_discharge(stay: &Stay, at: DateTime, now: DateTime, found: &mut Findings) {
    check_time(at, now, found);
    if stay.status == StayStatus::Closed {
        found.add(Code::StayAlreadyClosed, "input.stay");
    }
    if at < stay.entry_at {
        found.add(Code::ExitBeforeEntry, "input.occurredAt");
    }
}

fn check_time(at: DateTime, now: DateTime, found: &mut Findings) {
    if at > now {
        found.add_with(Code::DateInFuture, "input.occurredAt", at);
    } else if at.day().working_days_until(now.day()) > REGISTRATION_TERM {
        found.add(Code::LateRegistration, "input.occurredAt");
    }
}

/// Why a person does not belong in a category of place, if so.
fn unfit_for(arriving: Arriving<'_>, category: PlaceCategory, day: Day) -> Option<Words> {
    let guest = arriving.guest;
    let minor = guest.is_minor_on(day);
    // The file says unaccompanied from registration on; at eighteen the person is a former minor.
    let alone = guest.unaccompanied_minor;
    let former_minor = alone && guest.was_minor_lately(day);
    match category {
        PlaceCategory::UnaccompaniedMinor if minor && alone => None,
        PlaceCategory::UnaccompaniedMinor if former_minor => None,
        PlaceCategory::UnaccompaniedMinor => {
            Some(Words { it: "riservato a minori non accompagnati", en: "it is reserved for unaccompanied minors" })
        }
        _ if minor && alone => Some(Words {
            it: "un minore non accompagnato va in un posto per minori",
            en: "an unaccompanied minor needs a minors' place",
        }),
        _ if minor && !arriving.household_adult_present => Some(Words {
            it: "manca un adulto del nucleo nella struttura",
            en: "no adult of the household is in the facility",
        }),
        PlaceCategory::MentalHealthOrDisability if arriving.needs_told && !guest.special_need_documented => {
            Some(Words { it: "manca la documentazione del bisogno", en: "the need is not documented" })
        }
        _ => None,
    }
}
