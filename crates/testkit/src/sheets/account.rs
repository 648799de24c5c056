//! The service account: its keys, and the tokens that it is given.

use crate::rsa;
use anyhow::{Context as _, Result};
use serde_json::{Value, json};
use std::collections::HashMap;

/// The account's address.
pub const EMAIL: &str = "crew@strawboss-test.iam.gserviceaccount.com";

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
        let pem = rsa::private_key(self.made)?;
        self.made += 1;
        let id = format!("key-{}", self.made);
        self.keys.insert(id.clone(), rsa::public_key(pem)?);
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
        let id = rsa::header(statement)?["kid"].as_str().unwrap_or_default().to_owned();
        rsa::claims(statement, self.keys.get(&id).context("no such key")?)
    }
}
