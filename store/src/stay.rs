//! Stays: the vault's link between a guest and a place.

mod admission;
mod readers;

use mongodb::bson::{self, Uuid as Binary, doc};
use serde::{Deserialize, Serialize};
use tavolo_schema::{
    Code, ExitReason, OccupancyCause, PlaceCategory, Stay, StayStatus,
    id::{OrganisationId, StayId},
    ledger::Change,
    stay::{self, DischargeGuestInput},
};

pub use self::readers::{StayPage, Within};
use crate::{
    Perform, Stopped,
    document::{self, Document, Unreadable, binary, date_time, instant},
    guest::GuestDoc,
    transaction::Transaction,
};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StayDoc {
    #[serde(rename = "_id")]
    id: Binary,
    guest: Binary,
    facility: Binary,
    category: PlaceCategory,
    status: StayStatus,
    entry_at: bson::DateTime,
    exit_at: Option<bson::DateTime>,
    exit_reason: Option<ExitReason>,
    registered_at: bson::DateTime,
    operator: Binary,
}

impl Document for StayDoc {
    const COLLECTION: &'static str = "stays";
    type Noun = Stay;

    fn store(noun: &Stay) -> Self {
        Self {
            id: binary(noun.id),
            guest: binary(noun.guest),
            facility: binary(noun.facility),
            category: noun.category,
            status: noun.status,
            entry_at: instant(noun.entry_at),
            exit_at: noun.exit_at.map(instant),
            exit_reason: noun.exit_reason,
            registered_at: instant(noun.registered_at),
            operator: binary(noun.operator),
        }
    }

    fn read(self) -> Result<Stay, Unreadable> {
        Ok(Stay {
            id: document::id(self.id),
            guest: document::id(self.guest),
            facility: document::id(self.facility),
            category: self.category,
            status: self.status,
            entry_at: date_time("entryAt", self.entry_at)?,
            exit_at: self.exit_at.map(|at| date_time("exitAt", at)).transpose()?,
            exit_reason: self.exit_reason,
            registered_at: date_time("registeredAt", self.registered_at)?,
            operator: document::id::<OrganisationId>(self.operator),
        })
    }
}

impl Transaction {
    /// A stay in a facility on which the member may perform the act.
    async fn stay(&mut self, id: StayId, field: &str) -> Result<Stay, Stopped> {
        let mut filter = doc! { "_id": binary(id) };
        let index = self.keeper().map(|keeper| {
            filter.insert("operator", binary(keeper));
            doc! { "operator": 1, "_id": 1 }
        });
        if let Some(stay) = self.find_one_by::<StayDoc>(filter, index).await?
            && self.facility_to_act_on(stay.facility).await?.is_some()
        {
            return Ok(stay);
        }
        self.refuse(Code::UnknownStay, field)
    }
}

impl Perform for DischargeGuestInput {
    type Answer = StayId;

    async fn perform(self, act: &mut Transaction) -> Result<StayId, Stopped> {
        let (at, now) = (stay::moment(self.occurred_at, act.now), act.now);
        let mut stay = act.stay(self.stay, "input.stay").await?;
        act.check(|found| stay::check_discharge(&stay, at, now, found))?;
        stay.status = StayStatus::Closed;
        stay.exit_at = Some(at);
        stay.exit_reason = Some(self.reason);
        let pool = act.pool_or_empty(stay.facility, stay.category).await?;
        let change = Change { stay: Some(stay.id), ..Change::new(OccupancyCause::Discharge, at) };
        act.change_pool(pool, change, |pool| pool.occupied -= 1).await?;
        act.replace::<StayDoc>(doc! { "_id": binary(stay.id) }, &stay).await?;
        if let Some(mut guest) = act.by_id::<GuestDoc>(binary(stay.guest)).await? {
            guest.leave(at);
            act.put_guest(&guest).await?;
        }
        Ok(stay.id)
    }
}
