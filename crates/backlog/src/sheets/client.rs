//! Speaks to Google: a token of the service account, requests, and answers judged by status.

use super::failure::Failure;
use super::key::{self, Key};
use super::model::{Complaint, TokenAnswer};
use crate::remote::{Answer, Pace, client, fetch, wait_asked};
use reqwest::{Method, RequestBuilder, StatusCode};
use sha2::{Digest as _, Sha256};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The largest answer that is read: 100 000 rows with ten cells are somewhat less.
const ANSWER_LIMIT: usize = 64 << 20;
/// The largest answer about a token.
const TOKEN_LIMIT: usize = 1 << 20;
/// How long one request may take: Google gives up on its own after three minutes.
const PATIENCE: Duration = Duration::from_mins(3);
/// How long Google is left alone where a quota is used up and the answer names no time: quotas are by the minute.
const QUOTA_WAIT: Duration = Duration::from_mins(1);
/// How long before its end a token is replaced.
const TOKEN_MARGIN: Duration = Duration::from_mins(1);
/// The longest part of a complaint that is repeated, in characters.
const COMPLAINT_LIMIT: usize = 300;

/// A token, and of which key.
#[derive(Clone)]
struct Token {
    value: String,
    until: Instant,
    of: [u8; 32],
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("until", &self.until).finish_non_exhaustive()
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// The key's file: read at each request, so that another key counts as soon as it is there.
    file: PathBuf,
    /// What tokens are asked for.
    scope: &'static str,
    /// Held while one is asked for: one is enough.
    token: tokio::sync::Mutex<Option<Token>>,
    /// The account's address, once it is known.
    email: Mutex<Option<String>>,
}

impl Client {
    pub(super) fn new(file: PathBuf, scope: &'static str) -> Result<Self, String> {
        let http = client(PATIENCE)?;
        Ok(Self { http, file, scope, token: tokio::sync::Mutex::default(), email: Mutex::default() })
    }

    /// Whom a spreadsheet is to be shared with.
    pub(super) fn who(&self) -> String {
        let email = self.email.lock().unwrap_or_else(PoisonError::into_inner).clone();
        email.unwrap_or_else(|| "the service account".to_owned())
    }

    /// A token that holds. `refused` is one that does not, whatever its time.
    async fn token(&self, pace: &Pace, refused: Option<&str>) -> Result<String, Failure> {
        let mut known = self.token.lock().await;
        let bytes = key::read(&self.file).map_err(Failure::NoKey)?;
        let of: [u8; 32] = Sha256::digest(&bytes).into();
        let holds = |token: &&Token| token.of == of && token.until > Instant::now() && Some(token.value.as_str()) != refused;
        if let Some(token) = known.as_ref().filter(holds) {
            return Ok(token.value.clone());
        }
        *known = None;
        let key = Key::parse(&bytes).map_err(|why| Failure::NoKey(format!("the file {} {why}", self.file.display())))?;
        *self.email.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.email.clone());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let statement = key.statement(self.scope, now).map_err(Failure::NoKey)?;
        let form = [("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &statement)];
        let asked = Instant::now();
        let answer = fetch(self.http.post(key.token_uri.clone()).form(&form), TOKEN_LIMIT).await?;
        if !answer.status.is_success() {
            // What it says of the key comes in another form than what it says of all else.
            let said = answer.json::<TokenAnswer>().unwrap_or_default();
            return Err(match answer.status.as_u16() {
                400..=403 => Failure::Rejected(bounded(match said.error_description.as_str() {
                    "" => &said.error,
                    description => description,
                })),
                _ => judge(&answer, pace),
            });
        }
        let given: TokenAnswer = answer.json()?;
        if given.access_token.is_empty() || !given.access_token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::NotJson("its answer holds no token".to_owned()));
        }
        let life = Duration::from_secs(given.expires_in.min(3600)).saturating_sub(TOKEN_MARGIN);
        *known = Some(Token { value: given.access_token.clone(), until: asked + life, of });
        Ok(given.access_token)
    }

    /// Asks, with a token; what a quota asks for is noted on `pace`.
    pub(super) async fn call(
        &self,
        pace: &Pace,
        method: Method,
        address: reqwest::Url,
        body: Option<&serde_json::Value>,
    ) -> Result<Answer, Failure> {
        if let Some(left) = pace.closed_for() {
            return Err(Failure::Limited(left));
        }
        let request = |token: &str| -> RequestBuilder {
            let request = self.http.request(method.clone(), address.clone()).bearer_auth(token);
            if let Some(body) = body { request.json(body) } else { request }
        };
        let token = self.token(pace, None).await?;
        let mut answer = fetch(request(&token), ANSWER_LIMIT).await?;
        if answer.status == StatusCode::UNAUTHORIZED {
            // It may have been revoked while it held.
            let token = self.token(pace, Some(&token)).await?;
            answer = fetch(request(&token), ANSWER_LIMIT).await?;
        }
        if answer.status.is_success() { Ok(answer) } else { Err(judge(&answer, pace)) }
    }
}

/// What an answer that is no success means.
fn judge(answer: &Answer, pace: &Pace) -> Failure {
    let complaint = answer.json::<Complaint>().unwrap_or_default().error;
    let said = bounded(&complaint.message);
    let reason =
        |words: &[&str]| complaint.errors.iter().chain(&complaint.details).any(|reason| words.contains(&reason.reason.as_str()));
    let quota = ["rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"];
    if answer.status == StatusCode::TOO_MANY_REQUESTS || complaint.status == "RESOURCE_EXHAUSTED" || reason(&quota) {
        let wait = wait_asked(answer).unwrap_or(QUOTA_WAIT);
        pace.close(wait);
        return Failure::Limited(wait);
    }
    if let (StatusCode::SERVICE_UNAVAILABLE, Some(wait)) = (answer.status, wait_asked(answer)) {
        pace.close(wait);
    }
    match answer.status.as_u16() {
        401 => Failure::Unauthorized,
        403 if reason(&["SERVICE_DISABLED", "accessNotConfigured"]) => Failure::ApiOff(said),
        403 => Failure::Forbidden(said),
        404 => Failure::NotFound,
        status @ 300..=399 => Failure::NotJson(format!("it answered with {status}, and points elsewhere")),
        status @ 500.. => Failure::Down(status),
        status => Failure::Refused(status, said),
    }
}

/// Somebody else's words: one line, bounded.
fn bounded(said: &str) -> String {
    let said: String = crate::remote::plain(said).chars().take(COMPLAINT_LIMIT).collect();
    said.replace('\n', " ")
}
