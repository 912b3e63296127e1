//! What two worlds are known to tell.

use std::collections::BTreeSet;

use super::pair::What;

/// What is known not to hold yet: where, for whom, in which fields, and why. This list should only ever shrink; what the
/// documents do not show any more is told.
pub(super) struct NotYet {
    /// Empty for all.
    pub(super) differences: &'static [&'static str],
    /// Empty for every viewer.
    viewers: &'static [&'static str],
    what: What,
    /// Fields at the root of the smallest document, or `export` or `trusted`; empty for any.
    roots: &'static [&'static str],
    pub(super) why: &'static str,
}

impl NotYet {
    pub(super) fn excuses(&self, difference: &str, viewer: &str, what: What, roots: &BTreeSet<String>) -> bool {
        let names = |list: &[&str], name: &str| list.is_empty() || list.contains(&name);
        self.what == what
            && names(self.differences, difference)
            && names(self.viewers, viewer)
            && roots.iter().all(|root| names(self.roots, root))
    }
}

pub(super) const NOT_YET: &[NotYet] = &[NotYet {
    differences: &[],
    viewers: &[],
    what: What::Order,
    roots: &[],
    why: "fields and errors are answered in the order in which they were found, which is a matter of time",
}];
