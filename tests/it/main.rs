//! The whole hub on a real MongoDB: one binary, real sockets, a fixed clock.
//!
//! Every test has a database of its own on a MongoDB that the tests start themselves, or on the one
//! that `TAVOLO_MONGODB_URI` names.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests say what they expect"
)]

mod accreditation_states;
mod acts;
mod books;
mod budget;
mod by_the_clock;
mod cleanup;
mod commands;
mod contract;
mod cost;
mod costs_tell_nothing;
mod custody;
mod database;
mod database_schema;
mod deployment;
mod disclosure;
mod doctor;
mod documents;
mod edge;
mod envelope;
mod export;
mod faults_of_entry;
mod feed;
mod former_keepers;
mod gate;
mod guard;
mod harness;
mod history;
mod interference;
mod kept_apart;
mod keys;
mod limits_of_streams;
mod listener;
mod lists;
mod live;
mod lookups;
mod metrics;
mod patience;
mod protected_apart;
mod proxy;
mod publication;
mod races;
mod stage;
mod statistics;
mod statistics_tables;
mod streams;
mod totals;
mod turns;
mod walls;
