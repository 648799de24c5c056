//! Passwords of accounts: argon2id, with the parameters of RFC 9106's second recommendation scaled to OWASP's least.
//!
//! Hashing takes memory and time on purpose, so only a few are hashed at once, off the threads that serve.

use crate::error::ApiError;
use argon2::{Argon2, PasswordHash, PasswordHasher as _, PasswordVerifier as _};
use std::sync::LazyLock;
use tokio::sync::Semaphore;

/// The shortest password, in characters: what the replaced service asked for.
pub(crate) const LEAST: usize = 6;
/// The longest, in bytes: nobody types more, and it is hashed whole.
pub(crate) const MOST: usize = 1024;
/// How many are hashed at once: each takes 19 MiB.
const AT_ONCE: usize = 2;

static PLACES: Semaphore = Semaphore::const_new(AT_ONCE);

/// A hash of a password that nobody knows: what a stranger's guess is compared with, so that it takes as long.
static NOBODY: LazyLock<String> = LazyLock::new(|| hashed("nobody's").unwrap_or_default());

fn hashed(password: &str) -> Result<String, String> {
    Argon2::default().hash_password(password.as_bytes()).map(|hash| hash.to_string()).map_err(|error| error.to_string())
}

async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, ApiError> {
    let place = PLACES.acquire().await.map_err(|error| ApiError::internal(&error.to_string()))?;
    let done = tokio::task::spawn_blocking(work).await;
    drop(place);
    done.map_err(|error| ApiError::internal(&format!("hashing a password ended by itself: {error}")))
}

/// The hash of a password, with everything that is needed to compare with it.
pub(crate) async fn hash(password: String) -> Result<String, ApiError> {
    aside(move || hashed(&password)).await?.map_err(|why| ApiError::internal(&format!("a password could not be hashed: {why}")))
}

/// Whether a password is the one that was hashed; without a hash it is not, and finding out takes as long.
pub(crate) async fn is(password: String, hash: Option<String>) -> Result<bool, ApiError> {
    aside(move || {
        let known = hash.is_some();
        let hash = hash.unwrap_or_else(|| NOBODY.clone());
        let right =
            PasswordHash::new(&hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok());
        right && known
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::{hash, is};

    #[tokio::test]
    async fn only_the_password_itself_is_right() {
        let hashed = hash("correct horse".to_owned()).await.unwrap();
        assert!(hashed.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hashed}");
        assert_ne!(hashed, hash("correct horse".to_owned()).await.unwrap(), "each has a salt of its own");
        assert!(is("correct horse".to_owned(), Some(hashed.clone())).await.unwrap());
        for (guess, hash) in [("correct hors", Some(hashed)), ("nobody's", None), ("x", Some("damaged".to_owned()))] {
            assert!(!is(guess.to_owned(), hash).await.unwrap(), "{guess}");
        }
    }
}
