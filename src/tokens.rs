//! Making keys and tokens, for demonstrations, tests and hubs without an identity provider.

use std::path::Path;

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde::Serialize;
use tavolo_schema::DateTime;

/// A key or token cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The key file cannot be read or written.
    #[error("key file {0}: {1}")]
    File(String, std::io::Error),
    /// The key cannot be made or used.
    #[error("this is no ES256 or EdDSA private key in PEM: {0}")]
    Key(String),
}

/// A private key that signs tokens.
pub struct Signer {
    key: EncodingKey,
    algorithm: Algorithm,
    pem: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    sub: &'a str,
    iat: i64,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a str>,
}

impl Signer {
    /// A new ES256 key.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn generate() -> Result<Self, TokenError> {
        let der = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|error| TokenError::Key(error.to_string()))?;
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> = body.as_bytes().chunks(64).filter_map(|line| str::from_utf8(line).ok()).collect();
        Self::from_pem(format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n")))
    }

    /// A private key in PEM (PKCS #8), P-256 or Ed25519.
    ///
    /// # Errors
    ///
    /// When it is none.
    pub fn from_pem(pem: String) -> Result<Self, TokenError> {
        let ec = EncodingKey::from_ec_pem(pem.as_bytes()).map(|key| (key, Algorithm::ES256));
        let (key, algorithm) = ec
            .or_else(|_| EncodingKey::from_ed_pem(pem.as_bytes()).map(|key| (key, Algorithm::EdDSA)))
            .map_err(|error| TokenError::Key(error.to_string()))?;
        Ok(Self { key, algorithm, pem })
    }

    /// Reads the key of a file, or makes a new one and writes it there, readable by its owner alone.
    ///
    /// # Errors
    ///
    /// When the file cannot be read or written, or holds no key.
    pub fn open_or_create(path: &Path) -> Result<Self, TokenError> {
        match std::fs::read_to_string(path) {
            Ok(pem) => Self::from_pem(pem),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let signer = Self::generate()?;
                write_private(path, &signer.pem)
                    .map_err(|error| TokenError::File(path.display().to_string(), error))?;
                Ok(signer)
            }
            Err(error) => Err(TokenError::File(path.display().to_string(), error)),
        }
    }

    /// The public keys that check what this signs, as a JWKS.
    ///
    /// # Errors
    ///
    /// When the key's public part cannot be had.
    pub fn jwks(&self) -> Result<String, TokenError> {
        let jwk =
            Jwk::from_encoding_key(&self.key, self.algorithm).map_err(|error| TokenError::Key(error.to_string()))?;
        Ok(serde_json::json!({ "keys": [jwk] }).to_string())
    }

    /// A token for a subject.
    ///
    /// # Errors
    ///
    /// When the key cannot sign.
    pub fn sign(&self, subject: &str, from: DateTime, seconds: i64) -> Result<String, TokenError> {
        self.sign_scoped(subject, None, from, seconds)
    }

    /// A token for a subject with scopes, separated by spaces.
    ///
    /// # Errors
    ///
    /// When the key cannot sign.
    pub fn sign_scoped(
        &self,
        subject: &str,
        scope: Option<&str>,
        from: DateTime,
        seconds: i64,
    ) -> Result<String, TokenError> {
        let iat = from.millis() / 1_000;
        let claims = Claims { sub: subject, iat, exp: iat + seconds, scope };
        encode(&Header::new(self.algorithm), &claims, &self.key).map_err(|error| TokenError::Key(error.to_string()))
    }
}

/// Writes a file that only its owner can read.
///
/// # Errors
///
/// When it cannot be written.
pub fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}
