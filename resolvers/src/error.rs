//! Faults, as a client sees them: a code from a closed set and a text without internals.
//!
//! Expected refusals are irregularities in the payload, not errors.

use async_graphql::{Error, ErrorExtensions, Response, ServerError};
use tavolo_store::StoreError;

/// Every `extensions.code` there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorCode {
    /// A token is needed, or it is not valid.
    Unauthenticated,
    /// The member's role does not allow it.
    Forbidden,
    /// The request, its document, its variables or an argument is wrong.
    BadRequest,
    /// The document would cost too much.
    TooCostly,
    /// The requests of this member or address have cost too much lately: try again after `Retry-After`.
    BudgetExhausted,
    /// No document has this id. The name is the one that clients know.
    PersistedQueryNotFound,
    /// The operation took too long and was given up.
    Timeout,
    /// The idempotency key was used before with a different input.
    IdempotencyKeyReused,
    /// The database does not answer, too much is asked of it at once, or too many others write: nothing was written, try
    /// again.
    Unavailable,
    /// The act may have been written, or is not on the board yet: repeat it with the same idempotency key.
    OutcomePending,
    /// A fault of the hub.
    Internal,
}

impl ErrorCode {
    /// Every code.
    pub const ALL: [Self; 11] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::BadRequest,
        Self::TooCostly,
        Self::BudgetExhausted,
        Self::PersistedQueryNotFound,
        Self::Timeout,
        Self::IdempotencyKeyReused,
        Self::Unavailable,
        Self::OutcomePending,
        Self::Internal,
    ];

    /// The code as the contract writes it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::BadRequest => "BAD_REQUEST",
            Self::TooCostly => "TOO_COSTLY",
            Self::BudgetExhausted => "BUDGET_EXHAUSTED",
            Self::PersistedQueryNotFound => "PERSISTED_QUERY_NOT_FOUND",
            Self::Timeout => "TIMEOUT",
            Self::IdempotencyKeyReused => "IDEMPOTENCY_KEY_REUSED",
            Self::Unavailable => "UNAVAILABLE",
            Self::OutcomePending => "OUTCOME_PENDING",
            Self::Internal => "INTERNAL",
        }
    }
}

fn coded(code: ErrorCode, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", code.name()))
}

const FORBIDDEN: (ErrorCode, &str) = (ErrorCode::Forbidden, "your role does not allow this");
const PENDING: (ErrorCode, &str) = (
    ErrorCode::OutcomePending,
    "the act may have been written, or is not on the board yet: repeat it with the same idempotencyKey",
);

/// The member's role does not allow this; without a token, one is needed.
pub(crate) fn forbidden(anonymous: bool) -> Error {
    let (code, message) = if anonymous { (ErrorCode::Unauthenticated, "this needs a token") } else { FORBIDDEN };
    coded(code, message)
}

/// An argument is wrong.
pub(crate) fn bad_request(message: impl Into<String>) -> Error {
    coded(ErrorCode::BadRequest, message)
}

/// The act may have been written, or was written and is not on the board yet.
pub(crate) fn pending() -> Error {
    coded(PENDING.0, PENDING.1)
}

/// What is told of a fault of the store. What it is exactly goes to the log alone.
pub fn told(error: &StoreError) -> (ErrorCode, &'static str) {
    match error {
        StoreError::Unavailable(_) => {
            tracing::warn!(%error, "the database does not answer");
            (ErrorCode::Unavailable, "the database does not answer; try again")
        }
        StoreError::NoTurn => {
            tracing::warn!(%error, "a request got no turn");
            (ErrorCode::Unavailable, "too much is asked of the database at once; try again")
        }
        StoreError::OutcomeUnknown => PENDING,
        StoreError::NotAMember | StoreError::Forbidden => FORBIDDEN,
        StoreError::Busy => (ErrorCode::Unavailable, "too many others write the same record; try again"),
        StoreError::KeyReused => {
            (ErrorCode::IdempotencyKeyReused, "this idempotencyKey was used before with a different input")
        }
        _ => {
            tracing::error!(%error, "a request failed");
            (ErrorCode::Internal, "the hub could not answer this")
        }
    }
}

/// A fault of the store, as [`told`] says it.
pub(crate) fn fault(error: &StoreError) -> Error {
    let (code, message) = told(error);
    coded(code, message)
}

/// A fault of a request as a whole.
pub(crate) fn server_error(code: ErrorCode, message: impl Into<String>) -> ServerError {
    let mut error = ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code.name());
    error
}

/// Characters of a message at most: the library quotes the document it cannot read.
const LONGEST_MESSAGE: usize = 300;

/// Errors of a document at most, before one that says how many there are beside them.
pub(crate) const MOST_ERRORS: usize = 10;

/// Says how many errors there are beside those that are told of so many.
pub(crate) fn beside(errors: usize) -> Option<ServerError> {
    let beside = errors.checked_sub(MOST_ERRORS).filter(|beside| *beside > 0)?;
    Some(server_error(ErrorCode::BadRequest, format!("there are {beside} more errors")))
}

/// Leaves out what is wrong with a document beyond the first few errors, and says so. What went wrong while it was
/// executed has a path, and all of it stays: each error belongs to a null of the answer.
pub(crate) fn cut(errors: &mut Vec<ServerError>) {
    let of_document = |error: &ServerError| error.path.is_empty();
    if let Some(beside) = beside(errors.len()).filter(|_| errors.iter().all(of_document)) {
        errors.truncate(MOST_ERRORS);
        errors.push(beside);
    }
}

/// Gives every error its code, because what no resolver made is the document's own, and the correlation id of its request.
pub(crate) fn complete(error: &mut ServerError, correlation: Option<&str>) {
    if error.message.chars().count() > LONGEST_MESSAGE {
        error.message = error.message.chars().take(LONGEST_MESSAGE).chain("…".chars()).collect();
    }
    let has_code = error.extensions.as_ref().is_some_and(|extensions| extensions.get("code").is_some());
    if !has_code {
        error.extensions.get_or_insert_default().set("code", ErrorCode::BadRequest.name());
    }
    if let Some(correlation) = correlation {
        error.extensions.get_or_insert_default().set("correlationId", correlation);
    }
}

/// The response that refuses a request.
pub(crate) fn refusal(mut refusals: Vec<ServerError>, correlation: Option<&str>) -> Response {
    refusals.iter_mut().for_each(|refusal| complete(refusal, correlation));
    Response::from_errors(refusals)
}

/// The response where a resolver has panicked.
pub(crate) fn panicked() -> Response {
    tracing::error!("a resolver panicked");
    Response::from_errors(vec![server_error(ErrorCode::Internal, "the hub could not answer this")])
}
