//! Permits for exports: how many are made at once, of everybody together and of one holder.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use crate::edge::permits::{Full, Holder};

/// Exports at the same time at most, of everybody together.
const AT_ONCE: usize = 8;
/// Of these, exports of all together who have no token: addresses cost nothing.
const OF_STRANGERS: usize = 3;
/// Exports of one member at the same time at most; of one address, from those without a token.
const OF_ONE: usize = 2;

/// The permits of a hub.
#[derive(Clone, Default)]
pub(super) struct ExportPermits(Arc<Mutex<HashMap<Holder, usize>>>);

impl ExportPermits {
    /// Takes a permit for as long as the value lives.
    pub(super) fn take(&self, holder: Holder) -> Result<ExportPermit, Full> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.get(&holder).is_some_and(|own| *own >= OF_ONE) {
            return Err(Full::Holder);
        }
        if taken.values().sum::<usize>() >= AT_ONCE {
            return Err(Full::Hub);
        }
        let stranger = |holder: &Holder| !matches!(holder, Holder::Member(_));
        let strangers = taken.iter().filter(|(holder, _)| stranger(holder)).map(|(_, own)| own).sum::<usize>();
        if stranger(&holder) && strangers >= OF_STRANGERS {
            return Err(Full::Hub);
        }
        *taken.entry(holder.clone()).or_default() += 1;
        Ok(ExportPermit { permits: self.clone(), holder })
    }
}

/// A permit that is taken.
pub(super) struct ExportPermit {
    permits: ExportPermits,
    holder: Holder,
}

impl Drop for ExportPermit {
    fn drop(&mut self) {
        let mut taken = self.permits.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut own) = taken.entry(self.holder.clone()) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
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
        assert!(permits.0.lock().unwrap().is_empty(), "whoever holds none is forgotten");
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
