//! What a sandbox's container may and may not do, as the engine is told: one pure function. No calls here.

use super::names::Names;
use bollard::models::{
    ContainerCreateBody, DeviceRequest, HealthConfig, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountBindOptions, MountBindOptionsPropagationEnum, MountType, MountVolumeOptions, MountVolumeOptionsDriverConfig,
    ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use strawboss_core::project::Limits;
use strawboss_core::runner::{
    Purpose, SANDBOX_DOOR, SANDBOX_GID, SANDBOX_HOME, SANDBOX_TOOLS, SANDBOX_UID, SandboxSpec, SandboxVolume,
};

/// Where the door's folder is bound.
pub(super) const DOOR_DIR: &str = "/run/strawboss";
/// A file in the door's folder: `/etc/hosts` of the sandbox.
pub(super) const HOSTS_FILE: &str = "hosts";
/// Its content.
pub(super) const HOSTS: &str = "127.0.0.1\tlocalhost sandbox\n::1\tlocalhost ip6-localhost ip6-loopback\n";
/// Scheduling period of the CPU limit, in microseconds: the kernel's default.
const CPU_PERIOD: i64 = 100_000;
/// Open files of one process: compilers and bundlers need more than the usual 1024.
const OPEN_FILES: i64 = 65_536;
/// The engine takes no smaller memory limit.
const MEMORY_MIN: u64 = 6 << 20;
/// What the supervisor may leave in the engine's log.
const LOG_MAX: &str = "1m";

/// What the runner found out before it makes a container.
pub(super) struct Prepared<'a> {
    pub(super) names: &'a Names,
    /// The door lies in a volume of the engine's.
    pub(super) door_in_volume: bool,
    /// By id, so that what was probed is what runs.
    pub(super) image_id: &'a str,
    /// As the user wrote it.
    pub(super) image: &'a str,
    /// The image's own home folder belongs to the sandbox's user, and a fresh volume takes that over.
    pub(super) home_is_ours: bool,
    /// Name and volume of each tool.
    pub(super) tools: &'a [(String, String)],
    /// A container that the engine gives no network at all has a loopback of its own. Where it has none, the engine's
    /// `none` network makes one, which costs about 100 ms.
    pub(super) loopback: bool,
    /// The engine may set [`OPEN_FILES`]; else its own limit holds.
    pub(super) open_files: bool,
    /// The engine can limit a volume's size.
    pub(super) quota: bool,
    /// Devices that every sandbox gets.
    pub(super) gpus: &'a [String],
}

/// The container of a sandbox. `door_dir` is absolute.
pub(super) fn sandbox(spec: &SandboxSpec, door_dir: &Path, prepared: &Prepared<'_>) -> ContainerCreateBody {
    let names = prepared.names;
    let mut host = walled(&spec.limits, prepared.open_files);
    let size = prepared.quota.then(|| spec.limits.disk_bytes.to_string());
    // Within its own folder the engine takes no private binds, since it could not unmount what they hold; unasked, it
    // chooses what that folder's own mount allows.
    let propagation = (!prepared.door_in_volume).then_some(MountBindOptionsPropagationEnum::RPRIVATE);
    let mut mounts = vec![home(spec, prepared, size.as_deref()), bind(door_dir, DOOR_DIR, propagation)];
    if prepared.loopback {
        // Without a network the engine writes no /etc/hosts, and images have an empty one: `localhost` must mean something.
        mounts.push(bind(&door_dir.join(HOSTS_FILE), "/etc/hosts", propagation));
    }
    for cache in &spec.caches {
        let labels = names.labels([
            (super::names::VOLUME, "cache"),
            (super::names::PROJECT, cache.project.as_str()),
            (super::names::PURPOSE, cache.purpose.word()),
            (super::names::CACHE_PATH, &cache.path),
        ]);
        mounts.push(Mount {
            target: Some(cache.path.clone()),
            source: Some(names.cache(cache)),
            typ: Some(MountType::VOLUME),
            volume_options: Some(volume_options(labels, true, size.as_deref())),
            ..Mount::default()
        });
    }
    for (name, volume) in prepared.tools {
        mounts.push(Mount {
            target: Some(format!("{SANDBOX_TOOLS}/{name}")),
            source: Some(volume.clone()),
            typ: Some(MountType::VOLUME),
            read_only: Some(true),
            volume_options: Some(MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
            ..Mount::default()
        });
    }
    host.mounts = Some(mounts);
    if !prepared.gpus.is_empty() && spec.purpose != Purpose::Rescue {
        host.device_requests = Some(vec![DeviceRequest {
            device_ids: Some(prepared.gpus.to_vec()),
            capabilities: Some(vec![vec!["gpu".to_owned()]]),
            ..DeviceRequest::default()
        }]);
    }
    ContainerCreateBody {
        env: Some(environment(spec)),
        labels: Some(names.sandbox_labels(spec, prepared.image)),
        working_dir: Some(SANDBOX_HOME.to_owned()),
        network_disabled: Some(prepared.loopback),
        entrypoint: Some(vec![format!("{SANDBOX_TOOLS}/supervisor/bin/strawboss-supervisor")]),
        ..body(prepared.image_id, host)
    }
}

/// A container that runs `script` in the image's shell, as walled off as a sandbox, with nothing mounted.
pub(super) fn probe(image_id: &str, labels: super::names::Labels, script: &str, open_files: bool) -> ContainerCreateBody {
    let limits = Limits { cpus: 1.0, memory_bytes: 256 << 20, pids: 32, ..Limits::default() };
    ContainerCreateBody {
        labels: Some(labels),
        entrypoint: Some(["/bin/sh", "-c", script].map(str::to_owned).to_vec()),
        ..body(image_id, walled(&limits, open_files))
    }
}

/// A container that is never started: what is in `volume`, mounted at `target`, is written through the archive API.
pub(super) fn filler(
    image_id: &str,
    labels: super::names::Labels,
    target: &str,
    volume: &str,
    of_volume: super::names::Labels,
) -> ContainerCreateBody {
    let mut host = walled(&Limits { memory_bytes: MEMORY_MIN, pids: 4, ..Limits::default() }, false);
    host.mounts = Some(vec![Mount {
        target: Some(target.to_owned()),
        source: Some(volume.to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(volume_options(of_volume, true, None)),
        ..Mount::default()
    }]);
    ContainerCreateBody { labels: Some(labels), entrypoint: Some(vec!["/never-started".to_owned()]), ..body(image_id, host) }
}

/// What the image says about itself is overruled: who runs, how it is stopped, whether its health is asked.
fn body(image_id: &str, host: HostConfig) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(image_id.to_owned()),
        hostname: Some("sandbox".to_owned()),
        user: Some(format!("{SANDBOX_UID}:{SANDBOX_GID}")),
        tty: Some(false),
        open_stdin: Some(false),
        network_disabled: Some(true),
        stop_signal: Some("SIGTERM".to_owned()),
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        host_config: Some(host),
        ..ContainerCreateBody::default()
    }
}

/// The wall: no network, no capability, nothing to write to but small folders in memory and what is mounted later.
fn walled(limits: &Limits, open_files: bool) -> HostConfig {
    let memory = limits.memory_bytes.max(MEMORY_MIN);
    // Builds use /tmp; it counts as memory, so half of that is the most that can be meant.
    let tmp = memory / 2;
    // The owner too, since older runtimes give the folder the mode that it has in the image, 755 for /run.
    let tmpfs =
        |options: &str, size: u64| format!("rw,nosuid,nodev,{options},uid={SANDBOX_UID},gid={SANDBOX_GID},mode=1777,size={size}");
    let ulimit = |name: &str, most| ResourcesUlimits { name: Some(name.to_owned()), soft: Some(most), hard: Some(most) };
    let mut ulimits = vec![ulimit("core", 0)];
    if open_files {
        ulimits.push(ulimit("nofile", OPEN_FILES));
    }
    HostConfig {
        network_mode: Some("none".to_owned()),
        ipc_mode: Some("private".to_owned()),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        privileged: Some(false),
        cap_drop: Some(vec!["ALL".to_owned()]),
        security_opt: Some(vec!["no-new-privileges:true".to_owned()]),
        readonly_rootfs: Some(true),
        tmpfs: Some(HashMap::from([
            ("/tmp".to_owned(), tmpfs("exec", tmp)),
            ("/var/tmp".to_owned(), tmpfs("exec", tmp)),
            ("/run".to_owned(), tmpfs("noexec", 16 << 20)),
        ])),
        shm_size: Some(i64::try_from(memory / 4).unwrap_or(i64::MAX)),
        memory: Some(i64::try_from(memory).unwrap_or(i64::MAX)),
        // Memory and swap together: no swap beyond the memory.
        memory_swap: Some(i64::try_from(memory).unwrap_or(i64::MAX)),
        // A quota, since the engine refuses `NanoCpus` above the number of its CPUs.
        cpu_period: Some(CPU_PERIOD),
        cpu_quota: Some(((limits.cpus.clamp(0.01, 4096.0) * CPU_PERIOD as f64) as i64).max(1000)),
        pids_limit: Some(i64::from(limits.pids.max(4))),
        ulimits: Some(ulimits),
        oom_kill_disable: None,
        init: Some(false),
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([("max-size".to_owned(), LOG_MAX.to_owned()), ("max-file".to_owned(), "1".to_owned())])),
        }),
        ..HostConfig::default()
    }
}

fn home(spec: &SandboxSpec, prepared: &Prepared<'_>, size: Option<&str>) -> Mount {
    let names = prepared.names;
    let (source, labels) = match &spec.volume {
        SandboxVolume::OfRun(run) => {
            let labels = names.labels([
                (super::names::VOLUME, "home"),
                (super::names::RUN, run.as_str()),
                (super::names::PROJECT, spec.project.as_str()),
            ]);
            (Some(names.home(run)), labels)
        }
        // Without a name it goes with its container, in one step of the engine's.
        SandboxVolume::Fresh => {
            (None, names.labels([(super::names::VOLUME, "fresh"), (super::names::SANDBOX, spec.id.as_str())]))
        }
    };
    Mount {
        target: Some(SANDBOX_HOME.to_owned()),
        source,
        typ: Some(MountType::VOLUME),
        volume_options: Some(volume_options(labels, !prepared.home_is_ours, size)),
        ..Mount::default()
    }
}

fn bind(source: &Path, target: &str, propagation: Option<MountBindOptionsPropagationEnum>) -> Mount {
    Mount {
        target: Some(target.to_owned()),
        source: Some(source.display().to_string()),
        typ: Some(MountType::BIND),
        // A socket can be connected to through a read-only mount; nothing can be written.
        read_only: Some(true),
        bind_options: propagation.map(|it| MountBindOptions { propagation: Some(it), ..MountBindOptions::default() }),
        ..Mount::default()
    }
}

fn volume_options(labels: super::names::Labels, no_copy: bool, size: Option<&str>) -> MountVolumeOptions {
    MountVolumeOptions {
        no_copy: Some(no_copy),
        labels: Some(labels),
        driver_config: size.map(|size| MountVolumeOptionsDriverConfig {
            name: Some("local".to_owned()),
            options: Some(HashMap::from([("size".to_owned(), size.to_owned())])),
        }),
        ..MountVolumeOptions::default()
    }
}

/// The spec's variables and ours, ours last: they cannot be overruled.
fn environment(spec: &SandboxSpec) -> Vec<String> {
    let mut env: BTreeMap<&str, &str> = BTreeMap::from([("USER", "agent"), ("LOGNAME", "agent")]);
    env.extend(spec.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    env.extend([
        ("HOME", SANDBOX_HOME),
        ("STRAWBOSS_HOME", SANDBOX_HOME),
        ("STRAWBOSS_TOOLS", SANDBOX_TOOLS),
        ("STRAWBOSS_DOOR", SANDBOX_DOOR),
        ("STRAWBOSS_SANDBOX", spec.id.as_str()),
    ]);
    env.into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Prepared, sandbox};
    use crate::docker::names::Names;
    use std::path::{Path, PathBuf};
    use strawboss_core::project::Limits;
    use strawboss_core::runner::{Cache, Purpose, SandboxSpec, SandboxVolume};
    use strawboss_core::{ProjectName, RunId};

    fn spec(volume: SandboxVolume) -> SandboxSpec {
        let run = RunId::parse("a-1.1").unwrap();
        SandboxSpec {
            id: run.sandbox(Purpose::Agent, 1),
            run,
            project: ProjectName::parse("A").unwrap(),
            purpose: Purpose::Agent,
            image: Some("rust:1".to_owned()),
            limits: Limits::default(),
            volume,
            caches: vec![Cache {
                project: ProjectName::parse("A").unwrap(),
                purpose: Purpose::Agent,
                path: "/home/agent/.cargo".to_owned(),
            }],
            tools: Vec::new(),
            door_dir: PathBuf::from("/data/doors/x"),
            env: [("HOME", "/root"), ("STRAWBOSS_DOOR", "/elsewhere"), ("X", "1")]
                .map(|(k, v)| (k.to_owned(), v.to_owned()))
                .into(),
        }
    }

    #[test]
    fn the_whole_wall_is_as_written_down() {
        let names = Names::new("test");
        let tools = [("supervisor".to_owned(), "strawboss-tool-supervisor-0-x86_64".to_owned())];
        let prepared = Prepared {
            names: &names,
            door_in_volume: false,
            image_id: "sha256:1",
            image: "rust:1",
            home_is_ours: false,
            tools: &tools,
            loopback: true,
            open_files: true,
            quota: true,
            gpus: &["0".to_owned()],
        };
        let spec = spec(SandboxVolume::OfRun(RunId::parse("a-1.1").unwrap()));
        let mut body = serde_json::to_value(sandbox(&spec, Path::new("/data/doors/x"), &prepared)).unwrap();
        body.sort_all_objects();
        insta::assert_json_snapshot!("container", body);
    }

    #[test]
    fn a_fresh_home_has_no_name_that_could_outlive_its_container() {
        let names = Names::new("test");
        let prepared = Prepared {
            names: &names,
            door_in_volume: false,
            image_id: "i",
            image: "i",
            home_is_ours: true,
            tools: &[],
            loopback: false,
            open_files: true,
            quota: false,
            gpus: &[],
        };
        let body = sandbox(&spec(SandboxVolume::Fresh), Path::new("/d"), &prepared);
        let host = body.host_config.unwrap();
        let home = &host.mounts.unwrap()[0];
        assert_eq!((home.target.as_deref(), home.source.as_deref()), (Some("/home/agent"), None));
        assert_eq!(host.device_requests, None);
    }
}
