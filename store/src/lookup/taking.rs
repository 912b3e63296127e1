//! Taking a look at files out of sight: how many a day.
//!
//! A look is counted before it is taken, outside the transaction: what is refused afterwards has been counted all the
//! same. Its record is written with the act, or, when the act is refused, before that is answered.

use futures_util::FutureExt;
use mongodb::{
    bson::{Bson, Document as Filter, doc},
    options::ReturnDocument,
};
use tavolo_schema::{
    Code, Lookup,
    id::{LookupId, OrganisationId},
    lookup::LookedAt,
};

use crate::{StoreError, transaction::Transaction};

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
