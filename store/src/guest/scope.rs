//! Whose files a viewer sees.

use mongodb::bson::{Document as Filter, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{DataClass, Guest, RecordOwners, Standing, id::OrganisationId};

use crate::document::{binary, stored, stored_by_serde};

/// Why an organisation sees a file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Sees {
    Keeper,
    Holder,
    Former,
}

stored_by_serde! { "string": Sees }

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
        if persons(RecordOwners::default()) {
            return Some(Self::All);
        }
        let organisation = standing.organisation?;
        if !persons(RecordOwners { keeper: Some(organisation), ..RecordOwners::default() }) {
            return None;
        }
        let holds = persons(RecordOwners { holder: Some(organisation), ..RecordOwners::default() });
        Some(Self::Kept { organisation, holds })
    }

    /// The organisation whose files alone it is; none for everybody's.
    pub(crate) fn keeper(self) -> Option<OrganisationId> {
        match self {
            Self::All => None,
            Self::Kept { organisation, .. } => Some(organisation),
        }
    }

    /// The scope as a condition.
    pub(super) fn filter(self) -> Filter {
        self.sight(doc! {})
    }

    /// The scope as a condition, with more that has to be so in the eyes of the viewer.
    pub(super) fn sight(self, mut more: Filter) -> Filter {
        let Self::Kept { organisation, holds } = self else { return more };
        more.insert("by", binary(organisation));
        if !holds {
            more.insert("as", doc! { "$ne": stored(Sees::Holder) });
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
