//! A real engine for tests: an image made of this machine's own programs, sandboxes whose supervisor is a shell
//! script, and the removal of all of it, whatever a test does.

use bollard::Docker;
use bollard::query_parameters::{
    CreateImageOptionsBuilder, ListContainersOptionsBuilder, ListVolumesOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder, RemoveVolumeOptionsBuilder,
};
use futures_util::{FutureExt, StreamExt};
use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::PermissionsExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime};
use strawboss_core::project::Limits;
use strawboss_core::runner::{Purpose, Runner, SandboxHandle, SandboxSpec, SandboxStatus, SandboxVolume, Tool};
use strawboss_core::{ProjectName, RunId};
use strawboss_runner::{DockerConfig, DockerRunner, Door, SocketDoors};

/// Nothing here takes a tenth of it; a test that hangs fails instead.
pub(crate) const DEADLINE: Duration = Duration::from_mins(2);

/// What an image of the lab has.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Image {
    pub(crate) without_git: bool,
    pub(crate) without_glibc: bool,
    pub(crate) without_shell: bool,
    pub(crate) home_is_ours: bool,
}

/// One test's own corner of the engine.
pub(crate) struct Lab {
    pub(crate) docker: Docker,
    /// What the runner dials: the engine, or what stands before it.
    pub(crate) host: String,
    _line: super::line::Line,
    pub(crate) runner: DockerRunner,
    pub(crate) installation: String,
    pub(crate) image: String,
    pub(crate) dir: tempfile::TempDir,
    pub(crate) doors: SocketDoors,
    images: Vec<String>,
}

pub(crate) fn host() -> String {
    std::env::var("DOCKER_HOST").unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned())
}

async fn engine() -> Docker {
    let docker = Docker::connect_with_host(&host()).unwrap_or_else(|error| no_engine(&error));
    // Any version that the oldest served engine knows.
    let version = bollard::ClientVersion { major_version: 1, minor_version: 41 };
    let docker = if let Some(path) = host().strip_prefix("unix://") {
        Docker::connect_with_unix(path, 120, &version).unwrap_or_else(|error| no_engine(&error))
    } else {
        docker
    };
    if let Err(error) = docker.version().await {
        no_engine(&error);
    }
    docker
}

fn no_engine(error: &dyn std::fmt::Display) -> ! {
    panic!("these tests need a Docker engine at {} (or DOCKER_HOST): {error}", host())
}

/// Runs a test in a lab of its own and removes everything after it, also when it fails.
pub(crate) async fn lab(test: impl AsyncFnOnce(&mut Lab)) {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let docker = engine().await;
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos();
    let installation = format!("test-{}-{}-{nanos}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let dir = tempfile::tempdir().unwrap();
    let line = super::line::open(dir.path());
    let mut lab = Lab {
        runner: DockerRunner::new(DockerConfig {
            host: Some(line.host.clone()),
            installation: installation.clone(),
            default_image: String::new(),
            ..DockerConfig::default()
        }),
        doors: SocketDoors::new(dir.path()).unwrap(),
        docker,
        host: line.host.clone(),
        _line: line,
        installation,
        image: String::new(),
        dir,
        images: Vec::new(),
    };
    lab.image = lab.import(Image::default()).await;
    lab.runner = lab.another_runner(&lab.host);
    let outcome = tokio::time::timeout(DEADLINE, AssertUnwindSafe(test(&mut lab)).catch_unwind()).await;
    lab.clean().await;
    assert!(outcome.is_ok(), "the test was not done in {DEADLINE:?}");
    if let Ok(Err(panic)) = outcome {
        std::panic::resume_unwind(panic);
    }
}

impl Lab {
    /// As after a restart of the control plane, or of another one with the same installation.
    pub(crate) fn another_runner(&self, host: &str) -> DockerRunner {
        DockerRunner::new(DockerConfig {
            host: Some(host.to_owned()),
            installation: self.installation.clone(),
            default_image: self.image.clone(),
            ..DockerConfig::default()
        })
    }

    /// A sandbox whose supervisor is `script`, for the `number`th task.
    pub(crate) fn spec(&self, number: u32, script: &str) -> SandboxSpec {
        let run = RunId::parse(&format!("lab-{number}.1")).unwrap();
        let id = run.sandbox(Purpose::Agent, 1);
        let door = self.doors.open(&id).unwrap();
        SandboxSpec {
            door_dir: door.dir().to_owned(),
            id,
            project: ProjectName::parse("The Lab").unwrap(),
            purpose: Purpose::Agent,
            image: None,
            limits: Limits { cpus: 1.0, memory_bytes: 256 << 20, pids: 64, ..Limits::default() },
            volume: SandboxVolume::OfRun(run.clone()),
            caches: Vec::new(),
            tools: vec![self.supervisor(script)],
            env: [("LAB".to_owned(), "1".to_owned())].into(),
            run,
        }
    }

    pub(crate) fn supervisor(&self, script: &str) -> Tool {
        let dir = tempfile::Builder::new().prefix("tool").tempdir_in(self.dir.path()).unwrap().keep();
        std::fs::create_dir(dir.join("bin")).unwrap();
        let program = dir.join("bin/strawboss-supervisor");
        // Its content is this lab's alone, so that its volume can be removed.
        std::fs::write(&program, format!("#!/bin/sh\n# {}\n{script}\n", self.installation)).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        Tool { name: "supervisor".to_owned(), dir }
    }

    /// Creates, starts and waits for its end; what it printed.
    pub(crate) async fn run(&self, spec: &SandboxSpec) -> (SandboxStatus, String) {
        let handle = self.runner.create(spec).await.unwrap();
        self.runner.start(&handle).await.unwrap();
        let status = self.runner.wait(&handle).await.unwrap();
        let said = self.said(&handle).await;
        self.runner.remove(&handle).await.unwrap();
        (status, said)
    }

    pub(crate) async fn said(&self, handle: &SandboxHandle) -> String {
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).build();
        let mut lines = self.docker.logs(&handle.0, Some(options));
        let mut text = String::new();
        while let Some(line) = lines.next().await {
            text.push_str(&line.unwrap().to_string());
        }
        text
    }

    /// Waits until the sandbox has printed `word`.
    pub(crate) async fn hear(&self, handle: &SandboxHandle, word: &str) {
        while !self.said(handle).await.contains(word) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn ours(&self) -> HashMap<String, Vec<String>> {
        HashMap::from([("label".to_owned(), vec![format!("strawboss.installation={}", self.installation)])])
    }

    pub(crate) async fn containers(&self) -> Vec<String> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&self.ours()).build();
        self.docker.list_containers(Some(options)).await.unwrap().into_iter().map(|container| container.id.unwrap()).collect()
    }

    /// The names of volumes that have `label`.
    pub(crate) async fn volumes(&self, label: &str) -> Vec<String> {
        let options = ListVolumesOptionsBuilder::default().filters(&HashMap::from([("label", vec![label])])).build();
        let listed = self.docker.list_volumes(Some(options)).await.unwrap();
        listed.volumes.unwrap_or_default().into_iter().map(|volume| volume.name).collect()
    }

    pub(crate) async fn our_volumes(&self) -> Vec<String> {
        self.volumes(&format!("strawboss.installation={}", self.installation)).await
    }

    pub(crate) async fn tool_volumes(&self) -> Vec<String> {
        self.volumes(&format!("strawboss.filled-by={}", self.installation)).await
    }

    /// Imports an image made of programs of this machine.
    pub(crate) async fn import(&mut self, image: Image) -> String {
        let repository = format!("strawboss-{}-{}", self.installation, self.images.len());
        let options = CreateImageOptionsBuilder::default().from_src("-").repo(&repository).tag("1").build();
        let mut progress = self.docker.create_image(Some(options), Some(bollard::body_full(root_tar(image).into())), None);
        while let Some(step) = progress.next().await {
            step.unwrap();
        }
        let name = format!("{repository}:1");
        self.images.push(name.clone());
        name
    }

    async fn clean(&self) {
        for container in self.containers().await {
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            let _ = self.docker.remove_container(&container, Some(options)).await;
        }
        for volume in self.our_volumes().await.into_iter().chain(self.tool_volumes().await) {
            let _ = self.docker.remove_volume(&volume, Some(RemoveVolumeOptionsBuilder::default().force(true).build())).await;
        }
        for image in &self.images {
            let _ = self.docker.remove_image(image, Some(RemoveImageOptionsBuilder::default().force(true).build()), None).await;
        }
    }
}

const PROGRAMS: &[&str] = &[
    "cat", "chmod", "dd", "env", "head", "id", "ls", "mkdir", "mknod", "mount", "perl", "readlink", "rm", "sleep", "stat",
    "tail", "touch", "wc",
];

/// The root of an image: shell, git and a few programs of this machine, with the libraries they name.
fn root_tar(image: Image) -> Vec<u8> {
    let mut programs = PROGRAMS.to_vec();
    if !image.without_git {
        programs.push("git");
    }
    let mut files: BTreeSet<PathBuf> = programs.iter().map(|name| found(name)).collect();
    let shell = found("sh");
    files.insert(shell.clone());
    files.extend(perl_modules());
    let needed: Vec<PathBuf> = files.iter().flat_map(|file| libraries(file)).collect();
    files.extend(needed);
    let mut tar = tar::Builder::new(Vec::new());
    for folder in ["bin", "tmp", "run", "var/", "var/tmp", "etc", "home", "home/agent", "opt"] {
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o755);
        header.set_size(0);
        if image.home_is_ours && folder == "home/agent" {
            header.set_uid(10001);
            header.set_gid(10001);
        }
        tar.append_data(&mut header, folder, std::io::empty()).unwrap();
    }
    let mut add = |path: &Path, bytes: &[u8]| {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o755);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, path.strip_prefix("/").unwrap(), bytes).unwrap();
    };
    for file in &files {
        if image.without_shell && *file == shell {
            continue;
        }
        let mut bytes = std::fs::read(file).unwrap();
        let mut path = file.clone();
        if image.without_glibc {
            // The same loader under a name that is not glibc's.
            replace(&mut bytes, b"/ld-linux", b"/ld-other");
            path = PathBuf::from(file.to_str().unwrap().replace("/ld-linux", "/ld-other"));
        }
        add(&path, &bytes);
    }
    if !image.without_shell {
        let mut bytes = std::fs::read(&shell).unwrap();
        if image.without_glibc {
            replace(&mut bytes, b"/ld-linux", b"/ld-other");
        }
        add(Path::new("/bin/sh"), &bytes);
    }
    tar.into_inner().unwrap()
}

fn replace(bytes: &mut [u8], from: &[u8], to: &[u8]) {
    let mut at = 0;
    while let Some(next) = bytes[at..].windows(from.len()).position(|window| window == from) {
        bytes[at + next..][..to.len()].copy_from_slice(to);
        at += next + to.len();
    }
}

fn found(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap();
    let folders = std::env::split_paths(&path).chain(["/usr/bin", "/bin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    folders
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| panic!("the lab's image needs `{name}` on this machine"))
}

/// What `ldd` says the program loads, by the paths it loads them from.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let said = Command::new("ldd").arg(program).output().unwrap();
    let text = String::from_utf8(said.stdout).unwrap();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).filter(|path| path.is_file()).collect()
}

fn perl_modules() -> Vec<PathBuf> {
    let script = r#"use Socket; use IO::Socket::UNIX; use IO::Socket::INET; use IO::Select; use Errno; print "$_\n" for values %INC, @DynaLoader::dl_shared_objects"#;
    let said = Command::new("perl").args(["-e", script]).output().unwrap();
    String::from_utf8(said.stdout).unwrap().lines().map(PathBuf::from).collect()
}
