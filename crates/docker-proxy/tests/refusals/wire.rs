//! Requests that are made to be read in two ways, and connections that go wrong.

use super::ground::{config, ground};
use rustix::fs::{Mode, OFlags};
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use strawboss_core::runner::{Runner as _, RunnerError};
use strawboss_docker_proxy::{Proxy, health};
use strawboss_runner::{DockerConfig, DockerRunner};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use tokio_util::sync::CancellationToken;

/// The statuses of all answers on a connection.
fn statuses(answer: &str) -> Vec<&str> {
    answer.match_indices("HTTP/1.1 ").map(|(at, _)| &answer[at + 9..at + 12]).collect()
}

#[tokio::test]
async fn what_can_be_read_in_two_ways_is_not_passed() {
    ground(async |ground| {
        let body = ground.sandbox().to_string();
        let length = body.len();
        let create =
            "POST /v1.41/containers/create HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
        let chunked = format!("{length:x}\r\n{body}\r\n0\r\n\r\n");
        let get = |line: &str| format!("{line}\r\nHost: x\r\nConnection: close\r\n");
        for (request, status) in [
            (format!("{create}Content-Length: {length}\r\nContent-Length: 3\r\n\r\n{body}"), "400"),
            (format!("{create}Content-Length: {length}, 3\r\n\r\n{body}"), "400"),
            (format!("{create}Content-Length: +{length}\r\n\r\n{body}"), "400"),
            (format!("{create}Transfer-Encoding: chunked, identity\r\n\r\n{chunked}"), "400"),
            (format!("{create}Transfer-Encoding: xchunked\r\n\r\n{chunked}"), "400"),
            (format!("{create}Content-Length: {}\r\n\r\n{}", (1 << 20) + 1, " ".repeat((1 << 20) + 1)), "413"),
            (get("GET http://docker/v1.41/info HTTP/1.1") + "\r\n", "403"),
            (get("CONNECT docker:80 HTTP/1.1") + "\r\n", "403"),
            (get("GET /v1.41/info HTTP/1.1") + "Upgrade: h2c\r\n\r\n", "403"),
            (get("POST /v1.41/containers/x/attach HTTP/1.1") + "Upgrade: tcp\r\n\r\n", "403"),
            (get("GET /v1.41//info HTTP/1.1") + "\r\n", "403"),
            (get("GET /v1.41/images/%2e%2e/json HTTP/1.1") + "\r\n", "403"),
            (get("GET /v1.41/x/../info HTTP/1.1") + "\r\n", "403"),
            (get("GET /v1.41/info HTTP/1.1") + "Content-Length: 2\r\n\r\n{}", "403"),
            (get("GET /v1.41/info HTTP/1.1") + &format!("X: {}\r\n\r\n", "x".repeat(20_000)), "431"),
            (get("GET /v1.41/info HTTP/1.1") + &"X: x\r\n".repeat(40) + "\r\n", "431"),
            (get("GET /v1.41/info HTTP/1.1") + "X : x\r\n\r\n", "400"),
            (get("GET /v1.41/info HTTP/1.1") + " folded: x\r\n\r\n", "400"),
        ] {
            let answer = ground.raw(request.as_bytes()).await;
            assert_eq!(statuses(&answer), [status], "{}: {answer}", request.chars().take(200).collect::<String>());
        }
        assert_eq!(ground.made().await, Vec::<String>::new());
        // Whoever says both a length and chunks means the chunks: what follows them is a request of its own, and judged.
        let both = format!("{create}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n", length + 200);
        let answer =
            ground.raw(format!("{both}2\r\n{{}}\r\n0\r\n\r\n{create}Content-Length: {length}\r\n\r\n{body}").as_bytes()).await;
        assert_eq!(statuses(&answer), ["403"], "{answer}");
        assert_eq!(ground.made().await, Vec::<String>::new());
        // In one way, it passes.
        let answer = ground.raw(format!("{create}Transfer-Encoding: chunked\r\n\r\n{chunked}").as_bytes()).await;
        assert_eq!(statuses(&answer), ["201"], "{answer}");
    })
    .await;
}

#[tokio::test]
async fn another_installation_is_refused_from_then_on() {
    ground(async |ground| {
        assert_eq!(ground.create(&ground.sandbox()).await.status, 201);
        let mut other = ground.sandbox();
        other["Labels"]["strawboss.installation"] = "another".into();
        other["HostConfig"]["Mounts"] = serde_json::json!([]);
        assert!(ground.create(&other).await.is_refused("installation"));
        assert_eq!(std::fs::read_to_string(ground.dir.path().join("installation")).unwrap().trim(), ground.installation);
        // Doctor's things are its own, for as long as it looks.
        other["Labels"]["strawboss.installation"] = format!("doctor{}", std::process::id()).into();
        let answer = ground.call("POST", "/containers/create", Some(&other.to_string())).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id = answer.json()["Id"].as_str().unwrap().to_owned();
        assert_eq!(ground.call("DELETE", &format!("/containers/{id}"), None).await.status, 204);
    })
    .await;
}

#[tokio::test]
async fn nobody_else_can_dial_it() {
    ground(async |ground| {
        // Others may reach the file, not the socket.
        std::fs::set_permissions(ground.dir.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let dial = |uid: Option<u32>| {
            let socket = ground.socket.to_str().unwrap();
            let script = format!("use IO::Socket::UNIX; exit(IO::Socket::UNIX->new(Peer => \"{socket}\") ? 0 : 1)");
            let mut command = Command::new("perl");
            command.args(["-e", &script]);
            if let Some(uid) = uid {
                command.uid(uid).gid(uid);
            }
            command.status().unwrap().success()
        };
        assert!(dial(None));
        assert!(!dial(Some(65534)));
    })
    .await;
}

#[tokio::test]
async fn health_is_the_engines_own_through_the_proxy() {
    ground(async |ground| {
        assert_eq!(health(&ground.socket).await, Ok(()));
        let dir = tempfile::tempdir().unwrap();
        assert!(health(&dir.path().join("none")).await.is_err());
        let mut config = config(&dir);
        config.engine = dir.path().join("none");
        let socket = config.listen.clone();
        let stop = CancellationToken::new();
        let serving = tokio::spawn(Proxy::bind(config).unwrap().serve(stop.clone()));
        let why = health(&socket).await.unwrap_err();
        assert!(why.contains("502"), "{why}");
        // The runner takes it for an engine that is away, and not for an answer.
        let runner = DockerRunner::new(DockerConfig {
            host: Some(format!("unix://{}", socket.display())),
            installation: ground.installation.clone(),
            ..DockerConfig::default()
        });
        let error = runner.sandboxes().await.unwrap_err();
        assert!(matches!(&error, RunnerError::Unreachable { why, .. } if why.contains("does not answer")), "{error}");
        stop.cancel();
        serving.await.unwrap().unwrap();
    })
    .await;
}

#[tokio::test]
async fn an_engine_that_changes_the_protocol_or_ends_in_the_middle_is_not_passed_on_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let engine = UnixListener::bind(dir.path().join("engine.sock")).unwrap();
    let mut config = config(&dir);
    config.engine = dir.path().join("engine.sock");
    let socket = config.listen.clone();
    let stop = CancellationToken::new();
    let serving = tokio::spawn(Proxy::bind(config).unwrap().serve(stop.clone()));
    let asked = async |answer: &'static [u8]| {
        let mut caller = UnixStream::connect(&socket).await.unwrap();
        caller.write_all(b"GET /v1.41/info HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
        let (mut line, _) = engine.accept().await.unwrap();
        let mut head = [0; 64];
        let _ = line.read(&mut head).await.unwrap();
        line.write_all(answer).await.unwrap();
        drop(line);
        let mut text = String::new();
        let _ = caller.read_to_string(&mut text).await;
        text
    };
    let text = asked(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n").await;
    assert_eq!(statuses(&text), ["502"], "{text}");
    let text = asked(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nSet-Cookie: x\r\n\r\n12345").await;
    assert!(
        text.to_ascii_lowercase().contains("content-length: 10") && text.ends_with("12345") && !text.contains("Cookie"),
        "{text}"
    );
    assert_eq!(statuses(&asked(b"").await), ["502"]);
    stop.cancel();
    serving.await.unwrap().unwrap();
}

/// As where containers outlive the engine: the file that was mounted is the old engine's.
#[tokio::test]
async fn it_ends_when_the_engines_socket_was_replaced_and_not_when_the_engine_is_away() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("engine.sock");
    let engine = UnixListener::bind(&path).unwrap();
    let mounted = rustix::fs::open(&path, OFlags::PATH, Mode::empty()).unwrap();
    let mut config = config(&dir);
    config.engine = format!("/proc/self/fd/{}", mounted.as_raw_fd()).into();
    let socket = config.listen.clone();
    let serving = tokio::spawn(Proxy::bind(config).unwrap().serve(CancellationToken::new()));
    drop(engine);
    let why = health(&socket).await.unwrap_err();
    assert!(why.contains("502"), "{why}");
    assert!(health(&socket).await.is_err() && !serving.is_finished(), "the same one may come back");
    std::fs::remove_file(&path).unwrap();
    let _new = UnixListener::bind(&path).unwrap();
    assert!(health(&socket).await.is_err());
    let why = serving.await.unwrap().unwrap_err().to_string();
    assert!(why.contains("replaced"), "{why}");
}

#[tokio::test]
async fn the_end_cuts_what_only_waits_and_leaves_no_second_one_listening() {
    ground(async |ground| {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("proxy.sock");
        let stop = CancellationToken::new();
        let serving = tokio::spawn(Proxy::bind(config(&dir)).unwrap().serve(stop.clone()));
        let why = Proxy::bind(config(&dir)).err().unwrap().to_string();
        assert!(why.contains("another program listens"), "{why}");
        let mut body = ground.sandbox();
        body["HostConfig"]["Mounts"] = serde_json::json!([]);
        let answer = ground.create(&body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let mut waiting = UnixStream::connect(&socket).await.unwrap();
        let wait = format!("POST /v1.41/containers/{}/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\n\r\n", ground.name("made"));
        waiting.write_all(wait.as_bytes()).await.unwrap();
        let mut head = [0; 12];
        waiting.read_exact(&mut head).await.unwrap();
        assert_eq!(&head, b"HTTP/1.1 200");
        stop.cancel();
        serving.await.unwrap().unwrap();
        let mut rest = Vec::new();
        // Cut, not ended: who waits must not take it for the sandbox's end.
        let ended = waiting.read_to_end(&mut rest).await;
        assert!(ended.is_err() || !String::from_utf8_lossy(&rest).ends_with("0\r\n\r\n"), "{rest:?}");
        assert!(UnixStream::connect(&socket).await.is_err());
        // One that ended leaves its file; the next one takes its place.
        let again = tokio::spawn(Proxy::bind(config(&dir)).unwrap().serve(CancellationToken::new()));
        assert_eq!(health(&socket).await, Ok(()));
        again.abort();
    })
    .await;
}

#[tokio::test]
async fn a_thousand_that_wait_leave_room_for_others() {
    ground(async |ground| {
        let mut body = ground.sandbox();
        body["HostConfig"]["Mounts"] = serde_json::json!([]);
        assert_eq!(ground.create(&body).await.status, 201);
        let wait = format!("POST /v1.41/containers/{}/wait?condition=next-exit HTTP/1.1\r\nHost: x\r\n\r\n", ground.name("made"));
        let mut waiting = Vec::new();
        for _ in 0..1100 {
            let mut line = UnixStream::connect(&ground.socket).await.unwrap();
            line.write_all(wait.as_bytes()).await.unwrap();
            waiting.push(line);
        }
        for line in &mut waiting {
            let mut head = [0; 12];
            line.read_exact(&mut head).await.unwrap();
            assert_eq!(&head, b"HTTP/1.1 200");
        }
        assert_eq!(health(&ground.socket).await, Ok(()));
        assert_eq!(ground.call("GET", &format!("/containers/{}/json", ground.name("made")), None).await.status, 200);
    })
    .await;
}
