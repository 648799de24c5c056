//! What is remembered of a workspace's tickets between readings and restarts: which were there, in which state each was seen,
//! what made it work, and how it stands with us. A file, replaced in one step before anything follows from it.

use super::client::Failure;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use strawboss_core::backlog::{BacklogStatus, TicketTrigger};

/// The form of the file.
const VERSION: u32 = 1;

/// A ticket in a state means this status of ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stand {
    /// The id of the state.
    pub(super) state: String,
    pub(super) status: BacklogStatus,
}

/// What an agent is told of a ticket as it was at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Told {
    pub(super) action: String,
    /// Ids of tickets that block it.
    pub(super) blocked_by: Vec<String>,
    /// Those of them that were deleted or archived.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) gone: BTreeSet<String>,
}

/// One ticket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The id of its project.
    pub(super) project: String,
    /// How it was left: while it is in this state, this is its status.
    pub(super) stand: Stand,
    /// What is being written: when it is found in that state, we moved it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) intent: Option<Stand>,
    /// What made it work; none: it is none of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trigger: Option<TicketTrigger>,
    /// When the newest comment was made that was heard.
    #[serde(default)]
    pub(super) heard: String,
    /// When it was changed last, as of the moment at which its comments were read.
    #[serde(default)]
    pub(super) looked: String,
    /// Whether it was ever given as an item: from then on it is missed.
    #[serde(default)]
    pub(super) listed: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) told: Option<Told>,
}

/// All of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Memory {
    version: u32,
    /// Projects whose tickets were all seen once: one that is there later is new.
    pub(super) seen: BTreeSet<String>,
    /// By the ticket's id.
    pub(super) tickets: BTreeMap<String, Record>,
}

impl Default for Memory {
    fn default() -> Self {
        Self { version: VERSION, seen: BTreeSet::new(), tickets: BTreeMap::new() }
    }
}

impl Memory {
    /// What the file holds; nothing, where there is none.
    pub(super) fn load(path: &Path) -> Result<Self, Failure> {
        let fail = |why: String| {
            let fix = "Put it back from a backup. Without the file, tickets that are there now count as seen, and work on them is withdrawn.";
            Failure::Memory(format!("what is known of its tickets, {}, {why}", path.display()), fix.to_owned())
        };
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::default()),
            Err(error) => return Err(fail(format!("cannot be read: {error}"))),
        };
        let memory: Self = serde_json::from_slice(&bytes).map_err(|error| fail(format!("is damaged: {error}")))?;
        if memory.version != VERSION {
            return Err(fail(format!("has the form {}, and this program knows {VERSION}", memory.version)));
        }
        Ok(memory)
    }

    /// Writes it so that after a crash the file is as it was before or as it is now.
    pub(super) fn save(&self, path: &Path) -> Result<(), Failure> {
        self.replace(path).map_err(|error| {
            let why = format!("what is known of its tickets cannot be written to {}: {error}", path.display());
            Failure::Memory(why, "Make room, and the folder writable for Strawboss's user.".to_owned())
        })
    }

    fn replace(&self, path: &Path) -> std::io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)?;
        let aside = path.with_extension("json.new");
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.sync_all()?;
        fs::rename(&aside, path)?;
        File::open(folder)?.sync_all()
    }
}
