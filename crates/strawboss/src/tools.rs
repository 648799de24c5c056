//! Programs that sandboxes are given: where the supervisor and the agents' own CLIs are on this machine.

use crate::config::settings::{Agents, ClaudeSource};
use crate::environment::{self, Environment};
use std::path::{Path, PathBuf};
use strawboss_core::project::{AgentEntry, AgentKind, Unusable};
use strawboss_core::runner::Tool;

/// The Claude Code that this version of Strawboss was tried with.
pub(crate) const CLAUDE_VERSION: &str = "2.1.329";

/// This machine's architecture as npm names it.
pub(crate) fn arch() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "x64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// Where agents' programs are kept.
pub(crate) fn cache_dir(environment: &Environment) -> Option<PathBuf> {
    if let Some(cache) = environment.get(&environment::CACHE) {
        return std::path::absolute(cache).ok();
    }
    let cache = environment.named("XDG_CACHE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    cache.or_else(|| std::env::home_dir().map(|home| home.join(".cache"))).map(|cache| cache.join("strawboss"))
}

/// The supervisor's folder, or where was looked.
pub(crate) fn supervisor(environment: &Environment) -> Result<Tool, Vec<PathBuf>> {
    let mut tried = Vec::new();
    if let Some(dir) = environment.get(&environment::SUPERVISOR_DIR) {
        tried.push(PathBuf::from(dir));
    } else if let Some(tools) = environment.get(&environment::TOOLS) {
        tried.push(Path::new(tools).join("supervisor"));
    } else if let Ok(program) = std::env::current_exe() {
        // <prefix>/bin and <prefix>/lib/strawboss when installed; target/<profile> and target/tools in a checkout.
        let folder = program.parent().unwrap_or(Path::new("/"));
        let above = folder.parent().unwrap_or(Path::new("/"));
        tried.extend([
            above.join("tools/supervisor"),
            folder.join("tools/supervisor"),
            above.join("lib/strawboss/tools/supervisor"),
        ]);
    }
    for dir in &tried {
        if let Ok(dir) = dir.canonicalize()
            && dir.join("bin/strawboss-supervisor").is_file()
        {
            return Ok(Tool { name: "supervisor".to_owned(), dir });
        }
    }
    Err(tried)
}

/// A Claude Code in the cache.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Installed {
    pub(crate) version: String,
    pub(crate) dir: PathBuf,
}

/// Every Claude Code in the cache that is whole, by version, oldest first.
pub(crate) fn installed_claude(environment: &Environment) -> Vec<Installed> {
    let Some(tools) = cache_dir(environment).map(|cache| cache.join("tools")) else { return Vec::new() };
    let mut found: Vec<Installed> = std::fs::read_dir(tools)
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("claude-")?.strip_suffix(arch())?.strip_suffix('-')?.to_owned();
            let dir = entry.path();
            (dir.join("bin/claude").is_file() && dir.join("manifest.json").is_file()).then_some(Installed { version, dir })
        })
        .collect();
    found.sort_by_key(|tool| tool.version.split('.').map(|part| part.parse::<u64>().unwrap_or(0)).collect::<Vec<_>>());
    found
}

fn claude(source: &ClaudeSource, environment: &Environment) -> AgentEntry {
    let entry = |dir: PathBuf, version: Option<String>| AgentEntry {
        kind: AgentKind::Claude,
        command: None,
        tool_dir: Some(dir),
        version,
        unusable: None,
    };
    let missing = |message: String, fix: String| AgentEntry {
        kind: AgentKind::Claude,
        command: None,
        tool_dir: None,
        version: None,
        unusable: Some(Unusable { message, fix }),
    };
    let installed = installed_claude(environment);
    match source {
        ClaudeSource::Path(path) => {
            let dir = path.canonicalize().unwrap_or_else(|_| path.clone());
            if dir.join("bin/claude").is_file() {
                let manifest = std::fs::read_to_string(dir.join("manifest.json")).unwrap_or_default();
                let version = serde_json::from_str::<serde_json::Value>(&manifest).ok();
                let version = version.and_then(|manifest| manifest["version"].as_str().map(str::to_owned));
                entry(dir, version)
            } else {
                missing(
                    format!("there is no Claude Code at {}", dir.join("bin/claude").display()),
                    "Correct `agents.claude.path` in strawboss.yaml: it names the folder that holds `bin/claude`.".to_owned(),
                )
            }
        }
        ClaudeSource::Version(version) => match installed.into_iter().find(|tool| tool.version == *version) {
            Some(tool) => entry(tool.dir, Some(tool.version)),
            None => missing(
                format!("Claude Code {version} is not installed for sandboxes"),
                format!("Run `strawboss agent install claude --version {version}`, then start `strawboss serve` again."),
            ),
        },
        ClaudeSource::Pinned => {
            let pinned = installed.iter().find(|tool| tool.version == CLAUDE_VERSION).or(installed.last()).cloned();
            match pinned {
                Some(tool) => entry(tool.dir, Some(tool.version)),
                None => missing(
                    "Claude Code is not installed for sandboxes".to_owned(),
                    "Run `strawboss agent install claude`, then start `strawboss serve` again.".to_owned(),
                ),
            }
        }
    }
}

/// The agents that are configured, each with its program or why it has none.
pub(crate) fn agents(configured: &Agents, environment: &Environment) -> Vec<AgentEntry> {
    let mut agents = vec![claude(&configured.claude, environment)];
    if let Some(command) = &configured.shell {
        agents.push(AgentEntry {
            kind: AgentKind::Shell,
            command: Some(command.clone()),
            tool_dir: None,
            version: None,
            unusable: None,
        });
    }
    agents
}
