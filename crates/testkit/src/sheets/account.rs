//! The service account: its keys, and the tokens that it is given.

use anyhow::{Context as _, Result, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RsaKeyPair, UnparsedPublicKey};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::process::Command;
use std::sync::OnceLock;

/// The account's address.
pub const EMAIL: &str = "crew@strawboss-test.iam.gserviceaccount.com";

/// A private key, made for this process: they take a moment, and none lies in the repository.
fn private_key(number: usize) -> Result<&'static str> {
    static KEYS: [OnceLock<String>; 2] = [const { OnceLock::new() }; 2];
    let slot = KEYS.get(number).context("there are two keys")?;
    if let Some(key) = slot.get() {
        return Ok(key);
    }
    let made = Command::new("openssl")
        .args(["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"])
        .output()
        .context("openssl cannot be run: install it")?;
    ensure!(made.status.success(), "openssl made no key: {}", String::from_utf8_lossy(&made.stderr));
    let key = String::from_utf8(made.stdout)?;
    Ok(slot.get_or_init(|| key))
}

/// The account, as Google knows it.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// Public keys by their ids.
    keys: HashMap<String, Vec<u8>>,
    made: usize,
    /// Tokens that hold: their scopes, and until when in Unix time.
    pub(super) tokens: HashMap<String, (String, i64)>,
    given: usize,
    /// How long a token holds, in seconds; 0: an hour.
    pub(super) token_life: i64,
}

impl Account {
    /// Makes a key, and the file that is downloaded for it.
    pub(super) fn make_key(&mut self, token_uri: &str) -> Result<String> {
        let pem = private_key(self.made)?;
        self.made += 1;
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).context("openssl made another key than was asked for")?;
        let pair = RsaKeyPair::from_pkcs8(der.secret_pkcs8_der());
        let pair = pair.map_err(|error| anyhow::anyhow!("openssl made another key than was asked for: {error}"))?;
        let id = format!("key-{}", self.made);
        self.keys.insert(id.clone(), pair.public_key().as_ref().to_vec());
        let file = json!({
            "type": "service_account",
            "project_id": "strawboss-test",
            "private_key_id": id,
            "private_key": pem,
            "client_email": EMAIL,
            "client_id": "1",
            "auth_uri": "https://accounts.google.com/o/oauth2/auth",
            "token_uri": token_uri,
            "universe_domain": "googleapis.com",
        });
        Ok(format!("{file:#}"))
    }

    /// Deletes every key; tokens that were given go with them.
    pub(super) fn revoke(&mut self) {
        self.keys.clear();
        self.tokens.clear();
    }

    /// Gives a token for a statement, or says why not.
    pub(super) fn token(&mut self, form: &HashMap<String, String>, token_uri: &str) -> Result<Value, Value> {
        let refused = |error: &str, why: &str| json!({ "error": error, "error_description": why });
        if form.get("grant_type").map(String::as_str) != Some("urn:ietf:params:oauth:grant-type:jwt-bearer") {
            return Err(refused("unsupported_grant_type", "Invalid grant_type"));
        }
        let claims = self.claims(form.get("assertion").map(String::as_str).unwrap_or_default());
        let claims = claims.map_err(|_| refused("invalid_grant", "Invalid JWT Signature."))?;
        if claims["iss"] != EMAIL {
            return Err(refused("invalid_grant", "Invalid grant: account not found"));
        }
        if claims["aud"] != token_uri {
            return Err(refused("invalid_grant", "Invalid JWT: Failed audience check."));
        }
        let now = jiff::Timestamp::now().as_second();
        let (from, until) = (claims["iat"].as_i64().unwrap_or_default(), claims["exp"].as_i64().unwrap_or_default());
        if !(0..=3600).contains(&(until - from)) || (now - from).abs() > 300 || until < now {
            return Err(refused(
                "invalid_grant",
                "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and exp \
                 values in the JWT claim.",
            ));
        }
        self.given += 1;
        let token = format!("ya29.{}", self.given);
        let life = if self.token_life == 0 { 3599 } else { self.token_life };
        self.tokens.insert(token.clone(), (claims["scope"].as_str().unwrap_or_default().to_owned(), now + life));
        Ok(json!({ "access_token": token, "expires_in": life, "token_type": "Bearer" }))
    }

    fn claims(&self, statement: &str) -> Result<Value> {
        let (signed, signature) = statement.rsplit_once('.').context("no signature")?;
        let (header, claims) = signed.split_once('.').context("no claims")?;
        let read = |text: &str| anyhow::Ok(serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(text)?)?);
        let header = read(header)?;
        ensure!(header["alg"] == "RS256" && header["typ"] == "JWT");
        let key = self.keys.get(header["kid"].as_str().unwrap_or_default()).context("no such key")?;
        let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key);
        if key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature)?).is_err() {
            bail!("another key signed it");
        }
        read(claims)
    }
}
