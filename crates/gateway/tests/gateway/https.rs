//! The model proxy towards a provider that speaks TLS.

use crate::support::{Books, Played, connect, door, sandbox, soon};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::sync::Arc;
use strawboss_gateway::{Auth, Caller, CallerRules, ModelProxy, Outbound, Prices, Provider, ProxyConfig, ProxyLimits, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const ROOT: &[u8] = include_bytes!("tls/root.pem");
const CERTIFICATE: &[u8] = include_bytes!("tls/localhost.pem");
const KEY: &[u8] = include_bytes!("tls/localhost.key");

fn acceptor() -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![CertificateDer::from_pem_slice(CERTIFICATE).unwrap()],
            PrivateKeyDer::from_pem_slice(KEY).unwrap(),
        );
    TlsAcceptor::from(Arc::new(config.unwrap()))
}

/// A door before a provider at `https://localhost:port`, trusted or not.
async fn client_of(port: u16, trusted: bool) -> (Played, crate::support::Door) {
    let mut roots = rustls::RootCertStore::empty();
    if trusted {
        roots.add(CertificateDer::from_pem_slice(ROOT).unwrap()).unwrap();
    }
    let base = format!("https://localhost:{port}");
    let secret = Secret::new("sk-real", "the test").unwrap();
    let proxy = ModelProxy::new(ProxyConfig {
        providers: vec![Provider::new("tls", &base, Auth::OauthToken, Some(secret)).unwrap()],
        prices: Prices::default(),
        limits: ProxyLimits::default(),
        outbound: Outbound::direct(),
        meter: Arc::new(Books::default()),
        roots: Some(roots),
    });
    let routes = [("anthropic".to_owned(), "tls".to_owned())].into_iter().collect();
    let caller = Caller::new(sandbox(), CallerRules { routes, ..CallerRules::default() });
    let door = door(caller, Some(Arc::new(proxy.unwrap())), None).await;
    let mut client = connect(door.address).await;
    client.say("POST /gateway/anthropic/v1/messages HTTP/1.1\r\nhost: d\r\ncontent-length: 2\r\n\r\n{}").await;
    (client, door)
}

#[tokio::test]
async fn a_provider_is_asked_over_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut client, _door) = client_of(listener.local_addr().unwrap().port(), true).await;
    let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
    let mut tls = soon("a handshake", acceptor().accept(stream)).await.unwrap();
    assert_eq!(tls.get_ref().1.server_name(), Some("localhost"));
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n{}") {
        head.push(soon("a head", tls.read_u8()).await.unwrap());
    }
    assert!(String::from_utf8(head).unwrap().contains("authorization: Bearer sk-real\r\n"));
    tls.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
    tls.flush().await.unwrap();
    assert!(client.head().await.starts_with("http/1.1 200"));
    assert_eq!(client.bytes(2).await, b"ok");
}

#[tokio::test]
async fn a_provider_that_nobody_vouches_for_is_told_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (mut client, _door) = client_of(listener.local_addr().unwrap().port(), false).await;
    let (stream, _) = soon("a connection", listener.accept()).await.unwrap();
    assert!(soon("a handshake", acceptor().accept(stream)).await.is_err());
    assert!(client.head().await.starts_with("http/1.1 502"));
}
