//! Permits for streams: how many may be held open, what runs on them, and why each one ended.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::pending,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use metrics::{counter, gauge};
use tokio_util::sync::CancellationToken;

use super::{
    permits::{Full, Holder, Permit, Permits, Taken},
    settings::Settings,
};

/// Bytes that an operation keeps without counting for more than one.
const LIGHT: usize = 1024;

/// Permits of the hub that are open to a holder. The last tenth is not for those without a token.
fn reach(holder: &Holder, settings: &Settings) -> usize {
    match holder {
        Holder::Member(_) | Holder::Unnamed(_) => settings.sockets,
        Holder::Address(_) => settings.sockets - settings.sockets / 10,
    }
}

/// Permits of the hub that those can take who have yet to say who they are, without making room for each other: half of
/// what is for members alone stays free of them, for whoever comes with a token.
fn kept_free(settings: &Settings) -> usize {
    settings.sockets.saturating_sub((settings.sockets / 20).max(1))
}

/// Whether there is a stream for this holder.
fn room(taken: &Taken, holder: &Holder, settings: &Settings) -> Result<(), Full> {
    if taken.all() >= reach(holder, settings) {
        return Err(Full::Hub);
    }
    let few = matches!(holder, Holder::Unnamed(_)) || taken.of(holder) < settings.sockets_per_member;
    if few { Ok(()) } else { Err(Full::Holder) }
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

/// The permits for streams of a hub.
#[derive(Clone, Debug, Default)]
pub struct StreamPermits(Arc<Streams>);

#[derive(Debug, Default)]
struct Streams {
    permits: Permits,
    operations: Permits,
    unnamed: Mutex<Unnamed>,
    /// How many have ended, by the reason.
    ended: Mutex<HashMap<&'static str, u64>>,
}

impl StreamPermits {
    /// Takes a permit for as long as the value lives.
    pub(super) fn take(&self, holder: Holder, transport: Transport, settings: &Settings) -> Result<StreamPermit, Full> {
        let mut wait = None;
        let permit = self.0.permits.take(holder.clone(), 1, |taken| {
            room(taken, &holder, settings)?;
            if let Holder::Unnamed(address) = holder {
                wait = Some(self.wait(address, taken.all(), settings));
            }
            Ok(())
        })?;
        gauge!("tavolo_streams", "transport" => transport.name()).increment(1);
        Ok(StreamPermit { streams: Arc::clone(&self.0), permit, wait, transport, ended: "gone" })
    }

    /// How many streams have ended for this reason.
    #[must_use]
    pub fn ended(&self, reason: &str) -> u64 {
        lock(&self.0.ended).get(reason).copied().unwrap_or_default()
    }

    /// Lets somebody in from an address who has yet to say who it is, while so many permits are taken.
    fn wait(&self, address: IpAddr, taken: usize, settings: &Settings) -> Wait {
        let (number, displaced) = lock(&self.0.unnamed).add(address, taken, settings);
        Wait { streams: Arc::clone(&self.0), number, displaced }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Those who have yet to say who they are.
#[derive(Debug, Default)]
struct Unnamed {
    /// In the order in which they came.
    waiting: BTreeMap<u64, Waiting>,
    /// Their numbers, by address.
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
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

impl Unnamed {
    /// Adds somebody. When there are as many from an address as there may be, whoever has waited longest without a word
    /// makes room: so nobody who says nothing keeps others out who would. Where addresses cost nothing, that is so for all
    /// addresses together, before the last permits of the hub are taken.
    fn add(&mut self, address: IpAddr, taken: usize, settings: &Settings) -> (u64, CancellationToken) {
        while let Some(own) = self.by_address.get(&address)
            && own.len() >= settings.sockets_per_member.max(1)
            && let Some(&longest) = own.first()
        {
            self.displace(longest);
        }
        if taken >= kept_free(settings)
            && let Some((&longest, _)) = self.waiting.first_key_value()
        {
            self.displace(longest);
        }
        self.came += 1;
        let displaced = CancellationToken::new();
        self.by_address.entry(address).or_default().insert(self.came);
        self.waiting.insert(self.came, Waiting { address, displaced: displaced.clone() });
        (self.came, displaced)
    }

    fn displace(&mut self, number: u64) {
        self.forget(number).inspect(|waiting| waiting.displaced.cancel());
    }

    fn forget(&mut self, number: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&number)?;
        if let Some(own) = self.by_address.get_mut(&waiting.address) {
            own.remove(&number);
            if own.is_empty() {
                self.by_address.remove(&waiting.address);
            }
        }
        Some(waiting)
    }
}

/// The time until somebody says who it is.
#[derive(Debug)]
struct Wait {
    streams: Arc<Streams>,
    number: u64,
    displaced: CancellationToken,
}

impl Drop for Wait {
    fn drop(&mut self) {
        lock(&self.streams.unnamed).forget(self.number);
    }
}

/// A permit that is taken. However its stream ends, the reason is counted.
#[derive(Debug)]
pub(super) struct StreamPermit {
    streams: Arc<Streams>,
    permit: Permit,
    /// As long as nobody has said whose permit it is.
    wait: Option<Wait>,
    transport: Transport,
    ended: &'static str,
}

impl StreamPermit {
    /// Makes it the permit of whom its holder has turned out to be.
    pub(super) fn pass_to(&mut self, holder: Holder, settings: &Settings) -> Result<(), Full> {
        if holder == *self.permit.holder() {
            return Ok(());
        }
        self.permit.pass_to(holder.clone(), |others| room(others, &holder, settings))?;
        self.wait = None;
        Ok(())
    }

    /// Resolves when the permit is wanted for somebody else before its holder has said who it is.
    pub(super) fn displaced(&self) -> impl Future<Output = ()> + use<> {
        let displaced = self.wait.as_ref().map(|wait| wait.displaced.clone());
        async move {
            match displaced {
                Some(displaced) => displaced.cancelled().await,
                None => pending().await,
            }
        }
    }

    /// A permit for an operation that keeps so many bytes, if its holder has one left. A heavy one takes several.
    pub(super) fn operation(&self, bytes: usize, settings: &Settings) -> Option<OperationPermit> {
        let (holder, weight) = (self.permit.holder(), bytes.div_ceil(LIGHT).max(1));
        let room = |taken: &Taken| {
            let few = taken.of(holder) + weight <= settings.operations_per_member();
            if few { Ok(()) } else { Err(Full::Holder) }
        };
        self.streams.operations.take(holder.clone(), weight, room).ok()
    }

    /// Says why the stream ends; without a word the client has gone.
    pub(super) fn ends(&mut self, reason: &'static str) {
        self.ended = reason;
    }
}

impl Drop for StreamPermit {
    fn drop(&mut self) {
        let transport = self.transport.name();
        *lock(&self.streams.ended).entry(self.ended).or_default() += 1;
        gauge!("tavolo_streams", "transport" => transport).decrement(1);
        counter!("tavolo_streams_ended_total", "transport" => transport, "reason" => self.ended).increment(1);
    }
}

/// The permit of an operation that runs.
pub(super) type OperationPermit = Permit;

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn member(subject: &str) -> Holder {
        Holder::Member(subject.into())
    }

    /// Whether nobody has a permit, and nobody is remembered.
    fn all_are_free(permits: &StreamPermits) -> bool {
        let unnamed = lock(&permits.0.unnamed);
        permits.0.permits.taken().all() == 0 && unnamed.by_address.is_empty() && unnamed.waiting.is_empty()
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
        assert!(all_are_free(&permits));
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
        assert!(all_are_free(&permits));
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
        assert!(all_are_free(&permits));
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
