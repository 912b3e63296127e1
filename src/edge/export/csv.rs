//! Tables as comma-separated values: RFC 4180 in UTF-8, or as Excel on an Italian machine reads them.

use csv::{Terminator, Writer, WriterBuilder};
use tavolo_resolvers::export::{Row, Value};

/// As RFC 4180 registers it.
pub(super) const MEDIA_TYPE: &str = "text/csv; charset=utf-8; header=present";

/// Which kind of CSV.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// RFC 4180: commas, decimal points, ISO 8601.
    Standard,
    /// Semicolons, decimal commas, a byte order mark, and days and hours in Rome as Excel writes them.
    ExcelIt,
}

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// What stands before the first row.
pub(super) fn head(dialect: Dialect, columns: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    if dialect == Dialect::ExcelIt {
        bytes.extend_from_slice(BYTE_ORDER_MARK.as_bytes());
    }
    written(dialect, bytes, |writer| writer.write_record(columns))
}

/// Rows, each with its end of line.
pub(super) fn rows(dialect: Dialect, rows: &[Row]) -> Vec<u8> {
    written(dialect, Vec::new(), |writer| {
        rows.iter().try_for_each(|row| writer.write_record(row.iter().map(|value| field(dialect, value))))
    })
}

/// Writing into memory cannot fail, and all rows of a table are equally long.
fn written(dialect: Dialect, bytes: Vec<u8>, write: impl FnOnce(&mut Writer<Vec<u8>>) -> csv::Result<()>) -> Vec<u8> {
    let delimiter = if dialect == Dialect::ExcelIt { b';' } else { b',' };
    let mut writer = WriterBuilder::new().delimiter(delimiter).terminator(Terminator::CRLF).from_writer(bytes);
    let done = write(&mut writer);
    debug_assert!(done.is_ok(), "a row has another length");
    writer.into_inner().unwrap_or_default()
}

fn field(dialect: Dialect, value: &Value) -> String {
    let italian = dialect == Dialect::ExcelIt;
    match value {
        Value::Empty => String::new(),
        Value::Text(text) => guarded(text),
        Value::Whole(number) => number.to_string(),
        Value::Fraction(number) | Value::Rate(number) if italian => number.to_string().replace('.', ","),
        Value::Fraction(number) | Value::Rate(number) => number.to_string(),
        Value::Flag(flag) if italian => if *flag { "VERO" } else { "FALSO" }.into(),
        Value::Flag(flag) => flag.to_string(),
        Value::Day(day) if italian => day.0.strftime("%d/%m/%Y").to_string(),
        Value::Day(day) => day.to_string(),
        Value::Instant(at) if italian => at.in_rome().strftime("%d/%m/%Y %H:%M:%S").to_string(),
        Value::Instant(at) => at.to_string(),
    }
}

/// What begins a formula, as wide as in East Asia too (OWASP, CSV injection).
const FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// What may end a cell for a program that takes the table for one of the other dialect.
const SEPARATORS: [char; 5] = [',', ';', '\t', '\r', '\n'];

/// A text with an apostrophe before everything that a spreadsheet would take for a formula, wherever it divides the text
/// into cells. It goes before quotes: those at the beginning of a cell are the spreadsheet's, not the cell's.
fn guarded(text: &str) -> String {
    let mut guarded = String::with_capacity(text.len());
    if text.starts_with(['\t', '\r', '\n']) {
        guarded.push('\'');
    }
    for piece in text.split_inclusive(SEPARATORS) {
        if piece.trim_start_matches('"').starts_with(FORMULA) {
            guarded.push('\'');
        }
        guarded.push_str(piece);
    }
    guarded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn row() -> Row {
        vec![
            Value::Text("Casa \"Levante\"; via Po, 2".into()),
            Value::Text("=HYPERLINK(\"http://x\")".into()),
            Value::Whole(-3),
            Value::Fraction(0.875),
            Value::Flag(true),
            Value::Day("2026-03-01".parse().unwrap()),
            Value::Instant("2026-07-01T22:30:00Z".parse().unwrap()),
            Value::Empty,
        ]
    }

    #[test]
    fn rows_are_written_by_rfc_4180() {
        let expected = "\"Casa \"\"Levante\"\"; via Po, 2\",\"'=HYPERLINK(\"\"http://x\"\")\",-3,0.875,true,2026-03-01,\
             2026-07-01T22:30:00.000Z,\r\n";
        assert_eq!(String::from_utf8(rows(Dialect::Standard, &[row()])).unwrap(), expected);
        assert_eq!(head(Dialect::Standard, &["a", "b"]), b"a,b\r\n");
    }

    #[test]
    fn rows_are_written_as_an_italian_excel_reads_them() {
        let expected = "\"Casa \"\"Levante\"\"; via Po, 2\";\"'=HYPERLINK(\"\"http://x\"\")\";-3;0,875;VERO;01/03/2026;\
             02/07/2026 00:30:00;\r\n";
        assert_eq!(String::from_utf8(rows(Dialect::ExcelIt, &[row()])).unwrap(), expected);
        assert_eq!(head(Dialect::ExcelIt, &["a", "b"]), b"\xef\xbb\xbfa;b\r\n");
    }

    #[test]
    fn only_what_looks_like_a_formula_is_guarded() {
        for text in ["=1", "+1", "-1", "@a", "\tx", "\rx", "＝1", "\"=1\""] {
            assert_eq!(guarded(text), format!("'{text}"));
        }
        assert_eq!(guarded("Casa;=cmd|' /C calc'!A0;x,\"＋1\""), "Casa;'=cmd|' /C calc'!A0;x,'\"＋1\"");
        for text in ["", "Casa", "1-2", "a=b", "'x", "Via Roma 2, Crotone (KR); tel. +39 0962 1", "x;\n y"] {
            assert_eq!(guarded(text), text);
        }
    }

    proptest! {
        #[test]
        fn no_separator_divides_a_table_into_formulas(texts in prop::collection::vec("[-=+@＝＠,;\t\r\n\"' a]{0,8}", 1..4)) {
            let row: Row = texts.iter().cloned().map(Value::Text).collect();
            for dialect in [Dialect::Standard, Dialect::ExcelIt] {
                let table = String::from_utf8(rows(dialect, std::slice::from_ref(&row))).unwrap();
                for separator in [',', ';', '\t'] {
                    for cell in table.split([separator, '\r', '\n']) {
                        prop_assert!(!cell.trim_start_matches('"').starts_with(FORMULA), "{cell:?} of {table:?}");
                    }
                }
            }
        }
    }
}
