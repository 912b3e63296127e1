//! Who asks: bearer tokens, checked against the keys of the configuration.
//!
//! A token says who somebody is and nothing else. What the subject may see and do is the membership
//! in the database, which is on the board; a token's own claims about roles are not read.

mod claims;
mod keys;

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use jsonwebtoken::{decode, decode_header};
use tavolo_schema::{Clock, DateTime, Member};
use tavolo_subscriptions::Board;
use tokio::{
    sync::{Notify, watch},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;

use self::{
    claims::Claims,
    keys::{FETCH_PAUSE, Key, Keys, fetch, fits, renew},
};
pub use self::{
    claims::Demands,
    keys::{KeyError, KeySource, algorithms},
};

/// What tokens need in their `scope` for documents of their own, where a hub trusts only its own.
pub(crate) const FREE: &str = "graphql:free";

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The token is malformed, wrongly signed, or not for this hub.
    #[error("the token is not valid")]
    Invalid,
    /// The token's time is over, or has not come yet.
    #[error("the token has expired")]
    Expired,
    /// The token's time is longer than that of tokens may be.
    #[error("the token is good for longer than this hub allows")]
    TooLong,
    /// The subject is no member of the table.
    #[error("the token's subject is no member")]
    NoMember,
}

impl Refusal {
    /// How it is counted.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Invalid | Self::TooLong => "unauthenticated",
            Self::Expired => "expired",
            Self::NoMember => "no member",
        }
    }
}

/// Somebody who has been let in.
#[derive(Clone, Debug)]
pub struct Authenticated {
    /// The member.
    pub member: Arc<Member>,
    /// When the token's time is over.
    pub until: DateTime,
    /// Whether it may send documents of its own where the hub trusts only its own.
    pub free: bool,
}

/// Tokens whose signature the keys of one generation have checked: a client sends the same one with every request. A
/// key that was taken away takes its tokens with it.
#[derive(Default)]
struct Checked {
    generation: u64,
    claims: HashMap<String, Claims>,
}

/// Checks tokens.
pub struct Authority {
    source: KeySource,
    demands: Demands,
    clock: Clock,
    keys: watch::Receiver<Keys>,
    checked: RwLock<Checked>,
    /// Tells the task that fetches keys that somebody has one that is not known.
    wanted: Arc<Notify>,
    /// Fetches keys on its own: whoever waits for them may leave, and they come all the same.
    _renewal: AbortOnDropHandle<()>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority").field("source", &self.source).finish_non_exhaustive()
    }
}

/// Tokens remembered at most.
const REMEMBERED: usize = 10_000;

impl Authority {
    /// An authority with its keys.
    ///
    /// # Errors
    ///
    /// When the keys cannot be had now.
    pub async fn open(source: KeySource, demands: Demands, clock: Clock) -> Result<Self, KeyError> {
        let set = fetch(&source).await?.into();
        Ok(Self::with(Keys { set, generation: 0, asked: Instant::now() }, source, demands, clock))
    }

    fn with(keys: Keys, source: KeySource, demands: Demands, clock: Clock) -> Self {
        let (publish, keys) = watch::channel(keys);
        let wanted = Arc::new(Notify::new());
        let renewal = tokio::spawn(renew(source.clone(), publish, Arc::clone(&wanted)));
        let checked = RwLock::default();
        Self { source, demands, clock, keys, checked, wanted, _renewal: AbortOnDropHandle::new(renewal) }
    }

    /// Lets in whom a token names, if the subject is a member on this board.
    ///
    /// # Errors
    ///
    /// Why not.
    pub async fn authenticate(&self, token: &str, board: &Board) -> Result<Authenticated, Refusal> {
        let (claims, until) = self.verify(token).await?;
        let member = board.member(&claims.sub).ok_or(Refusal::NoMember)?;
        let free = claims.scope.is_some_and(|scope| scope.split(' ').any(|scope| scope == FREE));
        Ok(Authenticated { member: Arc::clone(member), until, free })
    }

    /// Checks a token and tells its claims and end.
    async fn verify(&self, token: &str) -> Result<(Claims, DateTime), Refusal> {
        let keys = self.keys.borrow().clone();
        let checked = self.checked.read().unwrap_or_else(PoisonError::into_inner).get(token, keys.generation);
        let claims = match checked {
            Some(claims) => claims,
            None => self.check(token, keys).await?,
        };
        let until = claims.judge(&self.demands, self.clock.now())?;
        Ok((claims, until))
    }

    /// Checks a token's signature and demands, and remembers that it was right.
    async fn check(&self, token: &str, mut keys: Keys) -> Result<Claims, Refusal> {
        let header = decode_header(token).map_err(|_| Refusal::Invalid)?;
        self.demands.accept(&header)?;
        let meant = |key: &&Key| fits(key, header.kid.as_deref(), header.alg);
        if !keys.set.iter().any(|key| meant(&key)) {
            keys = self.newer().await;
        }
        let claims = keys
            .set
            .iter()
            .filter(meant)
            .find_map(|key| decode::<Claims>(token, &key.key, &self.demands.validation(key.algorithm)).ok())
            .map(|token| token.claims)
            .filter(Claims::are_of_access)
            .ok_or(Refusal::Invalid)?;
        let mut checked = self.checked.write().unwrap_or_else(PoisonError::into_inner);
        checked.remember(token, &claims, keys.generation);
        Ok(claims)
    }

    /// The keys after the source has been asked again, unless it was asked just now.
    async fn newer(&self) -> Keys {
        let mut keys = self.keys.clone();
        let known = keys.borrow_and_update().clone();
        if known.asked.elapsed() < FETCH_PAUSE {
            return known;
        }
        self.wanted.notify_one();
        // An error means that the task has ended: then there will be no newer keys.
        let _ = keys.changed().await;
        keys.borrow().clone()
    }
}

impl Checked {
    fn get(&self, token: &str, generation: u64) -> Option<Claims> {
        self.claims.get(token).filter(|_| self.generation == generation).cloned()
    }

    /// Remembers a token, unless newer keys have come while it was checked.
    fn remember(&mut self, token: &str, claims: &Claims, generation: u64) {
        if generation < self.generation {
            return;
        }
        if generation > self.generation || self.claims.len() >= REMEMBERED {
            *self = Self { generation, claims: HashMap::new() };
        }
        self.claims.insert(token.to_owned(), claims.clone());
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::{
        keys::{FETCH_EVERY, read_keys},
        *,
    };
    use crate::tokens::Signer;

    fn clock() -> Clock {
        Clock::new(|| "2026-11-23T08:00:00Z".parse().unwrap())
    }

    /// An authority whose source has not been asked for a while.
    fn authority(set: &str, source: KeySource) -> Authority {
        let set = read_keys(set).unwrap().into();
        let asked = Instant::now().checked_sub(FETCH_PAUSE).unwrap();
        Authority::with(Keys { set, generation: 0, asked }, source, Demands::default(), clock())
    }

    fn token(signer: &Signer) -> String {
        signer.sign("somebody", clock().now(), 60).unwrap()
    }

    /// The next request for keys, which waits for its answer.
    async fn asked(provider: &TcpListener) -> TcpStream {
        let mut stream = provider.accept().await.unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        stream
    }

    async fn answer(mut stream: TcpStream, keys: &str) {
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", keys.len());
        stream.write_all(format!("{head}{keys}").as_bytes()).await.unwrap();
    }

    #[tokio::test]
    async fn keys_come_though_whoever_wanted_them_has_gone() {
        let provider = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let source = KeySource::Address(format!("http://{}/keys", provider.local_addr().unwrap()));
        let authority = Arc::new(authority("{\"keys\":[]}", source));
        let signer = Signer::generate().unwrap();
        let token = token(&signer);
        let visitor = tokio::spawn({
            let (authority, token) = (Arc::clone(&authority), token.clone());
            async move { authority.verify(&token).await }
        });
        let request = asked(&provider).await;
        visitor.abort();
        assert!(visitor.await.is_err_and(|error| error.is_cancelled()));
        let keys = signer.jwks().unwrap();
        let (verified, ()) = tokio::join!(authority.verify(&token), answer(request, &keys));
        assert_eq!(verified.map(|(claims, _)| claims.sub), Ok("somebody".to_owned()));
        assert_eq!(authority.verify("x.y.z").await.err(), Some(Refusal::Invalid));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_renewed_in_time_and_a_fetch_in_vain_is_repeated_after_the_pause() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let [old, new] = [(); 2].map(|()| Signer::generate().unwrap());
        let authority = authority(&old.jwks().unwrap(), KeySource::File(file.path().to_owned()));
        let mut keys = authority.keys.clone();
        let began = keys.borrow().asked;
        keys.changed().await.unwrap();
        let after = |keys: &watch::Receiver<Keys>| keys.borrow().asked.duration_since(began).as_secs();
        assert_eq!(after(&keys), FETCH_EVERY.as_secs(), "the file is no key set yet");
        assert!(authority.verify(&token(&old)).await.is_ok(), "the old keys stay");
        std::fs::write(file.path(), new.jwks().unwrap()).unwrap();
        keys.changed().await.unwrap();
        assert_eq!(after(&keys), (FETCH_EVERY + FETCH_PAUSE).as_secs());
        assert_eq!(authority.verify(&token(&old)).await.err(), Some(Refusal::Invalid), "its key was taken away");
        assert!(authority.verify(&token(&new)).await.is_ok());
    }

    #[tokio::test]
    async fn a_token_that_is_rightly_signed_has_to_be_of_the_kind_and_the_length_that_are_demanded() {
        let signer = Signer::generate().unwrap();
        let judged = async |demands: Demands, seconds: i64| {
            let set = read_keys(&signer.jwks().unwrap()).unwrap().into();
            let keys = Keys { set, generation: 0, asked: Instant::now() };
            let authority = Authority::with(keys, KeySource::File("/no/such/file".into()), demands, clock());
            authority.verify(&signer.sign("somebody", clock().now(), seconds).unwrap()).await.err()
        };
        assert_eq!(judged(Demands::default(), 60).await, None);
        assert_eq!(judged(Demands::default(), 100 * 366 * 86_400).await, Some(Refusal::TooLong));
        assert_eq!(judged(Demands { token_life: 1, ..Demands::default() }, 7_200).await, Some(Refusal::TooLong));
        let typed = Demands { token_type: Some("at+jwt".into()), ..Demands::default() };
        assert_eq!(judged(typed, 60).await, Some(Refusal::Invalid), "it is a JWT of no other kind");
    }

    #[test]
    fn what_old_keys_have_checked_is_not_remembered_beside_new_ones() {
        let claims: Claims = serde_json::from_str(r#"{ "sub": "somebody", "exp": 0 }"#).unwrap();
        let mut checked = Checked::default();
        checked.remember("old", &claims, 0);
        assert!(checked.get("old", 0).is_some() && checked.get("old", 1).is_none());
        checked.remember("new", &claims, 1);
        checked.remember("late", &claims, 0);
        assert!(
            checked.get("new", 1).is_some() && checked.get("late", 0).is_none() && checked.get("late", 1).is_none()
        );
    }
}
