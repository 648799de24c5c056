//! The project's mirror over HTTP: a sandbox fetches what its run may see and pushes its run's own refs.
//!
//! The `git` program does the work, but what a push may move is decided here, before git reads a byte of it.
//! Protocol version 2 is not spoken: its fetch hands out any object that is asked for by id, hidden or not, and its
//! one gain (filtered lists of refs) is nothing to a client that sees two or three refs.

mod commands;
mod pktline;
pub(crate) mod program;

use super::Door;
use super::reply::{DoorBody, DoorError, full, plain_error};
use crate::error::ApiError;
use bytes::{Bytes, BytesMut};
use commands::Push;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use program::Service;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::SandboxId;
use strawboss_engine::link::GitAccess;
use tokio::io::AsyncWriteExt;
use tokio::process::ChildStdin;
use tokio::sync::OwnedSemaphorePermit;
use tower::{ServiceExt, service_fn};
use tower_http::decompression::{DecompressionBody, RequestDecompression};

/// The mirror's path behind the door. It never names which: the door says that.
const PREFIX: &str = "/git/mirror.git";
/// How long a request waits while as many git programs work for its sandbox as may.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long listing the refs may take.
const LISTING: Duration = Duration::from_secs(30);
/// How long the list of refs may be, in bytes.
const MAX_LIST: u64 = 1 << 20;
/// How much a fetch may ask for: what it has and wants, in bytes.
const MAX_WANTS: u64 = 8 << 20;
/// What a push may send beside its pack, in bytes.
const PUSH_SLACK: u64 = 1 << 20;
/// How long a client may send nothing.
const SILENT: Duration = Duration::from_mins(5);

/// Answers `/git/…`.
///
/// Boxed where nothing is awaited yet: inside an async function the compiler cannot see that the decompressed body's
/// error outlives everything, and so not that the answer may move between threads.
pub(super) fn answer(door: Arc<Door>, request: Request<Incoming>) -> BoxFuture<'static, Response<DoorBody>> {
    let service = service_fn(move |request: Request<DecompressionBody<Incoming>>| -> BoxFuture<'static, _> {
        let door = Arc::clone(&door);
        let request = request.map(BodyExt::boxed_unsync);
        Box::pin(async move { Ok(route(&door, request).await.unwrap_or_else(|error| plain_error(&error))) })
    });
    let answered = RequestDecompression::new(service).oneshot(request);
    Box::pin(answered.map(|result: Result<_, Infallible>| match result {
        Ok(response) => response.map(BodyExt::boxed_unsync),
        Err(never) => match never {},
    }))
}

async fn route(door: &Door, request: Request<DoorBody>) -> Result<Response<DoorBody>, ApiError> {
    let path = request.uri().path().strip_prefix(PREFIX).unwrap_or_default();
    match (request.method(), path) {
        (&Method::GET, "/info/refs") => {
            let query = request.uri().query().unwrap_or_default();
            let service = query
                .strip_prefix("service=")
                .and_then(Service::from_word)
                .ok_or_else(|| ApiError::forbidden("only the smart protocol is spoken", "Use git 1.7 or later."))?;
            list(door, service).await
        }
        (&Method::POST, "/git-upload-pack") => fetch(door, request).await,
        (&Method::POST, "/git-receive-pack") => push(door, request).await,
        _ => Err(ApiError::not_found(
            "there is no such repository behind the door",
            Some(format!("The run's repository is at {PREFIX}.")),
        )),
    }
}

async fn place(door: &Door) -> Result<OwnedSemaphorePermit, ApiError> {
    let waiting = Arc::clone(&door.git).acquire_owned();
    match tokio::time::timeout(PATIENCE, waiting).await {
        Ok(Ok(permit)) => Ok(permit),
        _ => Err(ApiError::unavailable("too many git programs work for this sandbox", "Wait until a fetch or push has ended.")),
    }
}

fn access(door: &Door) -> Result<GitAccess, ApiError> {
    Ok(door.context.host.git(&door.sandbox)?)
}

fn of_type(kind: &str, body: DoorBody) -> Response<DoorBody> {
    let mut response = Response::new(body);
    if let Ok(kind) = HeaderValue::from_str(kind) {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, max-age=0, must-revalidate"));
    response
}

async fn list(door: &Door, service: Service) -> Result<Response<DoorBody>, ApiError> {
    let access = access(door)?;
    let _permit = place(door).await?;
    let listing = door.context.git.advertise(service, &access, MAX_LIST);
    let refs = match tokio::time::timeout(LISTING, listing).await {
        Ok(refs) => refs.map_err(|error| failed(&door.sandbox, &error))?,
        Err(_) => return Err(ApiError::unavailable("the repository's refs could not be listed in time", "Try again.")),
    };
    let mut out = Vec::with_capacity(refs.len() + 64);
    pktline::write(&mut out, format!("# service={}\n", service.word()).as_bytes());
    pktline::flush(&mut out);
    out.extend(refs);
    Ok(of_type(&format!("application/x-{}-advertisement", service.word()), full(out)))
}

fn failed(sandbox: &SandboxId, error: &std::io::Error) -> ApiError {
    ApiError::internal(&format!("git for {sandbox}: {error}"))
}

fn demand_type(headers: &HeaderMap, service: Service) -> Result<(), ApiError> {
    let right = format!("application/x-{}-request", service.word());
    if headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes() == right.as_bytes()) {
        return Ok(());
    }
    let message = format!("the request is not of the type {right}");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "invalid", message, Some("Let git make it.".to_owned())))
}

/// The client's bytes, a piece at a time, in bounded time and number.
struct Upload {
    body: DoorBody,
    left: u64,
}

impl Upload {
    fn new(body: DoorBody, limit: u64) -> Self {
        Self { body, left: limit }
    }

    /// The next piece; none at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, DoorError> {
        loop {
            let frame = tokio::time::timeout(SILENT, self.body.frame()).await.map_err(|_| "the client fell silent")?;
            let Some(frame) = frame else { return Ok(None) };
            let Ok(data) = frame?.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            self.left = self.left.checked_sub(data.len() as u64).ok_or("the client sent more than it may")?;
            return Ok(Some(data));
        }
    }

    /// Reads what is left and forgets it: a client that is cut off while it sends does not see why.
    async fn drain(&mut self) {
        while let Ok(Some(_)) = self.next().await {}
    }

    /// Gives git first what was read already and then the rest. Leaves git without an end of input only by ending it:
    /// what was cut short is short, and git notices.
    async fn feed(mut self, head: Bytes, mut git: ChildStdin) {
        if git.write_all(&head).await.is_ok() {
            loop {
                match self.next().await {
                    Ok(Some(piece)) => {
                        if git.write_all(&piece).await.is_err() {
                            break;
                        }
                    }
                    Ok(None) => {
                        let _ = git.shutdown().await;
                        return;
                    }
                    Err(error) => {
                        tracing::debug!(%error, "what a client sent to git ended early");
                        return;
                    }
                }
            }
        }
        // Git wants no more, and is saying why.
        drop(git);
        self.drain().await;
    }
}

fn serve(
    door: &Door,
    service: Service,
    access: &GitAccess,
    permit: OwnedSemaphorePermit,
    head: Bytes,
    upload: Upload,
) -> Result<Response<DoorBody>, ApiError> {
    let (stdin, serving) = door.context.git.serve(service, access).map_err(|error| failed(&door.sandbox, &error))?;
    let feeder = tokio::spawn(upload.feed(head, stdin));
    let answer = serving.answer(door.sandbox.clone(), feeder, permit, door.context.tracker.clone());
    let body = StreamBody::new(answer.map(|piece| piece.map(Frame::data).map_err(DoorError::from))).boxed_unsync();
    Ok(of_type(&format!("application/x-{}-result", service.word()), body))
}

async fn fetch(door: &Door, request: Request<DoorBody>) -> Result<Response<DoorBody>, ApiError> {
    demand_type(request.headers(), Service::UploadPack)?;
    let access = access(door)?;
    let permit = place(door).await?;
    serve(door, Service::UploadPack, &access, permit, Bytes::new(), Upload::new(request.into_body(), MAX_WANTS))
}

async fn push(door: &Door, request: Request<DoorBody>) -> Result<Response<DoorBody>, ApiError> {
    demand_type(request.headers(), Service::ReceivePack)?;
    let access = access(door)?;
    let permit = place(door).await?;
    let mut upload = Upload::new(request.into_body(), access.max_pack_bytes.saturating_mul(2).saturating_add(PUSH_SLACK));
    let mut head = BytesMut::new();
    let (push, length) = loop {
        match Push::read(&head) {
            Ok(Some(found)) => break found,
            Ok(None) => {}
            Err(error) => {
                return Err(ApiError::invalid(error.to_string(), "Push the run's own branch, one or two refs at a time."));
            }
        }
        match upload.next().await {
            Ok(Some(piece)) => head.extend_from_slice(&piece),
            Ok(None) | Err(_) => return Err(ApiError::invalid("the push was cut short", "Push again.")),
        }
    };
    let result = || of_type(&format!("application/x-{}-result", Service::ReceivePack.word()), full(Bytes::new()));
    if push.commands.is_empty() {
        // Git asks so whether it may push at all before it sends a large pack.
        upload.drain().await;
        return Ok(result());
    }
    if let Some(reason) = push.refusal(&access.writable) {
        let refs: Vec<&str> = push.commands.iter().map(|command| command.reference.as_str()).collect();
        tracing::warn!(sandbox.id = %door.sandbox, ?refs, reason, "a push was refused");
        upload.drain().await;
        let mut response = result();
        *response.body_mut() = full(push.refused(&reason));
        return Ok(response);
    }
    let mut checked = BytesMut::from(push.write().as_slice());
    checked.extend_from_slice(head.get(length..).unwrap_or_default());
    serve(door, Service::ReceivePack, &access, permit, checked.freeze(), upload)
}
