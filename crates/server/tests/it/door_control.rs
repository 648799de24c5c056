//! The control channel and the ways behind a real door.

use crate::support::door::{FakeHost, Outside, TOKEN, open_door, open_door_of};
use crate::support::{eventually, soon};
use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::path::Path;
use std::sync::Arc;
use strawboss_core::SandboxId;
use strawboss_engine::link::{FromLink, ToLink};
use strawboss_protocol::supervisor::{MAX_BINARY_FRAME, MAX_TEXT_FRAME};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

async fn world() -> (tempfile::TempDir, Outside, Arc<FakeHost>) {
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(FakeHost::new(Path::new("/nonexistent"), &[], &[], 0));
    let door = open_door(dir.path(), host.clone()).await;
    (dir, door, host)
}

async fn dial(door: &Outside, bearer: Option<&str>) -> Result<WebSocketStream<UnixStream>, u16> {
    let mut request = "ws://door/control".into_client_request().unwrap();
    if let Some(bearer) = bearer {
        request.headers_mut().insert("authorization", format!("Bearer {bearer}").parse().unwrap());
    }
    match tokio_tungstenite::client_async(request, door.connect().await).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

async fn ask(door: &Outside, head: &str) -> String {
    let mut stream = door.connect().await;
    stream
        .write_all(format!("{head} HTTP/1.1\r\nhost: door\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = String::new();
    soon("an answer", stream.read_to_string(&mut answer)).await.unwrap();
    answer
}

#[tokio::test]
async fn the_token_is_given_once() {
    let (_dir, door, _host) = world().await;
    assert!(ask(&door, "GET /control/token").await.starts_with("HTTP/1.1 405"));
    let first = ask(&door, "POST /control/token").await;
    assert!(first.starts_with("HTTP/1.1 200") && first.contains(TOKEN), "{first}");
    let second = ask(&door, "POST /control/token").await;
    assert!(second.starts_with("HTTP/1.1 409") && !second.contains(TOKEN), "{second}");
}

#[tokio::test]
async fn only_who_has_the_token_controls() {
    let (_dir, door, host) = world().await;
    assert_eq!(dial(&door, None).await.unwrap_err(), 401);
    assert_eq!(dial(&door, Some("guess")).await.unwrap_err(), 403);
    assert!(host.link().is_none());
    assert!(ask(&door, "GET /control").await.starts_with("HTTP/1.1 401"));
    dial(&door, Some(TOKEN)).await.unwrap();
}

#[tokio::test]
async fn frames_go_both_ways_and_either_side_may_end_it() {
    let (_dir, door, host) = world().await;
    let mut socket = dial(&door, Some(TOKEN)).await.unwrap();
    let (mut from, to) = host.link().unwrap();
    socket.send(Message::text("hello")).await.unwrap();
    let largest = vec![7; MAX_BINARY_FRAME];
    socket.send(Message::binary(largest.clone())).await.unwrap();
    assert_eq!(soon("a text", from.recv()).await, Some(FromLink::Text("hello".to_owned())));
    assert_eq!(soon("bytes", from.recv()).await, Some(FromLink::Binary(Bytes::from(largest))));
    to.send(ToLink::Text("welcome".to_owned())).await.unwrap();
    to.send(ToLink::Binary(Bytes::from_static(b"ls\n"))).await.unwrap();
    assert_eq!(soon("a text", socket.next()).await.unwrap().unwrap(), Message::text("welcome"));
    assert_eq!(soon("bytes", socket.next()).await.unwrap().unwrap(), Message::binary(&b"ls\n"[..]));
    // The engine ends it: what it said before still arrives.
    to.send(ToLink::Text("dismiss".to_owned())).await.unwrap();
    drop(to);
    assert_eq!(soon("a text", socket.next()).await.unwrap().unwrap(), Message::text("dismiss"));
    assert!(matches!(soon("the end", socket.next()).await, Some(Ok(Message::Close(_)))));
    // The supervisor ends it.
    let socket = dial(&door, Some(TOKEN)).await.unwrap();
    let (mut from, _to) = host.link().unwrap();
    drop(socket);
    assert_eq!(soon("the end", from.recv()).await, None);
}

#[tokio::test]
async fn frames_that_are_too_long_end_the_connection() {
    let (_dir, door, host) = world().await;
    for message in [Message::binary(vec![7; MAX_BINARY_FRAME + 1]), Message::text("x".repeat(MAX_TEXT_FRAME + 1))] {
        let mut socket = dial(&door, Some(TOKEN)).await.unwrap();
        let (mut from, _to) = host.link().unwrap();
        let _ = socket.send(message).await;
        assert_eq!(soon("the end", from.recv()).await, None);
    }
}

#[tokio::test]
async fn a_supervisor_that_is_not_read_waits_and_loses_nothing() {
    let (_dir, door, host) = world().await;
    let mut socket = dial(&door, Some(TOKEN)).await.unwrap();
    let (mut from, _to) = host.link().unwrap();
    let sending = tokio::spawn(async move {
        for number in 0..200_u32 {
            let mut bytes = vec![0; 64 * 1024];
            bytes[..4].copy_from_slice(&number.to_be_bytes());
            socket.send(Message::binary(bytes)).await.unwrap();
        }
        socket
    });
    for number in 0..200_u32 {
        let Some(FromLink::Binary(bytes)) = soon("bytes", from.recv()).await else { panic!("frame {number}") };
        assert_eq!(bytes[..4], number.to_be_bytes());
    }
    drop(sending.await.unwrap());
}

#[tokio::test]
async fn each_request_takes_its_way() {
    let (_dir, door, _host) = world().await;
    for (head, expected) in [
        ("POST /gateway/anthropic/v1/messages", "gateway /gateway/anthropic/v1/messages [\"local\"]"),
        ("GET http://example.org/x", "proxy GET http://example.org/x [\"example.org\"]"),
        ("CONNECT example.org:443", "proxy CONNECT example.org:443 [\"example.org\"]"),
        // Named by its whole URL, even the door is the proxy's affair: there is no way around it to the control channel.
        ("POST http://door/control/token", "proxy POST http://door/control/token"),
    ] {
        let answer = ask(&door, head).await;
        assert!(answer.contains(expected), "{head}: {answer}");
    }
    for head in ["GET /", "GET /api/v1/tasks", "GET /gateway", "POST /mcp/", "GET /control/", "POST /control/token/"] {
        let answer = ask(&door, head).await;
        assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("not_found"), "{head}: {answer}");
    }
}

#[tokio::test]
async fn a_closed_door_is_gone_with_all_that_came_through_it() {
    let (_dir, door, host) = world().await;
    let mut socket = dial(&door, Some(TOKEN)).await.unwrap();
    let (mut from, _to) = host.link().unwrap();
    let mut idle = door.connect().await;
    door.door.close();
    assert_eq!(soon("the control channel's end", from.recv()).await, None);
    let end = soon("the socket's end", socket.next()).await;
    assert!(matches!(end, None | Some(Err(_) | Ok(Message::Close(_)))), "{end:?}");
    let mut rest = Vec::new();
    let read = soon("the idle connection's end", idle.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{read:?}");
    let mut late = door.connect().await;
    let _ = late.write_all(b"POST /control/token HTTP/1.1\r\nhost: door\r\n\r\n").await;
    let read = soon("the late connection's end", late.read_to_end(&mut rest)).await;
    assert!(rest.is_empty(), "{read:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sandbox_holds_so_many_connections_and_no_more() {
    let (_dir, door, _host) = world().await;
    let mut held = Vec::new();
    for _ in 0..256 {
        let mut stream = door.connect().await;
        stream.write_all(b"GET /nothing HTTP/1.1\r\nhost: door\r\n\r\n").await.unwrap();
        let mut first = [0; 12];
        soon("an answer", stream.read_exact(&mut first)).await.unwrap();
        assert_eq!(&first, b"HTTP/1.1 404");
        held.push(stream);
    }
    let mut more = Vec::new();
    let read = soon("the end", door.connect().await.read_to_end(&mut more)).await;
    assert!(more.is_empty(), "{read:?}");
    drop(held);
    eventually("there is room again", || {
        let mut stream = std::os::unix::net::UnixStream::connect(door.socket()).unwrap();
        let asked = std::io::Write::write_all(&mut stream, b"GET /nothing HTTP/1.1\r\nhost: door\r\nconnection: close\r\n\r\n");
        let mut answer = String::new();
        asked.is_ok() && std::io::Read::read_to_string(&mut stream, &mut answer).is_ok() && answer.contains("404")
    })
    .await;
}

#[tokio::test]
async fn shutting_down_says_goodbye_and_leaves_nothing() {
    let (_dir, door, host) = world().await;
    let mut socket = dial(&door, Some(TOKEN)).await.unwrap();
    let (mut from, _to) = host.link().unwrap();
    door.shutdown.cancel();
    assert!(matches!(soon("the goodbye", socket.next()).await, Some(Ok(Message::Close(Some(_))))));
    drop(socket);
    assert_eq!(soon("the end", from.recv()).await, None);
    soon("everything has ended", door.context.drained()).await;
}

/// Where a test's log goes.
#[derive(Clone, Default)]
struct Log(Arc<std::sync::Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn what_a_sandbox_asks_for_is_logged_under_a_number_that_it_is_not_told() {
    let log = Log::default();
    let to = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_max_level(tracing::Level::DEBUG).with_writer(move || to.clone());
    // Of the whole process: what is logged on other threads decides whether a line is asked for at all.
    tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let host = Arc::new(FakeHost::new(Path::new("/nonexistent"), &[], &[], 0));
    // Other tests log meanwhile, none of them of this one.
    let door = open_door_of(dir.path(), host, SandboxId::parse("logged-7.1-agent").unwrap()).await;
    let mut answers = String::new();
    for _ in 0..2 {
        answers.push_str(&ask(&door, "POST /gateway/anthropic/v1/messages").await);
    }
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // The last line may be half there.
    let lines = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let spans: Vec<serde_json::Value> = lines
        .filter(|line| line["fields"]["message"] == "a sandbox's request was answered")
        .map(|line| line["span"].clone())
        .filter(|span| span["sandbox.id"] == "logged-7.1-agent")
        .collect();
    assert_eq!(spans.len(), 2, "{text}");
    let numbers: std::collections::BTreeSet<&str> = spans.iter().map(|span| span["request.id"].as_str().unwrap()).collect();
    assert_eq!(numbers.len(), spans.len(), "each has its own");
    for span in &spans {
        assert_eq!(span["run.id"], "logged-7.1", "{span}");
        assert!(!answers.contains(span["request.id"].as_str().unwrap()), "{answers}");
    }
}
