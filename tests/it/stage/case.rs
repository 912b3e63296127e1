//! A case of an act: everything that the tests of all acts have to know of one.

use serde_json::{Value, json};
use tavolo_schema::{Act, Relation, contract_name};

use crate::stage::Stage;

/// Who may perform an act, said here a second time and independently of the table of acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The Province, on every record.
    Province,
    /// The Central Service, on every record.
    CentralService,
    /// An operator, on what it keeps.
    Keeper,
}

/// One act as it can be performed at a stage.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub mutation: &'static str,
    /// The field of the payload that is null when the act was refused or only checked.
    pub thing: &'static str,
    pub by: &'static [By],
    /// The code for a record that is out of reach; none where the act makes the record, and is forbidden then.
    pub unknown: Option<&'static str>,
    /// An input that is accepted.
    pub input: fn(&Stage) -> Value,
    /// Makes an input a different one that would be accepted as well, or at least understood.
    pub other: fn(&mut Value),
    /// What an input can name that another stage has: each puts one such thing into an input, and hands back its id.
    pub names: &'static [Names],
}

/// Names a thing of another stage in an input, and hands back its id.
pub type Names = fn(&mut Value, &Stage) -> String;

/// Puts an id into a field of an input, and hands it back.
pub fn name(input: &mut Value, field: &str, id: &str) -> String {
    input[field] = json!(id);
    id.to_owned()
}

impl Case {
    /// The act that the mutation performs.
    pub fn act(&self) -> Act {
        Act::by_members().find(|act| contract_name(*act) == in_capitals(self.mutation)).unwrap()
    }

    /// Whether a viewer may perform the act on a record it stands in this relation to.
    pub fn is_for(&self, subject: &str, relation: Relation) -> bool {
        self.by.iter().any(|by| match by {
            By::Province => subject == "province",
            By::CentralService => subject == "central_service",
            By::Keeper => ["operator", "other_operator"].contains(&subject) && relation == Relation::Keeper,
        })
    }

    /// How whoever performs the act stands to the record it is about. A new file is kept by whoever opens it.
    pub fn relation(&self, subject: &str, to_record: Relation) -> Relation {
        if self.mutation == "registerGuest" && !subject.is_empty() { Relation::Keeper } else { to_record }
    }
}

/// The name of a mutation as that of its act, such as `ADMIT_GUEST`.
pub fn in_capitals(mutation: &str) -> String {
    mutation.chars().flat_map(|c| c.is_uppercase().then_some('_').into_iter().chain(c.to_uppercase())).collect()
}
