//! Plane's tickets as the engine reads them: with the key from where the configuration says it is, which may be Claude Code's
//! settings, and with a file in which the source remembers.

use super::sources::Opener;
use crate::config::settings::{Plane, PlaneAccess};
use crate::failure::{ExitStatus, Failure};
use serde::Deserialize;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;
use strawboss_backlog::plane::{ApiKey, NewTickets, PLANE_CLOUD};
use strawboss_backlog::{PlaneBacklog, PlaneConfig};
use strawboss_core::backlog::BacklogStatus;
use strawboss_engine::Source;

/// Where in the data directory sources remember.
pub(crate) const FOLDER: &str = "sources";
/// The largest file of Claude Code's settings that is read: it keeps its history there.
const SETTINGS_LIMIT: u64 = 64 << 20;

/// What of Claude Code's settings is read.
#[derive(Debug, Default, Deserialize)]
struct Settings {
    #[serde(default, rename = "mcpServers")]
    servers: Servers,
}

#[derive(Debug, Default, Deserialize)]
struct Servers {
    #[serde(default)]
    plane: Server,
}

#[derive(Debug, Default, Deserialize)]
struct Server {
    #[serde(default)]
    env: Variables,
}

#[derive(Default, Deserialize)]
struct Variables {
    #[serde(default, rename = "PLANE_API_KEY")]
    key: Option<String>,
    #[serde(default, rename = "PLANE_WORKSPACE_SLUG")]
    workspace: Option<String>,
    #[serde(default, rename = "PLANE_API_URL")]
    api_url: Option<String>,
}

impl std::fmt::Debug for Variables {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Variables {{ key: ***, workspace: {:?}, api_url: {:?} }}", self.workspace, self.api_url)
    }
}

fn lacking(why: impl std::fmt::Display, fix: impl Into<String>) -> Failure {
    Failure::new(format!("the backlog of Plane cannot be opened: {why}")).fix(fix.into()).status(ExitStatus::Usage)
}

fn of_claude(path: &Path) -> Result<Variables, Failure> {
    let fix = "Name a key with `api_key_env` or `api_key_file`, or another file with `claude_json`.";
    let fail = |why: String| lacking(format_args!("{} {why}", path.display()), fix);
    let unread = |error: std::io::Error| fail(format!("cannot be read: {error}"));
    let mut text = Vec::new();
    std::fs::File::open(path).map_err(unread)?.take(SETTINGS_LIMIT).read_to_end(&mut text).map_err(unread)?;
    // What is wrong in it is not repeated: it holds secrets.
    let settings: Settings = serde_json::from_slice(&text)
        .map_err(|error| fail(format!("is not Claude Code's settings (line {}, column {})", error.line(), error.column())))?;
    Ok(settings.servers.plane.env)
}

/// One, or what is wrong with it.
pub(super) fn open(opener: &Opener<'_>, configured: &Plane) -> Result<Source, Failure> {
    let (key, found) = match &configured.access {
        PlaneAccess::Key(from) => {
            let key = opener
                .secret(from, |why, variable| lacking(why, format!("Set {variable}, or name a file with `api_key_file`.")))?;
            (key, Variables::default())
        }
        PlaneAccess::ClaudeJson(path) => {
            let mut found = of_claude(path)?;
            let none = || {
                let fix = "Add it there, or name a key with `api_key_env` or `api_key_file`.";
                lacking(format_args!("{} has no mcpServers.plane.env.PLANE_API_KEY", path.display()), fix)
            };
            (ApiKey::Value(found.key.take().ok_or_else(none)?), found)
        }
    };
    let workspace = configured.workspace.clone().or(found.workspace).ok_or_else(|| {
        lacking("nothing says its workspace", "Write `workspace: SLUG` at the backlog, or PLANE_WORKSPACE_SLUG beside the key.")
    })?;
    let mut tickets = PlaneConfig {
        api_url: configured.api_url.clone().or(found.api_url).unwrap_or_else(|| PLANE_CLOUD.to_owned()),
        key,
        workspace,
        ..configured.tickets.clone()
    };
    if let Some(data_dir) = opener.data_dir {
        let name = tickets.name.as_deref().map(|name| format!("-{name}")).unwrap_or_default();
        tickets.memory = Some(data_dir.join(FOLDER).join(format!("plane-{}{name}.json", tickets.workspace)));
    } else {
        // Whoever only looks remembers nothing: all that is open is counted.
        tickets.triggers.new_tickets = NewTickets::All;
    }
    let backlog = PlaneBacklog::new(tickets).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Source { backlog: Arc::new(backlog), in_review: BacklogStatus::InReview })
}
