//! The WebSocket of a run's terminal: over plain TCP, or TLS with this machine's root certificates.

use crate::client::{Api, part};
use crate::failure::{ExitStatus, Failure};
use reqwest::Url;
use std::sync::Arc;
use std::time::Duration;
use strawboss_protocol::api::{ErrorBody, SESSION_PROTOCOL};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::{HeaderValue, StatusCode, header};
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

/// How long a connection may take until it stands.
const CONNECT: Duration = Duration::from_secs(10);
/// The longest message that is taken, in bytes.
const MESSAGE_MAX: usize = 1 << 20;

/// What bytes travel on.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// A connection to a run's terminal.
pub(super) type Socket = WebSocketStream<Box<dyn Wire>>;

/// Connects, from a byte on or from what a newcomer should see.
pub(super) async fn connect(api: &Api, run: &str, from: Option<u64>) -> Result<Socket, Failure> {
    let from = from.map(|from| format!("?from={from}")).unwrap_or_default();
    let path = format!("/ws/sessions/{}{from}", part(run));
    match tokio::time::timeout(CONNECT, open(api, &path)).await {
        Ok(socket) => socket,
        Err(_) => Err(away(api, format!("no connection within {} s", CONNECT.as_secs()))),
    }
}

fn away(api: &Api, why: impl std::fmt::Display) -> Failure {
    Failure::new(format!("no service answers at {}: {why}", api.base()))
        .fix("`strawboss status` says how it is.")
        .status(ExitStatus::Unreachable)
}

async fn open(api: &Api, path: &str) -> Result<Socket, Failure> {
    let base = Url::parse(api.base()).map_err(|error| Failure::usage(format!("`{}` is no address: {error}", api.base())))?;
    let host = base.host_str().unwrap_or_default().to_owned();
    let port = base.port_or_known_default().unwrap_or(80);
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let stream = TcpStream::connect((bare, port)).await.map_err(|error| away(api, error))?;
    // Single keys must not wait for more.
    stream.set_nodelay(true).map_err(|error| away(api, error))?;
    let secure = base.scheme() == "https";
    let wire: Box<dyn Wire> =
        if secure { Box::new(tls(bare, stream).await.map_err(|why| away(api, why))?) } else { Box::new(stream) };
    let address = format!("{}{path}", api.base().replacen("http", "ws", 1));
    let wrong = |error: tungstenite::Error| Failure::usage(format!("`{address}` is no address: {error}"));
    let mut request = address.as_str().into_client_request().map_err(wrong)?;
    if let Some(token) = api.token() {
        let value = HeaderValue::from_str(&format!("Bearer {token}"))
            .map_err(|_| Failure::usage("the token has characters that no token has").status(ExitStatus::Denied))?;
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    request.headers_mut().insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SESSION_PROTOCOL));
    let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_MAX)).max_frame_size(Some(MESSAGE_MAX));
    match client_async_with_config(request, wire, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => {
            let status = answer.status();
            let body = answer.body().as_deref().and_then(|body| serde_json::from_slice::<ErrorBody>(body).ok());
            let message = body.as_ref().map_or_else(|| format!("{} answered {status}", api.base()), |body| body.message.clone());
            let end = match status {
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ExitStatus::Denied,
                StatusCode::NOT_FOUND => ExitStatus::NotFound,
                status if status.is_server_error() => ExitStatus::Unreachable,
                _ => ExitStatus::Failure,
            };
            let mut failure = Failure::new(crate::output::words::clean(&message)).status(end);
            failure.fix = body.and_then(|body| body.fix);
            Err(failure)
        }
        Err(error) => Err(away(api, error)),
    }
}

async fn tls(host: &str, stream: TcpStream) -> Result<tokio_rustls::client::TlsStream<TcpStream>, String> {
    let mut roots = rustls::RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        return Err("this machine has no root certificates: install ca-certificates or set SSL_CERT_FILE".to_owned());
    }
    let config = rustls::ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).map_err(|error| error.to_string())?;
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.map_err(|error| error.to_string())
}
