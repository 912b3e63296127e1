//! Loaders: edges into the vault, batched. One set lives for one request or one subscription, and
//! nothing in it is cached: what was personal a moment ago is asked again.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use dataloader::{BatchFn, non_cached::Loader};
use tavolo_schema::{
    Guest, Stay,
    id::{FacilityId, GuestId, HouseholdId, StayId},
};
use tavolo_store::{GuestScope, StayPage, Store, StoreError, Within};

/// What a loader answers for a key: the value, if there is one, or the fault they all share.
pub(crate) type Loaded<V> = Result<Option<V>, Arc<StoreError>>;

/// The members of a household.
type Members = Arc<[Arc<Guest>]>;

/// The loaders of one request.
pub(crate) struct Loaders {
    guests: Loader<(GuestId, GuestScope), Loaded<Arc<Guest>>, Guests>,
    households: Loader<(HouseholdId, GuestScope), Loaded<Members>, Households>,
    stays: Loader<(StayId, Within), Loaded<Arc<Stay>>, Stays>,
    stays_of_facility: Loader<(FacilityId, StayPage), Loaded<Arc<[Stay]>>, StaysOfFacility>,
    stays_of_guest: Loader<(GuestId, StayPage), Loaded<Arc<[Stay]>>, StaysOfGuest>,
}

/// Yields to the scheduler before a batch is sent, so that all fields beside each other can add their keys.
const YIELDS: usize = 100;

struct Guests(Store);
struct Households(Store);
struct Stays(Store);
struct StaysOfFacility(Store);
struct StaysOfGuest(Store);

impl Loaders {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            guests: Loader::new(Guests(store.clone())).with_yield_count(YIELDS),
            households: Loader::new(Households(store.clone())).with_yield_count(YIELDS),
            stays: Loader::new(Stays(store.clone())).with_yield_count(YIELDS),
            stays_of_facility: Loader::new(StaysOfFacility(store.clone())).with_yield_count(YIELDS),
            stays_of_guest: Loader::new(StaysOfGuest(store.clone())).with_yield_count(YIELDS),
        }
    }

    pub(crate) async fn guest(&self, id: GuestId, scope: GuestScope) -> Loaded<Arc<Guest>> {
        self.guests.load((id, scope)).await
    }

    pub(crate) async fn household(&self, id: HouseholdId, scope: GuestScope) -> Loaded<Members> {
        self.households.load((id, scope)).await
    }

    pub(crate) async fn stay(&self, id: StayId, within: Within) -> Loaded<Arc<Stay>> {
        self.stays.load((id, within)).await
    }

    pub(crate) async fn stays_of_facility(&self, id: FacilityId, page: StayPage) -> Loaded<Arc<[Stay]>> {
        self.stays_of_facility.load((id, page)).await
    }

    pub(crate) async fn stays_of_guest(&self, id: GuestId, page: StayPage) -> Loaded<Arc<[Stay]>> {
        self.stays_of_guest.load((id, page)).await
    }
}

/// An answer for every key: what was found, nothing, or the fault.
fn answer<K: Copy + Eq + Hash, F, V>(
    keys: &[K],
    found: Result<HashMap<K, F>, StoreError>,
    shape: impl Fn(F) -> V,
) -> HashMap<K, Loaded<V>> {
    match found {
        Ok(mut found) => keys.iter().map(|key| (*key, Ok(found.remove(key).map(&shape)))).collect(),
        Err(error) => {
            let error = Arc::new(error);
            keys.iter().map(|key| (*key, Err(Arc::clone(&error)))).collect()
        }
    }
}

impl BatchFn<(GuestId, GuestScope), Loaded<Arc<Guest>>> for Guests {
    async fn load(&mut self, keys: &[(GuestId, GuestScope)]) -> HashMap<(GuestId, GuestScope), Loaded<Arc<Guest>>> {
        let mut answers = HashMap::new();
        for (scope, ids) in grouped(keys) {
            let found = answer(&ids, self.0.guests_by_ids(&ids, scope).await, Arc::new);
            answers.extend(found.into_iter().map(|(id, guest)| ((id, scope), guest)));
        }
        answers
    }
}

impl BatchFn<(HouseholdId, GuestScope), Loaded<Members>> for Households {
    async fn load(
        &mut self,
        keys: &[(HouseholdId, GuestScope)],
    ) -> HashMap<(HouseholdId, GuestScope), Loaded<Members>> {
        let mut answers = HashMap::new();
        for (scope, ids) in grouped(keys) {
            let found = self.0.guests_by_households(&ids, scope).await;
            let found = answer(&ids, found, |guests| guests.into_iter().map(Arc::new).collect());
            answers.extend(found.into_iter().map(|(id, guests)| ((id, scope), guests)));
        }
        answers
    }
}

impl BatchFn<(StayId, Within), Loaded<Arc<Stay>>> for Stays {
    async fn load(&mut self, keys: &[(StayId, Within)]) -> HashMap<(StayId, Within), Loaded<Arc<Stay>>> {
        let mut answers = HashMap::new();
        for (within, ids) in grouped(keys) {
            let found = answer(&ids, self.0.stays_by_ids(&ids, &within).await, Arc::new);
            answers.extend(found.into_iter().map(|(id, stay)| ((id, within.clone()), stay)));
        }
        answers
    }
}

impl BatchFn<(FacilityId, StayPage), Loaded<Arc<[Stay]>>> for StaysOfFacility {
    async fn load(&mut self, keys: &[(FacilityId, StayPage)]) -> HashMap<(FacilityId, StayPage), Loaded<Arc<[Stay]>>> {
        let mut answers = HashMap::new();
        for (page, ids) in grouped(keys) {
            let found = self.0.stays_of_facilities(&ids, page.clone()).await;
            let found = answer(&ids, found, Arc::from);
            answers.extend(found.into_iter().map(|(id, stays)| ((id, page.clone()), stays)));
        }
        answers
    }
}

impl BatchFn<(GuestId, StayPage), Loaded<Arc<[Stay]>>> for StaysOfGuest {
    async fn load(&mut self, keys: &[(GuestId, StayPage)]) -> HashMap<(GuestId, StayPage), Loaded<Arc<[Stay]>>> {
        let mut answers = HashMap::new();
        for (page, ids) in grouped(keys) {
            let found = self.0.stays_of_guests(&ids, page.clone()).await;
            let found = answer(&ids, found, Arc::from);
            answers.extend(found.into_iter().map(|(id, stays)| ((id, page.clone()), stays)));
        }
        answers
    }
}

/// The keys that are asked for in the same way: as many commands as there are different ways.
fn grouped<I: Copy, W: Clone + Eq + Hash>(keys: &[(I, W)]) -> HashMap<W, Vec<I>> {
    let mut groups: HashMap<W, Vec<I>> = HashMap::new();
    for (id, way) in keys {
        groups.entry(way.clone()).or_default().push(*id);
    }
    groups
}
