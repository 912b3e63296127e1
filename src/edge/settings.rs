//! The limits of the edge: each one field, with one default and one test that trips it.
//!
//! What an operator of a hub has reasons to choose is a flag of `tavolo serve`; the rest is as it is for every hub.

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use clap::Args;
use ipnet::IpNet;
use tavolo_schema::publication::Thresholds;

use super::host::Host;

/// How the edge of a hub is set.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Folder of `.graphql` files that are served by id.
    #[arg(long, env = "TAVOLO_DOCUMENTS", value_name = "DIR")]
    pub documents: Option<PathBuf>,
    /// Take documents by id alone, except from tokens whose `scope` has `graphql:free`.
    #[arg(long, env = "TAVOLO_TRUSTED_ONLY", requires = "documents")]
    pub trusted_only: bool,
    /// What the requests of one member may cost in a minute.
    #[arg(long, env = "TAVOLO_MEMBER_BUDGET", default_value_t = DEFAULT.member_budget, value_name = "COST",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub member_budget: u32,
    /// What the requests of one address (IPv6: one /64) may cost in a minute, from those without a token.
    #[arg(long, env = "TAVOLO_ADDRESS_BUDGET", default_value_t = DEFAULT.address_budget, value_name = "COST",
        value_parser = clap::value_parser!(u32).range(1..))]
    pub address_budget: u32,
    /// Facilities with places that can be given out which a total must have to be told to the public as it is now, at least
    /// three. The same on every hub of a table, like the two that follow.
    #[arg(long, env = "TAVOLO_PUBLIC_FACILITIES", default_value_t = DEFAULT.public_facilities, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(3..))]
    pub public_facilities: u16,
    /// Places that such a total must have, at least ten.
    #[arg(long, env = "TAVOLO_PUBLIC_PLACES", default_value_t = DEFAULT.public_places, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(10..))]
    pub public_places: u16,
    /// Tell the public all totals as of the end of the day before.
    #[arg(long, env = "TAVOLO_PUBLIC_DAILY")]
    pub public_daily: bool,
    /// Proxies, as addresses or networks, whose word on the client's address is taken.
    #[arg(long, env = "TAVOLO_TRUSTED_PROXIES", value_delimiter = ',', value_name = "NETWORKS", value_parser = network)]
    pub trusted_proxies: Vec<IpNet>,
    /// Names that the hub is asked by (`Host`, without port), that of a health check included; by any, when none is named.
    #[arg(long, env = "TAVOLO_HOSTS", value_delimiter = ',', value_name = "NAMES")]
    pub hosts: Vec<Host>,
    /// Address of its own for `/metrics`. Without one, they are for whoever asks from this machine.
    #[arg(long, env = "TAVOLO_METRICS_LISTEN", value_name = "ADDRESS")]
    pub metrics_listen: Option<SocketAddr>,
    /// Connections of the hub at most, sockets included.
    #[arg(long, env = "TAVOLO_CONNECTIONS", default_value_t = DEFAULT.connections)]
    pub connections: usize,
    /// Sockets and event streams of the hub at most. The last tenth is for members.
    #[arg(long, env = "TAVOLO_SOCKETS", default_value_t = DEFAULT.sockets)]
    pub sockets: usize,
    /// Sockets and event streams of one member at most; of one address (IPv6: one /64), from those without a token.
    /// On all of them together run five times as many operations at most.
    #[arg(long, env = "TAVOLO_SOCKETS_PER_MEMBER", default_value_t = DEFAULT.sockets_per_member)]
    pub sockets_per_member: usize,
    /// Operations of one socket at most.
    #[arg(skip = DEFAULT.operations_per_socket)]
    pub operations_per_socket: usize,
    /// Bytes of a socket's message at most.
    #[arg(skip = DEFAULT.message_bytes)]
    pub message_bytes: usize,
    /// How long a client has for its `connection_init`.
    #[arg(skip = DEFAULT.init_within)]
    pub init_within: Duration,
    /// How long a client has to take a message.
    #[arg(skip = DEFAULT.take_within)]
    pub take_within: Duration,
    /// How often a silent client is asked whether it is there.
    #[arg(skip = DEFAULT.ping_every)]
    pub ping_every: Duration,
    /// How often what somebody watches has to be paid for again.
    #[arg(skip = DEFAULT.due_every)]
    pub due_every: Duration,
    /// Bytes of a request's body at most.
    #[arg(skip = DEFAULT.body_bytes)]
    pub body_bytes: usize,
    /// How long a request's head may take.
    #[arg(skip = DEFAULT.head_within)]
    pub head_within: Duration,
    /// How long a request's body may take.
    #[arg(skip = DEFAULT.body_within)]
    pub body_within: Duration,
    /// How long a connection may take none of what is written to it.
    #[arg(skip = DEFAULT.write_within)]
    pub write_within: Duration,
    /// How long an operation may take. More than the store goes on trying to commit an act, which is 15 s.
    #[arg(skip = DEFAULT.request_within)]
    pub request_within: Duration,
    /// How long the client of an export may take for all of it.
    #[arg(skip = DEFAULT.export_within)]
    pub export_within: Duration,
}

const DEFAULT: Settings = Settings {
    documents: None,
    trusted_only: false,
    member_budget: 60_000_000,
    address_budget: 60_000_000,
    public_facilities: 3,
    public_places: 10,
    public_daily: false,
    trusted_proxies: Vec::new(),
    hosts: Vec::new(),
    metrics_listen: None,
    connections: 60_000,
    sockets: 50_000,
    sockets_per_member: 200,
    operations_per_socket: 100,
    message_bytes: 64 * 1024,
    init_within: Duration::from_secs(10),
    take_within: Duration::from_secs(10),
    ping_every: Duration::from_secs(20),
    due_every: Duration::from_secs(60),
    body_bytes: 64 * 1024,
    head_within: Duration::from_secs(10),
    body_within: Duration::from_secs(10),
    write_within: Duration::from_secs(30),
    request_within: Duration::from_secs(30),
    export_within: Duration::from_secs(600),
};

/// Operations of a member for each socket that it may have.
const USUAL_OPERATIONS: usize = 5;

impl Settings {
    /// Which totals the public is told as they are now.
    #[must_use]
    pub fn thresholds(&self) -> Thresholds {
        Thresholds {
            facilities: usize::from(self.public_facilities),
            places: i32::from(self.public_places),
            live: !self.public_daily,
        }
    }

    /// Operations of one member at most, on all its sockets and event streams together; of one address, likewise.
    pub(super) fn operations_per_member(&self) -> usize {
        self.sockets_per_member.saturating_mul(USUAL_OPERATIONS)
    }
}

impl Default for Settings {
    fn default() -> Self {
        DEFAULT
    }
}

/// Reads a network, or an address as the network of itself.
fn network(text: &str) -> Result<IpNet, String> {
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    let expected = |_| "expected an address such as 10.0.0.1 or a network such as 10.0.0.0/8".into();
    text.parse::<IpNet>().or_else(|_| address()).map_err(expected)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_read_and_an_address_is_one_of_itself() {
        assert_eq!(network("10.0.0.0/8").unwrap().prefix_len(), 8);
        assert_eq!(network("10.0.0.1").unwrap().prefix_len(), 32);
        assert_eq!(network("::1").unwrap().prefix_len(), 128);
        assert!(network("proxy.example").is_err());
    }
}
