//! Folders beside sandboxes and homes: caches of projects, and copies of tools. When one was used last stands in its own
//! time of change, since nothing else does.

use super::launch::{ORDER, Order};
use super::{Inner, files};
use crate::keyed::locked;
use std::fs::{self, File};
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::SystemTime;
use strawboss_core::Timestamp;
use strawboss_core::runner::{KeptFolder, KeptKind};

/// Notes that a folder is used now.
pub(super) fn note_use(folder: &Path) -> io::Result<()> {
    File::open(folder)?.set_modified(SystemTime::now())
}

impl Inner {
    pub(super) fn kept(&self) -> io::Result<Vec<KeptFolder>> {
        let mut kept = Vec::new();
        for (parent, word) in [(self.folders.caches(), "caches"), (self.folders.tools(), "tools")] {
            for item in fs::read_dir(parent)? {
                let item = item?;
                let Ok(name) = item.file_name().into_string() else { continue };
                let used = item.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
                let kind = if word == "caches" { KeptKind::Cache(None) } else { KeptKind::Tool(name.clone()) };
                kept.push(KeptFolder {
                    key: format!("{word}/{name}"),
                    kind,
                    bytes: None,
                    used_at: Timestamp(i64::try_from(used.as_millis()).unwrap_or(i64::MAX)),
                });
            }
        }
        kept.sort_by(|a, b| a.key.cmp(&b.key));
        Ok(kept)
    }

    pub(super) fn remove_kept(&self, key: &str) -> io::Result<bool> {
        let Some(folder) = self.folder_of(key) else { return Err(io::Error::other("it is no cache and no tool")) };
        // Whatever is being made may need it, and its order is not written yet.
        let making = locked(&self.making);
        if !making.is_empty() || self.is_used(&folder)? {
            return Ok(false);
        }
        let away = self.folders.put_away(&folder)?;
        drop(making);
        files::remove_tree(&away)?;
        Ok(true)
    }

    fn folder_of(&self, key: &str) -> Option<PathBuf> {
        let (word, name) = key.split_once('/')?;
        let parent = match word {
            "caches" => self.folders.caches(),
            "tools" => self.folders.tools(),
            _ => return None,
        };
        let mut parts = Path::new(name).components();
        let plain = matches!((parts.next(), parts.next()), (Some(Component::Normal(_)), None)) && !name.contains('/');
        plain.then(|| parent.join(name))
    }

    /// Whether a sandbox that is there has it.
    fn is_used(&self, folder: &Path) -> io::Result<bool> {
        for item in fs::read_dir(self.folders.sandboxes())? {
            let dir = item?.path();
            let order = fs::read(dir.join(ORDER)).ok().and_then(|bytes| serde_json::from_slice::<Order>(&bytes).ok());
            if order.is_some_and(|order| order.links.iter().any(|(_, target)| target == folder)) {
                return Ok(true);
            }
            let tools = fs::read_dir(dir.join("tools")).into_iter().flatten().flatten();
            if tools.into_iter().any(|link| fs::read_link(link.path()).is_ok_and(|target| target.starts_with(folder))) {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
