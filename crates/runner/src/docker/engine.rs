//! The line to the engine: which address, which API version, a limit on every call, and what an error means.
//! It knows nothing of sandboxes.

use bollard::errors::Error;
use bollard::models::SystemInfo;
use bollard::{API_DEFAULT_VERSION, ClientVersion, Docker};
use std::future::Future;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::runner::RunnerError;

use crate::keyed::locked;

/// What the engine answers in milliseconds when it is well.
pub(super) const QUICK: Duration = Duration::from_secs(30);
/// What may wait for its disk: making and removing containers and volumes.
pub(super) const SLOW: Duration = Duration::from_mins(2);
/// The oldest engine that is served: 20.10.
const API_MIN: ClientVersion = ClientVersion { major_version: 1, minor_version: 41 };
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// Why a call failed.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{what}: {why}")]
pub(super) struct CallError {
    pub(super) what: String,
    pub(super) why: String,
    pub(super) kind: CallErrorKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallErrorKind {
    /// The engine answered with this HTTP status.
    Status(u16),
    /// It did not answer.
    Unreachable,
    /// It answered something that we do not understand.
    Other,
}

impl CallError {
    pub(super) fn is(&self, status: u16) -> bool {
        self.kind == CallErrorKind::Status(status)
    }
}

impl From<CallError> for RunnerError {
    fn from(error: CallError) -> Self {
        match error.kind {
            CallErrorKind::Unreachable => Self::Unreachable { what: error.what, why: error.why },
            CallErrorKind::Status(_) | CallErrorKind::Other => Self::Failed { what: error.what, why: error.why },
        }
    }
}

/// What does not change while an engine of one version answers.
#[derive(Debug)]
pub(super) struct Connected {
    pub(super) docker: Docker,
    /// `20.10.24`.
    pub(super) version: String,
    /// As `uname -m` says it: `x86_64`, `aarch64`.
    pub(super) arch: String,
}

pub(super) struct Engine {
    host: String,
    connected: Mutex<Option<Arc<Connected>>>,
}

impl Engine {
    /// `host` as in `DOCKER_HOST`; none: that variable, else the default socket, else the rootless engine's.
    pub(super) fn new(host: Option<&str>) -> Self {
        let host = host.map(str::to_owned).or_else(|| std::env::var("DOCKER_HOST").ok().filter(|h| !h.is_empty()));
        Self { host: host.unwrap_or_else(default_host), connected: Mutex::new(None) }
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// The client, with the API version agreed on at the first call that succeeds.
    pub(super) async fn connected(&self) -> Result<Arc<Connected>, CallError> {
        if let Some(connected) = locked(&self.connected).clone() {
            return Ok(connected);
        }
        let connected = Arc::new(self.connect().await?);
        tracing::info!(engine.host = %self.host, engine.version = %connected.version, engine.api = %connected.docker.client_version(), "engine found");
        *locked(&self.connected) = Some(Arc::clone(&connected));
        Ok(connected)
    }

    async fn connect(&self) -> Result<Connected, CallError> {
        let what = format!("connect to the Docker engine at {}", self.host);
        let fail = |kind, why: String| CallError { what: what.clone(), why, kind };
        let docker = client(&self.host, API_DEFAULT_VERSION).map_err(|error| fail(kind_of(&error), reason(&error)))?;
        // An engine refuses even the question for its version when the path names a version that it does not know.
        let unversioned = docker.with_request_modifier(|mut request| {
            if let Some(uri) = without_version(request.uri()) {
                *request.uri_mut() = uri;
            }
            request
        });
        let version = match tokio::time::timeout(QUICK, unversioned.version()).await {
            Ok(Ok(version)) => version,
            Ok(Err(error)) => return Err(fail(kind_of(&error), reason(&error))),
            Err(_) => return Err(fail(CallErrorKind::Unreachable, no_answer(QUICK))),
        };
        let offered = version.api_version.as_deref().and_then(parse_version).unwrap_or(API_MIN);
        let name = version.version.unwrap_or_else(|| "of unknown version".to_owned());
        if offered < API_MIN {
            return Err(fail(
                CallErrorKind::Other,
                format!("it is Docker {name} (API {offered}); 20.10 (API {API_MIN}) or newer is needed"),
            ));
        }
        let agreed = if offered < *API_DEFAULT_VERSION { &offered } else { API_DEFAULT_VERSION };
        let docker = client(&self.host, agreed).map_err(|error| fail(kind_of(&error), reason(&error)))?;
        let arch = match version.arch.as_deref() {
            Some("amd64") => "x86_64",
            Some("arm64") => "aarch64",
            Some(other) => other,
            None => std::env::consts::ARCH,
        };
        Ok(Connected { docker, version: name, arch: arch.to_owned() })
    }

    /// One call under a time limit. `what` completes the sentence "tried to …".
    pub(super) async fn call<T, F>(&self, what: &str, limit: Duration, call: impl FnOnce(Docker) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let connected = self.connected().await?;
        let fail = |kind, why| CallError { what: what.to_owned(), why, kind };
        match tokio::time::timeout(limit, call(connected.docker.clone())).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => {
                let error = fail(kind_of(&error), reason(&error));
                if error.is(400) && error.why.contains("client version") {
                    // The engine was replaced by an older or much newer one: agree anew at the next call.
                    *locked(&self.connected) = None;
                    return Err(CallError { kind: CallErrorKind::Unreachable, ..error });
                }
                Err(error)
            }
            Err(_) => Err(fail(CallErrorKind::Unreachable, no_answer(limit))),
        }
    }

    pub(super) async fn system_info(&self) -> Result<SystemInfo, CallError> {
        self.call("ask the Docker engine about itself", QUICK, |docker| async move { docker.info().await }).await
    }
}

fn default_host() -> String {
    if !Path::new(DEFAULT_SOCKET).exists()
        && let Ok(dir) = std::env::var("XDG_RUNTIME_DIR")
    {
        let rootless = Path::new(&dir).join("docker.sock");
        if rootless.exists() {
            return format!("unix://{}", rootless.display());
        }
    }
    format!("unix://{DEFAULT_SOCKET}")
}

fn client(host: &str, version: &ClientVersion) -> Result<Docker, Error> {
    // Longer than any limit of ours: `call` decides. A stream (wait, pull, logs) outlives it.
    let timeout = 3600;
    if host.starts_with("unix://") || host.starts_with('/') {
        Docker::connect_with_unix(host, timeout, version)
    } else if host.starts_with("tcp://") || host.starts_with("http://") {
        Docker::connect_with_http(host, timeout, version)
    } else {
        Err(Error::UnsupportedURISchemeError { uri: host.to_owned() })
    }
}

/// The request's path without the `/v1.53` that the client puts before it.
fn without_version(uri: &http::Uri) -> Option<http::Uri> {
    let path = uri.path_and_query()?.as_str();
    let rest = path.strip_prefix("/v1.")?.trim_start_matches(|c: char| c.is_ascii_digit());
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(rest.parse().ok()?);
    http::Uri::from_parts(parts).ok()
}

fn parse_version(text: &str) -> Option<ClientVersion> {
    let (major, minor) = text.split_once('.')?;
    Some(ClientVersion { major_version: major.parse().ok()?, minor_version: minor.parse().ok()? })
}

fn no_answer(limit: Duration) -> String {
    format!("no answer within {} s", limit.as_secs())
}

fn kind_of(error: &Error) -> CallErrorKind {
    match error {
        // The engine says none of these: it is what stands between it and us.
        Error::DockerResponseServerError { status_code: 502 | 504, .. } => CallErrorKind::Unreachable,
        Error::DockerResponseServerError { status_code, .. } => CallErrorKind::Status(*status_code),
        Error::SocketNotFoundError(_)
        | Error::RequestTimeoutError
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. } => CallErrorKind::Unreachable,
        _ => CallErrorKind::Other,
    }
}

/// The whole chain of causes; the engine's own words without a preface.
fn reason(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, status_code } if message.is_empty() => format!("HTTP status {status_code}"),
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::SocketNotFoundError(path) => format!("there is no socket {path}; is Docker installed and started?"),
        Error::UnsupportedURISchemeError { uri } => format!("`{uri}` is no unix:// or tcp:// address"),
        other => {
            let mut text = other.to_string();
            let mut source = std::error::Error::source(other);
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                if !text.contains(&cause_text) {
                    text.push_str(": ");
                    text.push_str(&cause_text);
                }
                source = cause.source();
            }
            text
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Engine, without_version};
    use strawboss_core::runner::RunnerError;

    #[test]
    fn only_the_version_is_cut_from_a_path() {
        let cut = |uri: &str| without_version(&uri.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(cut("http://h/v1.53/version?x=1").as_deref(), Some("http://h/version?x=1"));
        assert_eq!(cut("http://h/version"), None);
    }

    #[tokio::test]
    async fn an_engine_that_is_away_is_unreachable() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("docker.sock");
        let engine = Engine::new(Some(&format!("unix://{}", path.display())));
        let error = RunnerError::from(engine.connected().await.unwrap_err());
        assert!(matches!(&error, RunnerError::Unreachable { .. }), "{error}");
        // A socket that nobody listens on any more.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let error = RunnerError::from(engine.connected().await.unwrap_err());
        assert!(matches!(&error, RunnerError::Unreachable { .. }), "{error}");
    }
}
