//! The relay: what the sandbox's processes send to a port of the loopback goes through the door, each TCP connection as
//! a connection of its own. It looks at no more than the first request line, to keep `/control` from the agent cheaply;
//! that nobody controls anything without the token is the control plane's own guard.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional_with_sizes};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::Semaphore;

/// How many connections are open at once; more wait in the listener's queue.
const CONNECTIONS: usize = 256;
/// How many bytes of a first request line are looked at.
const MAX_LINE: usize = 16 * 1024;
/// How many bytes each direction of a connection buffers.
const BUFFER: usize = 64 * 1024;
/// How long a connection waits for a control plane that is away, so that a short restart fails no request.
const PATIENCE: Duration = Duration::from_secs(15);

/// Starts it on a free port. Gives its address as `http://127.0.0.1:<port>`.
pub(crate) async fn start(door: PathBuf) -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    tokio::spawn(serve(listener, Arc::from(door)));
    Ok(address)
}

async fn serve(listener: TcpListener, door: Arc<Path>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        // The semaphore is never closed.
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let door = Arc::clone(&door);
                tokio::spawn(async move {
                    // Either side may break off at any time: that is no event worth a word.
                    let _ = connection(stream, &door).await;
                    drop(place);
                });
            }
            // Out of files, most likely: the next connections wait a little.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

async fn connection(mut inside: TcpStream, door: &Path) -> io::Result<()> {
    inside.set_nodelay(true)?;
    let mut head = Vec::new();
    while !head.contains(&b'\n') && head.len() < MAX_LINE {
        if inside.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    if asks_for_control(&head) {
        return refuse(&mut inside, "403 Forbidden", "the control channel is the supervisor's alone").await;
    }
    let Some(mut outside) = connect(door).await else {
        return refuse(&mut inside, "502 Bad Gateway", "the control plane does not answer at the door; try again").await;
    };
    outside.write_all(&head).await?;
    drop(head);
    copy_bidirectional_with_sizes(&mut inside, &mut outside, BUFFER, BUFFER).await?;
    Ok(())
}

async fn connect(door: &Path) -> Option<UnixStream> {
    let mut backoff = crate::link::Backoff::default();
    let tries = async {
        loop {
            match UnixStream::connect(door).await {
                Ok(stream) => return stream,
                Err(_) => backoff.wait().await,
            }
        }
    };
    tokio::time::timeout(PATIENCE, tries).await.ok()
}

async fn refuse(inside: &mut TcpStream, status: &str, why: &str) -> io::Result<()> {
    let body = format!("strawboss: {why}\n");
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    inside.write_all(format!("{head}{body}").as_bytes()).await?;
    inside.shutdown().await?;
    // Closed with a part of the request unread, the connection would be reset and the answer lost.
    let mut rest = [0; 4096];
    let rest = async {
        for _ in 0..256 {
            if inside.read(&mut rest).await? == 0 {
                break;
            }
        }
        Ok(())
    };
    tokio::time::timeout(Duration::from_secs(2), rest).await.unwrap_or(Ok(()))
}

/// Whether the first line of a request names `/control` or something below it.
fn asks_for_control(head: &[u8]) -> bool {
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let Some(target) = line.split_whitespace().nth(1) else { return false };
    let path = match target.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let path = percent_decoded(path.split(['?', '#']).next().unwrap_or_default());
    let first = path.split('/').find(|part| !part.is_empty() && part != &".");
    first.is_some_and(|part| part.eq_ignore_ascii_case("control"))
}

fn percent_decoded(path: &str) -> String {
    let bytes = path.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| path.get(at + 1..at + 3)).flatten();
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            out.push(byte);
            at += 3;
        } else {
            out.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::asks_for_control;

    #[test]
    fn control_is_recognised_however_it_is_written() {
        for wrong in
            ["/control", "/control/token", "//control", "/./control?x", "/%63ontrol", "/CONTROL/", "http://127.0.0.1:1/control"]
        {
            assert!(asks_for_control(format!("GET {wrong} HTTP/1.1\r\n").as_bytes()), "{wrong}");
        }
        for right in [
            "/git/mirror.git/info/refs",
            "/gateway/anthropic/v1/messages",
            "/controls",
            "example.com:443",
            "http://a.b/c",
            "/%zz",
        ] {
            assert!(!asks_for_control(format!("POST {right} HTTP/1.1\r\n").as_bytes()), "{right}");
        }
        assert!(!asks_for_control(b"\x16\x03\x01"));
    }
}
