//! The one holder of the Docker engine's socket: it passes the calls that the runner makes, in the shapes that the
//! runner makes them, on objects of one installation, and nothing else.
//!
//! It trusts neither the control plane nor what the control plane was told. A request is taken apart, judged, and put
//! together anew: the engine never reads a byte that was not understood here. docs/deploy/docker-proxy.md has the rules.
//! It starts nothing of its own and keeps no state but the folder of doors.

mod call;
mod doors;
mod engine;
mod installation;
mod json;
mod judge;
mod listen;
mod pass;
mod refusal;

pub use listen::SocketFile;

use bytes::Bytes;
use doors::Doors;
use engine::Engine;
use http::{Request, StatusCode};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use installation::Installation;
use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Between two requests on a connection, and for the head of one. Longer than clients keep an idle connection, so that
/// none is closed in the moment of its use.
const HEAD_LIMIT: Duration = Duration::from_mins(5);
/// Headers of one request; the engine's client sends five.
const HEADERS_MAX: usize = 32;
/// The head of one request, in bytes: the longest filter is far below.
const HEAD_MAX: usize = 16 * 1024;
/// Connections at a time: each sandbox has one that waits for its end. Each takes two descriptors and a few kilobytes.
const CONNECTIONS_MAX: usize = 4096;
/// How long requests may go on after the end was asked for: most of an upload. Waits for a sandbox's end are cut at once.
const DRAIN: Duration = Duration::from_secs(5);
/// When the process has no descriptor left.
const AGAIN: Duration = Duration::from_millis(100);
/// How long a proxy stays that can never reach its engine again. An engine that starts after it was killed ends what outlived
/// it, unless it restores what lives; it starts again what it ended, and may forget what ended by itself just then.
const ORPHANED: Duration = Duration::from_secs(15);
const HEALTH_LIMIT: Duration = Duration::from_secs(4);

/// Where doors are.
#[derive(Debug, Clone)]
pub struct DoorsConfig {
    /// The folder as this program sees it. Nobody but this program's user may write it.
    pub folder: PathBuf,
    /// The volume that is mounted there, when the engine knows the folder by its mountpoint; none: by the same path.
    pub volume: Option<String>,
    /// The control plane's user and group, which make the doors.
    pub uid: Option<u32>,
    /// See `uid`.
    pub gid: Option<u32>,
}

/// What a proxy is told at its start.
#[derive(Debug, Clone)]
pub struct Config {
    /// The engine's socket.
    pub engine: PathBuf,
    /// The socket to listen on.
    pub listen: PathBuf,
    /// Who may use it.
    pub socket: SocketFile,
    /// Whose objects pass; none: the first that comes, from then on.
    pub installation: Option<String>,
    /// What may be bound; none: nothing.
    pub doors: Option<DoorsConfig>,
}

/// The engine made its socket's file anew, and the one that this program was given is not that one.
#[derive(Debug, thiserror::Error)]
#[error("the engine's socket was replaced by another one, which is not in its place here")]
pub struct Orphaned;

/// A proxy that listens.
pub struct Proxy {
    listener: UnixListener,
    shared: Arc<Shared>,
}

/// What every connection needs.
struct Shared {
    engine: Engine,
    installation: Installation,
    doors: Option<Doors>,
    doors_volume: Option<String>,
    /// What may last as long as a sandbox is cut.
    stop: CancellationToken,
}

impl Proxy {
    /// Prepares the folder of doors and listens. Needs a tokio runtime.
    pub fn bind(config: Config) -> io::Result<Self> {
        let files = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        // Some engines give their containers 1024 of many. Where it stays so, connections wait for one that ends.
        let most = rustix::process::Rlimit { current: files.maximum, maximum: files.maximum };
        if let Err(error) = rustix::process::setrlimit(rustix::process::Resource::Nofile, most) {
            tracing::warn!(files.limit = files.current, error.message = %error, "the limit of open files stays as it is");
        }
        let volume = config.doors.as_ref().and_then(|doors| doors.volume.clone());
        if let Some(name) = volume.as_deref().filter(|name| !call::is_object(name)) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is no volume's name", refusal::quoted(name))));
        }
        let doors = config.doors.map(|doors| Doors::prepare(&doors.folder, doors.uid, doors.gid)).transpose()?;
        let file = doors.as_ref().map(|doors| doors.folder().join("installation"));
        let installation = Installation::new(config.installation, file)?;
        let listener = listen::bind(&config.listen, config.socket)?;
        let shared = Shared {
            engine: Engine::new(config.engine),
            installation,
            doors,
            doors_volume: volume,
            stop: CancellationToken::new(),
        };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// Serves until `stop`, or until the engine can never be reached again; then lets requests end for a few seconds.
    pub async fn serve(self, stop: CancellationToken) -> Result<(), Orphaned> {
        let stop = stop.child_token();
        let connections = TaskTracker::new();
        let cut = CancellationToken::new();
        let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let orphaned = async {
            self.shared.engine.orphaned().await;
            tokio::time::sleep(ORPHANED).await;
        };
        tokio::pin!(orphaned);
        let ended = loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break Ok(()),
                () = &mut orphaned => break Err(Orphaned),
                accepted = async {
                    let permit = Arc::clone(&permits).acquire_owned().await;
                    (self.listener.accept().await, permit)
                } => accepted,
            };
            match accepted {
                (Ok((stream, _)), Ok(permit)) => {
                    let (shared, stop, cut) = (Arc::clone(&self.shared), stop.clone(), cut.clone());
                    connections.spawn(async move {
                        tokio::select! {
                            () = cut.cancelled() => {}
                            () = connection(stream, shared, stop) => {}
                        }
                        drop(permit);
                    });
                }
                (Err(error), _) => {
                    tracing::warn!(error.message = %error, "a connection could not be taken");
                    tokio::time::sleep(AGAIN).await;
                }
                // The semaphore is never closed.
                (Ok(_), Err(_)) => break Ok(()),
            }
        };
        stop.cancel();
        drop(self.listener);
        self.shared.stop.cancel();
        connections.close();
        if tokio::time::timeout(DRAIN, connections.wait()).await.is_err() {
            tracing::info!(connections.open = connections.len(), "cutting what still waits");
            cut.cancel();
            connections.wait().await;
        }
        ended
    }
}

async fn connection(stream: tokio::net::UnixStream, shared: Arc<Shared>, stop: CancellationToken) {
    let service = service_fn(move |request: Request<Incoming>| {
        let shared = Arc::clone(&shared);
        async move { Ok::<_, Infallible>(pass::answer(&shared, request).await) }
    });
    let serving = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_LIMIT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    tokio::pin!(serving);
    let ended = tokio::select! {
        ended = serving.as_mut() => ended,
        () = stop.cancelled() => {
            serving.as_mut().graceful_shutdown();
            serving.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(error.message = %error, "a connection ended early");
    }
}

/// Asks the engine, through the proxy that listens on `socket`, whether it is there.
pub async fn health(socket: &Path) -> Result<(), String> {
    let request = Request::get("/_ping").body(engine::full(Bytes::new())).map_err(|error| error.to_string())?;
    let proxy = Engine::new(socket.to_owned());
    let asked = tokio::time::timeout(HEALTH_LIMIT, proxy.send(request));
    match asked.await {
        Ok(Ok(response)) if response.status() == StatusCode::OK => Ok(()),
        Ok(Ok(response)) => Err(format!("the proxy at {} answers {}", socket.display(), response.status())),
        Ok(Err(_)) => Err(format!("nothing answers at {}", socket.display())),
        Err(_) => Err(format!("no answer at {} within {} s", socket.display(), HEALTH_LIMIT.as_secs())),
    }
}
