//! Documents that have been read lately: parsing is the dearest part of a short answer, and a client sends the same few
//! again and again.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use async_graphql::{Request, ServerError, parser::types::ExecutableDocument};

use crate::{field_order::FieldOrders, guard, scan};

/// Documents that have been read lately: a client sends the same few again and again.
#[derive(Clone, Default)]
pub(crate) struct Documents(Arc<RwLock<Generations>>);

/// Those that came lately and those before them: what is not asked for again goes with its generation.
#[derive(Default)]
struct Generations {
    young: HashMap<String, Kept>,
    old: HashMap<String, Kept>,
}

/// A document, with the order of the answers to its operations.
#[derive(Clone)]
struct Kept {
    document: ExecutableDocument,
    orders: Arc<FieldOrders>,
}

/// What has been read.
pub(crate) struct Read {
    /// The order of the answers, when it is known already.
    pub(crate) orders: Option<Arc<FieldOrders>>,
    /// Whether the document has to be kept.
    pub(crate) keep: bool,
}

/// Documents of a generation at most.
const KEPT: usize = 250;
/// Bytes of a document that is kept at most.
const KEPT_BYTES: usize = 8 * 1024;

impl Documents {
    /// Reads the document of a request, unless it has been read lately.
    pub(crate) fn read(&self, request: &mut Request) -> Result<Read, ServerError> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let young = kept.young.get(&request.query);
        let (known, old) = (young.or_else(|| kept.old.get(&request.query)).cloned(), young.is_none());
        drop(kept);
        match known {
            Some(Kept { document, orders }) => {
                request.set_parsed_query(document);
                Ok(Read { orders: Some(orders), keep: old })
            }
            None => {
                scan::check(&request.query, &guard::LIMITS)?;
                request.parsed_query()?;
                Ok(Read { orders: None, keep: may_be_kept(&request.query) })
            }
        }
    }

    /// Keeps a document that has been read and measured.
    pub(crate) fn keep(&self, query: String, document: ExecutableDocument, orders: Arc<FieldOrders>) {
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut gone = HashMap::new();
        if kept.young.len() >= KEPT {
            let old = std::mem::take(&mut kept.young);
            gone = std::mem::replace(&mut kept.old, old);
        }
        kept.young.insert(query, Kept { document, orders });
        drop(kept);
        // The old documents are dropped after the lock is free: hundreds of them take time.
        drop(gone);
    }
}

/// Whether a document may stay in memory. Not one that could name a person: a literal beside guests.
fn may_be_kept(query: &str) -> bool {
    let names_somebody = query.contains('"') && query.to_ascii_lowercase().contains("guest");
    query.len() <= KEPT_BYTES && !names_somebody
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_that_could_name_a_person_is_not_kept() {
        assert!(may_be_kept("{ facilities(filter: {municipality: \"101010\"}) { nodes { id } } }"));
        assert!(may_be_kept("query($surname: String) { guests(filter: {surname: $surname}) { nodes { id } } }"));
        assert!(!may_be_kept("{ guests(filter: {surname: \"Rossi\"}) { nodes { id } } }"));
        assert!(!may_be_kept("mutation { registerGuest(input: {surname: \"Rossi\"}) { guest { id } } }"));
        assert!(!may_be_kept(&"x".repeat(9_000)));
    }

    #[test]
    fn what_is_asked_again_stays_however_much_is_asked_once() {
        let documents = Documents::default();
        let ask = |text: &str| {
            let mut request = Request::new(text);
            if documents.read(&mut request).unwrap().keep {
                let document = request.parsed_query().unwrap().clone();
                let orders = Arc::new(FieldOrders::of(&document));
                documents.keep(text.into(), document, orders);
            }
        };
        let knows = |text: &str| {
            let kept = documents.0.read().unwrap();
            kept.young.contains_key(text) || kept.old.contains_key(text)
        };
        ask("{ often }");
        for number in 0..10 * KEPT {
            ask(&format!("{{ once{number} }}"));
            if number % 100 == 0 {
                assert!(knows("{ often }"), "after {number} others");
                ask("{ often }");
            }
        }
        assert!(!knows("{ once0 }"));
        let kept = documents.0.read().unwrap();
        assert!(kept.young.len() + kept.old.len() <= 2 * KEPT);
    }
}
