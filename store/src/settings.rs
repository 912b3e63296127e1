//! What a hub demands of its database, and allows its members.

use std::time::Duration;

/// Where the database is and how long to wait for it.
#[derive(Clone, Debug)]
pub struct Settings {
    /// MongoDB address.
    pub uri: String,
    /// Name of the database.
    pub database: String,
    /// How long an operation waits for a server.
    pub patience: Duration,
    /// How many looks at files out of their sight members may take in a day.
    pub lookups: LookupLimits,
}

impl Settings {
    /// Settings for an address and a database, with a patience of five seconds and the usual number of looks.
    #[must_use]
    pub fn new(uri: impl Into<String>, database: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            database: database.into(),
            patience: Duration::from_secs(5),
            lookups: LookupLimits::default(),
        }
    }
}

/// How many looks may be taken in a day, in Rome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookupLimits {
    /// By one member.
    pub member: u32,
    /// By all members of an organisation.
    pub body: u32,
}

impl Default for LookupLimits {
    /// Enough for the landing of sixty people that one member registers and admits, and for three such members of one
    /// organisation; too few to try out birth dates.
    fn default() -> Self {
        Self { member: 120, body: 360 }
    }
}
