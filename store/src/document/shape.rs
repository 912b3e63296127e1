//! The shape of a collection: what its validator demands, and by which indexes its readers ask.

use futures_util::TryStreamExt;
use mongodb::{
    Database, IndexModel,
    bson::{Document as Filter, doc},
    options::{CommitQuorum, IndexOptions},
};

use super::{Document, Stored};
use crate::StoreError;

/// Index over fields.
pub(crate) fn plain(keys: Filter) -> IndexModel {
    IndexModel::builder().keys(keys).build()
}

/// Index over fields of the documents that match.
pub(crate) fn plain_where(keys: Filter, filter: Filter) -> IndexModel {
    let options = IndexOptions::builder().partial_filter_expression(filter).build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// Index over fields of which no two documents have the same.
pub(crate) fn unique(keys: Filter) -> IndexModel {
    let options = IndexOptions::builder().unique(true).build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// Index over fields of which no two of the documents that match have the same.
pub(crate) fn unique_where(keys: Filter, filter: Filter) -> IndexModel {
    let options = IndexOptions::builder().unique(true).partial_filter_expression(filter).build();
    IndexModel::builder().keys(keys).options(options).build()
}

/// Index over a field that some documents do not have: those that have it have each a value of their own.
pub(crate) fn present(field: &str) -> IndexModel {
    unique_where(doc! { field: 1 }, doc! { field: { "$exists": true } })
}

/// Type of what a field of a noun is stored as.
pub(crate) fn kind_of<N, T: Stored>(_: impl Fn(&N) -> &T) -> Option<&'static str> {
    T::KIND
}

/// Type of what is derived of a noun.
pub(crate) fn kind_derived<N, T: Stored>(_: impl Fn(&N) -> T) -> Option<&'static str> {
    T::KIND
}

/// The validator of a collection: its documents have these fields, of these BSON types.
pub(crate) fn validator(demanded: &[(&str, Option<&str>)]) -> Filter {
    // Embedded fields of the id are left out: the server demands the id itself.
    let demanded = demanded.iter().filter(|(name, _)| !name.starts_with("_id"));
    let demanded: Vec<(&str, &str)> = demanded.filter_map(|(name, kind)| Some((*name, (*kind)?))).collect();
    let required: Vec<&str> = demanded.iter().map(|(name, _)| *name).collect();
    let types = demanded.iter().map(|(name, kind)| ((*name).to_owned(), doc! { "bsonType": *kind }.into()));
    let properties: Filter = types.collect();
    doc! { "$jsonSchema": { "bsonType": "object", "required": required, "properties": properties } }
}

/// Gives a collection its shape: makes it when there is none, and the indexes that are missing. It can be done again.
///
/// # Errors
///
/// When the database does not answer, or what it holds does not allow a unique index.
pub(crate) async fn shape<D: Document>(database: &Database) -> Result<(), StoreError> {
    let (name, validator) = (D::COLLECTION, validator(&D::demanded()));
    let mut existing = database.list_collections().filter(doc! { "name": name }).await?;
    if existing.try_next().await?.is_some() {
        database.run_command(doc! { "collMod": name, "validator": validator }).await?;
    } else {
        database.create_collection(name).validator(validator).await?;
    }
    create_indexes(database, name, D::indexes()).await
}

/// Creates indexes, with a majority of the members: by itself the server would wait for each that votes, also for one
/// that is down.
pub(crate) async fn create_indexes(
    database: &Database,
    name: &str,
    indexes: Vec<IndexModel>,
) -> Result<(), StoreError> {
    if indexes.is_empty() {
        return Ok(());
    }
    for index in &indexes {
        let keys = index.keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
        tracing::info!(collection = name, keys, "creating an index");
    }
    let majority = CommitQuorum::Majority;
    database.collection::<Filter>(name).create_indexes(indexes).commit_quorum(majority).await?;
    Ok(())
}
