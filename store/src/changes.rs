//! The change feed: what a hub reads of its database to keep a board.
//!
//! One feed per process. It follows the collections of the board, the ledger and the records of acts
//! in the replica set's own order, and hands over the events of one transaction together: they share
//! a cluster time. Documents of the board are only ever inserted and replaced, so each event carries
//! the whole document and no look-up afterwards can return a later one.
//!
//! The server answers each question for more within about a second, also when there is nothing: so the feed tells that
//! it lives, and how far it has come.

mod event;

use futures_util::{FutureExt, TryStreamExt, future::BoxFuture, poll};
use mongodb::{
    ClientSession, Database,
    bson::{Bson, RawDocumentBuf, Timestamp, doc},
    change_stream::{ChangeStream, event::ResumeToken},
    options::ReadConcern,
};
use std::{task::Poll, time::Duration};
use tavolo_schema::{
    Accreditation, Facility, LedgerEntry, Member, Municipality, Organisation, Pool, Position, Publication, id::ActId,
};

use self::event::{Event, change};
use crate::{
    Store, StoreError,
    accreditation::AccreditationDoc,
    act::ActDoc,
    capacity::PoolDoc,
    document::{Document, collection, read},
    facility::FacilityDoc,
    gate::Beside,
    ledger::LedgerDoc,
    member::MemberDoc,
    municipality::MunicipalityDoc,
    organisation::OrganisationDoc,
    publication::{PublicationDoc, last_of_each, read_publication},
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
    /// The last publication of every cell.
    pub publications: Vec<Publication>,
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
    /// The public is told something else of a cell.
    Publication(Publication),
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

/// What the server has answered.
#[derive(Clone, Debug)]
pub enum News {
    /// Something has changed.
    Group(Group),
    /// Nothing has changed that the feed has not told. From here it can be followed on; older history is not needed any
    /// more.
    Nothing(Option<Checkpoint>),
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
    /// The next answer. The driver does not bear that a question is dropped and the stream asked another.
    asked: Asked,
    /// The first event of the next group, when it came while a group was gathered.
    ahead: Option<Result<Event, StoreError>>,
    /// The feed has everything since here.
    since: Position,
}

/// A question to the server: hands back the stream with the answer, `None` when there is nothing new.
type Asked = BoxFuture<'static, (ChangeStream<Event>, mongodb::error::Result<Option<Event>>)>;

/// How long the server waits for changes before it answers that there are none.
const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// Acts of a snapshot: more than anybody could still be waiting to see.
const LATEST_ACTS: i64 = 1_000;

/// The collections the feed follows.
const FOLLOWED: [&str; 9] = [
    OrganisationDoc::COLLECTION,
    MunicipalityDoc::COLLECTION,
    FacilityDoc::COLLECTION,
    PoolDoc::COLLECTION,
    AccreditationDoc::COLLECTION,
    MemberDoc::COLLECTION,
    PublicationDoc::COLLECTION,
    LedgerDoc::COLLECTION,
    ActDoc::COLLECTION,
];

/// Who has it may use the database itself: nobody outside of this file can make one. A feed keeps a connection for as
/// long as it lives, and a snapshot is read by whoever begins to follow; the gate leaves connections over for both.
struct Feeding;

impl Beside for Feeding {}

impl Store {
    fn database(&self) -> &Database {
        self.gate().beside(&Feeding)
    }

    /// A session that reads everything as of one instant.
    pub(crate) async fn snapshot_session(&self) -> Result<ClientSession, StoreError> {
        Ok(self.database().client().start_session().snapshot(true).await?)
    }

    /// Reads everything the board shows, as of one instant.
    ///
    /// # Errors
    ///
    /// When the database does not answer or a document is damaged.
    pub async fn snapshot(&self) -> Result<Snapshot, StoreError> {
        let mut session = self.snapshot_session().await?;
        let mut snapshot = Snapshot {
            organisations: self.read_all::<OrganisationDoc>(&mut session).await?,
            municipalities: self.read_all::<MunicipalityDoc>(&mut session).await?,
            facilities: self.read_all::<FacilityDoc>(&mut session).await?,
            pools: self.read_all::<PoolDoc>(&mut session).await?,
            accreditations: self.read_all::<AccreditationDoc>(&mut session).await?,
            members: self.read_all::<MemberDoc>(&mut session).await?,
            publications: self.publications(&mut session).await?,
            acts: self.latest_acts(&mut session).await?,
            position: Position::default(),
        };
        if let Some(time) = session.snapshot_time() {
            snapshot.position = position(time);
        }
        Ok(snapshot)
    }

    async fn publications(&self, session: &mut ClientSession) -> Result<Vec<Publication>, StoreError> {
        let mut cursor = collection::<PublicationDoc>(self.database())
            .aggregate(last_of_each())
            .read_concern(ReadConcern::snapshot())
            .session(&mut *session)
            .await?
            .with_type::<RawDocumentBuf>();
        let mut publications = Vec::new();
        let mut stream = cursor.stream(session);
        while let Some(raw) = stream.try_next().await? {
            publications.extend(read_publication(&raw)?);
        }
        Ok(publications)
    }

    async fn latest_acts(&self, session: &mut ClientSession) -> Result<Vec<ActId>, StoreError> {
        let mut cursor = collection::<ActDoc>(self.database())
            .find(doc! {})
            .sort(doc! { "_id": -1 })
            .limit(LATEST_ACTS)
            .read_concern(ReadConcern::snapshot())
            .session(&mut *session)
            .await?;
        let mut acts = Vec::new();
        let mut stream = cursor.stream(session);
        while let Some(raw) = stream.try_next().await? {
            acts.push(read::<ActDoc>(&raw)?.id());
        }
        Ok(acts)
    }

    pub(crate) async fn read_all<D: Document>(&self, session: &mut ClientSession) -> Result<Vec<D::Noun>, StoreError> {
        let mut cursor = collection::<D>(self.database())
            .find(doc! {})
            .batch_size(5_000)
            // The read concern is set here too: without it the client's own would replace the session's.
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

    /// Opens the feed. From a checkpoint that is long ago this takes as long as the server looks through its history.
    ///
    /// # Errors
    ///
    /// [`StoreError::HistoryLost`] when a checkpoint is too old; otherwise faults of the database.
    pub async fn follow(&self, from: Start) -> Result<Feed, StoreError> {
        match from {
            Start::Checkpoint(Checkpoint(token)) => {
                let stream = self.watch().resume_after(token).await?.with_type();
                Ok(Feed::new(stream, Position::default()))
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
                            return Ok(Feed::new(stream.with_type(), since));
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
            .max_await_time(ANSWERED_WITHIN)
            .read_concern(ReadConcern::majority())
    }

    /// Up to here the majority has everything now. Asked for before a feed is opened: what the feed tells is the past until
    /// it has come so far, or has nothing more to tell.
    ///
    /// # Errors
    ///
    /// When the database does not answer.
    pub async fn majority_position(&self) -> Result<Position, StoreError> {
        self.majority_time().await.map(position)
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

/// Asks the server for what comes next: at most one question, and none while events of the last answer are left.
fn ask(mut stream: ChangeStream<Event>) -> Asked {
    async move {
        let answer = stream.next_if_any().await;
        (stream, answer)
    }
    .boxed()
}

impl Feed {
    fn new(stream: ChangeStream<Event>, since: Position) -> Self {
        Self { asked: ask(stream), ahead: None, since }
    }

    /// The feed has everything since this position; the zero position when it was resumed.
    #[must_use]
    pub fn since(&self) -> Position {
        self.since
    }

    /// Waits for the server's next answer, about a second at most while it can be reached. How long it may take otherwise
    /// is not limited here. Dropping what this hands back loses nothing.
    ///
    /// A group is complete when an event of another cluster time follows, or when the server has
    /// nothing more to send now: it hands out a transaction's events in one batch.
    ///
    /// # Errors
    ///
    /// When the feed breaks; follow again from the last checkpoint.
    pub async fn next(&mut self) -> Result<News, StoreError> {
        let first = match self.ahead.take() {
            Some(ahead) => ahead?,
            None => {
                let (stream, answer) = (&mut self.asked).await;
                let (checkpoint, alive) = (stream.resume_token().map(Checkpoint), stream.is_alive());
                self.asked = ask(stream);
                match answer? {
                    Some(event) => event,
                    None if alive => return Ok(News::Nothing(checkpoint)),
                    None => return Err(StoreError::HistoryLost),
                }
            }
        };
        let time = first.cluster_time;
        let mut checkpoint = first.token.clone();
        let mut changes: Vec<BoardChange> = change(first)?.into_iter().collect();
        while let Poll::Ready((stream, answer)) = poll!(&mut self.asked) {
            self.asked = ask(stream);
            match answer {
                Ok(Some(event)) if event.cluster_time == time => {
                    checkpoint = event.token.clone();
                    changes.extend(change(event)?);
                }
                // An answer without an event ends the round: asked again, the server would say the same.
                Ok(None) => break,
                other => {
                    self.ahead = other.map_err(StoreError::from).transpose();
                    break;
                }
            }
        }
        Ok(News::Group(Group { position: position(time), changes, checkpoint: Checkpoint(checkpoint) }))
    }
}

fn position(time: Timestamp) -> Position {
    Position { seconds: time.time, increment: time.increment, ordinal: 0 }
}
