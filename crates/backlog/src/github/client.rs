//! Speaks to one GitHub: requests with a token, answers judged by status, and what each failure asks of a person.

use super::access::{Access, Permission, Tokens, Way};
use super::model::Complaint;
use crate::remote::{Answer, HttpError, Pace, client, fetch, wait_asked};
use reqwest::{Method, StatusCode};
use std::time::Duration;
use strawboss_core::backlog::WriteBackError;

/// The largest answer that is read: a hundred issues with the longest descriptions are a fifth of it.
const ANSWER_LIMIT: usize = 32 << 20;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// The wait that GitHub asks for where a limit is hit and the answer names none.
const LIMIT_WAIT: Duration = Duration::from_mins(1);
/// The longest part of a complaint that is repeated, in characters.
const COMPLAINT_LIMIT: usize = 300;

/// Why GitHub did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// No usable token or key.
    NoToken(String),
    /// GitHub gives the App no token: why, and what a person does.
    App(String, String),
    /// No connection or no answer.
    Unreachable(String),
    /// A limit is used up.
    Limited(Duration),
    /// 401.
    Unauthorized,
    /// 403, and no limit.
    Forbidden(String),
    /// 404: it is not there, or the token may not see it.
    NotFound,
    /// The GitHub Project that selects cannot be read: which, and why.
    Project(String, String),
    /// 410: it was deleted, or issues are off.
    Gone,
    /// A redirect: it is elsewhere now.
    Moved,
    /// 5xx.
    Down(u16),
    /// What came is no answer of GitHub's API.
    NotJson(String),
    /// The list changed under every look.
    Changing,
    /// More issues than are read.
    TooMany(usize),
    /// Another refusal.
    Refused(u16, String),
}

impl Failure {
    /// Why, and what a person does about it.
    pub(super) fn words(&self, repository: &str) -> (String, String) {
        let complaint = |said: &str| if said.is_empty() { String::new() } else { format!(" ({said})") };
        let (why, fix) = match self {
            Self::NoToken(why) => (
                why.clone(),
                "Name a token with `token_env` or `token_file`, or an App's key with `app.key_env` or `app.key_file`.".to_owned(),
            ),
            Self::App(why, fix) => (why.clone(), fix.clone()),
            Self::Unreachable(why) => {
                (format!("GitHub does not answer: {why}"), "It is tried again; check the network and `base_url`.".to_owned())
            }
            Self::Limited(wait) => (
                format!("GitHub's limit of requests is used up for {} s", wait.as_secs()),
                "It goes on by itself then; a longer `poll_interval` or a token of its own uses less.".to_owned(),
            ),
            Self::Unauthorized => (
                "GitHub does not accept the token (401)".to_owned(),
                "It may have expired or been revoked: make another one and put it where `token_env` or `token_file` says. An App's is \
                 renewed by itself; check its installation."
                    .to_owned(),
            ),
            Self::Forbidden(said) => (
                format!("the token may not do that (403){}", complaint(said)),
                format!("Give it `Issues: read and write` on {repository}, and authorise it for the organisation if that asks so."),
            ),
            Self::NotFound => (
                format!("{repository} is not there, or the token may not see it (404)"),
                "Check `repository`, and that the token was given access to it.".to_owned(),
            ),
            Self::Project(project, why) => (
                format!("the {project} cannot be read ({why})"),
                "Check `github_project` and its `query`, and give the token `Projects: read` of its owner (a classic one `read:project`)."
                    .to_owned(),
            ),
            Self::Gone => (
                format!("{repository} has no issues (410)"),
                "Turn issues on in the repository's settings.".to_owned(),
            ),
            Self::Moved => (
                format!("{repository} was renamed or moved"),
                "Write its new name at `repository`, or the server's own address at `base_url`.".to_owned(),
            ),
            Self::Down(status) => (format!("GitHub answered with {status}"), "It is tried again by itself.".to_owned()),
            Self::NotJson(why) => (
                why.clone(),
                "Something else answers in GitHub's place: check `base_url` (`https://HOST/api/v3` for GitHub Enterprise Server) and \
                 proxies between."
                    .to_owned(),
            ),
            Self::Changing => {
                ("the list of issues changed under every look".to_owned(), "It is read again by itself.".to_owned())
            }
            Self::TooMany(most) => (
                format!("the query selects more than {most} issues"),
                "Select fewer, with `labels`, `milestone` or `assignee`.".to_owned(),
            ),
            Self::Refused(status, said) => (
                format!("GitHub refused it with {status}{}", complaint(said)),
                "See what it says, and `strawboss status`.".to_owned(),
            ),
        };
        (why, fix)
    }

    /// Whether it is about one issue, while others may be written.
    pub(super) fn is_of_one_issue(&self) -> bool {
        matches!(self, Self::Forbidden(_) | Self::Refused(..))
    }

    /// As the port has it.
    pub(super) fn into_write_error(self, what: &str, repository: &str) -> WriteBackError {
        let (why, fix) = self.words(repository);
        let retry =
            !matches!(self, Self::NoToken(_) | Self::App(..) | Self::Unauthorized | Self::Forbidden(_) | Self::Refused(..));
        WriteBackError { what: what.to_owned(), why, fix, retry }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Unreachable(why) => Self::Unreachable(why),
            HttpError::TooLarge(_) | HttpError::NotJson(_) => Self::NotJson(error.to_string()),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Client {
    http: reqwest::Client,
    /// `https://api.github.com`, without a slash at its end.
    base: String,
    tokens: Tokens,
}

impl Client {
    /// One that asks about a repository, with what an App needs for that.
    pub(super) fn new(base: String, access: Access, repository: &str, needs: &[Permission]) -> Result<Self, String> {
        let http = client(PATIENCE)?;
        Ok(Self { http, base, tokens: Tokens::new(access, repository, needs) })
    }

    fn way<'a>(&'a self, pace: &'a Pace) -> Way<'a> {
        Way { http: &self.http, base: &self.base, pace }
    }

    /// A token that holds.
    pub(super) async fn token(&self, pace: &Pace) -> Result<String, Failure> {
        self.tokens.get(self.way(pace), None).await
    }

    /// The login that what is written here has; none where GitHub does not say.
    pub(super) async fn own_login(&self, pace: &Pace) -> Result<Option<String>, Failure> {
        if let Some(login) = self.tokens.app_login(self.way(pace)).await? {
            return Ok(Some(login));
        }
        match self.get(pace, "/user").await {
            Ok(answer) => Ok(Some(answer.json::<super::model::User>()?.login)),
            Err(Failure::Forbidden(_) | Failure::NotFound) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    /// The address of a path of this GitHub's API.
    pub(super) fn address(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Whether an address that an answer names is this GitHub's.
    pub(super) fn is_ours(&self, address: &str) -> bool {
        let origin = |text: &str| text.parse::<reqwest::Url>().ok().map(|url| url.origin());
        origin(address).is_some_and(|there| Some(there) == origin(&self.base))
    }

    /// Asks; an answer is 2xx or, where an `etag` is given, 304. What a limit asks for is noted on `pace`.
    pub(super) async fn call(
        &self,
        pace: &Pace,
        method: Method,
        address: &str,
        body: Option<&serde_json::Value>,
        etag: Option<&str>,
    ) -> Result<Answer, Failure> {
        if let Some(left) = pace.closed_for() {
            return Err(Failure::Limited(left));
        }
        let request = |token: &str| {
            let mut request = self
                .http
                .request(method.clone(), address)
                .bearer_auth(token)
                .header("accept", "application/vnd.github+json")
                .header("x-github-api-version", "2022-11-28");
            if let Some(etag) = etag {
                request = request.header("if-none-match", etag);
            }
            if let Some(body) = body { request.json(body) } else { request }
        };
        let token = self.tokens.get(self.way(pace), None).await?;
        let mut answer = fetch(request(&token), ANSWER_LIMIT).await?;
        if answer.status == StatusCode::UNAUTHORIZED && matches!(self.tokens.access, Access::App(_)) {
            // It may have been revoked while it held.
            let token = self.tokens.get(self.way(pace), Some(&token)).await?;
            answer = fetch(request(&token), ANSWER_LIMIT).await?;
        }
        if let Some(wait) = wait_asked(&answer) {
            pace.close(wait);
        }
        let status = answer.status;
        if status.is_success() || (status == StatusCode::NOT_MODIFIED && etag.is_some()) {
            return Ok(answer);
        }
        Err(judge(&answer, pace))
    }

    /// Asks for something, without a condition.
    pub(super) async fn get(&self, pace: &Pace, path: &str) -> Result<Answer, Failure> {
        self.call(pace, Method::GET, &self.address(path), None, None).await
    }
}

/// Somebody else's words: one line, bounded.
pub(super) fn bounded(said: &str) -> String {
    let said: String = said.chars().take(COMPLAINT_LIMIT).collect();
    crate::remote::plain(&said).replace('\n', " ")
}

/// What an answer that is no success means; what a limit asks for is noted on `pace`.
pub(super) fn judge(answer: &Answer, pace: &Pace) -> Failure {
    let (asked, status) = (wait_asked(answer), answer.status);
    let said = bounded(&answer.json::<Complaint>().unwrap_or_default().message);
    let limited = matches!(status, StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS)
        && (asked.is_some() || status == StatusCode::TOO_MANY_REQUESTS || said.to_lowercase().contains("rate limit"));
    if limited {
        let wait = asked.unwrap_or(LIMIT_WAIT);
        pace.close(wait);
        return Failure::Limited(wait);
    }
    match status.as_u16() {
        401 => Failure::Unauthorized,
        403 => Failure::Forbidden(said),
        404 => Failure::NotFound,
        410 => Failure::Gone,
        300..=399 => Failure::Moved,
        number @ 500.. => Failure::Down(number),
        number => Failure::Refused(number, said),
    }
}
