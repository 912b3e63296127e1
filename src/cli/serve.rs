//! `tavolo serve`: a hub, with what it is told on the command line.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use clap::Args;
use tavolo_store::{LookupLimits, Settings};
use tavolo_subscriptions::follower;

use crate::{
    auth::{Authority, Demands, KeySource},
    command::{DatabaseArgs, Failure},
    edge,
    key_file::KeyArgs,
    serve::{Running, Setup, open_store, signalled},
    service_manager, system_clock,
};

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

/// Runs a hub until it is told to stop.
pub(super) async fn serve(args: ServeArgs) -> Result<(), Failure> {
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
