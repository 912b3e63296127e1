//! Readers of files, each within what a viewer sees.

use std::collections::HashMap;

use mongodb::bson::{Document as Filter, Uuid as Binary, doc};
use tavolo_schema::{
    Guest,
    guest::GuestFilter,
    id::{GuestId, HouseholdId},
};

use super::{GuestDoc, scope::GuestScope};
use crate::{
    Store, StoreError,
    document::{binary, stored},
    page::KeyPage,
};

/// What the database is asked for.
fn filter_of(wanted: &GuestFilter, scope: GuestScope) -> Filter {
    let mut places = Vec::new();
    if let Some(facility) = wanted.facility {
        places.push(doc! { "facility": binary(facility) });
    }
    if let Some(present) = wanted.present {
        places.push(if present {
            doc! { "facility": { "$ne": null } }
        } else {
            doc! { "facility": null }
        });
    }
    let mut filter = scope.sight(if places.is_empty() {
        doc! {}
    } else {
        doc! { "$and": places }
    });
    if let Some(status) = wanted.legal_status {
        filter.insert("legalStatus", stored(status));
    }
    if let Some(citizenship) = &wanted.citizenship {
        filter.insert("citizenships", citizenship);
    }
    if let Some(surname) = &wanted.surname {
        // A range, not a pattern: nothing in the text is an operator, and the index serves it.
        filter.insert("surname", doc! { "$gte": surname, "$lt": format!("{surname}\u{10FFFF}") });
    }
    filter
}

/// The index that serves it.
fn index_of(wanted: &GuestFilter, scope: GuestScope) -> Option<Filter> {
    let field = match wanted {
        GuestFilter { surname: Some(_), .. } => "surname",
        GuestFilter { facility: Some(_), .. } => "facility",
        _ => "_id",
    };
    scope.index(field)
}

/// Which part of a list of guests.
pub type GuestPage = KeyPage<GuestId>;

impl Store {
    /// Guests by id, for a loader.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn guests_by_ids(
        &self,
        ids: &[GuestId],
        scope: GuestScope,
    ) -> Result<HashMap<GuestId, Guest>, StoreError> {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let guests = self.guests_with("_id", &ids, scope).await?;
        Ok(guests.into_iter().map(|guest| (guest.id, guest)).collect())
    }

    /// The members of households, for a loader.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn guests_by_households(
        &self,
        ids: &[HouseholdId],
        scope: GuestScope,
    ) -> Result<HashMap<HouseholdId, Vec<Guest>>, StoreError> {
        let ids: Vec<Binary> = ids.iter().map(|id| binary(*id)).collect();
        let mut households: HashMap<HouseholdId, Vec<Guest>> = HashMap::new();
        for guest in self.guests_with("household", &ids, scope).await? {
            households.entry(guest.household).or_default().push(guest);
        }
        Ok(households)
    }

    /// The guests within a scope of whom a field has one of some values, in the order of registration.
    async fn guests_with(&self, field: &str, among: &[Binary], scope: GuestScope) -> Result<Vec<Guest>, StoreError> {
        let mut filter = scope.filter();
        filter.insert(field, doc! { "$in": among });
        let guests = self.find_by::<GuestDoc>(filter, doc! { "_id": 1 }, 0, scope.index(field)).await?;
        Ok(guests.into_iter().filter_map(|guest| scope.view(guest)).collect())
    }

    /// One page of guests in the order of registration.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn guests(
        &self,
        filter: &GuestFilter,
        scope: GuestScope,
        page: GuestPage,
    ) -> Result<Vec<Guest>, StoreError> {
        let query = page.within(filter_of(filter, scope));
        let guests = self.find_by::<GuestDoc>(query, page.order(), page.limit, index_of(filter, scope)).await?;
        let guests = page.in_order(guests);
        Ok(guests.into_iter().filter_map(|guest| scope.view(guest)).collect())
    }

    /// How many guests a list has.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn count_guests(&self, filter: &GuestFilter, scope: GuestScope) -> Result<u64, StoreError> {
        self.count::<GuestDoc>(filter_of(filter, scope), index_of(filter, scope)).await
    }
}
