//! Municipalities of the province, as ISTAT lists them.

use async_graphql::SimpleObject;

use crate::access::{DataClass::Public, data_class};

/// A municipality (comune).
#[derive(SimpleObject, Clone, Debug, PartialEq, Eq)]
#[graphql(name = "MunicipalityFields")]
pub struct Municipality {
    /// ISTAT code, six digits, such as `101010`.
    #[graphql(directive = data_class::apply(Public))]
    pub istat_code: String,
    /// Official name.
    #[graphql(directive = data_class::apply(Public))]
    pub name: String,
    /// Cadastral (Belfiore) code, such as `D122`.
    #[graphql(directive = data_class::apply(Public))]
    pub cadastral_code: String,
    /// Postal code (CAP). Neighbouring municipalities may share one.
    #[graphql(directive = data_class::apply(Public))]
    pub postal_code: String,
    /// Resident population at the census of 2011.
    #[graphql(directive = data_class::apply(Public))]
    pub population: i32,
    /// Vehicle code of the province, such as `KR`.
    #[graphql(directive = data_class::apply(Public))]
    pub province: String,
}
