//! Irregularities, with their message in the reader's language.

use async_graphql::{Context, Object};
use tavolo_schema::{
    Code, Severity,
    access::{DataClass::Public, data_class},
    irregularity::{self, Language},
};

use crate::request_context::request_context;

/// One thing that is irregular about an entry.
pub(crate) struct Irregularity(pub(crate) irregularity::Irregularity);

/// One thing that is irregular about an entry.
#[Object]
impl Irregularity {
    /// The code from the closed set.
    #[graphql(directive = data_class::apply(Public))]
    async fn code(&self) -> Code {
        self.0.code
    }

    /// What the irregularity does to the entry.
    #[graphql(directive = data_class::apply(Public))]
    async fn severity(&self) -> Severity {
        self.0.severity()
    }

    /// Where in the arguments, such as `input.address.postalCode`; empty for the whole.
    #[graphql(directive = data_class::apply(Public))]
    async fn path(&self) -> &str {
        &self.0.path
    }

    /// The message for a person, in the language asked for, else in that of `Accept-Language`, else in Italian.
    #[graphql(directive = data_class::apply(Public))]
    async fn message(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The language of the message.")] language: Option<Language>,
    ) -> String {
        self.0.message(language.unwrap_or(request_context(ctx).viewer.language))
    }

    /// Decree, article or project rule that asks for it.
    #[graphql(directive = data_class::apply(Public))]
    async fn legal_reference(&self) -> &str {
        self.0.code.rule().source
    }
}
