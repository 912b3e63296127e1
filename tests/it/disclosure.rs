//! What statistics publish, attacked by somebody who knows how it is made, knows every total exactly, has every table at
//! once, and goes through all that would be published alike.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tavolo_schema::{
    Day, ExitReason, PlaceCategory,
    disclosure::{BASE, OTHERS, THRESHOLD, floored, shielded, spread, told},
    guest::Sex,
    id::OrganisationId,
    period::{FixedPeriod, HalfYear},
    statistics::{Figures, SEXES},
    statistics_table::{Count, Counted, Group, PublishedTable, told_of},
};

use crate::harness::TestClock;

/// Every row of so many counts with this sum.
fn rows(values: usize, total: i32) -> Vec<Vec<i32>> {
    match values {
        1 => vec![vec![total]],
        _ => (0..=total)
            .flat_map(|first| rows(values - 1, total - first).into_iter().map(move |rest| [vec![first], rest].concat()))
            .collect(),
    }
}

/// Everything that a row may be published as, by what is promised of it.
fn promised(row: &[i32]) -> BTreeSet<Vec<i32>> {
    let mut all: Vec<Vec<i32>> = vec![Vec::new()];
    for count in row {
        let near = (floored(*count) - BASE..=floored(*count) + BASE).step_by(BASE as usize);
        let near: Vec<i32> = near.filter(|multiple| *multiple >= 0 && (multiple - count).abs() <= BASE).collect();
        all = all.iter().flat_map(|row| near.iter().map(|next| [&row[..], &[*next]].concat())).collect();
    }
    let total = floored(row.iter().sum());
    all.into_iter().filter(|moved| moved.iter().sum::<i32>() == total).collect()
}

/// The first of the ways in which a row is moved, and how many there are.
fn first_way(row: &[i32]) -> (Vec<i32>, u128) {
    let mut ways = 0;
    let first = spread(row, |number| {
        ways = number;
        0
    });
    (first, ways)
}

/// By what is published, every count that may stand behind each cell.
fn behind(
    values: usize,
    total: i32,
    publish: impl Fn(&[i32]) -> BTreeSet<Vec<i32>>,
) -> BTreeMap<Vec<i32>, Vec<BTreeSet<i32>>> {
    let mut behind: BTreeMap<Vec<i32>, Vec<BTreeSet<i32>>> = BTreeMap::new();
    for row in rows(values, total) {
        for published in publish(&row) {
            let cells = behind.entry(published).or_insert_with(|| vec![BTreeSet::new(); values]);
            cells.iter_mut().zip(&row).for_each(|(cell, count)| cell.extend([*count]));
        }
    }
    behind
}

/// The first cell that tells too much: a small count that cannot be nobody, or anything up to four, or a count of which
/// fewer than six are possible.
fn exposed(behind: &BTreeMap<Vec<i32>, Vec<BTreeSet<i32>>>, total: i32) -> Option<String> {
    behind.iter().find_map(|(published, cells)| {
        let tells = |cell: &BTreeSet<i32>| match cell.range(1..THRESHOLD).next() {
            Some(_) => (0..THRESHOLD.min(total + 1)).any(|count| !cell.contains(&count)),
            None => total > 0 && cell.len() <= BASE as usize,
        };
        cells.iter().find(|cell| tells(cell)).map(|cell| format!("{published:?} of {total} tells {cell:?}"))
    })
}

#[test]
fn a_row_is_published_in_every_way_that_is_promised_and_in_no_other() {
    for (values, most) in [(3, 12), (4, 4)] {
        for row in (0..=most).flat_map(|total| rows(values, total)) {
            let ways = first_way(&row).1;
            let published: BTreeSet<Vec<i32>> = (0..ways).map(|way| spread(&row, |_| way)).collect();
            assert_eq!(published, promised(&row), "{row:?}");
        }
    }
}

#[test]
fn no_small_count_is_told_from_nobody() {
    // Sexes, lengths, and enough of what is longer.
    for (values, most) in [(3, 36), (4, 24), (5, 14)] {
        for total in 0..=most {
            assert_eq!(exposed(&behind(values, total, promised), total), None);
        }
    }
}

#[test]
fn the_attacker_finds_what_careless_tables_tell() {
    let nearest = |row: &[i32]| BTreeSet::from([row.iter().map(|count| (count + 2) / BASE * BASE).collect()]);
    let below = |row: &[i32]| BTreeSet::from([row.iter().copied().map(floored).collect()]);
    assert!(exposed(&behind(3, 3, nearest), 3).is_some());
    assert_eq!(exposed(&behind(3, 12, below), 12).unwrap(), "[0, 0, 0] of 12 tells {4}");
    // Nobody is told as five: then five tells that there is somebody.
    let never_up = |row: &[i32]| {
        let honest = |moved: &Vec<i32>| moved.iter().zip(row).all(|(moved, count)| *moved == 0 || *count > 0);
        promised(row).into_iter().filter(honest).collect::<BTreeSet<_>>()
    };
    assert!(exposed(&behind(3, 9, never_up), 9).is_some());
}

#[test]
fn a_long_row_of_many_is_moved_as_well() {
    let row: Vec<i32> = (0..16).map(|value| if value % 3 == 0 { 1_000 + value } else { 0 }).collect();
    let (first, ways) = first_way(&row);
    let last = spread(&row, |_| ways - 1);
    for moved in [&first, &last] {
        assert_eq!(moved.iter().sum::<i32>(), floored(row.iter().sum()));
        assert!(moved.iter().zip(&row).all(|(moved, count)| (moved - count).abs() <= BASE && moved % BASE == 0));
    }
    assert_ne!(first, last);
}

#[test]
fn a_row_is_told_where_nobody_knows_nearly_all_of_it() {
    assert!(shielded(30, []) && shielded(30, [20, 10]) && shielded(30, [30]));
    assert!(!shielded(30, [21, 9]) && !shielded(30, [29]));
    assert_eq!(OTHERS, 10);
    assert_eq!([0, 4, 5, 14].map(floored).map(told), [None, None, Some(5), Some(10)]);
}

/// Somebody who arrives on one day of a year and leaves on another, for a reason.
#[derive(Clone, Debug)]
struct Visit {
    facility: usize,
    sex: usize,
    arrives: i32,
    leaves: i32,
    reason: usize,
}

/// Three facilities of three bodies, in two municipalities and of two categories.
const FACILITIES: [(PlaceCategory, &str); 3] = [
    (PlaceCategory::Ordinary, "101010"),
    (PlaceCategory::MentalHealthOrDisability, "101010"),
    (PlaceCategory::Ordinary, "101012"),
];

fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let visit = (0..3_usize, 0..3_usize, -200..365_i32, 0..300_i32, 0..3_usize);
    let visit = visit.prop_map(|(facility, sex, arrives, stays, reason)| Visit {
        facility,
        sex,
        arrives,
        leaves: arrives + stays,
        reason,
    });
    prop::collection::vec(visit, 0..120)
}

fn first_day() -> Day {
    "2026-01-01".parse().unwrap()
}

fn counted(visits: &[Visit], half: HalfYear, bodies: &[OrganisationId; 3]) -> Count {
    let mut count = Count::new(half);
    for visit in visits {
        let (category, municipality) = FACILITIES[visit.facility];
        let day = |days: i32| first_day().plus_days(days);
        let known_to = &[bodies[visit.facility]];
        let exit = Some((day(visit.leaves), ExitReason::ALL[visit.reason]));
        count.stay(&Counted { category, municipality, known_to, entry: day(visit.arrives), exit });
        if count.describes(category, day(visit.arrives)) {
            count.arrival(SEXES[visit.sex], "NGA", 30);
        }
    }
    count
}

/// The counts of a row that is told, by what there is to tell.
fn total_of(cells: &[Option<i32>]) -> i32 {
    cells.iter().flatten().sum()
}

fn added(year: &[Option<i32>], halves: [&Vec<Option<i32>>; 2]) -> bool {
    let sum = |value: usize| told(halves.iter().map(|half| half[value].unwrap_or(0)).sum());
    (0..year.len()).all(|value| year[value] == sum(value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_tells_of_a_protected_category_but_its_own_totals(visits in visits(), seed in any::<u128>()) {
        let now = TestClock::new().now();
        let bodies = [(); 3].map(|()| OrganisationId::fresh(now));
        let protected = |visit: &Visit| FACILITIES[visit.facility].0.is_protected();
        let others: Vec<Visit> = visits.iter().filter(|visit| !protected(visit)).cloned().collect();
        for half in FixedPeriod::between(first_day(), first_day().plus_days(364)).unwrap().halves() {
            let table = |visits: &[Visit]| counted(visits, half, &bodies).published(now, |ways| seed % ways);
            let mut told = table(&visits);
            let own = told.groups.remove(&Group::Category(PlaceCategory::MentalHealthOrDisability));
            prop_assert_eq!(&told, &table(&others));
            prop_assert!(own.is_none_or(|own| own.hosted >= OTHERS));
        }
    }

    #[test]
    fn all_tables_together_tell_what_the_rows_of_two_half_years_tell(visits in visits(), seed in any::<u128>()) {
        let now = TestClock::new().now();
        let bodies = [(); 3].map(|()| OrganisationId::fresh(now));
        let year = FixedPeriod::between(first_day(), first_day().plus_days(364)).unwrap();
        let counts: Vec<Count> = year.halves().into_iter().map(|half| counted(&visits, half, &bodies)).collect();
        let tables: Vec<PublishedTable> = counts.iter().map(|count| count.published(now, |ways| seed % ways)).collect();
        let half = |table: &PublishedTable, group: &Group| -> Figures {
            let half = FixedPeriod::between(table.half.from(), table.half.to()).unwrap();
            told_of(half, std::slice::from_ref(table), Some(group))
        };
        let whole = [half(&tables[0], &Group::Whole), half(&tables[1], &Group::Whole)];
        let all = told_of(year, &tables, Some(&Group::Whole));
        // A year is what its halves are told as, and nothing else.
        let withheld = |rows: [&Vec<Option<i32>>; 2]| rows.iter().any(|row| total_of(row) == 0);
        for (year, halves) in [
            (&all.reasons, [&whole[0].reasons, &whole[1].reasons]),
            (&all.lengths, [&whole[0].lengths, &whole[1].lengths]),
            (&all.arrived_by.sexes, [&whole[0].arrived_by.sexes, &whole[1].arrived_by.sexes]),
        ] {
            prop_assert!(added(year, halves) || (withheld(halves) && total_of(year) == 0), "{year:?} {halves:?}");
        }
        // Of a part, no more than totals are told, and of nobody what those are like who are there.
        for group in tables.iter().flat_map(|table| table.groups.keys()) {
            let part = told_of(year, &tables, Some(group));
            prop_assert!(part.hosted_by.sexes.iter().all(Option::is_none));
            if *group != Group::Whole {
                let rows = [&part.reasons, &part.lengths, &part.arrived_by.sexes, &part.arrived_by.ages];
                prop_assert!(rows.iter().all(|row| total_of(row) == 0) && part.mean_days.is_none(), "{group:?}");
            }
        }
        for (table, told) in tables.iter().zip(&whole) {
            let totals = &table.groups.get(&Group::Whole).cloned().unwrap_or_default();
            let inside = |days: i32| table.half.from() <= first_day().plus_days(days) && first_day().plus_days(days) <= table.half.to();
            let ordinary = || visits.iter().filter(|visit| !FACILITIES[visit.facility].0.is_protected());
            let events = |of: fn(&Visit) -> i32| ordinary().filter(|visit| inside(of(visit))).collect::<Vec<_>>();
            let (arrivals, exits) = (events(|visit| visit.arrives), events(|visit| visit.leaves));
            let known = |events: &[&Visit]| [0, 1, 2].map(|body| events.iter().filter(|visit| visit.facility == body).count() as i32);
            prop_assert_eq!((totals.entries, totals.exits), (floored(arrivals.len() as i32), floored(exits.len() as i32)));
            // Each count is at most five off, each row adds up to the total, and a row is withheld from whoever knows
            // nearly all of it.
            let sexes = |sex: Sex| arrivals.iter().filter(|visit| SEXES[visit.sex] == sex).count() as i32;
            let reasons = |reason: usize| exits.iter().filter(|visit| visit.reason == reason).count() as i32;
            for (row, events, truth) in [
                (&told.arrived_by.sexes, &arrivals, SEXES.map(sexes)),
                (&told.reasons, &exits, [0, 1, 2].map(reasons)),
            ] {
                if !shielded(events.len() as i32, known(events)) {
                    prop_assert_eq!(total_of(row), 0);
                    continue;
                }
                prop_assert_eq!(total_of(row), floored(events.len() as i32));
                for (cell, truth) in row.iter().zip(truth) {
                    prop_assert!((cell.unwrap_or(0) - truth).abs() <= BASE, "{row:?}, {truth}");
                    prop_assert!(cell.is_none_or(|cell| cell >= BASE && cell % BASE == 0));
                }
            }
        }
    }
}
