//! How a noun becomes a document and comes back.
//!
//! [`document!`] names each field of a noun once: how it is written, read and demanded by the collection's validator
//! follows from the type of the field ([`Stored`]). A filter asks for a value as it is stored ([`stored`]), so that the two
//! have one spelling.

mod fields;
pub(crate) mod shape;
pub(crate) mod stored;
#[cfg(test)]
mod tests;

use mongodb::{
    Collection, Database, IndexModel,
    bson::{self, RawBinaryRef, RawBsonRef, RawDeserializer, RawDocument, RawDocumentBuf, Uuid as Binary},
};
use serde::de::DeserializeOwned;
use tavolo_schema::{DateTime, Day};
use uuid::Uuid;

pub(crate) use self::{
    fields::{FieldReader, FieldWriter},
    stored::{Stored, stored, stored_by_serde},
};
use crate::StoreError;

/// How nouns of one kind are stored.
pub(crate) trait Document: Send + Sync {
    /// Where they are.
    const COLLECTION: &'static str;
    /// What they are.
    type Noun;
    /// What the collection's validator demands: each field with the type of what is in it; none for what need not be there.
    fn demanded() -> Vec<(&'static str, Option<&'static str>)>;
    /// The indexes that readers ask by.
    fn indexes() -> Vec<IndexModel>;
    /// The document of a noun.
    fn store(noun: &Self::Noun) -> bson::Document;
    /// The noun of a document, checked.
    fn read(found: FieldReader<'_>) -> Result<Self::Noun, DecodeError>;
}

/// What is read of documents of which not everything is needed.
pub(crate) trait Projection: DeserializeOwned {
    /// Where the documents are.
    const COLLECTION: &'static str;
    /// What is read of them.
    type Noun;
    /// The fields that are asked for.
    fn fields() -> bson::Document;
    /// The meaning, checked.
    fn read(self) -> Result<Self::Noun, DecodeError>;
}

/// The path of a field that does not convert. Its value is not told: it may be personal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct DecodeError(pub(crate) String);

impl DecodeError {
    /// The same within a field, or within an element of a list.
    pub(crate) fn within(self, field: impl std::fmt::Display) -> Self {
        if self.0.is_empty() { Self(field.to_string()) } else { Self(format!("{field}.{}", self.0)) }
    }
}

/// The collection of a document kind, read raw so that a damaged document can be named.
pub(crate) fn collection<D: Document>(database: &Database) -> Collection<RawDocumentBuf> {
    database.collection(D::COLLECTION)
}

/// Reads one document, naming it when it is damaged.
pub(crate) fn read<D: Document>(raw: &RawDocumentBuf) -> Result<D::Noun, StoreError> {
    FieldReader::in_document(raw).and_then(D::read).map_err(|damaged| corrupt(raw, D::COLLECTION, damaged))
}

/// Reads one excerpt, naming the document when it is damaged.
pub(crate) fn read_projection<E: Projection>(raw: &RawDocumentBuf) -> Result<E::Noun, StoreError> {
    deserialized::<E>(raw).and_then(E::read).map_err(|damaged| corrupt(raw, E::COLLECTION, damaged))
}

fn corrupt(raw: &RawDocument, collection: &'static str, DecodeError(field): DecodeError) -> StoreError {
    let id = raw.get("_id").ok().flatten().map_or_else(|| "?".into(), readable);
    StoreError::Corrupt { collection, id, field }
}

/// A document as a type reads it that derives how.
fn deserialized<T: DeserializeOwned>(raw: &RawDocument) -> Result<T, DecodeError> {
    let deserializer = RawDeserializer::new(raw.as_bytes()).map_err(|_| DecodeError("the document itself".into()))?;
    serde_path_to_error::deserialize(deserializer).map_err(|error| DecodeError(damaged_field(&error)))
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
    RawDocumentBuf::try_from(&D::store(noun))
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
pub(crate) fn date_time(field: &'static str, stored: bson::DateTime) -> Result<DateTime, DecodeError> {
    DateTime::from_millis(stored.timestamp_millis()).ok_or_else(|| DecodeError(field.into()))
}

/// A day as it is used; it is stored as ISO 8601 text, which sorts as days do.
pub(crate) fn day(field: &'static str, stored: &str) -> Result<Day, DecodeError> {
    stored.parse().map_err(|_| DecodeError(field.into()))
}

/// How the nouns of a type are stored: each field of the noun once, under its own name in camel case or under another
/// (`id as "_id"`; with a dot, within an embedded document). What cannot be stored of a noun or follows from other fields
/// is said after them:
///
/// - `absent when none`: optional fields that a document does not have when there is nothing in them, for indexes over
///   those that have them; any other is null then;
/// - `derived`: what is written for queries alone, and never read;
/// - `indexes`: by which readers ask;
/// - `not kept`: fields of the noun that no document has, with what they are when it is read.
///
/// ```text
/// document! {
///     pub(crate) ReservationDoc of Reservation in "reservations" {
///         id as "_id", guest, facility, category, status, until, revision,
///     }
///     absent when none { note }
///     derived { "lapses" => |reservation: &Reservation| reservation.until }
///     not kept { as_of: None }
///     indexes { plain(doc! { "facility": 1, "until": 1 }) }
/// }
/// ```
macro_rules! document {
    (
        $(#[$about:meta])*
        $visible:vis $document:ident of $noun:ident in $collection:literal {
            $($field:ident $(as $name:literal)?),* $(,)?
        }
        $(absent when none { $($optional:ident),* $(,)? })?
        $(derived { $($derived:literal => $value:expr),* $(,)? })?
        $(not kept { $($lost:ident: $lost_value:expr),* $(,)? })?
        $(indexes { $($index:expr),* $(,)? })?
    ) => {
        $(#[$about])*
        $visible struct $document;

        impl crate::document::Document for $document {
            const COLLECTION: &'static str = $collection;
            type Noun = $noun;

            fn demanded() -> Vec<(&'static str, Option<&'static str>)> {
                let kept = [$((crate::document::name_of!($field $(as $name)?), crate::document::shape::kind_of(|noun: &$noun| &noun.$field)),)*];
                let derived: &[(&str, Option<&str>)] = &[$($(($derived, crate::document::shape::kind_derived::<$noun, _>($value)),)*)?];
                [&kept[..], derived].concat()
            }

            fn indexes() -> Vec<mongodb::IndexModel> {
                vec![$($($index),*)?]
            }

            fn store(noun: &$noun) -> mongodb::bson::Document {
                let mut fields = crate::document::FieldWriter::default();
                $(fields.put(crate::document::name_of!($field $(as $name)?), &noun.$field);)*
                $($(fields.put_some(crate::document::name_of!($optional), noun.$optional.as_ref());)*)?
                $($(fields.put($derived, &($value)(noun));)*)?
                fields.into_document()
            }

            fn read(found: crate::document::FieldReader<'_>) -> Result<$noun, crate::document::DecodeError> {
                Ok($noun {
                    $($field: found.take(crate::document::name_of!($field $(as $name)?))?,)*
                    $($($optional: found.take(crate::document::name_of!($optional))?,)*)?
                    $($($lost: $lost_value,)*)?
                })
            }
        }
    };
}
pub(crate) use document;

/// How values of a type are stored within a document, by [`document!`]'s rules.
macro_rules! embedded {
    ($embedded:ty { $($field:ident $(as $name:literal)?),* $(,)? }) => {
        impl crate::document::Stored for $embedded {
            const KIND: Option<&'static str> = Some("object");

            fn store(&self) -> mongodb::bson::Bson {
                let mut fields = crate::document::FieldWriter::default();
                $(fields.put(crate::document::name_of!($field $(as $name)?), &self.$field);)*
                fields.into_document().into()
            }

            fn read(stored: mongodb::bson::RawBsonRef<'_>) -> Result<Self, crate::document::DecodeError> {
                let found = crate::document::FieldReader::embedded(stored)?;
                Ok(Self { $($field: found.take(crate::document::name_of!($field $(as $name)?))?,)* })
            }
        }
    };
}
pub(crate) use embedded;

/// The name of a field in documents.
macro_rules! name_of {
    ($field:ident) => {
        const_format::map_ascii_case!(const_format::Case::Camel, stringify!($field))
    };
    ($field:ident as $name:literal) => {
        $name
    };
}
pub(crate) use name_of;
