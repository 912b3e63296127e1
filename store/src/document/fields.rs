//! The fields of a document, as they are written and found.

use mongodb::bson::{Document, RawBsonRef, RawDocument};

use super::{DecodeError, Stored};

/// Fields that are written.
#[derive(Default)]
pub(crate) struct FieldWriter(Document);

impl FieldWriter {
    /// Writes a field; `a.b` is the field `b` of an embedded document `a`.
    pub(crate) fn put(&mut self, name: &str, value: &impl Stored) {
        match name.split_once('.') {
            None => {
                self.0.insert(name, value.store());
            }
            Some((outer, inner)) => {
                let embedded = self.0.entry(outer).or_insert_with(|| Document::new().into());
                if let Some(embedded) = embedded.as_document_mut() {
                    embedded.insert(inner, value.store());
                }
            }
        }
    }

    /// Writes a field that the document has only when there is something in it.
    pub(crate) fn put_some(&mut self, name: &str, value: Option<&impl Stored>) {
        if let Some(value) = value {
            self.put(name, value);
        }
    }

    pub(crate) fn into_document(self) -> Document {
        self.0
    }
}

/// Fields that were found, each gone through once.
pub(crate) struct FieldReader<'r>(Vec<(&'r str, RawBsonRef<'r>)>);

impl<'r> FieldReader<'r> {
    /// Those of a document.
    pub(crate) fn in_document(document: &'r RawDocument) -> Result<Self, DecodeError> {
        let fields = document.iter().map(|field| field.map(|(name, value)| (name.as_str(), value)));
        fields.collect::<Result<_, _>>().map(Self).map_err(|_| DecodeError("the document itself".into()))
    }

    /// Those of a value that is a document itself.
    pub(crate) fn embedded(stored: RawBsonRef<'r>) -> Result<Self, DecodeError> {
        let document = stored.as_document().ok_or_else(|| DecodeError(String::new()))?;
        Self::in_document(document).map_err(|_| DecodeError(String::new()))
    }

    /// Reads a field; `a.b` is the field `b` of an embedded document `a`. One that is missing is an optional one with
    /// nothing in it, or damaged.
    pub(crate) fn take<T: Stored>(&self, name: &str) -> Result<T, DecodeError> {
        if let Some((outer, inner)) = name.split_once('.') {
            let Some(embedded) = self.get(outer) else { return missing(name) };
            let embedded = Self::embedded(embedded).map_err(|damaged| damaged.within(outer))?;
            return embedded.take(inner).map_err(|damaged| damaged.within(outer));
        }
        match self.get(name) {
            Some(stored) => T::read(stored).map_err(|damaged| damaged.within(name)),
            None => missing(name),
        }
    }

    fn get(&self, name: &str) -> Option<RawBsonRef<'r>> {
        self.0.iter().find(|(own, _)| *own == name).map(|(_, stored)| *stored)
    }
}

fn missing<T: Stored>(name: &str) -> Result<T, DecodeError> {
    T::absent().ok_or_else(|| DecodeError(format!("{name} (missing)")))
}
