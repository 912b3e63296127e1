//! Publications: what the public was told of the people in each cell, and since when. They are only ever added.

use std::collections::BTreeMap;

use mongodb::{
    Database,
    bson::{Document as Filter, RawBsonRef, RawDocumentBuf, doc},
    error::Error,
};
use tavolo_schema::{DateTime, Publication, publication::Cell};

use crate::{
    Store, StoreError,
    document::{Document, Stored, collection, document, embedded, instant, read, shape::plain, write},
    error::{DUPLICATE_KEY, write_code},
};

embedded! { Cell { municipality, category } }

document! {
    pub(crate) PublicationDoc of Publication in "publications" {
        cell as "_id.cell", number as "_id.number", at, people, precision,
    }
    indexes {
        plain(doc! { "_id.cell": 1, "_id.number": -1 }),
        plain(by_time()),
    }
}

/// Reads a publication. Nothing is read of what an earlier version published: it told of all categories together, and
/// hubs of that version may still do so.
pub(crate) fn read_publication(raw: &RawDocumentBuf) -> Result<Option<Publication>, StoreError> {
    let cell = raw.get_document("_id").and_then(|id| id.get_document("cell"));
    let of_all = cell.is_ok_and(|cell| matches!(cell.get("category"), Ok(Some(RawBsonRef::Null))));
    if of_all { Ok(None) } else { read::<PublicationDoc>(raw).map(Some) }
}

/// The index of a cell's publications by their time.
pub(crate) fn by_time() -> Filter {
    doc! { "_id.cell": 1, "at": -1, "_id.number": -1 }
}

/// The last publication of a cell until an instant.
fn last_until(of: &Cell, at: DateTime) -> [Filter; 3] {
    [
        doc! { "$match": { "_id.cell": of.store(), "at": { "$lte": instant(at) } } },
        doc! { "$sort": by_time() },
        doc! { "$limit": 1 },
    ]
}

fn and(pipeline: impl IntoIterator<Item = Filter>) -> Filter {
    let pipeline: Vec<Filter> = pipeline.into_iter().collect();
    doc! { "$unionWith": { "coll": PublicationDoc::COLLECTION, "pipeline": pipeline } }
}

impl Store {
    /// Adds publications. Of two hubs that publish the same number of a cell, one does. The first ones of a cell are
    /// added together or not at all: what is missing of them would never be added.
    ///
    /// # Errors
    ///
    /// When the database does not answer, or another hub is adding the first publications of the same cell.
    pub async fn publish(&self, publications: &[Publication]) -> Result<(), StoreError> {
        let mut of_cells: BTreeMap<&Cell, Vec<&Publication>> = BTreeMap::new();
        for publication in publications {
            of_cells.entry(&publication.cell).or_default().push(publication);
        }
        let (of_past, next): (Vec<_>, Vec<_>) = of_cells.into_values().partition(|own| own.len() > 1);
        for of_cell in of_past {
            self.add_together(&of_cell).await?;
        }
        let next: Vec<&Publication> = next.into_iter().flatten().collect();
        for chunk in next.chunks(1_000) {
            let documents = documents(chunk)?;
            let add = |database: Database| async move {
                passing_over_known(collection::<PublicationDoc>(&database).insert_many(documents).ordered(false).await)
            };
            self.gate().command(add).await?;
        }
        Ok(())
    }

    async fn add_together(&self, publications: &[&Publication]) -> Result<(), StoreError> {
        let documents = documents(publications)?;
        let add = |database: Database| async move {
            let mut session = database.client().start_session().await?;
            session.start_transaction().await?;
            let publications = collection::<PublicationDoc>(&database);
            match publications.insert_many(documents).session(&mut session).await {
                Ok(_) => Ok(session.commit_transaction().await?),
                // The transaction ends with its session.
                refused => passing_over_known(refused),
            }
        };
        self.gate().at_leisure(add).await
    }

    /// What was told of each of these cells at an instant: of the publications until then, the last.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn published_at(&self, cells: &[Cell], at: DateTime) -> Result<BTreeMap<Cell, Publication>, StoreError> {
        let Some((first, others)) = cells.split_first() else { return Ok(BTreeMap::new()) };
        let others = others.iter().map(|cell| and(last_until(cell, at)));
        let found = self.publications_of(last_until(first, at).into_iter().chain(others).collect()).await?;
        Ok(found.into_iter().map(|publication| (publication.cell.clone(), publication)).collect())
    }

    /// What was told of a cell from one instant to another, in order: what was told at the first already, then whatever
    /// was published until the other.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn published_between(
        &self,
        of: &Cell,
        from: DateTime,
        to: DateTime,
    ) -> Result<Vec<Publication>, StoreError> {
        let later = doc! { "_id.cell": of.store(), "at": { "$gt": instant(from), "$lte": instant(to) } };
        let later = and([doc! { "$match": later }]);
        let mut found = self.publications_of(last_until(of, from).into_iter().chain([later]).collect()).await?;
        found.sort_unstable_by_key(|publication| publication.number);
        Ok(found)
    }

    async fn publications_of(&self, pipeline: Vec<Filter>) -> Result<Vec<Publication>, StoreError> {
        let found: Vec<RawDocumentBuf> = self.aggregate(PublicationDoc::COLLECTION, pipeline, None).await?;
        found.iter().map(read::<PublicationDoc>).collect()
    }
}

fn documents(publications: &[&Publication]) -> Result<Vec<RawDocumentBuf>, StoreError> {
    publications.iter().map(|publication| write::<PublicationDoc>(publication)).collect()
}

/// What is there already has been published by another hub.
fn passing_over_known<T>(inserted: Result<T, Error>) -> Result<(), StoreError> {
    match inserted {
        Err(error) if write_code(&error) != Some(DUPLICATE_KEY) => Err(error.into()),
        _ => Ok(()),
    }
}

/// The last publication of each cell.
pub(crate) fn last_of_each() -> [Filter; 3] {
    [
        doc! { "$sort": { "_id.cell": 1, "_id.number": -1 } },
        doc! { "$group": { "_id": "$_id.cell", "last": { "$first": "$$ROOT" } } },
        doc! { "$replaceRoot": { "newRoot": "$last" } },
    ]
}
