//! A provider's credential. It is never printed, and leaves this crate only in the one header meant for it.

use http::HeaderValue;
use std::path::{Path, PathBuf};

/// A credential that does not show itself.
#[derive(Clone)]
pub struct Secret {
    text: Box<str>,
}

/// Why a credential cannot be used. The credential itself is not in it.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The environment variable is not set.
    #[error("the environment variable {0} is not set; set it to the provider's key, or name another one under `secret_env`")]
    NoVariable(String),
    /// The file cannot be read.
    #[error("could not read the secret from {}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nothing is in it.
    #[error("the secret in {0} is empty")]
    Empty(String),
    /// It cannot stand in a header.
    #[error("the secret in {0} has characters that cannot stand in a header (a line break in the middle?)")]
    Unfit(String),
}

impl Secret {
    /// Takes a credential from `place`, which errors name. White space around it is dropped.
    pub fn new(text: &str, place: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(SecretError::Empty(place.to_owned()));
        }
        if text.len() > 16 * 1024 || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(SecretError::Unfit(place.to_owned()));
        }
        Ok(Self { text: text.into() })
    }

    /// Reads an environment variable.
    pub fn from_env(variable: &str) -> Result<Self, SecretError> {
        let text = std::env::var(variable).map_err(|_| SecretError::NoVariable(variable.to_owned()))?;
        Self::new(&text, &format!("the environment variable {variable}"))
    }

    /// Reads a file.
    pub fn from_file(path: &Path) -> Result<Self, SecretError> {
        let text = std::fs::read_to_string(path).map_err(|source| SecretError::File { path: path.to_owned(), source })?;
        Self::new(&text, &path.display().to_string())
    }

    /// As a header's value that says it is sensitive. None cannot happen: `new` took only what fits a header.
    pub(super) fn header(&self, prefix: &str) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("{prefix}{}", self.text)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Whether it stands in these bytes.
    pub(super) fn is_in(&self, bytes: &[u8]) -> bool {
        memchr::memmem::find(bytes, self.text.as_bytes()).is_some()
    }

    /// These bytes with every occurrence masked.
    pub(super) fn mask(&self, bytes: bytes::Bytes) -> bytes::Bytes {
        if !self.is_in(&bytes) {
            return bytes;
        }
        let finder = memchr::memmem::Finder::new(self.text.as_bytes());
        let mut masked = Vec::with_capacity(bytes.len());
        let mut from = 0;
        for at in finder.find_iter(&bytes) {
            masked.extend_from_slice(&bytes[from..at]);
            masked.extend_from_slice(b"***");
            from = at + self.text.len();
        }
        masked.extend_from_slice(&bytes[from..]);
        masked.into()
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::{Secret, SecretError};

    #[test]
    fn a_secret_does_not_show_itself() {
        let secret = Secret::new("  sk-very-secret\n", "a test").unwrap();
        assert_eq!(format!("{secret:?} {:?}", secret.header("Bearer ").unwrap()), "Secret(***) Sensitive");
        assert_eq!(secret.header("Bearer ").unwrap().as_bytes(), b"Bearer sk-very-secret");
        assert_eq!(&secret.mask(bytes::Bytes::from_static(b"a sk-very-secretsk-very-secret b"))[..], b"a ****** b");
    }

    #[test]
    fn what_is_no_credential_is_refused_without_being_repeated() {
        assert!(matches!(Secret::new(" \n", "f"), Err(SecretError::Empty(_))));
        let error = Secret::new("two\nlines", "f").unwrap_err();
        assert!(!error.to_string().contains("two"), "{error}");
        assert!(matches!(Secret::from_file(std::path::Path::new("/does/not/exist")), Err(SecretError::File { .. })));
        assert!(matches!(Secret::from_env("STRAWBOSS_NO_SUCH_VARIABLE"), Err(SecretError::NoVariable(_))));
    }
}
