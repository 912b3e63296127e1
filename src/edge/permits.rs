//! Permits: how many of something there are at once, of all holders together and of each.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Who has a permit. An address is one that pays, for IPv6 a whole network.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A member, by subject.
    Member(String),
    /// Somebody without a token, by address.
    Address(IpAddr),
    /// Somebody who has yet to say who it is, by address.
    Unnamed(IpAddr),
}

impl Holder {
    /// Whether it is nobody that the hub knows: such holders cost nothing to make.
    pub(super) fn is_stranger(&self) -> bool {
        !matches!(self, Self::Member(_))
    }
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// All holders together have as many as there are.
    Hub,
    /// This holder has as many as one may have.
    Holder,
}

/// The permits of one kind.
#[derive(Debug)]
pub(super) struct Permits<K>(Arc<Mutex<Taken<K>>>);

impl<K> Clone for Permits<K> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K> Default for Permits<K> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Taken { all: 0, by: HashMap::new() })))
    }
}

/// The permits that are taken.
#[derive(Debug)]
pub(super) struct Taken<K> {
    all: usize,
    by: HashMap<K, usize>,
}

impl<K: Eq + Hash> Taken<K> {
    /// By all holders together.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// By this one.
    pub(super) fn of(&self, holder: &K) -> usize {
        self.by.get(holder).copied().unwrap_or_default()
    }

    /// By those of whom this is true.
    pub(super) fn of_those(&self, are: impl Fn(&K) -> bool) -> usize {
        self.by.iter().filter(|(holder, _)| are(holder)).map(|(_, own)| own).sum()
    }

    fn add(&mut self, holder: K, many: usize) {
        self.all += many;
        *self.by.entry(holder).or_default() += many;
    }

    /// Forgets a holder who has none left.
    fn give_back(&mut self, holder: &K, many: usize) {
        self.all -= many;
        if let Some(own) = self.by.get_mut(holder) {
            *own -= many;
            if *own == 0 {
                self.by.remove(holder);
            }
        }
    }
}

impl<K: Clone + Eq + Hash> Permits<K> {
    /// The permits that are taken, which no other task changes meanwhile.
    pub(super) fn taken(&self) -> MutexGuard<'_, Taken<K>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many for as long as the value lives, unless `room` says from what is taken that there are none.
    pub(super) fn take(
        &self,
        holder: K,
        many: usize,
        room: impl FnOnce(&Taken<K>) -> Result<(), Full>,
    ) -> Result<Permit<K>, Full> {
        let mut taken = self.taken();
        room(&taken)?;
        taken.add(holder.clone(), many);
        Ok(Permit { permits: self.clone(), holder, many })
    }
}

/// A permit that is taken.
#[derive(Debug)]
pub(super) struct Permit<K: Clone + Eq + Hash> {
    permits: Permits<K>,
    holder: K,
    many: usize,
}

impl<K: Clone + Eq + Hash> Permit<K> {
    /// Who has it.
    pub(super) fn holder(&self) -> &K {
        &self.holder
    }

    /// Makes it somebody else's, unless `room` says from what the others have that there is none. Then it stays whose it
    /// is.
    pub(super) fn pass_to(&mut self, holder: K, room: impl FnOnce(&Taken<K>) -> Result<(), Full>) -> Result<(), Full> {
        let mut taken = self.permits.taken();
        taken.give_back(&self.holder, self.many);
        let passed = room(&taken);
        if passed.is_ok() {
            self.holder = holder;
        }
        taken.add(self.holder.clone(), self.many);
        passed
    }
}

impl<K: Clone + Eq + Hash> Drop for Permit<K> {
    fn drop(&mut self) {
        self.permits.taken().give_back(&self.holder, self.many);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_none_is_forgotten_and_what_cannot_be_passed_on_stays() {
        let permits = Permits::default();
        let most = |taken: &Taken<&str>| if taken.all() < 3 { Ok(()) } else { Err(Full::Hub) };
        let mut one = permits.take("a", 2, most).unwrap();
        let two = permits.take("b", 1, most).unwrap();
        assert_eq!(permits.take("c", 1, most).unwrap_err(), Full::Hub);
        assert_eq!(
            one.pass_to("b", |taken| if taken.of(&"b") == 0 { Ok(()) } else { Err(Full::Holder) }),
            Err(Full::Holder)
        );
        let taken = |permits: &Permits<&str>| {
            let taken = permits.taken();
            (taken.of(&"a"), taken.of(&"b"), taken.all())
        };
        assert_eq!((*one.holder(), taken(&permits)), ("a", (2, 1, 3)));
        assert_eq!(one.pass_to("b", most), Ok(()));
        assert_eq!(taken(&permits), (0, 3, 3));
        drop((one, two));
        assert!(permits.taken().by.is_empty());
        assert_eq!(taken(&permits), (0, 0, 0));
    }
}
