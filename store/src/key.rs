//! The key that a database is kept with, and that is not in it.
//!
//! It is one secret, the same for every hub of a database. Each purpose has a key of its own, derived from the secret
//! with the purpose's name (HKDF-SHA256, RFC 5869), so that what one of them gives away says nothing of another. The
//! database keeps a value by which a hub knows whether it has the right secret; the secret does not follow from it.

pub(crate) mod kept;

use std::fmt;

use aws_lc_rs::{
    aead::{AES_256_GCM_SIV, Aad, LessSafeKey, MAX_TAG_LEN, NONCE_LEN, Nonce, UnboundKey},
    error::Unspecified,
    hkdf, hmac, rand,
};
use serde::Serialize;

use crate::StoreError;

/// Bytes of the secret.
pub const SECRET_BYTES: usize = 32;

/// Bytes of a sealed text beside the text: the nonce and the tag.
pub const SEAL_BYTES: usize = NONCE_LEN + MAX_TAG_LEN;

/// Whether the same text is sealed alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal {
    /// Always, on every hub: whoever has it twice may know that it is the same.
    Alike,
    /// Never.
    Fresh,
}

/// Tells the keys of Tavolo from those that somebody else derives from the same secret.
const SALT: &[u8] = b"tavolo";

/// A purpose, by the name that its key is derived with. A name is never changed: its key would be another one.
#[derive(Clone, Copy)]
struct Purpose(&'static str);

/// To tell the inputs of acts apart.
const FINGERPRINTS: Purpose = Purpose("fingerprints of inputs");

/// To know the secret of a database again.
const CHECK: Purpose = Purpose("check of the secret");

/// To seal where subscribers are.
const CURSORS: Purpose = Purpose("cursors of subscriptions");

/// The keys that come of one secret. The library wipes them from memory when they are dropped.
pub struct Key {
    fingerprints: hmac::Key,
    check: hmac::Key,
    cursors: LessSafeKey,
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").finish_non_exhaustive()
    }
}

impl Key {
    /// Derives the keys of a secret, which must be random.
    ///
    /// # Errors
    ///
    /// [`StoreError::Underivable`] when the cryptographic library fails.
    pub fn new(secret: &[u8; SECRET_BYTES]) -> Result<Self, StoreError> {
        let root = hkdf::Salt::new(hkdf::HKDF_SHA256, SALT).extract(secret);
        let derive = |Purpose(name): Purpose| -> Result<hmac::Key, Unspecified> {
            Ok(root.expand(&[name.as_bytes()], hmac::HMAC_SHA256)?.into())
        };
        let seal = |Purpose(name): Purpose| {
            let mut bytes = [0; SECRET_BYTES];
            root.expand(&[name.as_bytes()], hkdf::HKDF_SHA256)?.fill(&mut bytes)?;
            UnboundKey::new(&AES_256_GCM_SIV, &bytes).map(LessSafeKey::new)
        };
        let keys = || Ok(Self { fingerprints: derive(FINGERPRINTS)?, check: derive(CHECK)?, cursors: seal(CURSORS)? });
        keys().map_err(|Unspecified| StoreError::Underivable)
    }

    /// Encrypts a text: the nonce, then the text with its tag. With this algorithm (AES-256-GCM-SIV, RFC 8452), a nonce
    /// that is used again tells of two texts whether they are the same, and nothing else.
    fn seal(&self, text: &[u8], seal: Seal) -> Result<Vec<u8>, Unspecified> {
        let mut nonce = [0; NONCE_LEN];
        if seal == Seal::Fresh {
            rand::fill(&mut nonce)?;
        }
        let mut sealed = text.to_vec();
        let used = Nonce::assume_unique_for_key(nonce);
        self.cursors.seal_in_place_append_tag(used, Aad::empty(), &mut sealed)?;
        Ok([&nonce[..], &sealed].concat())
    }

    fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = sealed.to_vec();
        self.cursors.open_in_place(nonce, Aad::empty(), &mut text).ok().map(|text| text.to_vec())
    }

    /// What tells two inputs of one member under one idempotency key apart, in hexadecimal digits. Without the key,
    /// nobody can try whether it is that of a guessed input.
    fn fingerprint(&self, subject: &str, key: &str, input: &impl Serialize) -> serde_json::Result<String> {
        let mut context = hmac::Context::with_key(&self.fingerprints);
        for part in [subject.as_bytes(), key.as_bytes(), &serde_json::to_vec(input)?] {
            context.update(&part.len().to_be_bytes());
            context.update(part);
        }
        Ok(hexadecimal(&context.sign()))
    }

    /// The value by which the secret of the database of this name is known again.
    fn check_of(&self, database: &str) -> String {
        hexadecimal(&hmac::sign(&self.check, database.as_bytes()))
    }
}

fn hexadecimal(tag: &hmac::Tag) -> String {
    tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn key(secret: u8) -> Key {
        Key::new(&[secret; SECRET_BYTES]).unwrap()
    }

    #[test]
    fn what_is_sealed_is_read_with_the_same_key_alone() {
        let (one, other) = (key(1), key(2));
        let text = b"where somebody is";
        let sealed = one.seal(text, Seal::Fresh).unwrap();
        assert_eq!(sealed.len(), SEAL_BYTES + 17);
        assert_eq!(one.open(&sealed).as_deref(), Some(&text[..]));
        assert_ne!(one.seal(text, Seal::Fresh).unwrap(), sealed);
        let alike = one.seal(text, Seal::Alike).unwrap();
        assert_eq!(one.seal(text, Seal::Alike).unwrap(), alike);
        assert_eq!(one.open(&alike).as_deref(), Some(&text[..]));
        assert_eq!(other.open(&sealed), None);
        for at in [0, NONCE_LEN, sealed.len() - 1] {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(one.open(&changed), None, "byte {at}");
        }
        assert_eq!(one.open(&sealed[..NONCE_LEN - 1]), None);
        assert_eq!(one.open(&[]), None);
    }

    #[test]
    fn a_fingerprint_is_one_secrets_own_and_tells_apart_what_differs() {
        let one = key(1);
        let print = one.fingerprint("maria", "k", &json!({ "surname": "Rossi" })).unwrap();
        assert_eq!(print, one.fingerprint("maria", "k", &json!({ "surname": "Rossi" })).unwrap());
        for (subject, key, input) in [
            ("maria", "k", json!({ "surname": "Russo" })),
            ("marta", "k", json!({ "surname": "Rossi" })),
            ("maria", "l", json!({ "surname": "Rossi" })),
            ("mariak", "", json!({ "surname": "Rossi" })),
        ] {
            assert_ne!(print, one.fingerprint(subject, key, &input).unwrap(), "{subject} {key} {input}");
        }
        assert_ne!(print, key(2).fingerprint("maria", "k", &json!({ "surname": "Rossi" })).unwrap());
    }

    #[test]
    fn a_check_is_one_secrets_and_one_databases_and_no_fingerprint() {
        let one = key(1);
        assert_eq!(one.check_of("tavolo"), key(1).check_of("tavolo"));
        assert_ne!(one.check_of("tavolo"), key(2).check_of("tavolo"));
        assert_ne!(one.check_of("tavolo"), one.check_of("tavola"));
        assert_ne!(one.check_of("tavolo"), hexadecimal(&hmac::sign(&one.fingerprints, b"tavolo")));
    }

    #[test]
    fn nothing_of_the_secret_is_shown() {
        let shown = format!("{:?}", key(0xab));
        assert_eq!(shown, "Key { .. }");
    }
}
