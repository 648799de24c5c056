//! The system of compose.yaml as people run it: up, the main job through TLS, down and up again, replaced while agents work.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use strawboss_testkit::System;
use strawboss_testkit::compose::{HttpVersion, UID};
use strawboss_testkit::programs::run;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

/// Each model says in its own file that it worked.
const MODEL: &str = "
models: [claude-sonnet-4-20250514, qwen3-coder]
rules:
  - name: any
    when: { prompt: Write }
    turns:
      - text: I write it down.
        tools:
          - name: Bash
            input:
              description: Write
              command: 'date > note-$RANDOM.txt && git add --all && git commit --quiet -m Note'
      - text: It is written down.
";

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

#[test]
fn the_file_is_sound_in_every_profile() -> Result<()> {
    for profiles in [&[][..], &["cpu"], &["gpu"], &["cpu", "models"], &["dev"], &["test"], &["certbot"]] {
        let mut command = Command::new("docker");
        command.arg("compose");
        for profile in profiles {
            command.args(["--profile", profile]);
        }
        run(command.args(["config", "--quiet"]).current_dir(root()))?;
    }
    let mut all = Command::new("docker");
    let text = run(all.args(["compose", "--profile", "*", "config", "--format", "json"]).current_dir(root()))?;
    let all: Value = serde_json::from_str(&text)?;
    for (name, service) in all["services"].as_object().context("no services")? {
        let profiles = service["profiles"].as_array().map(Vec::len).unwrap_or_default();
        ensure!(profiles > 0, "{name} is in no profile");
        ensure!(service["privileged"].is_null() && service["network_mode"] != "host" && service["pid"].is_null(), "{name}");
        ensure!(service["logging"]["options"]["max-size"].is_string(), "{name} logs without bounds");
        ensure!(service["runtime"].is_null(), "{name}");
        let holds_socket = service["volumes"].as_array().is_some_and(|volumes| {
            volumes.iter().any(|volume| volume["source"].as_str().is_some_and(|source| source.ends_with("docker.sock")))
        });
        ensure!(holds_socket == (name == "docker-proxy"), "{name} and the engine's socket");
    }
    Ok(())
}

/// What the engine itself was asked for, on a machine that may have no GPU: the container is made and not started.
#[test]
fn the_local_model_asks_for_every_gpu() -> Result<()> {
    let system = System::new(MODEL)?;
    system.set("MODELS_IMAGE", "debian:bookworm-slim")?;
    run(system
        .compose(&["--profile", "gpu", "create", "--no-build", "--no-recreate", "models-gpu"])
        .env("COMPOSE_IGNORE_ORPHANS", "1"))?;
    let name =
        run(system.compose(&["--profile", "gpu", "ps", "--all", "--quiet", "models-gpu"]).env("COMPOSE_IGNORE_ORPHANS", "1"))?;
    let record: Value = serde_json::from_str(&run(Command::new("docker").args(["inspect", name.trim()]))?)?;
    let host = &record[0]["HostConfig"];
    assert_eq!(
        host["DeviceRequests"],
        json!([{ "Driver": "nvidia", "Count": -1, "DeviceIDs": null, "Capabilities": [["gpu"]], "Options": null }])
    );
    assert_ne!(host["Runtime"], "nvidia");
    let env = record[0]["Config"]["Env"].to_string();
    ensure!(env.contains("NVIDIA_VISIBLE_DEVICES=all") && env.contains("NVIDIA_DRIVER_CAPABILITIES=compute,utility"), "{env}");
    Ok(())
}

async fn the_edge_is_an_edge(system: &System) -> Result<()> {
    let health = system.client().get(system.url("/health")).send().await?;
    assert_eq!((health.status().as_u16(), health.version()), (200, HttpVersion::HTTP_2));
    let plain = system.done(&["port", "edge", "8080"])?;
    let moved = system
        .client()
        .get(format!("http://localhost:{}/x?y=z", plain.trim().rsplit(':').next().context("port")?))
        .send()
        .await?;
    assert_eq!(moved.status(), 308);
    ensure!(moved.headers()["location"].to_str()?.starts_with("https://localhost"), "{:?}", moved.headers());
    let whisper = system.client().get(system.url("/api/whisper/v1/models")).send().await?;
    assert_eq!(whisper.status(), 502);
    ensure!(whisper.text().await?.contains("WHISPER_URL"));
    let metrics = system.client().get(system.url("/metrics")).bearer_auth(system.token()?).send().await?;
    assert_eq!(metrics.status(), 404, "figures stay inside");
    let page = system.client().get(system.url("/")).send().await?;
    for header in ["content-security-policy", "x-content-type-options", "x-frame-options", "referrer-policy"] {
        ensure!(page.headers().contains_key(header), "{header}: {:?}", page.headers());
    }
    ensure!(page.text().await?.contains("<title>Strawboss"));
    let stranger = system.client().get(system.url("/api/v1/tasks")).header("host", "evil.example").send().await?;
    // nginx itself refuses two names in one request; the control plane refuses a name that is not its own.
    ensure!([400, 421].contains(&stranger.status().as_u16()), "{}", stranger.status());
    // What scrapes figures knows the control plane by its service's name.
    let scrape =
        format!("curl --silent --fail --header 'Authorization: Bearer {}' http://strawboss:7070/metrics", system.token()?);
    ensure!(system.done(&["exec", "-T", "edge", "sh", "-c", &scrape])?.contains("strawboss_part_ok{part=\"store\"} 1"));
    // Events come as they happen, not when a buffer is full.
    let mut events = system.client().get(system.url("/api/v1/events")).bearer_auth(system.token()?).send().await?;
    let first = tokio::time::timeout(std::time::Duration::from_mins(1), events.chunk()).await??;
    ensure!(first.is_some_and(|bytes| !bytes.is_empty()));
    Ok(())
}

fn owned_by_the_person(folder: &Path) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            let found = fs::symlink_metadata(&path)?;
            ensure!((found.uid(), found.gid()) == (UID, UID), "{} belongs to {}:{}", path.display(), found.uid(), found.gid());
            if found.is_dir() {
                folders.push(path);
            }
        }
    }
    Ok(())
}

/// A terminal is a WebSocket of the edge's.
async fn a_person_types_through_the_edge(system: &System) -> Result<()> {
    system.backlog().append(
        "three",
        "1",
        "Pending",
        "printf 'who? '; read -r word; echo \"it heard $word\"; echo $word > heard.txt",
        ",,",
    )?;
    let run = system.until("an agent that reads", async |system| {
        let tasks = system.tasks().await?;
        let run = tasks.iter().map(|task| &task["run"]).find(|run| run["state"] == "working");
        Ok(run.and_then(|run| run["id"].as_str()).map(str::to_owned))
    });
    let run = run.await?;
    let mut person = system.attach(&run)?;
    person.see("who? ").await?;
    person.press("hello\r").await?;
    person.see("it heard hello").await?;
    let (ended, shown) = person.leave().await?;
    ensure!(ended.success(), "{shown}");
    Ok(())
}

/// A service that transcribes gets what is asked, and nothing of who asks.
async fn the_edge_leads_to_a_transcriber(system: &mut System) -> Result<()> {
    let project = system.inspect("edge")?["Config"]["Labels"]["com.docker.compose.project"].clone();
    let network = format!("{}_front", project.as_str().context("no project")?);
    let gateway = run(&mut system.docker(&["network", "inspect", "--format", "{{(index .IPAM.Config 0).Gateway}}", &network]))?;
    let listener = TcpListener::bind((gateway.trim(), 0)).await?;
    let url = format!("http://{}", listener.local_addr()?);
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut asked = Vec::new();
        while !asked.windows(4).any(|end| end == b"\r\n\r\n") {
            ensure!(stream.read_buf(&mut asked).await? > 0, "cut off: {}", String::from_utf8_lossy(&asked));
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nheard").await?;
        Ok(String::from_utf8_lossy(&asked).to_lowercase())
    });
    system.set("WHISPER_URL", &url)?;
    system.up()?;
    let ask = |system: &System| {
        let cookie = "__Host-strawboss=stolen";
        Ok::<_, anyhow::Error>(
            system.client().get(system.url("/api/whisper/v1/models?x=y")).bearer_auth(system.token()?).header("cookie", cookie),
        )
    };
    // It is for whoever is signed in; nobody else gets there.
    let stranger = system.client().post(system.url("/api/whisper/v1/audio")).body("a".repeat(1000)).send().await?;
    assert_eq!(stranger.status(), 401);
    ensure!(stranger.text().await?.contains("nobody is signed in"));
    let answer = ask(system)?.send().await?;
    let header = |name| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned();
    let (policy, sniff) = (header("content-security-policy"), header("x-content-type-options"));
    ensure!(policy.starts_with("sandbox") && sniff == "nosniff", "{policy} {sniff}");
    assert_eq!((answer.status().as_u16(), answer.text().await?.as_str()), (200, "heard"));
    let asked = serving.await??;
    ensure!(asked.starts_with("get /v1/models?x=y http/1.1\r\n"), "{asked}");
    ensure!(!asked.contains("cookie") && !asked.contains("authorization") && !asked.contains("stolen"), "{asked}");
    // Nobody listens there any more.
    let answer = ask(system)?.send().await?;
    assert_eq!(answer.status(), 502);
    ensure!(answer.text().await?.contains("no transcription service answers"));
    Ok(())
}

/// What init does, without the rest: another user, and volumes that were somebody else's.
#[test]
fn volumes_follow_the_user_and_the_password_is_for_our_server_alone() -> Result<()> {
    let system = System::new(MODEL)?;
    system.set("BACKUP_DIR", "")?;
    let begin = ["run", "--rm", "--no-deps", "init"];
    let try_all =
        "for f in /backups /var/lib/strawboss/data; do touch $f/new && test -O $f/new || exit 1; done; cut -d: -f1 $PGPASSFILE";
    for user in ["12345", "23456"] {
        system.set("STRAWBOSS_UID", user)?;
        system.done(&begin)?;
        let said = system.done(&["run", "--rm", "--no-deps", "--entrypoint", "sh", "strawboss", "-c", try_all])?;
        assert_eq!(said.trim(), "postgres", "whom the password is shown to");
        system.done(&[
            "run",
            "--rm",
            "--no-deps",
            "--entrypoint",
            "sh",
            "strawboss",
            "-c",
            "rm /backups/new /var/lib/strawboss/data/new",
        ])?;
    }
    Ok(())
}

#[tokio::test]
async fn the_main_job_runs_inside_it_and_outlives_down_and_up() -> Result<()> {
    let mut system = System::new(MODEL)?;
    let one = system.project("one", &[("README.md", "one\n")])?;
    for name in ["two", "three"] {
        system.project(name, &[("README.md", "one of several\n")])?;
    }
    system.configure("projects:\n  one: { directory: /projects/one, review: auto, checks: ['ls note-*.txt'] }\n  two: { directory: /projects/two, review: auto }\n  three: { directory: /projects/three, agent: shell, review: auto }\n")?;
    system.backlog().append("one", "1", "Pending", "Write with Claude", ",,Sonnet 4")?;
    system.backlog().append("two", "1", "Pending", "Write with a local model", ",,Qwen")?;
    system.give_away()?;
    system.up()?;
    system.until_statuses(&["Completed", "Completed"]).await?;
    the_edge_is_an_edge(&system).await?;
    a_person_types_through_the_edge(&system).await?;
    system.until_statuses(&["Completed", "Completed", "Completed"]).await?;
    the_edge_leads_to_a_transcriber(&mut system).await?;
    let tasks = system.get("/api/v1/tasks").await?;
    ensure!(one.git(&["log", "--format=%s", "main"])?.contains("Note"), "Claude's work landed");
    for folder in ["projects", "backlog", "backups"] {
        owned_by_the_person(&system.path().join(folder))?;
    }
    let status = system.get("/api/v1/status").await?;
    assert_eq!(status["store"]["name"], "postgresql");
    let version = system.done(&["exec", "-T", "postgres", "postgres", "--version"])?;
    println!("the database was {}", version.trim());

    // Nobody but the proxy is anything special.
    for service in ["strawboss", "edge", "docker-proxy", "postgres", "mock-model"] {
        let record = system.inspect(service)?;
        let host = &record["HostConfig"];
        assert_eq!(host["Privileged"], false, "{service}");
        ensure!(host["SecurityOpt"].to_string().contains("no-new-privileges"), "{service}: {}", host["SecurityOpt"]);
        if service != "postgres" {
            assert_eq!((&host["ReadonlyRootfs"], &host["CapDrop"]), (&json!(true), &json!(["ALL"])), "{service}");
        }
        ensure!(!record["Config"]["Env"].to_string().contains("sk-test"), "{service} has a key in its environment");
    }
    let logs = system.done(&["logs"])?;
    ensure!(!logs.contains(&system.token()?) && !logs.contains("sk-test"), "a secret is in a log");
    let doctor = system.done(&["exec", "-T", "strawboss", "strawboss", "doctor"])?;
    ensure!(!doctor.contains("FAIL"), "{doctor}");
    ensure!(doctor.lines().any(|line| line.contains("OK") && line.contains("certificate of localhost")), "{doctor}");

    // A backup was made by itself, and is whole.
    let backups = system.until("a backup", async |system| {
        let list = system.done(&["exec", "-T", "strawboss", "strawboss", "db", "list", "--json"])?;
        let list: Vec<Value> = serde_json::from_str(&list)?;
        Ok((!list.is_empty()).then_some(list))
    });
    let file = backups.await?[0]["file"].as_str().context("no file")?.to_owned();
    system.done(&["exec", "-T", "strawboss", "strawboss", "db", "verify", &file])?;

    // State, recordings, tokens and the certificate persist; only containers went.
    let token = system.token()?;
    let recording = format!("/api/v1/runs/{}.1/terminal?from=0", tasks["items"][0]["id"].as_str().context("no id")?);
    let recorded = system.client().get(system.url(&recording)).bearer_auth(&token).send().await?.bytes().await?;
    let certificate = system.done(&["exec", "-T", "edge", "cat", "/etc/edge/certificates/fullchain.pem"])?;
    system.done(&["down", "--timeout", "30"])?;
    system.up()?;
    assert_eq!(system.token()?, token);
    assert_eq!(system.get("/api/v1/tasks").await?, tasks);
    let again = system.client().get(system.url(&recording)).bearer_auth(&token).send().await?.bytes().await?;
    ensure!(!recorded.is_empty() && again == recorded, "the recording");
    assert_eq!(system.done(&["exec", "-T", "edge", "cat", "/etc/edge/certificates/fullchain.pem"])?, certificate);
    Ok(())
}
