//! An admission: what is checked within the member's sight, and then, for an order, what lies beyond.

use mongodb::bson::doc;
use tavolo_schema::{
    Code,
    DataClass::{Identity, Presence, Sensitive},
    DateTime, Facility, Findings, Guest, OccupancyCause, OrganisationKind, PlaceCategory, Pool, Stay, StayStatus,
    id::StayId,
    ledger::Change,
    lookup::LookedAt,
    stay::{self, AdmissionFacts, AdmitGuestInput, Arriving},
};

use super::StayDoc;
use crate::{
    GuestScope, Perform, Stopped, StoreError, document::binary, facility::FacilityDoc, guest::GuestDoc,
    transaction::Transaction,
};

/// An admission that is being decided.
struct Wanted {
    facility: Facility,
    pool: Option<Pool>,
    category: PlaceCategory,
    at: DateTime,
    /// Whose files the member sees.
    scope: GuestScope,
}

/// Who arrives, as far as it was read.
struct Person {
    guest: Guest,
    stays: Vec<Stay>,
    /// Has an open stay: the code of the facility, as far as the member may be told where somebody is hosted.
    hosted_at: Option<Option<String>>,
    with_adult: bool,
}

impl Wanted {
    /// Checks the admission of somebody of whom this is known.
    fn check(&self, person: Option<&Person>, needs_told: bool, now: DateTime, found: &mut Findings) {
        let arriving = person.map(|person| Arriving {
            guest: &person.guest,
            already_hosted: person.hosted_at.as_ref().map(Option::as_deref),
            needs_told,
            last_exit: person.stays.iter().filter_map(|stay| stay.exit_at).max(),
            household_adult_present: person.with_adult,
        });
        let facts = AdmissionFacts { pool: self.pool.as_ref(), arriving };
        stay::check_admission(facts, self.category, self.at, now, found);
    }
}

impl Perform for AdmitGuestInput {
    type Answer = StayId;

    /// A check looks at nothing beyond the member's sight. An order does when nothing else keeps it from being performed,
    /// and that look is counted and on record.
    async fn perform(self, act: &mut Transaction) -> Result<StayId, Stopped> {
        let (at, now) = (stay::moment(self.occurred_at, act.now), act.now);
        let scope = act.guest_scope()?;
        let facility = act.facility(self.facility, "input.facility").await?;
        let pool = act.pool_to_change(facility.id, self.category).await?;
        let wanted = Wanted { facility, pool, category: self.category, at, scope };
        let seen = act.within_sight(&self, &wanted).await?;
        if seen.is_none() && scope == GuestScope::All {
            return act.refuse(Code::UnknownGuest, "input.guest");
        }
        let needs_told = seen.as_ref().is_some_and(|person| act.sees(person.guest.owners(), Sensitive));
        wanted.check(seen.as_ref(), needs_told, now, &mut act.found);
        act.check_room_since(&wanted).await?;
        act.unless_blocked()?;
        act.unless_checking()?;
        let all_seen =
            scope == GuestScope::All && (needs_told || wanted.category != PlaceCategory::MentalHealthOrDisability);
        let guest =
            if all_seen { seen.map(|person| person.guest) } else { act.beyond_sight(&self, &wanted, seen).await? };
        act.unless_blocked()?;
        let (guest, pool) = guest.zip(wanted.pool).ok_or(Stopped::Unwritten)?;
        act.give_place(guest, &wanted.facility, pool, at).await
    }
}

impl Transaction {
    /// The guest as the member sees the file, with the stays of which the member sees whose they are.
    async fn within_sight(&mut self, input: &AdmitGuestInput, wanted: &Wanted) -> Result<Option<Person>, StoreError> {
        let Some(guest) = self.guest_within(input.guest, wanted.scope).await? else { return Ok(None) };
        let mut filter = doc! { "guest": binary(input.guest) };
        // A keeper of files sees the stays in its own facilities, and no others.
        let index = wanted.scope.keeper().map(|keeper| {
            filter.insert("operator", binary(keeper));
            doc! { "operator": 1, "guest": 1, "_id": -1 }
        });
        let stays = self.find_by::<StayDoc>(filter, index).await?;
        let hosted_at = self.hosted_at(&stays).await?;
        let with_adult = self.household_adult_present(&guest, wanted.facility.id).await?;
        Ok(Some(Person { guest, stays, hosted_at, with_adult }))
    }

    /// Where somebody with these stays is hosted now.
    async fn hosted_at(&mut self, stays: &[Stay]) -> Result<Option<Option<String>>, StoreError> {
        let Some(open) = stays.iter().find(|stay| stay.status == StayStatus::Open) else { return Ok(None) };
        let facility = self.by_id::<FacilityDoc>(binary(open.facility)).await?;
        let told = facility.filter(|facility| self.sees(facility.owners(), Presence));
        Ok(Some(told.map(|facility| facility.code)))
    }

    /// A place that is given from an earlier instant on has to have been free ever since.
    async fn check_room_since(&mut self, wanted: &Wanted) -> Result<(), StoreError> {
        let Some(pool) = wanted.pool.as_ref().filter(|_| !self.found.blocks() && wanted.at < self.now) else {
            return Ok(());
        };
        if !pool.free_since(wanted.at, self.movements_after(pool, wanted.at).await?) {
            self.found.add(Code::NoFreePlace, "input.category");
        }
        Ok(())
    }

    /// Looks at the file as it is, and checks again; `None` when the member may not admit this guest. The look is counted
    /// and recorded, also when it was at nobody, or at somebody who is still with the member: nothing but the order's own
    /// answer tells the one from the other.
    async fn beyond_sight(
        &mut self,
        input: &AdmitGuestInput,
        wanted: &Wanted,
        seen: Option<Person>,
    ) -> Result<Option<Guest>, StoreError> {
        if !self.may_look().await? {
            return Ok(None);
        }
        // Of many who want a place here, all but one find out at this point, and not after they have looked in vain.
        self.hold(wanted.facility.id).await?;
        let guest = self.by_id::<GuestDoc>(binary(input.guest)).await?;
        let stays = self.find::<StayDoc>(doc! { "guest": binary(input.guest) }, doc! { "_id": -1 }).await?;
        let in_sight = |guest: &Guest| {
            seen.as_ref().is_some_and(|seen| seen.guest.as_of.is_none()) && self.sees(guest.owners(), Sensitive)
        };
        let hit = guest.clone().filter(|guest| !in_sight(guest));
        // The keeper is asked for whether or not there is a file, so that both take as many commands: the guest of a
        // public body is hosted first by whoever was given the id.
        let keeper = guest.as_ref().map_or(wanted.facility.operator, |guest| guest.custodian);
        let keeper = self.organisation_kind(keeper).await?;
        let first_place = stays.is_empty() && keeper != Some(OrganisationKind::ManagingBody);
        // Whoever is out of reach is unknown, hosted or not: otherwise somebody could be followed by an old id.
        let admitted = guest.filter(|guest| self.sees(guest.owners(), Identity) || first_place);
        let known = std::mem::take(&mut self.found).into_vec();
        match &admitted {
            None => self.found.add(Code::UnknownGuest, "input.guest"),
            Some(guest) => {
                let hosted_at = self.hosted_at(&stays).await?;
                let with_adult = match &seen {
                    Some(seen) => seen.with_adult,
                    None => self.household_adult_present(guest, wanted.facility.id).await?,
                };
                let person = Person { guest: guest.clone(), stays, hosted_at, with_adult };
                let now = self.now;
                wanted.check(Some(&person), true, now, &mut self.found);
            }
        }
        let told = self.found.clone().into_vec().into_iter().filter(|finding| !known.contains(finding));
        let told: Vec<Code> = told.map(|finding| finding.code).collect();
        let files = hit.iter().map(|guest| LookedAt::of(guest, told.clone())).collect();
        self.looked(told, files);
        Ok(admitted)
    }

    async fn give_place(
        &mut self,
        mut guest: Guest,
        facility: &Facility,
        pool: Pool,
        at: DateTime,
    ) -> Result<StayId, Stopped> {
        let stay = Stay::begun(guest.id, &pool, facility.operator, at, self.now);
        let change = Change { stay: Some(stay.id), ..Change::new(OccupancyCause::Admission, at) };
        self.claim_place(pool, change).await?;
        self.insert::<StayDoc>(&stay).await?;
        guest.arrive(facility, at);
        self.put_guest(&guest).await?;
        Ok(stay.id)
    }
}
