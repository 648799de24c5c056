//! The line to the engine: one connection a request, and the questions about an object that come before a call.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::future::Future as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::AbortHandle;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// What an engine that is well answers in milliseconds.
const QUICK: Duration = Duration::from_secs(25);
/// An inspection of a container with a thousand variables is far below.
const ANSWER_MAX: usize = 8 << 20;

/// A body was cut short.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CutShort {
    #[error(transparent)]
    Line(#[from] hyper::Error),
    #[error("the proxy ends")]
    Stopped,
}

/// What travels either way.
pub(crate) type AnyBody = UnsyncBoxBody<Bytes, CutShort>;

pub(crate) fn full(bytes: impl Into<Bytes>) -> AnyBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// The engine did not answer.
#[derive(Debug, thiserror::Error)]
#[error("the Docker engine at {} does not answer: {why}", socket.display())]
pub(crate) struct Away {
    socket: PathBuf,
    why: String,
}

/// What an object's inspection says, as far as it matters here.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FoundContainer {
    pub(crate) id: String,
    config: FoundConfig,
    pub(crate) state: FoundState,
    #[serde(default)]
    pub(crate) mounts: Option<Vec<FoundMount>>,
}

impl FoundContainer {
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(key).map(String::as_str)
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct FoundConfig {
    labels: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FoundState {
    pub(crate) status: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FoundMount {
    #[serde(rename = "Type")]
    pub(crate) kind: String,
    pub(crate) destination: String,
    #[serde(rename = "RW")]
    pub(crate) writable: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct FoundVolume {
    pub(crate) driver: String,
    pub(crate) mountpoint: String,
    pub(crate) labels: Option<BTreeMap<String, String>>,
    pub(crate) options: Option<BTreeMap<String, String>>,
}

/// An inspection: what was found, and the engine's own words; or its answer, when that is not 200.
#[derive(Debug)]
pub(crate) enum Inspected<T> {
    Found(T, Bytes),
    Answered(StatusCode, Bytes),
}

#[derive(Debug, Clone)]
pub(crate) struct Engine {
    socket: PathBuf,
    orphaned: CancellationToken,
}

impl Engine {
    pub(crate) fn new(socket: PathBuf) -> Self {
        Self { socket, orphaned: CancellationToken::new() }
    }

    /// Returns once nothing can ever answer at the socket again. An engine that starts makes its socket's file anew; where the file
    /// was mounted, the old one stays in its place, until it is mounted again.
    pub(crate) async fn orphaned(&self) {
        self.orphaned.cancelled().await;
    }

    async fn dial(&self) -> Result<UnixStream, Away> {
        let connect = tokio::time::timeout(QUICK, UnixStream::connect(&self.socket));
        let error = match connect.await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => error,
            Err(late) => return Err(self.away(late)),
        };
        let unlinked = std::fs::metadata(&self.socket).is_ok_and(|found| found.nlink() == 0);
        if unlinked && error.kind() == std::io::ErrorKind::ConnectionRefused {
            self.orphaned.cancel();
        }
        Err(self.away(error))
    }

    fn away(&self, why: impl std::fmt::Display) -> Away {
        Away { socket: self.socket.clone(), why: why.to_string() }
    }

    /// Sends a request; its path is the engine's own. Dropping the answer's body ends the connection.
    pub(crate) async fn send(&self, mut request: Request<AnyBody>) -> Result<Response<AnyBody>, Away> {
        let stream = self.dial().await?;
        request.headers_mut().insert(http::header::HOST, http::HeaderValue::from_static("docker"));
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|error| self.away(error))?;
        let line = Line(tokio::spawn(async move { drop(connection.await) }).abort_handle());
        let response = sender.send_request(request).await.map_err(|error| self.away(error))?;
        Ok(response.map(|body| OnLine { body, _line: line, _sender: sender }.boxed_unsync()))
    }

    async fn ask(&self, path: &str) -> Result<(StatusCode, Bytes), Away> {
        let request = Request::get(path).body(full(Bytes::new())).map_err(|error| self.away(error))?;
        let asked = async {
            let response = self.send(request).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await.map_err(|error| self.away(error))?;
            Ok((status, body.to_bytes()))
        };
        tokio::time::timeout(QUICK, asked).await.map_err(|error| self.away(error))?
    }

    async fn inspect<T: DeserializeOwned>(&self, path: &str) -> Result<Inspected<T>, Away> {
        let (status, bytes) = self.ask(path).await?;
        if status != StatusCode::OK {
            return Ok(Inspected::Answered(status, bytes));
        }
        let found =
            serde_json::from_slice(&bytes).map_err(|error| self.away(format_args!("it says what cannot be read: {error}")))?;
        Ok(Inspected::Found(found, bytes))
    }

    /// `id` is a name or id that was judged to be one.
    pub(crate) async fn container(&self, version: &str, id: &str) -> Result<Inspected<FoundContainer>, Away> {
        self.inspect(&format!("{version}/containers/{id}/json")).await
    }

    pub(crate) async fn volume(&self, version: &str, name: &str) -> Result<Inspected<FoundVolume>, Away> {
        self.inspect(&format!("{version}/volumes/{name}")).await
    }
}

/// Ends a connection's task with the last one who needs it.
struct Line(AbortHandle);

impl Drop for Line {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// An answer's body, with the connection that it comes by.
struct OnLine {
    body: Incoming,
    _line: Line,
    _sender: hyper::client::conn::http1::SendRequest<AnyBody>,
}

impl Body for OnLine {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        Pin::new(&mut self.body).poll_frame(cx).map_err(CutShort::Line)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// An answer that may take as long as a sandbox lives: cut, not ended, when the proxy ends, so that who waits asks again.
pub(crate) struct UntilStopped {
    body: AnyBody,
    stopped: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl UntilStopped {
    pub(crate) fn new(body: AnyBody, stop: CancellationToken) -> Self {
        Self { body, stopped: Box::pin(stop.cancelled_owned()) }
    }
}

impl Body for UntilStopped {
    type Data = Bytes;
    type Error = CutShort;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, CutShort>>> {
        if self.stopped.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Some(Err(CutShort::Stopped)));
        }
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
