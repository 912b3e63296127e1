//! Organisations: the register of who is at the table, kept by the administrator and not by acts.

use tavolo_schema::{Organisation, OrganisationKind, id::OrganisationId};

use crate::{
    Store, StoreError,
    document::{binary, document, shape::present},
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
    /// When the database does not accept them, or has one of the same id or tax code.
    pub async fn add_organisations(&self, organisations: &[Organisation]) -> Result<(), StoreError> {
        self.insert_all::<OrganisationDoc>(organisations).await
    }
}
