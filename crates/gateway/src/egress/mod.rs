//! The way to hosts that a project allows: an HTTP proxy, by CONNECT and by absolute-form requests (which is how apt asks).
//!
//! Names are resolved here, once, and what is connected to is an address that was checked; what leads inward is refused
//! whatever the name said. This must not look into a tunnel, keep an answer, or reach anything on its own account.

mod address;
mod dial;
mod net;
mod policy;
mod probes;
mod relay;
mod target;

pub use address::{Inward, inward};
pub use dial::DialError;
pub use net::{HostNet, SystemNet};
pub use policy::{NetworkPolicy, PRESETS, PolicyError, Verdict};
pub(crate) use probes::is_probe_path;
pub use target::{Host, Target, TargetError};

use crate::body::{Body, Guarded, empty};
use crate::caller::Caller;
use crate::headers::strip_hop;
use crate::outbound::Outbound;
use crate::reply::plain;
use dial::dial;
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::sync::Arc;
use std::time::Duration;
use strawboss_core::meter::Meter;
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

/// Until a name is resolved, and until a connection stands.
const CONNECT: Duration = Duration::from_secs(10);
/// As much of what was asked for is told to the meter.
const MAX_TARGET: usize = 280;

/// What the proxy works with.
pub struct EgressConfig {
    /// Names and connections; [`SystemNet`] but in tests.
    pub net: Arc<dyn HostNet>,
    /// This host's way out.
    pub outbound: Outbound,
    /// Who hears what was refused.
    pub meter: Arc<dyn Meter>,
    /// Until a name is resolved, and until a connection stands.
    pub connect: Duration,
    /// Until a connection on which nothing moves is cut.
    pub idle: Duration,
}

impl EgressConfig {
    /// With the host's own names and way out, 10 s to connect and 10 min of silence.
    pub fn new(meter: Arc<dyn Meter>) -> Self {
        Self {
            net: Arc::new(SystemNet::new()),
            outbound: Outbound::from_env(),
            meter,
            connect: CONNECT,
            idle: Duration::from_mins(10),
        }
    }
}

/// Lets sandboxes reach allowed hosts.
pub struct Egress {
    config: EgressConfig,
    tunnels: TaskTracker,
}

impl Egress {
    /// A proxy.
    pub fn new(config: EgressConfig) -> Self {
        Self { config, tunnels: TaskTracker::new() }
    }

    /// Whether a request is for the proxy: CONNECT, or one whose target is a whole URL.
    pub fn serves<B>(request: &Request<B>) -> bool {
        request.method() == Method::CONNECT || request.uri().scheme().is_some()
    }

    /// Waits until every tunnel has ended; call [`Caller::close`] on each sandbox first.
    pub async fn drained(&self) {
        self.tunnels.close();
        self.tunnels.wait().await;
    }

    /// Answers one request of a sandbox. The connection that it came on must be served with upgrades.
    pub async fn handle(&self, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
        let tunnelled = request.method() == Method::CONNECT;
        let target = match target(request.uri(), tunnelled) {
            Ok(target) => target,
            Err(problem) => return self.odd(caller, request.uri(), &problem),
        };
        let verdict = caller.rules().network.verdict(&target);
        if verdict == Verdict::Refused {
            return self.refuse(caller, &target, &not_allowed(caller, &target));
        }
        let Some(permit) = caller.admit_tunnel() else {
            return plain(
                StatusCode::SERVICE_UNAVAILABLE,
                "Strawboss: this sandbox has as many connections open as it may; close some and try again.",
            );
        };
        let config = &self.config;
        let internal = verdict == Verdict::Internal;
        let stream = match dial(&*config.net, &config.outbound, config.connect, &target, internal, tunnelled).await {
            Ok(stream) => stream,
            Err(DialError::Inward { address, why, .. }) => {
                let reason = format!(
                    "`{target}` leads to {address}: {why}; if it is a mirror of yours, name it under network.internal in strawboss.yaml"
                );
                return self.refuse(caller, &target, &reason);
            }
            Err(error @ (DialError::Unresolved(..) | DialError::Unreachable(..))) => {
                return plain(StatusCode::BAD_GATEWAY, &format!("Strawboss: {error}."));
            }
        };
        if tunnelled {
            self.tunnel(caller, request, target, stream, permit)
        } else {
            self.forward(request, &target, stream, permit).await
        }
    }

    fn refuse(&self, caller: &Caller, target: &Target, reason: &str) -> Response<Body> {
        let probe = probes::is_probe_host(&target.host);
        self.config.meter.refused(caller.sandbox(), &target.to_string(), reason, probe, crate::clock::now());
        tracing::debug!(sandbox.id = %caller.sandbox(), egress.target = %target, egress.probe = probe, "refused");
        plain(StatusCode::FORBIDDEN, &format!("Strawboss: {reason}."))
    }

    fn odd(&self, caller: &Caller, uri: &Uri, problem: &str) -> Response<Body> {
        // Only the host: a path or query may hold what nobody should read.
        let asked: String = uri
            .authority()
            .map_or("", http::uri::Authority::as_str)
            .chars()
            .map(|c| if c.is_ascii_graphic() { c } else { '?' })
            .take(MAX_TARGET)
            .collect();
        // A password before the `@` is no part of the target either.
        let asked = asked.rsplit_once('@').map_or(asked.as_str(), |(_, host)| host);
        self.config.meter.refused(caller.sandbox(), asked, problem, false, crate::clock::now());
        plain(StatusCode::BAD_REQUEST, &format!("Strawboss: `{asked}` cannot be asked for: {problem}."))
    }

    fn tunnel(
        &self,
        caller: &Caller,
        request: Request<Incoming>,
        target: Target,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
    ) -> Response<Body> {
        let caller = caller.clone();
        let idle = self.config.idle;
        self.tunnels.spawn(async move {
            let _permit = permit;
            let upgraded = tokio::select! {
                upgraded = hyper::upgrade::on(request) => upgraded,
                () = caller.closed().cancelled() => return,
            };
            // An error means that the sandbox hung up before it heard the answer.
            let Ok(upgraded) = upgraded else { return };
            let passed = relay::relay(TokioIo::new(upgraded), stream, idle, caller.closed()).await;
            tracing::debug!(
                sandbox.id = %caller.sandbox(),
                egress.target = %target,
                egress.bytes_up = passed.up,
                egress.bytes_down = passed.down,
                egress.end = ?passed.end,
                "tunnel ended"
            );
        });
        Response::new(empty())
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        target: &Target,
        stream: TcpStream,
        permit: OwnedSemaphorePermit,
    ) -> Response<Body> {
        let failed = |error: &dyn std::fmt::Display| {
            plain(StatusCode::BAD_GATEWAY, &format!("Strawboss: {target} did not answer as HTTP: {error}."))
        };
        let (mut sender, connection) = match hyper::client::conn::http1::handshake(TokioIo::new(stream)).await {
            Ok(pair) => pair,
            Err(error) => return failed(&error),
        };
        // Ends with the answer's body: dropping that, or `sender` without an answer, ends the connection.
        self.tunnels.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "forwarded connection ended");
            }
        });
        let Some(request) = origin_form(request, target) else {
            return plain(StatusCode::BAD_REQUEST, "Strawboss: the request's path cannot be read.");
        };
        match tokio::time::timeout(self.config.idle, sender.send_request(request)).await {
            Ok(Ok(response)) => {
                let (mut parts, body) = response.into_parts();
                if parts.status.is_informational() {
                    return failed(&"it wants another protocol");
                }
                strip_hop(&mut parts.headers);
                Response::from_parts(parts, Guarded::new(body, self.config.idle, permit).boxed_unsync())
            }
            Ok(Err(error)) => failed(&error),
            Err(_) => plain(
                StatusCode::GATEWAY_TIMEOUT,
                &format!("Strawboss: {target} did not begin to answer within {} s.", self.config.idle.as_secs()),
            ),
        }
    }
}

/// Whether a sandbox under this policy could connect to an allowed host from here. Nothing is sent, and nobody is told.
pub async fn reach(policy: &NetworkPolicy, target: &Target) -> Result<(), DialError> {
    let internal = policy.verdict(target) == Verdict::Internal;
    let https = target.port != 80;
    dial(&SystemNet::new(), &Outbound::from_env(), CONNECT, target, internal, https).await.map(drop)
}

/// What a request asks for.
fn target(uri: &Uri, tunnelled: bool) -> Result<Target, String> {
    let authority = uri.authority().ok_or("it names no host")?;
    if !tunnelled && uri.scheme_str() != Some("http") {
        return Err("only http:// URLs can be asked for in one piece; https needs CONNECT".to_owned());
    }
    let default_port = if tunnelled { None } else { Some(80) };
    Target::parse(authority.as_str(), default_port).map_err(|error| error.to_string())
}

fn not_allowed(caller: &Caller, target: &Target) -> String {
    let network = &caller.rules().network;
    if network.knows_host(&target.host) {
        format!(
            "`{}` is allowed for this project, but not on port {}; to allow that, add `{target}` to network.allow in strawboss.yaml",
            target.host, target.port
        )
    } else {
        format!(
            "`{}` is not among the hosts that this project may reach ({network}); to allow it, add it to network.allow in strawboss.yaml",
            target.host
        )
    }
}

/// The request as the host itself expects it: path only, one Host header, nothing that was meant for a proxy.
fn origin_form(request: Request<Incoming>, target: &Target) -> Option<Request<Incoming>> {
    let (mut parts, body) = request.into_parts();
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    parts.uri = path.parse().ok()?;
    parts.version = http::Version::HTTP_11;
    strip_hop(&mut parts.headers);
    let host = if target.port == 80 { target.host.to_string() } else { target.to_string() };
    parts.headers.insert(header::HOST, HeaderValue::from_str(&host).ok()?);
    parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    parts.extensions.clear();
    Some(Request::from_parts(parts, body))
}
