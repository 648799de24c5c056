//! A real engine with a proxy before it, and a caller who may say anything.

use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder, RemoveContainerOptionsBuilder,
    RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures_util::{FutureExt as _, StreamExt as _};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;
use strawboss_docker_proxy::{Config, DoorsConfig, Proxy, SocketFile};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) const DOOR: &str = "0123456789abcdef";
const ENGINE: &str = "/var/run/docker.sock";

/// An answer: status and body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// It was refused by this rule, in the engine's shape.
    pub(crate) fn is_refused(&self, rule: &str) -> bool {
        let message = self.json()["message"].as_str().unwrap_or_default().to_owned();
        matches!(self.status, 400 | 403 | 413) && message.ends_with(&format!("(rule `{rule}`)"))
    }
}

pub(crate) struct Ground {
    /// Past the proxy.
    pub(crate) docker: Docker,
    pub(crate) installation: String,
    pub(crate) image: String,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) socket: PathBuf,
    repository: String,
    _stop: DropGuard,
}

pub(crate) fn config(ground: &tempfile::TempDir) -> Config {
    Config {
        engine: engine_socket(),
        listen: ground.path().join("proxy.sock"),
        socket: SocketFile { mode: 0o600, uid: None, gid: None },
        installation: None,
        doors: Some(DoorsConfig { folder: ground.path().to_owned(), volume: None, uid: None, gid: None }),
    }
}

fn engine_socket() -> PathBuf {
    let host = std::env::var("DOCKER_HOST").unwrap_or_else(|_| format!("unix://{ENGINE}"));
    host.strip_prefix("unix://").unwrap_or_else(|| panic!("these tests need an engine on a Unix socket, not {host}")).into()
}

/// Runs a test on ground of its own and removes all of it, also when the test fails.
pub(crate) async fn ground(test: impl AsyncFnOnce(&Ground)) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let version = bollard::ClientVersion { major_version: 1, minor_version: 41 };
    let docker = Docker::connect_with_unix(engine_socket().to_str().unwrap(), 120, &version).unwrap();
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let installation = format!("refused-{}-{}-{nanos}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let repository = format!("strawboss-{installation}");
    let options = CreateImageOptionsBuilder::default().from_src("-").repo(&repository).tag("1").build();
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(0);
    tar.append_data(&mut header, "empty", std::io::empty()).unwrap();
    let tar = tar.into_inner().unwrap();
    let imported: Vec<_> = docker.create_image(Some(options), Some(bollard::body_full(tar.into())), None).collect().await;
    for step in imported {
        step.unwrap();
    }
    let image = docker.inspect_image(&format!("{repository}:1")).await.unwrap().id.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = config(&dir);
    let (socket, stop) = (config.listen.clone(), CancellationToken::new());
    tokio::spawn(Proxy::bind(config).unwrap().serve(stop.clone()));
    std::fs::create_dir(dir.path().join("doors").join(DOOR)).unwrap();
    let ground = Ground { docker, installation, image, dir, socket, repository, _stop: stop.drop_guard() };
    let outcome = AssertUnwindSafe(test(&ground)).catch_unwind().await;
    ground.clean().await;
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Ground {
    /// Sends bytes and reads what comes back until the other side ends it.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = UnixStream::connect(&self.socket).await.unwrap();
        // One that is refused early may not be read to its end.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<&str>) -> Answer {
        let head = format!("{method} /v1.41{path} HTTP/1.1\r\nHost: docker\r\nConnection: close\r\n");
        let request = match body {
            Some(body) => format!("{head}Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len()),
            None => format!("{head}\r\n"),
        };
        let answer = self.raw(request.as_bytes()).await;
        let (head, text) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer:?}"));
        Answer { status, text: text.to_owned() }
    }

    pub(crate) async fn create(&self, body: &Value) -> Answer {
        self.call("POST", &format!("/containers/create?name={}", self.name("made")), Some(&body.to_string())).await
    }

    /// A name that is this ground's alone.
    pub(crate) fn name(&self, what: &str) -> String {
        format!("strawboss-{}-{what}", self.installation)
    }

    pub(crate) fn labels(&self) -> Value {
        json!({"strawboss.installation": self.installation})
    }

    /// What passes, with everything in it.
    pub(crate) fn sandbox(&self) -> Value {
        let door = self.dir.path().canonicalize().unwrap().join("doors").join(DOOR);
        let bind = |source: &str, target: &str| json!({"Type": "bind", "Source": source, "Target": target, "ReadOnly": true, "BindOptions": {"Propagation": "rprivate"}});
        json!({
            "Image": self.image,
            "User": "10001:10001",
            "Hostname": "sandbox",
            "Env": ["SECRET=hunter2"],
            "Entrypoint": ["/supervisor"],
            "WorkingDir": "/home/agent",
            "NetworkDisabled": true,
            "Tty": false,
            "OpenStdin": false,
            "StopSignal": "SIGTERM",
            "Healthcheck": {"Test": ["NONE"]},
            "Labels": self.labels(),
            "HostConfig": {
                "NetworkMode": "none", "IpcMode": "private", "CgroupnsMode": "private", "Privileged": false, "CapDrop": ["ALL"],
                "SecurityOpt": ["no-new-privileges:true"], "ReadonlyRootfs": true, "Init": false,
                "RestartPolicy": {"Name": "no"}, "LogConfig": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "1"}},
                "Memory": 64 << 20, "MemorySwap": 64 << 20, "PidsLimit": 16, "CpuPeriod": 100_000, "CpuQuota": 100_000,
                "ShmSize": 1 << 20, "Ulimits": [{"Name": "core", "Soft": 0, "Hard": 0}],
                "Tmpfs": {"/tmp": "rw,nosuid,nodev,exec,uid=10001,gid=10001,mode=1777,size=1048576"},
                "DeviceRequests": [{"DeviceIDs": ["0"], "Capabilities": [["gpu"]]}],
                "Mounts": [
                    {"Type": "volume", "Source": self.name("home"), "Target": "/home/agent", "VolumeOptions": {"NoCopy": true, "Labels": self.labels()}},
                    bind(door.to_str().unwrap(), "/run/strawboss"),
                    bind(door.join("hosts").to_str().unwrap(), "/etc/hosts"),
                ],
            },
        })
    }

    /// Names and ids of containers, and names of volumes, that the engine has of this ground.
    pub(crate) async fn made(&self) -> Vec<String> {
        let named = HashMap::from([("name".to_owned(), vec![self.installation.clone()])]);
        let labelled = HashMap::from([("label".to_owned(), vec![format!("strawboss.installation={}", self.installation)])]);
        let imaged = HashMap::from([("ancestor".to_owned(), vec![self.image.clone()])]);
        let mut found = Vec::new();
        for filters in [&named, &labelled, &imaged] {
            let options = ListContainersOptionsBuilder::default().all(true).filters(filters).build();
            found.extend(
                self.docker.list_containers(Some(options)).await.unwrap().into_iter().filter_map(|container| container.id),
            );
        }
        for filters in [&named, &labelled] {
            let options = ListVolumesOptionsBuilder::default().filters(filters).build();
            let volumes = self.docker.list_volumes(Some(options)).await.unwrap().volumes.unwrap_or_default();
            found.extend(volumes.into_iter().map(|volume| volume.name));
        }
        found.sort();
        found.dedup();
        found
    }

    async fn clean(&self) {
        for name in self.made().await {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let _ = self.docker.remove_container(&name, Some(options)).await;
            let _ = self.docker.remove_volume(&name, Some(RemoveVolumeOptionsBuilder::default().build())).await;
        }
        let image = format!("{}:1", self.repository);
        let _ = self.docker.remove_image(&image, Some(RemoveImageOptionsBuilder::default().force(true).build()), None).await;
    }
}
