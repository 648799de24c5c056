//! How the system is: its parts as observed.

use crate::api::{SourceView, StateCount};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// `GET /api/v1/status`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct StatusView {
    /// This program's version.
    pub version: String,
    /// Milliseconds since 1970 UTC.
    pub started_at: i64,
    /// The runner.
    pub runner: PartView,
    /// The store.
    pub store: PartView,
    /// The engine: scheduler and runs.
    pub engine: PartView,
    /// What stands behind sandboxes' doors.
    pub gateway: PartView,
    /// The sources.
    pub sources: Vec<SourceView>,
    /// Tasks by state.
    pub tasks: Vec<StateCount>,
    /// Live runs and how many there may be.
    pub live_runs: u32,
    /// Runs whose agents ask people something, by id.
    pub asking: Vec<String>,
    /// How many there may be.
    pub slots: u32,
    /// Write-backs that have not landed yet.
    pub outbox_waiting: u32,
    /// Whether nothing new starts, and why.
    pub paused: Option<String>,
}

impl StatusView {
    /// The parts without which nothing works, each with the name that metrics and alerts call it by.
    pub fn parts(&self) -> [(&'static str, &PartView); 4] {
        [("store", &self.store), ("engine", &self.engine), ("gateway", &self.gateway), ("runner", &self.runner)]
    }

    /// Whether every part is known to work.
    pub fn is_healthy(&self) -> bool {
        self.parts().iter().all(|(_, part)| part.ok)
    }
}

/// How a part of the system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It answers.
    Ok,
    /// It does not.
    Failing,
    /// It was not looked at yet, or not for long.
    Unknown,
}

/// A part of the system as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PartView {
    /// Its name: what kind of store or runner it is.
    pub name: String,
    /// How it is.
    pub state: PartState,
    /// Whether that is `ok`.
    pub ok: bool,
    /// In words.
    pub detail: String,
    /// Since when it is so, milliseconds since 1970 UTC.
    pub since: i64,
    /// When it was looked at last, milliseconds since 1970 UTC.
    pub observed_at: Option<i64>,
}

/// What `GET /ready` says to whoever has credentials; to others only `status` and `version`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReadyView {
    /// `ok`, or `failing` with HTTP status 503.
    pub status: PartState,
    /// This program's version.
    pub version: String,
    /// `unavailable` when it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What to do when it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
    /// Store, engine, gateway and runner, by these names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parts: BTreeMap<String, PartView>,
}

/// A line of the control plane's own log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct LogLine {
    /// Its number since the control plane started; those of earlier starts have none.
    #[serde(default)]
    pub seq: u64,
    /// When, milliseconds since 1970 UTC.
    pub at: i64,
    /// `error`, `warn`, `info`, `debug` or `trace`.
    pub level: String,
    /// The part of the program that says it.
    pub target: String,
    /// What.
    pub message: String,
    /// The run that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Everything else, `request.id` among it.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
}

/// What a reload of the configuration came to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ReloadView {
    /// What is other than before, and holds from now on.
    pub changed: Vec<String>,
    /// What is other than before, and holds only after a restart.
    pub after_restart: Vec<String>,
    /// Projects that are gone or have moved, and stay as they were while runs of them are live: reload once more then.
    pub kept: Vec<String>,
    /// What is doubtful in the configuration.
    pub warnings: Vec<String>,
}
