//! The board: everything shared, in memory, immutable.
//!
//! A new board shares all but the changed branches with the one before, so a change costs the
//! logarithm of what is on it, and a reader keeps the board it began with for as long as it likes.

use std::sync::Arc;

use imbl::{HashMap, OrdMap};
use tavolo_schema::{
    Accreditation, Block, Day, Facility, Member, Municipality, Organisation, PlaceCategory, Pool, Position,
    Publication, Standing,
    id::{AccreditationId, BlockId, FacilityId, OrganisationId},
    publication::Cell,
};
use tavolo_store::changes::{BoardChange, Snapshot};

/// A facility with its pools and accreditations.
#[derive(Clone, Debug)]
pub struct FacilityState {
    /// The facility.
    pub facility: Arc<Facility>,
    /// Its pools, in the order of the categories.
    pub pools: Vec<Arc<Pool>>,
    /// Its accreditations, the latest first.
    pub accreditations: Vec<Arc<Accreditation>>,
}

impl FacilityState {
    /// The pool of a category.
    #[must_use]
    pub fn pool(&self, category: PlaceCategory) -> Option<&Arc<Pool>> {
        self.pools.iter().find(|pool| pool.category == category)
    }

    /// The accreditation in force on a day; of several, the one that began last.
    #[must_use]
    pub fn accreditation_on(&self, day: Day) -> Option<&Arc<Accreditation>> {
        self.accreditations
            .iter()
            .filter(|accreditation| accreditation.in_force_on(day))
            .max_by_key(|accreditation| (accreditation.valid_from, accreditation.id))
    }
}

/// Everything shared, as of one position.
#[derive(Clone, Debug, Default)]
pub struct Board {
    position: Position,
    organisations: OrdMap<OrganisationId, Arc<Organisation>>,
    municipalities: OrdMap<String, Arc<Municipality>>,
    facilities: OrdMap<String, Arc<FacilityState>>,
    facilities_by_municipality: HashMap<String, OrdMap<String, Arc<FacilityState>>>,
    codes: HashMap<FacilityId, String>,
    accreditations: HashMap<AccreditationId, FacilityId>,
    blocks: HashMap<BlockId, FacilityId>,
    members: HashMap<String, Arc<Member>>,
    publications: OrdMap<Cell, Arc<Publication>>,
    roster: u64,
}

impl Board {
    /// A board from a snapshot.
    #[must_use]
    pub fn new(snapshot: Snapshot) -> Self {
        let mut board = Self::default();
        let Snapshot {
            position,
            organisations,
            municipalities,
            facilities,
            pools,
            accreditations,
            members,
            publications,
            acts: _,
        } = snapshot;
        let changes = (organisations.into_iter().map(BoardChange::Organisation))
            .chain(municipalities.into_iter().map(BoardChange::Municipality))
            .chain(members.into_iter().map(BoardChange::Member))
            .chain(publications.into_iter().map(BoardChange::Publication));
        changes.for_each(|change| board.apply(change));
        let mut states: std::collections::BTreeMap<FacilityId, FacilityState> = facilities
            .into_iter()
            .map(|facility| {
                (
                    facility.id,
                    FacilityState { facility: Arc::new(facility), pools: Vec::new(), accreditations: Vec::new() },
                )
            })
            .collect();
        for pool in pools {
            board.blocks.extend(pool.blocks.iter().map(|block| (block.id, pool.facility)));
            if let Some(state) = states.get_mut(&pool.facility) {
                state.put_pool(pool);
            }
        }
        for accreditation in accreditations {
            board.accreditations.insert(accreditation.id, accreditation.facility);
            if let Some(state) = states.get_mut(&accreditation.facility) {
                state.put_accreditation(accreditation);
            }
        }
        states.into_values().for_each(|state| board.put_facility(state));
        board.position = Position { ordinal: u32::MAX, ..position };
        board
    }

    /// Every change up to here is on the board, none after.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Goes on counting where another board had come to.
    pub(crate) fn count_roster_on(&mut self, from: u64) {
        self.roster = from + 1;
    }

    /// Moves the position on: the changes up to there have been applied.
    pub(crate) fn advance(&mut self, to: Position) {
        self.position = to;
    }

    /// Counts the changes that can change how somebody stands at the table.
    #[must_use]
    pub fn roster(&self) -> u64 {
        self.roster
    }

    /// Applies one change. Applying the same change again changes nothing.
    pub fn apply(&mut self, change: BoardChange) {
        match change {
            BoardChange::Organisation(organisation) => {
                self.roster += 1;
                self.organisations.insert(organisation.id, Arc::new(organisation));
            }
            BoardChange::Municipality(municipality) => {
                self.municipalities.insert(municipality.istat_code.clone(), Arc::new(municipality));
            }
            BoardChange::Member(member) => {
                self.roster += 1;
                self.members.insert(member.subject.clone(), Arc::new(member));
            }
            BoardChange::MemberRemoved(subject) => {
                self.roster += 1;
                self.members.remove(&subject);
            }
            BoardChange::Facility(facility) => {
                let before = self.facility(facility.id).cloned();
                let (pools, accreditations) =
                    before.map(|state| (state.pools.clone(), state.accreditations.clone())).unwrap_or_default();
                self.put_facility(FacilityState { facility: Arc::new(facility), pools, accreditations });
            }
            BoardChange::Pool(pool) => {
                let before = self.facility(pool.facility).and_then(|state| state.pool(pool.category)).cloned();
                for block in before.iter().flat_map(|before| &before.blocks) {
                    self.blocks.remove(&block.id);
                }
                self.blocks.extend(pool.blocks.iter().map(|block| (block.id, pool.facility)));
                self.change_place(pool.facility, |state| state.put_pool(pool));
            }
            BoardChange::Accreditation(accreditation) => {
                self.accreditations.insert(accreditation.id, accreditation.facility);
                self.change_place(accreditation.facility, |state| state.put_accreditation(accreditation));
            }
            BoardChange::Publication(publication) => {
                let known = self.publications.get(&publication.cell);
                if known.is_none_or(|known| known.number < publication.number) {
                    self.publications.insert(publication.cell.clone(), Arc::new(publication));
                }
            }
            BoardChange::Entry(_) | BoardChange::Act(_) => {}
        }
    }

    fn change_place(&mut self, id: FacilityId, change: impl FnOnce(&mut FacilityState)) {
        match self.facility(id) {
            Some(state) => {
                let mut state = FacilityState::clone(state);
                change(&mut state);
                self.put_facility(state);
            }
            None => tracing::error!(facility = %id, "a change names a facility that is not on the board"),
        }
    }

    fn put_facility(&mut self, state: FacilityState) {
        let state = Arc::new(state);
        let facility = &state.facility;
        self.codes.insert(facility.id, facility.code.clone());
        self.facilities_by_municipality
            .entry(facility.municipality.clone())
            .or_default()
            .insert(facility.code.clone(), Arc::clone(&state));
        self.facilities.insert(facility.code.clone(), Arc::clone(&state));
    }

    /// The place of a facility.
    #[must_use]
    pub fn facility(&self, id: FacilityId) -> Option<&Arc<FacilityState>> {
        self.codes.get(&id).and_then(|code| self.facilities.get(code))
    }

    /// The place of a facility's code.
    #[must_use]
    pub fn place_by_code(&self, code: &str) -> Option<&Arc<FacilityState>> {
        self.facilities.get(code)
    }

    /// How many facilities there are.
    #[must_use]
    pub fn facility_count(&self) -> usize {
        self.facilities.len()
    }

    /// Every place, or those of one municipality, in the order of their codes.
    pub fn facilities(&self, municipality: Option<&str>) -> impl Iterator<Item = &Arc<FacilityState>> {
        let (some, all) = match municipality {
            Some(municipality) => (self.facilities_by_municipality.get(municipality), None),
            None => (None, Some(&self.facilities)),
        };
        some.into_iter().chain(all).flat_map(OrdMap::values)
    }

    /// An organisation.
    #[must_use]
    pub fn organisation(&self, id: OrganisationId) -> Option<&Arc<Organisation>> {
        self.organisations.get(&id)
    }

    /// Every organisation, in the order they were registered in.
    pub fn organisations(&self) -> impl Iterator<Item = &Arc<Organisation>> {
        self.organisations.values()
    }

    /// A municipality by its ISTAT code.
    #[must_use]
    pub fn municipality(&self, istat_code: &str) -> Option<&Arc<Municipality>> {
        self.municipalities.get(istat_code)
    }

    /// Every municipality, in the order of the ISTAT codes.
    pub fn municipalities(&self) -> impl Iterator<Item = &Arc<Municipality>> {
        self.municipalities.values()
    }

    /// An accreditation, with its place.
    #[must_use]
    pub fn accreditation(&self, id: AccreditationId) -> Option<(&Arc<FacilityState>, &Arc<Accreditation>)> {
        let state = self.facility(*self.accreditations.get(&id)?)?;
        state.accreditations.iter().find(|accreditation| accreditation.id == id).map(|found| (state, found))
    }

    /// A block of places, with its place.
    #[must_use]
    pub fn block(&self, id: BlockId) -> Option<(&Arc<FacilityState>, &Block)> {
        let state = self.facility(*self.blocks.get(&id)?)?;
        let mut blocks = state.pools.iter().flat_map(|pool| &pool.blocks);
        blocks.find(|block| block.id == id).map(|found| (state, found))
    }

    /// The membership of a subject.
    #[must_use]
    pub fn member(&self, subject: &str) -> Option<&Arc<Member>> {
        self.members.get(subject)
    }

    /// What the public is told of a cell.
    #[must_use]
    pub fn publication(&self, cell: &Cell) -> Option<&Arc<Publication>> {
        self.publications.get(cell)
    }

    /// How a member stands at the table now.
    #[must_use]
    pub fn standing(&self, member: &Member) -> Standing {
        let organisation = self.organisation(member.organisation);
        Standing {
            role: member.role,
            organisation: Some(member.organisation),
            municipality: organisation.and_then(|organisation| organisation.municipality.clone()),
        }
    }
}

impl FacilityState {
    fn put_pool(&mut self, pool: Pool) {
        match self.pools.binary_search_by_key(&pool.category, |other| other.category) {
            Ok(at) => self.pools[at] = Arc::new(pool),
            Err(at) => self.pools.insert(at, Arc::new(pool)),
        }
    }

    fn put_accreditation(&mut self, accreditation: Accreditation) {
        match self.accreditations.binary_search_by(|other| accreditation.id.cmp(&other.id)) {
            Ok(at) => self.accreditations[at] = Arc::new(accreditation),
            Err(at) => self.accreditations.insert(at, Arc::new(accreditation)),
        }
    }
}
