//! The books compared and repaired: counters of pools, ledger and open stays.
//!
//! [`Transaction::compare_books`] keeps an act from writing on a pool whose books do not agree. [`Store::audit`] looks at
//! all pools and writes nothing; [`Store::repair`] makes the books of one agree.

use std::collections::BTreeMap;

use mongodb::bson::{Document as Filter, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Accreditation, AccreditationStatus, Act, ActInput, Actor, Code, DateTime, Grant, LedgerEntry, PlaceCategory, Pool,
    PoolKey, StayStatus,
    books::{AddedUp, Books, Correction, Disagreement},
    capacity::Counts,
    contract_name,
    id::{ActId, FacilityId},
    ledger::Entering,
};

use crate::{
    Order, Perform, Stopped, Store, StoreError,
    accreditation::AccreditationDoc,
    capacity::PoolDoc,
    document::{binary, stored},
    facility::FacilityDoc,
    ledger::LedgerDoc,
    stay::StayDoc,
    transaction::Transaction,
};

/// What keeps a pool from agreeing with its books, and what would make it agree.
#[derive(Clone, Debug)]
pub struct Discrepancy {
    /// The facility.
    pub facility: FacilityId,
    /// Its code; `None` when there is no such facility.
    pub code: Option<String>,
    /// The category.
    pub category: PlaceCategory,
    /// What does not agree.
    pub found: Vec<Disagreement>,
    /// The entries of correction that a repair would add to the ledger; none where the pool alone is wrong.
    pub correction: Vec<LedgerEntry>,
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
    /// Pools that do not agree.
    pub discrepancies: Vec<Discrepancy>,
}

/// What is written about one pool.
#[derive(Default)]
struct Written {
    pool: Option<Pool>,
    ledger: Vec<LedgerEntry>,
    open_stays: i32,
}

impl Written {
    fn disagreements(&self) -> Vec<Disagreement> {
        let added = AddedUp::of(&self.ledger);
        let of_pool = match &self.pool {
            Some(pool) => added.books(self.open_stays).disagreements(pool),
            None => vec![Disagreement::NoPool],
        };
        [added.disagreements(), &of_pool].concat()
    }

    /// What makes it agree. A pool that is gone is made again, with the grants of the facility's accreditations.
    fn correction(
        self,
        (facility, category): PoolKey,
        accreditations: &[Accreditation],
        entering: Entering<'_>,
    ) -> Option<Correction> {
        let pool = self.pool.unwrap_or_else(|| {
            let grants = accreditations.iter().filter_map(|accreditation| grant(accreditation, category)).collect();
            Pool { grants, ..Pool::empty(facility, category, entering.now) }
        });
        pool.correct(&self.ledger, self.open_stays, entering)
    }
}

/// The places of a category that an accreditation grants.
fn grant(accreditation: &Accreditation, category: PlaceCategory) -> Option<Grant> {
    let granted = accreditation.granted.iter().find(|granted| granted.category == category)?;
    let accredited = accreditation.status == AccreditationStatus::Accredited;
    let (valid_from, valid_until) = (accreditation.valid_from?, accreditation.valid_until?);
    let grant = Grant { accreditation: accreditation.id, places: granted.places, valid_from, valid_until };
    accredited.then_some(grant)
}

impl Store {
    /// Adds up the whole ledger and compares it with the pools and with the open stays, as of one instant: a hub may be
    /// at work meanwhile. Nothing is written.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn audit(&self, now: DateTime) -> Result<Audit, StoreError> {
        let mut session = self.snapshot_session().await?;
        let mut audit = Audit::default();
        let mut all: BTreeMap<PoolKey, Written> = BTreeMap::new();
        for entry in self.read_all::<LedgerDoc>(&mut session).await? {
            audit.entries += 1;
            all.entry((entry.facility, entry.category)).or_default().ledger.push(entry);
        }
        for stay in self.read_all::<StayDoc>(&mut session).await? {
            if stay.status == StayStatus::Open {
                audit.open_stays += 1;
                all.entry((stay.facility, stay.category)).or_default().open_stays += 1;
            }
        }
        for pool in self.read_all::<PoolDoc>(&mut session).await? {
            audit.pools += 1;
            let key = pool.key();
            all.entry(key).or_default().pool = Some(pool);
        }
        let facilities = self.read_all::<FacilityDoc>(&mut session).await?;
        let codes: BTreeMap<FacilityId, String> = facilities.into_iter().map(|found| (found.id, found.code)).collect();
        let accreditations = self.read_all::<AccreditationDoc>(&mut session).await?;
        for ((facility, category), mut written) in all {
            written.ledger.sort_unstable_by_key(|entry| entry.revision);
            let found = written.disagreements();
            if found.is_empty() {
                continue;
            }
            let own: Vec<Accreditation> =
                accreditations.iter().filter(|own| own.facility == facility).cloned().collect();
            let entering = Entering { act: ActId::fresh(now), actor: &Actor::system(), now };
            let correction = written.correction((facility, category), &own, entering);
            audit.discrepancies.push(Discrepancy {
                facility,
                code: codes.get(&facility).cloned(),
                category,
                found,
                correction: correction.map_or_else(Vec::new, |correction| correction.entries),
            });
        }
        Ok(audit)
    }

    /// Makes the books of a pool agree, see [`Pool::correct`], and hands back the entries of correction. What it finds is
    /// read afresh, so hubs may be at work.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn repair(
        &self,
        facility: FacilityId,
        category: PlaceCategory,
        now: DateTime,
    ) -> Result<Vec<LedgerEntry>, StoreError> {
        let repaired = self.act(&Order::of_system(now), &Repair { facility, category }).await?;
        match repaired.act {
            Some(act) => {
                let mut entries = self.ledger_of(facility, category).await?;
                entries.retain(|entry| entry.act == act);
                Ok(entries)
            }
            None => Ok(Vec::new()),
        }
    }
}

/// The end of a pool's ledger and its open stays, as the database tells them.
#[derive(Deserialize)]
struct Told {
    last: Vec<Last>,
    stays: Vec<Open>,
}

#[derive(Deserialize)]
struct Last {
    revision: i64,
    after: Counts,
}

#[derive(Deserialize)]
struct Open {
    open: i32,
}

impl Transaction {
    /// Finds [`Code::BooksDisagree`] when a pool, as it was read, does not agree with the end of its ledger and with the
    /// open stays. It is asked before the first change of the pool; whatever the act has changed since agrees.
    pub(crate) async fn compare_books(&mut self, pool: &Pool) -> Result<(), StoreError> {
        if !self.compared.insert(pool.key()) {
            return Ok(());
        }
        let told = self.aggregate_one::<Told>("facilities", books_of(pool.facility, pool.category)).await?;
        let books = told.map_or_else(Books::default, |told| {
            let last = told.last.first().map(|last| (last.revision, last.after)).unwrap_or_default();
            Books { revision: last.0, after: last.1, open_stays: told.stays.first().map_or(0, |stays| stays.open) }
        });
        let found = books.disagreements(pool);
        if !found.is_empty() {
            let found: Vec<String> = found.iter().map(ToString::to_string).collect();
            let (facility, category) = (pool.facility, contract_name(pool.category));
            tracing::error!(%facility, category, found = found.join("; "), "the books of a pool do not agree");
            self.found.add(Code::BooksDisagree, "input");
        }
        Ok(())
    }

    /// What makes the books of a pool agree; none when they do, and when there is no such facility.
    async fn correction(
        &mut self,
        facility: FacilityId,
        category: PlaceCategory,
    ) -> Result<Option<Correction>, StoreError> {
        if self.by_id::<FacilityDoc>(binary(facility)).await?.is_none() {
            return Ok(None);
        }
        let of_pool = doc! { "facility": binary(facility), "category": stored(category) };
        let mut open = of_pool.clone();
        open.insert("status", stored(StayStatus::Open));
        let written = Written {
            ledger: self.find::<LedgerDoc>(of_pool, doc! { "revision": 1 }).await?,
            open_stays: i32::try_from(self.find::<StayDoc>(open, doc! {}).await?.len()).unwrap_or(i32::MAX),
            pool: self.pool(facility, category).await?,
        };
        let own = self.find::<AccreditationDoc>(doc! { "facility": binary(facility) }, doc! {}).await?;
        let (act, actor) = (self.id, self.actor.clone());
        Ok(written.correction((facility, category), &own, Entering { act, actor: &actor, now: self.now }))
    }
}

/// Makes the books of a pool agree.
#[derive(Clone, Serialize)]
struct Repair {
    facility: FacilityId,
    category: PlaceCategory,
}

impl ActInput for Repair {
    const ACT: Act = Act::RepairBooks;
}

impl Perform for Repair {
    type Answer = FacilityId;

    async fn perform(self, act: &mut Transaction) -> Result<FacilityId, Stopped> {
        let correction = act.correction(self.facility, self.category).await?;
        let Correction { pool, entries } = correction.ok_or(Stopped::Unwritten)?;
        act.put_pool(&pool, doc! {}).await?;
        for entry in &entries {
            act.insert::<LedgerDoc>(entry).await?;
        }
        Ok(self.facility)
    }
}

/// What asks for the end of a pool's ledger and for its open stays in one command. It begins at the facility, which there
/// is also when the ledger is empty.
fn books_of(facility: FacilityId, category: PlaceCategory) -> Vec<Filter> {
    let of_pool = doc! { "facility": binary(facility), "category": stored(category) };
    let open = doc! { "facility": binary(facility), "status": stored(StayStatus::Open), "category": stored(category) };
    let last = vec![
        doc! { "$match": of_pool },
        doc! { "$sort": { "revision": -1 } },
        doc! { "$limit": 1 },
        doc! { "$project": { "revision": 1, "after": 1 } },
    ];
    vec![
        doc! { "$match": { "_id": binary(facility) } },
        doc! { "$project": { "_id": 1 } },
        doc! { "$lookup": { "from": "ledger", "pipeline": last, "as": "last" } },
        doc! { "$lookup": { "from": "stays", "pipeline": [{ "$match": open }, { "$count": "open" }], "as": "stays" } },
    ]
}
