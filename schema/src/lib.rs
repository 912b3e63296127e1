//! What things are: the nouns, values and rules of reception.
//!
//! This crate does no I/O. It knows no clock, no database and no socket: the day, the facts and the
//! viewer are parameters. Everything that Tavolo says about places, persons and permissions is
//! defined here once and used by every other crate.
//!
//! # Adding the next noun
//!
//! 1. Give it a file with its singular name (`transfer.rs`), the same name in every layer.
//! 2. Define the noun, its enums and its inputs. Every public field carries a doc comment: it
//!    becomes the description in the contract. Names come from the glossary of the field.
//! 3. Give it an identifier in [`id`], with a tag of its own.
//! 4. Write its rules as functions that take facts and a [`Findings`] and add coded findings; add
//!    the codes, with severity, texts and legal source, to the table in [`irregularity`].
//! 5. Put its acts, with who may perform them, into the table of [`act`], and say of each input which act it is. Its
//!    fields get their data class where they are resolved.
//! 6. Go on in `store`, whose crate documentation has the next recipe.

pub mod access;
pub mod accreditation;
pub mod act;
pub mod books;
pub mod capacity;
pub mod disclosed;
pub mod disclosure;
pub mod facility;
pub mod guest;
pub mod history;
pub mod id;
pub mod irregularity;
pub mod ledger;
pub mod lookup;
pub mod member;
pub mod municipality;
pub mod organisation;
pub mod period;
pub mod publication;
pub mod statistics;
pub mod statistics_table;
pub mod stay;
pub mod tax_code;
pub mod time;

mod codes;

pub use access::{Classes, DataClass, RecordOwners, Relation, Role, Standing};
pub use accreditation::{Accreditation, AccreditationStatus, CategoryPlaces};
pub use act::{Act, ActInput, Actor};
pub use capacity::{Block, CapacityNumbers, Grant, PlaceCategory, Pool};
pub use disclosed::{DisclosedNumbers, Headcount, Precision};
pub use facility::{Address, Facility, FacilityType, Room};
pub use guest::{FormerKeeper, Guest};
pub use history::{HistoryStep, Movement, TimeBasis};
pub use irregularity::{Code, Findings, Irregularity, Severity};
pub use ledger::{LedgerEntry, OccupancyCause, Position};
pub use lookup::Lookup;
pub use member::Member;
pub use municipality::Municipality;
pub use organisation::{Organisation, OrganisationKind};
pub use publication::Publication;
pub use stay::{ExitReason, Stay, StayStatus};
pub use time::{Clock, DateTime, Day};

/// The value of an enum as the contract writes it, such as `ACCREDITED`.
#[must_use]
pub fn contract_name<E: async_graphql::resolver_utils::EnumType>(value: E) -> String {
    match async_graphql::resolver_utils::enum_value(value) {
        async_graphql::Value::Enum(name) => name.to_string(),
        other => other.to_string(),
    }
}
