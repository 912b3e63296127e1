//! Published statistics: made once, kept, and read by everybody.

use std::collections::BTreeMap;

use mongodb::{
    Database,
    bson::{Bson, RawBsonRef, doc},
};
use tavolo_schema::{
    period::HalfYear,
    statistics_table::{Group, PublishedTable, Rows, Totals},
};

use crate::{
    Store, StoreError,
    document::{DecodeError, FieldReader, FieldWriter, Stored, collection, document, embedded, write},
    error::{DUPLICATE_KEY, write_code},
};

document! {
    pub(crate) StatisticsTableDoc of PublishedTable in "statisticsTables" { half as "_id", made_at, groups, rows }
}

embedded! { Rows { reasons, lengths, citizenships, sexes, ages } }

impl Stored for HalfYear {
    const KIND: Option<&'static str> = Some("string");

    fn store(&self) -> Bson {
        self.to_string().into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        stored.as_str().and_then(|name| name.parse().ok()).ok_or_else(|| DecodeError(String::new()))
    }
}

/// A list: totals with what they are of, of the whole when neither category nor municipality is named.
impl Stored for BTreeMap<Group, Totals> {
    const KIND: Option<&'static str> = Some("array");

    fn store(&self) -> Bson {
        self.iter().map(OfGroup::from).map(|own| own.store()).collect::<Vec<_>>().into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        Ok(Vec::<OfGroup>::read(stored)?.into_iter().map(|OfGroup(group, totals)| (group, totals)).collect())
    }
}

/// Totals of a group.
struct OfGroup(Group, Totals);

impl From<(&Group, &Totals)> for OfGroup {
    fn from((group, totals): (&Group, &Totals)) -> Self {
        Self(group.clone(), totals.clone())
    }
}

impl Stored for OfGroup {
    const KIND: Option<&'static str> = Some("object");

    fn store(&self) -> Bson {
        let Self(group, totals) = self;
        let (category, municipality) = match group {
            Group::Whole => (None, None),
            Group::Category(category) => (Some(*category), None),
            Group::Municipality(code) => (None, Some(code.clone())),
        };
        let mut fields = FieldWriter::default();
        fields.put("category", &category);
        fields.put("municipality", &municipality);
        fields.put("hosted", &totals.hosted);
        fields.put("personDays", &totals.person_days);
        fields.put("entries", &totals.entries);
        fields.put("exits", &totals.exits);
        fields.put("monthlyEntries", &totals.monthly_entries);
        fields.put("monthlyExits", &totals.monthly_exits);
        fields.into_document().into()
    }

    fn read(stored: RawBsonRef<'_>) -> Result<Self, DecodeError> {
        let found = FieldReader::embedded(stored)?;
        let group = match (found.take("category")?, found.take("municipality")?) {
            (None, None) => Group::Whole,
            (Some(category), None) => Group::Category(category),
            (None, Some(code)) => Group::Municipality(code),
            (Some(_), Some(_)) => return Err(DecodeError("municipality".into())),
        };
        let totals = Totals {
            hosted: found.take("hosted")?,
            person_days: found.take("personDays")?,
            entries: found.take("entries")?,
            exits: found.take("exits")?,
            monthly_entries: found.take("monthlyEntries")?,
            monthly_exits: found.take("monthlyExits")?,
        };
        Ok(Self(group, totals))
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
