//! The model proxy over real TCP, between a client and a provider that the tests play byte by byte.

use crate::support::{Books, Door, Played, Stage, connect, door, sandbox, stage, unchunked};
use std::sync::Arc;
use std::time::Duration;
use strawboss_gateway::{
    Auth, Caller, CallerLimits, CallerRules, ModelProxy, Outbound, Price, Prices, Provider, ProxyConfig, ProxyLimits, Secret,
};

const KEY: &str = "sk-the-real-one-0123456789";
const STREAM: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"model\":\"claude-x-1\",\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":7,\"cache_read_input_tokens\":9,\"output_tokens\":1}}}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"text\":\"\\\"usage\\\":{\\\"output_tokens\\\":5}\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"usage\":{\"output_tokens\":120}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

struct House {
    books: Arc<Books>,
    provider: Stage,
    door: Door,
}

struct Plan {
    auth: Auth,
    limits: ProxyLimits,
    caller: CallerLimits,
    base: &'static str,
}

impl Default for Plan {
    fn default() -> Self {
        Self { auth: Auth::ApiKey, limits: ProxyLimits::default(), caller: CallerLimits::default(), base: "" }
    }
}

async fn house(plan: Plan) -> House {
    let provider = stage().await;
    let books = Arc::new(Books::default());
    let secret = Secret::new(KEY, "the test").unwrap();
    let base = format!("http://{}{}", provider.address, plan.base);
    let price = Price { input: 3.0, output: 15.0, cache_read: 0.3, cache_write: 3.75 };
    let proxy = ModelProxy::new(ProxyConfig {
        providers: vec![
            Provider::new("main", &base, plan.auth, Some(secret)).unwrap(),
            Provider::new("nowhere", "http://127.0.0.1:1", Auth::ApiKey, None).unwrap(),
        ],
        prices: Prices::from_iter([("claude-x".to_owned(), price)]),
        limits: plan.limits,
        outbound: Outbound::direct(),
        meter: books.clone(),
        roots: None,
    })
    .unwrap();
    let routes = [("anthropic", "main"), ("dead", "nowhere"), ("ghost", "gone")];
    let rules = CallerRules {
        routes: routes.iter().map(|(api, name)| ((*api).to_owned(), (*name).to_owned())).collect(),
        limits: plan.caller,
        ..CallerRules::default()
    };
    let door = door(Caller::new(sandbox(), rules), Some(Arc::new(proxy)), None).await;
    House { books, provider, door }
}

fn ask(path: &str, headers: &str, body: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: door\r\n{headers}content-length: {}\r\n\r\n{body}", body.len())
}

async fn reply(played: &mut Played) -> (String, Vec<u8>) {
    let head = played.head().await;
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map(|length| length.parse().unwrap());
    if let Some(length) = length {
        return (head, played.bytes(length).await);
    }
    let mut all = Vec::new();
    while !all.ends_with(b"0\r\n\r\n") {
        all.extend(played.bytes(1).await);
    }
    (head, unchunked(&all))
}

const MESSAGES: &str = "/gateway/anthropic/v1/messages?beta=true";

#[tokio::test]
async fn only_the_credential_is_replaced() {
    for (auth, theirs) in [(Auth::ApiKey, "x-api-key: "), (Auth::OauthToken, "authorization: bearer ")] {
        let house = house(Plan { auth, base: "/deep/v1", ..Plan::default() }).await;
        let mut client = connect(house.door.address).await;
        let headers = "x-api-key: dummy\r\nauthorization: Bearer dummy\r\ncookie: a=b\r\nanthropic-beta: oauth-2025-04-20,x\r\nanthropic-version: 2023-06-01\r\naccept-encoding: gzip, br\r\nx-app: cli\r\nconnection: keep-alive, x-hop\r\nx-hop: 1\r\nproxy-authorization: Basic eA==\r\nx-forwarded-for: 10.0.0.1\r\nte: trailers\r\n";
        client.say(ask(MESSAGES, headers, "{\"a\":1}")).await;
        let mut provider = house.provider.next().await;
        let head = provider.head().await;
        assert!(head.starts_with("post /deep/v1/messages?beta=true http/1.1\r\n"), "{head}");
        assert_eq!(provider.bytes(7).await, b"{\"a\":1}");
        for kept in ["anthropic-beta: oauth-2025-04-20,x", "anthropic-version: 2023-06-01", "x-app: cli", "content-length: 7"] {
            assert!(head.contains(kept), "{kept}: {head}");
        }
        assert!(head.contains(&format!("host: {}\r\n", house.provider.address)), "{head}");
        assert!(head.contains(&format!("{theirs}{KEY}\r\n")), "{head}");
        for gone in ["dummy", "cookie", "accept-encoding", "x-hop", "proxy-", "x-forwarded", "te:", "host: door"] {
            assert!(!head.contains(gone), "{gone}: {head}");
        }
        provider.say("HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: application/json\r\n\r\n{}").await;
        assert_eq!(reply(&mut client).await.1, b"{}");
    }
}

#[tokio::test]
async fn the_credential_never_comes_back() {
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    for (status, body) in [
        ("200 OK", "{\"fine\":true}".to_owned()),
        ("401 Unauthorized", format!("{{\"error\":{{\"message\":\"invalid x-api-key {KEY}\"}}}}")),
        ("500 Oops", format!("{KEY}{KEY}")),
        ("302 Found", String::new()),
    ] {
        client.say(ask(MESSAGES, "", "{}")).await;
        let mut provider = house.provider.next().await;
        provider.head().await;
        let echo =
            format!("x-echo: you sent {KEY}\r\nlocation: https://x/?key={KEY}\r\nset-cookie: s={KEY}\r\nx-api-key: {KEY}\r\n");
        provider
            .say(format!(
                "HTTP/1.1 {status}\r\n{echo}request-id: req_1\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            ))
            .await;
        let (head, body) = reply(&mut client).await;
        let text = format!("{head}{}", String::from_utf8(body).unwrap());
        assert!(!text.contains(KEY), "{text}");
        assert!(text.contains("request-id: req_1"), "{text}");
    }
    // What we say ourselves when nothing answers, either.
    client.say(ask("/gateway/dead/v1/messages", "", "{}")).await;
    let (head, body) = reply(&mut client).await;
    let text = String::from_utf8(body).unwrap();
    assert!(head.starts_with("http/1.1 502"), "{head}");
    assert!(
        text.contains("api_error") && text.contains("nowhere") && !text.contains(KEY) && !text.contains("127.0.0.1"),
        "{text}"
    );
}

#[tokio::test]
async fn a_stream_passes_byte_for_byte_however_it_is_cut() {
    let house = house(Plan::default()).await;
    let cuts = [1, 2, 3, 7, 64, STREAM.len()];
    for size in cuts {
        let mut client = connect(house.door.address).await;
        client.say(ask(MESSAGES, "", "{\"stream\":true}")).await;
        let mut provider = house.provider.next().await;
        provider.head().await;
        provider
            .say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n")
            .await;
        for piece in STREAM.as_bytes().chunks(size) {
            provider.chunk(piece).await;
        }
        provider.say("0\r\n\r\n").await;
        let (head, body) = reply(&mut client).await;
        assert!(head.contains("content-type: text/event-stream; charset=utf-8\r\n"), "{head}");
        assert_eq!(String::from_utf8(body).unwrap(), STREAM);
    }
    let used = house.books.booked(cuts.len()).await;
    assert_eq!(used.len(), cuts.len());
    for usage in used {
        assert_eq!(
            (usage.requests, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens),
            (1, 25, 120, 9, 7)
        );
        // 25 × 3 + 120 × 15 + 9 × 0.3 + 7 × 3.75, rounded up.
        assert_eq!(usage.cost_microusd, 1904);
    }
}

#[tokio::test]
async fn what_comes_together_goes_out_together() {
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n";
    let event = "event: ping\ndata: {}\n\n";
    let chunk = format!("{:x}\r\n{event}\r\n", event.len());
    // In one write, so that it is there at once.
    provider.say(format!("{head}{}0\r\n\r\n", chunk.repeat(200))).await;
    client.head().await;
    let mut all = Vec::new();
    while !all.ends_with(b"0\r\n\r\n") {
        all.extend(client.bytes(1).await);
    }
    assert_eq!(String::from_utf8(unchunked(&all)).unwrap(), event.repeat(200));
    // A chunk's size stands on a line of its own and is the only thing that ends so.
    let chunks = all.windows(2).filter(|two| two == b"\r\n").count() / 2;
    assert!(chunks < 20, "200 events went out in {chunks} chunks: each costs a system call");
}

#[tokio::test]
async fn each_event_goes_out_when_it_comes() {
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    provider.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let head = client.head().await;
    assert!(head.starts_with("http/1.1 200"), "{head}");
    // The next is sent only when the one before has arrived: a gateway that waits for more never gets any.
    for number in 0..20 {
        let event = format!("event: ping\ndata: {number:04}\n\n");
        provider.chunk(&event).await;
        let expected = format!("{:X}\r\n{event}\r\n", event.len());
        assert_eq!(String::from_utf8(client.bytes(expected.len()).await).unwrap(), expected);
    }
}

#[tokio::test]
async fn a_client_that_goes_cancels_the_provider_and_is_booked() {
    let house = house(Plan::default()).await;
    // In the middle of an answer.
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    provider.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    let start = &STREAM[..STREAM.find("event: content").unwrap()];
    provider.chunk(start).await;
    client.head().await;
    client.bytes(start.len()).await;
    drop(client);
    provider.hung_up().await;
    let used = house.books.booked(1).await;
    assert_eq!((used[0].requests, used[0].input_tokens, used[0].output_tokens), (1, 25, 1));
    // Before it began.
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    drop(client);
    provider.hung_up().await;
    let used = house.books.booked(2).await;
    assert_eq!((used.len(), used[1].requests, used[1].output_tokens), (2, 0, 0));
}

#[tokio::test]
async fn a_provider_that_breaks_off_is_not_taken_for_done() {
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    provider.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    provider.chunk(&STREAM[..300]).await;
    drop(provider);
    client.head().await;
    let rest = client.rest().await;
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
    assert_eq!(house.books.booked(1).await[0].input_tokens, 25);
}

#[tokio::test]
async fn silence_ends_a_request() {
    let limits = ProxyLimits { head: Duration::from_millis(50), idle: Duration::from_millis(50), ..ProxyLimits::default() };
    let house = house(Plan { limits, ..Plan::default() }).await;
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    let (head, body) = reply(&mut client).await;
    assert!(head.starts_with("http/1.1 504"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("timeout_error"));
    provider.hung_up().await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    provider.say("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n").await;
    provider.chunk("event: ping\ndata: {}\n\n").await;
    client.head().await;
    assert!(!client.rest().await.ends_with(b"0\r\n\r\n"));
    provider.hung_up().await;
    assert_eq!(house.books.booked(2).await.len(), 2);
}

#[tokio::test]
async fn a_limit_is_told_to_the_meter_and_to_the_agent() {
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    let body = "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\",\"message\":\"later\"}}";
    provider
        .say(format!("HTTP/1.1 429 Too Many Requests\r\nretry-after: 30\r\nanthropic-ratelimit-requests-remaining: 0\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
        .await;
    let (head, got) = reply(&mut client).await;
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 30"), "{head}");
    assert_eq!(got, body.as_bytes());
    let until = house.books.limited.lock().unwrap()[0].expect("a moment");
    let now = i64::try_from(std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    assert!(until.0 > now && until.0 <= now + 30_000, "{} {now}", until.0);
    assert_eq!(house.books.booked(1).await[0].requests, 1);
}

#[tokio::test]
async fn what_a_sandbox_may_not_ask_is_refused_here() {
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    for (path, status, part) in [
        ("/gateway/openai/v1/messages", "403", "anthropic"),
        ("/gateway/ghost/v1/messages", "503", "`gone` is not configured"),
        ("/gateway/anthropic/v1/messages/batches", "403", "permission_error"),
        ("/gateway/anthropic/v1/files", "403", "permission_error"),
        ("/gateway/anthropic/api/oauth/usage", "403", "permission_error"),
        ("/gateway/anthropic/v1/../v1/messages", "404", "not_found_error"),
        ("/gateway/anthropic/v1/%2e%2e/messages", "404", "not_found_error"),
        ("/gateway/anthropic//v1/messages", "404", "not_found_error"),
        ("/gateway/anthropic", "404", "not_found_error"),
    ] {
        client.say(ask(path, "", "{}")).await;
        let (head, body) = reply(&mut client).await;
        let body = String::from_utf8(body).unwrap();
        assert!(head.starts_with(&format!("http/1.1 {status}")), "{path}: {head}");
        assert!(body.contains(part) && body.contains("\"type\":\"error\""), "{path}: {body}");
    }
    let refused = house.books.refused();
    assert_eq!(refused.len(), 5, "{refused:?}");
    assert_eq!(refused.iter().filter(|refused| refused.known_probe).count(), 1, "{refused:?}");
    assert!(house.books.used().is_empty());
    client.say("DELETE /gateway/anthropic/v1/models/x HTTP/1.1\r\nhost: door\r\n\r\n").await;
    assert!(reply(&mut client).await.0.starts_with("http/1.1 405"));
}

#[tokio::test]
async fn too_large_a_request_is_cut() {
    let limits = ProxyLimits { max_body: 1 << 20, ..ProxyLimits::default() };
    let house = house(Plan { limits, ..Plan::default() }).await;
    let mut client = connect(house.door.address).await;
    client.say(format!("POST {MESSAGES} HTTP/1.1\r\nhost: door\r\ncontent-length: {}\r\n\r\n", (1 << 20) + 1)).await;
    let (head, body) = reply(&mut client).await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
    assert!(String::from_utf8(body).unwrap().contains("request_too_large"));
    // Without its length said beforehand.
    let mut client = connect(house.door.address).await;
    client.say(format!("POST {MESSAGES} HTTP/1.1\r\nhost: door\r\ntransfer-encoding: chunked\r\n\r\n")).await;
    let mut provider = house.provider.next().await;
    let swallow = tokio::spawn(async move { provider.hung_up().await });
    for _ in 0..17 {
        client.chunk(vec![b'x'; 64 * 1024]).await;
    }
    let (head, _) = reply(&mut client).await;
    assert!(head.starts_with("http/1.1 413"), "{head}");
    crate::support::soon("the provider sees it end", swallow).await.unwrap();
}

#[tokio::test]
async fn one_sandbox_has_so_much_at_once() {
    let caller = CallerLimits { requests: 1, waiting: 1, tunnels: 1 };
    let house = house(Plan { caller, ..Plan::default() }).await;
    let mut first = connect(house.door.address).await;
    first.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    let mut second = connect(house.door.address).await;
    second.say(ask(MESSAGES, "", "{}")).await;
    // One of these two waits; the other is told to come back.
    let mut third = connect(house.door.address).await;
    third.say(ask(MESSAGES, "", "{}")).await;
    let (mut waiting, head) = crate::support::soon("one is sent away", async {
        tokio::select! {
            head = third.head() => (second, head),
            head = second.head() => (third, head),
        }
    })
    .await;
    assert!(head.starts_with("http/1.1 429") && head.contains("retry-after: 1"), "{head}");
    let ok = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}";
    provider.say(ok).await;
    reply(&mut first).await;
    // The same connection serves the next, and its turn came with the first one's end.
    provider.head().await;
    provider.bytes(2).await;
    provider.say(ok).await;
    assert!(reply(&mut waiting).await.0.starts_with("http/1.1 200"));
}

#[tokio::test]
async fn a_gigabyte_passes_a_slow_client_in_little_memory() {
    const TOTAL: usize = 1 << 30;
    let house = house(Plan::default()).await;
    let mut client = connect(house.door.address).await;
    client.say(ask(MESSAGES, "", "{}")).await;
    let mut provider = house.provider.next().await;
    provider.head().await;
    let before = resident_kib();
    let sender = tokio::spawn(async move {
        provider.say(format!("HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {TOTAL}\r\n\r\n")).await;
        let piece = vec![b'x'; 1 << 20];
        for _ in 0..TOTAL / piece.len() {
            provider.say(&piece).await;
        }
    });
    client.head().await;
    let mut got = 0;
    let mut peak = 0;
    while got < TOTAL {
        got += client.bytes((8 << 20).min(TOTAL - got)).await.len();
        // A pause for the sender to run ahead in, if anything lets it.
        tokio::task::yield_now().await;
        peak = peak.max(resident_kib());
    }
    crate::support::soon("all is sent", sender).await.unwrap();
    assert!(peak < before + 96 * 1024, "grew from {before} to {peak} KiB");
    assert_eq!(house.books.booked(1).await.len(), 1);
}

fn resident_kib() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
