//! A look at a document before it is parsed: parsing is the dearest thing that can be done to a text, and most so to one
//! of brackets within brackets. What breaks a limit by its mere tokens is refused by one pass over its bytes, without
//! memory of its own.

use async_graphql::ServerError;

use crate::{
    error::{self, ErrorCode},
    guard::{Limits, within},
};

/// Refuses a text whose brackets go too deep, or that has too many tokens.
///
/// # Errors
///
/// Which limit it breaks, or that a block string does not end.
pub(crate) fn check(text: &str, limits: &Limits) -> Result<(), ServerError> {
    let mut rest = text.as_bytes();
    let (mut depth, mut tokens, mut in_word) = (0_u64, 0_u64, false);
    while let [byte, after @ ..] = rest {
        let letter = byte.is_ascii_alphanumeric() || *byte == b'_';
        let begins = if letter { !in_word } else { matches!(byte, b'{' | b'[' | b'(' | b'"') };
        tokens += u64::from(begins);
        in_word = letter;
        rest = match byte {
            b'"' => after_string(rest)?,
            b'#' => after_line(after),
            _ => after,
        };
        match byte {
            b'{' | b'[' | b'(' => depth += 1,
            b'}' | b']' | b')' => depth = depth.saturating_sub(1),
            _ => continue,
        }
        within("brackets within each other", depth, limits.brackets)?;
    }
    within("tokens", tokens, limits.tokens)
}

/// What follows a comment.
fn after_line(rest: &[u8]) -> &[u8] {
    let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
    end.map_or(&[], |end| &rest[end..])
}

/// What follows a string. One of a single line that does not end there goes no further than the parser, which refuses it.
/// A block string without an end is refused here: the parser would take it for an empty string and read on.
fn after_string(rest: &[u8]) -> Result<&[u8], ServerError> {
    let (mut rest, block) = match rest.strip_prefix(b"\"\"\"") {
        Some(rest) => (rest, true),
        None => (&rest[1..], false),
    };
    loop {
        rest = match rest {
            [b'"', b'"', b'"', after @ ..] if block => return Ok(after),
            [b'\\', b'"', b'"', b'"', after @ ..] if block => after,
            [] if block => return Err(error::server_error(ErrorCode::BadRequest, "a block string does not end")),
            [] => return Ok(rest),
            [b'"', after @ ..] if !block => return Ok(after),
            // No string goes on in the next line.
            [b'\n' | b'\r', ..] if !block => return Ok(rest),
            // Nor does what is escaped lie there.
            [b'\\', next, after @ ..] if !block && !matches!(next, b'\n' | b'\r') => after,
            [_, after @ ..] => after,
        };
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;
    use crate::guard::LIMITS;

    fn refused(text: &str) -> bool {
        check(text, &LIMITS).is_err()
    }

    #[test]
    fn brackets_count_where_the_parser_would_descend_and_nowhere_else() {
        let deep = "[".repeat(200);
        for text in [
            format!("{{ a(b: {deep}"),
            format!("query($v: {deep}Int"),
            format!("{{ a(b: \"]\", c: {deep}"),
            format!("{{ a(b: \"\"\"]\\\"\"\" ]\"\"\", c: {deep}"),
            format!("{{ a(b: \"\\\"\", c: {deep}"),
            format!("{{ # ]\n a(b: {deep}"),
            "{ a".repeat(200),
            "{ a(b: {c: ".repeat(200),
            format!("{{ a(b: \"broken\n {deep}"),
            format!("{{ a(b: \"broken\\\n {deep}"),
        ] {
            assert!(refused(&text), "{text}");
        }
        for text in [
            format!("{{ a(b: \"{deep}\") }}"),
            format!("{{ a(b: \"\"\"{deep}\n\\\"\"\"{deep}\"\"\") }}"),
            format!("{{ a # {deep}\n }}"),
            format!("{{ {} }}", "a(b: [1]) ".repeat(200)),
        ] {
            assert!(!refused(&text), "{text}");
            assert!(parse_query(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_block_string_hides_nothing_behind_it() {
        let things = "c ".repeat(10_000);
        for text in [
            format!("{{ a(b: [\"\"\"x\"]) {things} }}"),
            format!("{{ a(b: [\"\"\"x\\\"\"\" \"]) {things} }}"),
            format!("{{ a(b: \"\"\"x\\\"\"\" \"\"\") {things} }}"),
            format!("{{ a(b: \"\"\"\"x\"\"\") {things} }}"),
        ] {
            assert!(refused(&text), "{}", &text[..40]);
        }
        let open = "{ a(b: [\"\"\"x\"]) { c } }";
        assert!(parse_query(open).is_ok(), "the parser takes it for two strings");
        assert!(refused(open), "the specification has no such text");
    }

    #[test]
    fn what_just_passes_can_be_parsed() {
        let levels = usize::try_from(LIMITS.brackets).unwrap() - 2;
        let list = format!("{{ a(b: {}{}) }}", "[".repeat(levels), "]".repeat(levels));
        assert!(!refused(&list) && parse_query(&list).is_ok());
    }

    #[test]
    fn a_text_of_ten_thousand_things_is_not_even_parsed() {
        let aliases: String = (0..10_000).map(|number| format!("a{number}:id ")).collect();
        let variables: String = (0..100_000).map(|number| format!("$v{number}:Int ")).collect();
        assert!(refused(&format!("{{ viewer {{ {aliases} }} }}")));
        assert!(refused(&format!("query({variables}) {{ viewer {{ role }} }}")));
        for thing in ["[]", "[1] ", "\"\" ", "{b:1}"] {
            assert!(refused(&format!("{{ a(b: [{}]) }}", thing.repeat(10_000))), "{thing}");
        }
    }
}
