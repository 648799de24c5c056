//! The egress proxy over real TCP. Names and addresses are the tests' own; connections end on this machine.

use crate::support::{Books, Door, Played, Stage, connect, door, sandbox, soon, stage, until};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_gateway::{Caller, CallerLimits, CallerRules, Egress, EgressConfig, HostNet, NetworkPolicy, Outbound, SystemNet};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Resolves from a table; each look-up may answer something else. Outer addresses lead to the stage.
struct LyingNet {
    names: HashMap<&'static str, Vec<Vec<IpAddr>>>,
    asked: AtomicUsize,
    own: Vec<IpAddr>,
    outer: SocketAddr,
    connected: Mutex<Vec<SocketAddr>>,
}

#[async_trait::async_trait]
impl HostNet for LyingNet {
    async fn resolve(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let number = self.asked.fetch_add(1, Ordering::SeqCst);
        let answers = self.names.get(name).ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no such name"))?;
        Ok(answers[number.min(answers.len() - 1)].clone())
    }
    fn owns(&self, address: IpAddr) -> bool {
        self.own.contains(&address)
    }
    async fn connect(&self, address: SocketAddr) -> io::Result<TcpStream> {
        self.connected.lock().unwrap().push(address);
        TcpStream::connect(if address.ip().is_loopback() { address } else { self.outer }).await
    }
}

struct House {
    books: Arc<Books>,
    host: Stage,
    net: Arc<LyingNet>,
    caller: Caller,
    egress: Arc<Egress>,
    door: Door,
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

async fn house(allow: &[&str], internal: &[String], tunnels: usize, idle: Duration) -> House {
    let host = stage().await;
    let books = Arc::new(Books::default());
    let net = Arc::new(LyingNet {
        names: HashMap::from([
            ("good.test", vec![vec![ip("93.184.216.34")]]),
            ("dual.test", vec![vec![ip("64:ff9b::5db8:d822"), ip("93.184.216.34")]]),
            ("inward.test", vec![vec![ip("10.0.0.5")]]),
            ("mixed.test", vec![vec![ip("93.184.216.34"), ip("127.0.0.1")]]),
            ("metadata.test", vec![vec![ip("169.254.169.254")]]),
            ("mapped.test", vec![vec![ip("::ffff:93.184.216.34")]]),
            ("own.test", vec![vec![ip("93.184.216.99")]]),
            ("empty.test", vec![vec![]]),
            // What it says first passes; a second look-up would lead inward.
            ("rebind.test", vec![vec![ip("93.184.216.34")], vec![ip("127.0.0.1")]]),
            ("mirror.lan", vec![vec![ip("127.0.0.1")]]),
        ]),
        asked: AtomicUsize::new(0),
        own: vec![ip("93.184.216.99")],
        outer: host.address,
        connected: Mutex::default(),
    });
    let egress = Arc::new(Egress::new(EgressConfig {
        net: net.clone(),
        outbound: Outbound::direct(),
        meter: books.clone(),
        connect: Duration::from_secs(10),
        idle,
    }));
    let allow: Vec<String> = allow.iter().map(|entry| (*entry).to_owned()).collect();
    let rules = CallerRules {
        network: NetworkPolicy::parse(&allow, internal).unwrap(),
        limits: CallerLimits { tunnels, ..CallerLimits::default() },
        ..CallerRules::default()
    };
    let caller = Caller::new(sandbox(), rules);
    let door = door(caller.clone(), None, Some(egress.clone())).await;
    House { books, host, net, caller, egress, door }
}

async fn plain_house(allow: &[&str]) -> House {
    house(allow, &[], 100, Duration::from_mins(1)).await
}

async fn tunnel(house: &House, target: &str) -> (Played, String) {
    let mut client = connect(house.door.address).await;
    client.say(format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n\r\n")).await;
    let head = client.head().await;
    (client, head)
}

#[tokio::test]
async fn an_allowed_host_is_reached_both_ways() {
    let house = plain_house(&["good.test"]).await;
    let (mut client, head) = tunnel(&house, "good.test:443").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let mut host = house.host.next().await;
    client.say("hello").await;
    assert_eq!(host.bytes(5).await, b"hello");
    host.say("hi").await;
    assert_eq!(client.bytes(2).await, b"hi");
    // Each half closes by itself.
    client.stream.shutdown().await.unwrap();
    assert_eq!(host.rest().await, b"");
    host.say("last words").await;
    drop(host);
    assert_eq!(client.rest().await, b"last words");
    assert_eq!(*house.net.connected.lock().unwrap(), ["93.184.216.34:443".parse().unwrap()]);
    soon("the tunnel ends", house.egress.drained()).await;
    assert!(house.books.refused().is_empty());
}

#[tokio::test]
async fn a_name_is_resolved_once_and_that_is_connected_to() {
    let house = plain_house(&["rebind.test", "dual.test"]).await;
    let (_client, head) = tunnel(&house, "rebind.test:443").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    assert_eq!(house.net.asked.load(Ordering::SeqCst), 1);
    let (_second, head) = tunnel(&house, "dual.test:443").await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    let outer: SocketAddr = "93.184.216.34:443".parse().unwrap();
    assert_eq!(*house.net.connected.lock().unwrap(), [outer, outer]);
}

#[tokio::test]
async fn what_leads_inward_is_refused_whatever_it_is_called() {
    let house = plain_house(&["*", "127.0.0.1", "10.1.2.3:22", "[::1]:80"]).await;
    for target in [
        "inward.test:443",
        "mixed.test:443",
        "metadata.test:80",
        "mapped.test:443",
        "own.test:443",
        "127.0.0.1:80",
        "127.9.9.9:443",
        "10.1.2.3:22",
        "192.168.0.1:80",
        "169.254.169.254:80",
        "0.0.0.0:80",
        "[::1]:80",
        "[::ffff:127.0.0.1]:80",
        "[64:ff9b::7f00:1]:80",
        "[2002:7f00:1::]:80",
        "[fd00:ec2::254]:80",
        "[fe80::1]:80",
        "93.184.216.99:443",
    ] {
        let (mut client, head) = tunnel(&house, target).await;
        assert!(head.starts_with("http/1.1 403"), "{target}: {head}");
        let last = house.books.refused().pop().unwrap();
        assert_eq!(last.target, target);
        assert!(last.reason.contains("leads to"), "{last:?}");
        drop(client.stream.shutdown().await);
    }
    assert!(house.net.connected.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_is_not_allowed_is_refused_and_says_how_to_allow_it() {
    let house = plain_house(&["npm", "good.test"]).await;
    for (target, probe, part) in [
        ("evil.test:443", false, "npm, good.test"),
        ("good.test:22", false, "not on port 22"),
        ("93.184.216.34:443", false, "network.allow"),
        ("statsig.anthropic.com:443", true, "network.allow"),
        ("api.anthropic.com:443", true, "network.allow"),
    ] {
        let (mut client, head) = tunnel(&house, target).await;
        assert!(head.starts_with("http/1.1 403"), "{target}: {head}");
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let body = String::from_utf8(client.bytes(length).await).unwrap();
        assert!(body.contains(part), "{target}: {body}");
        let last = house.books.refused().pop().unwrap();
        assert_eq!((last.target.as_str(), last.known_probe), (target, probe));
    }
    assert_eq!(house.net.asked.load(Ordering::SeqCst), 0, "a refused name is not even looked up");
}

#[tokio::test]
async fn odd_targets_are_refused_before_anything_is_done() {
    let house = plain_house(&["*"]).await;
    for target in
        ["2130706433:80", "0x7f000001:80", "0177.0.0.1:80", "127.1:80", "good.test:0", "user@good.test:443", "good.test"]
    {
        let (_, head) = tunnel(&house, target).await;
        assert!(head.starts_with("http/1.1 400"), "{target}: {head}");
    }
    for url in ["http://user:hunter2@good.test/", "https://good.test/", "ftp://good.test/", "http://0x7f.1/"] {
        let mut client = connect(house.door.address).await;
        client.say(format!("GET {url} HTTP/1.1\r\nhost: good.test\r\n\r\n")).await;
        let head = client.head().await;
        assert!(head.starts_with("http/1.1 400"), "{url}: {head}");
    }
    assert_eq!(house.net.asked.load(Ordering::SeqCst), 0);
    assert!(house.books.refused().iter().all(|refused| !refused.target.contains("hunter2")), "{:?}", house.books.refused());
}

#[tokio::test]
async fn a_host_that_cannot_be_reached_is_said_so() {
    let house = plain_house(&["*"]).await;
    for (target, part) in [("nowhere.test:443", "could not be resolved"), ("empty.test:443", "no address")] {
        let (mut client, head) = tunnel(&house, target).await;
        assert!(head.starts_with("http/1.1 502"), "{target}: {head}");
        let length: usize = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        let body = String::from_utf8(client.bytes(length).await).unwrap();
        assert!(body.contains(part), "{body}");
    }
}

#[tokio::test]
async fn an_inner_host_is_reached_only_by_exception() {
    let target = stage().await;
    let port = target.address.port();
    let house = house(&[], &[format!("mirror.lan:{port}"), format!("127.0.0.1:{port}")], 10, Duration::from_mins(1)).await;
    for name in ["mirror.lan", "127.0.0.1"] {
        let (mut client, head) = tunnel(&house, &format!("{name}:{port}")).await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        let mut inner = target.next().await;
        client.say("x").await;
        assert_eq!(inner.bytes(1).await, b"x");
        let (_, head) = tunnel(&house, &format!("{name}:80")).await;
        assert!(head.starts_with("http/1.1 403"), "{head}");
    }
}

#[tokio::test]
async fn an_absolute_form_request_is_forwarded() {
    let house = plain_house(&["good.test"]).await;
    let mut client = connect(house.door.address).await;
    client
        .say("GET http://good.test/a/b?c=d HTTP/1.1\r\nhost: evil.test\r\nproxy-connection: keep-alive\r\nproxy-authorization: Basic eA==\r\nrange: bytes=0-\r\nauthorization: Bearer its-own\r\n\r\n")
        .await;
    let mut host = house.host.next().await;
    let head = host.head().await;
    assert!(head.starts_with("get /a/b?c=d http/1.1\r\n"), "{head}");
    assert!(head.contains("host: good.test\r\n") && head.contains("range: bytes=0-") && head.contains("its-own"), "{head}");
    assert!(!head.contains("evil.test") && !head.contains("proxy-"), "{head}");
    host.say("HTTP/1.1 200 OK\r\ncontent-length: 5\r\nkeep-alive: 5\r\nx-a: b\r\n\r\nabcde").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 200") && head.contains("x-a: b") && !head.contains("keep-alive"), "{head}");
    assert_eq!(client.bytes(5).await, b"abcde");
    // The sandbox's connection goes on, and each request is judged anew.
    client.say("GET http://evil.test/ HTTP/1.1\r\nhost: good.test\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 403"));
    let mut posting = connect(house.door.address).await;
    posting.say("POST http://good.test:80/p HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc").await;
    let mut host = house.host.next().await;
    host.head().await;
    assert_eq!(host.bytes(3).await, b"abc");
    drop(host);
    assert!(posting.head().await.starts_with("http/1.1 502"));
}

#[tokio::test]
async fn one_sandbox_has_so_many_connections() {
    let house = house(&["good.test"], &[], 2, Duration::from_mins(1)).await;
    let (first, _) = tunnel(&house, "good.test:443").await;
    let (_second, _) = tunnel(&house, "good.test:443").await;
    let (_, head) = tunnel(&house, "good.test:443").await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
    drop(first);
    drop(house.host.next().await);
    until("there is room again", async || {
        let (_, head) = tunnel(&house, "good.test:443").await;
        head.starts_with("http/1.1 200").then_some(())
    })
    .await;
}

#[tokio::test]
async fn silence_or_the_sandboxs_end_cuts_a_tunnel() {
    let house = house(&["good.test"], &[], 10, Duration::from_millis(40)).await;
    let (mut client, _) = tunnel(&house, "good.test:443").await;
    let mut host = house.host.next().await;
    host.hung_up().await;
    client.hung_up().await;
    let house = plain_house(&["good.test"]).await;
    let (mut client, _) = tunnel(&house, "good.test:443").await;
    let mut host = house.host.next().await;
    house.caller.close();
    host.hung_up().await;
    client.hung_up().await;
    soon("all tunnels end", house.egress.drained()).await;
    let (_, head) = tunnel(&house, "good.test:443").await;
    assert!(head.starts_with("http/1.1 503"), "{head}");
}

#[tokio::test]
async fn much_passes_through_a_tunnel_unchanged() {
    let house = plain_house(&["good.test"]).await;
    let (mut client, _) = tunnel(&house, "good.test:443").await;
    let mut host = house.host.next().await;
    let sent: Vec<u8> = (0..8_000_000u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let copy = sent.clone();
    let sender = tokio::spawn(async move {
        client.say(&copy).await;
        client.stream.shutdown().await.unwrap();
        client
    });
    assert!(host.rest().await == sent, "the bytes differ");
    let mut client = soon("all is sent", sender).await.unwrap();
    drop(host);
    assert_eq!(client.rest().await, b"");
}

#[tokio::test]
async fn the_hosts_own_proxy_is_used_when_there_is_one() {
    let proxy = stage().await;
    let books = Arc::new(Books::default());
    let egress = Arc::new(Egress::new(EgressConfig {
        net: Arc::new(SystemNet::new()),
        outbound: Outbound::through(&format!("http://user:pw@{}", proxy.address), ""),
        meter: books.clone(),
        connect: Duration::from_secs(10),
        idle: Duration::from_mins(1),
    }));
    let rules = CallerRules {
        network: NetworkPolicy::parse(&["name.invalid".to_owned(), "*".to_owned()], &[]).unwrap(),
        ..CallerRules::default()
    };
    let door = door(Caller::new(sandbox(), rules), None, Some(egress)).await;
    let mut client = connect(door.address).await;
    client.say("CONNECT name.invalid:443 HTTP/1.1\r\nhost: name.invalid:443\r\n\r\n").await;
    let mut upstream = proxy.next().await;
    let head = upstream.head().await;
    assert!(head.starts_with("connect name.invalid:443 http/1.1\r\n"), "{head}");
    assert!(head.contains("proxy-authorization: basic"), "{head}");
    upstream.say("HTTP/1.1 200 Connection established\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 200"));
    client.say("x").await;
    assert_eq!(upstream.bytes(1).await, b"x");
    // What is known to lead inward does not reach the proxy either.
    let mut client = connect(door.address).await;
    client.say("CONNECT 127.0.0.1:443 HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(client.head().await.starts_with("http/1.1 403"));
}
