//! The change feed: what a hub reads of its database to keep a board.
//!
//! One feed per process. It follows the collections of the board, the ledger and the records of acts
//! in the replica set's own order, and hands over the events of one transaction together: they share
//! a cluster time. Documents of the board are only ever inserted and replaced, so each event carries
//! the whole document and no look-up afterwards can return a later one.

use futures_util::{StreamExt, TryStreamExt, poll};
use mongodb::{
    ClientSession,
    bson::{Bson, Document as Filter, RawDocumentBuf, Timestamp, doc},
    change_stream::{ChangeStream, event::ResumeToken},
    options::ReadConcern,
};
use serde::Deserialize;
use std::task::Poll;
use tavolo_schema::{
    Accreditation, Facility, LedgerEntry, Member, Municipality, Organisation, Pool, Position, id::ActId,
};

use crate::{
    Store, StoreError,
    accreditation::AccreditationDoc,
    act::ActRecord,
    capacity::PoolDoc,
    document::{Document, collection, read},
    facility::FacilityDoc,
    ledger::LedgerDoc,
    member::MemberDoc,
    municipality::MunicipalityDoc,
    organisation::OrganisationDoc,
};

/// Everything the board shows, as of one instant of the replica set.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Every change up to here is in the snapshot, none after.
    pub position: Position,
    /// Every organisation.
    pub organisations: Vec<Organisation>,
    /// Every municipality.
    pub municipalities: Vec<Municipality>,
    /// Every facility.
    pub facilities: Vec<Facility>,
    /// Every pool.
    pub pools: Vec<Pool>,
    /// Every accreditation.
    pub accreditations: Vec<Accreditation>,
    /// Every member.
    pub members: Vec<Member>,
    /// The latest acts: what they changed is in the snapshot.
    pub acts: Vec<ActId>,
}

/// One thing that changed on the board.
#[derive(Clone, Debug)]
pub enum BoardChange {
    /// An organisation is new or different.
    Organisation(Organisation),
    /// A municipality is new or different.
    Municipality(Municipality),
    /// A facility is new or different.
    Facility(Facility),
    /// A pool is new or different.
    Pool(Pool),
    /// An accreditation is new or different.
    Accreditation(Accreditation),
    /// A membership is new or different.
    Member(Member),
    /// The membership of this subject has ended.
    MemberRemoved(String),
    /// The ledger has a new entry.
    Entry(LedgerEntry),
    /// The record of this act: everything else it changed came before.
    Act(ActId),
}

/// What one transaction changed.
#[derive(Clone, Debug)]
pub struct Group {
    /// The cluster time, with ordinal 0.
    pub position: Position,
    /// The changes, in the order they were written in.
    pub changes: Vec<BoardChange>,
    /// From where to follow on.
    pub checkpoint: Checkpoint,
}

/// A place in the feed from which it can be followed again.
#[derive(Clone, Debug)]
pub struct Checkpoint(ResumeToken);

/// Where to begin to follow.
#[derive(Clone, Debug)]
pub enum Start {
    /// After a place reached before.
    Checkpoint(Checkpoint),
    /// So many seconds back from now, or less when the history does not reach so far.
    SecondsBack(u32),
}

/// An open feed.
pub struct Feed {
    stream: ChangeStream<Event>,
    /// The first event of the next group, when it came while a group was gathered.
    ahead: Option<Result<Event, StoreError>>,
    /// The feed has everything since here.
    since: Position,
}

/// An event as the server sends it.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "_id")]
    token: ResumeToken,
    operation_type: String,
    cluster_time: Timestamp,
    ns: Option<Namespace>,
    full_document: Option<RawDocumentBuf>,
    document_key: Option<Filter>,
}

#[derive(Deserialize)]
struct Namespace {
    coll: Option<String>,
}

/// Acts of a snapshot: more than anybody could still be waiting to see.
const LATEST_ACTS: i64 = 1_000;

/// The collections the feed follows.
const FOLLOWED: [&str; 8] = [
    OrganisationDoc::COLLECTION,
    MunicipalityDoc::COLLECTION,
    FacilityDoc::COLLECTION,
    PoolDoc::COLLECTION,
    AccreditationDoc::COLLECTION,
    MemberDoc::COLLECTION,
    LedgerDoc::COLLECTION,
    ActRecord::COLLECTION,
];

impl Store {
    /// Reads everything the board shows, as of one instant.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut session = self.client().start_session().snapshot(true).await?;
        let mut snapshot = Snapshot {
            organisations: self.read_all::<OrganisationDoc>(&mut session).await?,
            municipalities: self.read_all::<MunicipalityDoc>(&mut session).await?,
            facilities: self.read_all::<FacilityDoc>(&mut session).await?,
            pools: self.read_all::<PoolDoc>(&mut session).await?,
            accreditations: self.read_all::<AccreditationDoc>(&mut session).await?,
            members: self.read_all::<MemberDoc>(&mut session).await?,
            acts: self.latest_acts(&mut session).await?,
            position: Position::default(),
        };
        if let Some(time) = session.snapshot_time() {
            snapshot.position = position(time);
        }
        Ok(snapshot)
    }

    async fn latest_acts(&self, session: &mut ClientSession) -> Result<Vec<ActId>, StoreError> {
        let mut cursor = collection::<ActRecord>(self.database())
            .find(doc! {})
            .sort(doc! { "_id": -1 })
            .limit(LATEST_ACTS)
            .read_concern(ReadConcern::snapshot())
            .session(&mut *session)
            .await?;
        let mut acts = Vec::new();
        let mut stream = cursor.stream(session);
        while let Some(raw) = stream.try_next().await? {
            acts.push(read::<ActRecord>(&raw)?.act_id());
        }
        Ok(acts)
    }

    pub(crate) async fn read_all<D: Document>(&self, session: &mut ClientSession) -> Result<Vec<D::Noun>, StoreError> {
        let mut cursor = collection::<D>(self.database())
            .find(doc! {})
            .batch_size(5_000)
            // Said again: the client's own read concern would take the place of the session's.
            .read_concern(ReadConcern::snapshot())
            .session(&mut *session)
            .await?;
        let mut nouns = Vec::new();
        let mut stream = cursor.stream(session);
        while let Some(raw) = stream.try_next().await? {
            nouns.push(read::<D>(&raw)?);
        }
        Ok(nouns)
    }

    /// Opens the feed.
    ///
    /// # Errors
    ///
    /// [`StoreError::HistoryLost`] when a checkpoint is too old; otherwise faults of the database.
    pub async fn follow(&self, from: Start) -> Result<Feed, StoreError> {
        match from {
            Start::Checkpoint(Checkpoint(token)) => {
                let stream = self.watch().resume_after(token).await?.with_type();
                Ok(Feed { stream, ahead: None, since: Position::default() })
            }
            Start::SecondsBack(seconds) => {
                let now = self.majority_time().await?;
                // A young replica set has less history than asked for.
                for back in [seconds, seconds.min(60), 0] {
                    let (start, since) = match back {
                        // What the majority has now is in any snapshot from now on.
                        0 => {
                            let next = Timestamp { time: now.time, increment: now.increment + 1 };
                            (next, Position { ordinal: u32::MAX, ..position(now) })
                        }
                        _ => {
                            let start = Timestamp { time: now.time.saturating_sub(back), increment: now.increment };
                            (start, position(start))
                        }
                    };
                    match self.watch().start_at_operation_time(start).await {
                        Ok(stream) => {
                            return Ok(Feed { stream: stream.with_type(), ahead: None, since });
                        }
                        Err(error) => match StoreError::from(error) {
                            StoreError::HistoryLost if back > 0 => {}
                            error => return Err(error),
                        },
                    }
                }
                Err(StoreError::HistoryLost)
            }
        }
    }

    fn watch(&self) -> mongodb::action::Watch<'_> {
        let followed: Vec<Bson> = FOLLOWED.iter().map(|name| Bson::from(*name)).collect();
        self.database()
            .watch()
            .pipeline([doc! { "$match": { "$or": [
                { "ns.coll": { "$in": followed } },
                { "operationType": { "$in": ["dropDatabase", "invalidate"] } },
            ] } }])
            .batch_size(10_000)
            .read_concern(ReadConcern::majority())
    }

    /// The latest time up to which the majority has everything: a snapshot taken after it contains it.
    async fn majority_time(&self) -> Result<Timestamp, StoreError> {
        let hello = self.database().run_command(doc! { "hello": 1 }).await?;
        hello
            .get_document("lastWrite")
            .and_then(|last| last.get_document("majorityOpTime"))
            .and_then(|time| time.get_timestamp("ts"))
            .map_err(|_| StoreError::NoReplicaSet)
    }
}

impl Feed {
    /// The feed has everything since this position; the zero position when it was resumed.
    #[must_use]
    pub fn since(&self) -> Position {
        self.since
    }

    /// Waits for the next group.
    ///
    /// A group is complete when an event of another cluster time follows, or when the server has
    /// nothing more to send now: it hands out a transaction's events in one batch.
    ///
    /// # Errors
    ///
    /// When the feed breaks; follow again from the last checkpoint.
    pub async fn next(&mut self) -> Result<Group, StoreError> {
        let first = match self.ahead.take() {
            Some(ahead) => ahead?,
            None => match self.stream.next().await {
                Some(event) => event?,
                None => return Err(StoreError::HistoryLost),
            },
        };
        let time = first.cluster_time;
        let mut checkpoint = first.token.clone();
        let mut changes: Vec<BoardChange> = change(first)?.into_iter().collect();
        while let Poll::Ready(Some(event)) = poll!(self.stream.next()) {
            match event {
                Ok(event) if event.cluster_time == time => {
                    checkpoint = event.token.clone();
                    changes.extend(change(event)?);
                }
                other => {
                    self.ahead = Some(other.map_err(StoreError::from));
                    break;
                }
            }
        }
        Ok(Group { position: position(time), changes, checkpoint: Checkpoint(checkpoint) })
    }
}

fn position(time: Timestamp) -> Position {
    Position { seconds: time.time, increment: time.increment, ordinal: 0 }
}

fn change(event: Event) -> Result<Option<BoardChange>, StoreError> {
    let collection = event.ns.and_then(|ns| ns.coll).unwrap_or_default();
    match (event.operation_type.as_str(), event.full_document) {
        ("insert" | "replace" | "update", Some(raw)) => Ok(match collection.as_str() {
            OrganisationDoc::COLLECTION => Some(BoardChange::Organisation(read::<OrganisationDoc>(&raw)?)),
            MunicipalityDoc::COLLECTION => Some(BoardChange::Municipality(read::<MunicipalityDoc>(&raw)?)),
            FacilityDoc::COLLECTION => Some(BoardChange::Facility(read::<FacilityDoc>(&raw)?)),
            PoolDoc::COLLECTION => Some(BoardChange::Pool(read::<PoolDoc>(&raw)?)),
            AccreditationDoc::COLLECTION => Some(BoardChange::Accreditation(read::<AccreditationDoc>(&raw)?)),
            MemberDoc::COLLECTION => Some(BoardChange::Member(read::<MemberDoc>(&raw)?)),
            LedgerDoc::COLLECTION => Some(BoardChange::Entry(read::<LedgerDoc>(&raw)?)),
            ActRecord::COLLECTION => Some(BoardChange::Act(read::<ActRecord>(&raw)?.act_id())),
            _ => None,
        }),
        ("delete", _) if collection == MemberDoc::COLLECTION => {
            let subject = event.document_key.as_ref().and_then(|key| key.get_str("_id").ok());
            Ok(subject.map(|subject| BoardChange::MemberRemoved(subject.into())))
        }
        // What an act loses with the time is nothing that the board shows.
        ("update", None) if collection == ActRecord::COLLECTION => Ok(None),
        // Records of the past that somebody has put into an archive are still what happened.
        ("delete", _) if [LedgerDoc::COLLECTION, ActRecord::COLLECTION].contains(&collection.as_str()) => Ok(None),
        // Somebody changed the board by hand in a way that does not carry the document, or dropped
        // it: what is true now can only be read anew.
        _ => Err(StoreError::HistoryLost),
    }
}
