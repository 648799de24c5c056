//! The service as commands see it: which one, with which token, and what its errors mean to a person.

use crate::config::ConfigError;
use crate::context::Context;
use crate::environment;
use crate::failure::{ExitStatus, Failure};
use crate::serve::{browsable, data_dir};
use reqwest::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_protocol::api::ErrorBody;

/// How long an answer may take; a merge and its checks are not waited for.
const ANSWER: Duration = Duration::from_mins(1);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// How much of an answer that is no JSON is shown.
const SHOWN: usize = 300;

/// A service and the token for it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    base: String,
    token: Option<String>,
    /// Why there is no token.
    without: Option<String>,
    http: reqwest::Client,
    /// Whether it is meant to run on this machine with the configuration that was found.
    ours: bool,
}

/// An answer: as it came, for `--json`, and as what it means.
#[derive(Debug, Clone)]
pub(crate) struct Answer<T> {
    pub(crate) raw: serde_json::Value,
    pub(crate) value: T,
}

/// Where the service of this machine is, and its data directory.
struct Near {
    base: String,
    data_dir: PathBuf,
}

/// Where the service that holds this data directory listens, as it said itself.
fn said_address(data_dir: &Path) -> Option<SocketAddr> {
    std::fs::read_to_string(data_dir.join(data_dir::ADDRESS)).ok()?.trim().parse().ok()
}

fn near(context: &Context) -> Result<Near, ConfigError> {
    // A service that runs says where, in the data directory: a file that became wrong since makes it no less healthy.
    let named = context.environment.get(&environment::DATA_DIR).map(PathBuf::from).filter(|path| path.is_absolute());
    if let Some(data_dir) = named
        && let Some(address) = said_address(&data_dir)
    {
        return Ok(Near { base: format!("http://{}", browsable(address)), data_dir });
    }
    let settings = context.config()?.settings;
    let data_dir = settings.server.data_dir;
    let address = said_address(&data_dir).unwrap_or(settings.server.listen);
    Ok(Near { base: format!("http://{}", browsable(address)), data_dir })
}

/// Whether an address surely is this machine's own. A name that only begins like one is not.
fn is_loopback(base: &str) -> bool {
    let authority = base.split("://").nth(1).unwrap_or(base).split('/').next().unwrap_or_default();
    let host = match authority.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => authority.rsplit_once(':').map_or(authority, |(host, _)| host),
    };
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An address as a person writes it, as a base without a slash at the end.
fn base_of(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let text = text.strip_suffix('/').filter(|text| !text.ends_with('/')).unwrap_or(text);
    let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
    let sound = reqwest::Url::parse(&whole).is_ok_and(|url| {
        matches!(url.scheme(), "http" | "https")
            && url.host_str().is_some_and(|host| !host.is_empty())
            && (url.username(), url.password(), url.query(), url.fragment()) == ("", None, None, None)
    });
    if sound {
        return Ok(whole);
    }
    Err(Failure::usage(format!("`{text}` is no address of a service")).fix("Write it like `http://127.0.0.1:7070`."))
}

impl Api {
    /// The service that is meant: the one that was named, else the configuration's.
    pub(crate) fn of(context: &Context) -> Result<Self, Failure> {
        let environment = &context.environment;
        let named = context.global.server.as_deref().or_else(|| environment.get(&environment::SERVER));
        let token = context.global.token.as_deref().or_else(|| environment.get(&environment::TOKEN)).map(str::to_owned);
        if let Some(why) = environment.trouble(&environment::TOKEN).filter(|_| token.is_none()) {
            return Err(Failure::usage(why).fix("Correct or unset it: another token is not shown in its place."));
        }
        let near = near(context);
        let (base, ours) = match (named, &near) {
            (Some(named), _) => (base_of(named)?, false),
            (None, Ok(near)) => (near.base.clone(), true),
            (None, Err(_)) => {
                let error = near.err().map_or_else(|| Failure::usage("there is no configuration"), Failure::from);
                let fix = error.fix.clone().unwrap_or_default();
                return Err(error.fix(format!("{fix} Or name a service with `--server`.").trim().to_owned()));
            }
        };
        let mut without = None;
        let token = match (token, near) {
            (Some(token), _) => Some(token.trim().to_owned()),
            // The installation's own token is shown to nobody but this machine.
            (None, Ok(near)) if is_loopback(&base) => {
                let file = near.data_dir.join(data_dir::ADMIN_TOKEN);
                match std::fs::read_to_string(&file) {
                    Ok(token) => Some(token.trim().to_owned()),
                    Err(error) => {
                        without = Some(format!("{} cannot be read: {error}", file.display()));
                        None
                    }
                }
            }
            _ => None,
        };
        let mut builder = reqwest::Client::builder().connect_timeout(CONNECT).redirect(reqwest::redirect::Policy::none());
        if is_loopback(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Failure::new(format!("could not set up HTTP: {error}")))?;
        Ok(Self { base, token, without, http, ours })
    }

    /// The same service where it is now: it may have come back on another port.
    pub(crate) fn again(&self, context: &Context) -> Self {
        if self.ours { Self::of(context).unwrap_or_else(|_| self.clone()) } else { self.clone() }
    }

    /// Where it is.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    /// The token, if there is one.
    pub(crate) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    /// Asks; the answer's status is judged.
    pub(crate) async fn send(&self, method: Method, path: &str, body: Option<serde_json::Value>) -> Result<Response, Failure> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await.map_err(|error| self.away(&error))?;
        if answer.status().is_success() { Ok(answer) } else { Err(self.refused(answer).await) }
    }

    /// Asks, and gives the answer's status alone, whatever it is.
    pub(crate) async fn asked(&self, path: &str) -> Result<StatusCode, Failure> {
        let request = self.http.get(format!("{}{path}", self.base)).timeout(ANSWER);
        request.send().await.map(|answer| answer.status()).map_err(|error| self.away(&error))
    }

    async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<serde_json::Value>,
    ) -> Result<Answer<T>, Failure> {
        let answer = async {
            let answer = self.send(method, path, body).await?;
            let text = answer.text().await.map_err(|error| self.away(&error))?;
            self.understood(&text)
        };
        match tokio::time::timeout(ANSWER, answer).await {
            Ok(answer) => answer,
            Err(_) => {
                Err(Failure::new(format!("the service at {} did not answer {path} within {} s", self.base, ANSWER.as_secs()))
                    .fix("Look at its log; `strawboss status` asks for less.")
                    .status(ExitStatus::Unreachable))
            }
        }
    }

    fn understood<T: DeserializeOwned>(&self, text: &str) -> Result<Answer<T>, Failure> {
        let strange = |error: serde_json::Error| {
            Failure::new(format!("{} answered something else than expected: {error}", self.base)).fix(format!(
                "Is it a Strawboss of this version ({})? `strawboss status` says its version.",
                env!("CARGO_PKG_VERSION")
            ))
        };
        let raw: serde_json::Value = serde_json::from_str(text).map_err(strange)?;
        let value = serde_json::from_value(raw.clone()).map_err(strange)?;
        Ok(Answer { raw, value })
    }

    /// Asks for something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Failure> {
        self.call(Method::GET, path, None).await
    }

    /// Tells to remove something, and says what became of it.
    pub(crate) async fn delete<T: DeserializeOwned>(&self, path: &str) -> Result<Answer<T>, Failure> {
        self.call(Method::DELETE, path, None).await
    }

    /// Tells to do something.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<Answer<T>, Failure> {
        let body = body
            .map(serde_json::to_value)
            .transpose()
            .map_err(|error| Failure::new(format!("could not write the request: {error}")))?;
        self.call(Method::POST, path, body).await
    }

    /// It does not answer.
    pub(crate) fn away(&self, error: &reqwest::Error) -> Failure {
        let mut why = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            why = cause.to_string();
            source = cause.source();
        }
        let fix = if self.ours {
            "Start it with `strawboss serve`, or name another service with `--server`."
        } else {
            "Is it started, and is the address right? `--server` or STRAWBOSS_SERVER names it."
        };
        Failure::new(format!("no service answers at {}: {why}", self.base)).fix(fix).status(ExitStatus::Unreachable)
    }

    async fn refused(&self, answer: Response) -> Failure {
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        let body = serde_json::from_str::<ErrorBody>(&text).unwrap_or_else(|_| ErrorBody {
            code: String::new(),
            message: format!(
                "{} answered {status}: {}",
                self.base,
                crate::output::words::shortened(&crate::output::words::one_line(&text), SHOWN)
            ),
            fix: None,
        });
        let end = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ExitStatus::Denied,
            StatusCode::NOT_FOUND => ExitStatus::NotFound,
            StatusCode::CONFLICT => ExitStatus::Conflict,
            StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY | StatusCode::PAYLOAD_TOO_LARGE => ExitStatus::Usage,
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => ExitStatus::Unreachable,
            _ => ExitStatus::Failure,
        };
        let mut failure = Failure::new(crate::output::words::clean(&body.message)).status(end);
        failure.fix = body.fix.map(|fix| crate::output::words::clean(&fix));
        if status == StatusCode::UNAUTHORIZED {
            let why = self.without.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
            if self.token.is_none() {
                failure.message = format!("there is no token to show to {}{why}", self.base);
                failure.fix = Some(
                    "Set STRAWBOSS_TOKEN to the token in `admin-token` of its data directory, or to one from `strawboss token create`."
                        .to_owned(),
                );
            }
        }
        failure
    }
}

/// A part of a path: whatever a person typed, it stays one part.
pub(crate) fn part(text: &str) -> String {
    use std::fmt::Write as _;
    let mut path = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'~') {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    // A path of dots would be resolved away.
    if matches!(path.as_str(), "." | "..") { path.replace('.', "%2E") } else { path }
}

#[cfg(test)]
mod tests {
    use super::{base_of, is_loopback, part};

    #[test]
    fn what_is_typed_stays_one_part_of_a_path() {
        assert_eq!(part("antenna-3.1"), "antenna-3.1");
        assert_eq!(part("../tokens?x#y"), "..%2Ftokens%3Fx%23y");
        assert_eq!(part(".."), "%2E%2E");
    }

    #[test]
    fn an_address_is_read_as_it_is_meant() {
        assert_eq!(base_of("127.0.0.1:7070").unwrap(), "http://127.0.0.1:7070");
        assert_eq!(base_of("https://crew.example.org/").unwrap(), "https://crew.example.org");
        for wrong in ["", "http://", "ftp://x", "http://user@x", "http://x/?y"] {
            assert!(base_of(wrong).is_err(), "{wrong}");
        }
        for near in ["http://[::1]:7070", "http://localhost:1", "http://localhost", "https://127.0.0.1/x"] {
            assert!(is_loopback(near), "{near}");
        }
        for far in [
            "http://127.0.0.1.example.org",
            "http://localhost.example.org:80",
            "http://example.org/127.0.0.1",
            "http://[fe80::1]",
        ] {
            assert!(!is_loopback(far), "{far}");
        }
    }
}
