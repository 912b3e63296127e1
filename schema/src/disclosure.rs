//! Disclosure control: how counts of people are published to those who may not see persons.
//!
//! The attacker has every table that was ever published, knows how many people arrive in and leave the ordinary places of
//! each facility on each day (who sees figures sees their occupancy of every day's end), and knows this file. Of protected
//! places the attacker knows how many there are, and what is published of the people in those of the whole province: by
//! the day, as multiples of ten. What is not to be found out is what the people are like and why they left: whether a
//! count is from 1 to 4, or nobody; and of protected places, how many people are in those of one municipality.
//!
//! 1. *A table is made once and kept.* There is one for each half of a calendar year. Late entries and corrections do not
//!    change it, so two states of it cannot be compared. A year is its two halves, added; it has no number of its own.
//! 2. *Protected places are counted apart.* The whole and each municipality are counted without them, so that nothing is
//!    left of a total when the ordinary places, which the attacker knows, are subtracted from it. They are told of the
//!    province alone, in totals of each category, when it has had at least [`OTHERS`] people; no row describes those.
//! 3. *No two numbers count the same.* What people are like and why they left is told of the whole province alone: no
//!    municipality can be subtracted from it, and the category of ordinary places is the same as the whole. What is counted are events, arrivals and departures, of
//!    which each lies in one half-year. Who is present is not described: it would be counted again in the next half-year,
//!    and from two such tables could be told who came and who went.
//! 4. *Each count is moved by at most five to a multiple of five, at random* ([`spread`]), and a row adds up to its total,
//!    rounded down ([`floored`]). What is moved to zero is left out.
//!
//! # Why nothing small is told
//!
//! Take a row of at least three counts, of which the attacker knows the exact total `T` and the told multiples `q`. They
//! add up to `T` rounded down, so `E = T - Σq` is from 0 to 4. Behind a told `q` of 0 may be 0 to 5, of 5 may be 0 to 10,
//! of 10 or more `q - 5` to `q + 5`; every row within these bounds that adds up to `T` is published like this sometimes.
//!
//! - *A count from 1 to 4 may as well be nobody.* It is told as 0 or 5. Were it nobody, the others would have to take up
//!   `E + q`, at most 9, and two others can take up 10.
//! - *It may be anything from 0 to 4, too,* as far as the total allows: the more there are here, the fewer the others
//!   have to take up, and a told multiple beside it may be five fewer. If there is none, `T` itself is below five.
//! - *Of a told multiple of ten or more, at least six counts are possible,* from `q - 5` to `q`, for the same reason.
//!
//! Rows of one total, such as sex and age, cannot be played off against each other: whatever two of them are, there are
//! people of whom both are true. Half-years have no event in common, so the same holds of all tables together, and of
//! whatever is added up from them. Mean and median are worked out from what is told of the lengths, and so tell nothing
//! that this does not.
//!
//! Totals (people hosted, person-days, arrivals, departures) are rounded down and left out below five, of municipalities
//! as well. Who may ask for them sees the occupancy of each day in ordinary places; nothing above rests on hiding them. Of
//! a protected category all are left out when fewer than ten people were hosted: person-days are hundreds where one house
//! has had three guests. As the province less its municipalities is nobody, they follow from no other total either.
//!
//! # Who knows a part by name
//!
//! An operator knows its own guests, and a municipality those of the projects it holds. They can subtract them from what
//! is told of everybody. A row is therefore withheld when the others of any such body are fewer than [`OTHERS`], unless
//! there are none ([`shielded`]); that follows from totals alone. Of the others, at least ten, each count is then known to
//! lie within eleven possibilities in a row, and it may be known not to be zero: the guests of the body itself can use up
//! what would shield a single one of the others. That is as much as anybody learns who knows most of a count by other means.
//! Mean and median have nothing else to subtract from.
//!
//! # What remains possible
//!
//! Somebody may know more than totals, and then exclude more. When nearly everybody is of one kind, so are some in each
//! large house. Guesses may be likelier than others: zero is told as five once in about ten times, four nearly always.

use std::collections::BTreeMap;

/// What is told is a multiple of this.
pub const BASE: i32 = 5;

/// People of whom nothing is told are fewer than this.
pub const THRESHOLD: i32 = 5;

/// A row is told only when those who are not known by name to one body are at least so many, or none.
pub const OTHERS: i32 = 10;

/// The next multiple of [`BASE`] below, or the count itself.
#[must_use]
pub fn floored(count: i32) -> i32 {
    count.max(0) / BASE * BASE
}

/// A multiple as it is told: nothing of zero, behind which there may be a few.
#[must_use]
pub fn told(multiple: i32) -> Option<i32> {
    (multiple > 0).then_some(multiple)
}

/// Whether a row of so many may be told to whoever knows one of these parts of it by name.
#[must_use]
pub fn shielded(total: i32, parts: impl IntoIterator<Item = i32>) -> bool {
    parts.into_iter().map(|part| total - part).all(|others| others == 0 || others >= OTHERS)
}

/// How far a count may be moved from the multiple below it, in multiples, each with its weight. Zero is moved as well:
/// otherwise a five would tell that there is somebody.
fn moves(count: i32) -> impl Iterator<Item = (i32, u128)> {
    let over = u128::from(count.rem_euclid(BASE).unsigned_abs());
    let moves = match over {
        0 if count < BASE => [(0, 9), (1, 1), (-1, 0)],
        0 => [(0, 9), (1, 1), (-1, 1)],
        _ => [(0, 10 - 2 * over), (1, 2 * over), (-1, 0)],
    };
    moves.into_iter().filter(|(_, weight)| *weight > 0)
}

/// Moves each count of a row to a multiple of [`BASE`] that is at most five away, so that they add up to the total,
/// rounded down. Which of all the ways to do so it is, `pick` says: it is given their number, likelier ways counted as
/// several, and hands back one below it, which nobody may be able to foresee. A row has thirty values at most.
#[must_use]
pub fn spread(row: &[i32], pick: impl FnOnce(u128) -> u128) -> Vec<i32> {
    // For each rest of the row, from the end: in how many ways it is moved by so many multiples in all.
    let mut ways = vec![BTreeMap::from([(0, 1_u128)])];
    for count in row.iter().rev() {
        let mut longer: BTreeMap<i32, u128> = BTreeMap::new();
        for (step, weight) in moves(*count) {
            for (sum, ways) in &ways[ways.len() - 1] {
                *longer.entry(sum + step).or_default() += weight * ways;
            }
        }
        ways.push(longer);
    }
    let floors: i32 = row.iter().copied().map(floored).sum();
    let mut steps = (floored(row.iter().sum()) - floors) / BASE;
    let ways_of = |rest: usize, steps: i32| ways[rest].get(&steps).copied().unwrap_or(0);
    let mut way = pick(ways_of(row.len(), steps));
    let mut moved = Vec::with_capacity(row.len());
    for (count, rest) in row.iter().zip((0..row.len()).rev()) {
        for (step, weight) in moves(*count) {
            let share = weight * ways_of(rest, steps - step);
            if way < share {
                way /= weight;
                steps -= step;
                moved.push(floored(*count) + BASE * step);
                break;
            }
            way -= share;
        }
    }
    moved
}
