//! The key of a service account: its file, and the signed statement for which Google gives out a token.
//!
//! Nothing of the key is ever in a message.

use crate::remote::SigningKey;
use serde::Deserialize;
use serde_json::json;
use std::path::Path;

/// The largest file that is read: a key has 2 KiB.
const FILE_LIMIT: u64 = 64 << 10;
/// How long a statement holds, in seconds: the longest that Google takes.
const STATEMENT_LIFE: u64 = 3600;

/// What Google writes into the file that one downloads.
#[derive(Deserialize)]
struct File {
    #[serde(default, rename = "type")]
    kind: String,
    #[serde(default)]
    client_email: String,
    #[serde(default)]
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    #[serde(default)]
    token_uri: String,
}

/// A service account that can speak for itself.
pub(super) struct Key {
    /// Whom a spreadsheet is shared with.
    pub(super) email: String,
    /// Where a token is asked for.
    pub(super) token_uri: reqwest::Url,
    id: String,
    pair: SigningKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key").field("email", &self.email).finish_non_exhaustive()
    }
}

/// Reads the file's bytes, bounded.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, String> {
    use std::io::Read as _;
    let failed = |error: std::io::Error| format!("the file {} cannot be read: {error}", path.display());
    let mut bytes = Vec::new();
    std::fs::File::open(path).map_err(failed)?.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > FILE_LIMIT {
        return Err(format!("the file {} is no key: it has more than {} KiB", path.display(), FILE_LIMIT >> 10));
    }
    Ok(bytes)
}

impl Key {
    /// Understands what a file holds.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        // What the parser says could repeat what it read.
        let file: File = serde_json::from_slice(bytes)
            .map_err(|error| format!("is no JSON of a key (line {}, column {})", error.line(), error.column()))?;
        if file.kind != "service_account" {
            let kind: String = file.kind.chars().filter(|c| !c.is_control()).take(40).collect();
            return Err(format!("is of type `{kind}`, not `service_account`"));
        }
        let sound = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !sound(&file.client_email) {
            return Err("has no `client_email`".to_owned());
        }
        let token_uri = file.token_uri.parse::<reqwest::Url>().ok().filter(|url| matches!(url.scheme(), "http" | "https"));
        let Some(token_uri) = token_uri else { return Err("has no `token_uri`".to_owned()) };
        let pair = SigningKey::from_pem(file.private_key.as_bytes()).map_err(|why| format!("has a `private_key` that {why}"))?;
        Ok(Self { email: file.client_email, token_uri, id: file.private_key_id, pair })
    }

    /// A statement that this account asks for this scope at this moment (Unix time, in seconds).
    pub(super) fn statement(&self, scope: &str, now: u64) -> Result<String, String> {
        let header = json!({ "alg": "RS256", "typ": "JWT", "kid": self.id });
        let claims = json!({
            "iss": self.email,
            "scope": scope,
            "aud": self.token_uri.as_str(),
            "iat": now,
            "exp": now + STATEMENT_LIFE,
        });
        self.pair.statement(&header, &claims)
    }
}

#[cfg(test)]
mod tests {
    use super::{Key, read};

    #[test]
    fn what_is_no_key_is_said_without_what_is_in_it() {
        let email = r#""client_email": "crew@x.iam.gserviceaccount.com""#;
        let uri = r#""token_uri": "https://oauth2.googleapis.com/token""#;
        for (text, why) in [
            (r#""s3cret""#.to_owned(), "is no JSON"),
            (r#"{"type": "authorized_user", "refresh_token": "s3cret"}"#.to_owned(), "`authorized_user`, not `service_account`"),
            (r#"{"type": "service_account"}"#.to_owned(), "no `client_email`"),
            (format!(r#"{{"type": "service_account", {email}, "token_uri": "file:///s3cret"}}"#), "no `token_uri`"),
            (
                format!(r#"{{"type": "service_account", {email}, {uri}, "private_key": "s3cret"}}"#),
                "`private_key` that is no PEM",
            ),
            (
                format!(
                    r#"{{"type": "service_account", {email}, {uri},
                    "private_key": "-----BEGIN PRIVATE KEY-----\nczNjcmV0\n-----END PRIVATE KEY-----\n"}}"#
                ),
                "no RSA key which can be used",
            ),
        ] {
            let said = Key::parse(text.as_bytes()).unwrap_err();
            assert!(said.contains(why) && !said.contains("s3cret"), "{said}");
        }
        assert!(read("/dev/zero".as_ref()).unwrap_err().contains("more than 64 KiB"));
    }
}
