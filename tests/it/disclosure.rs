//! What statistics leave out, attacked: by somebody who has every table of a period, knows every total exactly, and
//! goes through all populations that would have been published alike; and by somebody who knows a part of them by name.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use tavolo_schema::disclosure::{Family, THRESHOLD, averaged, beside, rounded, total};

/// A province of two municipalities and two categories, and an attribute of three values.
const MUNICIPALITIES: usize = 2;
const VALUES: usize = 3;

/// People by municipality, category and value.
type Population = [[[i32; VALUES]; 2]; MUNICIPALITIES];

/// The groups: the province, the categories, the municipalities.
fn family(population: &Population) -> Family {
    let mut family = Family::new(3 + MUNICIPALITIES, VALUES);
    for (municipality, categories) in population.iter().enumerate() {
        for (category, values) in categories.iter().enumerate() {
            for (value, people) in values.iter().enumerate() {
                (0..*people).for_each(|_| family.count(vec![0, 1 + category, 3 + municipality], value));
            }
        }
    }
    family
}

/// Whether a count may stand behind what was published.
fn fits(published: Option<i32>, count: i32) -> bool {
    match published {
        Some(0) => count == 0,
        Some(shown) => count >= THRESHOLD && rounded(count) == shown,
        None => true,
    }
}

/// Every row of counts with this sum that may stand behind a published row.
fn rows(published: &[Option<i32>], sum: i32) -> Vec<[i32; VALUES]> {
    let fits = |value: usize, count: i32| count >= 0 && fits(published[value], count);
    let firsts = (0..=sum).filter(|first| fits(0, *first));
    let pairs = firsts.flat_map(|first| (0..=sum - first).map(move |second| [first, second, sum - first - second]));
    pairs.filter(|row| fits(1, row[1]) && fits(2, row[2])).collect()
}

/// The province's row by everything that two groups which make it up may be.
fn sums(
    published: &[Vec<Option<i32>>],
    totals: &[i32],
    groups: [usize; 2],
) -> BTreeMap<[i32; VALUES], Vec<[[i32; VALUES]; 2]>> {
    let mut sums: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for one in rows(&published[groups[0]], totals[groups[0]]) {
        for two in rows(&published[groups[1]], totals[groups[1]]) {
            let sum = std::array::from_fn(|value| one[value] + two[value]);
            sums.entry(sum).or_default().push([one, two]);
        }
    }
    sums
}

/// For each group and value, every count that some population has which would have been published alike.
fn possible(published: &[Vec<Option<i32>>], totals: &[i32]) -> Vec<Vec<BTreeSet<i32>>> {
    let mut possible = vec![vec![BTreeSet::new(); VALUES]; published.len()];
    let (by_category, by_municipality) = (sums(published, totals, [1, 2]), sums(published, totals, [3, 4]));
    let whole: BTreeSet<_> = rows(&published[0], totals[0]).into_iter().collect();
    // Two divisions of the same whole can always be divided by each other, value by value.
    for (row, municipalities) in by_municipality.iter().filter(|(row, _)| whole.contains(*row)) {
        let Some(categories) = by_category.get(row) else { continue };
        let mut see = |group: usize, row: &[i32; VALUES]| {
            row.iter().zip(&mut possible[group]).for_each(|(count, seen)| seen.extend([*count]));
        };
        see(0, row);
        categories.iter().for_each(|rows| (1..).zip(rows).for_each(|(group, row)| see(group, row)));
        municipalities.iter().for_each(|rows| (3..).zip(rows).for_each(|(group, row)| see(group, row)));
    }
    possible
}

fn population() -> impl Strategy<Value = Population> {
    // Small numbers, so that much is to be left out, and few, so that there is little to hide behind.
    let people = prop_oneof![Just(0), 0..4_i32, 0..4_i32, 4..12_i32];
    prop::array::uniform2(prop::array::uniform2(prop::array::uniform3(people)))
}

/// Fails when a small cell is shown, or is the only count that may stand behind what was published.
fn withstands(family: &Family, published: &[Vec<Option<i32>>]) -> Result<(), TestCaseError> {
    let cells = family.cells();
    let totals: Vec<i32> = cells.iter().map(|row| row.iter().sum()).collect();
    let possible = possible(published, &totals);
    for (group, row) in cells.iter().enumerate() {
        prop_assert!(!(published[group].contains(&None) && published[group].contains(&Some(0))), "{published:?}");
        for (value, count) in row.iter().enumerate() {
            let possible = &possible[group][value];
            prop_assert!(possible.contains(count), "the attacker is wrong about {group} {value}: {published:?}");
            if (1..THRESHOLD).contains(count) {
                prop_assert_eq!(published[group][value], None);
                prop_assert!(possible.len() > 1, "{group} {value} is {possible:?}: {cells:?} as {published:?}");
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_small_cell_is_told_by_all_tables_together(population in population()) {
        let family = family(&population);
        withstands(&family, &family.published())?;
    }

    #[test]
    fn whoever_knows_a_part_exactly_learns_nothing_small_of_the_rest(known in population(), rest in population()) {
        let (known, rest) = (family(&known).cells(), family(&rest));
        let added = |(known, rest): (&Vec<i32>, Vec<Option<i32>>)| -> Vec<Option<i32>> {
            known.iter().zip(rest).map(|(known, rest)| beside(*known, rest)).collect()
        };
        let told: Vec<_> = known.iter().zip(rest.published()).map(added).collect();
        let subtracted = |(known, told): (&Vec<i32>, Vec<Option<i32>>)| -> Vec<Option<i32>> {
            known.iter().zip(told).map(|(known, told)| told.map(|told| told - known)).collect()
        };
        let learnt: Vec<_> = known.iter().zip(told).map(subtracted).collect();
        withstands(&rest, &learnt)?;
    }
}

#[test]
fn the_attacker_finds_the_rest_of_what_is_protected_as_a_whole() {
    // Four women and twenty men the attacker knows, and one woman more.
    let mut family = Family::new(1, VALUES);
    for (value, people) in [(0, 4 + 1), (1, 20)] {
        (0..people).for_each(|_| family.count(vec![0], value));
    }
    let rows = rows(&family.published()[0], 25);
    let rest = rows.into_iter().map(|row| [row[0] - 4, row[1] - 20, row[2]]);
    let possible: Vec<_> = rest.filter(|rest| rest.iter().all(|count| *count >= 0)).collect();
    assert_eq!(possible, [[1, 0, 0]]);
}

#[test]
fn the_attacker_finds_what_a_careless_table_tells() {
    // Six women and nobody else, one of them in the second municipality: her table alone is left out.
    let published = vec![
        vec![Some(0), Some(5), Some(0)],
        vec![Some(0), Some(5), Some(0)],
        vec![Some(0), Some(0), Some(0)],
        vec![Some(0), Some(5), Some(0)],
        vec![None, None, None],
    ];
    let told = &possible(&published, &[6, 6, 0, 5, 1])[4][1];
    assert_eq!(told.iter().copied().collect::<Vec<_>>(), [1], "whoever is there is a woman, as everybody is");
}

#[test]
fn what_is_left_out_takes_its_complement_with_it() {
    let mut family = Family::new(1, 3);
    for (value, people) in [(0, 20), (1, 9), (2, 2)] {
        (0..people).for_each(|_| family.count(vec![0], value));
    }
    assert_eq!(family.published(), [[Some(20), None, None]]);
}

#[test]
fn zeros_are_shown_where_nothing_is_left_out_and_left_out_with_the_rest() {
    let row = |people: [i32; 4]| {
        let mut family = Family::new(1, people.len());
        for (value, people) in people.into_iter().enumerate() {
            (0..people).for_each(|_| family.count(vec![0], value));
        }
        family.published().swap_remove(0)
    };
    assert_eq!(row([20, 9, 0, 0]), [Some(20), Some(10), Some(0), Some(0)]);
    assert_eq!(row([20, 9, 2, 0]), [Some(20), None, None, None]);
    // A month later, somebody has come: which of the three it is, is not told.
    assert_eq!(row([20, 9, 2, 1]), row([20, 9, 2, 0]));
}

#[test]
fn a_table_of_fewer_than_five_is_left_out_with_its_total() {
    let mut family = Family::new(1, 2);
    (0..4).for_each(|_| family.count(vec![0], 0));
    assert_eq!(family.published(), [[None, None]]);
    assert_eq!([0, 1, 4, 5, 13].map(total), [Some(0), None, None, Some(5), Some(15)]);
}

#[test]
fn a_mean_is_told_of_more_than_twenty_as_published() {
    assert_eq!([0, 19, 22, 23, 100].map(averaged), [false, false, false, true, true]);
}

#[test]
fn a_large_province_is_shown_although_its_villages_are_not() {
    let mut family = Family::new(7, 4);
    for person in 0..400 {
        let village = if person < 40 { person / 10 } else { 4 };
        family.count(vec![0, 2 + village.min(4)], person % 3);
    }
    let published = family.published();
    let shown = |group: usize| published[group].iter().flatten().sum::<i32>();
    assert_eq!(shown(0), 405, "three times 133, rounded: {published:?}");
    assert_eq!((shown(2), shown(6)), (0, 360), "{published:?}");
}
