//! How a value is kept in a document.

use mongodb::bson::{self, Bson, RawBinaryRef, RawBsonRef, spec::BinarySubtype};
use serde::{Serialize, de::DeserializeOwned};
use tavolo_schema::{
    AccreditationStatus, Act, Address, CategoryPlaces, Code, DateTime, Day, ExitReason, FacilityType, Headcount,
    Irregularity, OccupancyCause, OrganisationKind, PlaceCategory, Precision, Role, Room, StayStatus,
    capacity::{BlockReason, Counts},
    guest::{BirthDatePrecision, HouseholdRole, LegalStatus, Sex},
};
use uuid::Uuid;

use super::{DecodeError, binary, damaged_field, instant};

/// A value as it is kept in a document.
///
/// A field that has to be kept encrypted gets a type of its own that implements this: nothing else of a document changes.
pub(crate) trait Stored: Sized {
    /// The BSON type, as a validator names it; none for what a document need not have.
    const KIND: Option<&'static str>;

    /// As BSON.
    fn store(&self) -> Bson;

    /// From BSON, checked.
    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError>;

    /// What it is where a document has no such field; `None` where that is damage.
    fn absent() -> Option<Self> {
        None
    }
}

/// A value as a filter asks for it.
pub(crate) fn stored(value: impl Stored) -> Bson {
    value.store()
}

/// A value that does not convert, wherever it is.
fn unreadable() -> DecodeError {
    DecodeError(String::new())
}

impl Stored for bool {
    const KIND: Option<&'static str> = Some("bool");

    fn store(&self) -> Bson {
        Bson::Boolean(*self)
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        stored.as_bool().ok_or_else(unreadable)
    }
}

impl Stored for i32 {
    const KIND: Option<&'static str> = Some("int");

    fn store(&self) -> Bson {
        Bson::Int32(*self)
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        i64::read(stored).and_then(|number| Self::try_from(number).map_err(|_| unreadable()))
    }
}

impl Stored for i64 {
    const KIND: Option<&'static str> = Some("long");

    fn store(&self) -> Bson {
        Bson::Int64(*self)
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        match stored {
            RawBsonRef::Int32(number) => Ok(number.into()),
            RawBsonRef::Int64(number) => Ok(number),
            _ => Err(unreadable()),
        }
    }
}

impl Stored for String {
    const KIND: Option<&'static str> = Some("string");

    fn store(&self) -> Bson {
        self.as_str().into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        stored.as_str().map(Self::from).ok_or_else(unreadable)
    }
}

impl Stored for DateTime {
    const KIND: Option<&'static str> = Some("date");

    fn store(&self) -> Bson {
        instant(*self).into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        let at = stored.as_datetime().ok_or_else(unreadable)?;
        Self::from_millis(at.timestamp_millis()).ok_or_else(unreadable)
    }
}

/// ISO 8601 text, which sorts as days do.
impl Stored for Day {
    const KIND: Option<&'static str> = Some("string");

    fn store(&self) -> Bson {
        self.to_string().into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        stored.as_str().and_then(|text| text.parse().ok()).ok_or_else(unreadable)
    }
}

impl Stored for Uuid {
    const KIND: Option<&'static str> = Some("binData");

    fn store(&self) -> Bson {
        binary(*self).into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        match stored {
            RawBsonRef::Binary(RawBinaryRef { subtype: BinarySubtype::Uuid, bytes }) => {
                Self::from_slice(bytes).map_err(|_| unreadable())
            }
            _ => Err(unreadable()),
        }
    }
}

/// Ids are stored as the UUIDs they are.
macro_rules! stored_ids {
    ($($kind:ident: $id:ident = $tag:literal, $what:literal;)*) => {$(
        impl Stored for tavolo_schema::id::$id {
            const KIND: Option<&'static str> = Uuid::KIND;

            fn store(&self) -> Bson {
                Uuid::from(*self).store()
            }

            fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
                Uuid::read(stored).map(Self::from)
            }
        }
    )*};
}

tavolo_schema::ids!(stored_ids);

/// Nothing is null.
impl<T: Stored> Stored for Option<T> {
    const KIND: Option<&'static str> = None;

    fn store(&self) -> Bson {
        self.as_ref().map_or(Bson::Null, T::store)
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        if stored.as_null().is_some() { Ok(None) } else { T::read(stored).map(Some) }
    }

    fn absent() -> Option<Self> {
        Some(None)
    }
}

impl<T: Stored> Stored for Vec<T> {
    const KIND: Option<&'static str> = Some("array");

    fn store(&self) -> Bson {
        self.iter().map(T::store).collect::<Vec<_>>().into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        let elements = stored.as_array().ok_or_else(unreadable)?.into_iter().enumerate();
        let element = |(at, element): (usize, bson::error::Result<RawBsonRef<'_>>)| {
            element.map_err(|_| unreadable()).and_then(T::read).map_err(|damaged| damaged.within(at))
        };
        elements.map(element).collect()
    }
}

impl<const N: usize> Stored for [i32; N] {
    const KIND: Option<&'static str> = Some("array");

    fn store(&self) -> Bson {
        self.to_vec().store()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        Vec::read(stored)?.try_into().map_err(|_| unreadable())
    }
}

/// Types are stored as they derive it: enums by the name they have in the contract.
macro_rules! stored_by_serde {
    ($kind:literal: $($type:ty),* $(,)?) => {$(
        impl crate::document::Stored for $type {
            const KIND: Option<&'static str> = Some($kind);

            fn store(&self) -> mongodb::bson::Bson {
                crate::document::stored::serialized(self)
            }

            fn read(stored: mongodb::bson::RawBsonRef<'_>) -> Result<Self, crate::document::DecodeError> {
                crate::document::stored::deserialized(stored)
            }
        }
    )*};
}
pub(crate) use stored_by_serde;

stored_by_serde! { "string":
    AccreditationStatus, Act, BirthDatePrecision, BlockReason, Code, ExitReason, FacilityType, HouseholdRole,
    LegalStatus, OccupancyCause, OrganisationKind, PlaceCategory, Precision, Role, Sex, StayStatus,
}
stored_by_serde! { "object": Address, CategoryPlaces, Counts, Headcount, Irregularity, Room }

pub(crate) fn serialized(value: &impl Serialize) -> Bson {
    bson::serialize_to_bson(value).expect("values of the schema have keys of text and numbers that BSON has")
}

pub(crate) fn deserialized<T: DeserializeOwned>(stored: RawBsonRef<'_>) -> Result<T, DecodeError> {
    let stored = Bson::try_from(stored).map_err(|_| unreadable())?;
    serde_path_to_error::deserialize(bson::Deserializer::new(stored)).map_err(|error| match damaged_field(&error) {
        path if path == "." => unreadable(),
        path => DecodeError(path),
    })
}
