//! Answers: the only crate that executes GraphQL.
//!
//! A resolver decodes, asks the gate, asks the board or a loader, and shapes the answer. It knows no
//! document, no transaction and no socket.
//!
//! - Everything shared is answered from the board of the request's [`viewer_scope::ViewerScope`], without any
//!   database command.
//! - Everything personal is asked of the vault through a loader that lives for one request.
//! - Whether a viewer sees a value is decided by [`gate::show`] alone: for queries, nested fields,
//!   payloads and every event of a subscription. Lists are filtered by [`viewer_scope::ViewerScope::shows`],
//!   before they are counted, ordered or cut.
//!
//! # Adding the next noun
//!
//! 1. A file with its name: the object with its edges, its connection, the fragments of `Query` and
//!    `Mutation`. Add the fragments to the merge lists in `contract`.
//! 2. Each field gets `directive = data_class::apply(…)`, and where the class is more than the row's
//!    own, its value goes through [`gate::show`] with the same class. The generated test of the gate
//!    walks it from then on.
//! 3. An edge to something personal gets a loader key in [`loaders`], never a call per parent.
//! 4. `cargo run -- schema > schema/schema.graphql` renews the contract; the test shows the difference.

// Futures of a merged root are as deep as it has parts.
#![recursion_limit = "256"]

pub mod error;
pub mod export;
pub mod gate;
pub mod graph;
pub mod guard;
pub mod hub;
pub mod live;
pub mod loaders;
mod lookup;
pub mod viewer_scope;

mod accreditation;
mod act;
mod capacity;
mod connection;
mod contract;
mod documents;
mod execution;
mod facility;
mod field_order;
mod guest;
mod history;
mod irregularity;
mod lists;
mod municipality;
mod node;
mod occupancy;
mod organisation;
mod price;
mod request;
mod request_context;
mod scan;
mod statistics;
mod stay;
mod viewer;
mod weight;

pub use graph::Graph;
pub use hub::{Hub, Viewer};
pub use live::{Answer, Live};
pub use price::Seen;
pub use request::{OperationKind, Prepared};
