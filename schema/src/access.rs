//! Who sees what: one table, one function. Who may do what is the table of [acts](crate::act).
//!
//! Every field of the graph has a [`DataClass`], visible in the contract as `@dataClass`. A viewer
//! has a [`Role`] and stands in a [`Relation`] to a record. [`sees`] is the one policy table that
//! says which classes follow from the two.
//!
//! Sources: DM 18/11/2019; DM 10/08/2016 art. 32 and 40; GDPR art. 5, 6, 9 and 28; the founding
//! page's "tavolo d'incontro virtuale".

use async_graphql::{Enum, TypeDirective};
use serde::{Deserialize, Serialize};

use crate::id::OrganisationId;

/// How sensitive a field is. The least sensitive class comes first.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum DataClass {
    /// Anybody may know it: organisations, municipalities, totals by municipality and category.
    Public,
    /// The working data of one facility: name, rooms, accreditation, places, occupancy.
    Operational,
    /// Where a facility is.
    Address,
    /// That somebody stays in a facility, from when to when, without saying who.
    Presence,
    /// Who a person is: name, birth, citizenship, codes, household, languages.
    Identity,
    /// A person's legal status and asylum procedure.
    Legal,
    /// Health, vulnerability and documented special needs.
    Sensitive,
    /// That a guest's file was looked at for somebody who does not see it: by whom, when, and what was told.
    Lookup,
    /// An act. Who may perform it follows from the table of acts.
    Act,
}

mod directive {
    #![allow(missing_docs, reason = "the macro documents nothing it generates")]
    use super::{DataClass, TypeDirective};

    /// Says how sensitive a field is; which classes a viewer may read follows from role and relation to the record.
    #[TypeDirective(name = "dataClass", location = "FieldDefinition")]
    pub fn data_class(class: DataClass) {}
}
pub use directive::data_class;

impl DataClass {
    /// Every class, the least sensitive first.
    pub const ALL: [Self; 9] = [
        Self::Public,
        Self::Operational,
        Self::Address,
        Self::Presence,
        Self::Identity,
        Self::Legal,
        Self::Sensitive,
        Self::Lookup,
        Self::Act,
    ];

    /// Whether it is about a person, so that what is of this class is kept in the vault alone.
    #[must_use]
    pub const fn is_personal(self) -> bool {
        match self {
            Self::Public | Self::Operational | Self::Address | Self::Act => false,
            Self::Presence | Self::Identity | Self::Legal | Self::Sensitive | Self::Lookup => true,
        }
    }
}

/// A set of data classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Classes(u16);

impl Classes {
    const fn of(classes: &[DataClass]) -> Self {
        let mut bits = 0;
        let mut at = 0;
        while at < classes.len() {
            bits |= 1 << classes[at] as u8;
            at += 1;
        }
        Self(bits)
    }

    /// The classes in the set, the least sensitive first.
    pub fn iter(self) -> impl Iterator<Item = DataClass> {
        DataClass::ALL.into_iter().filter(move |class| self.contains(*class))
    }

    /// Whether the class is in the set.
    #[must_use]
    pub fn contains(self, class: DataClass) -> bool {
        self.0 & (1 << class as u8) != 0
    }
}

/// The part a member plays at the table. It comes from the membership in the database, never from the token.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Role {
    /// The Province: keeps the register, accredits, sees every facility and guest of the territory.
    Province,
    /// A managing body: sees and changes its own facilities and guests, and nobody else's.
    Operator,
    /// A municipality: sees the facilities on its territory, and the guests of the projects it holds.
    Municipality,
    /// The Prefecture: sees facilities, capacity and presences, without names.
    Prefecture,
    /// The national Central Service: sees places, occupancy and beneficiaries; registers guests.
    CentralService,
    /// An analyst: sees facilities and figures, no person and no address.
    Analyst,
    /// Anybody without a token: sees totals.
    Public,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 7] = [
        Self::Province,
        Self::Operator,
        Self::Municipality,
        Self::Prefecture,
        Self::CentralService,
        Self::Analyst,
        Self::Public,
    ];
}

/// How a viewer's organisation stands to a record. The closest relation counts.
#[derive(Enum, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Relation {
    /// It runs the facility, or keeps the guest's file.
    Keeper,
    /// It holds the project the facility belongs to.
    Holder,
    /// The facility stands on its territory.
    Territory,
    /// None of these.
    Stranger,
}

impl Relation {
    /// Every relation, the closest first.
    pub const ALL: [Self; 4] = [Self::Keeper, Self::Holder, Self::Territory, Self::Stranger];
}

/// The organisations a record belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordOwners<'a> {
    /// Who runs the facility, or keeps the guest's file.
    pub keeper: Option<OrganisationId>,
    /// Who holds the project.
    pub holder: Option<OrganisationId>,
    /// ISTAT code of the municipality it is in.
    pub municipality: Option<&'a str>,
}

/// Who asks: a role, and the organisation it is exercised for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The part played at the table.
    pub role: Role,
    /// The organisation; none for the public.
    pub organisation: Option<OrganisationId>,
    /// ISTAT code of the municipality, when the organisation is one.
    pub municipality: Option<String>,
}

impl Standing {
    /// Somebody without a token.
    #[must_use]
    pub fn public() -> Self {
        Self { role: Role::Public, organisation: None, municipality: None }
    }

    /// How this viewer stands to a record.
    #[must_use]
    pub fn relation_to(&self, owners: RecordOwners<'_>) -> Relation {
        let own = |organisation: Option<OrganisationId>| organisation.is_some() && organisation == self.organisation;
        if own(owners.keeper) {
            Relation::Keeper
        } else if own(owners.holder) {
            Relation::Holder
        } else if self.municipality.is_some() && self.municipality.as_deref() == owners.municipality {
            Relation::Territory
        } else {
            Relation::Stranger
        }
    }

    /// The data classes this viewer sees of a record it stands in a relation to.
    #[must_use]
    pub fn sees_as(&self, relation: Relation) -> Classes {
        sees(self.role, relation)
    }

    /// The data classes this viewer sees of a record.
    #[must_use]
    pub fn sees(&self, owners: RecordOwners<'_>) -> Classes {
        self.sees_as(self.relation_to(owners))
    }

    /// Whether there is a relation to a record in which this viewer sees a class of it.
    #[must_use]
    pub fn sees_somewhere(&self, class: DataClass) -> bool {
        Relation::ALL.into_iter().any(|relation| self.sees_as(relation).contains(class))
    }
}

/// The policy table: which data classes a role sees of a record it stands in this relation to.
#[must_use]
pub fn sees(role: Role, relation: Relation) -> Classes {
    use DataClass::{Address, Identity, Legal, Lookup, Operational, Presence, Public, Sensitive};
    const TOTALS: Classes = Classes::of(&[Public]);
    const FIGURES: Classes = Classes::of(&[Public, Operational]);
    const PLACES: Classes = Classes::of(&[Public, Operational, Address, Presence]);
    const PERSONS: Classes = Classes::of(&[Public, Operational, Address, Presence, Identity, Legal]);
    const WATCHED: Classes = Classes::of(&[Public, Operational, Address, Presence, Identity, Legal, Lookup]);
    const ALL: Classes = Classes::of(&[Public, Operational, Address, Presence, Identity, Legal, Sensitive, Lookup]);

    match (role, relation) {
        (Role::Province, Relation::Keeper | Relation::Holder) => ALL,
        (Role::Province, _) => WATCHED,
        (Role::CentralService, Relation::Keeper) => WATCHED,
        (Role::CentralService, _) => PERSONS,
        (Role::Prefecture, _) => PLACES,
        (Role::Municipality, Relation::Keeper) => ALL,
        (Role::Municipality, Relation::Holder) => PERSONS,
        (Role::Municipality, Relation::Territory) => PLACES,
        (Role::Municipality, Relation::Stranger) => TOTALS,
        (Role::Operator, Relation::Keeper) => ALL,
        (Role::Operator, _) => TOTALS,
        (Role::Analyst, _) => FIGURES,
        (Role::Public, _) => TOTALS,
    }
}

/// Whether a role is told totals, and the numbers of a facility that it sees, as they are now. The bodies at the table
/// give out the places; whoever has no body there is told what has been [published](crate::publication).
#[must_use]
pub fn counts_people(role: Role) -> bool {
    !matches!(role, Role::Analyst | Role::Public)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn persons_are_seen_by_those_who_answer_for_them_alone() {
        for role in Role::ALL {
            for relation in Relation::ALL {
                let sight = sees(role, relation);
                let expected = match role {
                    Role::Province | Role::CentralService => true,
                    Role::Operator => relation == Relation::Keeper,
                    Role::Municipality => matches!(relation, Relation::Keeper | Relation::Holder),
                    Role::Prefecture | Role::Analyst | Role::Public => false,
                };
                assert_eq!(sight.contains(DataClass::Identity), expected, "{role:?} {relation:?}");
                assert!(sight.contains(DataClass::Public));
                assert!(!sight.contains(DataClass::Act));
                let watched = role == Role::Province || (expected && relation == Relation::Keeper);
                assert_eq!(sight.contains(DataClass::Lookup), watched, "{role:?} {relation:?}");
            }
        }
    }

    /// An admission looks for stays within the scope of files.
    #[test]
    fn whoever_sees_who_somebody_is_sees_that_somebody_is_present() {
        for (role, relation) in Role::ALL.into_iter().flat_map(|role| Relation::ALL.map(|relation| (role, relation))) {
            let sight = sees(role, relation);
            assert!(
                sight.contains(DataClass::Presence) || !sight.contains(DataClass::Identity),
                "{role:?} {relation:?}"
            );
        }
    }

    /// The vault asks the policy with a file alone, which does not say on whose territory the guest is.
    #[test]
    fn territory_alone_shows_nothing_of_a_file() {
        let of_files = [DataClass::Identity, DataClass::Legal, DataClass::Sensitive, DataClass::Lookup];
        for role in Role::ALL {
            let [territory, stranger] = [Relation::Territory, Relation::Stranger].map(|relation| sees(role, relation));
            for class in of_files {
                assert_eq!(territory.contains(class), stranger.contains(class), "{role:?} {class:?}");
            }
        }
    }

    #[test]
    fn nobody_without_an_organisation_is_related_to_a_record_without_one() {
        assert_eq!(Standing::public().relation_to(RecordOwners::default()), Relation::Stranger);
    }
}
