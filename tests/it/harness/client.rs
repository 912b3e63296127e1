//! A client of one hub: it asks, acts and watches as a member, or as nobody.

use std::sync::Arc;

use async_graphql::Request;
use futures_util::Stream;
use serde_json::{Value, json};
use tavolo_resolvers::{Answer, Viewer};
use tavolo_schema::{
    id::{OrganisationId, fresh},
    publication::Cell,
};
use tavolo_subscriptions::FacilityState;
use tokio::net::TcpSocket;
use tokio_tungstenite::{MaybeTlsStream, client_async, connect_async, tungstenite::client::IntoClientRequest};

use super::{SIGNER, Socket, TestClock, blocking, mutation_document, person, text, until};

/// A client of one hub.
#[derive(Clone)]
pub struct Client {
    pub address: String,
    /// Where its figures are told, when they have an address of their own.
    pub metrics: Option<String>,
    pub http: reqwest::Client,
    /// The hub's insides, for tests that count commands or look at the board.
    pub graph: tavolo_resolvers::Graph,
    pub live: tavolo_resolvers::Live,
    pub permits: tavolo::edge::StreamPermits,
    pub clock: TestClock,
}

impl Client {
    /// Waits until the hub has published totals on the day of the test's clock, also of each municipality with ordinary
    /// places: the past of one that is new is read, and published in a transaction of its own.
    pub async fn has_published_the_day(&self) {
        let live_board = &self.graph.hub().live_board;
        let today = self.clock.now().day();
        until("the day is published", async || {
            let board = live_board.board();
            let ordinary = |state: &&Arc<FacilityState>| state.pools.iter().any(|pool| !pool.category.is_protected());
            let mut cells = board
                .facilities(None)
                .filter(ordinary)
                .map(|state| Cell::told_of(Some(state.facility.municipality.clone()), None));
            let province = board.publication(&Cell::PROVINCE);
            province.is_some_and(|last| last.at.day() == today) && cells.all(|cell| board.publication(&cell).is_some())
        })
        .await;
    }

    /// A token for a subject, good for an hour of the test's clock.
    pub fn token(&self, subject: &str) -> String {
        SIGNER.sign(subject, self.clock.now(), 3_600).unwrap()
    }

    /// Sends a document as a subject (`""` is the public) and hands back the whole response.
    pub async fn send(&self, subject: &str, document: &str, variables: Value) -> Value {
        let mut request = self.http.post(format!("http://{}/graphql", self.address));
        if !subject.is_empty() {
            request = request.bearer_auth(self.token(subject));
        }
        let body = json!({ "query": document, "variables": variables });
        request.json(&body).send().await.unwrap().json().await.unwrap()
    }

    /// Sends a document and hands back its data; errors are a failure.
    pub async fn data(&self, subject: &str, document: &str, variables: Value) -> Value {
        let mut response = self.send(subject, document, variables).await;
        assert!(response.get("errors").is_none(), "{document}\n{response:#}");
        response["data"].take()
    }

    /// Orders an act with what can be said beside its `input` (`key`, `only`), and hands back the whole response.
    pub async fn order(&self, subject: &str, mutation: &str, selection: &str, order: Value) -> Value {
        let selection = format!("{selection} irregularities {{ code severity path message }}");
        self.send(subject, &mutation_document(mutation, &selection), order).await
    }

    /// Performs one mutation with an `input` and hands back its payload. `selection` is what is asked for
    /// beside `irregularities { code severity path message }`.
    pub async fn act(&self, subject: &str, mutation: &str, selection: &str, input: Value) -> Value {
        let mut response = self.order(subject, mutation, selection, json!({ "input": input })).await;
        assert!(response.get("errors").is_none(), "{mutation} {input}\n{response:#}");
        response["data"][mutation].take()
    }

    /// Registers, equips and accredits a facility of `operator` in Crotone, by the Province, and hands back its id.
    pub async fn facility(
        &self,
        operator: OrganisationId,
        holder: OrganisationId,
        category: &str,
        places: i32,
    ) -> String {
        let name = format!("Casa {}", fresh(self.clock.now()).simple());
        let input = json!({
            "name": name, "type": "APARTMENT", "municipality": "101010",
            "address": { "street": name, "number": "1", "postalCode": "88900" },
            "operator": operator.encode(), "holder": holder.encode(),
        });
        let payload = self.act("province", "registerFacility", "facility { id }", input).await;
        let facility = text(&payload["facility"]["id"]);
        self.accredit(&facility, category, places).await;
        facility
    }

    /// Installs and accredits places of a facility, by the Province, and hands back the accreditation's id.
    pub async fn accredit(&self, facility: &str, category: &str, places: i32) -> String {
        let input = json!({ "facility": facility, "category": category, "installed": places });
        let payload = self.act("province", "installPlaces", "facility { id }", input).await;
        assert_eq!(blocking(&payload), Vec::<String>::new());
        let input = json!({ "facility": facility, "places": [{ "category": category, "places": places }] });
        let payload = self.act("province", "submitAccreditation", "accreditation { id }", input).await;
        let accreditation = text(&payload["accreditation"]["id"]);
        let input = json!({ "accreditation": accreditation, "outcome": "ACCREDITED" });
        let payload = self.act("province", "decideAccreditation", "accreditation { status }", input).await;
        assert_eq!(payload["accreditation"]["status"], "ACCREDITED");
        accreditation
    }

    /// Registers an invented adult as a subject and hands back the guest's id.
    pub async fn guest(&self, subject: &str) -> String {
        let payload = self.act(subject, "registerGuest", "guest { id }", person()).await;
        text(&payload["guest"]["id"])
    }

    /// Admits a guest to an ordinary place as a subject and hands back the payload.
    pub async fn admit(&self, subject: &str, guest: &str, facility: &str) -> Value {
        let input = json!({ "guest": guest, "facility": facility, "category": "ORDINARY" });
        self.act(subject, "admitGuest", "stay { id status }", input).await
    }

    /// Opens a `graphql-transport-ws` socket as a subject.
    pub async fn socket(&self, subject: &str) -> Socket {
        let mut socket = self.bare_socket().await;
        let payload = if subject.is_empty() {
            json!({})
        } else {
            json!({ "authorization": format!("Bearer {}", self.token(subject)) })
        };
        socket.send(json!({ "type": "connection_init", "payload": payload })).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        socket
    }

    /// Opens a socket and says nothing.
    pub async fn bare_socket(&self) -> Socket {
        let mut request = format!("ws://{}/graphql/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        Socket(connect_async(request).await.unwrap().0)
    }

    /// Opens a socket with one subscription, `id` "1", for which this system keeps little that is not read.
    pub async fn subscribe_narrowly(&self, subject: &str, document: &str, variables: Value) -> Socket {
        let narrow = TcpSocket::new_v4().unwrap();
        narrow.set_recv_buffer_size(16 * 1024).unwrap();
        let stream = MaybeTlsStream::Plain(narrow.connect(self.address.parse().unwrap()).await.unwrap());
        let mut request = format!("ws://{}/graphql/ws", self.address).into_client_request().unwrap();
        request.headers_mut().insert("sec-websocket-protocol", "graphql-transport-ws".parse().unwrap());
        let mut socket = Socket(client_async(request, stream).await.unwrap().0);
        let token = json!({ "authorization": format!("Bearer {}", self.token(subject)) });
        socket.send(json!({ "type": "connection_init", "payload": token })).await;
        assert_eq!(socket.next().await["type"], "connection_ack");
        let payload = json!({ "query": document, "variables": variables });
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        socket
    }

    /// Opens a socket with one subscription, `id` "1".
    pub async fn subscribe(&self, subject: &str, document: &str, variables: Value) -> Socket {
        let mut socket = self.socket(subject).await;
        let payload = json!({ "query": document, "variables": variables });
        socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
        socket
    }

    /// Opens a socket with these headers and says nothing.
    pub async fn socket_with(
        &self,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, tokio_tungstenite::tungstenite::Error> {
        let mut request = format!("ws://{}/graphql/ws", self.address).into_client_request()?;
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        Ok(Socket(connect_async(request).await?.0))
    }

    /// The first pool of a facility, as the Province reads it on this hub's board.
    pub async fn pool(&self, facility: &str) -> Value {
        let document = "query($id: ID!) { facility(by: { id: $id }) { capacity {
            accredited installed blocked allocable occupied reserved free overCapacity } } }";
        let mut data = self.data("province", document, json!({ "id": facility })).await;
        data["facility"]["capacity"][0].take()
    }
}

/// Watches inside the process, without a socket or a token that could run out.
pub fn watch(hub: &Client, request: Request, viewer: Viewer) -> impl Stream<Item = Answer> + Send + use<> {
    let prepared = hub.graph.prepare(request, &viewer).unwrap();
    hub.live.watch(prepared, viewer)
}
