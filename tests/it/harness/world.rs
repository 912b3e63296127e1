//! A hub with its database: how it is made, and what goes with it when its test is over.

use std::sync::Arc;

use tavolo::{
    auth::{Authority, Demands, KeySource},
    edge,
    serve::{Running, Setup, open_store},
};
use tavolo_schema::{Member, OrganisationKind, Role, id::OrganisationId};
use tavolo_store::{LookupLimits, Settings, Store};
use tavolo_subscriptions::follower;

use super::{
    Client, OwnDatabase, TestClock, database_key, database_name, hubs::Hubs, key_file, mongodb_uri, organisation,
};

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

/// A database, and the hubs on it. When a test is over, or panics, the hubs are stopped and the database is dropped.
pub struct World {
    pub store: Store,
    pub settings: Settings,
    /// How its hubs follow the database.
    pub following: follower::Settings,
    pub clock: TestClock,
    pub bodies: Bodies,
    // In this order: nothing writes any more when the database goes.
    hubs: Hubs,
    _database: OwnDatabase,
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
        let database = OwnDatabase::at(&settings.uri, &settings.database);
        let store = open(&settings).await;
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
        Self::of(store, settings, bodies, TestClock::new(), database)
    }

    /// A fresh database beside that of others, for the same bodies and by the same clock: nothing is in it yet but what
    /// opening it makes.
    pub async fn beside(settings: &Settings, bodies: Bodies, clock: TestClock) -> Self {
        let settings = Settings { database: database_name(), ..settings.clone() };
        let database = OwnDatabase::at(&settings.uri, &settings.database);
        let store = open(&settings).await;
        Self::of(store, settings, bodies, clock, database)
    }

    fn of(store: Store, settings: Settings, bodies: Bodies, clock: TestClock, database: OwnDatabase) -> Self {
        let following = follower::Settings::default();
        Self { store, settings, following, clock, bodies, hubs: Hubs::new(), _database: database }
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
        let settings = self.settings.clone();
        let start = async move { Running::start(open(&settings).await, setup).await.unwrap() };
        let running = self.hubs.run(start).await;
        let client = Client {
            address: running.address().to_string(),
            metrics: running.metrics_address().map(|address| address.to_string()),
            http: reqwest::Client::new(),
            graph: running.graph().clone(),
            live: running.live().clone(),
            permits: running.permits().clone(),
            clock: clock.clone(),
        };
        self.hubs.keep(running);
        client
    }

    /// A facility of the operator in Crotone with so many ordinary places, and its id.
    pub async fn house(&self, hub: &Client, places: i32) -> String {
        hub.facility(self.bodies.operator, self.bodies.municipality, "ORDINARY", places).await
    }

    /// Stops one hub in good order; the others go on.
    pub async fn stop_hub(&self, client: &Client) {
        self.hubs.stop(&client.address).await;
    }

    /// The database through the driver, for what no act can do to it.
    pub async fn driver(&self) -> mongodb::Database {
        mongodb::Client::with_uri_str(&self.settings.uri).await.unwrap().database(&self.settings.database)
    }
}

/// Opens a database with the key that every test's database is kept with.
async fn open(settings: &Settings) -> Store {
    open_store(settings).await.unwrap().with_key(database_key()).await.unwrap()
}
