//! Acting at the table as everybody does: by mutations, as a member.

use std::sync::Arc;

use async_graphql::{Request, Variables};
use serde_json::Value;
use tavolo_resolvers::{Graph, Hub, Viewer};
use tavolo_schema::{Clock, Member, id::OrganisationId};

use crate::{command::Failure, world::World};

/// The graph, and who can act in it.
pub(super) struct DemoClient {
    pub(super) graph: Graph,
    members: Vec<Arc<Member>>,
}

impl DemoClient {
    pub(super) fn new(graph: Graph, world: &World) -> Self {
        Self { graph, members: world.members.iter().cloned().map(Arc::new).collect() }
    }

    /// The same table by another clock.
    pub(super) fn at(&self, clock: Clock) -> Self {
        let hub = Hub { clock, ..self.graph.hub().clone() };
        Self { graph: Graph::new(hub), members: self.members.clone() }
    }

    /// Runs a document as the member of an organisation and hands back its data. An irregularity that
    /// blocks, or an error, is a failure.
    pub(super) async fn run(&self, by: OrganisationId, document: &str, variables: Value) -> Result<Value, Failure> {
        let member = self.members.iter().find(|member| member.organisation == by).cloned();
        let request = Request::new(document).variables(Variables::from_json(variables));
        let response = self.graph.execute(request, Viewer { member, ..Viewer::default() }).await;
        if let Some(error) = response.errors.first() {
            return Err(error.message.clone().into());
        }
        let data = response.data.into_json()?;
        let payloads = data.as_object().into_iter().flat_map(|fields| fields.values());
        let blocking = payloads
            .filter_map(|payload| payload.get("irregularities")?.as_array())
            .flatten()
            .find(|found| found["severity"] == "BLOCK");
        match blocking {
            Some(found) => Err(found["code"].to_string().into()),
            None => Ok(data),
        }
    }
}
