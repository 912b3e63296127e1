//! Pages of lists that are in the order of their ids.

use mongodb::bson::{Document as Filter, doc};
use uuid::Uuid;

use crate::document::binary;

/// Which part of a list that is in the order of its ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KeyPage<I> {
    /// Only what comes after this one.
    pub after: Option<I>,
    /// Only what comes before this one.
    pub before: Option<I>,
    /// How many at most.
    pub limit: i64,
    /// Counted from the end.
    pub backwards: bool,
}

impl<I: Copy + Into<Uuid>> KeyPage<I> {
    /// The filter of the list, for this part of it.
    pub(crate) fn within(&self, mut filter: Filter) -> Filter {
        let mut ids = doc! {};
        if let Some(after) = self.after {
            ids.insert("$gt", binary(after));
        }
        if let Some(before) = self.before {
            ids.insert("$lt", binary(before));
        }
        if !ids.is_empty() {
            filter.insert("_id", ids);
        }
        filter
    }

    /// The order to read in.
    pub(crate) fn order(&self) -> Filter {
        doc! { "_id": if self.backwards { -1 } else { 1 } }
    }

    /// What was read, in the order of the list.
    pub(crate) fn in_order<T>(&self, mut found: Vec<T>) -> Vec<T> {
        if self.backwards {
            found.reverse();
        }
        found
    }
}
