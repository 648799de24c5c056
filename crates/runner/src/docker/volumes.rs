//! Volumes: read-only ones with tools, filled once per engine; the folders of a sandbox, given to its user. Volumes
//! are never removed here: which of them go is the engine's to decide on.

use super::container;
use super::engine::{CallError, CallErrorKind, Engine, QUICK, SLOW};
use super::names::{self, HELPER, Labels, Names};
use crate::keyed::{KeyedLocks, locked};
use crate::tree::Tree;
use bollard::models::VolumeCreateRequest;
use bollard::query_parameters::{
    ContainerArchiveInfoOptionsBuilder, CreateContainerOptions, RemoveContainerOptionsBuilder, RemoveVolumeOptions,
    UploadToContainerOptionsBuilder,
};
use bytes::Bytes;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::runner::{RunnerError, SANDBOX_GID, SANDBOX_HOME, SANDBOX_UID, SandboxSpec, SandboxVolume, Tool};
use tokio::sync::{OnceCell, mpsc};

/// How often a volume that another one fills too is filled.
const FILL_TRIES: u32 = 6;
/// Where a helper container has the volume that it fills.
const FILL: &str = "/fill";
/// Written last into a tool's volume: a volume without it was cut short.
const MARKER: &str = ".strawboss-complete";
/// A tool of a few hundred megabytes onto a slow disk.
const FILL_LIMIT: Duration = Duration::from_mins(15);
/// Chunks of a tool's tar on their way to the engine: few, so that a slow engine does not fill our memory.
const CHUNK: usize = 256 * 1024;
const CHUNKS: usize = 4;

/// What is known of volumes, so that a warm start asks nothing.
#[derive(Default)]
pub(super) struct Volumes {
    /// Folder of a tool on this machine: its fingerprint and content hash.
    hashes: Mutex<HashMap<PathBuf, (String, String)>>,
    /// Tool volumes known to be complete.
    complete: Mutex<HashSet<String>>,
    /// Homes and caches that are the sandbox user's.
    owned: Mutex<HashSet<String>>,
    locks: KeyedLocks,
    quota: OnceCell<bool>,
}

impl Volumes {
    /// The volume of each of the spec's tools, filled.
    pub(super) async fn tools(
        &self,
        engine: &Engine,
        names: &Names,
        image_id: &str,
        tools: &[Tool],
    ) -> Result<Vec<(String, String)>, RunnerError> {
        let arch = &engine.connected().await?.arch;
        futures_util::future::try_join_all(tools.iter().map(|tool| async move {
            let (tree, content) = self.content(tool).await?;
            let volume = names::tool_volume(&tool.name, &content, arch);
            if !locked(&self.complete).contains(&volume) {
                let _guard = self.locks.lock(&volume).await;
                if !locked(&self.complete).contains(&volume) {
                    fill(engine, names, image_id, &tool.name, &content, &volume, tree).await?;
                    locked(&self.complete).insert(volume.clone());
                }
            }
            Ok((tool.name.clone(), volume))
        }))
        .await
    }

    pub(super) async fn content(&self, tool: &Tool) -> Result<(Arc<Tree>, String), RunnerError> {
        let dir = tool.dir.clone();
        let known = locked(&self.hashes).get(&dir).cloned();
        let read = tokio::task::spawn_blocking(move || {
            let tree = Tree::scan(&dir)?;
            let fingerprint = tree.fingerprint();
            let content = match known {
                Some((before, content)) if before == fingerprint => content,
                _ => tree.content_hash()?,
            };
            io::Result::Ok((dir, tree, fingerprint, content))
        });
        let failed =
            |why: String| RunnerError::Failed { what: format!("read tool `{}` in {}", tool.name, tool.dir.display()), why };
        let (dir, tree, fingerprint, content) =
            read.await.map_err(|error| failed(error.to_string()))?.map_err(|error| failed(error.to_string()))?;
        locked(&self.hashes).insert(dir, (fingerprint, content.clone()));
        Ok((Arc::new(tree), content))
    }

    /// Forgets what is known: a volume turned out not to be as it was.
    pub(super) fn forget(&self) {
        locked(&self.complete).clear();
        locked(&self.owned).clear();
    }

    /// Forgets what is known of a tool's volume or a cache.
    pub(super) fn forget_kept(&self, volume: &str) {
        locked(&self.complete).remove(volume);
        self.forget_volume(volume);
    }

    pub(super) fn forget_volume(&self, volume: &str) {
        locked(&self.owned).remove(volume);
    }

    /// Gives home and caches of a container that was not started yet to the sandbox's user.
    pub(super) async fn give(
        &self,
        engine: &Engine,
        names: &Names,
        spec: &SandboxSpec,
        container: &str,
        home_is_ours: bool,
    ) -> Result<(), RunnerError> {
        let home = match &spec.volume {
            SandboxVolume::OfRun(run) => Some(names.home(run)),
            SandboxVolume::Fresh => None,
        };
        let between = folders_between(spec);
        let known = home.as_ref().is_some_and(|home| locked(&self.owned).contains(home));
        let copied_up = home_is_ours && between.is_empty();
        if !known && !copied_up {
            own(engine, container, SANDBOX_HOME, &between).await?;
        }
        if let Some(home) = home
            && between.is_empty()
        {
            locked(&self.owned).insert(home);
        }
        for cache in &spec.caches {
            let volume = names.cache(cache);
            if !locked(&self.owned).contains(&volume) {
                own(engine, container, &cache.path, &BTreeSet::new()).await?;
                locked(&self.owned).insert(volume);
            }
        }
        Ok(())
    }

    /// Whether the engine can limit the size of a volume (its volumes lie on XFS with project quotas). Found by trying.
    pub(super) async fn quota(&self, engine: &Engine, names: &Names) -> Result<bool, RunnerError> {
        self.quota
            .get_or_try_init(|| async {
                let name = names.quota_probe();
                let request = VolumeCreateRequest {
                    name: Some(name.clone()),
                    driver: Some("local".to_owned()),
                    driver_opts: Some(HashMap::from([("size".to_owned(), (64 << 20).to_string())])),
                    labels: Some(names.labels([(HELPER, &super::process_mark())])),
                    ..VolumeCreateRequest::default()
                };
                let what = "find out whether volumes can be limited in size";
                let made = engine.call(what, SLOW, |docker| async move { docker.create_volume(request).await }).await;
                let removed = engine.call(what, SLOW, |docker| async move { docker.remove_volume(&name, None::<RemoveVolumeOptions>).await }).await;
                match (made, removed) {
                    (Ok(_), Ok(())) => Ok(true),
                    (Err(error), _) | (_, Err(error)) if error.kind == CallErrorKind::Unreachable => Err(error.into()),
                    (Err(error), _) | (_, Err(error)) => {
                        tracing::info!(engine.answer = %error.why, "the engine cannot limit volumes in size; each supervisor watches its own");
                        Ok(false)
                    }
                }
            })
            .await
            .copied()
    }
}

/// Folders between the home and a cache below it. The engine makes them as root when it mounts the cache.
fn folders_between(spec: &SandboxSpec) -> BTreeSet<String> {
    let mut between = BTreeSet::new();
    for cache in &spec.caches {
        let Some(path) = cache.path.strip_prefix(SANDBOX_HOME).and_then(|path| path.strip_prefix('/')) else { continue };
        between.extend(path.match_indices('/').map(|(at, _)| path[..at].to_owned()));
    }
    between
}

async fn fill(
    engine: &Engine,
    names: &Names,
    image_id: &str,
    tool: &str,
    content: &str,
    volume: &str,
    tree: Arc<Tree>,
) -> Result<(), RunnerError> {
    let what = format!("fill volume {volume} with tool `{tool}`");
    let labels = Labels::from([
        (names::VOLUME.to_owned(), "tool".to_owned()),
        (names::TOOL.to_owned(), tool.to_owned()),
        (names::CONTENT.to_owned(), content.to_owned()),
        (names::FILLED_BY.to_owned(), names.installation.clone()),
    ]);
    let helper = container::filler(image_id, names.labels([(HELPER, &super::process_mark())]), FILL, volume, labels);
    let helper = engine
        .call(&what, SLOW, |docker| async move { docker.create_container(None::<CreateContainerOptions>, helper).await })
        .await?
        .id;
    let fill_once = async || {
        if is_complete(engine, &what, &helper).await? {
            return Ok(());
        }
        tracing::info!(tool.name = %tool, volume.name = %volume, "filling a tool's volume");
        let tree = Arc::clone(&tree);
        upload(engine, &what, &helper, FILL, FILL_LIMIT, move |out| tree.tar(out)).await?;
        upload(engine, &what, &helper, FILL, SLOW, |out| {
            let mut tar = tar::Builder::new(out);
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o444);
            header.set_size(0);
            tar.append_data(&mut header, MARKER, io::empty())?;
            tar.into_inner()?.flush()
        })
        .await
    };
    // Another one may fill it at the same moment, with the same content, by the volume's name: the engine unpacks a file by
    // removing the one that is there, so that either may find its own gone.
    let mut filled = fill_once().await;
    for tried in 1..FILL_TRIES {
        let Err(error) = &filled else { break };
        let Ok(complete) = is_complete(engine, &what, &helper).await else { break };
        tracing::debug!(error.message = %error, complete, "another one fills the volume");
        if !complete {
            // Not in step with the other one.
            let uneven = u64::from(std::process::id() % 7) * 20;
            tokio::time::sleep(Duration::from_millis(u64::from(tried) * 150 + uneven)).await;
        }
        filled = fill_once().await;
    }
    let remove = RemoveContainerOptionsBuilder::default().force(true).build();
    if let Err(error) =
        engine.call(&what, SLOW, |docker| async move { docker.remove_container(&helper, Some(remove)).await }).await
    {
        tracing::warn!(error.message = %error, "a helper container was left behind; it is removed later");
    }
    filled.map_err(RunnerError::from)
}

async fn is_complete(engine: &Engine, what: &str, helper: &str) -> Result<bool, CallError> {
    let options = ContainerArchiveInfoOptionsBuilder::default().path(&format!("{FILL}/{MARKER}")).build();
    match engine.call(what, QUICK, |docker| async move { docker.get_container_archive_info(helper, Some(options)).await }).await {
        Ok(_) => Ok(true),
        Err(error) if error.is(404) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Gives the volume mounted at `path`, and the `folders` below it, to the sandbox's user.
async fn own(engine: &Engine, container: &str, path: &str, folders: &BTreeSet<String>) -> Result<(), RunnerError> {
    let folders = folders.clone();
    let what = format!("give {path} to the sandbox's user");
    upload(engine, &what, container, path, SLOW, move |out| {
        let mut tar = tar::Builder::new(out);
        let header = || {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_uid(u64::from(SANDBOX_UID));
            header.set_gid(u64::from(SANDBOX_GID));
            header.set_mode(0o755);
            header.set_size(0);
            header
        };
        // The engine skips an entry named `./`; one named `/` is the mounted folder itself.
        let mut root = header();
        if let Some(ustar) = root.as_ustar_mut() {
            ustar.name[0] = b'/';
        }
        root.set_cksum();
        tar.append(&root, io::empty())?;
        for folder in &folders {
            tar.append_data(&mut header(), Path::new(folder), io::empty())?;
        }
        tar.into_inner()?.flush()
    })
    .await
    .map_err(RunnerError::from)
}

/// Streams what `write` writes, a tar, into a folder of a container.
async fn upload(
    engine: &Engine,
    what: &str,
    container: &str,
    path: &str,
    limit: Duration,
    write: impl FnOnce(ChunkWriter) -> io::Result<()> + Send + 'static,
) -> Result<(), CallError> {
    let (chunks, receiver) = mpsc::channel(CHUNKS);
    let errors = chunks.clone();
    let writing = tokio::task::spawn_blocking(move || {
        if let Err(error) = write(ChunkWriter { chunks, buffer: Vec::with_capacity(CHUNK) }) {
            // The upload must fail, not end early with a tar that looks whole. Nobody to tell means that it failed already.
            let _ = errors.blocking_send(Err(error));
        }
    });
    let body =
        futures_util::stream::unfold(
            receiver,
            |mut receiver| async move { receiver.recv().await.map(|chunk| (chunk, receiver)) },
        );
    let options = UploadToContainerOptionsBuilder::default().path(path).build();
    let sent = engine
        .call(what, limit, |docker| async move {
            docker.upload_to_container(container, Some(options), bollard::body_try_stream(body)).await
        })
        .await;
    // The engine may answer before it read everything; the writer ends when its channel closes.
    drop(writing);
    sent
}

struct ChunkWriter {
    chunks: mpsc::Sender<Result<Bytes, io::Error>>,
    buffer: Vec<u8>,
}

impl Write for ChunkWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= CHUNK {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
        self.chunks.blocking_send(Ok(Bytes::from(chunk))).map_err(|_| io::Error::from(io::ErrorKind::BrokenPipe))
    }
}

#[cfg(test)]
mod tests {
    use super::Volumes;
    use std::fs;
    use strawboss_core::runner::Tool;

    #[tokio::test]
    async fn a_tool_that_was_replaced_has_another_hash() {
        let dir = tempfile::tempdir().unwrap();
        let tool = Tool { name: "x".to_owned(), dir: dir.path().to_owned() };
        fs::write(dir.path().join("a"), "1").unwrap();
        let volumes = Volumes::default();
        let first = volumes.content(&tool).await.unwrap().1;
        assert_eq!(volumes.content(&tool).await.unwrap().1, first);
        fs::write(dir.path().join("b"), "2").unwrap();
        fs::rename(dir.path().join("b"), dir.path().join("a")).unwrap();
        assert_ne!(volumes.content(&tool).await.unwrap().1, first);
    }
}
