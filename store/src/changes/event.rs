//! An event of the change feed, and what it changes on the board.

use mongodb::{
    bson::{Document as Filter, RawDocumentBuf, Timestamp},
    change_stream::event::ResumeToken,
};
use serde::Deserialize;

use super::BoardChange;
use crate::{
    StoreError,
    accreditation::AccreditationDoc,
    act::ActDoc,
    capacity::PoolDoc,
    document::{Document, read},
    facility::FacilityDoc,
    ledger::LedgerDoc,
    member::MemberDoc,
    municipality::MunicipalityDoc,
    organisation::OrganisationDoc,
    publication::{PublicationDoc, read_publication},
};

/// An event as the server sends it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Event {
    #[serde(rename = "_id")]
    pub(super) token: ResumeToken,
    pub(super) operation_type: String,
    pub(super) cluster_time: Timestamp,
    pub(super) ns: Option<Namespace>,
    pub(super) full_document: Option<RawDocumentBuf>,
    pub(super) document_key: Option<Filter>,
}

#[derive(Deserialize)]
pub(super) struct Namespace {
    pub(super) coll: Option<String>,
}

/// What an event changes on the board; `None` for nothing.
///
/// # Errors
///
/// [`StoreError::HistoryLost`] for a change that is none of ours.
pub(super) fn change(event: Event) -> Result<Option<BoardChange>, StoreError> {
    let collection = event.ns.and_then(|ns| ns.coll).unwrap_or_default();
    match (event.operation_type.as_str(), event.full_document) {
        ("insert" | "replace", Some(raw)) => Ok(match collection.as_str() {
            OrganisationDoc::COLLECTION => Some(BoardChange::Organisation(read::<OrganisationDoc>(&raw)?)),
            MunicipalityDoc::COLLECTION => Some(BoardChange::Municipality(read::<MunicipalityDoc>(&raw)?)),
            FacilityDoc::COLLECTION => Some(BoardChange::Facility(read::<FacilityDoc>(&raw)?)),
            PoolDoc::COLLECTION => Some(BoardChange::Pool(read::<PoolDoc>(&raw)?)),
            AccreditationDoc::COLLECTION => Some(BoardChange::Accreditation(read::<AccreditationDoc>(&raw)?)),
            MemberDoc::COLLECTION => Some(BoardChange::Member(read::<MemberDoc>(&raw)?)),
            PublicationDoc::COLLECTION => read_publication(&raw)?.map(BoardChange::Publication),
            LedgerDoc::COLLECTION => Some(BoardChange::Entry(read::<LedgerDoc>(&raw)?)),
            ActDoc::COLLECTION => Some(BoardChange::Act(read::<ActDoc>(&raw)?.id())),
            _ => None,
        }),
        ("delete", _) if collection == MemberDoc::COLLECTION => {
            let subject = event.document_key.as_ref().and_then(|key| key.get_str("_id").ok());
            Ok(subject.map(|subject| BoardChange::MemberRemoved(subject.into())))
        }
        // Records of acts lose fields with the time; none of these is on the board.
        ("update", None) if collection == ActDoc::COLLECTION => Ok(None),
        // Records of the past that somebody has put into an archive are still what happened.
        ("delete", _)
            if [LedgerDoc::COLLECTION, PublicationDoc::COLLECTION, ActDoc::COLLECTION]
                .contains(&collection.as_str()) =>
        {
            Ok(None)
        }
        // Changes by hand may come without the document, or drop the collection: the state has to be read anew.
        _ => Err(StoreError::HistoryLost),
    }
}
