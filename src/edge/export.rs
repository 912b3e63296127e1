//! Exports over HTTP: `GET /export/{subject}.csv` and `.xlsx`, with the parameters of the graph.
//!
//! CSV is sent as its rows are made: a task takes them from the database, a channel of a few pieces lies between it and
//! the client, and whoever goes away or does not read for half a minute ends the task and its cursor. A fault on the way
//! cuts the transfer off, so that half a table never looks whole. A spreadsheet is packed into a temporary file first,
//! row by row, because its format has an index at the end; then the file is sent.

mod csv;
mod xlsx;

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use async_graphql::{ServerError, Value as GraphValue};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tavolo_resolvers::{
    error::ErrorCode,
    export::{Export, Parameters, Subject},
};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_util::io::ReaderStream;

use super::{Edge, authorization, viewer};
use crate::auth::Refusal;

/// Exports at the same time at most, of everybody together.
const AT_ONCE: usize = 8;
/// Rows that are written in one go, when so many are at hand.
const ROWS: usize = 500;
/// Pieces between the one who makes rows and the client.
const PIECES: usize = 4;
/// How long a client may leave a piece unread.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// The routes of the exports.
pub(super) fn router() -> Router<Edge> {
    Router::new().route("/export/{file}", get(export)).layer(Extension(Arc::new(Semaphore::new(AT_ONCE))))
}

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Csv(csv::Dialect),
    Xlsx,
}

/// Why there is no table.
enum Refused {
    /// Nothing has this address.
    NotFound,
    /// As the graph has it.
    Coded(ErrorCode, String),
}

async fn export(
    State(edge): State<Edge>,
    Extension(places): Extension<Arc<Semaphore>>,
    Path(file): Path<String>,
    Query(parameters): Query<BTreeMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    match begin(&edge, places, &file, parameters, &headers).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

async fn begin(
    edge: &Edge,
    places: Arc<Semaphore>,
    file: &str,
    mut parameters: BTreeMap<String, String>,
    headers: &HeaderMap,
) -> Result<Response, Refused> {
    let (subject, format) = read_name(file, parameters.remove("dialect").as_deref())?;
    let admitted = edge.admit(authorization(headers)).await?;
    let busy = |_| Refused::Coded(ErrorCode::Unavailable, "too many exports at once; try again".into());
    let place = places.try_acquire_owned().map_err(busy)?;
    let viewer = viewer(admitted.as_ref(), headers);
    let export = edge.graph.export(subject, Parameters(parameters.clone()), viewer).await?;
    let name = format!("tavolo-{}-{}", subject.name(), export.as_of.day());
    match format {
        Format::Csv(dialect) => Ok(attachment(csv::MEDIA_TYPE, &format!("{name}.csv"), send(export, dialect, place))),
        Format::Xlsx => {
            let file = xlsx::write(export, parameters).await?;
            let held = ReaderStream::new(tokio::fs::File::from_std(file)).map(move |piece| (piece, &place).0);
            Ok(attachment(xlsx::MEDIA_TYPE, &format!("{name}.xlsx"), Body::from_stream(held)))
        }
    }
}

fn read_name(file: &str, dialect: Option<&str>) -> Result<(Subject, Format), Refused> {
    let (name, ending) = file.rsplit_once('.').ok_or(Refused::NotFound)?;
    let subject = Subject::ALL.into_iter().find(|subject| subject.name() == name).ok_or(Refused::NotFound)?;
    let format = match (ending, dialect) {
        ("csv", None) => Format::Csv(csv::Dialect::Standard),
        ("csv", Some("excel-it")) => Format::Csv(csv::Dialect::ExcelIt),
        ("xlsx", None) => Format::Xlsx,
        ("csv" | "xlsx", _) => {
            let message = "the only dialect is excel-it, of CSV".into();
            return Err(Refused::Coded(ErrorCode::BadRequest, message));
        }
        _ => return Err(Refused::NotFound),
    };
    Ok((subject, format))
}

/// What is sent of a table: its bytes, and that they were all.
enum Piece {
    Bytes(Bytes),
    End,
}

/// Makes rows as fast as the client takes them.
fn send(export: Export, dialect: csv::Dialect, place: OwnedSemaphorePermit) -> Body {
    let (hand, pieces) = mpsc::channel(PIECES);
    tokio::spawn(async move {
        let _place = place;
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

fn attachment(media: &'static str, name: &str, body: Body) -> Response {
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if let Ok(disposition) = format!("attachment; filename=\"{name}\"").try_into() {
        headers.insert(header::CONTENT_DISPOSITION, disposition);
    }
    response
}

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::NoMember => ErrorCode::Forbidden,
            _ => ErrorCode::Unauthenticated,
        };
        Self::Coded(code, refusal.to_string())
    }
}

impl From<ServerError> for Refused {
    fn from(error: ServerError) -> Self {
        let code = error.extensions.as_ref().and_then(|extensions| extensions.get("code"));
        let named = |known: &ErrorCode| matches!(code, Some(GraphValue::String(code)) if code == known.name());
        Self::Coded(ErrorCode::ALL.into_iter().find(named).unwrap_or(ErrorCode::Internal), error.message)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let Self::Coded(code, message) = self else { return (StatusCode::NOT_FOUND, "not found\n").into_response() };
        let status = match code {
            ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorCode::Forbidden => StatusCode::FORBIDDEN,
            ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
            _ => StatusCode::BAD_REQUEST,
        };
        let body = json!({ "errors": [{ "message": message, "extensions": { "code": code.name() } }] });
        let mut response = (status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use tavolo_resolvers::export::Value;
    use tavolo_schema::DateTime;
    use tavolo_store::StoreError;
    use tokio::sync::oneshot;

    use super::*;

    /// Tells that it has been dropped.
    struct Dropped(Option<oneshot::Sender<()>>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            let _ = self.0.take().map(|tell| tell.send(()));
        }
    }

    fn sent(rows: impl futures_util::Stream<Item = Result<Vec<Value>, StoreError>> + Send + 'static) -> Body {
        let columns = vec!["number"];
        let export = Export { subject: Subject::Ledger, as_of: DateTime::EPOCH, columns, rows: rows.boxed() };
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().unwrap();
        send(export, csv::Dialect::Standard, place)
    }

    #[tokio::test]
    async fn a_client_that_goes_away_ends_the_rows() {
        let (tell, dropped) = oneshot::channel();
        let guard = Dropped(Some(tell));
        let endless = stream::iter(0_i64..).map(move |number| {
            let _held = &guard;
            Ok(vec![Value::Whole(number)])
        });
        let mut body = sent(endless).into_data_stream();
        for _ in 0..10 {
            assert!(!body.next().await.unwrap().unwrap().is_empty());
        }
        drop(body);
        tokio::time::timeout(Duration::from_secs(20), dropped).await.expect("in time").unwrap();
    }

    #[tokio::test]
    async fn a_fault_on_the_way_cuts_the_table_off() {
        let rows = [Ok(vec![Value::Whole(1)]), Err(StoreError::Busy)];
        assert!(to_bytes(sent(stream::iter(rows)), 1_000).await.is_err());
        let whole = to_bytes(sent(stream::iter([Ok(vec![Value::Whole(1)])])), 1_000).await.unwrap();
        assert_eq!(whole, "number\r\n1\r\n");
    }
}
