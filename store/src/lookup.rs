//! Looks at files out of sight: how many a day, and the record of each.
//!
//! A look is counted before it is taken, outside the transaction: what is refused afterwards has been counted all the
//! same. Its record is written with the act, or, when the act is refused, before that is answered.

use futures_util::FutureExt;
use mongodb::{
    bson::{self, Bson, Document as Filter, Uuid as Binary, doc},
    options::ReturnDocument,
};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Act, Actor, Code, DataClass, Lookup, Party, Role, Standing,
    id::{GuestId, LookupId, OrganisationId},
    lookup::LookedAt,
};

use crate::{
    Store, StoreError,
    document::{self, Document, Unreadable, binary, date_time, instant},
    guest::KeyPage,
    transaction::Transaction,
};

/// How many looks may be taken in a day, in Rome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupLimits {
    /// By one member.
    pub member: u32,
    /// By all members of an organisation.
    pub body: u32,
}

impl Default for LookupLimits {
    /// Enough for the landing of sixty people that one member registers and admits, and for three such members of one
    /// organisation; too few to try out birth dates.
    fn default() -> Self {
        Self { member: 120, body: 360 }
    }
}

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

impl Transaction {
    /// Counts a look that is about to be taken, once for each order however often that is repeated, and tells whether it
    /// may be. A look too many is refused before anything is known.
    pub(crate) async fn may_look(&mut self) -> Result<bool, StoreError> {
        let allowed = match self.counted.get() {
            Some(allowed) => *allowed,
            None => {
                let allowed = self.count_look().await?;
                *self.counted.get_or_init(|| allowed)
            }
        };
        if !allowed {
            self.found.add(Code::LookupsExhausted, "input");
        }
        Ok(allowed)
    }

    async fn count_look(&mut self) -> Result<bool, StoreError> {
        let subject = self.actor.subject.clone().unwrap_or_default();
        let body = self.actor.organisation.map(OrganisationId::encode).unwrap_or_default();
        let today = self.today().to_string();
        let earlier = doc! { "$lt": [{ "$ifNull": ["$day", ""] }, &today] };
        let begin = |with: Bson, field: &str| doc! { "$cond": [earlier.clone(), { "$literal": with }, field] };
        let member = doc! { "$literal": &subject };
        let own = doc! { "$getField": { "field": member.clone(), "input": "$members" } };
        let own = doc! { "$ifNull": [own, 0] };
        let limit = |limit: u32| i64::from(limit);
        let more = doc! { "$cond": ["$taken", 1, 0] };
        let counting = vec![
            doc! { "$set": {
                "last": begin(Bson::Int32(0), "$last"),
                "members": begin(Bson::Document(doc! {}), "$members"),
                // The clocks of two hubs may differ at midnight: a day that has begun is not begun again.
                "day": { "$max": ["$day", &today] },
            } },
            // What may not be taken is not counted: one member who goes on asking uses up nobody else's looks.
            doc! { "$set": { "taken": { "$and": [
                { "$lt": ["$last", limit(self.limits.body)] }, { "$lt": [own.clone(), limit(self.limits.member)] },
            ] } } },
            doc! { "$set": {
                "last": { "$add": ["$last", more.clone()] },
                "members": { "$setField": {
                    "field": member, "input": "$members", "value": { "$add": [own, more] },
                } },
            } },
        ];
        let which = doc! { "_id": format!("looks of {body}") };
        let counted = self.aside(|database| {
            let count = async move {
                let counters = database.collection::<Filter>("counters");
                let counted = counters.find_one_and_update(which, counting).upsert(true);
                Ok(counted.return_document(ReturnDocument::After).await?)
            };
            count.boxed()
        });
        let counted = counted.await?;
        Ok(counted.is_some_and(|counted| counted.get_bool("taken").unwrap_or_default()))
    }

    /// Has a look recorded, whatever comes of the act: what it told, and whose files it hit.
    pub(crate) fn looked(&mut self, found: Vec<Code>, files: Vec<LookedAt>) {
        let id = LookupId::from(uuid::Uuid::from(self.id));
        let (act, actor, at) = (self.ordered, self.actor.clone(), self.now);
        self.look = Some(Lookup { id, act, actor, at, found, files });
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
