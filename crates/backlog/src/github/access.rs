//! What one GitHub is asked with: a token, or an App that asks for tokens of its installation and renews them.
//!
//! An App's key only signs statements about who it is; the tokens that it is given live in memory alone, are narrowed to one
//! repository and to what is needed, and are replaced shortly before they end.

use super::client::{Failure, bounded, judge};
use super::model::{AppAnswer, Complaint, Installation, TokenAnswer};
use crate::remote::{Answer, Pace, Secret, SigningKey, fetch};
use reqwest::StatusCode;
use serde_json::json;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How long before its end a token is replaced.
const MARGIN: Duration = Duration::from_mins(1);
/// How long a token is used, whatever the answer says: GitHub gives an hour.
const LONGEST: Duration = Duration::from_hours(1);
/// How far back a statement is dated, in seconds: a clock that is ahead is common, and GitHub recommends it.
const BACKDATED: u64 = 60;
/// How long a statement holds, in seconds. GitHub takes ten minutes by its own clock; one less leaves room for ours.
const STATEMENT_LIFE: u64 = 9 * 60;
/// From here on a difference of clocks is named where GitHub refuses a statement, in seconds.
const SKEW: i64 = 30;
/// The largest answer about a token or an installation.
const ANSWER_LIMIT: usize = 1 << 20;

/// What GitHub is asked with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// A personal access token.
    Token(Secret),
    /// A GitHub App.
    App(App),
}

/// A GitHub App that is installed on the repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    /// Its client ID, or its number.
    pub id: String,
    /// The number of its installation; none: the one of the repository is asked for.
    pub installation: Option<u64>,
    /// One of its private keys, in PEM.
    pub key: Secret,
}

/// What it takes to push changes of workflows.
const WORKFLOWS: &str = "workflows";

/// A permission of an App, and how far it goes.
pub(super) type Permission = (&'static str, &'static str);

/// What is known of an App's installation.
#[derive(Default)]
struct Known {
    installation: Option<u64>,
    token: Option<(String, Instant)>,
    /// The login that its comments have.
    login: Option<String>,
}

/// Gives out tokens that hold.
pub(super) struct Tokens {
    pub(super) access: Access,
    repository: String,
    needs: Vec<Permission>,
    /// Held while one is asked for: one is enough.
    known: tokio::sync::Mutex<Known>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("access", &self.access).finish_non_exhaustive()
    }
}

/// Where to ask, with what.
#[derive(Clone, Copy)]
pub(super) struct Way<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) base: &'a str,
    pub(super) pace: &'a Pace,
}

impl Tokens {
    pub(super) fn new(access: Access, repository: &str, needs: &[Permission]) -> Self {
        Self { access, repository: repository.to_owned(), needs: needs.to_vec(), known: tokio::sync::Mutex::default() }
    }

    /// One that holds. `refused` is one that does not, whatever its time.
    pub(super) async fn get(&self, way: Way<'_>, refused: Option<&str>) -> Result<String, Failure> {
        let app = match &self.access {
            Access::Token(secret) => return secret.read("token").map_err(Failure::NoToken),
            Access::App(app) => app,
        };
        let mut known = self.known.lock().await;
        let holds = |(value, until): &&(String, Instant)| *until > Instant::now() && Some(value.as_str()) != refused;
        if let Some((value, _)) = known.token.as_ref().filter(holds) {
            return Ok(value.clone());
        }
        known.token = None;
        let installation = match app.installation.or(known.installation) {
            Some(number) => number,
            None => *known.installation.insert(self.find(app, way).await?),
        };
        let repository = self.repository.rsplit('/').next().unwrap_or_default();
        let mut permissions: serde_json::Map<_, _> =
            self.needs.iter().map(|(name, far)| ((*name).to_owned(), json!(far))).collect();
        // Whoever pushes may push workflows too, where that was granted.
        if self.needs.iter().any(|(name, _)| *name == "contents") {
            permissions.insert(WORKFLOWS.to_owned(), json!("write"));
        }
        let path = format!("/app/installations/{installation}/access_tokens");
        let asked = Instant::now();
        let answer = loop {
            let body = json!({ "repositories": [repository], "permissions": permissions });
            let answer = ask(app, way, reqwest::Method::POST, &path, Some(&body)).await?;
            if answer.status != StatusCode::UNPROCESSABLE_ENTITY || permissions.remove(WORKFLOWS).is_none() {
                break answer;
            }
        };
        if !answer.status.is_success() {
            known.installation = None;
            return Err(self.refused(app, &answer, Some(installation), way.pace));
        }
        let given: TokenAnswer = answer.json()?;
        if given.token.is_empty() || !given.token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(Failure::NotJson("its answer holds no token".to_owned()));
        }
        let life = life(&given.expires_at, their_now(&answer)).min(LONGEST).saturating_sub(MARGIN);
        known.token = Some((given.token.clone(), asked + life));
        Ok(given.token)
    }

    /// The login that what an App writes has; none: it is no App.
    pub(super) async fn app_login(&self, way: Way<'_>) -> Result<Option<String>, Failure> {
        let Access::App(app) = &self.access else { return Ok(None) };
        let mut known = self.known.lock().await;
        if known.login.is_none() {
            let answer = ask(app, way, reqwest::Method::GET, "/app", None).await?;
            if !answer.status.is_success() {
                return Err(self.refused(app, &answer, None, way.pace));
            }
            known.login = Some(format!("{}[bot]", answer.json::<AppAnswer>()?.slug));
        }
        Ok(known.login.clone())
    }

    /// The installation on the repository.
    async fn find(&self, app: &App, way: Way<'_>) -> Result<u64, Failure> {
        let path = format!("/repos/{}/installation", self.repository);
        let answer = ask(app, way, reqwest::Method::GET, &path, None).await?;
        if !answer.status.is_success() {
            return Err(self.refused(app, &answer, None, way.pace));
        }
        let found: Installation = answer.json()?;
        if found.suspended_at.is_some() {
            return Err(suspended(found.id));
        }
        Ok(found.id)
    }

    /// What a refusal of the App itself means.
    fn refused(&self, app: &App, answer: &Answer, installation: Option<u64>, pace: &Pace) -> Failure {
        let said = bounded(&answer.json::<Complaint>().unwrap_or_default().message);
        let failure = |why: String, fix: String| Failure::App(why, fix);
        let id = &app.id;
        let skew = now().cast_signed() - their_now(answer).unwrap_or_else(|| now().cast_signed());
        match answer.status {
            StatusCode::UNAUTHORIZED if skew.abs() > SKEW || said.contains("claim ('") => failure(
                format!(
                    "GitHub does not accept when the App's statement was signed (401: {said}): the clock here is {} s {} GitHub's",
                    skew.abs(),
                    if skew < 0 { "behind" } else { "ahead of" }
                ),
                "Set this machine's clock right (by NTP).".to_owned(),
            ),
            StatusCode::UNAUTHORIZED => failure(
                format!("GitHub does not accept what the App {id} signed (401: {said})"),
                "Check that `app.id` is its client ID or number, and that the private key is one that its settings list: make another \
                 there if it was deleted."
                    .to_owned(),
            ),
            StatusCode::FORBIDDEN if said.to_lowercase().contains("suspended") => suspended(installation.unwrap_or_default()),
            StatusCode::NOT_FOUND if said.contains("Integration") => failure(
                format!("GitHub knows no App {id} (404)"),
                "Write its client ID or number at `app.id`: both stand in the App's settings.".to_owned(),
            ),
            StatusCode::NOT_FOUND => match installation {
                Some(number) => failure(
                    format!("the App {id} has no installation {number} (404): it was removed, or is another App's"),
                    format!("Install it on {} again, and leave `app.installation` out to have it found.", self.repository),
                ),
                None => failure(
                    format!("the App {id} is not installed on {} (404)", self.repository),
                    "Install it there (its page, Install App), with access to that repository.".to_owned(),
                ),
            },
            StatusCode::UNPROCESSABLE_ENTITY => {
                let needs: Vec<String> = self.needs.iter().map(|(name, far)| format!("{name}: {far}")).collect();
                failure(
                    format!("the installation of the App {id} may not do what is needed on {} (422: {said})", self.repository),
                    format!(
                        "Give the App the permissions {}, accept them at its installation, and let that reach the repository.",
                        needs.join(", ")
                    ),
                )
            }
            _ => judge(answer, pace),
        }
    }
}

fn suspended(installation: u64) -> Failure {
    Failure::App(
        format!("the App's installation {installation} is suspended"),
        "An owner of the account lifts that in its settings, at GitHub Apps.".to_owned(),
    )
}

/// Asks as the App itself.
async fn ask(
    app: &App,
    way: Way<'_>,
    method: reqwest::Method,
    path: &str,
    body: Option<&serde_json::Value>,
) -> Result<Answer, Failure> {
    let key = app.key.read_pem().map_err(Failure::NoToken)?;
    let key = SigningKey::from_pem(key.as_bytes())
        .map_err(|why| Failure::NoToken(format!("the App's private key {why}; GitHub gives it out as a .pem file")))?;
    let now = now();
    let claims = json!({ "iat": now.saturating_sub(BACKDATED), "exp": now + STATEMENT_LIFE, "iss": app.id });
    let statement = key.statement(&json!({ "alg": "RS256", "typ": "JWT" }), &claims).map_err(Failure::NoToken)?;
    let mut request = way
        .http
        .request(method, format!("{}{path}", way.base))
        .bearer_auth(statement)
        .header("accept", "application/vnd.github+json")
        .header("x-github-api-version", "2022-11-28");
    if let Some(body) = body {
        request = request.json(body);
    }
    Ok(fetch(request, ANSWER_LIMIT).await?)
}

/// Unix time, in seconds.
fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// The same by the server's clock.
fn their_now(answer: &Answer) -> Option<i64> {
    jiff::fmt::rfc2822::parse(answer.header("date")?).ok().map(|at| at.timestamp().as_second())
}

/// How long a token holds from now on, by the server's own clock where it says it.
fn life(expires_at: &str, their_now: Option<i64>) -> Duration {
    let until = expires_at.parse::<jiff::Timestamp>().map_or(0, jiff::Timestamp::as_second);
    let now = their_now.unwrap_or_else(|| now().cast_signed());
    Duration::from_secs(u64::try_from(until - now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::life;
    use std::time::Duration;

    #[test]
    fn a_token_lives_by_the_clock_of_who_gave_it() {
        let noon = 1_768_478_400;
        assert_eq!(life("2026-01-15T13:00:00Z", Some(noon)), Duration::from_hours(1));
        assert_eq!(life("2026-01-15T11:00:00Z", Some(noon)), Duration::ZERO);
        assert_eq!(life("soon", Some(noon)), Duration::ZERO);
    }
}
