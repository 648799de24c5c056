//! The GitHub App: its keys, its installation, and the tokens that the installation is given.

use super::{APP_ID, REPOSITORY};
use crate::rsa;
use anyhow::Result;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// The number of its installation on the repository.
pub const INSTALLATION: u64 = 4711;

/// As GitHub knows it.
#[derive(Default)]
pub(super) struct App {
    keys: Vec<Vec<u8>>,
    made: usize,
    /// Whether it is installed.
    pub(super) installed: bool,
    pub(super) suspended: bool,
    /// Whether the installation reaches the repository.
    pub(super) reaches: bool,
    /// What it was granted.
    pub(super) permissions: BTreeMap<String, String>,
    /// Tokens that hold: until when in Unix time, and for what.
    pub(super) tokens: HashMap<String, (i64, Value)>,
    pub(super) given: usize,
    /// How long a token holds, in seconds; 0: an hour.
    pub(super) token_life: i64,
    /// How far GitHub's clock is ahead of this machine's, in seconds.
    pub(super) ahead: i64,
}

/// A status and a complaint.
pub(super) type Refusal = (u16, String);

impl App {
    /// Makes a key, of two at most, and installs the App when it had none: the file that is downloaded.
    pub(super) fn make_key(&mut self) -> Result<String> {
        let pem = rsa::private_key(self.made)?;
        if self.made == 0 {
            (self.installed, self.reaches) = (true, true);
            let granted = [
                ("issues", "write"),
                ("metadata", "read"),
                ("pull_requests", "write"),
                ("contents", "write"),
                ("organization_projects", "read"),
            ];
            self.permissions = granted.map(|(name, far)| (name.to_owned(), far.to_owned())).into();
        }
        self.made += 1;
        self.keys.push(rsa::public_key(pem)?);
        rsa::traditional(pem)
    }

    /// Deletes every key. Tokens that were given hold on.
    pub(super) fn delete_keys(&mut self) {
        self.keys.clear();
    }

    pub(super) fn now(&self) -> i64 {
        jiff::Timestamp::now().as_second() + self.ahead
    }

    /// Whether a token of its installation holds.
    pub(super) fn takes(&self, token: &str) -> bool {
        self.tokens.get(token).is_some_and(|(until, _)| *until > self.now())
    }

    /// Whether a token of its installation may write that.
    pub(super) fn may(&self, token: &str, permission: &str) -> bool {
        self.tokens.get(token).is_some_and(|(_, may)| may[permission] == "write")
    }

    pub(super) fn may_read(&self, token: &str, permission: &str) -> bool {
        self.tokens.get(token).is_some_and(|(_, may)| may[permission].is_string())
    }

    /// Whether a statement is the App's and holds, as GitHub checks it.
    fn statement(&self, bearer: &str) -> Result<(), Refusal> {
        let refused = |why: &str| (401, why.to_owned());
        let undecodable = || refused("A JSON web token could not be decoded");
        let claims = self.keys.iter().find_map(|key| rsa::claims(bearer, key).ok()).ok_or_else(undecodable)?;
        let number = |claim: &str| claims[claim].as_i64();
        let now = self.now();
        match number("exp") {
            Some(until) if until > now + 600 => return Err(refused("'Expiration time' claim ('exp') is too far in the future")),
            Some(until) if until > now => {}
            _ => {
                return Err(refused(
                    "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires",
                ));
            }
        }
        if number("iat").is_none_or(|from| from > now) {
            return Err(refused(
                "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued",
            ));
        }
        let names = [APP_ID, "1001"];
        if claims["iss"].as_str().is_some_and(|name| names.contains(&name)) {
            Ok(())
        } else {
            Err((404, "Integration not found".to_owned()))
        }
    }

    /// Answers what only the App itself may ask; none: it is something else.
    pub(super) fn answer(
        &mut self,
        method: &str,
        path: &str,
        bearer: &str,
        body: &Value,
    ) -> Option<Result<(u16, Value), Refusal>> {
        let tokens = path.strip_prefix("/app/installations/").and_then(|rest| rest.strip_suffix("/access_tokens"));
        let found = path == format!("/repos/{REPOSITORY}/installation");
        if path != "/app" && tokens.is_none() && !found {
            return None;
        }
        if let Err(refusal) = self.statement(bearer) {
            return Some(Err(refusal));
        }
        let not_found = || Err((404, "Not Found".to_owned()));
        Some(match (method, tokens) {
            ("GET", None) if path == "/app" => Ok((200, json!({ "id": 1001, "client_id": APP_ID, "slug": super::APP_SLUG }))),
            ("GET", None) if self.installed && self.reaches => {
                let suspended = self.suspended.then_some("2026-01-15T10:00:00Z");
                Ok((200, json!({ "id": INSTALLATION, "suspended_at": suspended, "permissions": self.permissions })))
            }
            ("POST", Some(number)) if self.installed && number == INSTALLATION.to_string() => self.token(body),
            _ => not_found(),
        })
    }

    fn token(&mut self, body: &Value) -> Result<(u16, Value), Refusal> {
        if self.suspended {
            return Err((403, "This installation has been suspended".to_owned()));
        }
        let name = REPOSITORY.rsplit('/').next().unwrap_or_default();
        let strange = |asked: &Value| asked.as_array().is_some_and(|names| names.iter().any(|asked| asked != name));
        if strange(&body["repositories"]) || !self.reaches {
            return Err((
                422,
                "There is at least one repository that does not exist or is not accessible to the parent installation."
                    .to_owned(),
            ));
        }
        let asked = body["permissions"].as_object().cloned().unwrap_or_default();
        let granted = |name: &str, far: &Value| self.permissions.get(name).is_some_and(|has| has == "write" || has == far);
        if !asked.iter().all(|(name, far)| granted(name, far)) {
            return Err((422, "The permissions requested are not granted to this installation.".to_owned()));
        }
        self.given += 1;
        let life = if self.token_life == 0 { 3600 } else { self.token_life };
        let until = self.now() + life;
        let token = format!("ghs_{}_of-the-installation", self.given);
        let may = if asked.is_empty() { json!(self.permissions) } else { json!(asked) };
        self.tokens.insert(token.clone(), (until, may.clone()));
        let at = jiff::Timestamp::from_second(until).map(|at| at.to_string()).unwrap_or_default();
        Ok((201, json!({ "token": token, "expires_at": at, "permissions": may, "repository_selection": "selected" })))
    }
}
