//! Who asks: bearer tokens, checked against the keys of the configuration.
//!
//! A token says who somebody is and nothing else. What the subject may see and do is the membership
//! in the database, which is on the board; a token's own claims about roles are not read.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{JwkSet, ThumbprintHash},
};
use serde::Deserialize;
use tavolo_schema::{Clock, DateTime, Member};
use tavolo_subscriptions::Board;
use tokio::{sync::Mutex, time::Instant};

use crate::edge::FREE;

/// Where the public keys are that tokens are checked with.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file: a JWKS, or one public key in PEM.
    File(PathBuf),
    /// An address that answers with a JWKS.
    Address(String),
}

/// What tokens have to say beside their signature.
#[derive(Clone, Debug, Default)]
pub struct Demands {
    /// The `iss` claim, when it is demanded.
    pub issuer: Option<String>,
    /// The `aud` claim, when it is demanded.
    pub audience: Option<String>,
}

/// The keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read the key file {0}: {1}")]
    File(PathBuf, std::io::Error),
    /// The file is neither a JWKS nor a public key.
    #[error("{0} is neither a JWKS nor a public key in PEM for ES256 or EdDSA")]
    Content(String),
    /// The address does not answer with a JWKS.
    #[error("cannot fetch keys from {0}: {1}")]
    Address(String, reqwest::Error),
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is malformed, wrongly signed, or not for this hub.
    #[error("the token is not valid")]
    Invalid,
    /// The token's time is over, or has not come yet.
    #[error("the token has expired")]
    Expired,
    /// The subject is no member of the table.
    #[error("the token's subject is no member")]
    NoMember,
}

impl Refusal {
    /// How it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid => "unauthenticated",
            Self::Expired => "expired",
            Self::NoMember => "no member",
        }
    }
}

/// Somebody who has been let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    /// The member.
    pub member: Arc<Member>,
    /// When the token's time is over.
    pub until: DateTime,
    /// Whether it may send documents of its own where the hub trusts only its own.
    pub free: bool,
}

struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
}

/// Checks tokens.
pub struct Authority {
    source: KeySource,
    demands: Demands,
    clock: Clock,
    keys: RwLock<Arc<Vec<Key>>>,
    /// When keys were last fetched, so that unknown key ids cannot make us fetch all the time.
    fetched: Mutex<Instant>,
    /// Tokens whose signature has been checked: a client sends the same one with every request.
    checked: RwLock<HashMap<String, Claims>>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("source", &self.source).finish_non_exhaustive()
    }
}

#[derive(Clone, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    nbf: Option<i64>,
    /// Scopes, separated by spaces (RFC 9068 section 2.2.3).
    scope: Option<String>,
}

/// Clocks may differ by this much.
const LEEWAY_SECONDS: i64 = 30;

/// Keys are fetched again after this time in any case.
const FETCH_EVERY: Duration = Duration::from_secs(600);

/// Tokens remembered at most.
const REMEMBERED: usize = 10_000;

/// Keys are fetched again for an unknown key id, but not more often than this.
const FETCH_PAUSE: Duration = Duration::from_secs(30);

impl Authority {
    /// An authority with its keys.
    ///
    /// # Errors
    ///
    /// When the keys cannot be had now.
    pub async fn open(source: KeySource, demands: Demands, clock: Clock) -> Result<Self, KeyError> {
        let keys = fetch(&source).await?;
        Ok(Self {
            source,
            demands,
            clock,
            keys: RwLock::new(Arc::new(keys)),
            fetched: Mutex::new(Instant::now()),
            checked: RwLock::default(),
        })
    }

    /// Lets in whom a token names, if the subject is a member on this board.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn admit(&self, token: &str, board: &Board) -> Result<Admitted, Refusal> {
        let (claims, until) = self.verify(token).await?;
        let member = board.member(&claims.sub).ok_or(Refusal::NoMember)?;
        let free = claims.scope.is_some_and(|scope| scope.split(' ').any(|scope| scope == FREE));
        Ok(Admitted { member: Arc::clone(member), until, free })
    }

    /// Checks a token and tells its claims and end.
    async fn verify(&self, token: &str) -> Result<(Claims, DateTime), Refusal> {
        let checked = self.checked.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned();
        let claims = match checked {
            Some(claims) => claims,
            None => self.check(token).await?,
        };
        let now = self.clock.now().millis() / 1_000;
        if claims.exp + LEEWAY_SECONDS < now || claims.nbf.is_some_and(|from| from - LEEWAY_SECONDS > now) {
            return Err(Refusal::Expired);
        }
        let until = DateTime::from_millis(claims.exp.saturating_mul(1_000)).ok_or(Refusal::Invalid)?;
        Ok((claims, until))
    }

    /// Checks a token's signature and demands, and remembers that it was right.
    async fn check(&self, token: &str) -> Result<Claims, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Invalid)?;
        let known = |keys: &[Key]| keys.iter().any(|key| fits(key, header.kid.as_deref(), header.alg));
        if !known(&self.keys()) {
            self.fetch_again().await;
        }
        let claims = self
            .keys()
            .iter()
            .filter(|key| fits(key, header.kid.as_deref(), header.alg))
            .find_map(|key| decode::<Claims>(token, &key.key, &self.validation(key.algorithm)).ok())
            .ok_or(Refusal::Invalid)?
            .claims;
        let mut checked = self.checked.write().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= REMEMBERED {
            checked.clear();
        }
        checked.insert(token.to_owned(), claims.clone());
        Ok(claims)
    }

    /// Expiry is judged by our own clock, everything else by the library.
    fn validation(&self, algorithm: Algorithm) -> Validation {
        let mut validation = Validation::new(algorithm);
        validation.validate_exp = false;
        validation.validate_aud = self.demands.audience.is_some();
        validation.set_required_spec_claims(&["exp", "sub"]);
        if let Some(issuer) = &self.demands.issuer {
            validation.set_issuer(&[issuer]);
            validation.required_spec_claims.insert("iss".into());
        }
        if let Some(audience) = &self.demands.audience {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        validation
    }

    fn keys(&self) -> Arc<Vec<Key>> {
        Arc::clone(&self.keys.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Fetches the keys anew from time to time, so that one that was taken away is not honoured for ever.
    pub async fn keep_fresh(&self) {
        loop {
            tokio::time::sleep(FETCH_EVERY).await;
            self.fetch_again().await;
        }
    }

    async fn fetch_again(&self) {
        let mut fetched = self.fetched.lock().await;
        if fetched.elapsed() < FETCH_PAUSE {
            return;
        }
        *fetched = Instant::now();
        match fetch(&self.source).await {
            Ok(keys) => {
                *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(keys);
                // A key that was taken away takes its tokens with it.
                self.checked.write().unwrap_or_else(PoisonError::into_inner).clear();
            }
            Err(error) => tracing::warn!(%error, "keys could not be renewed; the old ones stay"),
        }
    }
}

/// The algorithm of each key that a source has now and a hub would use.
///
/// # Errors
///
/// When the keys cannot be had.
pub async fn algorithms(source: &KeySource) -> Result<Vec<Algorithm>, KeyError> {
    Ok(fetch(source).await?.into_iter().map(|key| key.algorithm).collect())
}

/// Whether a token's header may be meant for this key. The algorithm is the key's own: a token cannot choose another.
fn fits(key: &Key, id: Option<&str>, algorithm: Algorithm) -> bool {
    key.algorithm == algorithm && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
}

async fn fetch(source: &KeySource) -> Result<Vec<Key>, KeyError> {
    match source {
        KeySource::File(path) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| KeyError::File(path.clone(), error))?;
            read_keys(&text).ok_or_else(|| KeyError::Content(path.display().to_string()))
        }
        KeySource::Address(address) => {
            let refused = |error| KeyError::Address(address.clone(), error);
            let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().map_err(refused)?;
            let answer = client.get(address).send().await.and_then(|answer| answer.error_for_status());
            let text = answer.map_err(refused)?.text().await.map_err(refused)?;
            read_keys(&text).ok_or_else(|| KeyError::Content(address.clone()))
        }
    }
}

fn read_keys(text: &str) -> Option<Vec<Key>> {
    let keys = match serde_json::from_str::<JwkSet>(text) {
        // An empty set is a set: whoever took the last key out meant it.
        Ok(set) => set.keys.iter().filter_map(from_jwk).collect(),
        Err(_) => vec![from_pem(text.as_bytes())?],
    };
    Some(keys)
}

fn from_jwk(jwk: &jsonwebtoken::jwk::Jwk) -> Option<Key> {
    let key = DecodingKey::from_jwk(jwk).ok()?;
    let algorithm = algorithm_of(&key)?;
    let id = jwk.common.key_id.clone().or_else(|| jwk.thumbprint(ThumbprintHash::SHA256).ok());
    Some(Key { id, algorithm, key })
}

fn from_pem(pem: &[u8]) -> Option<Key> {
    let key = DecodingKey::from_ec_pem(pem).or_else(|_| DecodingKey::from_ed_pem(pem)).ok()?;
    let algorithm = algorithm_of(&key)?;
    Some(Key { id: None, algorithm, key })
}

/// ES256 and EdDSA, nothing else.
fn algorithm_of(key: &DecodingKey) -> Option<Algorithm> {
    match key.family() {
        jsonwebtoken::AlgorithmFamily::Ec => Some(Algorithm::ES256),
        jsonwebtoken::AlgorithmFamily::Ed => Some(Algorithm::EdDSA),
        _ => None,
    }
}
