//! The publisher: the task that sees to it that the public is told what there is to tell of totals.
//!
//! Every hub has one, and none needs to know of the others: what is next for a cell follows from what was published
//! last and from the board, and the number of a publication is given once. A hub whose board stands still comes with a
//! number that is taken.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tavolo_schema::{
    Clock, DateTime, Day, Headcount, HistoryStep, Pool, Publication, TimeBasis,
    history::{Totals, replay},
    publication::{Cell, Facilities, Thresholds},
};
use tavolo_store::{Store, StoreError};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{Board, LiveBoard, journal::Until};

/// Changes that follow each other within this time are looked at together.
const PAUSE: Duration = Duration::from_millis(200);

/// How often it is looked whether a day has begun.
const DAY_LOOKED_FOR: Duration = Duration::from_secs(10);

/// Publishes what the board shows.
#[derive(Debug)]
pub struct Publisher {
    store: Store,
    live_board: Arc<LiveBoard>,
    clock: Clock,
    thresholds: Thresholds,
}

impl Publisher {
    /// A publisher for a table, with the thresholds of its territory.
    #[must_use]
    pub fn new(store: Store, live_board: Arc<LiveBoard>, clock: Clock, thresholds: Thresholds) -> Self {
        Self { store, live_board, clock, thresholds: thresholds.checked() }
    }

    /// Publishes until cancelled. Faults of the database are logged; what could not be published then is later.
    pub async fn run(self, stop: CancellationToken) {
        let publishing = async {
            let mut changed = self.live_board.changes();
            loop {
                changed.borrow_and_update();
                if let Err(error) = self.publish().await {
                    tracing::warn!(%error, "totals could not be published");
                }
                tokio::select! {
                    _ = changed.changed() => {}
                    () = sleep(DAY_LOOKED_FOR) => {}
                }
                sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = stop.cancelled() => {}
            () = publishing => {}
        }
    }

    async fn publish(&self) -> Result<(), StoreError> {
        let (board, now) = (self.live_board.board(), self.clock.now());
        // The clocks of hubs differ: a day that has begun for one has begun for all.
        let now = board.publication(&Cell::PROVINCE).map_or(now, |last| last.at.max(now));
        let facilities = facilities(&board, now.day());
        let due = |last: &BTreeMap<Cell, Publication>| {
            let known = |cell: &Cell| board.publication(cell).map(|known| &**known).or_else(|| last.get(cell));
            facilities.publications(known, self.thresholds, now)
        };
        let new = due(&BTreeMap::new());
        if new.iter().all(|publication| publication.number > 1) {
            return self.store.publish(&new).await;
        }
        let mut publications = self.past(&board, &facilities, &new, now.day()).await?;
        let last = publications.iter().map(|publication| (publication.cell.clone(), publication.clone())).collect();
        publications.extend(due(&last));
        self.store.publish(&publications).await
    }

    /// What would have been published of cells before anybody did.
    async fn past(
        &self,
        board: &Board,
        facilities: &Facilities,
        new: &[Publication],
        today: Day,
    ) -> Result<Vec<Publication>, StoreError> {
        let mut pools: Vec<(&str, &Pool)> = Vec::new();
        for state in board.facilities(None) {
            pools.extend(state.pools.iter().map(|pool| (state.facility.municipality.as_str(), &**pool)));
        }
        let of_board: Vec<&Pool> = pools.iter().map(|(_, pool)| *pool).collect();
        let movements = self.live_board.movements(&self.store, of_board.into_iter(), Until::Now).await?;
        let first = movements.values().filter_map(|own| own.iter().map(|movement| movement.registered_at).min()).min();
        let days = ends_of_days(first, today);
        let first = new.iter().filter(|publication| publication.number == 1).map(|publication| &publication.cell);
        let mut totals: BTreeMap<&Cell, Totals> = first.map(|cell| (cell, Totals::new(days.len()))).collect();
        for (municipality, pool) in pools {
            let of_pool = movements.get(&pool.key());
            let steps = replay(of_pool.map_or(&[], |own| own.as_slice()), &days, TimeBasis::Registered);
            for (cell, totals) in &mut totals {
                if cell.contains(municipality, pool.category) {
                    totals.add(&steps, false);
                }
            }
        }
        let people = |cell: &Cell| Some(totals.get(cell)?.numbers().map(Headcount::of).collect());
        Ok(facilities.publications_of_past(&days, people, self.thresholds))
    }
}

/// What there is to publish on a day.
fn facilities(board: &Board, today: Day) -> Facilities {
    let mut facilities = Facilities::default();
    for state in board.facilities(None) {
        facilities.count(&state.facility.municipality, state.pools.iter().map(|pool| -> &Pool { pool }), today);
    }
    facilities
}

/// The last millisecond of each day from an instant's on that is over.
fn ends_of_days(from: Option<DateTime>, today: Day) -> Vec<DateTime> {
    let end_of_day = |at: DateTime| HistoryStep::Day.end_of(at);
    let next = |end: &DateTime| Some(end_of_day(end.plus_millis(1)));
    std::iter::successors(from.map(end_of_day), next).take_while(|end| end.day() < today).collect()
}
