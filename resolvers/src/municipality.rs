//! Municipalities: shown to everybody, from the board.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use tavolo_schema::{
    self as schema,
    access::{DataClass::Public, data_class},
    id::MunicipalityId,
};

use crate::{request_context::request_context, viewer_scope::ViewerScope};

/// A municipality (comune).
#[derive(SimpleObject, Clone)]
#[graphql(serial)]
pub(crate) struct Municipality {
    /// Global id.
    #[graphql(directive = data_class::apply(Public))]
    pub(crate) id: MunicipalityId,
    #[graphql(flatten)]
    fields: schema::Municipality,
}

impl Municipality {
    pub(crate) fn find(viewer_scope: &ViewerScope, istat_code: &str) -> Option<Self> {
        viewer_scope.board.municipality(istat_code).map(Self::from)
    }
}

impl From<&Arc<schema::Municipality>> for Municipality {
    fn from(municipality: &Arc<schema::Municipality>) -> Self {
        Self { id: MunicipalityId(municipality.istat_code.clone()), fields: schema::Municipality::clone(municipality) }
    }
}

#[derive(Default)]
pub(crate) struct MunicipalityQuery;

#[Object]
impl MunicipalityQuery {
    /// The municipalities of the province, by ISTAT code.
    #[graphql(directive = data_class::apply(Public))]
    async fn municipalities(&self, ctx: &Context<'_>) -> Vec<Municipality> {
        request_context(ctx).viewer_scope().board.municipalities().map(Municipality::from).collect()
    }
}
