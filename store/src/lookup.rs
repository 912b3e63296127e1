//! Looks at files out of sight: the record of each, and who may know of it.

mod taking;

use mongodb::{
    IndexModel,
    bson::{Document as Filter, doc},
};
use tavolo_schema::{
    Act, Actor, DataClass, DateTime, Lookup, RecordOwners, Standing,
    id::{GuestId, LookupId, OrganisationId},
    lookup::LookedAt,
};

use crate::{
    Store, StoreError,
    document::{DecodeError, Document, FieldReader, FieldWriter, Stored, binary, embedded, shape::plain},
    page::KeyPage,
};

embedded! { LookedAt { guest, keeper, found, told } }

pub(crate) struct LookupDoc;

impl Document for LookupDoc {
    const COLLECTION: &'static str = "lookups";
    type Noun = Lookup;

    fn demanded() -> Vec<(&'static str, Option<&'static str>)> {
        vec![("act", Act::KIND), ("at", DateTime::KIND), ("found", Some("array")), ("files", Some("array"))]
    }

    fn indexes() -> Vec<IndexModel> {
        vec![plain(doc! { "files.told": 1, "_id": 1 }), plain(doc! { "files.guest": 1, "_id": 1 })]
    }

    fn store(noun: &Lookup) -> Filter {
        let mut fields = FieldWriter::default();
        fields.put("_id", &noun.id);
        fields.put("act", &noun.act);
        fields.put("subject", &noun.actor.subject);
        fields.put("role", &noun.actor.role);
        fields.put("organisation", &noun.actor.organisation);
        fields.put("at", &noun.at);
        fields.put("found", &noun.found);
        fields.put("files", &noun.files);
        fields.into_document()
    }

    fn read(found: FieldReader<'_>) -> Result<Lookup, DecodeError> {
        let (subject, role) = (found.take("subject")?, found.take("role")?);
        Ok(Lookup {
            id: found.take("_id")?,
            act: found.take("act")?,
            actor: Actor { subject, role, organisation: found.take("organisation")? },
            at: found.take("at")?,
            found: found.take("found")?,
            files: found.take("files")?,
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
        if told(RecordOwners::default()) {
            return Some(Self::All);
        }
        let organisation = standing.organisation?;
        told(RecordOwners { keeper: Some(organisation), ..RecordOwners::default() }).then_some(Self::Told(organisation))
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
        // An empty filter is counted along the index of ids.
        let index = filter.is_empty().then(|| doc! { "_id": 1 });
        self.count::<LookupDoc>(filter, index).await
    }
}
