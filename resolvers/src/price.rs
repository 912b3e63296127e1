//! What a document may ask of the database, and what that costs, before anything of it is asked.
//!
//! A unit of cost is about a microsecond of a processor, of the hub and its database together, so a budget of sixty
//! million for a minute is one processor (the numbers were measured with 20,000 files on the machine of 2026). Each place
//! of a document that leads into the vault is a command, whatever the lists around it: loaders ask once for all. Each
//! record that it may bring is found, read and judged; and what has to be counted, or looked through for a filter, is as
//! much as the viewer's own part of the ledger ([`Seen`]).

use std::collections::BTreeSet;

use apollo_compiler::schema::{ExtendedType, FieldDefinition};
use tavolo_schema::{DataClass, Facility, Standing, contract_name};
use tavolo_subscriptions::{Board, FacilityState};

use crate::{lists::CONNECTION, validity::SCHEMA};

/// A command, whatever it says.
const COMMAND: u64 = 300;
/// A record that a command is asked for or brings.
const RECORD: u64 = 20;
/// The beginning of a page of stays, for each facility or guest that has one.
const PAGE: u64 = 100;
/// A file that is counted, or looked at for a filter, by fourths of a unit.
const FILES: u64 = 4;
/// A stay in statistics, with whose it is.
const STAY: u64 = 12;
/// An act: a transaction of the database.
pub(crate) const ACT: u64 = 2_500;

/// A facility whose places are added up, or looked at for a filter, by fourths of a unit.
const FACILITIES: u64 = 4;

/// How often totals that are watched are added up in a minute: five times a second while something changes.
const TOTALS: u64 = 300;

/// Fewer entries than these are not told apart.
const FEW: u64 = 1_024;

/// What a place of a document asks of the database.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// However often it comes.
    pub(crate) once: u64,
    /// Each time it comes.
    pub(crate) each: u64,
}

impl Work {
    /// Both beside each other.
    pub(crate) fn and(self, other: Self) -> Self {
        Self { once: self.once.saturating_add(other.once), each: self.each.saturating_add(other.each) }
    }

    /// What it is below a list.
    pub(crate) fn times(self, length: u64) -> Self {
        Self { each: self.each.saturating_mul(length), ..self }
    }

    /// All of it, at the root.
    pub(crate) fn all(self) -> u64 {
        self.once.saturating_add(self.each)
    }
}

/// What a field of the vault asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asks {
    /// Things by their ids, of so many kinds.
    Things(u64),
    /// A page of a list, through all of which a filter looks.
    List,
    /// How long a list is.
    Count,
    /// A page of stays of each of its parents.
    Pages,
    /// The stays of a period, and whose they are.
    Everything,
    /// Nothing, though it leads into the vault.
    Nothing,
    /// Nothing of the vault: every facility of the board, so many times.
    Board(u64),
}

/// Fields that ask for something else than what follows from the type they lead to.
const PRICED: &[(&str, &str, Asks)] = &[
    ("Query", "node", Asks::Things(1)),
    ("Query", "statistics", Asks::Everything),
    // A guest's record names it.
    ("Guest", "household", Asks::Nothing),
    ("Query", "facilities", Asks::Board(1)),
    ("Query", "occupancy", Asks::Board(1)),
    ("Query", "occupancyHistory", Asks::Board(1)),
    ("Subscription", "totalsChanged", Asks::Board(TOTALS)),
];

/// The types of the contract that are kept in the vault: those whose ids are of a personal class.
#[derive(Debug)]
pub(crate) struct VaultTypes {
    names: BTreeSet<String>,
    /// How many of them have global ids.
    nodes: u64,
    /// Those of which there is a list at the root.
    listed: BTreeSet<String>,
}

impl VaultTypes {
    /// The types of the contract.
    pub(crate) fn new() -> Self {
        let (mut names, mut nodes, mut listed) = (BTreeSet::new(), 0, BTreeSet::new());
        for (name, own) in &SCHEMA.types {
            let ExtendedType::Object(object) = own else { continue };
            if name == "Query" {
                let lists = object.fields.values().filter_map(|field| connection_of(field.ty.inner_named_type()));
                listed.extend(lists.map(ToOwned::to_owned));
            }
            if object.fields.get("id").is_some_and(|id| is_personal(id)) {
                nodes += u64::from(object.implements_interfaces.contains("Node"));
                names.insert(name.to_string());
            }
        }
        Self { names, nodes, listed }
    }

    /// What a field of the contract asks for; `None` for most.
    pub(crate) fn asks(&self, on: &str, field: &str, to: &str) -> Option<Asks> {
        if let Some((.., asks)) = PRICED.iter().find(|(of, own, _)| (*of, *own) == (on, field)) {
            return Some(*asks);
        }
        let in_vault = |name: &str| self.names.contains(name);
        match (connection_of(on), connection_of(to)) {
            _ if (on, field) == ("Query", "nodes") => Some(Asks::Things(self.nodes)),
            (Some(listed), _) if field == "totalCount" && in_vault(listed) && self.listed.contains(listed) => {
                Some(Asks::Count)
            }
            // Edges and nodes are part of their list, and payloads part of an act.
            (Some(_), _) => None,
            _ if ["Edge", "Payload"].iter().any(|end| on.ends_with(end)) => None,
            (None, Some(listed)) if in_vault(listed) => Some(if on == "Query" { Asks::List } else { Asks::Pages }),
            _ if in_vault(to) => Some(Asks::Things(1)),
            _ => None,
        }
    }
}

/// What a connection lists.
fn connection_of(name: &str) -> Option<&str> {
    name.strip_suffix(CONNECTION)
}

/// Whether a field is of a class that is about persons.
fn is_personal(field: &FieldDefinition) -> bool {
    let class = field.directives.get("dataClass").and_then(|own| own.specified_argument_by_name("class"));
    let class = class.and_then(|class| class.as_enum());
    let is_of = |known: &DataClass| class.is_some_and(|class| *class == *contract_name(*known));
    DataClass::ALL.iter().filter(|known| known.is_personal()).any(is_of)
}

/// What is asked of the database or of the board, with a list of this length, by what the viewer sees.
pub(crate) fn work(asks: Asks, filtered: bool, length: u64, sizes: Sizes<'_>) -> Work {
    let records = RECORD.saturating_mul(length);
    match asks {
        Asks::Things(kinds) => Work { once: kinds * COMMAND, each: records },
        Asks::List if filtered => Work { once: COMMAND + (sizes.entries)() / FILES, each: records },
        Asks::List => Work { once: COMMAND, each: records },
        Asks::Count => Work { once: COMMAND + (sizes.entries)() / FILES, each: 0 },
        Asks::Pages => Work { once: COMMAND, each: PAGE.saturating_add(records) },
        Asks::Everything => {
            Work { once: (2 * COMMAND).saturating_add((sizes.entries)().saturating_mul(STAY)), each: 0 }
        }
        Asks::Nothing => Work::default(),
        Asks::Board(times) => Work { once: sizes.facilities.saturating_mul(times) / FACILITIES, each: 0 },
    }
}

/// How much there is to look through.
#[derive(Clone, Copy)]
pub(crate) struct Sizes<'s> {
    /// Facilities of the board.
    pub(crate) facilities: u64,
    /// Entries of the ledgers that the viewer sees, which takes a look at all of them.
    pub(crate) entries: &'s dyn Fn() -> u64,
}

/// What an export asks of the database.
pub(crate) fn export(seen: Seen<'_>) -> u64 {
    STAY.saturating_mul(seen.entries())
}

/// The part of a board that somebody sees. Whatever is beyond it must not be told by a cost.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'b> {
    /// The board.
    pub(crate) board: &'b Board,
    standing: &'b Standing,
}

impl<'b> Seen<'b> {
    /// What somebody who stands at the table like this sees of a board.
    #[must_use]
    pub fn new(board: &'b Board, standing: &'b Standing) -> Self {
        Self { board, standing }
    }

    /// Whether the viewer sees that this facility exists.
    pub(crate) fn shows(self, facility: &Facility) -> bool {
        self.standing.sees(facility.owners()).contains(DataClass::Operational)
    }

    /// The places that the viewer sees.
    pub(crate) fn facilities(self) -> impl Iterator<Item = &'b FacilityState> {
        self.board.facilities(None).map(AsRef::as_ref).filter(move |state| self.shows(&state.facility))
    }

    /// How many entries the ledgers of these places have, at least [`FEW`] and up to the next power of two. There are no
    /// fewer of them than stays, nor than files that have been in a facility.
    pub(crate) fn entries(self) -> u64 {
        let pools = self.facilities().flat_map(|state| &state.pools);
        let entries: u64 = pools.map(|pool| u64::try_from(pool.revision).unwrap_or_default()).sum();
        entries.max(FEW).checked_next_power_of_two().unwrap_or(u64::MAX)
    }

    /// How many facilities the board has, up to the next power of two. Totals count every one of them, for anybody, and say
    /// how many there are.
    pub(crate) fn size_of_board(self) -> u64 {
        let facilities = self.board.facility_count() as u64;
        if facilities == 0 { 0 } else { facilities.checked_next_power_of_two().unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lists::CONTRACT;

    #[test]
    fn whatever_leads_into_the_vault_has_a_price() {
        let priced: BTreeSet<String> = CONTRACT
            .edges()
            .filter(|(.., edge)| !matches!(edge.asks, None | Some(Asks::Board(_) | Asks::Nothing)))
            .map(|(on, field, edge)| format!("{on}.{field}: {:?}", edge.asks.unwrap()))
            .collect();
        let expected = [
            "Facility.stays: Pages",
            "Guest.stays: Pages",
            "GuestConnection.totalCount: Count",
            "GuestLookup.guests: Things(1)",
            "GuestLookupConnection.totalCount: Count",
            "Household.members: Things(1)",
            "Query.guest: Things(1)",
            "Query.guestLookups: List",
            "Query.guests: List",
            "Query.node: Things(1)",
            "Query.statistics: Everything",
            "Stay.guest: Things(1)",
        ];
        let missing: Vec<&str> = expected.into_iter().filter(|edge| !priced.contains(*edge)).collect();
        assert_eq!(missing, Vec::<&str>::new());
        // Guests, stays and households at least.
        assert!(matches!(CONTRACT.edge("Query", "nodes").and_then(|edge| edge.asks), Some(Asks::Things(3..))));
        for (on, field, _) in PRICED {
            assert!(CONTRACT.edge(on, field).is_some(), "there is no {on}.{field}");
        }
    }

    #[test]
    fn a_command_is_paid_for_once_and_its_records_as_often_as_they_come() {
        let sizes = Sizes { facilities: 512, entries: &|| 4_096 };
        let work = |on: &str, field: &str, filtered: bool, length: u64| {
            let asks = CONTRACT.edge(on, field).unwrap().asks;
            asks.map_or_else(Work::default, |asks| super::work(asks, filtered, length, sizes))
        };
        assert_eq!(work("Query", "guests", false, 20), Work { once: 300, each: 400 });
        assert_eq!(work("Query", "guests", true, 1), Work { once: 300 + 1_024, each: 20 });
        assert_eq!(work("GuestConnection", "totalCount", false, 1).all(), 300 + 1_024);
        assert_eq!(work("FacilityConnection", "totalCount", false, 1), Work::default());
        assert_eq!(work("Query", "statistics", true, 1).all(), 600 + 12 * 4_096);
        assert_eq!(work("Query", "occupancy", false, 9).all(), 128);
        assert_eq!(work("Subscription", "totalsChanged", false, 9).all(), 300 * 128);
        let stays = work("Facility", "stays", false, 5);
        assert_eq!(stays.times(50).all(), 300 + 50 * (100 + 5 * 20));
    }
}
