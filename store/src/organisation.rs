//! Organisations: the register of who is at the table, kept by the administrator and not by acts.

use mongodb::bson::doc;
use tavolo_schema::{Organisation, OrganisationKind, id::OrganisationId};

use crate::{
    Store, StoreError,
    document::{binary, document, shape::present},
    error::DUPLICATE_KEY,
    transaction::Transaction,
};

document! {
    pub(crate) OrganisationDoc of Organisation in "organisations" { id as "_id", name, kind, municipality, revision }
    absent when none { tax_code }
    indexes {
        present("taxCode"),
    }
}

impl Transaction {
    /// What an organisation is, if it exists.
    pub(crate) async fn organisation_kind(
        &mut self,
        id: OrganisationId,
    ) -> Result<Option<OrganisationKind>, StoreError> {
        let found = self.by_id::<OrganisationDoc>(binary(id)).await?;
        Ok(found.map(|organisation| organisation.kind))
    }
}

impl Store {
    /// Puts organisations into the register, as they are.
    ///
    /// # Errors
    ///
    /// [`StoreError::Duplicate`] when there is one of the same id or tax code; otherwise faults of the database.
    pub async fn add_organisations(&self, organisations: &[Organisation]) -> Result<(), StoreError> {
        match self.insert_all::<OrganisationDoc>(organisations).await {
            Err(StoreError::Write { code: DUPLICATE_KEY, .. }) => Err(StoreError::Duplicate),
            added => added,
        }
    }

    /// The organisation with a tax code.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn organisation_by_tax_code(&self, tax_code: &str) -> Result<Option<Organisation>, StoreError> {
        let found = self.find_all::<OrganisationDoc>(doc! { "taxCode": tax_code }, doc! {}).await?;
        Ok(found.into_iter().next())
    }
}
