//! Readers of stays, each within what a viewer sees.

use std::{collections::HashMap, hash::Hash};

use mongodb::bson::{Document as Filter, RawDocumentBuf, Uuid as Binary, doc};
use serde::Deserialize;
use tavolo_schema::{
    Stay, StayStatus,
    id::{FacilityId, GuestId, StayId},
};
use uuid::Uuid;

use super::StayDoc;
use crate::{
    Store, StoreError, Within,
    document::{self, Document, binary, read, stored},
    facility::FacilityDoc,
    guest::GuestDoc,
    page::KeyPage,
};

/// One page of the stays of each facility, or of each guest.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct StayPage {
    /// Only stays in these facilities: those whose presences the viewer sees.
    pub within: Within,
    /// Only stays of this status.
    pub status: Option<StayStatus>,
    /// Which part of the list in the order of registration. A page that is counted from the end has the latest first.
    pub keys: KeyPage<StayId>,
}

impl Store {
    /// Stays by id, for a loader.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn stays_by_ids(&self, ids: &[StayId], within: &Within) -> Result<HashMap<StayId, Stay>, StoreError> {
        if within.is_nowhere() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let mut filter = doc! { "_id": { "$in": ids } };
        let index = within.narrow(&mut filter).then(|| doc! { "facility": 1, "_id": -1 });
        let stays = self.find_by::<StayDoc>(filter, doc! {}, 0, index).await?;
        Ok(stays.into_iter().map(|stay| (stay.id, stay)).collect())
    }

    /// One page of stays for each facility, in one command.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn stays_of_facilities(
        &self,
        facilities: &[FacilityId],
        page: StayPage,
    ) -> Result<HashMap<FacilityId, Vec<Stay>>, StoreError> {
        self.stays_of(FacilityDoc::COLLECTION, "facility", facilities, page).await
    }

    /// One page of stays for each guest, in one command.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn stays_of_guests(
        &self,
        guests: &[GuestId],
        page: StayPage,
    ) -> Result<HashMap<GuestId, Vec<Stay>>, StoreError> {
        if page.within.is_nowhere() {
            return Ok(HashMap::new());
        }
        if page.within.0.is_some() {
            return self.stays_within_sight(guests, page).await;
        }
        self.stays_of(GuestDoc::COLLECTION, "guest", guests, page).await
    }

    /// A page for each guest, of the stays in some facilities: those alone are read.
    async fn stays_within_sight(
        &self,
        guests: &[GuestId],
        page: StayPage,
    ) -> Result<HashMap<GuestId, Vec<Stay>>, StoreError> {
        let guests: Vec<Binary> = guests.iter().map(|id| binary(*id)).collect();
        let mut wanted = page.wanted();
        wanted.insert("guest", doc! { "$in": guests });
        let first = doc! { "$firstN": { "input": "$$ROOT", "n": page.keys.limit } };
        let pipeline = vec![
            doc! { "$match": wanted },
            doc! { "$sort": page.keys.order() },
            doc! { "$group": { "_id": "$guest", "stays": first } },
        ];
        let by_place = doc! { "facility": 1, "guest": 1, "_id": -1 };
        joined(self.aggregate(StayDoc::COLLECTION, pipeline, Some(by_place)).await?)
    }

    /// A page for each key: the join cuts each one's list at the limit, which a plain `$in` cannot.
    async fn stays_of<I>(
        &self,
        owners: &'static str,
        field: &str,
        ids: &[I],
        page: StayPage,
    ) -> Result<HashMap<I, Vec<Stay>>, StoreError>
    where
        I: Copy + Eq + Hash + From<Uuid> + Into<Uuid>,
    {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let wanted = page.wanted();
        let pipeline = vec![
            doc! { "$match": { "_id": { "$in": ids } } },
            doc! { "$project": { "_id": 1 } },
            doc! { "$lookup": {
                "from": StayDoc::COLLECTION,
                "localField": "_id",
                "foreignField": field,
                "pipeline": [{ "$match": wanted }, { "$sort": page.keys.order() }, { "$limit": page.keys.limit }],
                "as": "stays",
            } },
        ];
        joined(self.aggregate(owners, pipeline, None).await?)
    }
}

impl StayPage {
    fn wanted(&self) -> Filter {
        let mut wanted = doc! {};
        self.within.narrow(&mut wanted);
        if let Some(status) = self.status {
            wanted.insert("status", stored(status));
        }
        self.keys.within(wanted)
    }
}

fn joined<I: Eq + Hash + From<Uuid>>(found: Vec<Joined>) -> Result<HashMap<I, Vec<Stay>>, StoreError> {
    let mut pages = HashMap::new();
    for Joined { id, stays } in found {
        let stays = stays.iter().map(read::<StayDoc>).collect::<Result<Vec<_>, _>>()?;
        pages.insert(document::id(id), stays);
    }
    Ok(pages)
}

/// An owner with its stays.
#[derive(Deserialize)]
struct Joined {
    #[serde(rename = "_id")]
    id: Binary,
    stays: Vec<RawDocumentBuf>,
}
