//! The journal: the movements of the ledger, kept in memory for whoever asks about the past.
//!
//! The ledger is append-only, so what has been read of it stays true. A pool on the board says how many entries its
//! ledger has; what the journal lacks of a pool is read when it is asked for, and nothing else; to its end even when
//! whoever asked has gone, since others would have to begin again. It takes some sixty bytes for an entry, holds nothing
//! personal, and begins anew with the board.

use std::sync::Arc;

use imbl::HashMap;
use tavolo_schema::{Movement, PlaceCategory, Pool, id::FacilityId};
use tavolo_store::{
    Behalf, Store, StoreError,
    history::{Known, Numbered},
};
use tokio::sync::Mutex;

/// The movements of every pool that was asked for, in the order of its ledger.
pub type Movements = HashMap<(FacilityId, PlaceCategory), Arc<Vec<Movement>>>;

/// What is known of the ledger.
#[derive(Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<(u64, Movements)>>);

impl Journal {
    /// The movements of these pools, at least as many as the board knows of. `epoch` counts how often the board has
    /// begun anew.
    pub(crate) async fn of<'p>(
        &self,
        epoch: u64,
        store: &Store,
        pools: impl Iterator<Item = &'p Pool>,
    ) -> Result<Movements, StoreError> {
        // Held while reading: of many who ask at once, one reads.
        let mut journal = store.in_patience(Arc::clone(&self.0).lock_owned()).await?;
        if journal.0 != epoch {
            *journal = (epoch, Movements::default());
        }
        let known = &journal.1;
        let lacking = pools.filter_map(|pool| {
            let read = known.get(&(pool.facility, pool.category)).map_or(0, |movements| movements.len());
            let revision = i64::try_from(read).unwrap_or(i64::MAX);
            (revision < pool.revision).then_some(Known { facility: pool.facility, category: pool.category, revision })
        });
        let lacking: Vec<Known> = lacking.collect();
        if lacking.is_empty() {
            return Ok(known.clone());
        }
        // It is read for everybody, so it is in nobody's queue, and whoever asked for it may go.
        let store = store.on_behalf_of(Behalf::Hub);
        let read = tokio::spawn(async move {
            let entries = store.movements(&lacking).await?;
            note(&mut journal.1, &entries);
            Ok(journal.1.clone())
        });
        read.await.unwrap_or_else(|failed| std::panic::resume_unwind(failed.into_panic()))
    }
}

/// Adds entries to what is known, each at its place.
fn note(known: &mut Movements, entries: &[Numbered]) {
    for of_pool in entries.chunk_by(|one, next| (one.facility, one.category) == (next.facility, next.category)) {
        let movements = Arc::make_mut(known.entry((of_pool[0].facility, of_pool[0].category)).or_default());
        for entry in of_pool {
            if i64::try_from(movements.len()) == Ok(entry.revision - 1) {
                movements.push(entry.movement);
            }
        }
    }
}
