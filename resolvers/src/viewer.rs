//! Who asks, and what follows from it.

use std::sync::Arc;

use async_graphql::{Context, Object, SimpleObject};
use tavolo_schema::{
    Act, DataClass, Relation, Role,
    access::{self, DataClass::Public, data_class},
};

use crate::{desk::desk, organisation::Organisation, sheet::Sheet};

/// Who asks.
pub(crate) struct Viewer {
    sheet: Arc<Sheet>,
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
        self.sheet.standing.role
    }

    /// The organisation it is played for; null for the public.
    #[graphql(directive = data_class::apply(Public))]
    async fn organisation(&self) -> Option<Organisation> {
        Organisation::find(&self.sheet, self.sheet.standing.organisation?)
    }

    /// What the viewer sees and may do, by relation to the record.
    #[graphql(directive = data_class::apply(Public))]
    async fn sight(&self) -> Vec<Sight> {
        let role = self.sheet.standing.role;
        let sight = |relation| Sight {
            relation,
            classes: access::sees(role, relation).iter().collect(),
            acts: Act::by_members().filter(|act| act.is_for(role, relation)).collect(),
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
        let desk = desk(ctx);
        let member = desk.viewer.member.as_ref().filter(|_| !desk.sheet().is_public());
        Viewer { sheet: Arc::clone(desk.sheet()), subject: member.map(|member| member.subject.clone()) }
    }
}
