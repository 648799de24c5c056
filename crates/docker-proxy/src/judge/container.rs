//! A container: the whole wall must be there, and nothing beside it.

use super::mount::{Asked, Mount, NamedVolume};
use super::{Labels, installation, only};
use crate::call::is_plain_path;
use crate::doors::DoorsPrefix;
use crate::json::shaped;
use crate::refusal::{Refusal, quoted};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;
use strawboss_core::runner::{SANDBOX_GID, SANDBOX_UID};

/// A container that may be made.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) body: Body,
    pub(crate) installation: String,
    pub(crate) volumes: Vec<NamedVolume>,
    /// The doors' folders that it binds.
    pub(crate) doors: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Body {
    image: String,
    host_config: HostConfig,
    labels: Labels,
    user: String,
    hostname: String,
    entrypoint: Vec<String>,
    healthcheck: Healthcheck,
    #[serde(skip_serializing_if = "Option::is_none")]
    env: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    working_dir: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    network_disabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tty: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    open_stdin: Option<bool>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Healthcheck {
    test: Vec<String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct HostConfig {
    network_mode: Option<String>,
    ipc_mode: Option<String>,
    cgroupns_mode: Option<String>,
    cap_drop: Option<Vec<String>>,
    security_opt: Option<Vec<String>>,
    readonly_rootfs: Option<bool>,
    log_config: Option<LogConfig>,
    memory: Option<i64>,
    memory_swap: Option<i64>,
    pids_limit: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    privileged: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_period: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_quota: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shm_size: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ulimits: Option<Vec<Ulimit>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmpfs: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    init: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<RestartPolicy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mounts: Option<Vec<Mount>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_requests: Option<Vec<DeviceRequest>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LogConfig {
    #[serde(rename = "Type")]
    kind: String,
    #[serde(default)]
    config: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Ulimit {
    name: String,
    soft: i64,
    hard: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RestartPolicy {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    maximum_retry_count: Option<i64>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct DeviceRequest {
    #[serde(rename = "DeviceIDs")]
    device_ids: Vec<String>,
    capabilities: Vec<Vec<String>>,
}

/// Keys that people would look for, with their rule and what they could do. Every other key is refused too.
const REFUSED: &[(&str, &str, &str)] = &[
    ("capadd", "capabilities", "gives powers over the host's kernel"),
    ("pidmode", "namespaces", "shows other processes"),
    ("utsmode", "namespaces", "shares the host's name"),
    ("usernsmode", "namespaces", "shares the host's users"),
    ("devices", "devices", "gives a device of the host"),
    ("devicecgrouprules", "devices", "gives devices of the host"),
    ("sysctls", "sysctls", "changes the kernel's settings"),
    ("runtime", "runtimes", "chooses another wall"),
    ("isolation", "runtimes", "chooses another wall"),
    ("cgroupparent", "cgroups", "leaves the limits' tree"),
    ("cgroup", "cgroups", "shares another container's limits"),
    ("binds", "binds", "mounts folders of the host; doors come as mounts"),
    ("volumes", "volumes", "makes volumes without a label"),
    ("volumesfrom", "volumes", "mounts another container's volumes"),
    ("volumedriver", "volume-drivers", "mounts what a driver finds"),
    ("links", "network", "reaches another container"),
    ("extrahosts", "network", "names hosts"),
    ("dns", "network", "asks a name server"),
    ("portbindings", "network", "opens ports of the host"),
    ("publishallports", "network", "opens ports of the host"),
    ("exposedports", "network", "opens ports"),
    ("networkingconfig", "network", "joins networks"),
    ("macaddress", "network", "joins networks"),
    ("oomkilldisable", "limits", "outlives the memory limit"),
    ("oomscoreadj", "limits", "has others ended in its place"),
    ("maskedpaths", "kernel-files", "shows the host's kernel files"),
    ("readonlypaths", "kernel-files", "changes the host's kernel files"),
    ("groupadd", "user", "joins groups of the host"),
    ("autoremove", "lifetime", "loses what a run left behind"),
];

/// Judges a container's body. `doors` says which folders may be bound.
pub(crate) fn container(value: Value, doors: Option<&DoorsPrefix>) -> Result<Container, Refusal> {
    known(&value, "")?;
    if let Some(host) = value.get("HostConfig") {
        known(host, "HostConfig.")?;
    }
    let mut body: Body = shaped(value)?;
    let installation = installation("the container", &body.labels)?;
    let user = format!("{SANDBOX_UID}:{SANDBOX_GID}");
    only("user", "User", Some(&body.user), &user)?;
    only("names", "Hostname", Some(&body.hostname), &"sandbox".to_owned())?;
    only("health", "Healthcheck.Test", Some(&body.healthcheck.test), &vec!["NONE".to_owned()])?;
    // By its id: a name could come to mean another image than the one that was looked at.
    if !body.image.strip_prefix("sha256:").is_some_and(|id| id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())) {
        return Err(Refusal::new("images", format!("Image must be an image's id, not {}", quoted(&body.image))));
    }
    if body.entrypoint.is_empty() {
        return Err(Refusal::new("entrypoint", "Entrypoint must say what runs"));
    }
    if body.working_dir.as_deref().is_some_and(|dir| !is_plain_path(dir)) {
        return Err(Refusal::new("mounts", "WorkingDir must be a plain absolute path"));
    }
    if body.stop_signal.as_deref().is_some_and(|signal| signal != "SIGTERM") {
        return Err(Refusal::new("lifetime", "StopSignal must be SIGTERM"));
    }
    for (key, value) in [("Tty", body.tty), ("OpenStdin", body.open_stdin)] {
        only("terminal", key, Some(&value.unwrap_or(false)), &false)?;
    }
    let asked = body.host_config.judge(&installation, doors)?;
    Ok(Container { body, installation, volumes: asked.volumes, doors: asked.doors })
}

/// Names the rule of keys that are refused whatever they hold.
fn known(value: &Value, place: &str) -> Result<(), Refusal> {
    for key in value.as_object().into_iter().flat_map(|object| object.keys()) {
        if let Some((_, rule, why)) = REFUSED.iter().find(|(name, _, _)| key.eq_ignore_ascii_case(name)) {
            return Err(Refusal::new(rule, format!("{place}{key} {why}")));
        }
    }
    Ok(())
}

impl HostConfig {
    fn judge(&mut self, of: &str, doors: Option<&DoorsPrefix>) -> Result<Asked, Refusal> {
        let word = str::to_owned;
        only("network", "HostConfig.NetworkMode", self.network_mode.as_ref(), &word("none"))?;
        only("namespaces", "HostConfig.IpcMode", self.ipc_mode.as_ref(), &word("private"))?;
        only("namespaces", "HostConfig.CgroupnsMode", self.cgroupns_mode.as_ref(), &word("private"))?;
        only("privileged", "HostConfig.Privileged", Some(&self.privileged.unwrap_or(false)), &false)?;
        only("capabilities", "HostConfig.CapDrop", self.cap_drop.as_ref(), &vec![word("ALL")])?;
        only("security-options", "HostConfig.SecurityOpt", self.security_opt.as_ref(), &vec![word("no-new-privileges:true")])?;
        only("read-only", "HostConfig.ReadonlyRootfs", self.readonly_rootfs.as_ref(), &true)?;
        only("lifetime", "HostConfig.Init", Some(&self.init.unwrap_or(false)), &false)?;
        if let Some(policy) = &self.restart_policy
            && (!matches!(policy.name.as_str(), "" | "no") || policy.maximum_retry_count.unwrap_or(0) != 0)
        {
            return Err(Refusal::new("restart", "HostConfig.RestartPolicy must be `no`: who restarts sandboxes is Strawboss"));
        }
        self.judge_limits()?;
        self.judge_log()?;
        for (target, options) in self.tmpfs.iter().flatten() {
            if !is_plain_path(target) || !options.split(',').all(is_tmpfs_option) {
                return Err(Refusal::new(
                    "tmpfs",
                    format!("HostConfig.Tmpfs has {} with options that are not ours", quoted(target)),
                ));
            }
        }
        for request in self.device_requests.iter().flatten() {
            if request.capabilities != [[word("gpu")]]
                || !request.device_ids.iter().all(|id| is_device(id))
                || request.device_ids.is_empty()
            {
                return Err(Refusal::new("devices", "HostConfig.DeviceRequests may ask for GPUs by their ids alone"));
            }
        }
        let mut asked = Asked::default();
        for mount in self.mounts.iter_mut().flatten() {
            mount.judge(of, doors, &mut asked)?;
        }
        Ok(asked)
    }

    fn judge_limits(&self) -> Result<(), Refusal> {
        let needed = [("Memory", self.memory), ("PidsLimit", self.pids_limit)];
        if let Some((key, _)) = needed.iter().find(|(_, value)| value.is_none_or(|value| value <= 0)) {
            return Err(Refusal::new("limits", format!("HostConfig.{key} must be a limit")));
        }
        if self.memory_swap != self.memory {
            return Err(Refusal::new("limits", "HostConfig.MemorySwap must be the same as Memory"));
        }
        let others = [("CpuPeriod", self.cpu_period), ("CpuQuota", self.cpu_quota), ("ShmSize", self.shm_size)];
        if let Some((key, _)) = others.iter().find(|(_, value)| value.is_some_and(|value| value < 0)) {
            return Err(Refusal::new("limits", format!("HostConfig.{key} may not be negative")));
        }
        for limit in self.ulimits.iter().flatten() {
            if !matches!(limit.name.as_str(), "core" | "nofile") || limit.soft < 0 || limit.hard < 0 {
                return Err(Refusal::new("limits", format!("HostConfig.Ulimits has {}", quoted(&limit.name))));
            }
        }
        Ok(())
    }

    fn judge_log(&self) -> Result<(), Refusal> {
        let log = self.log_config.as_ref().filter(|log| log.kind == "json-file");
        let Some(log) = log else {
            return Err(Refusal::new("logging", "HostConfig.LogConfig must be `json-file`"));
        };
        let sized = |value: &str| {
            let digits = value.strip_suffix(['k', 'm']).unwrap_or(value);
            !digits.is_empty() && digits.len() <= 6 && digits.bytes().all(|b| b.is_ascii_digit())
        };
        if !log.config.iter().all(|(key, value)| matches!(key.as_str(), "max-size" | "max-file") && sized(value))
            || !log.config.contains_key("max-size")
        {
            return Err(Refusal::new("logging", "HostConfig.LogConfig must limit its size, and do nothing else"));
        }
        Ok(())
    }
}

fn is_tmpfs_option(option: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.len() <= 20 && text.bytes().all(|b| b.is_ascii_digit());
    matches!(option, "rw" | "ro" | "nosuid" | "nodev" | "exec" | "noexec")
        || ["uid=", "gid=", "mode=", "size="].iter().any(|key| option.strip_prefix(key).is_some_and(number))
}

fn is_device(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b":-.".contains(&b))
}
