//! Taking the control token: one small HTTP request to the door, before any other process exists.

use crate::complain::complain;
use crate::link::Backoff;
use anyhow::{Context as _, bail};
use std::path::Path;
use std::time::Duration;
use strawboss_protocol::supervisor::TokenGrant;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

/// The longest answer that is read, in bytes.
const MAX_ANSWER: u64 = 16 * 1024;
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Somebody else took the token of this door.
#[derive(Debug, thiserror::Error)]
#[error(
    "the control token of this door was taken before this supervisor asked for it: something else in the sandbox spoke to \
     the door first, or this sandbox was started twice. A new sandbox is needed"
)]
pub(crate) struct Taken;

/// Asks until the control plane answers. Only a refusal ends it.
pub(crate) async fn take(door: &Path) -> anyhow::Result<String> {
    let mut backoff = Backoff::default();
    loop {
        match tokio::time::timeout(PATIENCE, ask(door)).await {
            Ok(Ok(answer)) => match answer.status {
                200 | 201 => return granted(&answer.body),
                409 => return Err(Taken.into()),
                status @ (400..=499) => {
                    bail!("the control plane refused the control token with status {status}: {}", excerpt(&answer.body))
                }
                status => complain(format!("no control token yet: the control plane answers {status}")),
            },
            Ok(Err(error)) => complain(format!("no control token yet: {error:#}")),
            Err(_) => complain("no control token yet: the door does not answer"),
        }
        backoff.wait().await;
    }
}

struct Answer {
    status: u16,
    body: Vec<u8>,
}

async fn ask(door: &Path) -> anyhow::Result<Answer> {
    let mut stream = UnixStream::connect(door).await.with_context(|| format!("connect to the door {}", door.display()))?;
    let request = b"POST /control/token HTTP/1.1\r\nHost: strawboss\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.context("ask for the control token")?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await.context("read the control plane's answer")?;
    parse(&answer).with_context(|| format!("no HTTP answer: {}", excerpt(&answer)))
}

fn parse(answer: &[u8]) -> Option<Answer> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&answer[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let mut status_line = lines.next()?.split(' ');
    let status = status_line.next().filter(|version| version.starts_with("HTTP/1."))?;
    let status = status_line.next().filter(|_| !status.is_empty())?.parse().ok()?;
    let mut body = &answer[end + 4..];
    for line in lines {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") {
            body = body.get(..value.trim().parse().ok()?)?;
        }
    }
    Some(Answer { status, body: body.to_vec() })
}

fn granted(body: &[u8]) -> anyhow::Result<String> {
    let grant: TokenGrant = serde_json::from_slice(body).context("the control plane's answer holds no control token")?;
    let hex = grant.token.bytes().all(|byte| byte.is_ascii_hexdigit());
    anyhow::ensure!(hex && grant.token.len() == 64, "the control token is not 64 hex digits");
    Ok(grant.token)
}

fn excerpt(bytes: &[u8]) -> String {
    strawboss_agent::text::one_line(&String::from_utf8_lossy(&bytes[..bytes.len().min(400)]), 200)
}

#[cfg(test)]
mod tests {
    use super::{granted, parse};

    #[test]
    fn only_a_whole_answer_counts() {
        let whole = b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\n\r\nnoX";
        let answer = parse(whole).unwrap();
        assert_eq!((answer.status, answer.body.as_slice()), (409, b"no".as_slice()));
        for wrong in [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno"[..],
            b"HTTP/1.1 200 OK\r\n",
            b"SSH-2.0 200 x\r\n\r\n",
            b"\r\n\r\n",
        ] {
            assert!(parse(wrong).is_none(), "{}", String::from_utf8_lossy(wrong));
        }
    }

    #[test]
    fn a_token_is_64_hex_digits() {
        assert!(granted(format!("{{\"token\":\"{}\"}}", "0a".repeat(32)).as_bytes()).is_ok());
        for wrong in ["{}", "{\"token\":\"00\"}", &format!("{{\"token\":\"{}\"}}", "zz".repeat(32))] {
            assert!(granted(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }
}
