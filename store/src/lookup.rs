//! Looks at files out of sight: the record of each, and who may know of it.

mod taking;

use mongodb::bson::{self, Document as Filter, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Act, Actor, Code, DataClass, Lookup, Party, Role, Standing,
    id::{GuestId, LookupId, OrganisationId},
    lookup::LookedAt,
};

use crate::{
    Store, StoreError,
    document::{self, Document, Unreadable, binary, date_time, instant},
    page::KeyPage,
};

#[derive(Serialize, Deserialize)]
struct FileDoc {
    guest: Binary,
    keeper: Binary,
    found: Vec<Code>,
    told: Vec<Binary>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LookupDoc {
    #[serde(rename = "_id")]
    id: Binary,
    act: Act,
    subject: Option<String>,
    role: Option<Role>,
    organisation: Option<Binary>,
    at: bson::DateTime,
    found: Vec<Code>,
    files: Vec<FileDoc>,
}

impl Document for LookupDoc {
    const COLLECTION: &'static str = "lookups";
    type Noun = Lookup;

    fn store(noun: &Lookup) -> Self {
        let file = |file: &LookedAt| FileDoc {
            guest: binary(file.guest),
            keeper: binary(file.keeper),
            found: file.found.clone(),
            told: file.told.iter().map(|organisation| binary(*organisation)).collect(),
        };
        Self {
            id: binary(noun.id),
            act: noun.act,
            subject: noun.actor.subject.clone(),
            role: noun.actor.role,
            organisation: noun.actor.organisation.map(binary),
            at: instant(noun.at),
            found: noun.found.clone(),
            files: noun.files.iter().map(file).collect(),
        }
    }

    fn read(self) -> Result<Lookup, Unreadable> {
        let file = |file: FileDoc| LookedAt {
            guest: document::id(file.guest),
            keeper: document::id(file.keeper),
            found: file.found,
            told: file.told.into_iter().map(document::id).collect(),
        };
        Ok(Lookup {
            id: document::id(self.id),
            act: self.act,
            actor: Actor { subject: self.subject, role: self.role, organisation: self.organisation.map(document::id) },
            at: date_time("at", self.at)?,
            found: self.found,
            files: self.files.into_iter().map(file).collect(),
        })
    }
}

/// Which looks a viewer may know of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LookupScope {
    /// Every look.
    All,
    /// Those that hit a file of this organisation.
    Told(OrganisationId),
}

impl LookupScope {
    /// Which looks somebody with this standing may know of; `None` for none.
    #[must_use]
    pub fn of(standing: &Standing) -> Option<Self> {
        let told = |owners| standing.sees(owners).contains(DataClass::Lookup);
        if told(Party::default()) {
            return Some(Self::All);
        }
        let organisation = standing.organisation?;
        told(Party { keeper: Some(organisation), ..Party::default() }).then_some(Self::Told(organisation))
    }

    fn filter(self, guest: Option<GuestId>) -> Filter {
        let mut file = doc! {};
        if let Self::Told(organisation) = self {
            file.insert("told", binary(organisation));
        }
        if let Some(guest) = guest {
            file.insert("guest", binary(guest));
        }
        if file.is_empty() {
            doc! {}
        } else {
            doc! { "files": { "$elemMatch": file } }
        }
    }
}

impl Store {
    /// One page of looks, the earliest first; of those at one guest's file when a guest is named.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn lookups(
        &self,
        guest: Option<GuestId>,
        scope: LookupScope,
        page: KeyPage<LookupId>,
    ) -> Result<Vec<Lookup>, StoreError> {
        let filter = page.within(scope.filter(guest));
        Ok(page.in_order(self.find_by::<LookupDoc>(filter, page.order(), page.limit, None).await?))
    }

    /// How many looks such a list has.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn count_lookups(&self, guest: Option<GuestId>, scope: LookupScope) -> Result<u64, StoreError> {
        let filter = scope.filter(guest);
        // All of them are counted by their ids.
        let index = filter.is_empty().then(|| doc! { "_id": 1 });
        self.count::<LookupDoc>(filter, index).await
    }
}
