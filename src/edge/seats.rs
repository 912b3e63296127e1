//! Seats: who holds a stream of answers open, how many there may be, and why each one ended.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use metrics::{counter, gauge};

use super::Settings;

/// For whom a stream is held open.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Holder {
    /// A member, by subject.
    Member(String),
    /// Somebody without a token, by address.
    Address(IpAddr),
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

/// Why there is no seat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// The hub has as many streams as it can hold.
    Hub,
    /// This holder has as many as one may have.
    Holder,
}

/// The seats of a hub.
#[derive(Clone, Debug, Default)]
pub struct Seats(Arc<Mutex<Taken>>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    by: HashMap<Holder, usize>,
}

impl Seats {
    /// Takes a seat for as long as the value lives.
    pub(super) fn take(&self, holder: Holder, transport: Transport, settings: &Settings) -> Result<Seat, Full> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if taken.all >= settings.sockets {
            return Err(Full::Hub);
        }
        let own = taken.by.get(&holder).copied().unwrap_or_default();
        if own >= settings.sockets_per_member {
            return Err(Full::Holder);
        }
        taken.all += 1;
        taken.by.insert(holder.clone(), own + 1);
        gauge!("tavolo_streams", "transport" => transport.name()).increment(1);
        Ok(Seat { seats: self.clone(), holder, transport, ended: "gone" })
    }
}

/// A seat that is taken. However its stream ends, the reason is counted.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Seats,
    holder: Holder,
    transport: Transport,
    ended: &'static str,
}

impl Seat {
    /// Says why the stream ends; without a word the client has gone.
    pub(super) fn ends(&mut self, reason: &'static str) {
        self.ended = reason;
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        if let Entry::Occupied(mut own) = taken.by.entry(self.holder.clone()) {
            *own.get_mut() -= 1;
            if *own.get() == 0 {
                own.remove();
            }
        }
        let transport = self.transport.name();
        gauge!("tavolo_streams", "transport" => transport).decrement(1);
        counter!("tavolo_streams_ended_total", "transport" => transport, "reason" => self.ended).increment(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seat_is_free_again_when_its_stream_has_ended() {
        let settings = Settings { sockets: 3, sockets_per_member: 2, ..Settings::default() };
        let seats = Seats::default();
        let take = |subject: &str| seats.take(Holder::Member(subject.into()), Transport::Socket, &settings);
        let (one, _two) = (take("a").unwrap(), take("a").unwrap());
        assert_eq!(take("a").unwrap_err(), Full::Holder);
        let _three = take("b").unwrap();
        assert_eq!(take("b").unwrap_err(), Full::Hub);
        drop(one);
        assert!(take("c").is_ok());
        assert!(take("a").is_ok());
    }
}
