//! Tables as spreadsheets: numbers, days and hours are typed, texts are texts whatever they look like.

use std::{collections::BTreeMap, fs::File, io::Seek};

use futures_util::StreamExt;
use jiff::civil::{DateTime as Civil, Time};
use rust_xlsxwriter::{ExcelDateTime, Format, Workbook, Worksheet, XlsxError};
use tavolo_resolvers::{
    error::{ErrorCode, told},
    export::{Export, Row, Value},
};
use tavolo_schema::DateTime;
use tavolo_store::StoreError;
use tokio::sync::mpsc;

use super::{Refused, coded};

/// As it is registered.
pub(super) const MEDIA_TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

/// Rows that wait to be written at most.
const WAITING: usize = 1_000;

/// Characters that a column is wide.
const WIDTH: f64 = 18.0;

/// Rows of a sheet at most, the header included, by the format.
const LONGEST: u32 = 1_048_576;

/// What a spreadsheet says of itself.
struct About {
    subject: &'static str,
    as_of: DateTime,
    columns: Vec<&'static str>,
    parameters: BTreeMap<String, String>,
}

/// Why there is no spreadsheet.
enum Fault {
    Store(StoreError),
    Xlsx(XlsxError),
    Io(std::io::Error),
    TooLong,
    /// Whoever asked has gone.
    Gone,
}

impl From<XlsxError> for Fault {
    fn from(error: XlsxError) -> Self {
        Self::Xlsx(error)
    }
}

impl From<Fault> for Refused {
    fn from(fault: Fault) -> Self {
        let internal = |error: &dyn std::fmt::Display| {
            tracing::error!(%error, "a spreadsheet could not be written");
            coded(ErrorCode::Internal, "the hub could not answer this".into())
        };
        match fault {
            Fault::Store(error) => {
                let (code, message) = told(&error);
                coded(code, message.into())
            }
            Fault::Xlsx(error) => internal(&error),
            Fault::Io(error) => internal(&error),
            Fault::Gone => internal(&"nobody waits for it"),
            Fault::TooLong => {
                let message = format!("a sheet has {LONGEST} rows at most: ask for CSV, or for less");
                coded(ErrorCode::BadRequest, message)
            }
        }
    }
}

/// Writes a table into a file without a name. Should the caller go away, writing ends.
pub(super) async fn write(export: Export, parameters: BTreeMap<String, String>) -> Result<File, Refused> {
    let Export { kind, as_of, columns, mut rows } = export;
    let about = About { subject: kind.name(), as_of, columns, parameters };
    let (hand, waiting) = mpsc::channel(WAITING);
    let writing = tokio::task::spawn_blocking(move || pack(&about, waiting));
    while let Some(row) = rows.next().await {
        if hand.send(Some(row)).await.is_err() {
            break;
        }
    }
    // `None` says that the rows are complete: without it the file is given up.
    let _ = hand.send(None).await;
    drop(hand);
    let packed = writing.await.map_err(|error| Fault::Io(error.into()))?;
    Ok(packed?)
}

fn pack(about: &About, mut rows: mpsc::Receiver<Option<Result<Row, StoreError>>>) -> Result<File, Fault> {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory();
    head(sheet, about.subject, &about.columns)?;
    let formats = Formats::new();
    let mut line = 1;
    while let Some(row) = rows.blocking_recv().ok_or(Fault::Gone)? {
        if line == LONGEST {
            return Err(Fault::TooLong);
        }
        for (column, value) in (0..).zip(&row.map_err(Fault::Store)?) {
            formats.write(sheet, line, column, value)?;
        }
        line += 1;
    }
    if let Some(last) = (about.columns.len() as u16).checked_sub(1) {
        sheet.autofilter(0, 0, line - 1, last)?;
    }
    source(workbook.add_worksheet_with_constant_memory(), about, &formats)?;
    let mut file = tempfile::tempfile().map_err(Fault::Io)?;
    workbook.save_to_writer(&mut file)?;
    file.rewind().map_err(Fault::Io)?;
    Ok(file)
}

/// The names of the columns stay in sight.
fn head(sheet: &mut Worksheet, name: &str, columns: &[&str]) -> Result<(), XlsxError> {
    let bold = Format::new().set_bold();
    sheet.set_name(name)?.set_freeze_panes(1, 0)?;
    for (column, name) in (0..).zip(columns) {
        sheet.set_column_width(column, WIDTH)?.write_string_with_format(0, column, *name, &bold)?;
    }
    Ok(())
}

/// Where the table is from, when, and what was asked.
fn source(sheet: &mut Worksheet, about: &About, formats: &Formats) -> Result<(), XlsxError> {
    sheet.set_name("source")?.set_column_width(0, WIDTH)?.set_column_width(1, WIDTH)?;
    sheet.write_string(0, 0, "source")?.write_string(0, 1, format!("Tavolo /export/{}", about.subject))?;
    sheet.write_string(1, 0, "asOf")?;
    formats.write(sheet, 1, 1, &Value::Instant(about.as_of))?;
    sheet.write_string(2, 0, "timeZone")?.write_string(2, 1, "Europe/Rome")?;
    for (line, (name, value)) in (3..).zip(&about.parameters) {
        sheet.write_string(line, 0, name)?.write_string(line, 1, value)?;
    }
    Ok(())
}

/// How days, instants and rates look.
struct Formats {
    day: Format,
    instant: Format,
    rate: Format,
}

impl Formats {
    fn new() -> Self {
        Self {
            day: Format::new().set_num_format("dd/mm/yyyy"),
            instant: Format::new().set_num_format("dd/mm/yyyy hh:mm:ss"),
            rate: Format::new().set_num_format("0.0%"),
        }
    }

    fn write(&self, sheet: &mut Worksheet, line: u32, column: u16, value: &Value) -> Result<(), XlsxError> {
        match value {
            Value::Empty => return Ok(()),
            Value::Text(text) => sheet.write_string(line, column, text)?,
            Value::Whole(number) => sheet.write_number(line, column, *number as f64)?,
            Value::Fraction(number) => sheet.write_number(line, column, *number)?,
            Value::Rate(rate) => sheet.write_number_with_format(line, column, *rate, &self.rate)?,
            Value::Flag(flag) => sheet.write_boolean(line, column, *flag)?,
            Value::Day(day) => {
                sheet.write_datetime_with_format(line, column, date(day.0.to_datetime(Time::midnight()))?, &self.day)?
            }
            Value::Instant(at) => sheet.write_datetime_with_format(line, column, date(at.in_rome())?, &self.instant)?,
        };
        Ok(())
    }
}

fn date(at: Civil) -> Result<ExcelDateTime, XlsxError> {
    let (year, month, day) = (at.year().unsigned_abs(), at.month().unsigned_abs(), at.day().unsigned_abs());
    let (hour, minute) = (at.hour().unsigned_abs(), at.minute().unsigned_abs());
    ExcelDateTime::from_ymd(year, month, day)?.and_hms(hour.into(), minute, f64::from(at.second()))
}
