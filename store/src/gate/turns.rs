//! Whose turn it is: few reads and few acts of one holder at once.

use std::{collections::HashMap, net::IpAddr, sync::Arc};

use tavolo_schema::{Member, id::OrganisationId};
use tokio::sync::Semaphore;

/// Reads of one holder at once.
const READS: usize = 4;
/// Acts of one holder at once: most of their time they wait for a disk.
const ACTS: usize = 8;

/// On whose behalf the database is asked. Whoever it is, few of its commands are done at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Behalf {
    /// Nobody's but the hub's own: without a limit.
    #[default]
    Hub,
    /// A member's, by subject, wherever it asks from.
    Member(Arc<Member>),
    /// Of somebody without a token, by the address that pays.
    Address(IpAddr),
    /// Everybody's who watches something with the eyes of an organisation, or of the public.
    Watchers(Option<OrganisationId>),
}

/// The key of a holder of turns.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    Member(String),
    Address(IpAddr),
    Watchers(Option<OrganisationId>),
}

impl Behalf {
    pub(super) fn holder(&self) -> Option<Holder> {
        match self {
            Self::Hub => None,
            Self::Member(member) => Some(Holder::Member(member.subject.clone())),
            Self::Address(address) => Some(Holder::Address(*address)),
            Self::Watchers(organisation) => Some(Holder::Watchers(*organisation)),
        }
    }
}

/// What a pass is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkKind {
    /// One command, or one batch of a cursor.
    Command,
    /// A whole transaction.
    Transaction,
}

/// The turns of one holder.
#[derive(Clone, Debug)]
struct Turns {
    reads: Arc<Semaphore>,
    acts: Arc<Semaphore>,
}

impl Turns {
    fn new() -> Self {
        Self { reads: Arc::new(Semaphore::new(READS)), acts: Arc::new(Semaphore::new(ACTS)) }
    }

    fn of(self, kind: WorkKind) -> Arc<Semaphore> {
        match kind {
            WorkKind::Command => self.reads,
            WorkKind::Transaction => self.acts,
        }
    }

    /// Whether somebody waits for one of them, or has one.
    fn are_used(&self) -> bool {
        [&self.reads, &self.acts].into_iter().any(|turns| Arc::strong_count(turns) > 1)
    }
}

/// The turns of all who have asked lately.
#[derive(Debug, Default)]
pub(super) struct Holders {
    turns: HashMap<Holder, Turns>,
    /// When there are so many, those that are not used are forgotten.
    most: usize,
}

impl Holders {
    const FEW: usize = 64;

    /// The turns of a holder for such a pass.
    pub(super) fn turns(&mut self, holder: Holder, kind: WorkKind) -> Arc<Semaphore> {
        if self.turns.len() >= self.most.max(Self::FEW) {
            self.turns.retain(|_, turns| turns.are_used());
            self.most = 2 * self.turns.len();
        }
        self.turns.entry(holder).or_insert_with(Turns::new).clone().of(kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_turns_of_those_who_have_gone_are_forgotten() {
        let mut holders = Holders::default();
        let address = |last: usize| Holder::Address(std::net::Ipv6Addr::from_bits(last as u128).into());
        let kept = holders.turns(Holder::Watchers(None), WorkKind::Command).acquire_owned().await.unwrap();
        for last in 0..10_000 {
            holders.turns(address(last), WorkKind::Command);
            assert!(holders.turns.len() <= Holders::FEW, "{}", holders.turns.len());
        }
        assert_eq!(holders.turns(Holder::Watchers(None), WorkKind::Command).available_permits(), READS - 1);
        drop(kept);
        assert_eq!(holders.turns(Holder::Watchers(None), WorkKind::Command).available_permits(), READS);
        assert_eq!(holders.turns(Holder::Watchers(None), WorkKind::Transaction).available_permits(), ACTS);
    }
}
