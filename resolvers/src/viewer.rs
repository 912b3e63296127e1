//! Who asks, and what follows from it.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use tavolo_schema::{
    Act, DataClass, Relation, Role,
    access::{DataClass::Public, data_class},
};

use crate::{organisation::Organisation, request_context::request_context, viewer_scope::ViewerScope};

/// Who asks.
pub(crate) struct Viewer {
    viewer_scope: Arc<ViewerScope>,
    subject: Option<String>,
}

/// What a viewer sees of records it stands in a relation to.
#[derive(SimpleObject)]
struct Sight {
    /// The relation of the viewer's organisation to the record.
    #[graphql(directive = data_class::apply(Public))]
    relation: Relation,
    /// The data classes it sees of it.
    #[graphql(directive = data_class::apply(Public))]
    classes: Vec<DataClass>,
    /// The acts it may perform on it.
    #[graphql(directive = data_class::apply(Public))]
    acts: Vec<Act>,
}

/// Who asks, and what follows from it.
#[Object]
impl Viewer {
    /// The member's subject at the identity provider; null for the public.
    #[graphql(directive = data_class::apply(Public))]
    async fn subject(&self) -> Option<&str> {
        self.subject.as_deref()
    }

    /// The part played at the table.
    #[graphql(directive = data_class::apply(Public))]
    async fn role(&self) -> Role {
        self.viewer_scope.standing.role
    }

    /// The organisation it is played for; null for the public.
    #[graphql(directive = data_class::apply(Public))]
    async fn organisation(&self) -> Option<Organisation> {
        Organisation::find(&self.viewer_scope, self.viewer_scope.standing.organisation?)
    }

    /// What the viewer sees and may do, by relation to the record.
    #[graphql(directive = data_class::apply(Public))]
    async fn sight(&self) -> Vec<Sight> {
        let standing = &self.viewer_scope.standing;
        let sight = |relation| Sight {
            relation,
            classes: standing.sees_as(relation).iter().collect(),
            acts: Act::by_members().filter(|act| standing.may_as(*act, relation)).collect(),
        };
        Relation::ALL.into_iter().map(sight).collect()
    }
}

#[derive(Default)]
pub(crate) struct ViewerQuery;

#[Object]
impl ViewerQuery {
    /// Who asks, and what follows from it.
    #[graphql(directive = data_class::apply(Public))]
    async fn viewer(&self, ctx: &Context<'_>) -> Viewer {
        let context = request_context(ctx);
        let member = context.viewer.member.as_ref().filter(|_| !context.viewer_scope().is_public());
        Viewer {
            viewer_scope: Arc::clone(context.viewer_scope()),
            subject: member.map(|member| member.subject.clone()),
        }
    }
}
