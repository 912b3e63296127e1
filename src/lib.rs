//! Listens: the only crate that names axum.
//!
//! Everything a process needs around the graph: configuration and commands ([`cli`]), who asks
//! ([`auth`]), the HTTP and WebSocket edge ([`edge`]), the life of a hub ([`serve`]) and what a
//! service manager is told of it ([`service_manager`]), the key that a database is kept with
//! ([`key_file`]), whether a hub can run here ([`doctor`]), a MongoDB of its own for demonstrations and
//! tests ([`local_mongod`]), and the demonstration itself.
//!
//! # Adding the next command
//!
//! A variant in [`cli::Command`] with a doc comment (it becomes the help), its flags with a
//! `TAVOLO_*` variable each, and a function that does it in a module of its name. Then renew
//! `docs/configuration.md` with `tavolo reference`.

// The limit is that of `resolvers`: code that awaits a hub computes the layout of its graph.
#![recursion_limit = "256"]

pub mod auth;
pub mod cli;
pub mod command;
pub mod demo;
pub mod doctor;
pub mod edge;
pub mod invent;
pub mod key_file;
mod listener;
pub mod local_mongod;
pub mod reference;
pub mod seed;
pub mod serve;
pub mod service_manager;
pub mod tokens;
pub mod world;

use tavolo_schema::{Clock, DateTime};

/// The municipalities of the province, as the reference data has them.
pub const MUNICIPALITIES: &str = include_str!("../examples/data/municipalities_kr.csv");

/// The clock of this machine: the only place where the time is read.
#[must_use]
#[allow(clippy::disallowed_methods, reason = "everybody else is handed this clock")]
pub fn system_clock() -> Clock {
    Clock::new(|| DateTime::new(jiff::Timestamp::now()))
}
