//! The ledger as history reads it: what each entry does to the numbers, and when.

use futures_util::TryStreamExt;
use mongodb::bson::{self, Document as Filter, Uuid as Binary, doc};
use serde::Deserialize;
use tavolo_schema::{Movement, PlaceCategory, capacity::Counts, id::FacilityId};

use crate::{
    Store, StoreError,
    document::{DecodeError, Document, Projection, binary, date_time, id, stored},
    ledger::LedgerDoc,
};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MovementDoc {
    facility: Binary,
    category: PlaceCategory,
    revision: i64,
    deltas: Counts,
    occurred_at: bson::DateTime,
    registered_at: bson::DateTime,
}

/// A movement, and which one of its pool it is.
#[derive(Clone, Copy, Debug)]
pub struct Numbered {
    /// The facility.
    pub facility: FacilityId,
    /// The category.
    pub category: PlaceCategory,
    /// Number of the entry within its pool, from 1, without gaps.
    pub revision: i64,
    /// What it does.
    pub movement: Movement,
}

impl Projection for MovementDoc {
    const COLLECTION: &'static str = LedgerDoc::COLLECTION;
    type Noun = Numbered;

    fn fields() -> Filter {
        doc! { "facility": 1, "category": 1, "revision": 1, "deltas": 1, "occurredAt": 1, "registeredAt": 1 }
    }

    fn read(self) -> Result<Numbered, DecodeError> {
        let movement = Movement {
            occurred_at: date_time("occurredAt", self.occurred_at)?,
            registered_at: date_time("registeredAt", self.registered_at)?,
            deltas: self.deltas,
        };
        Ok(Numbered { facility: id(self.facility), category: self.category, revision: self.revision, movement })
    }
}

/// The end of what is known of a pool's ledger.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// The facility.
    pub facility: FacilityId,
    /// The category.
    pub category: PlaceCategory,
    /// Entries known; those after them are wanted.
    pub revision: i64,
}

/// Pools asked for by name at most; of more, everything is read at once.
const NAMED: usize = 200;

impl Store {
    /// The movements that are not known yet, of each pool in order.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn movements(&self, known: &[Known]) -> Result<Vec<Numbered>, StoreError> {
        let unknown = |pool: &Known| {
            let after = doc! { "$gt": pool.revision };
            doc! { "facility": binary(pool.facility), "category": stored(pool.category), "revision": after }
        };
        let filter = match known {
            [] => return Ok(Vec::new()),
            few if few.len() <= NAMED => doc! { "$or": few.iter().map(unknown).collect::<Vec<_>>() },
            _ => doc! {},
        };
        let mut found: Vec<Numbered> = self.projections::<MovementDoc>(filter, doc! {}).await?.try_collect().await?;
        found.sort_unstable_by_key(|entry| (entry.facility, entry.category, entry.revision));
        Ok(found)
    }
}
