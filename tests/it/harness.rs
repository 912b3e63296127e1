//! A hub to test: database, clock, members, and clients that speak real HTTP and WebSocket.

use std::{
    io::Write,
    path::PathBuf,
    sync::{
        Arc, LazyLock, Mutex,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_graphql::Request;
use base64::{Engine, engine::general_purpose::STANDARD};
use futures_util::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use tavolo::{
    auth::{Authority, Demands, KeySource},
    edge,
    local_mongod::LocalMongod,
    serve::{Running, Setup, open_store},
    tokens::Signer,
};
use tavolo_resolvers::{Answer, Viewer};
use tavolo_schema::{
    Clock, DateTime, Member, Organisation, OrganisationKind, Role,
    id::{OrganisationId, fresh},
};
use tavolo_store::{Key, LookupLimits, Settings, Store, key::SECRET_BYTES};
use tavolo_subscriptions::follower;
use tokio::net::TcpSocket;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async, connect_async,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// How long anything observable may take. Reaching it is a failure, never a way to wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// When every test begins: a Monday morning in Crotone.
pub const START: &str = "2026-11-23T08:00:00Z";

/// A clock that stands still until it is moved.
#[derive(Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl TestClock {
    pub fn new() -> Self {
        let start: DateTime = START.parse().unwrap();
        Self(Arc::new(AtomicI64::new(start.millis())))
    }

    pub fn clock(&self) -> Clock {
        let millis = Arc::clone(&self.0);
        Clock::new(move || DateTime::from_millis(millis.load(Ordering::SeqCst)).unwrap())
    }

    pub fn now(&self) -> DateTime {
        self.clock().now()
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_millis()).unwrap(), Ordering::SeqCst);
    }

    /// Stops the clock: whoever reads it panics, until what this hands back has been handed to [`Self::mend`].
    pub fn break_down(&self) -> i64 {
        self.0.swap(i64::MIN, Ordering::SeqCst)
    }

    pub fn mend(&self, millis: i64) {
        self.0.store(millis, Ordering::SeqCst);
    }

    pub fn advance_days(&self, days: u64) {
        self.advance(Duration::from_secs(days * 86_400));
    }
}

/// The key that signs every test's tokens.
pub static SIGNER: LazyLock<Signer> = LazyLock::new(|| Signer::generate().unwrap());

/// A folder for the life of the test binary.
fn scratch() -> &'static tempfile::TempDir {
    static SCRATCH: LazyLock<tempfile::TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    &SCRATCH
}

/// The file with the keys that check what [`SIGNER`] signs.
pub fn key_file() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let path = scratch().path().join("keys.json");
        std::fs::write(&path, SIGNER.jwks().unwrap()).unwrap();
        path
    });
    FILE.clone()
}

/// The secret that every test's database is kept with.
pub const SECRET: [u8; SECRET_BYTES] = [7; SECRET_BYTES];

/// The key that comes of [`SECRET`].
pub fn database_key() -> Key {
    Key::new(&SECRET).unwrap()
}

/// The file with [`SECRET`].
pub fn database_key_file() -> PathBuf {
    static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
        let mut file = tempfile::NamedTempFile::new_in(scratch()).unwrap();
        writeln!(file, "{}", STANDARD.encode(SECRET)).unwrap();
        file.keep().unwrap().1
    });
    FILE.clone()
}

/// The address of the MongoDB that all tests share. It is started once, on a runtime that lives as
/// long as the binary, and ends with it.
pub fn mongodb_uri() -> String {
    static SHARED: LazyLock<String> = LazyLock::new(|| {
        if let Ok(uri) = std::env::var("TAVOLO_MONGODB_URI") {
            return uri;
        }
        let (send, receive) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mongod = LocalMongod::start(&scratch().path().join("mongo"), None).await.expect("a mongod starts");
                send.send(mongod.uri().to_owned()).unwrap();
                std::future::pending::<()>().await;
            });
        });
        receive.recv().expect("the shared mongod started")
    });
    SHARED.clone()
}

/// A name for a database that nobody else uses.
pub fn database_name() -> String {
    let now = TestClock::new().now();
    format!("it_{}", fresh(now).simple())
}

/// An organisation without much ado.
pub fn organisation(name: &str, kind: OrganisationKind, municipality: Option<&str>) -> Organisation {
    Organisation {
        id: OrganisationId::fresh(TestClock::new().now()),
        name: name.into(),
        kind,
        tax_code: None,
        municipality: municipality.map(Into::into),
        revision: 1,
    }
}

/// Who is at every test's table. Each role's subject is its name in lower case, such as `central_service`;
/// there are two operators, `operator` and `other_operator`.
#[derive(Clone, Copy)]
pub struct Bodies {
    pub province: OrganisationId,
    pub operator: OrganisationId,
    pub other_operator: OrganisationId,
    /// The municipality of Crotone, 101010.
    pub municipality: OrganisationId,
    pub prefecture: OrganisationId,
    pub central_service: OrganisationId,
}

/// A hub with its database.
pub struct World {
    pub store: Store,
    pub settings: Settings,
    /// How its hubs follow the database.
    pub following: follower::Settings,
    pub clock: TestClock,
    pub bodies: Bodies,
    hubs: Mutex<Vec<Running>>,
}

impl World {
    /// A fresh database on the shared MongoDB, with municipalities, organisations and members.
    pub async fn new() -> Self {
        Self::at(&mongodb_uri()).await
    }

    /// A fresh database on another MongoDB.
    pub async fn at(uri: &str) -> Self {
        Self::with(Settings::new(uri, database_name())).await
    }

    /// A fresh database where members, and organisations, may take so many looks at files out of sight in a day.
    pub async fn with_lookups(member: u32, body: u32) -> Self {
        let lookups = LookupLimits { member, body };
        Self::with(Settings { lookups, ..Settings::new(mongodb_uri(), database_name()) }).await
    }

    async fn with(settings: Settings) -> Self {
        let store = open_store(&settings).await.unwrap().with_key(database_key()).await.unwrap();
        let bodies = [
            organisation("Provincia di Crotone", OrganisationKind::Province, None),
            organisation("Cooperativa Uno", OrganisationKind::ManagingBody, None),
            organisation("Cooperativa Due", OrganisationKind::ManagingBody, None),
            organisation("Comune di Crotone", OrganisationKind::Municipality, Some("101010")),
            organisation("Prefettura di Crotone", OrganisationKind::Prefecture, None),
            organisation("Servizio centrale", OrganisationKind::CentralService, None),
        ];
        store.add_organisations(&bodies).await.unwrap();
        let [province, operator, other_operator, municipality, prefecture, central_service] =
            bodies.map(|body| body.id);
        for (subject, role, organisation) in [
            ("province", Role::Province, province),
            ("operator", Role::Operator, operator),
            ("other_operator", Role::Operator, other_operator),
            ("municipality", Role::Municipality, municipality),
            ("prefecture", Role::Prefecture, prefecture),
            ("central_service", Role::CentralService, central_service),
            ("analyst", Role::Analyst, province),
        ] {
            store.put_member(&Member { subject: subject.into(), role, organisation }).await.unwrap();
        }
        let bodies = Bodies { province, operator, other_operator, municipality, prefecture, central_service };
        let following = follower::Settings::default();
        Self { store, settings, following, clock: TestClock::new(), bodies, hubs: Mutex::default() }
    }

    /// A fresh database beside that of others, for the same bodies and by the same clock: nothing is in it yet but what
    /// opening it makes.
    pub async fn beside(settings: &Settings, bodies: Bodies, clock: TestClock) -> Self {
        let settings = Settings { database: database_name(), ..settings.clone() };
        let store = open_store(&settings).await.unwrap().with_key(database_key()).await.unwrap();
        Self { store, settings, clock, following: follower::Settings::default(), bodies, hubs: Mutex::default() }
    }

    /// Starts a hub process (as far as a process is one: own store, own board, own listener).
    pub async fn hub(&self) -> Client {
        self.hub_with(edge::Settings::default()).await
    }

    /// Starts a hub process whose edge is set in this way.
    pub async fn hub_with(&self, settings: edge::Settings) -> Client {
        self.start(&[], settings).await
    }

    /// Starts a hub process that pages of these origins may ask.
    pub async fn hub_for(&self, origins: &[&str]) -> Client {
        self.start(origins, edge::Settings::default()).await
    }

    /// Starts a hub process that has a clock of its own.
    pub async fn hub_by(&self, clock: &TestClock) -> Client {
        self.start_by(clock, &[], edge::Settings::default()).await
    }

    async fn start(&self, origins: &[&str], settings: edge::Settings) -> Client {
        self.start_by(&self.clock, origins, settings).await
    }

    async fn start_by(&self, clock: &TestClock, origins: &[&str], settings: edge::Settings) -> Client {
        let store = open_store(&self.settings).await.unwrap().with_key(database_key()).await.unwrap();
        let source = KeySource::File(key_file());
        let authority = Authority::open(source, Demands::default(), clock.clock()).await.unwrap();
        let setup = Setup {
            listen: "127.0.0.1:0".parse().unwrap(),
            authority: Some(Arc::new(authority)),
            origins: origins.iter().map(ToString::to_string).collect(),
            demo_tokens: None,
            settings,
            following: self.following,
            clock: clock.clock(),
        };
        let running = Running::start(store, setup).await.unwrap();
        let client = Client {
            address: running.address().to_string(),
            metrics: running.metrics_address().map(|address| address.to_string()),
            http: reqwest::Client::new(),
            graph: running.graph().clone(),
            live: running.live().clone(),
            clock: clock.clone(),
        };
        self.hubs.lock().unwrap().push(running);
        client
    }

    /// Stops the hubs and removes the database.
    pub async fn end(self) {
        let hubs = std::mem::take(&mut *self.hubs.lock().unwrap());
        for hub in hubs {
            hub.stop().await;
        }
        self.store.drop_database().await.unwrap();
    }
}

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
    pub clock: TestClock,
}

impl Client {
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

    /// Performs one mutation with an `input` and hands back its payload. `selection` is what is asked for
    /// beside `irregularities { code severity path message }`.
    pub async fn act(&self, subject: &str, mutation: &str, selection: &str, input: Value) -> Value {
        let mut kind = mutation.to_owned();
        kind[..1].make_ascii_uppercase();
        let document = format!(
            "mutation($input: {kind}Input!) {{ {mutation}(input: $input) {{
                {selection} irregularities {{ code severity path message }} }} }}"
        );
        self.data(subject, &document, json!({ "input": input })).await[mutation].take()
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
}

/// Watches inside the process, without a socket or a token that could run out.
pub fn watch(hub: &Client, request: Request, viewer: Viewer) -> impl Stream<Item = Answer> + Send + use<> {
    let prepared = hub.graph.prepare(request, &viewer).unwrap();
    hub.live.watch(prepared, viewer)
}

/// A WebSocket client.
pub struct Socket(WebSocketStream<MaybeTlsStream<tokio::net::TcpStream>>);

impl Socket {
    pub async fn send(&mut self, message: Value) {
        self.0.send(Message::text(message.to_string())).await.unwrap();
    }

    /// Sends many messages at once.
    pub async fn send_all(&mut self, messages: impl IntoIterator<Item = Value>) {
        for message in messages {
            self.0.feed(Message::text(message.to_string())).await.unwrap();
        }
        self.0.flush().await.unwrap();
    }

    /// Sends a ping of the protocol below, and does not read the answer.
    pub async fn ping(&mut self) -> Result<(), tokio_tungstenite::tungstenite::Error> {
        self.0.send(Message::Ping(vec![0; 125].into())).await
    }

    /// Whether the connection ends in good order after a close frame, and is not cut.
    pub async fn ends_well(&mut self) -> bool {
        matches!(tokio::time::timeout(PATIENCE, self.0.next()).await, Ok(None))
    }

    /// Says that it closes.
    pub async fn close(&mut self, code: u16) {
        let frame = CloseFrame { code: code.into(), reason: "goodbye".into() };
        self.0.send(Message::Close(Some(frame))).await.unwrap();
    }

    /// The next message.
    pub async fn next(&mut self) -> Value {
        match self.next_or_close().await {
            Ok(message) => message,
            Err(close) => panic!("the socket closed: {close:?}"),
        }
    }

    /// The next message, or how the socket was closed.
    pub async fn next_or_close(&mut self) -> Result<Value, Option<CloseFrame>> {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.0.next()).await.expect("a message in time");
            match received {
                Some(Ok(Message::Text(text))) => return Ok(serde_json::from_str(&text).unwrap()),
                Some(Ok(Message::Close(frame))) => return Err(frame),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// The next message of the first subscription field, such as an occupancy event.
    pub async fn event(&mut self) -> Value {
        let mut message = self.next().await;
        assert_eq!(message["type"], "next", "{message:#}");
        let data = message["payload"]["data"].take();
        data.as_object().and_then(|data| data.values().next().cloned()).unwrap_or(message)
    }
}

/// An invented adult, a different one each time.
pub fn person() -> Value {
    let name = fresh(TestClock::new().now()).simple().to_string();
    json!({
        "surname": format!("Prova {name}"), "givenNames": "Persona", "sex": "M", "birthDate": "1996-03-12",
        "citizenships": ["NGA"], "languages": ["eng"], "legalStatus": "ASYLUM_APPLICANT",
    })
}

/// A string of a response.
pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("a string, not {value}")).to_owned()
}

/// The codes of a payload's irregularities that block.
pub fn blocking(payload: &Value) -> Vec<String> {
    let found = payload["irregularities"].as_array().unwrap();
    found.iter().filter(|found| found["severity"] == "BLOCK").map(|found| text(&found["code"])).collect()
}

/// The codes of all of a payload's irregularities.
pub fn codes(payload: &Value) -> Vec<String> {
    payload["irregularities"].as_array().unwrap().iter().map(|found| text(&found["code"])).collect()
}

/// Waits until something observable holds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while !holds().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
    }
}

impl World {
    /// Stops one hub in good order; the others go on.
    pub async fn stop_hub(&self, client: &Client) {
        let hub = {
            let mut hubs = self.hubs.lock().unwrap();
            let at =
                hubs.iter().position(|hub| hub.address().to_string() == client.address).expect("a hub of this world");
            hubs.remove(at)
        };
        hub.stop().await;
    }

    /// The database through the driver, for what no act can do to it.
    pub async fn driver(&self) -> mongodb::Database {
        mongodb::Client::with_uri_str(&self.settings.uri).await.unwrap().database(&self.settings.database)
    }
}

impl Client {
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

impl Socket {
    /// Reads on until the server closes, and hands back the close code.
    pub async fn close_code(&mut self) -> u16 {
        let closed = async {
            loop {
                if let Err(frame) = self.next_or_close().await {
                    return frame.expect("a close frame").code.into();
                }
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.expect("a close in time")
    }
}

impl Client {
    /// Orders an act with what can be said beside its `input` (`key`, `only`), and hands back the whole response.
    pub async fn order(&self, subject: &str, mutation: &str, selection: &str, order: Value) -> Value {
        let mut kind = mutation.to_owned();
        kind[..1].make_ascii_uppercase();
        let document = format!(
            "mutation($input: {kind}Input!, $key: String, $only: Boolean! = false) {{
                {mutation}(input: $input, idempotencyKey: $key, validateOnly: $only) {{
                    {selection} irregularities {{ code severity path message }} }} }}"
        );
        self.send(subject, &document, order).await
    }
}
