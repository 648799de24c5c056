//! Noticing that the file may have changed: file events where the system gives them, and a timer where it does not.
//!
//! It only wakes somebody up. Whether anything did change is told by the file's state, never by an event.

use notify::{EventKind, RecursiveMode, Watcher as _};
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Watches the folders in which the file, and what it links to, have their names: editors save by renaming, so a
/// watch on the file itself would end with the first save.
pub(crate) struct Watch {
    file: PathBuf,
    bell: Arc<Notify>,
    names: Arc<Mutex<Vec<OsString>>>,
    /// A system without file events, for tests.
    deaf: bool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    watcher: Option<notify::RecommendedWatcher>,
    /// Folders watched, with device and inode, since a folder can be replaced, too.
    folders: BTreeMap<PathBuf, (u64, u64)>,
    told: bool,
}

impl Watch {
    /// Watches nothing yet: see [`Watch::refresh`].
    pub(crate) fn new(file: PathBuf) -> Self {
        Self { file, bell: Arc::new(Notify::new()), names: Arc::default(), deaf: false, inner: Mutex::default() }
    }

    /// The same on a system that gives no file events.
    #[cfg(test)]
    pub(crate) fn deaf(file: PathBuf) -> Self {
        Self { deaf: true, ..Self::new(file) }
    }

    /// Resolves when something happened to the file's name or content since the last call. Cancel-safe.
    pub(crate) async fn event(&self) {
        self.bell.notified().await;
    }

    /// Watches the folders that matter now; cheap when they are watched already. Blocking.
    pub(crate) fn refresh(&self) {
        let mut paths = vec![self.file.clone()];
        paths.extend(std::fs::canonicalize(&self.file));
        *self.names.lock().unwrap_or_else(PoisonError::into_inner) =
            paths.iter().filter_map(|path| path.file_name()).map(ToOwned::to_owned).collect();

        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let mut wanted = BTreeMap::new();
        for path in &paths {
            let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
            if let Ok(metadata) = std::fs::metadata(dir) {
                wanted.insert(dir.to_owned(), (metadata.dev(), metadata.ino()));
            }
        }
        if wanted == inner.folders && inner.watcher.is_some() {
            return;
        }
        // A fresh watcher: an old watch on a folder that was replaced cannot be taken back reliably.
        inner.watcher = None;
        inner.folders.clear();
        match self.watch(wanted.keys()) {
            Ok(watcher) => {
                inner.watcher = Some(watcher);
                inner.folders = wanted;
                inner.told = false;
            }
            Err(error) if !inner.told => {
                inner.told = true;
                tracing::warn!(
                    file = %self.file.display(), %error,
                    "no file events for the backlog; it is looked at every `watch_interval` seconds instead"
                );
            }
            Err(_) => {}
        }
    }

    fn watch<'a>(&self, folders: impl Iterator<Item = &'a PathBuf>) -> notify::Result<notify::RecommendedWatcher> {
        if self.deaf {
            return Err(notify::Error::generic("this system gives no file events"));
        }
        let bell = Arc::clone(&self.bell);
        let names = Arc::clone(&self.names);
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let matters = match event {
                Ok(event) if event.need_rescan() => true,
                // Reading is no change, and we read often.
                Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
                Ok(event) => {
                    let names = names.lock().unwrap_or_else(PoisonError::into_inner);
                    event.paths.iter().any(|path| path.file_name().is_some_and(|name| names.iter().any(|ours| ours == name)))
                }
                Err(_) => true,
            };
            if matters {
                bell.notify_one();
            }
        })?;
        for folder in folders {
            watcher.watch(folder, RecursiveMode::NonRecursive)?;
        }
        Ok(watcher)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").field("file", &self.file).finish_non_exhaustive()
    }
}
