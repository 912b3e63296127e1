//! Exports: the answers of the graph as tables, row by row.
//!
//! A table shows nothing that the graph would not show: rows come through the same functions and the same policy, by
//! the membership as it is when the export begins. Rows are made as they are taken, so a table of any length needs the
//! memory of a few of them; a fault on the way ends the stream with an error, never with a table that looks whole.

mod days;
mod rows;

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{InputType, Pos, Result, ServerError, Value as Input};
use futures_util::{StreamExt, stream, stream::BoxStream};
use tavolo_schema::{DataClass, DateTime, Day, Role, id::FacilityId};
use tavolo_store::{StoreError, statistics::Scope};
use tavolo_subscriptions::FacilityState;

use crate::{
    Graph, Seen, Viewer,
    error::{bad_request, fault, forbidden},
    history::{OccupancyPoint, Stretch, history},
    occupancy::filter::OccupancyFilter,
    price,
    request_context::RequestContext,
    statistics::statistics,
    viewer_scope::{ViewerScope, standing},
};

/// What can be exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportKind {
    /// Facilities with their places, one row for each category.
    Facilities,
    /// Places over time, as `occupancyHistory` answers them.
    OccupancyHistory,
    /// The entries of the ledger, in the order they occurred in; to analysts, what each day changed in each pool.
    Ledger,
    /// Everything that `statistics` answers, one row for each number.
    Statistics,
    /// Stays without names.
    Stays,
}

impl ExportKind {
    /// Every subject.
    pub const ALL: [Self; 5] = [Self::Facilities, Self::OccupancyHistory, Self::Ledger, Self::Statistics, Self::Stays];

    /// Its name, as an address has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Facilities => "facilities",
            Self::OccupancyHistory => "occupancy-history",
            Self::Ledger => "ledger",
            Self::Statistics => "statistics",
            Self::Stays => "stays",
        }
    }

    /// The parameters it takes beside those of the filter.
    fn takes(self) -> &'static [&'static str] {
        match self {
            Self::Facilities => &[],
            Self::OccupancyHistory => &["from", "to", "every", "basis"],
            Self::Ledger | Self::Statistics | Self::Stays => &["from", "to"],
        }
    }
}

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing, or nothing that may be seen.
    Empty,
    /// A text.
    Text(String),
    /// A whole number.
    Whole(i64),
    /// A number.
    Fraction(f64),
    /// A part of a whole, as a fraction: 0.875 is 87.5 per cent.
    Rate(f64),
    /// Yes or no.
    Flag(bool),
    /// A day.
    Day(Day),
    /// An instant.
    Instant(DateTime),
}

impl Value {
    fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Empty, Into::into)
    }
}

macro_rules! value_from {
    ($($from:ty => $value:expr),+ $(,)?) => { $(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                $value(value.into())
            }
        }
    )+ };
}
value_from!(i32 => Value::Whole, i64 => Value::Whole, f64 => Value::Fraction, bool => Value::Flag, Day => Value::Day,
    DateTime => Value::Instant, &str => Value::Text, String => Value::Text);

/// A row.
pub type Row = Vec<Value>;

/// A table that is being made.
pub struct Export {
    /// What it is about.
    pub kind: ExportKind,
    /// When it was asked for.
    pub as_of: DateTime,
    /// Names of the columns.
    pub columns: Vec<&'static str>,
    /// The rows, made as they are taken.
    pub rows: BoxStream<'static, Result<Row, StoreError>>,
}

/// The parameters of an export, by the names they have in the graph.
#[derive(Clone, Debug, Default)]
pub struct Parameters(pub BTreeMap<String, String>);

/// The parameters of the filter.
const FILTER: [&str; 4] = ["facility", "municipality", "operator", "category"];

impl Parameters {
    fn check(&self, kind: ExportKind) -> Result<()> {
        let known = |name: &String| FILTER.iter().chain(kind.takes()).any(|known| known == name);
        match self.0.keys().find(|name| !known(name)) {
            Some(name) => Err(bad_request(format!("{} takes no parameter {name}", kind.name()))),
            None => Ok(()),
        }
    }

    fn read<T: InputType>(&self, name: &str) -> Result<Option<T>> {
        let Some(text) = self.0.get(name).filter(|text| !text.is_empty()) else { return Ok(None) };
        let read = T::parse(Some(Input::String(text.clone())));
        read.map(Some)
            .map_err(|error| bad_request(format!("{name}: {}", error.into_server_error(Pos::default()).message)))
    }

    fn filter(&self) -> Result<OccupancyFilter> {
        Ok(OccupancyFilter {
            facility: self.read("facility")?,
            municipality: self.read("municipality")?,
            operator: self.read("operator")?,
            category: self.read("category")?,
        })
    }

    /// An instant, or a day: its beginning, or when it is the end of a time, its last millisecond.
    fn instant(&self, name: &str, last: bool) -> Result<Option<DateTime>> {
        match self.read::<Day>(name) {
            Ok(Some(day)) if last => Ok(Some(day.plus_days(1).begins().plus_millis(-1))),
            Ok(Some(day)) => Ok(Some(day.begins())),
            _ => self.read::<DateTime>(name),
        }
    }

    fn stretch(&self) -> Result<Stretch> {
        let from = self.instant("from", false)?.ok_or_else(|| bad_request("say from when on: from=2026-01-01"))?;
        let to = self.instant("to", true)?;
        Ok(Stretch {
            from,
            to,
            every: self.read("every")?.unwrap_or_default(),
            basis: self.read("basis")?.unwrap_or_default(),
        })
    }

    fn period(&self) -> Result<(Day, Day)> {
        match (self.read("from")?, self.read("to")?) {
            (Some(from), Some(to)) => Ok((from, to)),
            _ => Err(bad_request("say from when until when: from=2026-01-01&to=2026-12-31")),
        }
    }

    fn scope(&self, facilities: Vec<FacilityId>, viewer_scope: &ViewerScope) -> Result<Scope> {
        let from: Option<Day> = self.read("from")?;
        let to: Option<Day> = self.read("to")?;
        Ok(Scope {
            facilities,
            category: self.read("category")?,
            from: from.map_or(DateTime::EPOCH, Day::begins),
            until: to.unwrap_or(viewer_scope.today).plus_days(1).begins(),
        })
    }
}

impl Graph {
    /// What an export may ask of the database, in units of cost: as much as the viewer sees of the ledger.
    #[must_use]
    pub fn price_of_export(&self, viewer: &Viewer) -> u64 {
        let board = self.hub().live_board.board();
        price::export(Seen::new(&board, &standing(&board, viewer)))
    }

    /// Begins an export.
    ///
    /// # Errors
    ///
    /// Coded like those of the graph: what is wrong with the parameters, that the viewer sees nothing of the kind, that
    /// the database does not answer.
    pub async fn export(
        &self,
        kind: ExportKind,
        parameters: Parameters,
        viewer: Viewer,
    ) -> Result<Export, ServerError> {
        let context = RequestContext::new(self.hub(), viewer, None);
        let begun = begin(&context, kind, &parameters).await;
        begun.map_err(|error| error.into_server_error(Pos::default()))
    }
}

async fn begin(context: &RequestContext, kind: ExportKind, parameters: &Parameters) -> Result<Export> {
    parameters.check(kind)?;
    let filter = parameters.filter()?;
    let viewer_scope = Arc::clone(context.viewer_scope());
    let (columns, rows): (Vec<&'static str>, BoxStream<'static, Result<Row, StoreError>>) = match kind {
        ExportKind::Facilities => {
            let states = states(&viewer_scope, &filter, DataClass::Operational)?;
            let rows = states.into_iter().flat_map(move |state| rows::facility_rows(&viewer_scope, &state, &filter));
            (columns(&[&rows::FACILITY, &rows::NUMBERS]), stream::iter(rows.map(Ok)).boxed())
        }
        ExportKind::OccupancyHistory => {
            let points = history(context, &filter, parameters.stretch()?).await?;
            let row = |OccupancyPoint { at, capacity }| [vec![at.into()], rows::numbers(capacity)].concat();
            (columns(&[&["at"], &rows::NUMBERS]), stream::iter(points).map(row).map(Ok).boxed())
        }
        ExportKind::Ledger => {
            let scope =
                parameters.scope(ids(&states(&viewer_scope, &filter, DataClass::Operational)?), &viewer_scope)?;
            if !viewer_scope.counts_people() {
                // What was registered today is told when the day is over.
                let scope = Scope { until: scope.until.min(viewer_scope.published_day().begins()), ..scope };
                let entries = context.hub.store.entries_by_pool(&scope).await.map_err(|error| fault(&error))?;
                let days = days::days(entries);
                let row = move |day: days::DayOfPool| rows::ledger_day_row(&viewer_scope, &day);
                return Ok(Export {
                    kind,
                    as_of: context.viewer_scope().now,
                    columns: columns(&[&rows::LEDGER_DAYS]),
                    rows: days.map(move |day| day.map(&row)).boxed(),
                });
            }
            let entries = context.hub.store.entries_within(&scope).await.map_err(|error| fault(&error))?;
            (
                columns(&[&rows::LEDGER]),
                entries.map(move |entry| entry.map(|entry| rows::ledger_row(&viewer_scope, &entry))).boxed(),
            )
        }
        ExportKind::Statistics => {
            let (from, to) = parameters.period()?;
            let counted = statistics(context, &filter, from, to).await?;
            let counted = counted.ok_or_else(|| forbidden(viewer_scope.standing.role == Role::Public))?;
            (columns(&[&rows::STATISTICS]), stream::iter(rows::statistics_rows(&counted)).map(Ok).boxed())
        }
        ExportKind::Stays => {
            let scope = parameters.scope(ids(&states(&viewer_scope, &filter, DataClass::Presence)?), &viewer_scope)?;
            let stays = context.hub.store.stays_within(&scope).await.map_err(|error| fault(&error))?;
            (
                columns(&[&rows::STAYS]),
                stays.map(move |stay| stay.map(|stay| rows::stay_row(&viewer_scope, &stay))).boxed(),
            )
        }
    };
    Ok(Export { kind, as_of: context.viewer_scope().now, columns, rows })
}

fn columns(parts: &[&[&'static str]]) -> Vec<&'static str> {
    parts.concat()
}

/// The places of a filter of which the viewer sees a class. Whoever sees it of no place at all is refused.
fn states(viewer_scope: &ViewerScope, filter: &OccupancyFilter, class: DataClass) -> Result<Vec<Arc<FacilityState>>> {
    let sees = |state: &&Arc<FacilityState>| viewer_scope.sight(state.facility.owners()).contains(class);
    let mut seen = viewer_scope.board.facilities(None).filter(sees).peekable();
    if seen.peek().is_none() && !viewer_scope.may_see(class) {
        return Err(forbidden(viewer_scope.standing.role == Role::Public));
    }
    Ok(seen.filter(|state| filter.wants_facility(state)).cloned().collect())
}

fn ids(states: &[Arc<FacilityState>]) -> Vec<FacilityId> {
    states.iter().map(|state| state.facility.id).collect()
}
