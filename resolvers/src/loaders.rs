//! Loaders: edges into the vault, batched. One set lives for one request or one subscription, and
//! nothing in it is cached: what was personal a moment ago is asked again.

use std::{collections::HashMap, hash::Hash, sync::Arc};

use dataloader::{BatchFn, non_cached::Loader};
use tavolo_schema::{
    Guest, Stay,
    id::{FacilityId, GuestId, HouseholdId, StayId},
};
use tavolo_store::{StayPage, Store, StoreError};

/// What a loader answers for a key: the value, if there is one, or the fault they all share.
pub(crate) type Loaded<V> = Result<Option<V>, Arc<StoreError>>;

/// The loaders of one request.
pub(crate) struct Loaders {
    guests: Loader<GuestId, Loaded<Arc<Guest>>, Guests>,
    households: Loader<HouseholdId, Loaded<Arc<[Arc<Guest>]>>, Households>,
    stays: Loader<StayId, Loaded<Arc<Stay>>, Stays>,
    stays_of_facility: Loader<(FacilityId, StayPage), Loaded<Arc<[Stay]>>, StaysOfFacility>,
    stays_of_guest: Loader<(GuestId, StayPage), Loaded<Arc<[Stay]>>, StaysOfGuest>,
}

/// How often a loader lets others come up with their keys before it asks. What a batch before has woken comes one by
/// one.
const PATIENCE: usize = 100;

struct Guests(Store);
struct Households(Store);
struct Stays(Store);
struct StaysOfFacility(Store);
struct StaysOfGuest(Store);

impl Loaders {
    pub(crate) fn new(store: &Store) -> Self {
        Self {
            guests: Loader::new(Guests(store.clone())).with_yield_count(PATIENCE),
            households: Loader::new(Households(store.clone())).with_yield_count(PATIENCE),
            stays: Loader::new(Stays(store.clone())).with_yield_count(PATIENCE),
            stays_of_facility: Loader::new(StaysOfFacility(store.clone())).with_yield_count(PATIENCE),
            stays_of_guest: Loader::new(StaysOfGuest(store.clone())).with_yield_count(PATIENCE),
        }
    }

    pub(crate) async fn guest(&self, id: GuestId) -> Loaded<Arc<Guest>> {
        self.guests.load(id).await
    }

    pub(crate) async fn household(&self, id: HouseholdId) -> Loaded<Arc<[Arc<Guest>]>> {
        self.households.load(id).await
    }

    pub(crate) async fn stay(&self, id: StayId) -> Loaded<Arc<Stay>> {
        self.stays.load(id).await
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

impl BatchFn<GuestId, Loaded<Arc<Guest>>> for Guests {
    async fn load(&mut self, keys: &[GuestId]) -> HashMap<GuestId, Loaded<Arc<Guest>>> {
        answer(keys, self.0.guests_by_ids(keys).await, Arc::new)
    }
}

impl BatchFn<HouseholdId, Loaded<Arc<[Arc<Guest>]>>> for Households {
    async fn load(&mut self, keys: &[HouseholdId]) -> HashMap<HouseholdId, Loaded<Arc<[Arc<Guest>]>>> {
        answer(keys, self.0.guests_by_households(keys).await, |guests| guests.into_iter().map(Arc::new).collect())
    }
}

impl BatchFn<StayId, Loaded<Arc<Stay>>> for Stays {
    async fn load(&mut self, keys: &[StayId]) -> HashMap<StayId, Loaded<Arc<Stay>>> {
        answer(keys, self.0.stays_by_ids(keys).await, Arc::new)
    }
}

impl BatchFn<(FacilityId, StayPage), Loaded<Arc<[Stay]>>> for StaysOfFacility {
    async fn load(&mut self, keys: &[(FacilityId, StayPage)]) -> HashMap<(FacilityId, StayPage), Loaded<Arc<[Stay]>>> {
        let mut answers = HashMap::new();
        for (page, ids) in by_page(keys) {
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
        for (page, ids) in by_page(keys) {
            let found = self.0.stays_of_guests(&ids, page.clone()).await;
            let found = answer(&ids, found, Arc::from);
            answers.extend(found.into_iter().map(|(id, stays)| ((id, page.clone()), stays)));
        }
        answers
    }
}

/// The keys of each page: as many commands as the document asks for different pages.
fn by_page<I: Copy>(keys: &[(I, StayPage)]) -> HashMap<StayPage, Vec<I>> {
    let mut pages: HashMap<StayPage, Vec<I>> = HashMap::new();
    for (id, page) in keys {
        pages.entry(page.clone()).or_default().push(*id);
    }
    pages
}
