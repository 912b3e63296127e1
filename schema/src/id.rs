//! Identifiers: typed inside the hub, opaque and global in the contract.
//!
//! A global id is one tag byte and the sixteen bytes of a UUID version 7, in unpadded base64url. The
//! tag keeps a facility's id from being taken for a guest's.

use std::{borrow::Cow, fmt};

use async_graphql::{
    ContextSelectionSet, ID, InputType, InputValueError, InputValueResult, OutputType, Positioned, ServerResult, Value,
    parser::types::Field, registry::Registry,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use uuid::{NoContext, Uuid};

use crate::{DateTime, PlaceCategory, PoolKey};

/// A new identifier, ordered by the instant it was made at.
#[must_use]
pub fn fresh(at: DateTime) -> Uuid {
    let millis = u64::try_from(at.millis()).unwrap_or_default();
    let nanos = u32::try_from(millis % 1_000).unwrap_or_default() * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, millis / 1_000, nanos))
}

fn decode(text: &str) -> Option<(u8, Uuid)> {
    let bytes: [u8; 17] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (tag, uuid) = bytes.split_first()?;
    Uuid::from_slice(uuid).ok().map(|uuid| (*tag, uuid))
}

fn encode(tag: u8, uuid: Uuid) -> String {
    let mut bytes = [tag; 17];
    bytes[1..].copy_from_slice(uuid.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Hands the table of ids to a macro: for each kind of thing its name, the type of its id, the tag that tells it from the
/// others, and what it is.
#[macro_export]
macro_rules! ids {
    ($rows:ident) => {
        $rows! {
            Facility: FacilityId = b'f', "a facility";
            Organisation: OrganisationId = b'o', "an organisation";
            Accreditation: AccreditationId = b'a', "an accreditation";
            Guest: GuestId = b'g', "a guest";
            Stay: StayId = b's', "a stay";
            Household: HouseholdId = b'h', "a household";
            Block: BlockId = b'b', "a block of places";
            Act: ActId = b'x', "an act";
            Lookup: LookupId = b'l', "a look at a file out of sight";
        }
    };
}

/// Shows an id by its global form.
macro_rules! shown_encoded {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.encode())
            }
        }

        impl OutputType for $name {
            fn type_name() -> Cow<'static, str> {
                <ID as OutputType>::type_name()
            }
            fn create_type_info(registry: &mut Registry) -> String {
                <ID as OutputType>::create_type_info(registry)
            }
            async fn resolve(&self, _: &ContextSelectionSet<'_>, _: &Positioned<Field>) -> ServerResult<Value> {
                Ok(Value::String(self.encode()))
            }
        }
    };
}

/// Types of ids, and the id of any of them.
macro_rules! typed {
    ($($kind:ident: $name:ident = $tag:literal, $what:literal;)*) => {
        /// An id of any kind.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum GlobalId {
            $(
                #[doc = concat!("Of ", $what, ".")]
                $kind($name),
            )*
            /// Of the places of one category in one facility.
            Pool(PoolId),
            /// Of a municipality.
            Municipality(MunicipalityId),
        }

        impl GlobalId {
            /// Reads the global form; `None` when it is no id.
            #[must_use]
            pub fn decode(text: &str) -> Option<Self> {
                let Some((tag, uuid)) = decode(text) else {
                    let municipality = || MunicipalityId::decode(text).map(Self::Municipality);
                    return PoolId::decode(text).map(Self::Pool).or_else(municipality);
                };
                match tag {
                    $($name::TAG => Some(Self::$kind($name(uuid))),)*
                    _ => None,
                }
            }
        }

        $(
            #[doc = concat!("Identifies ", $what, ".")]
            #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
            #[serde(transparent)]
            pub struct $name(pub Uuid);

            impl $name {
                const TAG: u8 = $tag;

                /// A new identifier, ordered by the instant it was made at.
                #[must_use]
                pub fn fresh(at: DateTime) -> Self {
                    Self(fresh(at))
                }

                /// Reads the global form; `None` when it is no id, or the id of something else.
                #[must_use]
                pub fn decode(text: &str) -> Option<Self> {
                    decode(text).filter(|(tag, _)| *tag == Self::TAG).map(|(_, uuid)| Self(uuid))
                }

                /// The global form.
                #[must_use]
                pub fn encode(self) -> String {
                    encode(Self::TAG, self.0)
                }
            }

            impl From<Uuid> for $name {
                fn from(uuid: Uuid) -> Self {
                    Self(uuid)
                }
            }

            impl From<$name> for Uuid {
                fn from(id: $name) -> Self {
                    id.0
                }
            }

            shown_encoded!($name);

            impl InputType for $name {
                type RawValueType = Self;
                fn type_name() -> Cow<'static, str> {
                    <ID as InputType>::type_name()
                }
                fn create_type_info(registry: &mut Registry) -> String {
                    <ID as InputType>::create_type_info(registry)
                }
                fn parse(value: Option<Value>) -> InputValueResult<Self> {
                    match value {
                        // Text that is no id of this kind names nothing, like the id of a thing that is not there.
                        Some(Value::String(text)) => Ok(Self::decode(&text).unwrap_or(Self(Uuid::nil()))),
                        // The specification takes an integer for an ID, and ours are none.
                        Some(Value::Number(number)) if !number.is_f64() => Ok(Self(Uuid::nil())),
                        other => Err(InputValueError::expected_type(other.unwrap_or_default())),
                    }
                }
                fn to_value(&self) -> Value {
                    Value::String(self.encode())
                }
                fn as_raw_value(&self) -> Option<&Self> {
                    Some(self)
                }
            }
        )*
    };
}

ids!(typed);

/// Identifies the places of one category in one facility.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolId(pub PoolKey);

impl PoolId {
    const TAG: u8 = b'p';

    /// Reads the global form; `None` when it is no id, or the id of something else.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; 18] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let [Self::TAG, facility @ .., category] = bytes else { return None };
        let category = PlaceCategory::ALL.into_iter().find(|own| Self::letter(*own) == category)?;
        Some(Self((FacilityId(Uuid::from_bytes(facility)), category)))
    }

    /// The global form.
    #[must_use]
    pub fn encode(self) -> String {
        let Self((facility, category)) = self;
        let mut bytes = [Self::TAG; 18];
        bytes[1..17].copy_from_slice(facility.0.as_bytes());
        bytes[17] = Self::letter(category);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    fn letter(category: PlaceCategory) -> u8 {
        match category {
            PlaceCategory::Ordinary => b'o',
            PlaceCategory::UnaccompaniedMinor => b'm',
            PlaceCategory::MentalHealthOrDisability => b'd',
        }
    }
}

shown_encoded!(PoolId);

/// Identifies a municipality by its ISTAT code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MunicipalityId(pub String);

impl MunicipalityId {
    const TAG: u8 = b'm';

    /// Reads the global form; `None` when it is no id, or the id of something else.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let mut bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.first() == Some(&Self::TAG)).then(|| bytes.remove(0))?;
        String::from_utf8(bytes).ok().map(Self)
    }

    /// The global form.
    #[must_use]
    pub fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode([&[Self::TAG], self.0.as_bytes()].concat())
    }
}

shown_encoded!(MunicipalityId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_one_kind_is_not_read_as_another() {
        let at = DateTime::from_millis(1_700_000_000_000).unwrap();
        let facility = FacilityId::fresh(at);
        assert_eq!(FacilityId::decode(&facility.encode()), Some(facility));
        assert_eq!(GuestId::decode(&facility.encode()), None);
        assert_eq!(GlobalId::decode(&facility.encode()), Some(GlobalId::Facility(facility)));
        assert_eq!(GlobalId::decode("nonsense"), None);
        for category in PlaceCategory::ALL {
            let pool = PoolId((facility, category));
            assert_eq!(GlobalId::decode(&pool.encode()), Some(GlobalId::Pool(pool)));
        }
        let municipality = MunicipalityId("101010".into());
        assert_eq!(GlobalId::decode(&municipality.encode()), Some(GlobalId::Municipality(municipality)));
    }
}
