//! How a noun becomes a document and comes back.

use mongodb::{
    Collection, Database,
    bson::{self, RawBinaryRef, RawBsonRef, RawDeserializer, RawDocumentBuf, Uuid as Binary},
};
use serde::{Serialize, de::DeserializeOwned};
use tavolo_schema::{DateTime, Day};
use uuid::Uuid;

use crate::StoreError;

/// A stored form of a noun.
pub(crate) trait Document: Serialize + DeserializeOwned + Send + Sync {
    /// Where documents of this kind are.
    const COLLECTION: &'static str;
    /// What they mean.
    type Noun;
    /// The stored form.
    fn store(noun: &Self::Noun) -> Self;
    /// The meaning, checked.
    fn read(self) -> Result<Self::Noun, Unreadable>;
}

/// What is read of documents of which not everything is needed.
pub(crate) trait Excerpt: DeserializeOwned {
    /// Where the documents are.
    const COLLECTION: &'static str;
    /// What is read of them.
    type Noun;
    /// The fields that are asked for.
    fn fields() -> bson::Document;
    /// The meaning, checked.
    fn read(self) -> Result<Self::Noun, Unreadable>;
}

/// A field that does not convert. Its value is not told: it may be personal.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) &'static str);

/// The collection of a document kind, read raw so that a damaged document can be named.
pub(crate) fn collection<D: Document>(database: &Database) -> Collection<RawDocumentBuf> {
    database.collection(D::COLLECTION)
}

/// Reads one document, naming it when it is damaged.
pub(crate) fn read<D: Document>(raw: &RawDocumentBuf) -> Result<D::Noun, StoreError> {
    convert(raw, D::COLLECTION, D::read)
}

/// Reads one excerpt, naming the document when it is damaged.
pub(crate) fn read_excerpt<E: Excerpt>(raw: &RawDocumentBuf) -> Result<E::Noun, StoreError> {
    convert(raw, E::COLLECTION, E::read)
}

fn convert<D: DeserializeOwned, N>(
    raw: &RawDocumentBuf,
    collection: &'static str,
    meaning: impl FnOnce(D) -> Result<N, Unreadable>,
) -> Result<N, StoreError> {
    let corrupt = |field: String| StoreError::Corrupt {
        collection,
        id: raw.get("_id").ok().flatten().map_or_else(|| "?".into(), readable),
        field,
    };
    let deserializer = RawDeserializer::new(raw.as_bytes()).map_err(|_| corrupt("the document itself".into()))?;
    let document = serde_path_to_error::deserialize::<_, D>(deserializer);
    let document = document.map_err(|error| corrupt(damaged_field(&error)))?;
    meaning(document).map_err(|Unreadable(field)| corrupt(field.into()))
}

/// An `_id` for a person's eyes.
fn readable(id: RawBsonRef<'_>) -> String {
    match id {
        RawBsonRef::String(text) => text.to_owned(),
        RawBsonRef::Binary(RawBinaryRef { bytes, .. }) => {
            Uuid::from_slice(bytes).map_or_else(|_| format!("{bytes:x?}"), |uuid| uuid.to_string())
        }
        other => format!("{other:?}"),
    }
}

/// The field that could not be read. The library's text is taken only where it cannot hold a value.
fn damaged_field(error: &serde_path_to_error::Error<bson::error::Error>) -> String {
    let missing = error.inner().to_string();
    match missing.split_once("missing field `").and_then(|(_, rest)| rest.split_once('`')) {
        Some((field, _)) => format!("{field} (missing)"),
        None => error.path().to_string(),
    }
}

/// Writes one document.
pub(crate) fn write<D: Document>(noun: &D::Noun) -> Result<RawDocumentBuf, StoreError> {
    bson::serialize_to_raw_document_buf(&D::store(noun))
        .map_err(|error| StoreError::Database(mongodb::error::Error::custom(error.to_string())))
}

/// An id as it is stored.
pub(crate) fn binary(id: impl Into<Uuid>) -> Binary {
    Binary::from_bytes(*id.into().as_bytes())
}

/// An id as it is used.
pub(crate) fn id<I: From<Uuid>>(stored: Binary) -> I {
    Uuid::from_bytes(stored.bytes()).into()
}

/// An instant as it is stored.
pub(crate) fn instant(at: DateTime) -> bson::DateTime {
    bson::DateTime::from_millis(at.millis())
}

/// An instant as it is used.
pub(crate) fn date_time(field: &'static str, stored: bson::DateTime) -> Result<DateTime, Unreadable> {
    DateTime::from_millis(stored.timestamp_millis()).ok_or(Unreadable(field))
}

/// A day as it is used; it is stored as ISO 8601 text, which sorts as days do.
pub(crate) fn day(field: &'static str, stored: &str) -> Result<Day, Unreadable> {
    stored.parse().map_err(|_| Unreadable(field))
}
