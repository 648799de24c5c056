//! The model API as a sandbox sees it: `/gateway/<api>/v1/…`, answered by the provider that its run is configured for.
//!
//! The credential that the sandbox sends is a dummy; it is dropped and the host's own is put in, in the one header meant
//! for it. Everything else passes. Bodies are streamed both ways and never kept; what an answer used is read in passing.
//! This must not: parse a request, change a model's name, follow a redirect, retry, or say to a sandbox where or as whom
//! it was connected.

mod answer;
mod count;
mod limited;
mod price;
mod provider;
mod secret;
mod upload;
mod usage;

pub use price::{Price, Prices};
pub use provider::{Auth, ConfigError, DEFAULT_PATHS, Provider};
pub use secret::{Secret, SecretError};

use crate::body::Body;
use crate::caller::Caller;
use crate::headers::strip_hop;
use crate::outbound::{Connector, Outbound};
use crate::reply::api_error;
use answer::{Answer, Ticket};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{ConfigBuilderExt, HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use strawboss_core::meter::Meter;
use upload::{Progress, Upload};
use usage::Scan;

/// An error's text is a page at most; what is longer is no error message.
const MAX_ERROR_BODY: usize = 256 * 1024;

/// Bounds on one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProxyLimits {
    /// The largest request, in bytes.
    pub max_body: u64,
    /// Until a connection to the provider stands.
    pub connect: Duration,
    /// Until the provider begins to answer; a long thought without streaming takes minutes.
    pub head: Duration,
    /// Between two pieces of an answer; providers send pings.
    pub idle: Duration,
}

impl Default for ProxyLimits {
    fn default() -> Self {
        Self {
            max_body: 64 * 1024 * 1024,
            connect: Duration::from_secs(10),
            head: Duration::from_mins(10),
            idle: Duration::from_mins(5),
        }
    }
}

/// What the proxy works with.
pub struct ProxyConfig {
    /// Every configured provider.
    pub providers: Vec<Provider>,
    /// What tokens cost.
    pub prices: Prices,
    /// Bounds on one request.
    pub limits: ProxyLimits,
    /// This host's way out.
    pub outbound: Outbound,
    /// Who hears what was used and refused.
    pub meter: Arc<dyn Meter>,
    /// Root certificates for https; none: this machine's.
    pub roots: Option<rustls::RootCertStore>,
}

/// Lets sandboxes ask models.
pub struct ModelProxy {
    providers: HashMap<String, (Arc<Provider>, Arc<str>)>,
    prices: Arc<Prices>,
    limits: ProxyLimits,
    meter: Arc<dyn Meter>,
    client: Client<HttpsConnector<Connector>, Upload>,
}

/// Where a request of a sandbox goes.
struct Way<'a> {
    provider: &'a Arc<Provider>,
    name: &'a Arc<str>,
    uri: http::Uri,
}

impl ModelProxy {
    /// Checks what it is configured with; connects to nothing yet.
    pub fn new(config: ProxyConfig) -> Result<Self, ConfigError> {
        let mut providers = HashMap::new();
        let mut https = false;
        for provider in config.providers {
            https |= provider.scheme == http::uri::Scheme::HTTPS;
            let name: Arc<str> = provider.name.as_str().into();
            if providers.insert(provider.name.clone(), (Arc::new(provider), Arc::clone(&name))).is_some() {
                return Err(ConfigError::Twice(name.as_ref().to_owned()));
            }
        }
        let tls = tls(config.roots, https)?;
        let connector = Connector { outbound: config.outbound, connect_timeout: config.limits.connect };
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_mins(1))
            .pool_max_idle_per_host(64)
            .http1_max_buf_size(128 * 1024)
            .set_host(false)
            .build(HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http().enable_http1().wrap_connector(connector));
        Ok(Self { providers, prices: Arc::new(config.prices), limits: config.limits, meter: config.meter, client })
    }

    /// Whether this path is ours.
    pub fn serves(path: &str) -> bool {
        path.starts_with("/gateway/")
    }

    /// Answers one request of a sandbox. Dropping the future, or the answer's body, cancels the request at the provider.
    pub async fn handle(&self, caller: &Caller, request: Request<Incoming>) -> Response<Body> {
        let way = match self.way(caller, &request) {
            Ok(way) => way,
            Err(refused) => return *refused,
        };
        if request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| self.is_too_long(length)) {
            return self.too_big();
        }
        let Some(permit) = caller.admit_request().await else {
            let mut response = api_error(
                StatusCode::TOO_MANY_REQUESTS,
                "rate_limit_error",
                "Strawboss: this sandbox has too many model requests waiting; try again when some are answered.",
            );
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            return response;
        };

        let provider = way.provider;
        let (parts, body) = request.into_parts();
        let (body, progress) = Upload::new(body, self.limits.max_body);
        let mut upstream = Request::new(body);
        *upstream.method_mut() = parts.method;
        *upstream.uri_mut() = way.uri;
        *upstream.headers_mut() = parts.headers;
        outgoing(upstream.headers_mut(), provider);

        let mut ticket = Ticket {
            meter: Arc::clone(&self.meter),
            prices: Arc::clone(&self.prices),
            sandbox: caller.sandbox().clone(),
            provider: Arc::clone(way.name),
            upload: Arc::clone(&progress),
            started: Instant::now(),
            status: None,
            scan: Scan::Blind(usage::Found::default()),
            received: 0,
            span: tracing::Span::current(),
            _permit: permit,
        };
        let response = match tokio::time::timeout(self.limits.head, self.client.request(upstream)).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return self.failed(&error, &progress, provider),
            Err(_) => {
                return api_error(
                    StatusCode::GATEWAY_TIMEOUT,
                    "timeout_error",
                    &format!(
                        "Strawboss: the provider `{}` did not begin to answer within {} s.",
                        provider.name,
                        self.limits.head.as_secs()
                    ),
                );
            }
        };

        let (mut parts, body) = response.into_parts();
        ticket.status = Some(parts.status.as_u16());
        if parts.status == StatusCode::TOO_MANY_REQUESTS {
            let now = crate::clock::now();
            self.meter.limited(caller.sandbox(), limited::until(&parts.headers, now));
        }
        incoming(&mut parts.headers, provider);
        if parts.status.is_informational() {
            return Self::odd(provider);
        }
        if !parts.status.is_success() {
            return self.error_answer(parts, body, provider, ticket).await;
        }
        ticket.scan = Scan::for_headers(&parts.headers);
        let body = Answer::new(body, ticket, self.limits.idle).boxed_unsync();
        Response::from_parts(parts, body)
    }

    /// Decides where a request may go, or how it is refused.
    fn way(&self, caller: &Caller, request: &Request<Incoming>) -> Result<Way<'_>, Box<Response<Body>>> {
        let path = request.uri().path();
        let not_found = |message: &str| Box::new(api_error(StatusCode::NOT_FOUND, "not_found_error", message));
        let Some((api, rest)) = provider::split(path).filter(|_| provider::is_plain(path)) else {
            return Err(not_found(
                "Strawboss: expected a path like /gateway/anthropic/v1/messages, without `..` or encoded parts.",
            ));
        };
        let refuse = |status: StatusCode, kind: &str, message: &str, reason: &str| {
            let probe = crate::egress::is_probe_path(rest);
            let target = format!("/gateway/{api}{rest}");
            self.meter.refused(caller.sandbox(), &target, reason, probe, crate::clock::now());
            Box::new(api_error(status, kind, message))
        };
        let routes = &caller.rules().routes;
        let Some(name) = routes.get(api) else {
            let have = if routes.is_empty() { "none".to_owned() } else { routes.keys().cloned().collect::<Vec<_>>().join(", ") };
            return Err(refuse(
                StatusCode::FORBIDDEN,
                "permission_error",
                &format!("Strawboss: this sandbox has no model API `{api}`; it has: {have}."),
                "this sandbox has no such model API",
            ));
        };
        let Some((provider, name)) = self.providers.get(name) else {
            return Err(refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "api_error",
                &format!("Strawboss: the provider `{name}` is not configured; add it under `providers:` in strawboss.yaml."),
                "its provider is not configured",
            ));
        };
        if !provider.allows(rest) {
            return Err(refuse(
                StatusCode::FORBIDDEN,
                "permission_error",
                "Strawboss: sandboxes may not use this path of the model API.",
                "sandboxes may not use this path of the model API",
            ));
        }
        if !matches!(*request.method(), Method::GET | Method::HEAD | Method::POST) {
            return Err(Box::new(api_error(
                StatusCode::METHOD_NOT_ALLOWED,
                "invalid_request_error",
                "Strawboss: only GET, HEAD and POST reach a model API.",
            )));
        }
        match provider.uri(rest, request.uri().query()) {
            Some(uri) => Ok(Way { provider, name, uri }),
            None => Err(not_found("Strawboss: the path does not make a URL.")),
        }
    }

    fn is_too_long(&self, length: &HeaderValue) -> bool {
        length.to_str().ok().and_then(|length| length.parse::<u64>().ok()).is_none_or(|length| length > self.limits.max_body)
    }

    fn too_big(&self) -> Response<Body> {
        api_error(
            StatusCode::PAYLOAD_TOO_LARGE,
            "request_too_large",
            &format!("Strawboss: the request is larger than the {} MiB that the gateway takes.", self.limits.max_body >> 20),
        )
    }

    /// Nothing came back. What hyper says may hold the host's addresses: that is for the log, not for the sandbox.
    fn failed(&self, error: &hyper_util::client::legacy::Error, progress: &Progress, provider: &Provider) -> Response<Body> {
        if progress.too_big() {
            return self.too_big();
        }
        let causes = causes(error);
        tracing::warn!(gateway.provider = %provider.name, error = %causes, "the provider could not be asked");
        let what = if error.is_connect() {
            "could not be reached: check its base_url in strawboss.yaml, this host's network, and the log of `strawboss serve`"
        } else {
            "broke off before it answered; the log of `strawboss serve` says more"
        };
        api_error(StatusCode::BAD_GATEWAY, "api_error", &format!("Strawboss: the provider `{}` {what}.", provider.name))
    }

    /// Nobody asked for another protocol, so an answer that switches to one is no answer.
    fn odd(provider: &Provider) -> Response<Body> {
        let text = format!("Strawboss: the provider `{}` answered with what is no HTTP answer.", provider.name);
        api_error(StatusCode::BAD_GATEWAY, "api_error", &text)
    }

    /// An answer that is no success is short: it is read whole, so that a credential which the provider quotes can be
    /// masked.
    async fn error_answer(
        &self,
        mut parts: http::response::Parts,
        body: Incoming,
        provider: &Provider,
        mut ticket: Ticket,
    ) -> Response<Body> {
        let read = tokio::time::timeout(self.limits.idle, Limited::new(body, MAX_ERROR_BODY).collect()).await;
        let Ok(Ok(body)) = read else {
            return api_error(
                parts.status,
                "api_error",
                &format!(
                    "Strawboss: the provider `{}` answered {} with a text that could not be read.",
                    provider.name, parts.status
                ),
            );
        };
        let mut bytes: Bytes = body.to_bytes();
        ticket.received = bytes.len() as u64;
        if let Some(secret) = &provider.secret {
            bytes = secret.mask(bytes);
        }
        if parts.headers.contains_key(header::CONTENT_LENGTH) {
            parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len() as u64));
        }
        Response::from_parts(parts, Full::new(bytes).map_err(|never| match never {}).boxed_unsync())
    }
}

fn tls(roots: Option<rustls::RootCertStore>, https: bool) -> Result<rustls::ClientConfig, ConfigError> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(ConfigError::Tls)?;
    Ok(match roots {
        Some(roots) => builder.with_root_certificates(roots).with_no_client_auth(),
        None if https => builder.with_native_roots().map_err(ConfigError::Roots)?.with_no_client_auth(),
        None => builder.with_root_certificates(rustls::RootCertStore::empty()).with_no_client_auth(),
    })
}

/// Credentials that a sandbox may send; dummies, all of them.
const CREDENTIALS: [HeaderName; 4] =
    [header::AUTHORIZATION, HeaderName::from_static("x-api-key"), HeaderName::from_static("api-key"), header::COOKIE];
/// What would say where a request came from.
const ORIGINS: [HeaderName; 5] = [
    header::FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
    HeaderName::from_static("x-real-ip"),
];

fn outgoing(headers: &mut HeaderMap, provider: &Provider) {
    strip_hop(headers);
    for name in CREDENTIALS.iter().chain(&ORIGINS) {
        headers.remove(name);
    }
    // Plain answers only: usage is read from the bytes as they pass.
    headers.remove(header::ACCEPT_ENCODING);
    headers.insert(header::HOST, provider.host.clone());
    if let Some((name, value)) = &provider.credential {
        headers.insert(name.clone(), value.clone());
    }
}

fn incoming(headers: &mut HeaderMap, provider: &Provider) {
    strip_hop(headers);
    headers.remove(header::SET_COOKIE);
    headers.remove(header::ALT_SVC);
    let Some(secret) = &provider.secret else { return };
    if headers.values().any(|value| secret.is_in(value.as_bytes())) {
        let quoting: Vec<HeaderName> =
            headers.iter().filter(|(_, value)| secret.is_in(value.as_bytes())).map(|(name, _)| name.clone()).collect();
        for name in quoting {
            headers.remove(name);
        }
    }
}

fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
