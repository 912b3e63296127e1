//! Facilities that a reader of the vault keeps to.

use std::sync::Arc;

use mongodb::bson::{Document as Filter, Uuid as Binary, doc};
use tavolo_schema::id::FacilityId;

use crate::document::binary;

/// The facilities whose stays may be looked at, or all. It is part of the query, and the query's index begins with it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Within(pub Option<Arc<[FacilityId]>>);

impl Within {
    /// Narrows a filter, and tells whether there was anything to narrow.
    pub(crate) fn narrow(&self, filter: &mut Filter) -> bool {
        let Some(facilities) = &self.0 else { return false };
        let facilities: Vec<Binary> = facilities.iter().map(|id| binary(*id)).collect();
        filter.insert("facility", doc! { "$in": facilities });
        true
    }

    /// Whether nothing at all may be looked at.
    pub(crate) fn is_nowhere(&self) -> bool {
        self.0.as_ref().is_some_and(|facilities| facilities.is_empty())
    }
}
