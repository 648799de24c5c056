//! What was refused, by which rule, and why: the one word that a caller gets instead of the engine's.

use http::StatusCode;
use std::fmt;

/// As much of a caller's text as is repeated to it and to the log.
const QUOTED_MAX: usize = 120;

/// Every rule, and what it refuses: docs/deploy/docker-proxy.md has them as a table.
pub(crate) const RULES: &[(&str, &str)] = &[
    (
        "calls",
        "Every call that is not in the list above: build, commit, exec, attach, kill, rename, update, export, images but for one's inspection and pull, networks, events, swarm, secrets, plugins, prune. A change of protocol",
    ),
    ("version", "API versions before 1.41, whose bodies mean other things: a start took a `HostConfig` once"),
    ("path", "A path with `%`, `//`, `.`, `..` or anything but letters, digits and `._-:@`; one that names a host"),
    ("query", "A parameter that the runner does not send, one that comes twice, one that holds something else"),
    ("bodies", "A body where none belongs, one of more than 1 MiB, one that takes more than 30 s"),
    ("json", "A body that is not one JSON value, or that says a key twice: the engine takes the last one"),
    (
        "keys",
        "A key that the runner does not send, or in another spelling: the engine takes `PRIVILEGED` for `Privileged`. A value of another kind",
    ),
    ("installation", "Objects of another installation than the one that is served"),
    ("labels", "Containers and volumes without our label; labels that are not ours"),
    ("lists", "A list that is not narrowed to the installation's label"),
    ("names", "A container or volume that is not called `strawboss-…`; another host name than `sandbox`"),
    ("images", "An image that is not named by its id when a container is made; a pull without a tag or digest"),
    ("user", "Another user than 10001:10001; further groups"),
    ("privileged", "`Privileged`"),
    ("capabilities", "`CapAdd`; a `CapDrop` that is not `ALL`"),
    (
        "security-options",
        "`SecurityOpt` other than `no-new-privileges:true`: no `seccomp=unconfined`, `apparmor=unconfined`, `label=disable`",
    ),
    ("namespaces", "`PidMode`, `UTSMode`, `UsernsMode`; `IpcMode` and `CgroupnsMode` other than `private`"),
    ("network", "`NetworkMode` other than `none`; ports, links, hosts, name servers, networks"),
    ("devices", "`Devices`, `DeviceCgroupRules`; `DeviceRequests` other than GPUs by their ids"),
    ("sysctls", "`Sysctls`"),
    ("runtimes", "`Runtime`, `Isolation`"),
    ("cgroups", "`CgroupParent`, `Cgroup`"),
    (
        "limits",
        "No limit of memory or processes; swap; `OomKillDisable`, `OomScoreAdj`; limits of processes but for `core` and `nofile`",
    ),
    ("kernel-files", "`MaskedPaths`, `ReadonlyPaths`"),
    ("read-only", "A root that can be written"),
    (
        "binds",
        "`Binds`; a bind of anything but a sandbox's own door, one that can be written, one with another propagation; a door that is a link",
    ),
    ("mounts", "Mounts of another type than `volume` and `bind`, at a place that is not a plain absolute path"),
    (
        "volumes",
        "A volume that is there already and is not this installation's; `Volumes`, `VolumesFrom`; a tool's volume that is mounted to be written, but for its filling, or removed",
    ),
    (
        "volume-drivers",
        "Drivers other than `local`, and of its options all but `size`: with `o=bind` a volume is any folder of the host",
    ),
    ("tmpfs", "Options of folders in memory other than ours"),
    (
        "archives",
        "Files into anything but a writable volume of a container that never ran, or into a tool's volume that is filled; a look at anything but a volume",
    ),
    ("health", "A health check: it would run in the sandbox, unseen"),
    ("restart", "Restart policies: who restarts sandboxes is Strawboss"),
    ("lifetime", "`AutoRemove`, `Init`, a `StopSignal` other than SIGTERM"),
    ("entrypoint", "No entry point: what an image starts by itself"),
    ("terminal", "`Tty`, `OpenStdin`"),
    ("logging", "Log drivers other than `json-file`, or without a limit"),
];

/// A request that does not pass. Holds names of keys, never values of variables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// The row of docs/deploy/docker-proxy.md.
    pub(crate) rule: &'static str,
    pub(crate) why: String,
}

impl Refusal {
    pub(crate) fn new(rule: &'static str, why: impl Into<String>) -> Self {
        debug_assert!(RULES.iter().any(|(known, _)| *known == rule), "{rule} is not in the table");
        Self { status: StatusCode::FORBIDDEN, rule, why: why.into() }
    }

    pub(crate) fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (rule `{}`)", self.why, self.rule)
    }
}

/// A caller's text, safe to repeat.
pub(crate) fn quoted(text: &str) -> String {
    let short: String = text.chars().take(QUOTED_MAX).collect();
    let more = if short.len() < text.len() { "…" } else { "" };
    format!("`{}{more}`", short.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::RULES;
    use std::path::Path;

    #[test]
    fn the_page_has_every_rule() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/deploy/docker-proxy.md");
        let text = std::fs::read_to_string(&page).unwrap();
        let (begin, end) = ("| Rule | What is refused |\n|---|---|\n", "\n## ");
        let at = text.find(begin).unwrap() + begin.len();
        let rest = &text[at..];
        let table = RULES.iter().map(|(rule, what)| format!("| `{rule}` | {what} |\n")).collect::<Vec<_>>().concat();
        let length = rest.find(end).unwrap();
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, format!("{}{table}{}", &text[..at], &rest[length..])).unwrap();
            return;
        }
        assert_eq!(&rest[..length], table, "run the test again with UPDATE_DOCS=1");
    }
}
