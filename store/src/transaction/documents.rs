//! What an act reads and writes: documents, each command a part of its transaction.

use futures_util::FutureExt;
use mongodb::{
    action::Action,
    bson::{Bson, Document as Filter, Uuid as Binary, doc},
    options::{Hint, ReturnDocument},
};
use serde::{Deserialize, de::DeserializeOwned};

use super::Transaction;
use crate::{
    StoreError,
    document::{Document, collection, read, write},
};

impl Transaction {
    pub(crate) async fn find_one<D: Document>(&mut self, filter: Filter) -> Result<Option<D::Noun>, StoreError> {
        self.find_one_by::<D>(filter, None).await
    }

    /// The one document that matches, asked for by an index when one is named.
    pub(crate) async fn find_one_by<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<Option<D::Noun>, StoreError> {
        let found = self.command(|database, session| {
            let find = async move {
                let all = collection::<D>(database);
                let found = all.find_one(filter).session(session);
                Ok(found.optional(index.map(Hint::Keys), |found, index| found.hint(index)).await?)
            };
            find.boxed()
        });
        found.await?.as_ref().map(read::<D>).transpose()
    }

    /// The first documents that match.
    pub(crate) async fn find_some<D: Document>(
        &mut self,
        filter: Filter,
        sort: Filter,
        most: usize,
    ) -> Result<Vec<D::Noun>, StoreError> {
        self.nouns::<D>(filter, sort, most as i64, None).await
    }

    /// The documents that match, asked for by an index when one is named.
    pub(crate) async fn find_by<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        self.nouns::<D>(filter, doc! {}, 0, index).await
    }

    async fn nouns<D: Document>(
        &mut self,
        filter: Filter,
        sort: Filter,
        most: i64,
        index: Option<Filter>,
    ) -> Result<Vec<D::Noun>, StoreError> {
        let found = self.command(move |database, session| {
            let read = async move {
                let all = collection::<D>(database);
                let found = all.find(filter).sort(sort).limit(most);
                let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index));
                let mut cursor = found.session(&mut *session).await?;
                let mut found = Vec::new();
                while let Some(raw) = cursor.next(session).await {
                    found.push(raw?);
                }
                Ok(found)
            };
            read.boxed()
        });
        found.await?.iter().map(read::<D>).collect()
    }

    pub(crate) async fn find<D: Document>(&mut self, filter: Filter, sort: Filter) -> Result<Vec<D::Noun>, StoreError> {
        // Zero means without limit.
        self.find_some::<D>(filter, sort, 0).await
    }

    pub(crate) async fn by_id<D: Document>(&mut self, id: impl Into<Bson>) -> Result<Option<D::Noun>, StoreError> {
        self.find_one::<D>(doc! { "_id": id.into() }).await
    }

    /// The ids of the documents that match, read from an index alone.
    pub(crate) async fn ids_of<D: Document>(
        &mut self,
        filter: Filter,
        index: Filter,
    ) -> Result<Vec<Binary>, StoreError> {
        #[derive(Deserialize)]
        struct Id {
            #[serde(rename = "_id")]
            id: Binary,
        }
        let found = self.command(move |database, session| {
            let read = async move {
                let all = database.collection::<Id>(D::COLLECTION);
                let found = all.find(filter).projection(doc! { "_id": 1 }).hint(Hint::Keys(index));
                let mut cursor = found.session(&mut *session).await?;
                let mut ids = Vec::new();
                while let Some(found) = cursor.next(session).await {
                    ids.push(found?.id);
                }
                Ok(ids)
            };
            read.boxed()
        });
        found.await
    }

    /// The one document that a pipeline makes of a collection.
    pub(crate) async fn aggregate_one<T>(
        &mut self,
        name: &'static str,
        pipeline: Vec<Filter>,
    ) -> Result<Option<T>, StoreError>
    where
        T: DeserializeOwned + Send + Sync + 'static,
    {
        let made = self.command(move |database, session| {
            let make = async move {
                let documents = database.collection::<Filter>(name);
                let mut cursor = documents.aggregate(pipeline).with_type::<T>().session(&mut *session).await?;
                Ok(cursor.next(session).await.transpose()?)
            };
            make.boxed()
        });
        made.await
    }

    /// Whether a document matches, asked for by an index when one is named.
    pub(crate) async fn exists<D: Document>(
        &mut self,
        filter: Filter,
        index: Option<Filter>,
    ) -> Result<bool, StoreError> {
        let found = self.command(|database, session| {
            let find = async move {
                let documents = collection::<D>(database);
                let found = documents.find_one(filter).projection(doc! { "_id": 1 });
                let found = found.optional(index.map(Hint::Keys), |found, index| found.hint(index));
                Ok(found.session(session).await?)
            };
            find.boxed()
        });
        Ok(found.await?.is_some())
    }

    pub(crate) async fn insert<D: Document>(&mut self, noun: &D::Noun) -> Result<(), StoreError> {
        let document = write::<D>(noun)?;
        let inserted = self.command(|database, session| {
            async move { Ok(collection::<D>(database).insert_one(document).session(session).await?) }.boxed()
        });
        inserted.await.map(drop)
    }

    /// Replaces the one document that matches, and tells whether one did.
    pub(crate) async fn replace<D: Document>(&mut self, filter: Filter, noun: &D::Noun) -> Result<bool, StoreError> {
        let document = write::<D>(noun)?;
        let replaced = self.command(|database, session| {
            async move { Ok(collection::<D>(database).replace_one(filter, document).session(session).await?) }.boxed()
        });
        Ok(replaced.await?.matched_count == 1)
    }

    /// Takes the next number of a named series, from 1. Gaps do not occur: an aborted act gives it back.
    pub(crate) async fn next_number(&mut self, series: &str) -> Result<i32, StoreError> {
        let (which, more) = (doc! { "_id": series }, doc! { "$inc": { "last": 1 } });
        let counter = self.command(|database, session| {
            let take = async move {
                let counters = database.collection::<Filter>("counters");
                let taken = counters.find_one_and_update(which, more).upsert(true);
                Ok(taken.return_document(ReturnDocument::After).session(session).await?)
            };
            take.boxed()
        });
        Ok(counter.await?.and_then(|counter| counter.get_i32("last").ok()).unwrap_or(1))
    }
}
