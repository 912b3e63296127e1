//! Organisations: shown from the board, each field by its class.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, OneofObject, Result};
use tavolo_schema::{
    self as schema, OrganisationKind,
    access::{DataClass::Public, data_class},
    id::OrganisationId,
};

use crate::{
    connection::{Connection, Page, encode},
    municipality::Municipality,
    request_context::request_context,
    viewer_scope::ViewerScope,
};

/// A body that takes part in reception.
#[derive(Clone)]
pub(crate) struct Organisation {
    pub(crate) viewer_scope: Arc<ViewerScope>,
    pub(crate) organisation: Arc<schema::Organisation>,
}

impl Organisation {
    pub(crate) fn find(viewer_scope: &Arc<ViewerScope>, id: OrganisationId) -> Option<Self> {
        let organisation = Arc::clone(viewer_scope.board.organisation(id)?);
        Some(Self { viewer_scope: Arc::clone(viewer_scope), organisation })
    }
}

/// A body that takes part in reception.
// Serial: fields at hand are answered one after the other, without a task for each.
#[Object(serial)]
impl Organisation {
    /// Global id.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) async fn id(&self) -> OrganisationId {
        self.organisation.id
    }

    /// Official name.
    #[graphql(directive = data_class::apply(Public))]
    async fn name(&self) -> &str {
        &self.organisation.name
    }

    /// What the organisation is.
    #[graphql(directive = data_class::apply(Public))]
    async fn kind(&self) -> OrganisationKind {
        self.organisation.kind
    }

    /// Tax code or VAT number, 11 digits.
    #[graphql(directive = data_class::apply(Public))]
    async fn tax_code(&self) -> Option<&str> {
        self.organisation.tax_code.as_deref()
    }

    /// The municipality, when the organisation is one.
    #[graphql(directive = data_class::apply(Public))]
    async fn municipality(&self) -> Option<Municipality> {
        Municipality::find(&self.viewer_scope, self.organisation.municipality.as_deref()?)
    }
}

/// Names one organisation.
#[derive(OneofObject)]
enum OrganisationBy {
    /// By global id.
    Id(OrganisationId),
    /// By tax code or VAT number.
    TaxCode(String),
}

/// Which organisations a list is about.
#[derive(InputObject, Default)]
struct OrganisationFilter {
    /// Of this kind.
    kind: Option<OrganisationKind>,
    /// The name contains this text, whatever its case.
    text: Option<String>,
}

#[derive(Default)]
pub(crate) struct OrganisationQuery;

#[Object]
impl OrganisationQuery {
    /// One organisation.
    #[graphql(directive = data_class::apply(Public))]
    async fn organisation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] by: OrganisationBy,
    ) -> Option<Organisation> {
        let viewer_scope = request_context(ctx).viewer_scope();
        let id = match by {
            OrganisationBy::Id(id) => id,
            OrganisationBy::TaxCode(code) => {
                viewer_scope
                    .board
                    .organisations()
                    .find(|organisation| organisation.tax_code.as_ref() == Some(&code))?
                    .id
            }
        };
        Organisation::find(viewer_scope, id)
    }

    /// Organisations, by name.
    #[allow(clippy::too_many_arguments, reason = "the arguments of a Relay connection")]
    #[graphql(directive = data_class::apply(Public))]
    async fn organisations(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<OrganisationFilter>,
        #[graphql(desc = "So many from the beginning, 1 to 100; 20 when neither first nor last is given.")]
        first: Option<i32>,
        #[graphql(desc = "After this cursor.")] after: Option<String>,
        #[graphql(desc = "So many from the end, 1 to 100.")] last: Option<i32>,
        #[graphql(desc = "Before this cursor.")] before: Option<String>,
    ) -> Option<Result<Connection<Organisation>>> {
        Some(list(
            request_context(ctx).viewer_scope(),
            filter.unwrap_or_default(),
            Page::new(first, after, last, before),
        ))
    }
}

fn list(
    viewer_scope: &Arc<ViewerScope>,
    filter: OrganisationFilter,
    page: Result<Page>,
) -> Result<Connection<Organisation>> {
    let text = filter.text.map(|text| text.to_lowercase());
    let mut found: Vec<_> = viewer_scope
        .board
        .organisations()
        .filter(|organisation| filter.kind.is_none_or(|kind| kind == organisation.kind))
        .filter(|organisation| text.as_ref().is_none_or(|text| organisation.name.to_lowercase().contains(text)))
        .collect();
    let key = |organisation: &schema::Organisation| (organisation.name.to_lowercase(), ID::from(organisation.id).0);
    found.sort_by_cached_key(|organisation| key(organisation));
    let (cut, more) = page?.cut(&found, |organisation| key(organisation))?;
    let nodes = cut
        .iter()
        .map(|organisation| Organisation {
            viewer_scope: Arc::clone(viewer_scope),
            organisation: Arc::clone(organisation),
        })
        .collect();
    Ok(Connection::new(nodes, |node: &Organisation| encode(&key(&node.organisation)), more, Some(found.len())))
}
