//! The command line. Every flag has a `TAVOLO_*` variable.

mod books;
mod roster;

use std::{
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};

use clap::{Args, CommandFactory, Parser, Subcommand};
use tavolo_resolvers::Graph;
use tavolo_store::{LookupLimits, SCHEMA_VERSION, Settings, Store};
use tavolo_subscriptions::follower;

use self::roster::{MemberCommand, OrganisationArgs};
use crate::{
    auth::{Authority, Demands, KeySource},
    demo,
    doctor::{self, DoctorArgs},
    edge,
    key_file::{self, KeyArgs, KeyCommand},
    reference, seed,
    serve::{Running, Setup, open_store, signalled},
    service_manager, system_clock,
    tokens::Signer,
};

/// What ends a command.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A GraphQL data-sharing hub for the reception of refugees and asylum seekers.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Cli {
    /// What is logged, such as `info` or `tavolo=debug`.
    #[arg(long, env = "TAVOLO_LOG", global = true, default_value = "info")]
    log: String,
    /// Log lines as JSON.
    #[arg(long, env = "TAVOLO_LOG_JSON", global = true)]
    log_json: bool,
    #[command(subcommand)]
    command: Command,
}

/// What the command does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a hub.
    Serve(Box<ServeArgs>),
    /// Show the Province of Crotone live: own database, invented people, ready tokens.
    Demo(demo::DemoArgs),
    /// Fill a database with invented facilities and guests.
    Seed(seed::SeedArgs),
    /// Print the contract.
    Schema,
    /// Make a token for a subject.
    Token(TokenArgs),
    /// Say who may sit at the table.
    #[command(subcommand)]
    Member(MemberCommand),
    /// Put an organisation into the register.
    Organisation(OrganisationArgs),
    /// Make the key that a database is kept with, or replace a lost one.
    #[command(subcommand)]
    Key(KeyCommand),
    /// Add up the ledger and compare it with pools and stays. Nothing is written.
    Check(DatabaseArgs),
    /// Make pools agree with their ledger and their stays again, with entries of correction.
    Repair(books::RepairArgs),
    /// Bring a database to the schema of this version, and its municipalities to a file.
    Migrate(MigrateArgs),
    /// Look whether a hub can run here, and say what to do where it cannot.
    Doctor(Box<DoctorArgs>),
    /// Print the completions of this command line for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print every flag and variable as Markdown.
    Reference,
}

/// Which database.
#[derive(Clone, Debug, Args)]
pub struct DatabaseArgs {
    /// Address of a MongoDB replica set.
    #[arg(long, env = "TAVOLO_MONGODB_URI", hide_env_values = true)]
    pub mongodb_uri: String,
    /// Name of the database.
    #[arg(long, env = "TAVOLO_DATABASE", default_value = "tavolo")]
    pub database: String,
    /// Seconds an operation waits for a database server.
    #[arg(long, env = "TAVOLO_PATIENCE", default_value_t = 5)]
    pub patience: u64,
}

impl DatabaseArgs {
    pub(crate) fn settings(&self) -> Settings {
        let patience = Duration::from_secs(self.patience);
        Settings { patience, ..Settings::new(&self.mongodb_uri, &self.database) }
    }

    /// The database, as it is: whatever a command does, it migrates nothing.
    pub(crate) async fn open(&self) -> Result<Store, Failure> {
        Ok(Store::open_existing(&self.settings()).await?)
    }
}

/// How to run a hub.
#[derive(Debug, Args)]
pub struct ServeArgs {
    #[command(flatten)]
    pub(crate) database: DatabaseArgs,
    #[command(flatten)]
    pub(crate) key: KeyArgs,
    /// Where to listen.
    #[arg(long, env = "TAVOLO_LISTEN", default_value = "127.0.0.1:8080")]
    pub(crate) listen: SocketAddr,
    /// File with the keys that tokens are checked with: a JWKS, or a public key in PEM (ES256 or EdDSA).
    #[arg(long, env = "TAVOLO_KEYS", conflicts_with = "jwks")]
    keys: Option<PathBuf>,
    /// Address of a JWKS that tokens are checked with.
    #[arg(long, env = "TAVOLO_JWKS")]
    jwks: Option<String>,
    #[command(flatten)]
    pub(crate) tokens: Demands,
    /// Origins of pages elsewhere that may ask and open a socket, such as `https://pages.example.org`.
    #[arg(long, env = "TAVOLO_ORIGINS", value_delimiter = ',', value_parser = origin)]
    origins: Vec<String>,
    /// Looks at files out of sight that a member may take in a day; each guest registered or admitted is one.
    #[arg(long, env = "TAVOLO_LOOKUPS_PER_MEMBER", default_value_t = LookupLimits::default().member)]
    lookups_per_member: u32,
    /// Looks at files out of sight that all members of an organisation may take in a day.
    #[arg(long, env = "TAVOLO_LOOKUPS_PER_BODY", default_value_t = LookupLimits::default().body)]
    lookups_per_body: u32,
    #[command(flatten)]
    edge: edge::Settings,
}

/// Reads an origin: scheme, host and, where it is not the usual one, port.
fn origin(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).unwrap_or_default();
    if host.is_empty() || host.contains(['/', '*', '@', ' ']) {
        return Err("expected an origin such as https://pages.example.org".into());
    }
    Ok(text.to_owned())
}

impl ServeArgs {
    pub(crate) fn key_source(&self) -> Option<KeySource> {
        let file = self.keys.clone().map(KeySource::File);
        file.or_else(|| self.jwks.clone().map(KeySource::Address))
    }
}

/// For whom a token is.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// Private key in PEM; made when the file does not exist.
    #[arg(long, env = "TAVOLO_SIGNING_KEY")]
    key: PathBuf,
    /// The subject.
    #[arg(long, env = "TAVOLO_SUBJECT", required_unless_present = "jwks")]
    subject: Option<String>,
    /// Hours the token is good for. A hub takes a week at most, unless its `--token-life` says otherwise.
    #[arg(long, env = "TAVOLO_TOKEN_HOURS", default_value_t = 12)]
    hours: u32,
    /// Scopes of the token, separated by spaces, such as `graphql:free`.
    #[arg(long, env = "TAVOLO_SCOPE")]
    scope: Option<String>,
    /// Print the public keys as JWKS instead, for `tavolo serve --keys`.
    #[arg(long)]
    jwks: bool,
}

/// What to migrate.
#[derive(Debug, Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    database: DatabaseArgs,
    /// Load municipalities from this CSV file instead of the ones this version carries.
    #[arg(long, env = "TAVOLO_MUNICIPALITIES")]
    municipalities: Option<PathBuf>,
}

impl Cli {
    /// Does what was asked for.
    ///
    /// # Errors
    ///
    /// One line for whoever typed it.
    pub async fn run(self) -> Result<(), Failure> {
        log(&self.log, self.log_json);
        match self.command {
            Command::Serve(args) => serve(*args).await,
            Command::Demo(args) => demo::run(args).await,
            Command::Seed(args) => seed::run(args).await,
            Command::Schema => print(&Graph::sdl()),
            Command::Token(args) => token(&args),
            Command::Member(command) => roster::member(command).await,
            Command::Organisation(args) => roster::organisation(args).await,
            Command::Key(command) => key_file::run(command).await,
            Command::Check(args) => books::check(&args).await,
            Command::Repair(args) => books::repair(&args).await,
            Command::Migrate(args) => migrate(args).await,
            Command::Doctor(args) => doctor::run(*args).await,
            Command::Completions { shell } => completions(shell),
            Command::Reference => print(&reference::markdown(Self::command())),
        }
    }
}

fn log(filter: &str, json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_new(filter).unwrap_or_default();
    let colours = std::io::stderr().is_terminal();
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours);
    if json { lines.json().init() } else { lines.init() }
}

/// Prints to standard output; a reader that has gone is no fault.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}

async fn serve(args: ServeArgs) -> Result<(), Failure> {
    let source = args.key_source();
    let authority = match source {
        Some(source) => {
            if let Some(what) = args.tokens.undemanded() {
                tracing::warn!("{what} not demanded: a token that was made for another service is taken");
            }
            Some(Arc::new(Authority::open(source, args.tokens, system_clock()).await?))
        }
        None => {
            tracing::warn!("neither --keys nor --jwks is given: everybody is the public");
            None
        }
    };
    let setup = Setup {
        listen: args.listen,
        authority,
        origins: args.origins,
        demo_tokens: None,
        settings: args.edge,
        following: follower::Settings::default(),
        clock: system_clock(),
    };
    let lookups = LookupLimits { member: args.lookups_per_member, body: args.lookups_per_body };
    let store = open_store(&Settings { lookups, ..args.database.settings() }).await?;
    let store = args.key.unlock(store).await?;
    let running = Running::start(store, setup).await?;
    service_manager::ready();
    tokio::select! {
        () = signalled() => {}
        () = service_manager::keep_alive() => {}
    }
    service_manager::stopping();
    running.stop().await;
    Ok(())
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "tavolo", &mut script);
    print(&String::from_utf8(script)?)
}

fn token(args: &TokenArgs) -> Result<(), Failure> {
    let signer = Signer::open_or_create(&args.key)?;
    let text = match &args.subject {
        Some(subject) if !args.jwks => {
            let seconds = i64::from(args.hours) * 3_600;
            signer.sign_scoped(subject, args.scope.as_deref(), system_clock().now(), seconds)?
        }
        _ => signer.jwks()?,
    };
    print(&format!("{text}\n"))
}

async fn migrate(args: MigrateArgs) -> Result<(), Failure> {
    let store = Store::connect(&args.database.settings()).await?;
    let before = store.version().await?;
    store.migrate().await?;
    let loaded = match &args.municipalities {
        Some(path) => {
            let file = std::fs::File::open(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            store.load_municipalities(file).await?
        }
        None => store.load_municipalities(crate::MUNICIPALITIES.as_bytes()).await?,
    };
    let schema = match before {
        SCHEMA_VERSION => format!("schema {SCHEMA_VERSION}"),
        before => format!("schema {SCHEMA_VERSION}, before {before}"),
    };
    let municipalities = if loaded == 1 { "municipality" } else { "municipalities" };
    print(&format!("{schema}; {loaded} {municipalities}\n"))
}
