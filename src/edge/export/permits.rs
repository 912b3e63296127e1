//! Permits for exports: how many are made at once, of everybody together and of one holder.

use crate::edge::permits::{Full, Holder, Permit, Permits};

/// Exports at the same time at most, of everybody together.
const AT_ONCE: usize = 8;
/// Of these, exports of all together who have no token: addresses cost nothing.
const OF_STRANGERS: usize = 3;
/// Exports of one member at the same time at most; of one address, from those without a token.
const OF_ONE: usize = 2;

/// The permits for exports of a hub.
#[derive(Clone, Default)]
pub(super) struct ExportPermits(Permits);

/// A permit that is taken.
pub(super) type ExportPermit = Permit;

impl ExportPermits {
    /// Takes a permit for as long as the value lives.
    pub(super) fn take(&self, holder: Holder) -> Result<ExportPermit, Full> {
        self.0.take(holder.clone(), 1, |taken| {
            if taken.of(&holder) >= OF_ONE {
                return Err(Full::Holder);
            }
            let strangers = || taken.of_those(Holder::is_stranger);
            let full = taken.all() >= AT_ONCE || (holder.is_stranger() && strangers() >= OF_STRANGERS);
            if full { Err(Full::Hub) } else { Ok(()) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holder_has_two_permits_and_the_hub_eight() {
        let permits = ExportPermits::default();
        let take = |subject: &str| permits.take(Holder::Member(subject.into()));
        let mut held = [take("a").ok().unwrap(), take("a").ok().unwrap()].map(Some);
        assert_eq!(take("a").err(), Some(Full::Holder));
        let others: Vec<_> = ["b", "b", "c", "c", "d", "d"].map(|subject| take(subject).ok().unwrap()).into();
        assert_eq!(take("e").err(), Some(Full::Hub));
        held[0].take();
        assert!(take("e").is_ok() && take("a").is_ok());
        drop((held, others));
        assert_eq!(permits.0.taken().all(), 0);
    }

    #[test]
    fn strangers_from_many_networks_leave_permits_for_members() {
        let permits = ExportPermits::default();
        let address = |number: u128| Holder::Address(std::net::Ipv6Addr::from_bits(number << 64).into());
        let strangers: Vec<_> = (0..20).filter_map(|number| permits.take(address(number)).ok()).collect();
        assert_eq!(strangers.len(), 3);
        let members: Vec<_> =
            ["a", "a", "b", "b", "c"].map(|subject| permits.take(Holder::Member(subject.into())).ok().unwrap()).into();
        drop((strangers, members));
        assert!(permits.take(address(0)).is_ok());
    }
}
