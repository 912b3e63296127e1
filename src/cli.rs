//! The command line. Every flag has a `TAVOLO_*` variable.

mod books;
mod roster;
pub(crate) mod serve;

use std::{io::IsTerminal, path::PathBuf};

use clap::{Args, CommandFactory, Parser, Subcommand};
use tavolo_resolvers::Graph;
use tavolo_store::{SCHEMA_VERSION, Store};

use self::{
    roster::{MemberCommand, OrganisationArgs},
    serve::ServeArgs,
};
use crate::{
    command::{DatabaseArgs, Failure, print},
    demo,
    doctor::{self, DoctorArgs},
    key_file::{self, KeyCommand},
    reference, seed, system_clock,
    tokens::Signer,
};

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
            Command::Serve(args) => serve::serve(*args).await,
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
    store.migrate(&crate::system_clock()).await?;
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
