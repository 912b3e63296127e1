//! The ledger by day: what a day has changed in a pool, all entries together.
//!
//! It is what is told of the ledger to whoever is not told of single presences: neither causes nor instants, no day
//! that has changed nothing in all, and of protected categories nothing about people.

use std::pin::Pin;

use futures_util::{Stream, StreamExt, stream};
use tavolo_schema::{Day, LedgerEntry, PlaceCategory, capacity::Counts, id::FacilityId};
use tavolo_store::StoreError;

/// What a day has changed in a pool.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DayOfPool {
    /// The day on which the entries were registered.
    pub(super) day: Day,
    pub(super) facility: FacilityId,
    pub(super) category: PlaceCategory,
    pub(super) deltas: Counts,
    pub(super) after: Counts,
}

impl DayOfPool {
    fn of(entry: &LedgerEntry) -> Self {
        Self {
            day: entry.registered_at.day(),
            facility: entry.facility,
            category: entry.category,
            deltas: entry.deltas,
            after: entry.after,
        }
    }

    /// Adds a later entry of the same pool and day.
    fn add(&mut self, entry: &LedgerEntry) {
        self.deltas = self.deltas.plus(entry.deltas);
        self.after = entry.after;
    }

    fn has(&self, entry: &LedgerEntry) -> bool {
        (self.day, self.facility, self.category) == (entry.registered_at.day(), entry.facility, entry.category)
    }

    /// Whether something has changed that is told.
    fn tells(&self) -> bool {
        let people = if self.category.is_protected() { (0, 0) } else { (self.deltas.occupied, self.deltas.reserved) };
        let places = Counts { occupied: people.0, reserved: people.1, ..self.deltas };
        places != Counts::default()
    }
}

/// The days of entries that come pool by pool, in order.
pub(super) fn days(
    entries: impl Stream<Item = Result<LedgerEntry, StoreError>> + Send + 'static,
) -> impl Stream<Item = Result<DayOfPool, StoreError>> + Send {
    let days = stream::unfold(entries.boxed().peekable(), |mut entries| async move {
        let mut day = match entries.next().await? {
            Ok(entry) => DayOfPool::of(&entry),
            Err(error) => return Some((Err(error), entries)),
        };
        while let Some(Ok(entry)) =
            Pin::new(&mut entries).next_if(|next| matches!(next, Ok(entry) if day.has(entry))).await
        {
            day.add(&entry);
        }
        Some((Ok(day), entries))
    });
    days.filter(|day| std::future::ready(day.as_ref().map_or(true, DayOfPool::tells)))
}
