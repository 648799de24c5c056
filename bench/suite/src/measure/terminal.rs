//! One viewer of a run's terminal: a key's echo, and a stream.

use super::{Size, docker_image, ms, say};
use crate::proc;
use crate::samples::Samples;
use crate::table::{Aim, Row};
use anyhow::{Context as _, Result, bail};
use futures_util::{SinkExt as _, StreamExt as _};
use std::io::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use strawboss_testkit::world::DEADLINE;
use strawboss_testkit::{RunnerKind, World, WorldOptions};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

const GROUP: &str = "one viewer";
/// Gives every key back and nothing else.
const ECHO: &str = "stty raw -echo; printf READY; exec cat";
/// What a stream ends with; its noise has no such character.
const END: u8 = b'#';
/// The time between keys: a fast typist's keys come at 50 ms, this only keeps the run short.
const GAP: Duration = Duration::from_millis(4);
const WARM_UP: usize = 50;

/// Prints a file of noise when a key says so, and the end mark.
fn stream_command(file: &Path) -> String {
    format!("stty raw -echo; printf READY; head -c 1 >/dev/null; cat '{}'; printf '#'; exec cat", file.display())
}

pub(crate) async fn measure(size: Size) -> Result<Vec<Row>> {
    let dir = tempfile::Builder::new().permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755)).tempdir()?;
    let noise = dir.path().join("noise");
    let megabytes = size.of(1, 50);
    make_noise(&noise, megabytes)?;
    let stream = stream_command(&noise);

    say!("the yardstick's echo");
    let yardstick = Yardstick::start(dir.path(), ECHO)?;
    let echo_peer = echo(&mut Terminal::open(&format!("ws://{}/", yardstick.address), None).await?, size).await?;
    drop(yardstick);
    say!("the yardstick's stream of {megabytes} MB");
    let repetitions = size.of(1, 5);
    let yardstick = Yardstick::start(dir.path(), &stream)?;
    let mut peer = Streams::default();
    for _ in 0..repetitions {
        let mut terminal = Terminal::open(&format!("ws://{}/", yardstick.address), None).await?;
        peer.take(&mut terminal, &[yardstick.pid()?], megabytes).await?;
    }
    drop(yardstick);

    let mut rows = Vec::new();
    let mut runners = vec![RunnerKind::Process];
    if docker_image().is_some() {
        runners.push(RunnerKind::Docker);
    }
    for runner in runners {
        let word = match runner {
            RunnerKind::Process => "process",
            RunnerKind::Docker => "docker",
        };
        say!("a key's echo through all of it ({word})");
        let mut attended = Attended::start(runner, ECHO).await?;
        let ours = echo(&mut attended.terminal, size).await?;
        attended.world.stop().await?;
        rows.push(
            Row::new(GROUP, format!("key to echo, {word}"), "ms", ours.clone())
                .against("bare PTY to WebSocket", echo_peer.clone())
                .aim(Aim::TailBelow(0.6)),
        );
        rows.push(
            Row::new(GROUP, format!("… its 99th percentile, {word}"), "ms", Samples::one(ours.quantile(0.99)))
                .against("bare PTY to WebSocket", Samples::one(echo_peer.quantile(0.99))),
        );
        if runner == RunnerKind::Docker {
            continue;
        }
        let mut ours = Streams::default();
        for repetition in 0..repetitions {
            say!("a stream of {megabytes} MB through all of it ({word}), {} of {repetitions}", repetition + 1);
            let mut attended = Attended::start(runner, &stream).await?;
            let hub = attended.world.pid()?.as_raw();
            let mark = format!("STRAWBOSS_SANDBOX={}-agent", attended.run);
            let mut pids = vec![hub];
            pids.extend(proc::named("strawboss-supervisor", &mark));
            ours.take(&mut attended.terminal, &pids, megabytes).await?;
            attended.world.stop().await?;
        }
        rows.extend(ours.rows(word, &peer));
    }
    Ok(rows)
}

/// Lines as programs print them, without the end mark.
fn make_noise(path: &Path, megabytes: usize) -> Result<()> {
    let mut file = std::io::BufWriter::new(std::fs::File::create(path)?);
    let mut written = 0;
    let mut number = 0_u64;
    while written < megabytes * 1_000_000 {
        let line = format!("{number:>9} the quick brown fox jumps over the lazy dog and back again\r\n");
        file.write_all(line.as_bytes())?;
        written += line.len();
        number += 1;
    }
    Ok(file.flush()?)
}

/// A terminal over a WebSocket, as a browser has it.
struct Terminal {
    socket: WebSocketStream<TcpStream>,
    skipped: u32,
}

impl Terminal {
    /// Opens it and waits until the program in it is ready.
    async fn open(url: &str, token: Option<&str>) -> Result<Self> {
        let mut request = url.into_client_request()?;
        if let Some(token) = token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse()?);
        }
        let host = request.uri().authority().context("no host in the URL")?.to_string();
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        let config = WebSocketConfig::default().read_buffer_size(128 * 1024);
        let (socket, _) = tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
        let mut it = Self { socket, skipped: 0 };
        let mut seen = Vec::new();
        let ready = async {
            while !seen.windows(5).any(|window| window == b"READY") {
                seen.extend_from_slice(&it.next().await?);
            }
            anyhow::Ok(())
        };
        tokio::time::timeout(DEADLINE, ready).await.context("the terminal's program is not ready")??;
        Ok(it)
    }

    async fn key(&mut self, key: u8) -> Result<()> {
        Ok(self.socket.send(Message::binary(vec![key])).await?)
    }

    /// The next bytes; frames of text are counted where they say that bytes were passed over.
    async fn next(&mut self) -> Result<tokio_tungstenite::tungstenite::Bytes> {
        loop {
            match self.socket.next().await.context("the terminal was closed")?? {
                Message::Binary(bytes) => return Ok(bytes),
                Message::Text(text) if text.contains("\"skipped\"") => self.skipped += 1,
                Message::Text(text) if text.contains("\"error\"") || text.contains("\"ended\"") => {
                    bail!("the terminal said {text}")
                }
                Message::Close(frame) => bail!("the terminal was closed: {frame:?}"),
                _ => {}
            }
        }
    }
}

/// A run whose terminal is being watched.
struct Attended {
    world: World,
    run: String,
    terminal: Terminal,
}

impl Attended {
    async fn start(runner: RunnerKind, shell: &str) -> Result<Self> {
        let mut world = World::new(WorldOptions { runner, shell: shell.to_owned(), ..WorldOptions::default() })?;
        world.project("Bench", &[("README.md", "# Bench\n")], "agent: shell\n")?;
        world.backlog().append("Bench", "1", "Pending", "Echo.", ",,")?;
        world.start().await?;
        let task = world.until_task("Echo.", "running").await?;
        let run = task["run"]["id"].as_str().context("no run")?;
        let token = std::fs::read_to_string(world.data_dir().join("admin-token"))?;
        let url = format!("ws://{}/ws/sessions/{run}?from=0", world.address());
        let terminal = Terminal::open(&url, Some(token.trim())).await?;
        let run = run.to_owned();
        Ok(Self { world, run, terminal })
    }
}

/// Types keys, one at a time; how long each took to come back, in milliseconds.
async fn echo(terminal: &mut Terminal, size: Size) -> Result<Samples> {
    let mut times = Vec::new();
    for number in 0..WARM_UP + size.of(20, 2000) {
        let key = b"@%^*~+:"[number % 7];
        let began = Instant::now();
        terminal.key(key).await?;
        let back = async {
            while !terminal.next().await?.contains(&key) {}
            anyhow::Ok(())
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.context("a key did not come back")??;
        if number >= WARM_UP {
            times.push(ms(began.elapsed()));
        }
        tokio::time::sleep(GAP).await;
    }
    Ok(Samples::new(times))
}

/// Streams that were taken in.
#[derive(Default)]
struct Streams {
    speed: Vec<f64>,
    /// CPU of the server's own process, in milliseconds a megabyte.
    hub: Vec<f64>,
    /// CPU of the others that bytes pass through.
    rest: Vec<f64>,
    arrived: Vec<f64>,
    skipped: u32,
}

impl Streams {
    /// Lets the noise begin and reads to its end.
    async fn take(&mut self, terminal: &mut Terminal, pids: &[i32], megabytes: usize) -> Result<()> {
        let cpu = |pids: &[i32]| pids.iter().map(|pid| proc::cpu_ms(*pid)).sum::<Result<f64>>();
        let (hub, rest) = pids.split_first().map(|(hub, rest)| (std::slice::from_ref(hub), rest)).context("no process")?;
        let before = (cpu(hub)?, cpu(rest)?);
        let began = Instant::now();
        terminal.key(b'g').await?;
        let mut arrived = 0_usize;
        let all = async {
            loop {
                let bytes = terminal.next().await?;
                arrived += bytes.len();
                if bytes.contains(&END) {
                    return anyhow::Ok(());
                }
            }
        };
        tokio::time::timeout(DEADLINE, all).await.context("the stream did not end")??;
        let took = began.elapsed().as_secs_f64();
        let megabytes = megabytes as f64;
        self.speed.push(megabytes / took);
        self.hub.push((cpu(hub)? - before.0) / megabytes);
        self.rest.push((cpu(rest)? - before.1) / megabytes);
        self.arrived.push(arrived as f64 / 1e6);
        self.skipped += terminal.skipped;
        Ok(())
    }

    fn rows(self, word: &str, peer: &Self) -> Vec<Row> {
        const PEER: &str = "bare PTY to WebSocket";
        let samples = |values: &[f64]| Samples::new(values.to_vec());
        vec![
            Row::new(GROUP, format!("one stream, {word}"), "MB/s", samples(&self.speed)).against(PEER, samples(&peer.speed)),
            Row::new(GROUP, format!("… CPU of the control plane, {word}"), "ms a MB", samples(&self.hub))
                .against(PEER, samples(&peer.hub))
                .aim(Aim::Below(5.0)),
            Row::new(GROUP, format!("… CPU of the supervisor, {word}"), "ms a MB", samples(&self.rest)),
            Row::new(
                GROUP,
                format!("… that reached the viewer ({} times passed over), {word}", self.skipped),
                "MB",
                samples(&self.arrived),
            )
            .against(PEER, samples(&peer.arrived)),
        ]
    }
}

/// The yardstick, as a process of its own.
struct Yardstick {
    child: Child,
    address: String,
}

impl Yardstick {
    fn start(dir: &Path, command: &str) -> Result<Self> {
        let file = dir.join("yardstick");
        let _ = std::fs::remove_file(&file);
        let mut child = Command::new(std::env::current_exe()?)
            .args(["yardstick", "--address-file"])
            .arg(&file)
            .arg("--")
            .arg(command)
            .stdin(Stdio::null())
            .spawn()?;
        let until = Instant::now() + DEADLINE;
        loop {
            if let Ok(address) = std::fs::read_to_string(&file) {
                return Ok(Self { child, address });
            }
            if Instant::now() > until || child.try_wait()?.is_some() {
                let _ = child.kill();
                bail!("the yardstick did not start");
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
    }

    fn pid(&self) -> Result<i32> {
        Ok(i32::try_from(self.child.id())?)
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
