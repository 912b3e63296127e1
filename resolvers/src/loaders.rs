//! Loaders: ways into the vault, batched. One set lives for one request or one subscription, and nothing in it is
//! cached: what was personal a moment ago is asked again.

use std::{
    any::{Any, TypeId},
    collections::HashMap,
    fmt::Debug,
    hash::Hash,
    marker::PhantomData,
    sync::{Arc, Mutex, PoisonError},
};

use dataloader::{BatchFn, non_cached::Loader};
use tavolo_store::{Store, StoreError};

use crate::error::fault;

/// A way into the vault: one command of the database finds what is asked for by many ids. Each is beside the noun that it
/// leads to.
pub(crate) trait Batch: Sized + Send + Sync + 'static {
    /// By what it is found.
    type Id: Copy + Debug + Eq + Hash + Send + Sync;
    /// How it is asked for: within which sight, or which page. There are as many commands as different ways.
    type Way: Clone + Debug + Eq + Hash + Send + Sync;
    /// What is found by an id.
    type Found: Clone + Send + Sync;

    /// Finds what there is; an id that nothing is found by is left out.
    fn find(store: &Store, ids: &[Self::Id], way: &Self::Way) -> impl Future<Output = AllFound<Self>> + Send;
}

/// What a command has found, by id.
pub(crate) type AllFound<B> = Result<HashMap<<B as Batch>::Id, <B as Batch>::Found>, StoreError>;

/// What a loader answers for a key: the value, if there is one, or the fault they all share.
type Loaded<V> = Result<Option<V>, Arc<StoreError>>;

type Key<B> = (<B as Batch>::Id, <B as Batch>::Way);

type LoaderOf<B> = Loader<Key<B>, Loaded<<B as Batch>::Found>, Commands<B>>;

/// The loaders of one request, by their way. Each is made when it is first asked.
pub(crate) struct Loaders {
    store: Store,
    by_way: Mutex<HashMap<TypeId, Box<dyn Any + Send + Sync>>>,
}

/// Yields to the scheduler before a batch is sent, so that all fields beside each other can add their keys.
const YIELDS: usize = 100;

impl Loaders {
    pub(crate) fn new(store: &Store) -> Self {
        Self { store: store.clone(), by_way: Mutex::default() }
    }

    /// What is found by an id, asked for together with all that is asked for beside it.
    pub(crate) async fn load<B: Batch>(&self, id: B::Id, way: B::Way) -> async_graphql::Result<Option<B::Found>> {
        self.of::<B>().load((id, way)).await.map_err(|error| fault(&error))
    }

    fn of<B: Batch>(&self) -> LoaderOf<B> {
        let mut by_way = self.by_way.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || -> Box<dyn Any + Send + Sync> {
            Box::new(LoaderOf::<B>::new(Commands(self.store.clone(), PhantomData)).with_yield_count(YIELDS))
        };
        let loader = by_way.entry(TypeId::of::<B>()).or_insert_with(made);
        loader.downcast_ref::<LoaderOf<B>>().expect("a loader is kept by its own type").clone()
    }
}

/// Sends the commands of a way.
struct Commands<B>(Store, PhantomData<fn() -> B>);

impl<B: Batch> BatchFn<Key<B>, Loaded<B::Found>> for Commands<B> {
    async fn load(&mut self, keys: &[Key<B>]) -> HashMap<Key<B>, Loaded<B::Found>> {
        let mut by_way: HashMap<B::Way, Vec<B::Id>> = HashMap::new();
        for (id, way) in keys {
            by_way.entry(way.clone()).or_default().push(*id);
        }
        let mut answers = HashMap::new();
        for (way, ids) in by_way {
            let mut found = B::find(&self.0, &ids, &way).await.map_err(Arc::new);
            answers.extend(ids.into_iter().map(|id| {
                let answer = found.as_mut().map(|found| found.remove(&id)).map_err(|error| Arc::clone(error));
                ((id, way.clone()), answer)
            }));
        }
        answers
    }
}
