//! Stays: the vault's link between a guest and a place.

mod admission;
mod readers;

use mongodb::bson::doc;
use tavolo_schema::{
    Code, OccupancyCause, Stay, StayStatus,
    id::StayId,
    ledger::Change,
    stay::{self, DischargeGuestInput},
};

pub use self::readers::StayPage;
use crate::{
    Perform, Stopped,
    document::{
        binary, document,
        shape::{plain, unique_where},
        stored,
    },
    guest::GuestDoc,
    transaction::Transaction,
};

document! {
    pub(crate) StayDoc of Stay in "stays" {
        id as "_id", guest, facility, category, status, entry_at, exit_at, exit_reason, registered_at, operator,
    }
    indexes {
        // A person has one open stay, whatever two hubs do at the same time.
        unique_where(doc! { "guest": 1 }, doc! { "status": stored(StayStatus::Open) }),
        plain(doc! { "guest": 1, "_id": -1 }),
        plain(doc! { "facility": 1, "_id": -1 }),
        plain(doc! { "facility": 1, "status": 1, "_id": -1 }),
        plain(doc! { "facility": 1, "guest": 1, "_id": -1 }),
        plain(doc! { "status": 1 }),
        plain(doc! { "entryAt": 1, "_id": 1 }),
        plain(doc! { "operator": 1, "_id": 1 }),
        plain(doc! { "operator": 1, "guest": 1, "_id": -1 }),
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
