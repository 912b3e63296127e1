//! Whether a request is valid by the GraphQL specification (October 2021, sections 5 and 6.1, and the RFC on OneOf Input
//! Objects): a request that is not is refused before anything of it runs. The executor checks some of this only where a
//! value is used, when the acts before it have been performed.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, ops::Range, sync::LazyLock};

use apollo_compiler::{
    ExecutableDocument, Name, Node, Schema,
    ast::{DirectiveList, Type, Value},
    executable::{Argument, Field, Operation, Selection, SelectionSet},
    name,
    parser::LineColumn,
    schema::{Component, ExtendedType, FieldDefinition, InputObjectType},
    validation::Valid,
};
use async_graphql::{
    InputType, Pos, ServerError, Value as ConstValue, Variables,
    parser::types::{self as parsed, OperationDefinition},
};
use tavolo_schema::{DateTime, Day};

use crate::{
    contract,
    error::{self, ErrorCode, MOST_ERRORS},
};

/// The contract of every hub.
pub(crate) static SCHEMA: LazyLock<Valid<Schema>> = LazyLock::new(|| {
    let mut schema = Schema::parse(contract::sdl(), "schema.graphql").expect("the contract is a schema");
    if let Some(ExtendedType::Object(of_types)) = schema.types.get_mut("__Type") {
        // Introspection tells of OneOf Input Objects, which the library does not know yet.
        let is_one_of = FieldDefinition {
            description: None,
            name: name!("isOneOf"),
            arguments: Vec::new(),
            ty: Type::Named(name!("Boolean")),
            directives: DirectiveList::default(),
        };
        of_types.make_mut().fields.insert(name!("isOneOf"), Component::new(is_one_of));
    }
    schema.validate().expect("the contract is a valid schema")
});

/// The scalars of the contract that the specification does not know, and what they take.
const SCALARS: [(&str, Takes); 2] = [("Date", takes::<Day>), ("DateTime", takes::<DateTime>)];

/// Whether a scalar takes a value.
type Takes = fn(ConstValue) -> bool;

fn takes<T: InputType>(value: ConstValue) -> bool {
    T::parse(Some(value)).is_ok()
}

/// Refuses a document that breaks a rule of the specification, whatever its variables will be.
///
/// # Errors
///
/// Everything that is wrong with it.
pub(crate) fn document(text: &str) -> Result<(), Vec<ServerError>> {
    let document = ExecutableDocument::parse_and_validate(&SCHEMA, text, "request").map_err(|invalid| {
        let told = invalid.errors.iter().take(MOST_ERRORS);
        let told = told.map(|found| wrong(found.error.to_string(), found.line_column_range()));
        told.chain(error::beside(invalid.errors.len())).collect::<Vec<_>>()
    })?;
    let mut found = Vec::new();
    for operation in document.operations.iter() {
        let mut values = Values { document: &document, operation, spread: BTreeSet::new(), found };
        values.of_selection(&operation.selection_set);
        found = values.found;
    }
    error::cut(&mut found);
    if found.is_empty() { Ok(()) } else { Err(found) }
}

fn wrong(message: String, at: Option<Range<LineColumn>>) -> ServerError {
    let mut error = error::server_error(ErrorCode::BadRequest, message);
    error.locations.extend(at.map(|at| Pos { line: at.start.line, column: at.start.column }));
    error
}

/// What the library's rules leave out about the values that an operation is written with: scalars of our own, fields that
/// are given twice, inputs of which exactly one field is given, and variables within lists and inputs.
struct Values<'d> {
    document: &'d ExecutableDocument,
    operation: &'d Node<Operation>,
    /// Fragments that have been looked at.
    spread: BTreeSet<&'d str>,
    found: Vec<ServerError>,
}

impl<'d> Values<'d> {
    fn of_selection(&mut self, selected: &'d SelectionSet) {
        for selection in &selected.selections {
            match selection {
                Selection::Field(field) => {
                    self.of_field(field);
                    self.of_selection(&field.selection_set);
                }
                Selection::InlineFragment(fragment) => self.of_selection(&fragment.selection_set),
                Selection::FragmentSpread(spread) => {
                    if let Some(fragment) = self.document.fragments.get(&spread.fragment_name)
                        && self.spread.insert(&spread.fragment_name)
                    {
                        self.of_selection(&fragment.selection_set);
                    }
                }
            }
        }
    }

    fn of_field(&mut self, field: &Node<Field>) {
        for argument in &field.arguments {
            if let Some(own) = argument_of(&field.definition, argument) {
                self.value(own, &argument.value);
            }
        }
    }

    /// Looks at a value within another one.
    fn inner(&mut self, ty: &Type, has_default: bool, value: &Node<Value>) {
        let Value::Variable(name) = value.as_ref() else { return self.value(ty, value) };
        if let Some(own) = self.operation.variables.iter().find(|own| own.name == *name) {
            let is_given = has_default || own.default_value.as_ref().is_some_and(|default| !default.is_null());
            let allowed = own.ty.is_assignable_to(ty)
                || (is_given && !own.ty.is_non_null() && own.ty.is_assignable_to(&ty.clone().nullable()));
            if !allowed {
                self.add(format!("the variable ${name} of type {} stands where {ty} is expected", own.ty), value);
            }
        }
    }

    fn value(&mut self, ty: &Type, value: &Node<Value>) {
        match (value.as_ref(), ty) {
            (Value::Null | Value::Variable(_), _) => {}
            (Value::List(items), Type::List(inner) | Type::NonNullList(inner)) => {
                items.iter().for_each(|item| self.inner(inner, false, item));
            }
            // One value stands for a list of one.
            (_, Type::List(inner) | Type::NonNullList(inner)) => self.value(inner, value),
            (given, Type::Named(name) | Type::NonNullNamed(name)) => match (SCHEMA.types.get(name), given) {
                (Some(ExtendedType::InputObject(own)), Value::Object(fields)) => {
                    let twice = |at: usize| fields[..at].iter().any(|(name, _)| *name == fields[at].0);
                    if let Some(at) = (0..fields.len()).find(|at| twice(*at)) {
                        self.add(format!("the field {} is given twice", fields[at].0), value);
                    }
                    if is_one_of(own) {
                        self.one_of(own, fields, value);
                    }
                    for (name, field) in fields {
                        if let Some(own) = own.fields.get(name) {
                            self.inner(&own.ty, own.default_value.is_some(), field);
                        }
                    }
                }
                (Some(ExtendedType::Scalar(_)), given) => {
                    let scalar = SCALARS.iter().find(|(own, _)| *own == name.as_str());
                    let text = given.as_str().map_or(ConstValue::Null, ConstValue::from);
                    if scalar.is_some_and(|(_, takes)| !takes(text)) {
                        self.add(format!("this is no {name}"), value);
                    }
                }
                _ => {}
            },
        }
    }

    fn one_of(&mut self, own: &InputObjectType, fields: &[(Name, Node<Value>)], value: &Node<Value>) {
        let [(_, field)] = fields else {
            return self.add(format!("exactly one field of {} has to be given", own.name), value);
        };
        let nullable =
            |name: &Name| self.operation.variables.iter().any(|own| own.name == *name && !own.ty.is_non_null());
        match field.as_ref() {
            Value::Null => self.add(format!("the one field of {} may not be null", own.name), value),
            Value::Variable(name) if nullable(name) => {
                self.add(format!("the variable ${name} may be null, and the one field of {} may not", own.name), value);
            }
            _ => {}
        }
    }

    fn add(&mut self, message: String, at: &Node<Value>) {
        self.found.push(wrong(message, at.line_column_range(&self.document.sources)));
    }
}

fn argument_of<'f>(field: &'f FieldDefinition, argument: &Argument) -> Option<&'f Type> {
    field.argument_by_name(&argument.name).map(|own| own.ty.as_ref())
}

fn is_one_of(own: &InputObjectType) -> bool {
    own.directives.has("oneOf")
}

/// Refuses variables that are missing, or that the types they are declared with do not take.
///
/// # Errors
///
/// What is wrong with the first one of them; never with its value in it.
pub(crate) fn variables(operation: &OperationDefinition, values: &Variables) -> Result<(), ServerError> {
    for definition in &operation.variable_definitions {
        let own = &definition.node;
        let (name, ty) = (own.name.node.as_str(), &own.var_type.node);
        match values.get(name) {
            Some(value) => {
                let mut at = format!("${name}");
                declared(ty, value, &mut at).map_err(|what| at_definition(what, definition.pos))?;
            }
            None if ty.nullable || own.default_value.is_some() => {}
            None => {
                let missing = format!("the variable ${name} of type {ty} is missing");
                return Err(at_definition(missing, definition.pos));
            }
        }
    }
    Ok(())
}

fn at_definition(message: String, at: Pos) -> ServerError {
    let mut error = wrong(message, None);
    error.locations.push(at);
    error
}

/// What is wrong with a value of a type as a document declares it.
fn declared(ty: &parsed::Type, value: &ConstValue, at: &mut String) -> Result<(), String> {
    if *value == ConstValue::Null {
        return if ty.nullable { Ok(()) } else { Err(format!("{at} of type {ty} is null")) };
    }
    match (&ty.base, value) {
        (parsed::BaseType::List(inner), ConstValue::List(items)) => {
            each(items, at, |item, at| declared(inner, item, at))
        }
        (parsed::BaseType::List(inner), value) => declared(inner, value, at),
        (parsed::BaseType::Named(name), value) => named(name, value, at),
    }
}

/// What is wrong with a value of a type of the contract.
fn of_contract(ty: &Type, value: &ConstValue, at: &mut String) -> Result<(), String> {
    if *value == ConstValue::Null {
        return if ty.is_non_null() { Err(format!("{at} of type {ty} is null")) } else { Ok(()) };
    }
    match (ty, value) {
        (Type::List(inner) | Type::NonNullList(inner), ConstValue::List(items)) => {
            each(items, at, |item, at| of_contract(inner, item, at))
        }
        (Type::List(inner) | Type::NonNullList(inner), value) => of_contract(inner, value, at),
        (Type::Named(name) | Type::NonNullNamed(name), value) => named(name, value, at),
    }
}

fn each(
    items: &[ConstValue],
    at: &mut String,
    check: impl Fn(&ConstValue, &mut String) -> Result<(), String>,
) -> Result<(), String> {
    for (index, item) in items.iter().enumerate() {
        below(at, &format!(".{index}"), |at| check(item, at))?;
    }
    Ok(())
}

/// Checks what is below, under its own path.
fn below(at: &mut String, step: &str, check: impl FnOnce(&mut String) -> Result<(), String>) -> Result<(), String> {
    let length = at.len();
    at.push_str(step);
    check(at)?;
    at.truncate(length);
    Ok(())
}

/// What is wrong with a value that is not null, of a type by its name.
fn named(name: &str, value: &ConstValue, at: &mut String) -> Result<(), String> {
    let fits = match (SCHEMA.types.get(name), value) {
        (Some(ExtendedType::InputObject(own)), ConstValue::Object(fields)) => return object(own, fields, at),
        (Some(ExtendedType::Enum(own)), ConstValue::String(text)) => own.values.contains_key(text.as_str()),
        (Some(ExtendedType::Enum(own)), ConstValue::Enum(text)) => own.values.contains_key(text.as_str()),
        (Some(ExtendedType::Scalar(_)), value) => match (name, value) {
            ("Int", ConstValue::Number(number)) => number.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            ("Float", ConstValue::Number(_))
            | ("String" | "ID", ConstValue::String(_))
            | ("Boolean", ConstValue::Boolean(_)) => true,
            ("ID", ConstValue::Number(number)) => !number.is_f64(),
            (name, value) => {
                let scalar = SCALARS.iter().find(|(own, _)| *own == name);
                scalar.is_some_and(|(_, takes)| takes(value.clone()))
            }
        },
        _ => false,
    };
    if fits { Ok(()) } else { Err(format!("{at} is no {name}")) }
}

fn object(
    own: &InputObjectType,
    fields: &async_graphql::indexmap::IndexMap<async_graphql::Name, ConstValue>,
    at: &mut String,
) -> Result<(), String> {
    if let Some(unknown) = fields.keys().find(|name| !own.fields.contains_key(name.as_str())) {
        return Err(format!("{at} has a field {unknown}, which {} has not", own.name));
    }
    if is_one_of(own) && (fields.len() != 1 || fields.values().any(|value| *value == ConstValue::Null)) {
        return Err(format!("{at}: exactly one field of {} has to be given, and not null", own.name));
    }
    for (name, field) in &own.fields {
        match fields.get(name.as_str()) {
            Some(value) => below(at, &format!(".{name}"), |at| of_contract(&field.ty, value, at))?,
            None if !field.ty.is_non_null() || field.default_value.is_some() => {}
            None => return Err(format!("{at}.{name} of type {} is missing", field.ty)),
        }
    }
    Ok(())
}
