//! What members and addresses may spend: a budget of cost for each minute, saved up for one minute at most.
//!
//! A request is paid for in parts, each before what it pays for: to be let in, to be read, to be executed. What is
//! refused on the way has cost what it was paid for until then.
//!
//! A member pays wherever it asks from; who has no token pays by address. An IPv6 client has a whole /64 to choose its
//! addresses from, so that is what pays.

use std::{
    hash::Hash,
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::keyed::DefaultKeyedStateStore,
};
use serde::Serialize;

use super::settings::Settings;
use crate::auth::Authenticated;

type Limiter<K> = RateLimiter<K, DefaultKeyedStateStore<K>, DefaultClock, StateInformationMiddleware>;

/// For so long a budget lasts.
const MINUTE: Duration = Duration::from_secs(60);

/// The budgets of one hub.
#[derive(Debug)]
pub struct Budgets {
    members: Account<String>,
    addresses: Account<IpAddr>,
}

/// What one request is charged, part after part.
#[derive(Debug)]
pub(super) struct Bill<'b> {
    budgets: &'b Budgets,
    payer: Payer,
    requested: u64,
}

#[derive(Debug)]
enum Payer {
    Member(String),
    Address(IpAddr),
}

/// What is left after a request, in the order in which it is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Balance {
    /// What the request has cost.
    pub requested: u64,
    /// What may be spent in a minute.
    pub budget: u32,
    /// What may be spent now; left out where the answer has to be the same bytes each time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remaining: Option<u32>,
}

impl Balance {
    /// What does not change from one request to the next.
    pub(super) fn standing(self) -> Self {
        Self { remaining: None, ..self }
    }
}

/// A request that is not paid for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exhausted {
    /// It can be, when this time has passed.
    For(Duration),
    /// It costs more than can be saved up.
    ForEver,
}

#[derive(Debug)]
struct Account<K: Hash + Eq + Clone> {
    budget: u32,
    limiter: Limiter<K>,
}

impl Budgets {
    /// The whole budgets of these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self { members: Account::new(settings.member_budget), addresses: Account::new(settings.address_budget) }
    }

    /// The bill of a request, which whoever sends it pays: the member, or the address of somebody without a token.
    pub(super) fn bill(&self, authenticated: Option<&Authenticated>, address: IpAddr) -> Bill<'_> {
        let payer = match authenticated {
            Some(authenticated) => Payer::Member(authenticated.member.subject.clone()),
            None => Payer::Address(payer(address)),
        };
        Bill { budgets: self, payer, requested: 0 }
    }

    /// Forgets those who have their whole budget again, so that memory is bounded by who asks in a minute.
    pub(super) fn drop_full_budgets(&self) {
        self.members.limiter.retain_recent();
        self.members.limiter.shrink_to_fit();
        self.addresses.limiter.retain_recent();
        self.addresses.limiter.shrink_to_fit();
    }
}

impl<K: Hash + Eq + Clone> Account<K> {
    fn new(budget: u32) -> Self {
        let quota = Quota::per_minute(NonZeroU32::new(budget).unwrap_or(NonZeroU32::MIN));
        Self { budget, limiter: RateLimiter::keyed(quota).with_middleware() }
    }

    /// Takes a cost from somebody who has paid some of it already.
    fn charge(&self, payer: &K, paid: u64, cost: u64) -> Result<Balance, Exhausted> {
        let requested = paid.saturating_add(cost);
        if requested > u64::from(self.budget) {
            return Err(Exhausted::ForEver);
        }
        let cells = u32::try_from(cost.max(1)).ok().and_then(NonZeroU32::new).ok_or(Exhausted::ForEver)?;
        match self.limiter.check_key_n(payer, cells) {
            Ok(Ok(state)) => {
                let remaining = Some(state.remaining_burst_capacity());
                Ok(Balance { requested, budget: self.budget, remaining })
            }
            Ok(Err(not_until)) => {
                // The wait covers what was charged for this request already: the retry is charged for it again.
                let again = MINUTE.mul_f64(paid as f64 / f64::from(self.budget));
                Err(Exhausted::For(not_until.wait_time_from(self.limiter.clock().now()) + again))
            }
            Err(_) => Err(Exhausted::ForEver),
        }
    }
}

impl Bill<'_> {
    /// Takes a part of the cost.
    ///
    /// # Errors
    ///
    /// When there is not enough left.
    pub(super) fn charge(&mut self, cost: u64) -> Result<Balance, Exhausted> {
        let balance = match &self.payer {
            Payer::Member(subject) => self.budgets.members.charge(subject, self.requested, cost),
            Payer::Address(address) => self.budgets.addresses.charge(address, self.requested, cost),
        }?;
        self.requested = balance.requested;
        Ok(balance)
    }
}

/// Who pays for an address: itself, or its whole IPv6 network.
pub(super) fn payer(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn budgets(address_budget: u32) -> Budgets {
        Budgets::new(&Settings { address_budget, ..Settings::default() })
    }

    #[test]
    fn a_budget_is_spent_told_and_exhausted_by_address() {
        let budgets = budgets(100);
        let ask = |address: &str, cost| budgets.bill(None, address.parse().unwrap()).charge(cost);
        assert_eq!(ask("192.0.2.1", 60), Ok(Balance { requested: 60, budget: 100, remaining: Some(40) }));
        match ask("192.0.2.1", 60) {
            Err(Exhausted::For(time)) => assert!((1..=12).contains(&time.as_secs()), "{time:?}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(ask("192.0.2.2", 60).map(|balance| balance.remaining), Ok(Some(40)), "another's budget is its own");
        assert_eq!(ask("192.0.2.3", 101), Err(Exhausted::ForEver));
    }

    #[test]
    fn a_request_pays_in_parts_and_is_told_when_it_could_pay_them_all() {
        let budgets = budgets(100);
        let bill = || budgets.bill(None, "192.0.2.1".parse().unwrap());
        let mut first = bill();
        assert_eq!(first.charge(20), Ok(Balance { requested: 20, budget: 100, remaining: Some(80) }));
        assert_eq!(first.charge(50), Ok(Balance { requested: 70, budget: 100, remaining: Some(30) }));
        let mut second = bill();
        assert!(second.charge(20).is_ok());
        match second.charge(50) {
            // 40 are missing now, and 20 are asked for anew.
            Err(Exhausted::For(time)) => assert!((35..=36).contains(&time.as_secs()), "{time:?}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(second.charge(81), Err(Exhausted::ForEver), "both together");
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_share_a_budget() {
        let budgets = budgets(100);
        let ask = |address: &str| budgets.bill(None, address.parse().unwrap()).charge(60).is_ok();
        assert!(ask("2001:db8:0:1::1") && !ask("2001:db8:0:1:ffff::2") && ask("2001:db8:0:2::1"));
    }

    #[test]
    fn nobody_is_remembered_who_has_spent_nothing_lately() {
        let budgets = budgets(u32::MAX);
        for last in 0..100 {
            assert!(budgets.bill(None, Ipv6Addr::from_bits(last << 64).into()).charge(1).is_ok());
        }
        assert_eq!(budgets.addresses.limiter.len(), 100);
        // One of four thousand million is back at once.
        while !budgets.addresses.limiter.is_empty() {
            budgets.drop_full_budgets();
        }
    }
}
