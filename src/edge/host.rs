//! The names that a hub is asked by.
//!
//! A page of somebody else may give its own name the address of this machine, and is then let ask as if it were a page of
//! the hub's own. What it cannot do is ask by a name that is not its own: `Host` tells.

use std::{
    net::{IpAddr, SocketAddr},
    str::FromStr,
};

use axum::http::{HeaderMap, Uri, header::HOST, uri::Authority};

/// A name that a hub is asked by, without port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// This name, in lower case.
    Name(String),
    /// This address.
    Address(IpAddr),
    /// Any address, but no name.
    AnyAddress,
}

impl Host {
    /// The names that only this machine gives itself, and the address that a hub was told to listen on.
    #[must_use]
    pub fn of_this_machine(listen: SocketAddr) -> Vec<Self> {
        let told = if listen.ip().is_unspecified() { Self::AnyAddress } else { Self::Address(listen.ip()) };
        let loopback = ["localhost", "127.0.0.1", "[::1]"].map(|name| Self::of(name).unwrap_or(Self::AnyAddress));
        loopback.into_iter().chain([told]).collect()
    }

    fn of(text: &str) -> Option<Self> {
        let address = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
        if let Ok(address) = address.parse() {
            return Some(Self::Address(address));
        }
        let named = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        named.then(|| Self::Name(text.to_ascii_lowercase()))
    }

    fn is(&self, asked: &Self) -> bool {
        self == asked || matches!((self, asked), (Self::AnyAddress, Self::Address(_)))
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::of(text).ok_or_else(|| "expected a name without port, such as tavolo.example.org".into())
    }
}

/// Whether a request asks by one of these names; where there are none, by any.
pub(super) fn is_asked_by(hosts: &[Host], uri: &Uri, headers: &HeaderMap) -> bool {
    if hosts.is_empty() {
        return true;
    }
    let mut named = headers.get_all(HOST).iter();
    let (first, second) = (named.next(), named.next());
    let header = first.filter(|_| second.is_none()).and_then(|value| value.to_str().ok()?.parse::<Authority>().ok());
    let known = |authority: &Authority| {
        // The authority may have a port behind the host, and no user name before it.
        let rest = authority.as_str().strip_prefix(authority.host());
        let port = rest.is_some_and(|rest| rest.bytes().all(|byte| byte == b':' || byte.is_ascii_digit()));
        port && Host::of(authority.host()).is_some_and(|asked| hosts.iter().any(|host| host.is(&asked)))
    };
    // A request that names its host in the address as well has to mean the same.
    header.is_some_and(|header| known(&header)) && uri.authority().is_none_or(known)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn asked(hosts: &[Host], uri: &str, names: &[&str]) -> bool {
        let names = names.iter().map(|name| (HOST, HeaderValue::from_bytes(name.as_bytes()).unwrap()));
        let mut headers = HeaderMap::new();
        for (header, name) in names {
            headers.append(header, name);
        }
        is_asked_by(hosts, &uri.parse().unwrap(), &headers)
    }

    #[test]
    fn a_demonstration_is_asked_by_the_names_of_this_machine_alone() {
        let hosts = Host::of_this_machine("192.0.2.7:8080".parse().unwrap());
        for name in ["localhost", "LocalHost:8080", "127.0.0.1", "127.0.0.1:9", "[::1]", "[::1]:8080", "192.0.2.7:8080"]
        {
            assert!(asked(&hosts, "/", &[name]), "{name}");
        }
        for name in [
            "evil.example",
            "evil.example:8080",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "localhost@evil.example",
            "evil.example@localhost",
            "127.0.0.2",
            "192.0.2.8",
            "[::2]",
            "",
            ":8080",
            "localhost, evil.example",
            "è",
            "localhost/",
            "localhost:port",
        ] {
            assert!(!asked(&hosts, "/", &[name]), "{name}");
        }
        assert!(!asked(&hosts, "/", &[]) && !asked(&hosts, "/", &["localhost", "evil.example"]));
        assert!(!asked(&hosts, "http://evil.example/", &["localhost"]));
        assert!(!asked(&hosts, "http://localhost/", &["evil.example"]));
        assert!(asked(&hosts, "http://localhost/", &["localhost"]));
    }

    #[test]
    fn who_listens_on_every_address_is_asked_by_any_of_them_and_by_no_strange_name() {
        let hosts = Host::of_this_machine("0.0.0.0:8080".parse().unwrap());
        assert!(asked(&hosts, "/", &["192.0.2.7:8080"]) && asked(&hosts, "/", &["localhost"]));
        assert!(!asked(&hosts, "/", &["evil.example"]));
    }

    #[test]
    fn where_no_names_are_listed_any_will_do() {
        assert!(asked(&[], "/", &["evil.example"]) && asked(&[], "/", &[]));
        let listed = ["Tavolo.example.org".parse().unwrap()];
        assert!(asked(&listed, "/", &["tavolo.example.org"]) && !asked(&listed, "/", &["localhost"]));
        for wrong in ["", "tavolo.example.org:443", "https://tavolo.example.org", "a b", "*"] {
            assert!(wrong.parse::<Host>().is_err(), "{wrong}");
        }
    }
}
