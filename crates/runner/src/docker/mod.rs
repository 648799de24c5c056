//! Sandboxes as containers without a network, on one Docker engine.
//!
//! [`DockerRunner`] keeps nothing but caches of what it saw: the engine and the labels on its objects are the truth,
//! so a restart of either side loses nothing. It touches no object without this installation's label, gives no
//! container a network, a capability, the engine's socket or a folder of the user's.

mod container;
mod engine;
mod image;
mod kept;
mod lifecycle;
mod names;
mod volumes;

use crate::keyed::{KeyedLocks, locked};
use bollard::query_parameters::{CreateContainerOptionsBuilder, InspectContainerOptions};
use engine::{Engine, QUICK, SLOW};
use image::Images;
use names::Names;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use strawboss_core::runner::{RunnerError, RunnerInfo, SANDBOX_HOME, SANDBOX_TOOLS, SandboxHandle, SandboxSpec};
use volumes::Volumes;

/// A name that is taken by nothing that can be seen is tried again for so long, this often.
const NAME_TAKEN: Duration = Duration::from_secs(10);
const NAME_AGAIN: Duration = Duration::from_millis(50);

/// How to reach an engine, and what sandboxes on it are made of.
#[derive(Debug, Clone, Default)]
pub struct DockerConfig {
    /// `unix:///…` or `tcp://…`; none: `DOCKER_HOST`, else the default socket, else the rootless engine's.
    pub host: Option<String>,
    /// This installation's id, in every label and name: two installations on one engine never touch each other's.
    pub installation: String,
    /// The image of specs that name none.
    pub default_image: String,
    /// What to do when the default image cannot be had: a sentence for people.
    pub default_image_fix: Option<String>,
    /// Where doors lie, when the engine does not know their folder by the same path; none: it does.
    pub doors: Option<DoorsVolume>,
    /// Devices (`0`, a UUID) that agents and checks may use, through the engine's GPU support.
    pub gpus: Vec<String>,
}

/// What an engine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineFacts {
    /// `20.10.24`.
    pub version: String,
    /// Its address.
    pub host: String,
    /// Its clock, when it says the time.
    pub clock: Option<strawboss_core::Timestamp>,
    /// The runtimes that it knows: `runc`, `nvidia`.
    pub runtimes: std::collections::BTreeSet<String>,
    /// Devices that it found by CDI: `nvidia.com/gpu=0`.
    pub devices: Vec<String>,
}

/// A volume of the engine's in which doors lie: we are in a container, and the engine binds folders of its own machine.
#[derive(Debug, Clone)]
pub struct DoorsVolume {
    /// Its name on the engine.
    pub volume: String,
    /// Where it is mounted here.
    pub folder: PathBuf,
}

/// Runs sandboxes as containers on one Docker engine, 20.10 or newer.
pub struct DockerRunner {
    engine: Engine,
    config: DockerConfig,
    names: Names,
    images: Images,
    volumes: Volumes,
    /// Containers whose labels were seen to be ours.
    ours: Mutex<HashSet<String>>,
    locks: KeyedLocks,
}

impl DockerRunner {
    /// A runner that looks for its engine at the first call, and again after each that found none.
    pub fn new(config: DockerConfig) -> Self {
        Self {
            engine: Engine::new(config.host.as_deref()),
            names: Names::new(&config.installation),
            images: Images::default(),
            volumes: Volumes::default(),
            ours: Mutex::default(),
            locks: KeyedLocks::default(),
            config,
        }
    }

    /// As [`DockerRunner::new`], and asks the engine for its version at once.
    pub async fn connect(config: DockerConfig) -> Result<Self, RunnerError> {
        let runner = Self::new(config);
        runner.engine.connected().await?;
        Ok(runner)
    }

    /// What the engine says of itself, for a person who looks for what is wrong.
    pub async fn facts(&self) -> Result<EngineFacts, RunnerError> {
        let connected = self.engine.connected().await?;
        let info = self.engine.system_info().await?;
        let devices = info.discovered_devices.unwrap_or_default().into_iter().filter_map(|device| device.id);
        Ok(EngineFacts {
            version: connected.version.clone(),
            host: self.engine.host().to_owned(),
            clock: info.system_time.as_deref().and_then(kept::rfc3339),
            runtimes: info.runtimes.unwrap_or_default().into_keys().collect(),
            devices: devices.collect(),
        })
    }

    async fn describe(&self) -> Result<RunnerInfo, RunnerError> {
        let connected = self.engine.connected().await?;
        let info = self.engine.system_info().await?;
        let mut detail = format!("Docker {} ({}) at {}", connected.version, connected.arch, self.engine.host());
        let mut warnings = Vec::new();
        for (there, limit) in [(info.memory_limit, "memory"), (info.cpu_cfs_quota, "CPU"), (info.pids_limit, "process")] {
            if there == Some(false) {
                warnings.push(format!("it has no {limit} limits"));
            }
        }
        let options = info.security_options.unwrap_or_default();
        if !options.iter().any(|option| option.contains("name=seccomp"))
            || options.iter().any(|option| option.contains("profile=unconfined"))
        {
            warnings.push("it filters no system calls (seccomp)".to_owned());
        }
        if !self.volumes.quota(&self.engine, &self.names).await? {
            detail.push_str("; disk use is watched, not limited by the engine");
        }
        if !warnings.is_empty() {
            detail.push_str("; WARNING: ");
            detail.push_str(&warnings.join(", "));
        }
        let gpus = u32::try_from(self.config.gpus.len()).unwrap_or(u32::MAX);
        Ok(RunnerInfo { kind: "docker".to_owned(), detail, isolated: true, gpus })
    }

    async fn make(&self, spec: &SandboxSpec) -> Result<SandboxHandle, RunnerError> {
        check(spec)?;
        let door_dir = absolute_door(spec)?;
        let _guard = self.locks.lock(spec.id.as_str()).await;
        let name = self.names.container(&spec.id);
        // One that is there needs nothing that could have gone meanwhile: neither its image nor its tools.
        if let Some((id, false)) = self.existing(&name, spec).await? {
            return Ok(SandboxHandle(id));
        }
        let image = spec.image.as_deref().unwrap_or(&self.config.default_image);
        let fix = if image == self.config.default_image { self.config.default_image_fix.as_deref() } else { None };
        let usable = self.images.ensure(&self.engine, &self.names, image, fix).await?;
        let tools = self.volumes.tools(&self.engine, &self.names, &usable.id, &spec.tools).await?;
        let quota = self.volumes.quota(&self.engine, &self.names).await?;
        std::fs::write(door_dir.join(container::HOSTS_FILE), container::HOSTS).map_err(|error| RunnerError::Failed {
            what: format!("write {} for sandbox {}", door_dir.join(container::HOSTS_FILE).display(), spec.id),
            why: error.to_string(),
        })?;
        let bound = self.door_as_bound(&door_dir).await?;
        let body = container::sandbox(
            spec,
            &bound,
            &container::Prepared {
                names: &self.names,
                door_in_volume: self.config.doors.is_some(),
                image_id: &usable.id,
                image,
                home_is_ours: usable.home_is_ours,
                loopback: usable.loopback,
                tools: &tools,
                open_files: self.images.may_limit_files(),
                quota,
                gpus: &self.config.gpus,
            },
        );
        let what = format!("create sandbox {}", spec.id);
        let deadline = tokio::time::Instant::now() + NAME_TAKEN;
        let id = loop {
            let (options, body) = (CreateContainerOptionsBuilder::default().name(&name).build(), body.clone());
            let made =
                self.engine.call(&what, SLOW, |docker| async move { docker.create_container(Some(options), body).await }).await;
            match made {
                Ok(created) => break created.id,
                Err(error) if error.is(409) => match self.existing(&name, spec).await? {
                    Some((id, false)) => return Ok(SandboxHandle(id)),
                    Some((id, true)) => break id,
                    // Its name is taken before it can be seen, and for a moment after it was removed.
                    None if tokio::time::Instant::now() < deadline => tokio::time::sleep(NAME_AGAIN).await,
                    None => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        };
        locked(&self.ours).insert(id.clone());
        self.volumes.give(&self.engine, &self.names, spec, &id, usable.home_is_ours).await?;
        Ok(SandboxHandle(id))
    }

    /// The door's folder as the engine must be told it. Asked each time: another engine may answer by now, or the same
    /// one with its volumes elsewhere.
    async fn door_as_bound(&self, door_dir: &Path) -> Result<PathBuf, RunnerError> {
        let Some(DoorsVolume { volume, folder }) = &self.config.doors else { return Ok(door_dir.to_owned()) };
        let what = format!("find the door {} on the engine's machine", door_dir.display());
        let below = folder.canonicalize().ok().and_then(|folder| door_dir.strip_prefix(folder).ok().map(Path::to_owned));
        let Some(below) = below else {
            let why = format!("it is not below {}, where volume {volume} is mounted (`server.doors_dir`)", folder.display());
            return Err(RunnerError::Failed { what, why });
        };
        match self.engine.call(&what, QUICK, |docker| async move { docker.inspect_volume(volume).await }).await {
            Ok(found) => Ok(Path::new(&found.mountpoint).join(below)),
            Err(error) if error.is(404) => {
                let why = format!(
                    "the engine has no volume {volume}; name the one that is mounted at {} with `runner.doors_volume`",
                    folder.display()
                );
                Err(RunnerError::Failed { what, why })
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The container that has the name already, and whether it still waits to be started.
    async fn existing(&self, name: &str, spec: &SandboxSpec) -> Result<Option<(String, bool)>, RunnerError> {
        let what = format!("look at the container {name} that is there already");
        let found = self
            .engine
            .call(&what, QUICK, |docker| async move { docker.inspect_container(name, None::<InspectContainerOptions>).await });
        let found = match found.await {
            Ok(found) => found,
            Err(error) if error.is(404) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let labels = found.config.and_then(|config| config.labels);
        let is_this = labels.as_ref().and_then(|labels| labels.get(names::SANDBOX)).is_some_and(|id| id == spec.id.as_str());
        let Some(id) = found.id.filter(|_| is_this && self.names.are_ours(labels.as_ref())) else {
            return Err(RunnerError::Failed {
                what: format!("create sandbox {}", spec.id),
                why: format!("a container named {name} is there that Strawboss did not make; rename or remove it"),
            });
        };
        locked(&self.ours).insert(id.clone());
        let waits = found.state.and_then(|state| state.status) == Some(bollard::models::ContainerStateStatusEnum::CREATED);
        Ok(Some((id, waits)))
    }
}

/// Refuses what the engine would take for something else.
fn check(spec: &SandboxSpec) -> Result<(), RunnerError> {
    let refuse = |why: String| Err(RunnerError::Failed { what: format!("create sandbox {}", spec.id), why });
    if let Some(image) = &spec.image
        && (image.len() > 512 || !image.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-/:@".contains(&b)))
    {
        return Err(RunnerError::Image {
            image: image.chars().take(80).collect(),
            why: "it is no image name".to_owned(),
            fix: "Write it as `name:tag` or `registry/name:tag`.".to_owned(),
        });
    }
    for key in spec.env.keys() {
        if key.is_empty() || key.contains(['=', '\0']) {
            return refuse(format!("`{}` is no name of a variable", key.escape_debug()));
        }
    }
    if let Some((key, _)) = spec.env.iter().find(|(_, value)| value.contains('\0')) {
        return refuse(format!("the variable {key} holds a zero byte"));
    }
    for tool in &spec.tools {
        if tool.name.is_empty() || !tool.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-') {
            return refuse(format!("`{}` is no name of a tool", tool.name.escape_debug()));
        }
    }
    if !spec.tools.iter().any(|tool| tool.name == "supervisor") {
        return refuse("no tool named `supervisor` is given".to_owned());
    }
    for cache in &spec.caches {
        let path = cache.path.as_str();
        let parts_are_plain = path.split('/').skip(1).all(|part| !part.is_empty() && part != "." && part != "..");
        let reserved = ["/proc", "/sys", "/dev", "/run", "/etc", "/tmp", "/var/tmp", SANDBOX_TOOLS];
        let is_reserved =
            reserved.iter().any(|folder| path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
        let holds_home = SANDBOX_HOME.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        if !path.starts_with('/') || !parts_are_plain || path.contains('\0') || is_reserved || holds_home {
            return refuse(format!(
                "`{}` cannot be a cache; name an absolute folder, for instance {SANDBOX_HOME}/.cache",
                path.escape_debug()
            ));
        }
    }
    Ok(())
}

/// The door's folder by its one name.
fn absolute_door(spec: &SandboxSpec) -> Result<PathBuf, RunnerError> {
    spec.door_dir.canonicalize().map_err(|error| RunnerError::Failed {
        what: format!("find the door of sandbox {} in {}", spec.id, spec.door_dir.display()),
        why: error.to_string(),
    })
}

/// A word that no other process, before or after this one, has on this machine.
fn process_mark() -> String {
    static MARK: OnceLock<String> = OnceLock::new();
    MARK.get_or_init(|| {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        format!("{}-{}", std::process::id(), since.as_nanos())
    })
    .clone()
}

#[async_trait::async_trait]
impl strawboss_core::runner::Runner for DockerRunner {
    async fn info(&self) -> Result<RunnerInfo, RunnerError> {
        self.describe().await
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<SandboxHandle, RunnerError> {
        self.make(spec).await
    }

    async fn start(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        self.start_container(handle).await
    }

    async fn stop(&self, handle: &SandboxHandle, grace: Duration) -> Result<(), RunnerError> {
        self.stop_container(handle, grace).await
    }

    async fn remove(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        self.remove_container(handle).await
    }

    async fn status(&self, handle: &SandboxHandle) -> Result<strawboss_core::runner::SandboxStatus, RunnerError> {
        self.container_status(handle).await
    }

    async fn wait(&self, handle: &SandboxHandle) -> Result<strawboss_core::runner::SandboxStatus, RunnerError> {
        self.wait_container(handle).await
    }

    async fn sandboxes(&self) -> Result<Vec<strawboss_core::runner::FoundSandbox>, RunnerError> {
        self.list_sandboxes().await
    }

    async fn run_volumes(&self) -> Result<Vec<strawboss_core::RunId>, RunnerError> {
        self.list_run_volumes().await
    }

    async fn run_volume_remove(&self, run: &strawboss_core::RunId) -> Result<(), RunnerError> {
        self.remove_run_volume(run).await
    }

    async fn kept(&self, tools: &[strawboss_core::runner::Tool]) -> Result<Vec<strawboss_core::runner::KeptFolder>, RunnerError> {
        self.list_kept(tools).await
    }

    async fn kept_remove(&self, key: &str) -> Result<bool, RunnerError> {
        self.remove_kept(key).await
    }
}
