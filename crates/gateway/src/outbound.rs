//! How this host gets out: directly, or through the proxy that its own environment names.

use http::Uri;
use hyper_util::client::legacy::connect::proxy::Tunnel;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use hyper_util::rt::TokioIo;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tower::Service;

/// How this host gets out.
#[derive(Debug, Clone, Default)]
pub struct Outbound {
    proxy: Option<Arc<Matcher>>,
}

impl Outbound {
    /// Without a proxy.
    pub fn direct() -> Self {
        Self::default()
    }

    /// As `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` of this process say, in either case.
    pub fn from_env() -> Self {
        Self { proxy: Some(Arc::new(Matcher::from_env())) }
    }

    /// Through one HTTP proxy (`http://[user:password@]host:port`), but for hosts in `no_proxy`, as in the variables.
    pub fn through(proxy: &str, no_proxy: &str) -> Self {
        Self { proxy: Some(Arc::new(Matcher::builder().all(proxy).no(no_proxy).build())) }
    }

    /// The proxy that stands before this destination, if any.
    pub(crate) fn proxy_for(&self, dst: &Uri) -> Option<Intercept> {
        self.proxy.as_ref()?.intercept(dst)
    }
}

/// Connects to the proxy itself. `connect_timeout` bounds look-up and connect together.
async fn connect(host: &str, port: u16, connect_timeout: Duration) -> io::Result<TcpStream> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let stream = tokio::time::timeout(connect_timeout, TcpStream::connect((host, port))).await.map_err(|_| {
        io::Error::new(io::ErrorKind::TimedOut, format!("no connection within {} s", connect_timeout.as_secs()))
    })??;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Opens a tunnel through a proxy with CONNECT. The proxy resolves the name.
pub(crate) async fn tunnel(proxy: &Intercept, dst: Uri, connect_timeout: Duration) -> io::Result<TcpStream> {
    if proxy.uri().scheme() != Some(&http::uri::Scheme::HTTP) {
        return Err(io::Error::new(io::ErrorKind::Unsupported, "only http:// proxies are supported for this host's own way out"));
    }
    let mut tunnel = Tunnel::new(proxy.uri().clone(), Connector { outbound: Outbound::direct(), connect_timeout });
    if let Some(auth) = proxy.basic_auth() {
        tunnel = tunnel.with_auth(auth.clone());
    }
    let connected = tokio::time::timeout(connect_timeout, tunnel.call(dst));
    match connected.await {
        Ok(Ok(stream)) => Ok(stream.into_inner()),
        Ok(Err(error)) => Err(io::Error::other(format!("this host's proxy did not connect: {error}"))),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "this host's proxy did not connect in time")),
    }
}

/// Connects to providers: with TCP_NODELAY, within a time limit, through the host's proxy for `https` where there is one.
#[derive(Debug, Clone)]
pub(crate) struct Connector {
    pub(crate) outbound: Outbound,
    pub(crate) connect_timeout: Duration,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TcpStream>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<TcpStream>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, dst: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move {
            let https = dst.scheme() == Some(&http::uri::Scheme::HTTPS);
            // A plain http provider is a machine nearby; proxies serve it badly and it is told them by nobody.
            let proxy = if https { this.outbound.proxy_for(&dst) } else { None };
            if let Some(proxy) = proxy {
                return tunnel(&proxy, dst, this.connect_timeout).await.map(TokioIo::new);
            }
            let host = dst.host().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "no host to connect to"))?;
            let port = dst.port_u16().unwrap_or(if https { 443 } else { 80 });
            connect(host, port, this.connect_timeout).await.map(TokioIo::new)
        })
    }
}
