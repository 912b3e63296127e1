//! Figures for whoever watches the hub, as text for Prometheus.
//!
//! A label has a value of a closed set: an operation is named when it is a trusted document, and `other` when it is not.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use axum::{
    Extension, Router,
    extract::State,
    http::{HeaderMap, header},
    response::{IntoResponse, Response},
    routing::get,
};
use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tavolo_resolvers::OperationKind;
use tavolo_subscriptions::Link;

use super::{
    documents::Document,
    refused::not_found,
    state::{Client, Edge},
};

/// Upper bounds of the classes of latency, in seconds.
const LATENCIES: [f64; 13] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// What is recorded of one request.
#[derive(Default)]
pub(super) struct Record {
    pub(super) document: Option<Arc<Document>>,
    pub(super) kind: Option<OperationKind>,
}

impl Record {
    /// Whether it is a trusted document.
    pub(super) fn trusted(&self) -> bool {
        self.document.is_some()
    }

    /// Counts the request and writes its line into the log. Neither knows what it said.
    pub(super) fn close(self, code: Option<&str>, took: Duration) {
        let operation = self.document.map_or_else(|| "other".to_owned(), |document| document.name.clone());
        let kind = self.kind.map_or("unread", OperationKind::name);
        let code = code.unwrap_or("OK").to_owned();
        tracing::debug!(kind, operation, code, ms = took.as_secs_f64() * 1_000.0, "answered");
        histogram!("tavolo_request_seconds", "type" => kind).record(took);
        counter!("tavolo_requests_total", "type" => kind, "operation" => operation, "code" => code).increment(1);
    }
}

/// The recorder of the process: all its hubs count into one.
pub(crate) fn recorder() -> &'static PrometheusHandle {
    static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();
    RECORDER.get_or_init(|| {
        let builder = || PrometheusBuilder::new().set_buckets(&LATENCIES).unwrap_or_default();
        // Somebody who embeds the hub has a recorder already: then ours records nothing.
        let handle = builder().install_recorder().unwrap_or_else(|_| builder().build_recorder().handle());
        describe();
        handle
    })
}

/// Says what each figure is, as Prometheus shows it.
fn describe() {
    describe_counter!(
        "tavolo_requests_total",
        "Requests by HTTP, by type, trusted document and code of the first error"
    );
    describe_histogram!("tavolo_request_seconds", "How long requests by HTTP took, by type");
    describe_gauge!("tavolo_streams", "Sockets and event streams that are open");
    describe_counter!("tavolo_streams_ended_total", "Sockets and event streams that have ended, by reason");
    describe_gauge!("tavolo_channels", "Subscriptions that differ from each other");
    describe_gauge!("tavolo_subscribers", "Subscribers of all channels");
    describe_counter!("tavolo_deliveries_total", "Answers sent on sockets and event streams");
    describe_counter!(
        "tavolo_resyncs_total",
        "Subscribers sent the state anew: the hub could not tell them any more what they had missed"
    );
    describe_gauge!("tavolo_board_position_seconds", "Cluster time of the last change on the board");
    describe_gauge!("tavolo_board_age_seconds", "How long ago the last change on the board was");
    describe_gauge!("tavolo_board_following", "1 while changes arrive, 0 while the database is silent or lost");
    describe_gauge!(
        "tavolo_feed_age_seconds",
        "How long ago the change feed was last answered, with or without changes: about a second at most"
    );
    describe_gauge!(
        "tavolo_database_connections",
        "Connections to the database that are open, those in use by commands and transactions, and which of these wait"
    );
    describe_counter!(
        "tavolo_database_commands_total",
        "Commands sent to the database, without those of the change feed"
    );
}

/// The figures at an address of their own.
pub(crate) fn router(edge: Edge) -> Router {
    Router::new().route("/metrics", get(|State(edge): State<Edge>| async move { figures(&edge) })).with_state(edge)
}

/// The figures at the hub's own address, for whoever asks from this machine.
pub(super) async fn local(
    State(edge): State<Edge>,
    Extension(client): Extension<Client>,
    headers: HeaderMap,
) -> Response {
    if !edge.tells_figures_to(client) {
        return not_found(headers).await;
    }
    figures(&edge)
}

fn figures(edge: &Edge) -> Response {
    let hub = edge.graph.hub();
    let position = hub.live_board.board().position().seconds;
    let now = u64::try_from(hub.clock.now().millis() / 1_000).unwrap_or_default();
    let following = hub.live_board.link() == Link::Following;
    gauge!("tavolo_board_position_seconds").set(f64::from(position));
    gauge!("tavolo_board_age_seconds").set(now.saturating_sub(position.into()) as f64);
    gauge!("tavolo_board_following").set(u8::from(following));
    gauge!("tavolo_feed_age_seconds").set(hub.live_board.unheard().as_secs_f64());
    let connections = hub.store.connections();
    for (state, number) in
        [("open", connections.open), ("in_use", connections.in_use), ("waiting", connections.waiting)]
    {
        gauge!("tavolo_database_connections", "state" => state).set(number as f64);
    }
    counter!("tavolo_database_commands_total").absolute(hub.store.commands());
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], recorder().render()).into_response()
}
