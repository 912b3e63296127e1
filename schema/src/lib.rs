//! What things are: the nouns, values and rules of reception.
//!
//! This crate does no I/O. It knows no clock, no database and no socket: the day, the facts and the
//! viewer are parameters. Everything that Tavolo says about places, persons and permissions is
//! defined here once and used by every other crate.
//!
//! What to touch for the next act, noun or number is in `docs/adding.md`.

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
pub use capacity::{Block, CapacityNumbers, Grant, PlaceCategory, Pool, PoolKey};
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
