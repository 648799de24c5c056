//! People at terminals, over the WebSocket.

use crate::support::engine::{ADMIN, Served, print};
use crate::support::soon;
use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use strawboss_engine::link::ToLink;
use strawboss_protocol::api::SESSION_PROTOCOL;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};

type Socket = WebSocketStream<TcpStream>;

async fn attach(served: &Served, path: &str, headers: &[(&'static str, &str)]) -> Result<Socket, u16> {
    let mut request = format!("ws://{}{path}", served.addr).into_client_request().unwrap();
    request.headers_mut().insert("sec-websocket-protocol", SESSION_PROTOCOL.parse().unwrap());
    for (name, value) in headers {
        request.headers_mut().insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(served.addr).await.unwrap();
    match tokio_tungstenite::client_async(request, stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => Err(response.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn bearer(secret: &str) -> String {
    format!("Bearer {secret}")
}

/// The next text or bytes.
async fn next(socket: &mut Socket) -> Message {
    loop {
        match soon("a frame", socket.next()).await.expect("the socket is open").unwrap() {
            Message::Ping(_) | Message::Pong(_) => {}
            message => return message,
        }
    }
}

async fn said(socket: &mut Socket) -> Value {
    match next(socket).await {
        Message::Text(text) => serde_json::from_str(&text).unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn bytes(socket: &mut Socket, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        match next(socket).await {
            Message::Binary(bytes) => all.extend(bytes),
            other => panic!("{other:?} after {} bytes", all.len()),
        }
    }
    all
}

#[tokio::test]
async fn a_person_sees_what_comes_and_types() {
    let served = Served::new().await;
    let (run, mut link) = served.live_run().await;
    print(&mut link, 0, b"before ").await;
    let path = format!("/ws/sessions/{run}");
    let admin = bearer(ADMIN);
    let mut socket = attach(&served, &path, &[("authorization", &admin)]).await.unwrap();
    let ready = said(&mut socket).await;
    assert_eq!(ready, json!({ "type": "ready", "session": run.as_str(), "offset": 0, "live": true }));
    assert_eq!(bytes(&mut socket, 7).await, b"before ");
    print(&mut link, 7, b"after").await;
    assert_eq!(bytes(&mut socket, 5).await, b"after");
    socket.send(Message::binary(&b"ls\r"[..])).await.unwrap();
    assert_eq!(soon("input", link.outgoing.recv()).await, Some(ToLink::Binary(bytes::Bytes::from_static(b"ls\r"))));
    for (message, expected) in [
        (json!({ "type": "resize", "cols": 100, "rows": 40 }), "\"cols\":100"),
        (json!({ "type": "say", "text": "faster" }), "faster"),
    ] {
        socket.send(Message::text(message.to_string())).await.unwrap();
        let heard = format!("{:?}", soon("a message", link.outgoing.recv()).await.unwrap()).replace('\\', "");
        assert!(heard.contains(expected), "{heard}");
    }
    socket.send(Message::text(json!({ "type": "resize", "cols": 0, "rows": 40 }).to_string())).await.unwrap();
    assert_eq!(said(&mut socket).await["type"], "error");
    socket.send(Message::text("what?")).await.unwrap();
    assert!(matches!(next(&mut socket).await, Message::Close(Some(_))), "what is no message ends it");
    let mut late = attach(&served, &format!("{path}?from=9"), &[("authorization", &admin)]).await.unwrap();
    assert_eq!(said(&mut late).await["offset"], 9);
    assert_eq!(bytes(&mut late, 3).await, b"ter");
}

#[tokio::test]
async fn a_size_that_nobody_is_there_to_take_is_no_complaint() {
    let served = Served::new().await;
    let (run, link) = served.live_run().await;
    let path = format!("/ws/sessions/{run}");
    let mut socket = attach(&served, &path, &[("authorization", &bearer(ADMIN))]).await.unwrap();
    said(&mut socket).await;
    drop(link);
    for cols in [100, 0] {
        socket.send(Message::text(json!({ "type": "resize", "cols": cols, "rows": 40 }).to_string())).await.unwrap();
    }
    let error = said(&mut socket).await;
    assert!(error["message"].as_str().unwrap().contains("1 to 1000"), "{error}");
}

#[tokio::test]
async fn who_may_only_read_does_not_type() {
    let served = Served::new().await;
    let (run, mut link) = served.live_run().await;
    let (read, _) = served.token("read").await;
    let mut socket = attach(&served, &format!("/ws/sessions/{run}"), &[("authorization", &bearer(&read))]).await.unwrap();
    said(&mut socket).await;
    for message in [Message::binary(&b"rm\r"[..]), Message::text(json!({ "type": "say", "text": "x" }).to_string())] {
        socket.send(message).await.unwrap();
        let error = said(&mut socket).await;
        assert!(error["message"].as_str().unwrap().contains("needs `write`"), "{error}");
    }
    print(&mut link, 0, b"still here").await;
    assert_eq!(bytes(&mut socket, 10).await, b"still here");
}

#[tokio::test]
async fn only_our_own_pages_attach_with_a_cookie() {
    let served = Served::new().await;
    let (run, _link) = served.live_run().await;
    let path = format!("/ws/sessions/{run}");
    let signed = served.ask("POST", "/api/v1/sign-in").json(&json!({ "token": ADMIN })).send().await.unwrap();
    let cookie = signed.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let ours = served.url("");
    let admin = bearer(ADMIN);
    assert_eq!(attach(&served, &path, &[]).await.err(), Some(401));
    assert_eq!(attach(&served, &path, &[("cookie", &cookie)]).await.err(), Some(403), "no origin");
    assert_eq!(attach(&served, &path, &[("cookie", &cookie), ("origin", "http://evil.example")]).await.err(), Some(403));
    assert_eq!(attach(&served, &path, &[("authorization", &admin), ("origin", "http://evil.example")]).await.err(), Some(403));
    assert_eq!(attach(&served, &path, &[("authorization", &admin), ("host", "evil.example")]).await.err(), Some(421));
    assert!(attach(&served, &path, &[("cookie", &cookie), ("origin", &ours)]).await.is_ok());
    assert_eq!(attach(&served, "/ws/sessions/x-9.1", &[("authorization", &admin)]).await.err(), Some(404));
    assert_eq!(attach(&served, &format!("{path}?colour=red"), &[("authorization", &admin)]).await.err(), Some(400));
}

#[tokio::test]
async fn a_viewer_that_stalls_slows_nobody_and_all_that_is_read_is_in_order() {
    let served = Served::new().await;
    let (run, mut link) = served.live_run().await;
    let path = format!("/ws/sessions/{run}?from=0");
    let admin = bearer(ADMIN);
    let _stalled = attach(&served, &path, &[("authorization", &admin)]).await.unwrap();
    let mut reading = attach(&served, &path, &[("authorization", &admin)]).await.unwrap();
    said(&mut reading).await;
    let total = 6 << 20;
    let reader = tokio::spawn(async move { bytes(&mut reading, total).await });
    let mut offset = 0;
    while offset < total {
        let piece: Vec<u8> = (offset..offset + 65_536).map(|at| (at / 7) as u8).collect();
        print(&mut link, offset as u64, &piece).await;
        offset += piece.len();
    }
    let got = soon("all of it", reader).await.unwrap();
    assert_eq!(got.len(), total);
    assert!(got.iter().enumerate().all(|(at, byte)| *byte == (at / 7) as u8), "bytes are missing or out of order");
}

#[tokio::test]
async fn draining_says_goodbye() {
    let mut served = Served::new().await;
    let (run, _link) = served.live_run().await;
    let mut socket = attach(&served, &format!("/ws/sessions/{run}"), &[("authorization", &bearer(ADMIN))]).await.unwrap();
    said(&mut socket).await;
    let closing = tokio::spawn(async move { next(&mut socket).await });
    served.stop().await;
    assert!(matches!(closing.await.unwrap(), Message::Close(Some(frame)) if frame.reason.contains("shutting down")));
}
