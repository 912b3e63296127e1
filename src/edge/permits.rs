//! Permits: who holds a stream of answers open, how many there may be, what runs on them, and why each one ended.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::pending,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use super::settings::Settings;

/// Bytes that an operation keeps without counting for more than one.
const LIGHT: usize = 1024;

/// For whom a stream is held open. An address is one that pays, for IPv6 a whole network.
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
    /// Permits of the hub that are open to it. The last tenth is not for those without a token.
    fn reach(&self, settings: &Settings) -> usize {
        match self {
            Self::Member(_) | Self::Unnamed(_) => settings.sockets,
            Self::Address(_) => settings.sockets - settings.sockets / 10,
        }
    }
}

/// Permits of the hub that those can take who have yet to say who they are, without making room for each other: half of
/// what is for members alone stays free of them, for whoever comes with a token.
fn kept_free(settings: &Settings) -> usize {
    settings.sockets.saturating_sub((settings.sockets / 20).max(1))
}

/// What holds a stream open.
#[derive(Clone, Copy, Debug)]
pub(super) enum Transport {
    Socket,
    Events,
}

impl Transport {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Socket => "websocket",
            Self::Events => "sse",
        }
    }
}

/// Why there is no permit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The hub has as many streams as it can hold.
    Hub,
    /// This holder has as many as one may have.
    Holder,
}

/// The permits of a hub.
#[derive(Clone, Debug, Default)]
pub struct StreamPermits(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    permits: usize,
    by: HashMap<Holder, Held>,
    /// Those who have yet to say who they are, in the order in which they came.
    unnamed: BTreeMap<u64, Waiting>,
    /// Their numbers, by address.
    unnamed_by_address: HashMap<IpAddr, BTreeSet<u64>>,
    /// How many have come.
    came: u64,
}

/// Somebody who has yet to say who it is.
#[derive(Debug)]
struct Waiting {
    address: IpAddr,
    /// Tells it to make room.
    displaced: CancellationToken,
}

/// What one holder has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    permits: usize,
    operations: usize,
}

impl Taken {
    /// Whether there is a permit for this holder, when so many are taken by others.
    fn room(&self, others: usize, holder: &Holder, settings: &Settings) -> Result<(), Full> {
        if others >= holder.reach(settings) {
            return Err(Full::Hub);
        }
        if matches!(holder, Holder::Unnamed(_)) {
            return Ok(());
        }
        let own = self.by.get(holder).copied().unwrap_or_default();
        if own.permits >= settings.sockets_per_member { Err(Full::Holder) } else { Ok(()) }
    }

    /// Lets somebody in from an address who has yet to say who it is. When there are as many as there may be, whoever has waited
    /// longest without a word makes room: so nobody who says nothing keeps others out who would. Where addresses cost
    /// nothing, that is so for all addresses together, before the last permits of the hub are taken.
    fn take_unnamed(&mut self, address: IpAddr, settings: &Settings) -> (u64, CancellationToken) {
        while let Some(own) = self.unnamed_by_address.get(&address)
            && own.len() >= settings.sockets_per_member.max(1)
            && let Some(&longest) = own.first()
        {
            self.displace(longest);
        }
        if self.permits >= kept_free(settings)
            && let Some((&longest, _)) = self.unnamed.first_key_value()
        {
            self.displace(longest);
        }
        self.came += 1;
        let displaced = CancellationToken::new();
        self.unnamed_by_address.entry(address).or_default().insert(self.came);
        self.unnamed.insert(self.came, Waiting { address, displaced: displaced.clone() });
        (self.came, displaced)
    }

    fn displace(&mut self, number: u64) {
        self.forget_unnamed(number).inspect(|waiting| waiting.displaced.cancel());
    }

    fn forget_unnamed(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.unnamed.remove(&number)?;
        if let Some(own) = self.unnamed_by_address.get_mut(&waiting.address) {
            own.remove(&number);
            if own.is_empty() {
                self.unnamed_by_address.remove(&waiting.address);
            }
        }
        Some(waiting)
    }

    fn give_back(&mut self, holder: &Holder, less: impl FnOnce(&mut Held)) {
        let Some(own) = self.by.get_mut(holder) else { return };
        less(own);
        if *own == Held::default() {
            self.by.remove(holder);
        }
    }
}

impl StreamPermits {
    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a permit for as long as the value lives.
    pub(super) fn take(&self, holder: Holder, transport: Transport, settings: &Settings) -> Result<StreamPermit, Full> {
        let mut taken = self.taken();
        taken.room(taken.permits, &holder, settings)?;
        let unnamed = match holder {
            Holder::Unnamed(address) => Some(taken.take_unnamed(address, settings)),
            _ => None,
        };
        taken.permits += 1;
        taken.by.entry(holder.clone()).or_default().permits += 1;
        gauge!("tavolo_streams", "transport" => transport.name()).increment(1);
        Ok(StreamPermit { permits: self.clone(), holder, unnamed, transport, ended: "gone" })
    }
}

/// A permit that is taken. However its stream ends, the reason is counted.
#[derive(Debug)]
pub(super) struct StreamPermit {
    permits: StreamPermits,
    holder: Holder,
    /// As long as nobody has said whose permit it is: its number among them, and what tells it to make room.
    unnamed: Option<(u64, CancellationToken)>,
    transport: Transport,
    ended: &'static str,
}

impl StreamPermit {
    /// Makes it the permit of whom its holder has turned out to be.
    pub(super) fn pass_to(&mut self, holder: Holder, settings: &Settings) -> Result<(), Full> {
        if holder == self.holder {
            return Ok(());
        }
        let permits = self.permits.clone();
        let mut taken = permits.taken();
        taken.room(taken.permits - 1, &holder, settings)?;
        self.leave(&mut taken);
        taken.by.entry(holder.clone()).or_default().permits += 1;
        self.holder = holder;
        Ok(())
    }

    /// Resolves when the permit is wanted for somebody else before its holder has said who it is.
    pub(super) fn displaced(&self) -> impl Future<Output = ()> + use<> {
        let displaced = self.unnamed.as_ref().map(|(_, displaced)| displaced.clone());
        async move {
            match displaced {
                Some(displaced) => displaced.cancelled().await,
                None => pending().await,
            }
        }
    }

    /// Takes it from its holder.
    fn leave(&mut self, taken: &mut Taken) {
        taken.give_back(&self.holder, |own| own.permits -= 1);
        if let Some((number, _)) = self.unnamed.take() {
            taken.forget_unnamed(number);
        }
    }

    /// A permit for an operation that keeps so many bytes, if its holder has one left. A heavy one takes several.
    pub(super) fn operation(&self, bytes: usize, settings: &Settings) -> Option<OperationPermit> {
        let weight = bytes.div_ceil(LIGHT).max(1);
        let mut taken = self.permits.taken();
        let own = taken.by.entry(self.holder.clone()).or_default();
        if own.operations + weight > settings.operations_per_member() {
            return None;
        }
        own.operations += weight;
        Some(OperationPermit { permits: self.permits.clone(), holder: self.holder.clone(), weight })
    }

    /// Says why the stream ends; without a word the client has gone.
    pub(super) fn ends(&mut self, reason: &'static str) {
        self.ended = reason;
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let permits = self.permits.clone();
        let mut taken = permits.taken();
        taken.permits -= 1;
        self.leave(&mut taken);
        let transport = self.transport.name();
        gauge!("tavolo_streams", "transport" => transport).decrement(1);
        counter!("tavolo_streams_ended_total", "transport" => transport, "reason" => self.ended).increment(1);
    }
}

/// The permit of an operation that runs.
#[derive(Debug)]
pub(super) struct OperationPermit {
    permits: StreamPermits,
    holder: Holder,
    weight: usize,
}

impl Drop for OperationPermit {
    fn drop(&mut self) {
        self.permits.taken().give_back(&self.holder, |own| own.operations -= self.weight);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn member(subject: &str) -> Holder {
        Holder::Member(subject.into())
    }

    #[test]
    fn a_permit_is_free_again_when_its_stream_has_ended() {
        let settings = Settings { sockets: 3, sockets_per_member: 2, ..Settings::default() };
        let permits = StreamPermits::default();
        let take = |subject: &str| permits.take(member(subject), Transport::Socket, &settings);
        let (one, _two) = (take("a").unwrap(), take("a").unwrap());
        assert_eq!(take("a").unwrap_err(), Full::Holder);
        let _three = take("b").unwrap();
        assert_eq!(take("b").unwrap_err(), Full::Hub);
        drop(one);
        assert!(take("c").is_ok());
        assert!(take("a").is_ok());
    }

    #[test]
    fn the_last_tenth_is_for_members() {
        let settings = Settings { sockets: 10, sockets_per_member: 20, ..Settings::default() };
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let permits = StreamPermits::default();
        let take = |holder: Holder| permits.take(holder, Transport::Socket, &settings);
        let held: Vec<StreamPermit> = (0..9).map(|_| take(Holder::Address(address)).unwrap()).collect();
        assert_eq!(take(Holder::Address(address)).unwrap_err(), Full::Hub);
        let mut unnamed = take(Holder::Unnamed(address)).unwrap();
        assert_eq!(take(Holder::Unnamed(address)).unwrap_err(), Full::Hub);
        assert_eq!(unnamed.pass_to(Holder::Address(address), &settings), Err(Full::Hub));
        assert_eq!(unnamed.pass_to(member("a"), &settings), Ok(()));
        drop((unnamed, held));
        let taken = permits.taken();
        assert_eq!((taken.permits, taken.by.len()), (0, 0));
    }

    #[test]
    fn a_permit_that_is_passed_on_counts_for_its_new_holder() {
        let settings = Settings { sockets_per_member: 1, ..Settings::default() };
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let permits = StreamPermits::default();
        let unnamed = || permits.take(Holder::Unnamed(address), Transport::Socket, &settings);
        let mut one = unnamed().unwrap();
        assert_eq!(one.pass_to(member("a"), &settings), Ok(()));
        assert_eq!(one.pass_to(member("a"), &settings), Ok(()), "it is a's already");
        let mut two = unnamed().unwrap();
        assert_eq!(two.pass_to(member("a"), &settings), Err(Full::Holder));
        assert_eq!(two.pass_to(Holder::Address(address), &settings), Ok(()));
    }

    #[test]
    fn whoever_has_waited_longest_makes_room() {
        let settings = Settings { sockets_per_member: 2, ..Settings::default() };
        let [here, there] = ["192.0.2.1", "192.0.2.2"].map(|address| Holder::Unnamed(address.parse().unwrap()));
        let permits = StreamPermits::default();
        let stand = |holder: &Holder| permits.take(holder.clone(), Transport::Socket, &settings).unwrap();
        let displaced = |permit: &StreamPermit| permit.displaced().now_or_never().is_some();
        let (first, mut second, elsewhere) = (stand(&here), stand(&here), stand(&there));
        assert!(!displaced(&first));
        second.pass_to(member("a"), &settings).unwrap();
        let third = stand(&here);
        assert!(!displaced(&first), "the second waits no more");
        let fourth = stand(&here);
        assert!(displaced(&first) && !displaced(&second) && !displaced(&third) && !displaced(&elsewhere));
        drop(third);
        let fifth = stand(&here);
        assert!(!displaced(&fourth), "the third has gone");
        drop((first, second, elsewhere, fourth, fifth));
        let taken = permits.taken();
        assert_eq!((taken.permits, taken.by.len(), taken.unnamed_by_address.len(), taken.unnamed.len()), (0, 0, 0, 0));
    }

    #[test]
    fn strangers_from_many_networks_leave_room_for_members() {
        let settings = Settings { sockets: 100, sockets_per_member: 2, ..Settings::default() };
        let network = |number: u128| IpAddr::from(std::net::Ipv6Addr::from_bits(number << 64));
        let permits = StreamPermits::default();
        let take = |holder: Holder| permits.take(holder, Transport::Socket, &settings);
        let held: Vec<StreamPermit> =
            (0..200).filter_map(|number| take(Holder::Address(network(number))).ok()).collect();
        assert_eq!(held.len(), 90);
        let mut silent = std::collections::VecDeque::new();
        for number in 0..500 {
            silent.push_back(take(Holder::Unnamed(network(number))).unwrap());
            // Whoever is told to make room goes.
            silent.retain(|permit| permit.displaced().now_or_never().is_none());
            assert!(silent.len() <= 6, "{}", silent.len());
        }
        let named = [(); 2].map(|()| take(member("a")).unwrap());
        let mut browser = take(Holder::Unnamed(network(1_000))).unwrap();
        assert_eq!(browser.pass_to(member("b"), &settings), Ok(()));
        drop((held, silent, named, browser));
        let taken = permits.taken();
        assert_eq!((taken.permits, taken.by.len(), taken.unnamed_by_address.len(), taken.unnamed.len()), (0, 0, 0, 0));
    }

    #[test]
    fn the_operations_of_all_permits_of_a_holder_have_permits_by_weight() {
        let settings = Settings { sockets_per_member: 2, ..Settings::default() };
        let permits = StreamPermits::default();
        let [one, two] = [(); 2].map(|()| permits.take(member("a"), Transport::Socket, &settings).unwrap());
        let light: Vec<Option<OperationPermit>> = (0..6).map(|_| one.operation(LIGHT, &settings)).collect();
        assert!(light.iter().all(Option::is_some));
        assert!(two.operation(4 * LIGHT + 1, &settings).is_none());
        let heavy = two.operation(4 * LIGHT, &settings);
        assert!(heavy.is_some() && one.operation(0, &settings).is_none());
        drop((one, two));
        let three = permits.take(member("a"), Transport::Socket, &settings).unwrap();
        assert!(three.operation(0, &settings).is_none(), "what still runs counts");
        drop(heavy);
        assert!(three.operation(0, &settings).is_some());
    }
}
