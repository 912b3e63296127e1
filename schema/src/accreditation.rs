//! Accreditation: the Province's permission to host, per facility, category and period.
//!
//! | From | Act | To |
//! |---|---|---|
//! | – | `submitAccreditation` with `draft: true` | `DRAFT` |
//! | –, `DRAFT` | `submitAccreditation` | `SUBMITTED` |
//! | `SUBMITTED` | `decideAccreditation` | `ACCREDITED` or `REJECTED` |
//! | `ACCREDITED` | `suspendAccreditation` | `SUSPENDED` |
//! | `SUSPENDED` | `decideAccreditation` (accredit) | `ACCREDITED` again |
//! | `ACCREDITED`, `SUSPENDED` | `revokeAccreditation` | `REVOKED` |
//! | `ACCREDITED`, `SUSPENDED` | its last day passes | `EXPIRED` |
//!
//! A new accreditation takes the place of earlier ones for its categories: they end the day before it begins, also those
//! that are suspended. What is reinstated gets back only what nobody was granted since.

use async_graphql::{Enum, InputObject, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::{
    Act, ActInput, Code, DateTime, Day, Findings, PlaceCategory,
    access::{DataClass::Operational, data_class},
    contract_name,
    id::{AccreditationId, FacilityId},
};

/// Where an accreditation stands.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum AccreditationStatus {
    /// Being written.
    Draft,
    /// Handed in, waiting for the decision.
    Submitted,
    /// In force within its validity.
    Accredited,
    /// Refused.
    Rejected,
    /// No new arrivals; guests stay.
    Suspended,
    /// Ended for good.
    Revoked,
    /// Its last day has passed.
    Expired,
}

/// Places of one category.
#[derive(SimpleObject, Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CategoryPlaces {
    /// The category.
    #[graphql(directive = data_class::apply(Operational))]
    pub category: PlaceCategory,
    /// How many.
    #[graphql(directive = data_class::apply(Operational))]
    pub places: i32,
}

/// An accreditation, from the application to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accreditation {
    /// Identifies the accreditation for good.
    pub id: AccreditationId,
    /// The facility.
    pub facility: FacilityId,
    /// Where it stands, as last written. Readers want [`Accreditation::status_on`].
    pub status: AccreditationStatus,
    /// Places asked for.
    pub requested: Vec<CategoryPlaces>,
    /// Places granted; empty before the decision.
    pub granted: Vec<CategoryPlaces>,
    /// First day in force.
    pub valid_from: Option<Day>,
    /// Last day in force.
    pub valid_until: Option<Day>,
    /// When it was handed in.
    pub submitted_at: Option<DateTime>,
    /// When it was decided.
    pub decided_at: Option<DateTime>,
    /// Number of the administrative act (determina) of the last decision.
    pub act_number: Option<String>,
    /// Reason of the last rejection, suspension or revocation.
    pub reason: Option<String>,
    /// Counts the changes of this record.
    pub revision: i64,
}

impl Accreditation {
    /// A draft for a facility, in which nothing is asked for yet.
    #[must_use]
    pub fn begun(facility: FacilityId, now: DateTime) -> Self {
        Self {
            id: AccreditationId::fresh(now),
            facility,
            status: AccreditationStatus::Draft,
            requested: Vec::new(),
            granted: Vec::new(),
            valid_from: None,
            valid_until: None,
            submitted_at: None,
            decided_at: None,
            act_number: None,
            reason: None,
            revision: 0,
        }
    }

    /// The status on a day: expiry happens by the clock.
    #[must_use]
    pub fn status_on(&self, day: Day) -> AccreditationStatus {
        use AccreditationStatus::{Accredited, Expired, Suspended};
        match self.status {
            Accredited | Suspended if self.valid_until.is_some_and(|until| until < day) => Expired,
            status => status,
        }
    }

    /// Whether it allows arrivals on a day.
    #[must_use]
    pub fn in_force_on(&self, day: Day) -> bool {
        self.status_on(day) == AccreditationStatus::Accredited && self.valid_from.is_some_and(|from| from <= day)
    }
}

/// Places of one category, asked for or granted.
#[derive(InputObject, Clone, Copy, Debug, Serialize)]
pub struct CategoryPlacesInput {
    /// The category.
    pub category: PlaceCategory,
    /// How many, 1 to 1000.
    pub places: i32,
}

impl From<CategoryPlacesInput> for CategoryPlaces {
    fn from(input: CategoryPlacesInput) -> Self {
        Self { category: input.category, places: input.places }
    }
}

/// Drafts or submits an application for accreditation.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct SubmitAccreditationInput {
    /// The facility.
    pub facility: FacilityId,
    /// The draft to go on with; a new application when absent.
    pub accreditation: Option<AccreditationId>,
    /// Places asked for, each category once.
    pub places: Vec<CategoryPlacesInput>,
    /// Keep it as a draft instead of handing it in.
    #[graphql(default)]
    pub draft: bool,
}

impl ActInput for SubmitAccreditationInput {
    const ACT: Act = Act::SubmitAccreditation;
}

/// How an application is decided.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum DecisionOutcome {
    /// Accredit; on a suspended accreditation, reinstate.
    Accredited,
    /// Refuse.
    Rejected,
}

/// Accredits, rejects or reinstates.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct DecideAccreditationInput {
    /// The accreditation.
    pub accreditation: AccreditationId,
    /// The decision.
    pub outcome: DecisionOutcome,
    /// Places granted; those asked for (or granted before) when absent.
    pub places: Option<Vec<CategoryPlacesInput>>,
    /// First day in force; today when absent.
    pub valid_from: Option<Day>,
    /// Last day in force; 36 months after the first when absent.
    pub valid_until: Option<Day>,
    /// Number of the administrative act (determina).
    pub act_number: Option<String>,
    /// Reason; required to reject (L. 241/1990 art. 3).
    pub reason: Option<String>,
}

impl ActInput for DecideAccreditationInput {
    const ACT: Act = Act::DecideAccreditation;
}

/// Stops new arrivals; nobody is evicted.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct SuspendAccreditationInput {
    /// The accreditation.
    pub accreditation: AccreditationId,
    /// Reason (L. 241/1990 art. 3).
    pub reason: String,
    /// Number of the administrative act (determina).
    pub act_number: Option<String>,
}

impl ActInput for SuspendAccreditationInput {
    const ACT: Act = Act::SuspendAccreditation;
}

/// Ends an accreditation for good. Guests stay until they are placed elsewhere.
#[derive(InputObject, Clone, Debug, Serialize)]
pub struct RevokeAccreditationInput {
    /// The accreditation.
    pub accreditation: AccreditationId,
    /// Reason (L. 241/1990 art. 3).
    pub reason: String,
    /// Number of the administrative act (determina).
    pub act_number: Option<String>,
}

impl ActInput for RevokeAccreditationInput {
    const ACT: Act = Act::RevokeAccreditation;
}

/// Validity when a decision names no last day: the funding triennium.
pub const VALIDITY_MONTHS: i32 = 36;

/// Checks places asked for or granted. `installed` tells the places that exist per category.
pub fn check_places(places: &[CategoryPlaces], installed: impl Fn(PlaceCategory) -> i32, found: &mut Findings) {
    if places.is_empty() {
        found.add(Code::NoPlacesRequested, "input.places");
    }
    for (index, wanted) in places.iter().enumerate() {
        let path = format!("input.places.{index}");
        if places[..index].iter().any(|earlier| earlier.category == wanted.category) {
            found.add_with(Code::DuplicateCategory, &path, contract_name(wanted.category));
        }
        if found.require_range(wanted.places, 1..=1_000, &format!("{path}.places")) {
            let installed = installed(wanted.category);
            if wanted.places > installed {
                found.add_with(Code::MorePlacesThanInstalled, format!("{path}.places"), installed);
            }
        }
    }
}

/// Checks that the state allows the act.
pub fn check_transition(status: AccreditationStatus, from: &[AccreditationStatus], found: &mut Findings) {
    if !from.contains(&status) {
        found.add_with(Code::TransitionNotAllowed, "input.accreditation", contract_name(status));
    }
}

/// Checks the validity of a decision to accredit.
pub fn check_validity(from: Day, until: Day, today: Day, found: &mut Findings) {
    if until < from || until < today {
        found.add(Code::PeriodReversed, "input.validUntil");
    }
}

/// Checks that a decision that burdens somebody has its reason.
pub fn check_reason(reason: Option<&str>, found: &mut Findings) {
    if reason.is_none_or(|reason| reason.trim().is_empty()) {
        found.add(Code::ReasonMissing, "input.reason");
    }
}
