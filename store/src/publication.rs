//! Publications: what the public was told of the people in each cell, and since when. They are only ever added.

use std::collections::BTreeMap;

use futures_util::TryStreamExt;
use mongodb::{
    Database,
    bson::{self, Bson, Document as Filter, RawDocumentBuf, doc},
};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    DateTime, PlaceCategory, Precision, Publication, contract_name,
    publication::{Cell, Headcount},
};

use crate::{
    Store, StoreError,
    document::{Document, Unreadable, collection, date_time, instant, read, write},
    error::{DUPLICATE_KEY, write_code},
};

#[derive(Clone, Serialize, Deserialize)]
struct CellDoc {
    municipality: Option<String>,
    category: Option<PlaceCategory>,
}

#[derive(Serialize, Deserialize)]
struct PublicationKey {
    cell: CellDoc,
    number: i64,
}

#[derive(Serialize, Deserialize)]
pub(crate) struct PublicationDoc {
    #[serde(rename = "_id")]
    key: PublicationKey,
    at: bson::DateTime,
    people: Option<Headcount>,
    precision: Precision,
}

impl Document for PublicationDoc {
    const COLLECTION: &'static str = "publications";
    type Noun = Publication;

    fn store(noun: &Publication) -> Self {
        let cell = CellDoc { municipality: noun.cell.municipality.clone(), category: noun.cell.category };
        Self {
            key: PublicationKey { cell, number: noun.number },
            at: instant(noun.at),
            people: noun.people,
            precision: noun.precision,
        }
    }

    fn read(self) -> Result<Publication, Unreadable> {
        let CellDoc { municipality, category } = self.key.cell;
        Ok(Publication {
            cell: Cell { municipality, category },
            number: self.key.number,
            at: date_time("at", self.at)?,
            people: self.people,
            precision: self.precision,
        })
    }
}

fn cell(cell: &Cell) -> Bson {
    let category = cell.category.map(contract_name);
    Bson::Document(doc! { "municipality": cell.municipality.clone(), "category": category })
}

impl Store {
    /// Adds publications. Of two hubs that publish the same number of a cell, one does.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn publish(&self, publications: &[Publication]) -> Result<(), StoreError> {
        for chunk in publications.chunks(1_000) {
            let documents = chunk.iter().map(write::<PublicationDoc>).collect::<Result<Vec<_>, _>>()?;
            let add = |database: Database| async move {
                match collection::<PublicationDoc>(&database).insert_many(documents).ordered(false).await {
                    Err(error) if write_code(&error) != Some(DUPLICATE_KEY) => Err(error.into()),
                    _ => Ok(()),
                }
            };
            self.gate().command(add).await?;
        }
        Ok(())
    }

    /// What was told of each of these cells at an instant: of the publications until then, the last.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn published_at(&self, cells: &[Cell], at: DateTime) -> Result<BTreeMap<Cell, Publication>, StoreError> {
        let cells: Vec<Bson> = cells.iter().map(cell).collect();
        let until = doc! { "_id.cell": { "$in": cells }, "at": { "$lte": instant(at) } };
        let found: Vec<RawDocumentBuf> = self.aggregate(PublicationDoc::COLLECTION, last_of_each(until), None).await?;
        let found = found.iter().map(read::<PublicationDoc>);
        found.map(|found| found.map(|publication| (publication.cell.clone(), publication))).collect()
    }

    /// What was told of a cell until an instant, the latest first.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn published_until(&self, of: &Cell, at: DateTime) -> Result<Vec<Publication>, StoreError> {
        let until = doc! { "_id.cell": cell(of), "at": { "$lte": instant(at) } };
        self.stream::<PublicationDoc>(until, doc! { "_id.cell": 1, "_id.number": -1 }).await?.try_collect().await
    }
}

/// The last publication of each cell, of those that match.
pub(crate) fn last_of_each(which: Filter) -> Vec<Filter> {
    vec![
        doc! { "$match": which },
        doc! { "$sort": { "_id.cell": 1, "_id.number": -1 } },
        doc! { "$group": { "_id": "$_id.cell", "last": { "$first": "$$ROOT" } } },
        doc! { "$replaceRoot": { "newRoot": "$last" } },
    ]
}
