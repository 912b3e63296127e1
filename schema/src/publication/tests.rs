//! What is told of cells, how exactly, and when it is told anew.

use proptest::prelude::*;

use super::*;
use crate::{
    CapacityNumbers,
    capacity::{Block, BlockReason, Counts, Grant},
    id::{AccreditationId, BlockId, FacilityId},
};

const TODAY: &str = "2026-11-23";

fn today() -> Day {
    TODAY.parse().unwrap()
}

/// A pool all of whose places can be given out.
fn pool(category: PlaceCategory, installed: i32, occupied: i32, opening: i32) -> Pool {
    let now = today().begins().plus_millis(1);
    let accreditation = AccreditationId::fresh(now);
    let grant = Grant { accreditation, places: installed, valid_from: today(), valid_until: today() };
    let counts = |occupied| Counts { accredited: installed, installed, occupied, ..Counts::default() };
    Pool {
        installed,
        occupied,
        grants: vec![grant],
        ledgered: counts(occupied),
        opening: counts(opening),
        ..Pool::empty(FacilityId::fresh(now), category, now)
    }
}

fn told(facilities: &Facilities, municipality: Option<&str>, category: Option<PlaceCategory>) -> Publication {
    let cell = Cell::told_of(municipality.map(Into::into), category);
    let all = facilities.publications(|_| None, Thresholds::default(), today().begins());
    all.into_iter().find(|own| own.cell == cell).unwrap_or(Publication {
        cell,
        number: 0,
        at: today().begins(),
        people: None,
        precision: Precision::Withheld,
    })
}

fn occupied(publication: &Publication) -> Option<i32> {
    publication.people.map(|people| people.occupied)
}

#[test]
fn large_cells_are_rounded_small_ones_banded_and_protected_ones_of_a_municipality_withheld() {
    use PlaceCategory::{MentalHealthOrDisability, Ordinary, UnaccompaniedMinor};
    let mut facilities = Facilities::default();
    for occupied in [6, 7, 8] {
        facilities.count("large", [pool(Ordinary, 10, occupied, 0)].iter(), today());
    }
    facilities.count("village", [pool(Ordinary, 30, 17, 12)].iter(), today());
    let mixed = [pool(Ordinary, 30, 17, 12), pool(UnaccompaniedMinor, 30, 9, 9)];
    (0..3).for_each(|_| facilities.count("mixed", mixed.iter(), today()));
    facilities.count("only", [pool(MentalHealthOrDisability, 30, 9, 9)].iter(), today());

    let is = |municipality: Option<&str>, category: Option<PlaceCategory>| {
        let told = told(&facilities, municipality, category);
        (occupied(&told), told.precision)
    };
    for category in [None, Some(Ordinary)] {
        assert_eq!(is(Some("large"), category), (Some(20), Precision::Rounded));
        assert_eq!(is(Some("village"), category), (Some(10), Precision::Banded), "of the day before");
        assert_eq!(is(Some("mixed"), category), (Some(50), Precision::Rounded), "51, and nobody of the others");
        assert_eq!(is(None, category), (Some(90), Precision::Rounded), "21 + 17 + 51");
    }
    for (municipality, category) in [("mixed", UnaccompaniedMinor), ("only", MentalHealthOrDisability)] {
        assert_eq!(is(Some(municipality), Some(category)), (None, Precision::Withheld), "{municipality}");
    }
    assert_eq!(is(None, Some(UnaccompaniedMinor)), (Some(30), Precision::Banded), "27");
    assert_eq!(is(None, Some(MentalHealthOrDisability)), (Some(10), Precision::Banded), "9");
}

#[test]
fn a_cell_is_large_by_the_places_that_can_be_given_out_and_not_by_one_facility() {
    use PlaceCategory::Ordinary;
    let precision_beside = |others: [Pool; 2]| {
        let mut facilities = Facilities::default();
        for pool in [pool(Ordinary, 20, 7, 7)].into_iter().chain(others) {
            facilities.count("village", [pool].iter(), today());
        }
        told(&facilities, Some("village"), None).precision
    };
    let ten = || pool(Ordinary, 10, 0, 0);
    let not_accredited = Pool { grants: Vec::new(), ..ten() };
    let blocked = Pool {
        blocks: vec![Block {
            id: BlockId::fresh(today().begins()),
            places: 10,
            reason: BlockReason::Works,
            note: None,
            from: today(),
            until: None,
        }],
        ..ten()
    };
    assert_eq!(precision_beside([ten(), ten()]), Precision::Rounded);
    assert_eq!(precision_beside([ten(), not_accredited.clone()]), Precision::Banded);
    assert_eq!(precision_beside([not_accredited.clone(), not_accredited]), Precision::Banded);
    assert_eq!(precision_beside([ten(), blocked]), Precision::Banded);
    assert_eq!(precision_beside([pool(Ordinary, 1, 0, 0), pool(Ordinary, 3, 0, 0)]), Precision::Banded);
    assert_eq!(precision_beside([pool(Ordinary, 2, 0, 0), pool(Ordinary, 3, 0, 0)]), Precision::Rounded);
}

#[test]
fn what_is_told_later_is_later_whatever_the_clocks_say() {
    let mut facilities = Facilities::default();
    facilities.count("x", [pool(PlaceCategory::Ordinary, 10, 30, 30)].iter(), today());
    let last = |cell: &Cell| Publication {
        cell: cell.clone(),
        number: 7,
        at: today().begins().plus_millis(5_000),
        people: Some(Headcount::default()),
        precision: Precision::Banded,
    };
    let lasts: Vec<Publication> = [None, Some("x".to_owned())].map(|own| last(&Cell::told_of(own, None))).into();
    let known = |cell: &Cell| lasts.iter().find(|last| last.cell == *cell);
    let next = facilities.publications(known, Thresholds::default(), today().begins().plus_millis(-1));
    assert_eq!(next.len(), 2);
    assert!(next.iter().all(|next| (next.number, next.at) == (8, lasts[0].at)), "{next:?}");
}

#[test]
fn a_territory_may_be_stricter_and_never_looser() {
    let loose = Thresholds { facilities: 1, places: 0, live: true };
    assert_eq!(loose.checked(), Thresholds::LEAST);
    let strict = Thresholds { facilities: 5, places: 50, live: false };
    assert_eq!(strict.checked(), strict);
}

#[test]
fn what_is_told_again_is_not_published_again() {
    let mut facilities = Facilities::default();
    facilities.count("x", [pool(PlaceCategory::Ordinary, 10, 3, 3)].iter(), today());
    let first = facilities.publications(|_| None, Thresholds::default(), today().begins());
    let again = facilities.publications(
        |cell| first.iter().find(|own| own.cell == *cell),
        Thresholds::default(),
        today().begins(),
    );
    assert_eq!((first.len(), again.len()), (2, 0));
}

proptest! {
    #[test]
    fn after_a_change_that_shows_one_of_two_does_not(start in 0..200_i32, step in prop::sample::select(vec![5, 10]), moves in prop::collection::vec(-1..=1_i32, 1..200)) {
        let mut exact = start;
        let mut shown = coarse(exact, None, step);
        let mut changed_at = None;
        for by in moves {
            exact = (exact + by).max(0);
            let next = coarse(exact, Some(shown), step);
            prop_assert!(next % step == 0 && (next - exact).abs() <= step / 2 + 1);
            if next != shown {
                prop_assert!(changed_at.is_none_or(|at: i32| (exact - at).abs() > 2), "{exact} after {changed_at:?}");
                changed_at = Some(exact);
                shown = next;
            }
        }
    }

    #[test]
    fn numbers_as_they_are_add_up_as_the_formula_does(counts in prop::collection::vec((0..60_i32, 0..60_i32, 0..20_i32, 0..60_i32), 0..8)) {
        let numbers = || counts.iter().map(|(accredited, installed, blocked, occupied)| CapacityNumbers::from(Counts {
            accredited: *accredited, installed: *installed, blocked: *blocked, occupied: *occupied, reserved: 0,
        }));
        let whole: DisclosedNumbers = numbers().sum::<CapacityNumbers>().into();
        prop_assert_eq!(whole, numbers().map(DisclosedNumbers::from).sum());
    }
}
