//! Keeps things: the only crate that names mongodb.
//!
//! Documents are private to this crate. What leaves it are the nouns of `schema`, converted with
//! checks: a document that does not convert is an error that names collection, id and field, never
//! a silent omission.
//!
//! Reading: [`Store`] has one method per access path, each backed by an index. Writing: an act is its input, which
//! says in the file of its noun how it is performed ([`Perform`]); [`Store::act`] performs it. An act runs in one
//! transaction with majority write concern (`transaction`), takes its decisions on what it reads there, and leaves
//! behind the changed documents, the ledger entries and one record of the act itself ([`act`]). Whatever is sent to the
//! database goes through the `gate`; nothing else of this crate has the driver's database in its hands.
//!
//! What to touch for the next act, noun or number is in `docs/adding.md`.

pub mod act;
pub mod admin;
pub mod audit;
pub mod changes;
pub mod clock;
pub mod health;
pub mod history;
pub mod key;
pub mod ledger;
pub mod seed;
pub mod statistics;

mod accreditation;
mod capacity;
mod database;
mod document;
mod error;
mod facility;
mod gate;
mod guest;
mod lookup;
mod member;
mod migrations;
mod municipality;
mod organisation;
mod page;
mod publication;
mod settings;
mod statistics_table;
mod stay;
mod transaction;
mod within;

pub use act::{Order, OrderedBy, Outcome};
pub use capacity::PlacesAnswer;
pub use database::Store;
pub use error::StoreError;
pub use gate::{Behalf, Connections};
pub use guest::{GuestPage, GuestScope};
pub use key::Key;
pub use lookup::LookupScope;
pub use migrations::SCHEMA_VERSION;
pub use page::KeyPage;
pub use settings::{LookupLimits, Settings};
pub use stay::StayPage;
pub use transaction::{Perform, Stopped};
pub use within::Within;
