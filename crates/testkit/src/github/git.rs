//! Git over HTTP, by `git http-backend`: only who has a token with access to contents may fetch and push.

use super::{REPOSITORY, Repository, TOKEN};
use crate::script::{Asked, lock};
use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, Method, Response, Uri};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Serves the repository at the address that people clone.
pub(super) fn routed(router: axum::Router, repository: Arc<Repository>) -> axum::Router {
    let answer = move |method: Method, uri: Uri, headers: HeaderMap, body: Bytes| {
        let repository = Arc::clone(&repository);
        async move {
            let answered = tokio::task::spawn_blocking(move || answer(&repository, &method, &uri, &headers, &body)).await;
            answered.unwrap_or_else(|_| plain(500, "it broke"))
        }
    };
    router.route(&format!("/{REPOSITORY}.git/{{*path}}"), axum::routing::any(answer))
}

fn plain(status: u16, text: &str) -> Response<Body> {
    let response = Response::builder().status(status).header("www-authenticate", "Basic realm=\"GitHub\"");
    response.body(Body::from(text.to_owned())).unwrap_or_default()
}

/// Who asks may read and write contents.
fn is_let_in(repository: &Repository, headers: &HeaderMap) -> bool {
    let basic = headers.get("authorization").and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let decoded = basic.and_then(|text| STANDARD.decode(text).ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    let Some(token) = decoded.as_deref().and_then(|text| text.strip_prefix("x-access-token:")) else { return false };
    let state = repository.state();
    token == TOKEN || state.app.takes(token) && state.app.may(token, "contents")
}

fn answer(repository: &Repository, method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Response<Body> {
    let let_in = is_let_in(repository, headers);
    let path = uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let status = if let_in { 200 } else { 401 };
    lock(&repository.script.asked).push(Asked { method: method.to_string(), path, status });
    if !let_in {
        return plain(401, "Repository not found");
    }
    if repository.state().renamed {
        let there = Response::builder().status(301).header("location", format!("https://github.com/acme/renamed.git{uri}"));
        return there.body(Body::empty()).unwrap_or_default();
    }
    backend(repository, method, uri, headers, body).unwrap_or_else(|error| plain(500, &error.to_string()))
}

fn backend(
    repository: &Repository,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: &Bytes,
) -> anyhow::Result<Response<Body>> {
    let bare = repository.state().pulls.git.clone();
    let rest = uri.path().strip_prefix(&format!("/{REPOSITORY}.git")).unwrap_or_default();
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let mut child = Command::new("git")
        .args(["-c", "safe.directory=*", "http-backend"])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_PROJECT_ROOT", &bare)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("REMOTE_USER", "crew")
        .env("REQUEST_METHOD", method.as_str())
        .env("PATH_INFO", rest)
        .env("QUERY_STRING", uri.query().unwrap_or_default())
        .env("CONTENT_TYPE", header("content-type"))
        .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
        .env("GIT_PROTOCOL", header("git-protocol"))
        .env("CONTENT_LENGTH", body.len().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        let body = body.clone();
        // It may end before it has read everything.
        std::thread::spawn(move || drop(stdin.write_all(&body)));
    }
    let output = child.wait_with_output()?.stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(output.len());
    let mut response = Response::builder();
    for line in String::from_utf8_lossy(output.get(..end).unwrap_or_default()).lines() {
        match line.split_once(": ") {
            Some(("Status", status)) => response = response.status(status.get(..3).unwrap_or("500")),
            Some((name, value)) => response = response.header(name, value),
            None => {}
        }
    }
    Ok(response.body(Body::from(output.get(end + 4..).unwrap_or_default().to_vec()))?)
}
