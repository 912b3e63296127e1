//! Which key a database is kept with, and what is made with it.

use aws_lc_rs::error::Unspecified;
use mongodb::{
    Database,
    bson::{Document as Filter, doc},
};
use serde::Serialize;

use super::{Key, Seal};
use crate::{
    Store, StoreError,
    error::{DUPLICATE_KEY, write_code},
    migrations::fingerprints::drop_fingerprints,
};

/// Where the check is among what the database says of itself.
const META: &str = "meta";
const ID: &str = "key";

/// The check of a database as it is kept. The name is that of the database when it was made: a copy under another name
/// is kept with the same key.
fn check(key: &Key, database: &str) -> Filter {
    doc! { "_id": ID, "database": database, "check": key.check_of(database) }
}

async fn kept_check(database: &Database) -> Result<Option<Filter>, StoreError> {
    Ok(database.collection::<Filter>(META).find_one(doc! { "_id": ID }).await?)
}

/// Whether a check is that of this key.
fn is_of(found: &Filter, key: &Key) -> bool {
    let name = found.get_str("database").unwrap_or_default();
    found.get_str("check").is_ok_and(|check| check == key.check_of(name))
}

/// Whether this is the key that a database is kept with; `None` when it is kept with none yet.
pub(crate) async fn keeps(database: &Database, key: &Key) -> Result<Option<bool>, StoreError> {
    Ok(kept_check(database).await?.map(|found| is_of(&found, key)))
}

/// Whether a database is kept with a key.
pub(crate) async fn is_kept(database: &Database) -> Result<bool, StoreError> {
    Ok(kept_check(database).await?.is_some())
}

impl Store {
    /// Whether the database is kept with a key.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn has_key(&self) -> Result<bool, StoreError> {
        Ok(self.key_check().await?.is_some())
    }

    async fn key_check(&self) -> Result<Option<Filter>, StoreError> {
        self.gate().command(|database| async move { kept_check(&database).await }).await
    }

    /// The store with the key that its database is kept with. A database without one is kept with this from now on.
    ///
    /// # Errors
    ///
    /// [`StoreError::OtherKey`] when the database is kept with another; otherwise faults of the database.
    pub async fn with_key(self, key: Key) -> Result<Self, StoreError> {
        let mut found = self.key_check().await?;
        if found.is_none() {
            let check = check(&key, self.name());
            let insert = |database: Database| async move {
                match database.collection::<Filter>(META).insert_one(check).await {
                    // A duplicate key means that another hub has inserted the check first.
                    Err(error) if write_code(&error) != Some(DUPLICATE_KEY) => Err(error.into()),
                    _ => Ok(()),
                }
            };
            self.gate().command(insert).await?;
            found = self.key_check().await?;
        }
        if !found.is_some_and(|found| is_of(&found, &key)) {
            return Err(StoreError::OtherKey(self.name().into()));
        }
        Ok(self.keyed(key))
    }

    /// Keeps the database with this key from now on, whatever it was kept with, and tells how many fingerprints of
    /// inputs that took away. An order that is repeated is then answered from its record, whatever its input.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn replace_key(&self, key: &Key) -> Result<u64, StoreError> {
        let check = check(key, self.name());
        let replace = |database: Database| async move {
            let dropped = drop_fingerprints(&database).await?;
            database.collection::<Filter>(META).replace_one(doc! { "_id": ID }, check).upsert(true).await?;
            Ok(dropped)
        };
        self.gate().to_the_end(replace).await
    }

    /// What tells two inputs of one member under one idempotency key apart.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoKey`] when the store was opened without its key; [`StoreError::Unwritable`] when the input cannot be
    /// written as JSON.
    pub fn fingerprint(&self, subject: &str, key: &str, input: &impl Serialize) -> Result<String, StoreError> {
        Ok(self.key().ok_or(StoreError::NoKey)?.fingerprint(subject, key, input)?)
    }

    /// A text that no client can read, with [`super::SEAL_BYTES`] bytes beside its own.
    ///
    /// # Errors
    ///
    /// [`StoreError::NoKey`] when the store was opened without its key; [`StoreError::Underivable`] when the
    /// cryptographic library fails.
    pub fn seal(&self, text: &[u8], seal: Seal) -> Result<Vec<u8>, StoreError> {
        self.key().ok_or(StoreError::NoKey)?.seal(text, seal).map_err(|Unspecified| StoreError::Underivable)
    }

    /// A text that a hub of this database has sealed; `None` when it has not, or with another key.
    #[must_use]
    pub fn open_sealed(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.key()?.open(sealed)
    }
}
