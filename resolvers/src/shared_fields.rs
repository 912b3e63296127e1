//! Interfaces of types that have fields in common, so that one fragment asks any of them.

use std::{borrow::Cow, marker::PhantomData};

use async_graphql::{
    ContextSelectionSet, OutputType, Positioned, ServerError, ServerResult, Value,
    parser::types::Field,
    registry::{MetaType, MetaTypeId, Registry},
};

/// What types have in common: the fields of the first of them, which all the others have too.
pub(crate) trait SharedFields: Send + Sync {
    /// The name of the interface.
    const NAME: &'static str;
    /// What it is.
    const ABOUT: &'static str;
    /// The object types that have the fields.
    const TYPES: &'static [&'static str];
}

/// The numbers of places.
pub(crate) struct PlaceNumbers;

impl SharedFields for PlaceNumbers {
    const NAME: &'static str = "PlaceNumbers";
    const ABOUT: &'static str = "Numbers of places, whichever places they are.";
    const TYPES: &'static [&'static str] = &["CapacityNumbers", "Capacity"];
}

/// The counts of statistics.
pub(crate) struct PeopleCount;

impl SharedFields for PeopleCount {
    const NAME: &'static str = "PeopleCount";
    const ABOUT: &'static str = "How many people or stays, whatever they are counted by.";
    const TYPES: &'static [&'static str] =
        &["Count", "AgeBandCount", "CitizenshipCount", "ExitReasonCount", "LengthBandCount", "SexCount"];
}

/// The interface. No field is of its type, so nothing is ever resolved as one.
pub(crate) struct Interface<T>(PhantomData<T>);

impl<T: SharedFields> OutputType for Interface<T> {
    fn type_name() -> Cow<'static, str> {
        T::NAME.into()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        for own in T::TYPES {
            registry.add_implements(own, T::NAME);
        }
        registry.create_output_type::<Self, _>(MetaTypeId::Interface, |registry| {
            let first = registry.types.get(T::TYPES[0]).and_then(MetaType::fields);
            MetaType::Interface {
                name: T::NAME.into(),
                description: Some(T::ABOUT.into()),
                fields: first.expect("the types are part of the contract").clone(),
                possible_types: T::TYPES.iter().map(|own| (*own).to_owned()).collect(),
                extends: false,
                keys: None,
                visible: None,
                inaccessible: false,
                tags: Vec::new(),
                rust_typename: Some(std::any::type_name::<Self>()),
                directive_invocations: Vec::new(),
                requires_scopes: Vec::new(),
            }
        })
    }

    async fn resolve(&self, _: &ContextSelectionSet<'_>, field: &Positioned<Field>) -> ServerResult<Value> {
        Err(ServerError::new("no field is of this type", Some(field.pos)))
    }
}
