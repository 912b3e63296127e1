//! Organisations.

use mongodb::bson::Uuid as Binary;
use serde::{Deserialize, Serialize};
use tavolo_schema::{Organisation, OrganisationKind, id::OrganisationId};

use crate::{
    Store, StoreError,
    document::{self, Document, Unreadable, binary},
    transaction::Transaction,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OrganisationDoc {
    #[serde(rename = "_id")]
    id: Binary,
    name: String,
    kind: OrganisationKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    tax_code: Option<String>,
    municipality: Option<String>,
    revision: i64,
}

impl Document for OrganisationDoc {
    const COLLECTION: &'static str = "organisations";
    type Noun = Organisation;

    fn store(noun: &Organisation) -> Self {
        Self {
            id: binary(noun.id),
            name: noun.name.clone(),
            kind: noun.kind,
            tax_code: noun.tax_code.clone(),
            municipality: noun.municipality.clone(),
            revision: noun.revision,
        }
    }

    fn read(self) -> Result<Organisation, Unreadable> {
        Ok(Organisation {
            id: document::id(self.id),
            name: self.name,
            kind: self.kind,
            tax_code: self.tax_code,
            municipality: self.municipality,
            revision: self.revision,
        })
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
