//! Whatever was damaged: after a correction the books agree, and nothing that was right is changed.

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Actor, PlaceCategory,
    id::{ActId, FacilityId},
};

fn at(seconds: i64) -> DateTime {
    DateTime::from_millis(1_764_000_000_000 + seconds * 1_000).unwrap()
}

/// A pool with the ledger of these changes: places that were installed, or guests that came and went.
fn kept(changes: &[(bool, i32)]) -> (Pool, Vec<LedgerEntry>) {
    let facility = FacilityId::fresh(at(0));
    let mut pool = Pool::empty(facility, PlaceCategory::Ordinary, at(0));
    let mut ledger = Vec::new();
    for (number, (places, by)) in changes.iter().enumerate() {
        let now = at(1 + number as i64);
        if *places {
            pool.installed += by
        } else {
            pool.occupied += by
        }
        let entering = Entering { act: ActId::fresh(now), actor: &Actor::system(), now };
        ledger.extend(pool.enter(Change::new(OccupancyCause::Admission, now), entering));
    }
    (pool, ledger)
}

fn corrected(pool: &Pool, ledger: &[LedgerEntry], open_stays: i32) -> Option<(Pool, Vec<LedgerEntry>)> {
    let now = at(1_000);
    let entering = Entering { act: ActId::fresh(now), actor: &Actor::system(), now };
    let Correction { pool, entries } = pool.clone().correct(ledger, open_stays, entering)?;
    let mut whole = [ledger, &entries].concat();
    whole.sort_unstable_by_key(|entry| entry.revision);
    Some((pool, whole))
}

fn disagreements(pool: &Pool, ledger: &[LedgerEntry], open_stays: i32) -> Vec<Disagreement> {
    let added = AddedUp::of(ledger);
    [added.disagreements().to_vec(), added.books(open_stays).disagreements(pool)].concat()
}

fn told(pool: &Pool, ledger: &[LedgerEntry], open_stays: i32) -> Vec<String> {
    disagreements(pool, ledger, open_stays).iter().map(ToString::to_string).collect()
}

#[test]
fn a_counter_changed_by_hand_is_told_and_put_right_without_an_entry() {
    let (mut pool, ledger) = kept(&[(true, 8), (false, 1), (false, 1)]);
    assert_eq!(told(&pool, &ledger, 2), Vec::<String>::new());
    assert_eq!(corrected(&pool, &ledger, 2), None);
    pool.occupied = 5;
    let found = told(&pool, &ledger, 2);
    assert_eq!(found, ["occupied: 5 in the pool, 2 in the ledger", "occupied: 5 in the pool, 2 open stays"]);
    let (pool, whole) = corrected(&pool, &ledger, 2).unwrap();
    assert_eq!((pool.occupied, whole.len()), (2, 3));
}

#[test]
fn a_ledger_that_took_over_a_damaged_counter_gets_an_entry_of_correction() {
    let (mut pool, mut ledger) = kept(&[(true, 8), (false, 1), (false, 1)]);
    // What happened before acts were refused: the counter was 5, one guest came, and then it was set right by hand.
    pool.occupied = 5 + 1;
    let now = at(9);
    let entering = Entering { act: ActId::fresh(now), actor: &Actor::system(), now };
    ledger.extend(pool.enter(Change::new(OccupancyCause::Admission, now), entering));
    pool.occupied = 3;
    assert_eq!(told(&pool, &ledger, 3), ["occupied: 3 in the pool, 6 in the ledger"]);
    let (pool, whole) = corrected(&pool, &ledger, 3).unwrap();
    let last = whole.last().unwrap();
    assert_eq!((last.cause, last.deltas.occupied, last.after.occupied), (OccupancyCause::Correction, -3, 3));
    assert_eq!(pool.ledgered, last.after);
    assert_eq!(told(&pool, &whole, 3), Vec::<String>::new());
}

/// Damage to a pool or to its ledger.
#[derive(Clone, Copy, Debug)]
enum Damage {
    Occupied(i32),
    Installed(i32),
    Remembered(i32),
    Revision(i64),
    Lost(usize),
    Change(usize, i32),
    Result(usize, i32),
}

fn damage() -> impl Strategy<Value = Damage> {
    prop_oneof![
        (-3..9).prop_map(Damage::Occupied),
        (0..9).prop_map(Damage::Installed),
        (0..9).prop_map(Damage::Remembered),
        (0_i64..5_000).prop_map(Damage::Revision),
        (0_usize..20).prop_map(Damage::Lost),
        ((0_usize..20), -3..4).prop_map(|(entry, by)| Damage::Change(entry, by)),
        ((0_usize..20), -3..4).prop_map(|(entry, by)| Damage::Result(entry, by)),
    ]
}

proptest! {
    #[test]
    fn whatever_was_damaged_agrees_after_a_correction(
        changes in vec((any::<bool>(), 1..4_i32), 0..12),
        damages in vec(damage(), 0..4),
        open_stays in 0..6_i32,
    ) {
        let (mut pool, mut ledger) = kept(&changes);
        for damage in damages {
            let entries = ledger.len();
            match damage {
                Damage::Occupied(occupied) => pool.occupied = occupied,
                Damage::Installed(installed) => pool.installed = installed,
                Damage::Remembered(occupied) => pool.ledgered.occupied = occupied,
                Damage::Revision(revision) => pool.revision = revision,
                Damage::Lost(entry) if entry < entries => drop(ledger.remove(entry)),
                Damage::Change(entry, by) if entry < entries => ledger[entry].deltas.occupied += by,
                Damage::Result(entry, by) if entry < entries => ledger[entry].after.installed += by,
                _ => {}
            }
        }
        let agreed = disagreements(&pool, &ledger, open_stays).is_empty();
        match corrected(&pool, &ledger, open_stays) {
            None => prop_assert!(agreed, "{:?}", told(&pool, &ledger, open_stays)),
            Some((pool, whole)) => {
                prop_assert!(!agreed);
                prop_assert_eq!(told(&pool, &whole, open_stays), Vec::<String>::new());
                prop_assert_eq!(pool.occupied, open_stays);
                let sum = whole.iter().fold(Counts::default(), |sum, entry| sum.plus(entry.deltas));
                prop_assert_eq!(sum, pool.counts_on(pool.settled_on), "history adds up to the pool");
                prop_assert!(ledger.iter().all(|entry| whole.contains(entry)), "nothing is taken away");
                prop_assert!(corrected(&pool, &whole, open_stays).is_none(), "once is enough");
            }
        }
    }
}
