//! Permits: how many of something there are at once, of all holders together and of each.

use std::{
    collections::HashMap,
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
#[derive(Clone, Debug, Default)]
pub(super) struct Permits(Arc<Mutex<Taken>>);

/// The permits that are taken.
#[derive(Debug, Default)]
pub(super) struct Taken {
    all: usize,
    by: HashMap<Holder, usize>,
}

impl Taken {
    /// By all holders together.
    pub(super) fn all(&self) -> usize {
        self.all
    }

    /// By this one.
    pub(super) fn of(&self, holder: &Holder) -> usize {
        self.by.get(holder).copied().unwrap_or_default()
    }

    /// By those of whom this is true.
    pub(super) fn of_those(&self, are: impl Fn(&Holder) -> bool) -> usize {
        self.by.iter().filter(|(holder, _)| are(holder)).map(|(_, own)| own).sum()
    }

    fn add(&mut self, holder: Holder, many: usize) {
        self.all += many;
        *self.by.entry(holder).or_default() += many;
    }

    /// Forgets a holder who has none left.
    fn give_back(&mut self, holder: &Holder, many: usize) {
        self.all -= many;
        if let Some(own) = self.by.get_mut(holder) {
            *own -= many;
            if *own == 0 {
                self.by.remove(holder);
            }
        }
    }
}

impl Permits {
    /// The permits that are taken, which no other task changes meanwhile.
    pub(super) fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes so many for as long as the value lives, unless `room` says from what is taken that there are none.
    pub(super) fn take(
        &self,
        holder: Holder,
        many: usize,
        room: impl FnOnce(&Taken) -> Result<(), Full>,
    ) -> Result<Permit, Full> {
        let mut taken = self.taken();
        room(&taken)?;
        taken.add(holder.clone(), many);
        Ok(Permit { permits: self.clone(), holder, many })
    }
}

/// A permit that is taken.
#[derive(Debug)]
pub(super) struct Permit {
    permits: Permits,
    holder: Holder,
    many: usize,
}

impl Permit {
    /// Who has it.
    pub(super) fn holder(&self) -> &Holder {
        &self.holder
    }

    /// Makes it somebody else's, unless `room` says from what the others have that there is none. Then it stays whose it
    /// is.
    pub(super) fn pass_to(
        &mut self,
        holder: Holder,
        room: impl FnOnce(&Taken) -> Result<(), Full>,
    ) -> Result<(), Full> {
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

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.taken().give_back(&self.holder, self.many);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_none_is_forgotten_and_what_cannot_be_passed_on_stays() {
        let [a, b, c] = ["a", "b", "c"].map(|subject| Holder::Member(subject.into()));
        let permits = Permits::default();
        let most = |taken: &Taken| if taken.all() < 3 { Ok(()) } else { Err(Full::Hub) };
        let taken = || {
            let taken = permits.taken();
            (taken.of(&a), taken.of(&b), taken.all())
        };
        let mut one = permits.take(a.clone(), 2, most).unwrap();
        let two = permits.take(b.clone(), 1, most).unwrap();
        assert_eq!(permits.take(c, 1, most).unwrap_err(), Full::Hub);
        assert_eq!(one.pass_to(b.clone(), |_| Err(Full::Holder)), Err(Full::Holder));
        assert_eq!((one.holder(), taken()), (&a, (2, 1, 3)));
        assert_eq!(one.pass_to(b.clone(), most), Ok(()));
        assert_eq!(taken(), (0, 3, 3));
        drop((one, two));
        assert_eq!(taken(), (0, 0, 0));
        assert!(permits.taken().by.is_empty());
    }
}
