//! A door with the gateway behind it, a provider and hosts that a test drives by hand, and a meter that remembers.

use http::Request;
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::meter::Meter;
use strawboss_core::run::Usage;
use strawboss_core::{SandboxId, Timestamp};
use strawboss_gateway::{Caller, Egress, ModelProxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Nothing here takes as long; a machine that is busy may take a good part of it.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) target: String,
    pub(crate) reason: String,
    pub(crate) known_probe: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) used: Mutex<Vec<Usage>>,
    pub(crate) refused: Mutex<Vec<Refused>>,
    pub(crate) limited: Mutex<Vec<Option<Timestamp>>>,
}

impl Books {
    pub(crate) fn used(&self) -> Vec<Usage> {
        self.used.lock().unwrap().clone()
    }

    pub(crate) fn refused(&self) -> Vec<Refused> {
        self.refused.lock().unwrap().clone()
    }

    /// Waits until so many requests are booked.
    pub(crate) async fn booked(&self, requests: usize) -> Vec<Usage> {
        until("the meter hears of the requests", async || {
            let used = self.used();
            (used.len() >= requests).then_some(used)
        })
        .await
    }
}

impl Meter for Books {
    fn used(&self, _: &SandboxId, usage: Usage) {
        self.used.lock().unwrap().push(usage);
    }
    fn refused(&self, _: &SandboxId, target: &str, reason: &str, known_probe: bool, at: Timestamp) {
        assert!(at.0 > 0);
        let refused = Refused { target: target.to_owned(), reason: reason.to_owned(), known_probe };
        self.refused.lock().unwrap().push(refused);
    }
    fn limited(&self, _: &SandboxId, until: Option<Timestamp>) {
        self.limited.lock().unwrap().push(until);
    }
}

/// Asks again and again until there is an answer, or the deadline passes.
pub(crate) async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// Gives up on a future that should have been done long ago.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
}

pub(crate) fn sandbox() -> SandboxId {
    SandboxId::parse("test-1.1-agent").unwrap()
}

/// A door as the server keeps it: HTTP/1 with upgrades, the gateway behind it.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    task: JoinHandle<()>,
}

impl Drop for Door {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn door(caller: Caller, models: Option<Arc<ModelProxy>>, egress: Option<Arc<Egress>>) -> Door {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let task = tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).unwrap();
            let (caller, models, egress) = (caller.clone(), models.clone(), egress.clone());
            tokio::spawn(async move {
                let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                    let (caller, models, egress) = (caller.clone(), models.clone(), egress.clone());
                    async move {
                        let response = if Egress::serves(&request) {
                            egress.expect("a door with a proxy").handle(&caller, request).await
                        } else {
                            assert!(ModelProxy::serves(request.uri().path()));
                            models.expect("a door with models").handle(&caller, request).await
                        };
                        Ok::<_, Infallible>(response)
                    }
                });
                let _ = strawboss_gateway::door_http().serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    });
    Door { address, task }
}

/// One connection of a provider or host that a test plays itself, byte by byte.
pub(crate) struct Played {
    pub(crate) stream: TcpStream,
    seen: Vec<u8>,
}

impl Played {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, seen: Vec::new() }
    }

    /// Reads a head, and says it in lower case.
    pub(crate) async fn head(&mut self) -> String {
        soon("a head comes", async {
            loop {
                if let Some(end) = self.seen.windows(4).position(|four| four == b"\r\n\r\n") {
                    let rest = self.seen.split_off(end + 4);
                    let head = std::mem::replace(&mut self.seen, rest);
                    return String::from_utf8(head).unwrap().to_lowercase();
                }
                let mut some = vec![0; 4096];
                let read = self.stream.read(&mut some).await.unwrap();
                assert!(read > 0, "the connection ended within a head: {:?}", String::from_utf8_lossy(&self.seen));
                self.seen.extend_from_slice(&some[..read]);
            }
        })
        .await
    }

    /// Reads so many bytes.
    pub(crate) async fn bytes(&mut self, count: usize) -> Vec<u8> {
        soon("bytes come", async {
            while self.seen.len() < count {
                let mut some = vec![0; 64 * 1024];
                let read = self.stream.read(&mut some).await.unwrap();
                assert!(read > 0, "the connection ended after {} of {count} bytes", self.seen.len());
                self.seen.extend_from_slice(&some[..read]);
            }
            let rest = self.seen.split_off(count);
            std::mem::replace(&mut self.seen, rest)
        })
        .await
    }

    /// Reads to the end.
    pub(crate) async fn rest(&mut self) -> Vec<u8> {
        soon("the connection ends", async {
            let mut all = std::mem::take(&mut self.seen);
            let _ = self.stream.read_to_end(&mut all).await;
            all
        })
        .await
    }

    /// Whether the other side hung up.
    pub(crate) async fn hung_up(&mut self) {
        soon("the other side hangs up", async {
            let mut some = vec![0; 4096];
            while !matches!(self.stream.read(&mut some).await, Ok(0) | Err(_)) {}
        })
        .await;
    }

    pub(crate) async fn say(&mut self, bytes: impl AsRef<[u8]>) {
        soon("bytes are taken", self.stream.write_all(bytes.as_ref())).await.unwrap();
    }

    /// One chunk of a chunked body.
    pub(crate) async fn chunk(&mut self, bytes: impl AsRef<[u8]>) {
        let bytes = bytes.as_ref();
        let mut whole = format!("{:x}\r\n", bytes.len()).into_bytes();
        whole.extend_from_slice(bytes);
        whole.extend_from_slice(b"\r\n");
        self.say(whole).await;
    }
}

/// A listener whose connections a test plays.
pub(crate) struct Stage {
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn stage() -> Stage {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Stage { listener, address }
}

impl Stage {
    pub(crate) async fn next(&self) -> Played {
        let (stream, _) = soon("a connection comes", self.listener.accept()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Played::new(stream)
    }
}

pub(crate) async fn connect(address: SocketAddr) -> Played {
    let stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    Played::new(stream)
}

/// Takes the chunks of a body apart; what follows the last one must be nothing.
pub(crate) fn unchunked(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    loop {
        let line = bytes.windows(2).position(|two| two == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&bytes[..line]).unwrap(), 16).unwrap();
        let data = &bytes[line + 2..];
        if size == 0 {
            assert_eq!(data, b"\r\n");
            return body;
        }
        body.extend_from_slice(&data[..size]);
        bytes = &data[size + 2..];
    }
}
