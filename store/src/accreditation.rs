//! Accreditations: the register of permissions, and what they grant to the pools.

use mongodb::bson::doc;
use tavolo_schema::{
    Accreditation, AccreditationStatus, CategoryPlaces, Code, DateTime, Day, Grant, OccupancyCause, PlaceCategory,
    Pool,
    accreditation::{
        self, DecideAccreditationInput, DecisionOutcome, RevokeAccreditationInput, SubmitAccreditationInput,
        SuspendAccreditationInput, VALIDITY_MONTHS,
    },
    id::{AccreditationId, FacilityId},
    ledger::Change,
};

use crate::{
    Perform, Stopped, StoreError,
    document::{binary, document, shape::plain, stored},
    transaction::Transaction,
};

document! {
    pub(crate) AccreditationDoc of Accreditation in "accreditations" {
        id as "_id", facility, status, requested, granted, valid_from, valid_until, submitted_at, decided_at, act_number,
        reason, revision,
    }
    indexes {
        plain(doc! { "facility": 1 }),
        plain(doc! { "status": 1, "validUntil": 1 }),
    }
}

impl Transaction {
    async fn accreditation(&mut self, id: AccreditationId) -> Result<Accreditation, Stopped> {
        match self.by_id::<AccreditationDoc>(binary(id)).await? {
            Some(accreditation) => Ok(accreditation),
            None => self.refuse(Code::UnknownAccreditation, "input.accreditation"),
        }
    }

    pub(crate) async fn put_accreditation(&mut self, accreditation: &mut Accreditation) -> Result<(), StoreError> {
        accreditation.revision += 1;
        let filter = doc! { "_id": binary(accreditation.id) };
        if !self.replace::<AccreditationDoc>(filter, accreditation).await? {
            self.insert::<AccreditationDoc>(accreditation).await?;
        }
        Ok(())
    }

    async fn installed_of(
        &mut self,
        facility: FacilityId,
    ) -> Result<impl Fn(PlaceCategory) -> i32 + use<>, StoreError> {
        let pools = self.pools_of(facility).await?;
        Ok(move |category| pools.iter().find(|pool| pool.category == category).map_or(0, |pool| pool.installed))
    }

    /// Lets an accreditation that was decided have its places.
    async fn put_in_force(&mut self, accreditation: &mut Accreditation, reinstated: bool) -> Result<(), Stopped> {
        let (Some(from), Some(until)) = (accreditation.valid_from, accreditation.valid_until) else { return Ok(()) };
        if !reinstated {
            return self.grant(accreditation, from, until).await;
        }
        // Reinstated from today, not from `valid_from`: the days of the suspension stay without grant.
        accreditation.valid_until = self.grant_again(accreditation, from.max(self.today()), until).await?;
        if accreditation.valid_until.is_none() {
            accreditation::check_transition(AccreditationStatus::Suspended, &[], &mut self.found);
        }
        Ok(())
    }

    /// Gives the granted places to the pools of the facility, in the place of those of earlier accreditations.
    async fn grant(&mut self, accreditation: &Accreditation, from: Day, until: Day) -> Result<(), Stopped> {
        for granted in &accreditation.granted {
            let pool = self.pool_or_empty(accreditation.facility, granted.category).await?;
            let grant =
                Grant { accreditation: accreditation.id, places: granted.places, valid_from: from, valid_until: until };
            self.change_pool(pool, granted_by(accreditation, self.now), |pool| {
                end_grants(&mut pool.grants, from, |_| true);
                pool.grants.push(grant);
            })
            .await?;
        }
        Ok(self.supersede(accreditation, from).await?)
    }

    /// Gives the places back to the pools, from today on and only until a later accreditation takes them: what was
    /// decided since stands. Hands back the last day; `None` when everything has been granted anew.
    async fn grant_again(
        &mut self,
        accreditation: &Accreditation,
        from: Day,
        until: Day,
    ) -> Result<Option<Day>, Stopped> {
        let mut last = None;
        for granted in &accreditation.granted {
            let pool = self.pool_or_empty(accreditation.facility, granted.category).await?;
            let until = until.min(last_day_beside(&pool, accreditation.id, from).unwrap_or(until));
            if until < from {
                continue;
            }
            last = last.max(Some(until));
            let grant =
                Grant { accreditation: accreditation.id, places: granted.places, valid_from: from, valid_until: until };
            self.change_pool(pool, granted_by(accreditation, self.now), |pool| pool.grants.push(grant)).await?;
        }
        Ok(last)
    }

    /// Ends earlier accreditations that have no place left, or none from a day on: the day before.
    async fn supersede(&mut self, new: &Accreditation, from: Day) -> Result<(), StoreError> {
        let pools = self.pools_of(new.facility).await?;
        let filter = doc! {
            "facility": binary(new.facility), "status": { "$in": [stored(AccreditationStatus::Accredited), stored(AccreditationStatus::Suspended)] },
            "_id": { "$ne": binary(new.id) },
        };
        for mut earlier in self.find::<AccreditationDoc>(filter, doc! {}).await? {
            let (Some(first), Some(last)) = (earlier.valid_from, earlier.valid_until) else { continue };
            let of = |granted: &CategoryPlaces| pools.iter().find(|pool| pool.category == granted.category);
            let holds = earlier.granted.iter().filter_map(of).filter_map(|pool| match earlier.status {
                // A suspended accreditation has no grants now. It gets them again as far as nobody else has them.
                AccreditationStatus::Suspended => Some(last_day_beside(pool, earlier.id, first).unwrap_or(last)),
                _ => pool
                    .grants
                    .iter()
                    .filter(|grant| grant.accreditation == earlier.id)
                    .map(|grant| grant.valid_until)
                    .max(),
            });
            let until = holds.max().unwrap_or(from.plus_days(-1));
            if until < last {
                earlier.valid_until = Some(until);
                self.put_accreditation(&mut earlier).await?;
            }
        }
        Ok(())
    }

    /// Takes the granted places back from the pools of the facility, from today. Guests stay, and who arrived before
    /// can still be registered.
    pub(crate) async fn withdraw(
        &mut self,
        accreditation: &Accreditation,
        cause: OccupancyCause,
    ) -> Result<(), Stopped> {
        let today = self.today();
        for granted in &accreditation.granted {
            let Some(pool) = self.pool_to_change(accreditation.facility, granted.category).await? else { continue };
            let change = Change { accreditation: Some(accreditation.id), ..Change::new(cause, self.now) };
            self.change_pool(pool, change, |pool| {
                end_grants(&mut pool.grants, today, |grant| grant.accreditation == accreditation.id);
            })
            .await?;
        }
        Ok(())
    }

    /// Suspends or revokes: the way both go.
    async fn stop(
        &mut self,
        stop: Stop,
        from: &[AccreditationStatus],
        (status, cause): (AccreditationStatus, OccupancyCause),
    ) -> Result<AccreditationId, Stopped> {
        let mut accreditation = self.accreditation(stop.accreditation).await?;
        let current = accreditation.status_on(self.today());
        self.check(|found| {
            accreditation::check_transition(current, from, found);
            accreditation::check_reason(Some(&stop.reason), found);
        })?;
        accreditation.status = status;
        accreditation.reason = Some(stop.reason);
        accreditation.act_number = stop.act_number;
        accreditation.decided_at = Some(self.now);
        self.withdraw(&accreditation, cause).await?;
        self.put_accreditation(&mut accreditation).await?;
        Ok(accreditation.id)
    }

    /// An accreditation, asked for among those of a facility alone.
    async fn accreditation_of(&mut self, facility: FacilityId, id: AccreditationId) -> Result<Accreditation, Stopped> {
        let filter = doc! { "_id": binary(id), "facility": binary(facility) };
        match self.find_one_by::<AccreditationDoc>(filter, Some(doc! { "facility": 1 })).await? {
            Some(accreditation) => Ok(accreditation),
            None => self.refuse(Code::UnknownAccreditation, "input.accreditation"),
        }
    }
}

/// What a suspension and a revocation say.
struct Stop {
    accreditation: AccreditationId,
    reason: String,
    act_number: Option<String>,
}

impl Perform for SubmitAccreditationInput {
    type Answer = AccreditationId;

    async fn perform(self, act: &mut Transaction) -> Result<AccreditationId, Stopped> {
        let facility = act.facility(self.facility, "input.facility").await?;
        let mut accreditation = match self.accreditation {
            None => Accreditation::begun(facility.id, act.now),
            Some(id) => act.accreditation_of(facility.id, id).await?,
        };
        accreditation.requested = self.places.into_iter().map(CategoryPlaces::from).collect();
        let installed = act.installed_of(facility.id).await?;
        let status = accreditation.status_on(act.today());
        act.check(|found| {
            accreditation::check_transition(status, &[AccreditationStatus::Draft], found);
            accreditation::check_places(&accreditation.requested, installed, found);
        })?;
        if !self.draft {
            accreditation.status = AccreditationStatus::Submitted;
            accreditation.submitted_at = Some(act.now);
        }
        act.put_accreditation(&mut accreditation).await?;
        Ok(accreditation.id)
    }
}

impl Perform for DecideAccreditationInput {
    type Answer = AccreditationId;

    async fn perform(self, act: &mut Transaction) -> Result<AccreditationId, Stopped> {
        use AccreditationStatus::{Accredited, Rejected, Submitted, Suspended};
        let mut accreditation = act.accreditation(self.accreditation).await?;
        let today = act.today();
        let current = accreditation.status_on(today);
        accreditation.decided_at = Some(act.now);
        accreditation.act_number = self.act_number;
        accreditation.reason = self.reason;
        let from: &[AccreditationStatus] =
            if self.outcome == DecisionOutcome::Rejected { &[Submitted] } else { &[Submitted, Suspended] };
        act.check(|found| accreditation::check_transition(current, from, found))?;
        if self.outcome == DecisionOutcome::Rejected {
            act.check(|found| accreditation::check_reason(accreditation.reason.as_deref(), found))?;
            accreditation.status = Rejected;
        } else {
            let valid_from = self.valid_from.or(accreditation.valid_from).unwrap_or(today);
            let valid_until = self
                .valid_until
                .or(accreditation.valid_until)
                .unwrap_or_else(|| valid_from.plus_months(VALIDITY_MONTHS).plus_days(-1));
            let places = self.places.map(|places| places.into_iter().map(CategoryPlaces::from).collect());
            let before =
                if accreditation.granted.is_empty() { &accreditation.requested } else { &accreditation.granted };
            accreditation.granted = places.unwrap_or_else(|| before.clone());
            let installed = act.installed_of(accreditation.facility).await?;
            act.check(|found| {
                accreditation::check_validity(valid_from, valid_until, today, found);
                accreditation::check_places(&accreditation.granted, installed, found);
            })?;
            accreditation.status = Accredited;
            accreditation.valid_from = Some(valid_from);
            accreditation.valid_until = Some(valid_until);
            act.put_in_force(&mut accreditation, current == Suspended).await?;
        }
        act.put_accreditation(&mut accreditation).await?;
        Ok(accreditation.id)
    }
}

impl Perform for SuspendAccreditationInput {
    type Answer = AccreditationId;

    async fn perform(self, act: &mut Transaction) -> Result<AccreditationId, Stopped> {
        let Self { accreditation, reason, act_number } = self;
        let to = (AccreditationStatus::Suspended, OccupancyCause::AccreditationSuspended);
        act.stop(Stop { accreditation, reason, act_number }, &[AccreditationStatus::Accredited], to).await
    }
}

impl Perform for RevokeAccreditationInput {
    type Answer = AccreditationId;

    async fn perform(self, act: &mut Transaction) -> Result<AccreditationId, Stopped> {
        let Self { accreditation, reason, act_number } = self;
        let from = &[AccreditationStatus::Accredited, AccreditationStatus::Suspended];
        let to = (AccreditationStatus::Revoked, OccupancyCause::AccreditationRevoked);
        act.stop(Stop { accreditation, reason, act_number }, from, to).await
    }
}

fn granted_by(accreditation: &Accreditation, now: DateTime) -> Change {
    Change { accreditation: Some(accreditation.id), ..Change::new(OccupancyCause::AccreditationGranted, now) }
}

/// The day before any other accreditation has places of a pool, from a day on.
fn last_day_beside(pool: &Pool, own: AccreditationId, from: Day) -> Option<Day> {
    let others = pool.grants.iter().filter(|grant| grant.accreditation != own && grant.valid_until >= from);
    others.map(|grant| grant.valid_from.plus_days(-1)).min()
}

/// Lets grants end the day before `from`; those that would begin later are void.
fn end_grants(grants: &mut Vec<Grant>, from: Day, which: impl Fn(&Grant) -> bool) {
    grants.retain(|grant| !which(grant) || grant.valid_from < from);
    for grant in grants.iter_mut().filter(|grant| which(grant)) {
        grant.valid_until = grant.valid_until.min(from.plus_days(-1));
    }
}
