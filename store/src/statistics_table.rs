//! Published statistics: made once, kept, and read by everybody.

use std::collections::BTreeMap;

use mongodb::Database;
use mongodb::bson::{self, Bson, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    PlaceCategory,
    period::HalfYear,
    statistics_table::{Group, PublishedTable, Rows, Totals},
};

use crate::{
    Store, StoreError,
    document::{Document, Unreadable, collection, date_time, instant, write},
    error::{DUPLICATE_KEY, write_code},
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StatisticsTableDoc {
    #[serde(rename = "_id")]
    half: String,
    made_at: bson::DateTime,
    groups: Vec<GroupDoc>,
    rows: RowsDoc,
}

/// Totals; of the whole when neither category nor municipality is named.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GroupDoc {
    category: Option<PlaceCategory>,
    municipality: Option<String>,
    hosted: i32,
    person_days: i32,
    entries: i32,
    exits: i32,
    monthly_entries: [i32; 6],
    monthly_exits: [i32; 6],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RowsDoc {
    reasons: Vec<i32>,
    lengths: Vec<i32>,
    citizenships: Vec<i32>,
    sexes: Vec<i32>,
    ages: Vec<i32>,
}

impl GroupDoc {
    fn store((group, totals): (&Group, &Totals)) -> Self {
        let (category, municipality) = match group {
            Group::Whole => (None, None),
            Group::Category(category) => (Some(*category), None),
            Group::Municipality(code) => (None, Some(code.clone())),
        };
        Self {
            category,
            municipality,
            hosted: totals.hosted,
            person_days: totals.person_days,
            entries: totals.entries,
            exits: totals.exits,
            monthly_entries: totals.monthly_entries,
            monthly_exits: totals.monthly_exits,
        }
    }

    fn read(self) -> Result<(Group, Totals), Unreadable> {
        let group = match (self.category, self.municipality) {
            (None, None) => Group::Whole,
            (Some(category), None) => Group::Category(category),
            (None, Some(code)) => Group::Municipality(code),
            _ => return Err(Unreadable("groups")),
        };
        let totals = Totals {
            hosted: self.hosted,
            person_days: self.person_days,
            entries: self.entries,
            exits: self.exits,
            monthly_entries: self.monthly_entries,
            monthly_exits: self.monthly_exits,
        };
        Ok((group, totals))
    }
}

impl Document for StatisticsTableDoc {
    const COLLECTION: &'static str = "statisticsTables";
    type Noun = PublishedTable;

    fn store(noun: &PublishedTable) -> Self {
        let Rows { reasons, lengths, citizenships, sexes, ages } = noun.rows.clone();
        Self {
            half: noun.half.to_string(),
            made_at: instant(noun.made_at),
            groups: noun.groups.iter().map(GroupDoc::store).collect(),
            rows: RowsDoc { reasons, lengths, citizenships, sexes, ages },
        }
    }

    fn read(self) -> Result<PublishedTable, Unreadable> {
        let RowsDoc { reasons, lengths, citizenships, sexes, ages } = self.rows;
        Ok(PublishedTable {
            half: self.half.parse().map_err(|()| Unreadable("_id"))?,
            made_at: date_time("madeAt", self.made_at)?,
            groups: self.groups.into_iter().map(GroupDoc::read).collect::<Result<_, _>>()?,
            rows: Rows { reasons, lengths, citizenships, sexes, ages },
        })
    }
}

impl Store {
    /// The tables of these half-years, as far as they have been made.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn statistics_tables(
        &self,
        halves: &[HalfYear],
    ) -> Result<BTreeMap<HalfYear, PublishedTable>, StoreError> {
        let names: Vec<Bson> = halves.iter().map(|half| half.to_string().into()).collect();
        let found = self.find_all::<StatisticsTableDoc>(doc! { "_id": { "$in": names } }, doc! {}).await?;
        Ok(found.into_iter().map(|table| (table.half, table)).collect())
    }

    /// Keeps a table, unless there is one of its half-year: whichever was first stays for ever.
    ///
    /// # Errors
    ///
    /// When the database does not answer; then the table may have been kept.
    pub async fn keep_statistics_table(&self, table: &PublishedTable) -> Result<(), StoreError> {
        let document = write::<StatisticsTableDoc>(table)?;
        let keep = |database: Database| async move {
            match collection::<StatisticsTableDoc>(&database).insert_one(document).await {
                Err(error) if write_code(&error) != Some(DUPLICATE_KEY) => Err(error.into()),
                _ => Ok(()),
            }
        };
        self.gate().command(keep).await
    }
}
