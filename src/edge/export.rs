//! Exports over HTTP: `GET /export/{subject}.csv` and `.xlsx`, with the parameters of the graph.
//!
//! CSV is sent as its rows are made: a task takes them from the database, a channel of a few pieces lies between it and
//! the client, and whoever goes away or does not read for half a minute ends the task and its cursor. A fault on the way
//! cuts the transfer off, so that half a table never looks whole, and so does a client that takes too long in all. A
//! spreadsheet is packed into a temporary file first, row by row, because its format has an index at the end; then the
//! file is sent, which costs the hub no place any more.

mod csv;
mod permits;
mod xlsx;

use std::{collections::BTreeMap, io, time::Duration};

use async_graphql::{ServerError, Value as GraphValue};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use tavolo_resolvers::{
    error::ErrorCode,
    export::{Export, ExportKind, Parameters},
};
use tokio::{
    sync::mpsc,
    time::{Instant, timeout},
};
use tokio_util::io::ReaderStream;

use self::permits::{ExportPermit, ExportPermits};
use super::{
    budget::payer,
    permits::{Full, Holder},
    refused::{JSON, Refused, bad_request, not_found, rejected},
    state::{Client, Edge, authorization, viewer},
};
use crate::auth::Authenticated;

/// What an export takes of a budget beside what it asks of the database: its rows are as many as those of the largest
/// documents.
const COST: u64 = 100_000;
/// Rows that are written in one go, when so many are at hand.
const ROWS: usize = 500;
/// Pieces between the one who makes rows and the client.
const PIECES: usize = 4;
/// How long a client may leave a piece unread.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// After how many seconds somebody may try again who has no place.
const TRY_AGAIN: u16 = 30;

/// The routes of the exports.
pub(super) fn router() -> Router<Edge> {
    Router::new().route("/export/{file}", get(export)).layer(Extension(ExportPermits::default()))
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv(csv::Dialect),
    Xlsx,
}

async fn export(
    State(edge): State<Edge>,
    Extension(permits): Extension<ExportPermits>,
    Extension(client): Extension<Client>,
    file: Result<Path<String>, PathRejection>,
    parameters: Result<Query<BTreeMap<String, String>>, QueryRejection>,
    headers: HeaderMap,
) -> Response {
    let Some((subject, ending)) = file.as_ref().ok().and_then(|file| subject(file)) else {
        return not_found(headers).await;
    };
    let parameters = match parameters {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return rejected(rejection.status(), rejection.body_text()).answer(&headers, JSON),
    };
    let wanted = Wanted { subject, ending, parameters };
    match begin(&edge, permits, client, wanted, &headers).await {
        Ok(response) => response,
        Err(refused) => refused.answer(&headers, JSON),
    }
}

/// What a client asks for.
struct Wanted<'n> {
    subject: ExportKind,
    ending: &'n str,
    parameters: BTreeMap<String, String>,
}

/// The subject and the ending that a file's name has.
fn subject(file: &str) -> Option<(ExportKind, &str)> {
    let (name, ending) = file.rsplit_once('.').filter(|(_, ending)| ["csv", "xlsx"].contains(ending))?;
    let subject = ExportKind::ALL.into_iter().find(|subject| subject.name() == name)?;
    Some((subject, ending))
}

async fn begin(
    edge: &Edge,
    permits: ExportPermits,
    client: Client,
    wanted: Wanted<'_>,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let Wanted { subject, ending, mut parameters } = wanted;
    let format = format(ending, parameters.remove("dialect").as_deref())?;
    let authenticated = edge.authenticate(authorization(headers)).await?;
    let viewer = viewer(authenticated.as_ref(), client.address, headers);
    let cost = COST + edge.graph.price_of_export(&viewer);
    edge.budgets.bill(authenticated.as_ref(), client.address).charge(cost)?;
    let permit = permit(&permits, authenticated.as_ref(), client)?;
    let within = edge.settings.export_within;
    let export = edge.graph.export(subject, Parameters(parameters.clone()), viewer).await.map_err(refused)?;
    let name = format!("tavolo-{}-{}", subject.name(), export.as_of.day());
    match format {
        Format::Csv(dialect) => {
            let body = send(export, dialect, permit, within);
            Ok(attachment(csv::MEDIA_TYPE, &format!("{name}.csv"), body))
        }
        Format::Xlsx => {
            let file = xlsx::write(export, parameters).await?;
            drop(permit);
            let body = send_file(file, within);
            Ok(attachment(xlsx::MEDIA_TYPE, &format!("{name}.xlsx"), body))
        }
    }
}

/// A place for the member, or for the address of somebody without a token.
fn permit(
    permits: &ExportPermits,
    authenticated: Option<&Authenticated>,
    client: Client,
) -> Result<ExportPermit, Refused> {
    let holder = match authenticated {
        Some(authenticated) => Holder::Member(authenticated.member.subject.clone()),
        None => Holder::Address(payer(client.address)),
    };
    let refused = |full| match full {
        Full::Hub => Refused::unavailable("too many exports at once; try again"),
        Full::Holder => Refused::too_many("you have as many exports at once as one may have"),
    };
    permits.take(holder).map_err(|full| refused(full).with(header::RETRY_AFTER, TRY_AGAIN.into()))
}

fn format(ending: &str, dialect: Option<&str>) -> Result<Format, Refused> {
    match (ending, dialect) {
        ("csv", None) => Ok(Format::Csv(csv::Dialect::Standard)),
        ("csv", Some("excel-it")) => Ok(Format::Csv(csv::Dialect::ExcelIt)),
        ("xlsx", None) => Ok(Format::Xlsx),
        _ => Err(bad_request("the only dialect is excel-it, of CSV".into())),
    }
}

/// What is sent of a table: its bytes, and that they were all.
enum Piece {
    Bytes(Bytes),
    End,
}

/// Makes rows as fast as the client takes them, for so long.
fn send(export: Export, dialect: csv::Dialect, permit: ExportPermit, within: Duration) -> Body {
    let (hand, pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let _place = permit;
        if timeout(within, write(export, dialect, hand)).await.is_err() {
            tracing::info!("an export was cut off: its client took too long");
        }
    });
    Body::from_stream(stream::unfold(Some(pieces), |pieces| async move {
        let mut pieces = pieces?;
        match pieces.recv().await {
            Some(Piece::Bytes(bytes)) => Some((Ok(bytes), Some(pieces))),
            Some(Piece::End) => None,
            None => Some((Err(io::Error::from(io::ErrorKind::BrokenPipe)), None)),
        }
    }))
}

async fn write(export: Export, dialect: csv::Dialect, hand: mpsc::Sender<Piece>) {
    let mut rows = export.rows.ready_chunks(ROWS);
    let mut piece = csv::head(dialect, &export.columns);
    loop {
        if hand.send_timeout(Piece::Bytes(piece.into()), READ_WITHIN).await.is_err() {
            return;
        }
        let Some(next) = rows.next().await else { break };
        match next.into_iter().collect::<Result<Vec<_>, _>>() {
            Ok(rows) => piece = csv::rows(dialect, &rows),
            Err(error) => return tracing::error!(%error, "an export was cut off"),
        }
    }
    // A client that does not take the end has gone.
    let _ = hand.send_timeout(Piece::End, READ_WITHIN).await;
}

/// Sends a file as fast as the client takes it, for so long.
fn send_file(file: std::fs::File, within: Duration) -> Body {
    let deadline = Instant::now() + within;
    let pieces = ReaderStream::new(tokio::fs::File::from_std(file));
    let in_time = move |piece| if Instant::now() < deadline { piece } else { Err(io::ErrorKind::TimedOut.into()) };
    Body::from_stream(pieces.map(in_time))
}

fn attachment(media: &'static str, name: &str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(disposition) = format!("attachment; filename=\"{name}\"").try_into() {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

/// The refusal of an export that the graph does not make.
fn refused(error: ServerError) -> Refused {
    let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
    let named = |known: &ErrorCode| matches!(code, Some(GraphValue::String(code)) if code == known.name());
    coded(ErrorCode::ALL.into_iter().find(named).unwrap_or(ErrorCode::Internal), error.message)
}

fn coded(code: ErrorCode, message: String) -> Refused {
    let status = match code {
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden => StatusCode::FORBIDDEN,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    };
    Refused::new(status, code, message)
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use axum::body::to_bytes;

    use super::*;

    #[tokio::test]
    async fn a_file_is_sent_in_time_or_cut_off() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"PK").unwrap();
        for (within, whole) in [(Duration::from_secs(600), true), (Duration::ZERO, false)] {
            file.rewind().unwrap();
            let sent = to_bytes(send_file(file.try_clone().unwrap(), within), 10).await;
            assert_eq!(sent.ok().map(|bytes| bytes.to_vec()), whole.then(|| b"PK".to_vec()));
        }
    }
}
