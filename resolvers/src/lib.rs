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
//! What to touch for the next act, noun or number is in `docs/adding.md`.

// The layout of a merged root's future is as deep as the root has parts: the compiler's default is less.
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
mod occupancy;
mod operation;
mod organisation;
mod price;
mod request;
mod request_context;
mod scan;
mod shared_fields;
mod statistics;
mod stay;
mod validity;
mod viewer;
mod weight;

pub use graph::Graph;
pub use hub::{Hub, Viewer};
pub use live::{Answer, Live};
pub use operation::OperationKind;
pub use price::Seen;
pub use request::Prepared;
