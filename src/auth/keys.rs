//! The keys that tokens are checked with, fetched from where they are and kept fresh.

use std::{path::PathBuf, sync::Arc, time::Duration};

use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{JwkSet, ThumbprintHash},
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

/// Where the public keys are that tokens are checked with.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file: a JWKS, or one public key in PEM.
    File(PathBuf),
    /// An address that answers with a JWKS.
    Address(String),
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

pub(super) struct Key {
    id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

/// What the source has said.
#[derive(Clone)]
pub(super) struct Keys {
    pub(super) set: Arc<[Key]>,
    /// Grows with each set.
    pub(super) generation: u64,
    /// When it was last asked, so that unknown key ids cannot make us ask all the time.
    pub(super) asked: Instant,
}

/// Keys are fetched again after this time in any case, so that one that was taken away is not honoured for ever.
pub(super) const FETCH_EVERY: Duration = Duration::from_secs(600);

/// Keys are fetched again for an unknown key id, or after a fetch in vain, but not more often than this.
pub(super) const FETCH_PAUSE: Duration = Duration::from_secs(30);

/// Fetches the keys anew from time to time, sooner after a fetch in vain, and when an unknown one is wanted.
pub(super) async fn renew(source: KeySource, keys: watch::Sender<Keys>, wanted: Arc<Notify>) {
    let mut due = keys.borrow().asked + FETCH_EVERY;
    loop {
        tokio::select! {
            () = sleep_until(due) => {}
            // A wish from before the last fetch has been met by it.
            () = wanted.notified() => if keys.borrow().asked.elapsed() < FETCH_PAUSE { continue },
        }
        let fetched = fetch(&source).await;
        let asked = Instant::now();
        due = asked + if fetched.is_ok() { FETCH_EVERY } else { FETCH_PAUSE };
        keys.send_modify(|keys| {
            keys.asked = asked;
            match fetched {
                Ok(set) => {
                    keys.set = set.into();
                    keys.generation += 1;
                }
                Err(error) => tracing::warn!(%error, "keys could not be renewed; the old ones stay"),
            }
        });
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
pub(super) fn fits(key: &Key, id: Option<&str>, algorithm: Algorithm) -> bool {
    key.algorithm == algorithm && (id.is_none() || key.id.is_none() || key.id.as_deref() == id)
}

pub(super) async fn fetch(source: &KeySource) -> Result<Vec<Key>, KeyError> {
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

pub(super) fn read_keys(text: &str) -> Option<Vec<Key>> {
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
