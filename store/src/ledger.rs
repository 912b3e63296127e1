//! The ledger: append-only, and the truth about every number of places.

use std::collections::BTreeMap;

use mongodb::bson::{self, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{LedgerEntry, OccupancyCause, PlaceCategory, Role, StayStatus, capacity::Counts, id::FacilityId};
use uuid::Uuid;

use crate::{
    Store, StoreError,
    capacity::PoolDoc,
    document::{Document, Unreadable, binary, date_time, id, instant},
    stay::StayDoc,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LedgerDoc {
    #[serde(rename = "_id")]
    id: Binary,
    act: Binary,
    facility: Binary,
    category: PlaceCategory,
    revision: i64,
    cause: OccupancyCause,
    deltas: Counts,
    after: Counts,
    stay: Option<Binary>,
    accreditation: Option<Binary>,
    role: Option<Role>,
    organisation: Option<Binary>,
    occurred_at: bson::DateTime,
    registered_at: bson::DateTime,
}

impl Document for LedgerDoc {
    const COLLECTION: &'static str = "ledger";
    type Noun = LedgerEntry;

    fn store(noun: &LedgerEntry) -> Self {
        Self {
            id: binary(noun.id),
            act: binary(noun.act),
            facility: binary(noun.facility),
            category: noun.category,
            revision: noun.revision,
            cause: noun.cause,
            deltas: noun.deltas,
            after: noun.after,
            stay: noun.stay.map(binary),
            accreditation: noun.accreditation.map(binary),
            role: noun.role,
            organisation: noun.organisation.map(binary),
            occurred_at: instant(noun.occurred_at),
            registered_at: instant(noun.registered_at),
        }
    }

    fn read(self) -> Result<LedgerEntry, Unreadable> {
        Ok(LedgerEntry {
            id: id::<Uuid>(self.id),
            act: id(self.act),
            facility: id(self.facility),
            category: self.category,
            revision: self.revision,
            cause: self.cause,
            deltas: self.deltas,
            after: self.after,
            stay: self.stay.map(id),
            accreditation: self.accreditation.map(id),
            role: self.role,
            organisation: self.organisation.map(id),
            occurred_at: date_time("occurredAt", self.occurred_at)?,
            registered_at: date_time("registeredAt", self.registered_at)?,
        })
    }
}

/// One pool where ledger, cache and stays do not agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Discrepancy {
    /// The facility.
    pub facility: FacilityId,
    /// The category.
    pub category: PlaceCategory,
    /// What is wrong, for the person who has to put it right.
    pub problem: String,
}

/// What a check of the books found.
#[derive(Clone, Debug, Default)]
pub struct Audit {
    /// Pools looked at.
    pub pools: usize,
    /// Ledger entries added up.
    pub entries: usize,
    /// Open stays counted.
    pub open_stays: usize,
    /// What does not agree.
    pub discrepancies: Vec<Discrepancy>,
}

#[derive(Default)]
struct Books {
    sum: Counts,
    last: Counts,
    revision: i64,
    gap: bool,
    present: i32,
}

impl Store {
    /// Adds up the whole ledger and compares it with the pools and with the open stays.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn audit(&self) -> Result<Audit, StoreError> {
        let mut books: BTreeMap<(FacilityId, PlaceCategory), Books> = BTreeMap::new();
        let mut audit = Audit::default();
        // One instant for all three: a hub may be at work meanwhile.
        let mut session = self.snapshot_session().await?;
        let mut entries = self.read_all::<LedgerDoc>(&mut session).await?;
        entries.sort_unstable_by_key(|entry| (entry.facility, entry.category, entry.revision));
        for entry in entries {
            let book = books.entry((entry.facility, entry.category)).or_default();
            book.sum = book.sum.plus(entry.deltas);
            book.gap |= entry.revision != book.revision + 1 || entry.after != book.sum;
            (book.last, book.revision) = (entry.after, entry.revision);
            audit.entries += 1;
        }
        let stays = self.read_all::<StayDoc>(&mut session).await?;
        for stay in stays.into_iter().filter(|stay| stay.status == StayStatus::Open) {
            let book = books.entry((stay.facility, stay.category)).or_default();
            book.present += 1;
            audit.open_stays += 1;
        }
        for pool in self.read_all::<PoolDoc>(&mut session).await? {
            audit.pools += 1;
            let book = books.remove(&(pool.facility, pool.category)).unwrap_or_default();
            let counts = pool.counts_on(pool.settled_on);
            let dated = |counts: &Counts| (counts.accredited, counts.blocked, counts.reserved);
            let problems = [
                (book.gap, "the ledger has a gap or an entry that does not add up"),
                (book.revision != pool.revision, "the pool's revision is not the ledger's last"),
                (book.last != pool.ledgered, "the pool remembers other numbers than the ledger's last"),
                (book.last.installed != pool.installed, "installed places differ from the ledger"),
                (book.last.occupied != pool.occupied, "occupied places differ from the ledger"),
                (dated(&book.last) != dated(&counts), "grants, blocks or reservations differ from the ledger"),
                (book.present != pool.occupied, "occupied places differ from the open stays"),
            ];
            for (_, problem) in problems.into_iter().filter(|(wrong, _)| *wrong) {
                audit.discrepancies.push(Discrepancy {
                    facility: pool.facility,
                    category: pool.category,
                    problem: problem.into(),
                });
            }
        }
        for ((facility, category), _) in books {
            let problem = "ledger entries or stays without a pool".into();
            audit.discrepancies.push(Discrepancy { facility, category, problem });
        }
        Ok(audit)
    }

    /// The ledger of one pool, in order.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn ledger_of(
        &self,
        facility: FacilityId,
        category: PlaceCategory,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let filter = doc! { "facility": binary(facility), "category": tavolo_schema::contract_name(category) };
        self.find_all::<LedgerDoc>(filter, doc! { "revision": 1 }).await
    }
}
