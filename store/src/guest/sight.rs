//! Readers of files, each within what a viewer sees.

use std::collections::HashMap;

use mongodb::bson::{Document as Filter, Uuid as Binary, doc};
use tavolo_schema::{
    DataClass, Guest, Party, Standing, contract_name,
    guest::LegalStatus,
    id::{FacilityId, GuestId, HouseholdId, OrganisationId},
};
use uuid::Uuid;

use super::GuestDoc;
use crate::{Store, StoreError, document::binary};

/// Whose files a viewer may see at all. It is part of every query, and the query's index begins with it: neither counts
/// and pages nor the time an answer takes betray what they leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GuestScope {
    /// Every file, as it is now.
    All,
    /// The files an organisation keeps, and as they were those it kept once.
    Kept {
        /// The organisation.
        organisation: OrganisationId,
        /// Also those of guests in projects it holds.
        holds: bool,
    },
}

impl GuestScope {
    /// Whose files somebody with this standing may see; `None` for nobody's.
    #[must_use]
    pub fn of(standing: &Standing) -> Option<Self> {
        let persons = |owners| standing.sees(owners).contains(DataClass::Identity);
        if persons(Party::default()) {
            return Some(Self::All);
        }
        let organisation = standing.organisation?;
        if !persons(Party { keeper: Some(organisation), ..Party::default() }) {
            return None;
        }
        let holds = persons(Party { holder: Some(organisation), ..Party::default() });
        Some(Self::Kept { organisation, holds })
    }

    /// The scope as a condition.
    pub(super) fn filter(self) -> Filter {
        self.sight(doc! {})
    }

    /// The scope as a condition, with more that has to be so in the eyes of the viewer.
    fn sight(self, mut more: Filter) -> Filter {
        let Self::Kept { organisation, holds } = self else { return more };
        more.insert("by", binary(organisation));
        if !holds {
            more.insert("as", doc! { "$ne": "HOLDER" });
        }
        doc! { "sight": { "$elemMatch": more } }
    }

    /// The index that begins with the scope and goes on with a field. Without a scope the database chooses.
    pub(super) fn index(self, field: &str) -> Option<Filter> {
        match (self, field) {
            (Self::All, _) => None,
            (Self::Kept { .. }, "_id") => Some(doc! { "sight.by": 1, "_id": 1 }),
            (Self::Kept { .. }, "facility") => Some(doc! { "sight.by": 1, "sight.facility": 1, "_id": 1 }),
            (Self::Kept { .. }, field) => Some(doc! { "sight.by": 1, field: 1 }),
        }
    }

    /// A file that was found within the scope, as it is shown there.
    pub(super) fn view(self, guest: Guest) -> Option<Guest> {
        match self {
            Self::All => Some(guest),
            Self::Kept { organisation, holds } => guest.as_seen_by(organisation, holds),
        }
    }
}

/// Which guests a list is about.
#[derive(Clone, Debug, Default)]
pub struct GuestFilter {
    /// Present in this facility.
    pub facility: Option<FacilityId>,
    /// Present anywhere, or nowhere.
    pub present: Option<bool>,
    /// Of this legal status.
    pub legal_status: Option<LegalStatus>,
    /// With this citizenship, ISO 3166-1 alpha-3.
    pub citizenship: Option<String>,
    /// Surname begins with this text, case and accents as written.
    pub surname: Option<String>,
}

impl GuestFilter {
    fn filter(&self, scope: GuestScope) -> Filter {
        let mut places = Vec::new();
        if let Some(facility) = self.facility {
            places.push(doc! { "facility": binary(facility) });
        }
        if let Some(present) = self.present {
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
        if let Some(status) = self.legal_status {
            filter.insert("legalStatus", contract_name(status));
        }
        if let Some(citizenship) = &self.citizenship {
            filter.insert("citizenships", citizenship);
        }
        if let Some(surname) = &self.surname {
            // A range, not a pattern: nothing in the text is an operator, and the index serves it.
            filter.insert("surname", doc! { "$gte": surname, "$lt": format!("{surname}\u{10FFFF}") });
        }
        filter
    }

    fn index(&self, scope: GuestScope) -> Option<Filter> {
        let field = match self {
            Self { surname: Some(_), .. } => "surname",
            Self { facility: Some(_), .. } => "facility",
            _ => "_id",
        };
        scope.index(field)
    }
}

/// Which part of a list that is in the order of its ids.
#[derive(Clone, Copy, Debug)]
pub struct KeyPage<I> {
    /// Only what comes after this one.
    pub after: Option<I>,
    /// Only what comes before this one.
    pub before: Option<I>,
    /// How many at most.
    pub limit: i64,
    /// Counted from the end.
    pub backwards: bool,
}

/// Which part of a list of guests.
pub type GuestPage = KeyPage<GuestId>;

impl<I: Copy + Into<Uuid>> KeyPage<I> {
    /// The filter of the list, for this part of it.
    pub(crate) fn within(&self, mut filter: Filter) -> Filter {
        let mut ids = doc! {};
        if let Some(after) = self.after {
            ids.insert("$gt", binary(after));
        }
        if let Some(before) = self.before {
            ids.insert("$lt", binary(before));
        }
        if !ids.is_empty() {
            filter.insert("_id", ids);
        }
        filter
    }

    /// The order to read in.
    pub(crate) fn order(&self) -> Filter {
        doc! { "_id": if self.backwards { -1 } else { 1 } }
    }

    /// What was read, in the order of the list.
    pub(crate) fn in_order<T>(&self, mut found: Vec<T>) -> Vec<T> {
        if self.backwards {
            found.reverse();
        }
        found
    }
}

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
        let query = page.within(filter.filter(scope));
        let guests = self.find_by::<GuestDoc>(query, page.order(), page.limit, filter.index(scope)).await?;
        let guests = page.in_order(guests);
        Ok(guests.into_iter().filter_map(|guest| scope.view(guest)).collect())
    }

    /// How many guests a list has.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn count_guests(&self, filter: &GuestFilter, scope: GuestScope) -> Result<u64, StoreError> {
        self.count::<GuestDoc>(filter.filter(scope), filter.index(scope)).await
    }
}
