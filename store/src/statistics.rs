//! What statistics and exports read: stays and entries of a time, as they come, and of people what is counted.

use std::collections::HashMap;

use futures_util::{Stream, TryStreamExt};
use mongodb::bson::{Document as Filter, Uuid as Binary, doc};
use serde::Deserialize;
use tavolo_schema::{
    DateTime, LedgerEntry, PlaceCategory, Stay,
    guest::Sex,
    id::{FacilityId, GuestId},
    statistics::GuestDemographics,
};

use crate::{
    Store, StoreError,
    document::{DecodeError, Document, Projection, binary, day, id, instant, stored},
    guest::GuestDoc,
    ledger::LedgerDoc,
    stay::StayDoc,
};

/// Facilities, and a stretch of time.
#[derive(Clone, Debug)]
pub struct Scope {
    /// These facilities.
    pub facilities: Vec<FacilityId>,
    /// Places of this category alone.
    pub category: Option<PlaceCategory>,
    /// First instant.
    pub from: DateTime,
    /// First instant that no longer belongs to it.
    pub until: DateTime,
}

impl Scope {
    fn places(&self) -> Filter {
        let facilities: Vec<Binary> = self.facilities.iter().map(|id| binary(*id)).collect();
        let mut filter = doc! { "facility": { "$in": facilities } };
        if let Some(category) = self.category {
            filter.insert("category", stored(category));
        }
        filter
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DemographicsDoc {
    #[serde(rename = "_id")]
    id: Binary,
    sex: Sex,
    birth_date: String,
    citizenships: Vec<String>,
}

impl Projection for DemographicsDoc {
    const COLLECTION: &'static str = GuestDoc::COLLECTION;
    type Noun = (GuestId, GuestDemographics);

    fn fields() -> Filter {
        doc! { "sex": 1, "birthDate": 1, "citizenships": 1 }
    }

    fn read(self) -> Result<Self::Noun, DecodeError> {
        let demographics = GuestDemographics {
            sex: self.sex,
            birth_date: day("birthDate", &self.birth_date)?,
            citizenship: self.citizenships.into_iter().next().ok_or_else(|| DecodeError("citizenships".into()))?,
        };
        Ok((id(self.id), demographics))
    }
}

/// People asked for at once.
const AT_ONCE: usize = 50_000;

impl Store {
    /// The stays that touch a scope, by arrival.
    ///
    /// # Errors
    ///
    /// When the database does not answer; in the stream, also when a document is damaged.
    pub async fn stays_within(
        &self,
        scope: &Scope,
    ) -> Result<impl Stream<Item = Result<Stay, StoreError>> + Send + use<>, StoreError> {
        let mut filter = scope.places();
        filter.insert("entryAt", doc! { "$lt": instant(scope.until) });
        filter.insert("$or", vec![doc! { "exitAt": null }, doc! { "exitAt": { "$gte": instant(scope.from) } }]);
        self.stream::<StayDoc>(filter, doc! { "entryAt": 1, "_id": 1 }).await
    }

    /// The entries of the ledger that occurred within a scope, in that order; those of one instant pool by pool, as its
    /// ledger has them.
    ///
    /// # Errors
    ///
    /// When the database does not answer; in the stream, also when a document is damaged.
    pub async fn entries_within(
        &self,
        scope: &Scope,
    ) -> Result<impl Stream<Item = Result<LedgerEntry, StoreError>> + Send + use<>, StoreError> {
        let mut filter = scope.places();
        filter.insert("occurredAt", doc! { "$gte": instant(scope.from), "$lt": instant(scope.until) });
        let order = doc! { "occurredAt": 1, "facility": 1, "category": 1, "revision": 1 };
        self.stream::<LedgerDoc>(filter, order).await
    }

    /// The entries of the ledger that were registered within a scope, pool by pool in order.
    ///
    /// # Errors
    ///
    /// When the database does not answer; in the stream, also when a document is damaged.
    pub async fn entries_by_pool(
        &self,
        scope: &Scope,
    ) -> Result<impl Stream<Item = Result<LedgerEntry, StoreError>> + Send + use<>, StoreError> {
        let mut filter = scope.places();
        filter.insert("registeredAt", doc! { "$gte": instant(scope.from), "$lt": instant(scope.until) });
        self.stream::<LedgerDoc>(filter, doc! { "facility": 1, "category": 1, "revision": 1 }).await
    }

    /// What is counted of these people.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn demographics(&self, guests: &[GuestId]) -> Result<HashMap<GuestId, GuestDemographics>, StoreError> {
        let mut found = HashMap::with_capacity(guests.len());
        for guests in guests.chunks(AT_ONCE) {
            let ids: Vec<Binary> = guests.iter().map(|guest| binary(*guest)).collect();
            let stream = self.projections::<DemographicsDoc>(doc! { "_id": { "$in": ids } }, doc! {}).await?;
            found.extend(stream.try_collect::<Vec<_>>().await?);
        }
        Ok(found)
    }
}
