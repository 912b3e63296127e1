//! Organisations: the bodies that sit at the table.

use async_graphql::{Enum, SimpleObject};
use serde::{Deserialize, Serialize};

use crate::{
    access::{DataClass::Public, data_class},
    id::OrganisationId,
};

/// What an organisation is.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrganisationKind {
    /// Provincia.
    Province,
    /// Comune.
    Municipality,
    /// Ente gestore or attuatore: runs facilities.
    ManagingBody,
    /// Prefettura – UTG.
    Prefecture,
    /// Servizio centrale.
    CentralService,
    /// Azienda sanitaria provinciale (ASP).
    HealthAuthority,
    /// Questura.
    PoliceHeadquarters,
}

impl OrganisationKind {
    /// Whether a body of this kind can run a facility: a managing body, or a local authority itself.
    #[must_use]
    pub fn may_operate(self) -> bool {
        matches!(self, Self::ManagingBody | Self::Municipality | Self::Province)
    }

    /// Whether a body of this kind can hold a reception project (ente locale titolare).
    #[must_use]
    pub fn may_hold(self) -> bool {
        matches!(self, Self::Municipality | Self::Province)
    }
}

/// A body that takes part in reception.
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
#[graphql(name = "OrganisationFields")]
pub struct Organisation {
    /// Global id.
    #[graphql(directive = data_class::apply(Public))]
    pub id: OrganisationId,
    /// Official name.
    #[graphql(directive = data_class::apply(Public))]
    pub name: String,
    /// What the organisation is.
    #[graphql(directive = data_class::apply(Public))]
    pub kind: OrganisationKind,
    /// Tax code or VAT number, 11 digits.
    #[graphql(directive = data_class::apply(Public))]
    pub tax_code: Option<String>,
    /// ISTAT code of the municipality, when the organisation is one.
    #[graphql(skip)]
    pub municipality: Option<String>,
    /// Counts the changes of this record.
    #[graphql(skip)]
    pub revision: i64,
}
