//! The server's life: take the port, serve, drain.

use crate::app::app;
use crate::auth::{Auth, AuthConfig, TokenCheck};
use crate::compat::legacy;
use crate::listen::{ListenError, listen};
use crate::measure::Measure;
use crate::openapi;
use crate::operations::Operations;
use crate::state::{AppState, MAX_STREAMS, Peer};
use crate::ui::Embedded;
use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use strawboss_engine::Engine;
use strawboss_engine::ports::{Clock, SystemClock};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt as _;

/// How many connections there may be; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 4096;
/// How long a client may take for a request's head, and be idle between requests.
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest request head, and what is buffered for a connection, in bytes.
const CONNECTION_BUFFER: usize = 64 * 1024;
/// How many bytes may lie unsent in the kernel for one connection: what a person types is not to queue behind more.
const UNSENT: u32 = 128 * 1024;
/// When a silent connection is asked whether it is alive.
const KEEPALIVE: Duration = Duration::from_mins(1);
/// How long to wait when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);
/// How often collected measurements are folded.
const UPKEEP: Duration = Duration::from_secs(30);

/// What the server needs to know.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the terminal service's own paths are served without sign-in; none: nowhere. On loopback only.
    pub legacy_listen: Option<SocketAddr>,
    /// How callers are known. There is no way to turn this off.
    pub auth: AuthConfig,
    /// How long requests and streams may take to end when the server is asked to stop; then they are cut off.
    pub drain: Duration,
}

/// A port, and what is served at it.
struct Place {
    listener: TcpListener,
    addr: SocketAddr,
    app: Router,
}

/// A server that has its port.
pub struct Server {
    main: Place,
    /// Nobody signs in there.
    legacy: Option<Place>,
    state: AppState,
    cut: CancellationToken,
    drain: Duration,
}

/// Why the server could not be made.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// The port.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// It would be open to everybody.
    #[error("`server.legacy_listen` is {0}, which others than this machine reach: nobody signs in there. Use 127.0.0.1 or [::1]")]
    LegacyNotLoopback(SocketAddr),
    /// A defect.
    #[error("the API's own description cannot be written: {0}")]
    Document(#[from] serde_json::Error),
}

impl Server {
    /// Takes the port.
    pub async fn bind(config: ServerConfig, engine: Engine, measure: Measure) -> Result<Self, BindError> {
        Self::bind_operated(config, engine, measure, Operations::default()).await
    }

    /// The same, for a service that somebody operates.
    pub async fn bind_operated(
        config: ServerConfig,
        engine: Engine,
        measure: Measure,
        operations: Operations,
    ) -> Result<Self, BindError> {
        let tokens: Arc<dyn TokenCheck> = Arc::new(engine.clone());
        Self::bind_with(config, engine, tokens, Arc::new(SystemClock), measure, operations).await
    }

    pub(crate) async fn bind_with(
        config: ServerConfig,
        engine: Engine,
        tokens: Arc<dyn TokenCheck>,
        clock: Arc<dyn Clock>,
        measure: Measure,
        operations: Operations,
    ) -> Result<Self, BindError> {
        if let Some(legacy) = config.legacy_listen.filter(|legacy| !legacy.ip().is_loopback()) {
            return Err(BindError::LegacyNotLoopback(legacy));
        }
        let (listener, addr) = bound(config.listen).await?;
        if !addr.ip().is_loopback() {
            tracing::warn!(%addr, "listening beyond this machine, without TLS: put a proxy with TLS in front, or use an SSH tunnel");
        }
        let cut = CancellationToken::new();
        let state = AppState {
            auth: Arc::new(Auth::new(&config.auth, addr, tokens, clock)),
            engine,
            measure,
            operations,
            openapi: openapi::openapi_json()?.into(),
            shutdown: CancellationToken::new(),
            cut: cut.clone(),
            tracker: TaskTracker::new(),
            streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        };
        let legacy = match config.legacy_listen {
            Some(wanted) => {
                let (listener, addr) = bound(wanted).await?;
                tracing::warn!(%addr, "serving the terminal service's paths without sign-in: every program of this machine may use them");
                Some(Place { listener, addr, app: legacy::app(state.clone(), addr) })
            }
            None => None,
        };
        let main = Place { listener, addr, app: app(state.clone(), Arc::new(Embedded)) };
        Ok(Self { main, legacy, state, cut, drain: config.drain })
    }

    /// Where it listens: the real port when 0 was asked for.
    pub fn local_addr(&self) -> SocketAddr {
        self.main.addr
    }

    /// Where it serves old clients without sign-in.
    pub fn legacy_addr(&self) -> Option<SocketAddr> {
        self.legacy.as_ref().map(|place| place.addr)
    }

    /// Serves until `shutdown`, then takes nothing new, lets requests end and streams say goodbye, and cuts off what
    /// has not ended after the drain time.
    pub async fn serve(self, shutdown: CancellationToken) {
        let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        let mut upkeep = tokio::time::interval(UPKEEP);
        tracing::info!(addr = %self.main.addr, "serving");
        loop {
            let legacy = async {
                match &self.legacy {
                    Some(place) => (place, accept(&place.listener, &places).await),
                    None => std::future::pending().await,
                }
            };
            let main = async { (&self.main, accept(&self.main.listener, &places).await) };
            let (at, accepted) = tokio::select! {
                biased;
                () = shutdown.cancelled() => break,
                _ = upkeep.tick() => {
                    self.state.measure.upkeep();
                    continue;
                }
                accepted = main => accepted,
                accepted = legacy => accepted,
            };
            match accepted {
                Ok((stream, addr, place)) => {
                    let life = connection(at.app.clone(), stream, addr, self.state.shutdown.clone());
                    let cut = self.cut.clone();
                    self.state.tracker.spawn(async move {
                        cut.run_until_cancelled(life).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        drop((self.main, self.legacy));
        self.state.shutdown.cancel();
        self.state.tracker.close();
        let open = self.state.tracker.len();
        tracing::info!(open, "draining");
        if tokio::time::timeout(self.drain, self.state.tracker.wait()).await.is_err() {
            tracing::warn!(open = self.state.tracker.len(), "cutting off what has not ended");
            self.cut.cancel();
        }
    }
}

async fn bound(wanted: SocketAddr) -> Result<(TcpListener, SocketAddr), ListenError> {
    let listener = listen(wanted).await?;
    let addr = listener.local_addr().map_err(|source| ListenError::Other { addr: wanted, source })?;
    Ok((listener, addr))
}

async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, SocketAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, addr) = listener.accept().await?;
    Ok((stream, addr, place))
}

fn tune(stream: &TcpStream) -> io::Result<()> {
    let socket = SockRef::from(stream);
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_keepalive(&TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 4))?;
    #[cfg(target_os = "linux")]
    socket.set_tcp_notsent_lowat(UNSENT)?;
    Ok(())
}

async fn connection(app: Router, stream: TcpStream, addr: SocketAddr, shutdown: CancellationToken) {
    if let Err(error) = tune(&stream) {
        tracing::debug!(%error, %addr, "a connection could not be tuned");
    }
    let service = service_fn(move |mut request: http::Request<Incoming>| {
        request.extensions_mut().insert(Peer { addr });
        app.clone().oneshot(request.map(Body::new))
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD_TIMEOUT).max_buf_size(CONNECTION_BUFFER);
    let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = &mut connection => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, %addr, "a connection broke");
    }
}
