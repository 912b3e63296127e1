//! Members: the roster of who may sit at the table, and as what.

use mongodb::bson::doc;
use tavolo_schema::Member;

use crate::{
    Store, StoreError,
    document::{collection, document},
};

document! {
    pub(crate) MemberDoc of Member in "members" { subject as "_id", role, organisation }
}

impl Store {
    /// Gives a subject its membership, replacing an earlier one.
    ///
    /// # Errors
    ///
    /// When the database does not accept it.
    pub async fn put_member(&self, member: &Member) -> Result<(), StoreError> {
        self.put::<MemberDoc>(member.subject.as_str().into(), member).await
    }

    /// Ends a membership and tells whether there was one.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn remove_member(&self, subject: &str) -> Result<bool, StoreError> {
        let which = doc! { "_id": subject };
        let removed = self
            .gate()
            .command(|database| async move { Ok(collection::<MemberDoc>(&database).delete_one(which).await?) });
        Ok(removed.await?.deleted_count > 0)
    }

    /// Every member, by subject.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn members(&self) -> Result<Vec<Member>, StoreError> {
        self.find_all::<MemberDoc>(doc! {}, doc! { "_id": 1 }).await
    }
}
