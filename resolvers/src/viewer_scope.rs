//! The scope of an answer: the board, the day and the viewer's standing that it is made with.
//!
//! Objects hold the scope they were made from, so one answer never mixes two states of the board,
//! and every event of a subscription is judged by the membership as it is then.

use std::sync::{Arc, OnceLock};

use tavolo_schema::{
    CapacityNumbers, Classes, DataClass, DateTime, Day, DisclosedNumbers, Facility, PlaceCategory, Pool, Precision,
    RecordOwners, Role, Standing, access, id::FacilityId, publication::Cell,
};
use tavolo_store::{GuestScope, LookupScope, Within};
use tavolo_subscriptions::{Board, FacilityState};

use crate::{Hub, Viewer};

/// What one answer is made with.
#[derive(Debug)]
pub struct ViewerScope {
    /// The board.
    pub board: Arc<Board>,
    /// The instant of the answer.
    pub now: DateTime,
    /// The day of the answer.
    pub today: Day,
    /// How the viewer stands at the table, by the board.
    pub standing: Standing,
    presences: OnceLock<Within>,
    named_presences: OnceLock<Within>,
}

impl ViewerScope {
    /// The scope of the board as it is now, for somebody who stands at it like this.
    pub fn new(hub: &Hub, standing: impl FnOnce(&Board) -> Standing) -> Arc<Self> {
        let board = hub.live_board.board();
        let now = hub.clock.now();
        let standing = standing(&board);
        let (presences, named_presences) = (OnceLock::new(), OnceLock::new());
        Arc::new(Self { board, now, today: now.day(), standing, presences, named_presences })
    }

    /// The classes the viewer sees of a record.
    #[must_use]
    pub fn sight(&self, owners: RecordOwners<'_>) -> Classes {
        self.standing.sees(owners)
    }

    /// Whether the viewer sees that this facility exists.
    #[must_use]
    pub fn shows(&self, facility: &Facility) -> bool {
        self.sight(facility.owners()).contains(DataClass::Operational)
    }

    /// Whether there is a relation in which somebody of the viewer's role sees a class.
    #[must_use]
    pub fn may_see(&self, class: DataClass) -> bool {
        self.standing.sees_somewhere(class)
    }

    /// Whether the viewer is told the people among numbers as they are now.
    #[must_use]
    pub fn counts_people(&self) -> bool {
        access::counts_people(self.standing.role)
    }

    /// The day whose beginning is the latest that is told to whoever is told nothing of the day itself.
    #[must_use]
    pub fn published_day(&self) -> Day {
        self.board.publication(&Cell::PROVINCE).map_or(self.today, |publication| publication.at.day().min(self.today))
    }

    /// The numbers of a pool as the viewer is told them, who sees its facility.
    #[must_use]
    pub fn numbers(&self, pool: &Pool) -> DisclosedNumbers {
        if self.counts_people() {
            return pool.numbers_on(self.today).into();
        }
        let day_before = DisclosedNumbers::from(pool.day_before(self.published_day()));
        if pool.category.is_protected() {
            day_before.with(None, Precision::Withheld)
        } else {
            day_before.told(Precision::DayBefore)
        }
    }

    /// Whether places of a category are counted where places are added up, of one category that is `named` or of all.
    /// Whoever is not told of people is told of protected places by their name alone: beside the ordinary ones, a sum of
    /// all would tell who is in them.
    #[must_use]
    pub fn adds_up(&self, category: PlaceCategory, named: bool) -> bool {
        named || self.counts_people() || !category.is_protected()
    }

    /// The numbers of one category of a place, or of all that are added up, as the viewer is told them, who sees the
    /// facility.
    #[must_use]
    pub fn numbers_of(&self, state: &FacilityState, category: Option<PlaceCategory>) -> DisclosedNumbers {
        let precision = if self.counts_people() { Precision::Exact } else { Precision::DayBefore };
        let nothing = DisclosedNumbers::from(CapacityNumbers::default()).told(precision);
        let pools = || state.pools.iter().filter(|pool| category.is_none_or(|wanted| wanted == pool.category));
        let added_up = |pool: &&Arc<Pool>| self.adds_up(pool.category, category.is_some());
        // Of a facility with protected places alone, the places are told and not the people.
        let all = !pools().any(|pool| added_up(&pool));
        let pools = pools().filter(|pool| all || added_up(pool));
        std::iter::once(nothing).chain(pools.map(|pool| self.numbers(pool))).sum()
    }

    /// The places the viewer sees, of the province or of one municipality, by code.
    pub fn facilities<'s>(&'s self, municipality: Option<&'s str>) -> impl Iterator<Item = &'s Arc<FacilityState>> {
        self.board.facilities(municipality).filter(|state| self.shows(&state.facility))
    }

    /// The organisations the stays of a facility belong to.
    #[must_use]
    pub fn owners_of_facility(&self, facility: FacilityId) -> RecordOwners<'_> {
        self.board.facility(facility).map(|state| state.facility.owners()).unwrap_or_default()
    }

    /// Whose files the viewer may see at all; `None` for nobody's.
    #[must_use]
    pub fn guest_scope(&self) -> Option<GuestScope> {
        GuestScope::of(&self.standing)
    }

    /// Which looks at files out of sight the viewer may know of; `None` for none.
    #[must_use]
    pub fn lookup_scope(&self) -> Option<LookupScope> {
        LookupScope::of(&self.standing)
    }

    /// The facilities of which the viewer sees that somebody was present.
    #[must_use]
    pub fn presences(&self) -> &Within {
        self.presences.get_or_init(|| self.within(&[DataClass::Presence]))
    }

    /// The facilities of which the viewer sees who was present, not only that somebody was.
    #[must_use]
    pub fn named_presences(&self) -> &Within {
        self.named_presences.get_or_init(|| self.within(&[DataClass::Presence, DataClass::Identity]))
    }

    /// The facilities of which the viewer sees all these classes.
    fn within(&self, classes: &[DataClass]) -> Within {
        let sees = |owners| classes.iter().all(|class| self.sight(owners).contains(*class));
        if sees(RecordOwners::default()) {
            return Within(None);
        }
        let states = self.board.facilities(None).filter(|state| sees(state.facility.owners()));
        Within(Some(states.map(|state| state.facility.id).collect()))
    }

    /// Whether nobody in particular asks.
    #[must_use]
    pub fn is_public(&self) -> bool {
        self.standing.role == Role::Public
    }
}

/// How a viewer stands at the table now. A membership that has ended leaves the public's standing.
#[must_use]
pub fn standing(board: &Board, viewer: &Viewer) -> Standing {
    viewer
        .member
        .as_ref()
        .and_then(|member| board.member(&member.subject))
        .map_or_else(Standing::public, |member| board.standing(member))
}
