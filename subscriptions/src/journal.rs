//! The journal: the movements of the ledger, kept in memory for whoever asks about the past.
//!
//! The ledger is append-only, so what has been read of it stays true. A pool on the board says how many entries its
//! ledger has; what the journal lacks of a pool is read when it is asked for, and nothing else; to its end even when
//! whoever asked has gone, since others would have to begin again. It takes some sixty bytes for an entry, holds nothing
//! personal, and begins anew with the board.
//!
//! A read takes time, which would tell that somebody has moved since the last question. Whoever is told only of days
//! that are over makes the hub ask for a pool on the first question of an hour, moved or not, and not again. In the first
//! minutes of a day each question does, since what was registered before midnight may not be on the board yet.

use std::{collections::HashSet, sync::Arc};

use imbl::HashMap;
use tavolo_schema::{DateTime, Movement, Pool, PoolKey};
use tavolo_store::{
    Behalf, Store, StoreError,
    history::{Known, Numbered},
};
use tokio::sync::Mutex;

/// What is registered on a day is on every board so long after its end, in milliseconds.
const DAY_IS_KNOWN_AFTER: i64 = 120_000;

/// The movements of every pool that was asked for, in the order of its ledger.
pub type Movements = HashMap<PoolKey, Arc<Vec<Movement>>>;

/// How much of the ledger is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// As much as the board knows of.
    Now,
    /// All of the days that are over, which is asked for at this instant.
    PastDays(DateTime),
}

#[derive(Debug, Default)]
struct Kept {
    /// How often the board had begun anew.
    epoch: u64,
    movements: Movements,
    /// An hour, and the pools that were asked for in it by whoever is told only of days that are over.
    asked: (i64, HashSet<PoolKey>),
}

impl Kept {
    /// What has to be read before a question can be answered.
    fn lacking<'p>(&self, pools: impl Iterator<Item = &'p Pool>) -> Vec<Known> {
        let known = pools.map(|pool| (pool.revision, self.known(pool)));
        known.filter(|(revision, known)| known.revision < *revision).map(|(_, known)| known).collect()
    }

    fn known(&self, pool: &Pool) -> Known {
        let read = self.movements.get(&pool.key()).map_or(0, |movements| movements.len());
        let revision = i64::try_from(read).unwrap_or(i64::MAX);
        Known { facility: pool.facility, category: pool.category, revision }
    }

    /// The pools that were not asked for in this hour.
    fn not_asked<'p>(&self, pools: impl Iterator<Item = &'p Pool>, hour: i64) -> Vec<&'p Pool> {
        pools.filter(|pool| self.asked.0 != hour || !self.asked.1.contains(&pool.key())).collect()
    }

    fn note_asked(&mut self, pools: Vec<PoolKey>, hour: i64) {
        if self.asked.0 != hour {
            self.asked = (hour, HashSet::new());
        }
        self.asked.1.extend(pools);
    }
}

/// What is known of the ledger.
#[derive(Debug, Default)]
pub(crate) struct Journal(Arc<Mutex<Kept>>);

impl Journal {
    /// The movements of these pools, at least as many as are asked for. `epoch` counts how often the board has begun
    /// anew.
    pub(crate) async fn of<'p>(
        &self,
        epoch: u64,
        store: &Store,
        pools: impl Iterator<Item = &'p Pool>,
        until: Until,
    ) -> Result<Movements, StoreError> {
        // Held while reading: of many who ask at once, one reads.
        let mut kept = store.in_patience(Arc::clone(&self.0).lock_owned()).await?;
        if kept.epoch != epoch {
            *kept = Kept { epoch, ..Kept::default() };
        }
        let (lacking, asked) = match until {
            Until::Now => (kept.lacking(pools), None),
            Until::PastDays(now) => {
                let hour = now.timestamp().as_second().div_euclid(3_600);
                let known = now.millis() - now.day().begins().millis() >= DAY_IS_KNOWN_AFTER;
                let pools = kept.not_asked(pools, hour);
                let mut lacking = kept.lacking(pools.iter().copied());
                if lacking.is_empty() {
                    // The command is sent also when no pool has moved: it asks for one that is known, and finds nothing.
                    lacking.extend(pools.first().map(|pool| kept.known(pool)));
                }
                (lacking, known.then(|| (pools.into_iter().map(Pool::key).collect(), hour)))
            }
        };
        if lacking.is_empty() {
            return Ok(kept.movements.clone());
        }
        // It is read for everybody, so it is in nobody's queue, and whoever asked for it may go.
        let store = store.on_behalf_of(Behalf::Hub);
        let read = tokio::spawn(async move {
            let entries = store.movements(&lacking).await?;
            note(&mut kept.movements, &entries);
            if let Some((pools, hour)) = asked {
                kept.note_asked(pools, hour);
            }
            Ok(kept.movements.clone())
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
