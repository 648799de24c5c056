//! The gateway as bench/gateway measures it: the real proxy with metering, behind a TCP door.
//!
//! `gateway-bench --listen 127.0.0.1:PORT --upstream http://127.0.0.1:PORT --key KEY`

use anyhow::{Context as _, bail};
use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use strawboss_core::meter::Meter;
use strawboss_core::run::Usage;
use strawboss_core::{SandboxId, Timestamp};
use strawboss_gateway::{
    Auth, Caller, CallerLimits, CallerRules, ModelProxy, Outbound, Prices, Provider, ProxyConfig, ProxyLimits, Secret,
};
use tokio::net::TcpListener;

#[derive(Default)]
struct Count {
    requests: AtomicU64,
    tokens: AtomicU64,
}

impl Meter for Count {
    fn used(&self, _: &SandboxId, usage: Usage) {
        self.requests.fetch_add(usage.requests, Ordering::Relaxed);
        self.tokens.fetch_add(usage.input_tokens + usage.output_tokens, Ordering::Relaxed);
    }
    fn refused(&self, _: &SandboxId, _: &str, _: &str, _: bool, _: Timestamp) {}
    fn limited(&self, _: &SandboxId, _: Option<Timestamp>) {}
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let (mut listen, mut upstream, mut key) = (None, None, None);
    let mut args = std::env::args().skip(1);
    while let Some(name) = args.next() {
        let value = args.next().with_context(|| format!("{name} needs a value"))?;
        match name.as_str() {
            "--listen" => listen = Some(value.parse::<SocketAddr>().context("--listen takes ip:port")?),
            "--upstream" => upstream = Some(value),
            "--key" => key = Some(value),
            other => bail!("unknown option {other}; there are --listen, --upstream and --key"),
        }
    }
    let meter = Arc::new(Count::default());
    let secret = Secret::new(&key.context("--key is needed")?, "--key")?;
    let proxy = Arc::new(ModelProxy::new(ProxyConfig {
        providers: vec![Provider::new("bench", &upstream.context("--upstream is needed")?, Auth::ApiKey, Some(secret))?],
        prices: Prices::default(),
        limits: ProxyLimits::default(),
        outbound: Outbound::direct(),
        meter: meter.clone(),
        roots: None,
    })?);
    let rules = CallerRules {
        routes: [("anthropic".to_owned(), "bench".to_owned())].into_iter().collect(),
        limits: CallerLimits { requests: 1024, ..CallerLimits::default() },
        ..CallerRules::default()
    };
    let caller = Caller::new(SandboxId::parse("bench-1.1-agent")?, rules);
    let listener = TcpListener::bind(listen.context("--listen is needed")?).await?;
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            _ = terminate.recv() => break,
        };
        stream.set_nodelay(true)?;
        let (proxy, caller) = (proxy.clone(), caller.clone());
        tokio::spawn(async move {
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let (proxy, caller) = (proxy.clone(), caller.clone());
                async move { Ok::<_, Infallible>(proxy.handle(&caller, request).await) }
            });
            let _ = strawboss_gateway::door_http().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
        });
    }
    eprintln!("metered {} requests, {} tokens", meter.requests.load(Ordering::Relaxed), meter.tokens.load(Ordering::Relaxed));
    Ok(())
}
