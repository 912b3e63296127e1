//! Fingerprints of the inputs of acts.

use mongodb::{
    Database,
    bson::{Document as Filter, doc},
};

use crate::{
    StoreError,
    document::shape::{create_indexes, plain_where},
};

/// Takes away the fingerprints that inputs could be guessed from, and lets those whose time is over be found.
pub(super) async fn run(database: &Database) -> Result<(), StoreError> {
    drop_fingerprints(database).await?;
    let old = plain_where(doc! { "registeredAt": 1 }, doc! { "key": { "$exists": true } });
    create_indexes(database, "acts", vec![old]).await?;
    Ok(())
}

/// Takes the fingerprints from all acts, and tells from how many. The field stays, empty.
pub(crate) async fn drop_fingerprints(database: &Database) -> Result<u64, StoreError> {
    let acts = database.collection::<Filter>("acts");
    let some = doc! { "fingerprint": { "$gt": "" } };
    Ok(acts.update_many(some, doc! { "$set": { "fingerprint": "" } }).await?.modified_count)
}
