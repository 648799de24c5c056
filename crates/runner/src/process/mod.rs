//! Sandboxes as plain processes: the same protocol as in a container and **no isolation**. For machines without an
//! engine, and only when a person named it.
//!
//! Each supervisor is a process of its own session that outlives us; its folder says who it is, so the next control
//! plane adopts it. As root, everything in it runs as an unprivileged user.

mod files;
mod kept;
mod kill;
mod launch;
mod state;

pub use launch::launch;

use crate::keyed::{KeyedLocks, locked};
use crate::short_hash;
use crate::tree::Tree;
use files::{Folders, User};
use launch::{LOG, ORDER, Order, STATE};
use rustix::process::Signal;
use state::Identity;
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::runner::{
    FoundSandbox, KeptFolder, Runner, RunnerError, RunnerInfo, SANDBOX_GID, SANDBOX_HOME, SANDBOX_UID, SandboxHandle,
    SandboxSpec, SandboxStatus, SandboxVolume, Tool,
};
use strawboss_core::{RunId, SandboxId};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// The hidden command of the `strawboss` program that calls [`launch`].
pub const LAUNCH_COMMAND: &str = "sandbox-launch";
/// Written by us when our own child ended: its exit code, for whoever asks after a restart.
const EXIT: &str = "exit.json";
/// How often a sandbox that was not started yet is looked at by who waits for its end.
const LOOK: Duration = Duration::from_millis(100);

/// Where process sandboxes live and who launches them.
#[derive(Debug, Clone)]
pub struct ProcessConfig {
    /// This installation's id.
    pub installation: String,
    /// Their folders lie below it where the sandbox's user can get there, else below `/var/lib/strawboss`.
    pub data_dir: PathBuf,
    /// The program, with its first arguments, that calls [`launch`] with the rest: `strawboss sandbox-launch`.
    pub launcher: Vec<OsString>,
}

/// Runs sandboxes as processes of this machine, without a wall.
pub struct ProcessRunner {
    inner: Arc<Inner>,
    locks: KeyedLocks,
}

struct Inner {
    installation: String,
    launcher: Vec<OsString>,
    folders: Folders,
    user: Option<User>,
    /// Supervisors that are our own children, to be reaped.
    children: Mutex<HashMap<SandboxId, Child>>,
    /// Sandboxes that are being made, each with its home: a sweep takes neither for what was left behind.
    making: Mutex<HashMap<SandboxId, PathBuf>>,
}

impl ProcessRunner {
    /// Makes its folders; as root, for the unprivileged user that sandboxes run as.
    pub fn new(config: ProcessConfig) -> Result<Self, RunnerError> {
        let failed = |why: String| RunnerError::Failed { what: "prepare the process runner".to_owned(), why };
        if config.launcher.is_empty() {
            return Err(failed("no launcher is given".to_owned()));
        }
        let user = nix::unistd::geteuid().is_root().then_some(User { uid: SANDBOX_UID, gid: SANDBOX_GID });
        let folders =
            Folders::new(&config.data_dir, user).map_err(|error| failed(format!("{}: {error}", config.data_dir.display())))?;
        tracing::warn!(process.root = %folders.root().display(), "the process runner has NO ISOLATION: agents can do on this machine whatever their user can");
        let inner = Inner {
            installation: config.installation,
            launcher: config.launcher,
            folders,
            user,
            children: Mutex::default(),
            making: Mutex::default(),
        };
        Ok(Self { inner: Arc::new(inner), locks: KeyedLocks::default() })
    }

    /// Runs blocking work on one sandbox, one call at a time.
    async fn blocking<T: Send + 'static>(
        &self,
        what: String,
        key: &str,
        work: impl FnOnce(&Inner) -> io::Result<T> + Send + 'static,
    ) -> Result<T, RunnerError> {
        let guard = self.locks.lock(key).await;
        let inner = Arc::clone(&self.inner);
        let done = tokio::task::spawn_blocking(move || {
            let _guard = guard;
            work(&inner)
        });
        match done.await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(RunnerError::Failed { what, why: error.to_string() }),
            Err(error) => Err(RunnerError::Failed { what, why: error.to_string() }),
        }
    }
}

impl Inner {
    fn dir(&self, id: &SandboxId) -> PathBuf {
        self.folders.sandboxes().join(id.as_str())
    }

    fn home_of(&self, run: &RunId) -> PathBuf {
        self.folders.homes().join(run.as_str())
    }

    fn mark(&self, id: &SandboxId) -> String {
        format!("{}-{id}", short_hash(format!("{}\n{}", self.installation, self.folders.root().display()).as_bytes(), 16))
    }

    fn create(&self, spec: &SandboxSpec) -> io::Result<()> {
        let home = match &spec.volume {
            SandboxVolume::OfRun(run) => self.home_of(run),
            SandboxVolume::Fresh => self.dir(&spec.id).join("home"),
        };
        locked(&self.making).insert(spec.id.clone(), home.clone());
        let made = self.make(spec, home);
        locked(&self.making).remove(&spec.id);
        made
    }

    fn make(&self, spec: &SandboxSpec, home: PathBuf) -> io::Result<()> {
        let dir = self.dir(&spec.id);
        if dir.join(ORDER).exists() {
            return Ok(());
        }
        self.folders.make_ours(&dir)?;
        let tools = dir.join("tools");
        self.folders.make_ours(&tools)?;
        for tool in &spec.tools {
            let plain =
                !tool.name.is_empty() && tool.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !plain {
                return Err(io::Error::other(format!("`{}` is no name of a tool", tool.name.escape_debug())));
            }
            let link = tools.join(&tool.name);
            match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => std::os::unix::fs::symlink(self.tool(&tool.dir)?, &link)?,
            }
        }
        let program = tools.join("supervisor/bin/strawboss-supervisor");
        if !program.exists() {
            return Err(io::Error::other("no tool named `supervisor` with bin/strawboss-supervisor is given"));
        }
        self.folders.make_theirs(&home)?;
        let temp = dir.join("tmp");
        self.folders.make_theirs(&temp)?;
        let order = Order {
            purpose: spec.purpose,
            program,
            env: self.environment(spec, &home, &tools, &temp),
            door_dir: spec
                .door_dir
                .canonicalize()
                .map_err(|error| io::Error::other(format!("its door {}: {error}", spec.door_dir.display())))?,
            file_size: spec.limits.disk_bytes,
            links: self.cache_links(spec)?,
            user: self.user,
            home,
        };
        // Written last: a sandbox without it was never made.
        files::write_whole(&dir.join(ORDER), &serde_json::to_vec(&order)?)
    }

    /// The tool's folder, or a copy of it that the sandbox's user can read.
    fn tool(&self, dir: &Path) -> io::Result<PathBuf> {
        let dir = dir.canonicalize()?;
        let Some(user) = self.user else { return Ok(dir) };
        if files::can_enter(&dir, user) && is_readable(&dir, user)? {
            return Ok(dir);
        }
        let tree = Tree::scan(&dir)?;
        let copy = self.folders.tools().join(&tree.content_hash()?[..32]);
        if copy.is_dir() {
            kept::note_use(&copy)?;
            return Ok(copy);
        }
        let fresh = self.folders.scratch();
        tree.copy_to(&fresh)?;
        match fs::rename(&fresh, &copy) {
            // Another sandbox's creation was faster with the same content.
            Err(_) if copy.is_dir() => self.folders.remove(&fresh)?,
            done => done?,
        }
        Ok(copy)
    }

    fn environment(&self, spec: &SandboxSpec, home: &Path, tools: &Path, temp: &Path) -> BTreeMap<String, String> {
        let inherited = |name: &str, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
        let mut env = BTreeMap::from([
            ("PATH".to_owned(), inherited("PATH", "/usr/local/bin:/usr/bin:/bin")),
            ("LANG".to_owned(), inherited("LANG", "C.UTF-8")),
        ]);
        env.extend(spec.env.iter().map(|(key, value)| (key.clone(), value.clone())));
        let ours = [
            ("HOME", home.display().to_string()),
            ("STRAWBOSS_HOME", home.display().to_string()),
            ("STRAWBOSS_TOOLS", tools.display().to_string()),
            // Not the machine's: sandboxes would meet there.
            ("STRAWBOSS_TEMP", temp.display().to_string()),
            ("TMPDIR", temp.display().to_string()),
            ("STRAWBOSS_SANDBOX", spec.id.to_string()),
            (kill::MARK, self.mark(&spec.id)),
        ];
        env.extend(ours.map(|(key, value)| (key.to_owned(), value)));
        env
    }

    fn cache_links(&self, spec: &SandboxSpec) -> io::Result<Vec<(PathBuf, PathBuf)>> {
        let mut links = Vec::new();
        for cache in &spec.caches {
            let below = cache.path.strip_prefix(SANDBOX_HOME).and_then(|path| path.strip_prefix('/'));
            let Some(below) = below.filter(|path| path.split('/').all(|part| !matches!(part, "" | "." | ".."))) else {
                tracing::warn!(cache.path = %cache.path, "without a container only folders below {SANDBOX_HOME} can be kept between runs; this one is not");
                continue;
            };
            let what = format!("{}\n{}\n{}", cache.project, cache.purpose.word(), cache.path);
            let target = self.folders.caches().join(short_hash(what.as_bytes(), 32));
            self.folders.make_theirs(&target)?;
            kept::note_use(&target)?;
            links.push((PathBuf::from(below), target));
        }
        Ok(links)
    }

    fn start(&self, id: &SandboxId) -> io::Result<()> {
        let dir = self.dir(id);
        if !dir.join(ORDER).exists() {
            return Err(io::Error::other("it is gone"));
        }
        if self.status(id)? == SandboxStatus::Running {
            return Ok(());
        }
        match fs::remove_file(dir.join(EXIT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let [program, arguments @ ..] = self.launcher.as_slice() else { return Err(io::Error::other("no launcher is given")) };
        let mut child = Command::new(program)
            .args(arguments)
            .arg(&dir)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("run {}: {error}", program.display())))?;
        let mut answer = String::new();
        if let Some(mut stdout) = child.stdout.take() {
            // Ends when the supervisor has taken the launcher's place.
            (&mut stdout).take(64 * 1024).read_to_string(&mut answer)?;
        }
        if !answer.is_empty() {
            child.wait()?;
            return Err(io::Error::other(answer));
        }
        if Identity::load(&dir.join(STATE))?.is_some_and(|identity| identity.pid == child.id().cast_signed()) {
            locked(&self.children).insert(id.clone(), child);
        } else {
            // Somebody else's launcher was faster; ours found that out and ended.
            child.wait()?;
        }
        Ok(())
    }

    fn status(&self, id: &SandboxId) -> io::Result<SandboxStatus> {
        let dir = self.dir(id);
        if !dir.join(ORDER).exists() {
            self.reap(id, &dir)?;
            return Ok(SandboxStatus::Gone);
        }
        match Identity::load(&dir.join(STATE))? {
            None => Ok(SandboxStatus::Created),
            Some(identity) if identity.is_alive() => Ok(SandboxStatus::Running),
            Some(_) => {
                // Only now: one that ended between a reaping and the look above would be taken to have no code.
                self.reap(id, &dir)?;
                let code = fs::read(dir.join(EXIT)).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                Ok(SandboxStatus::Exited { code, out_of_memory: false })
            }
        }
    }

    /// Takes the exit code of a child that ended.
    fn reap(&self, id: &SandboxId, dir: &Path) -> io::Result<()> {
        let mut children = locked(&self.children);
        let Some(child) = children.get_mut(id) else { return Ok(()) };
        let Some(status) = child.try_wait()? else { return Ok(()) };
        children.remove(id);
        drop(children);
        // As a shell says it: 128 and the signal.
        let code = status.code().or_else(|| std::os::unix::process::ExitStatusExt::signal(&status).map(|signal| 128 + signal));
        if let (Some(code), true) = (code, dir.is_dir()) {
            files::write_whole(&dir.join(EXIT), code.to_string().as_bytes())?;
        }
        Ok(())
    }

    /// The living supervisor.
    fn process(&self, id: &SandboxId) -> io::Result<Option<OwnedFd>> {
        match Identity::load(&self.dir(id).join(STATE))? {
            Some(identity) => identity.open(),
            None => Ok(None),
        }
    }

    /// Ends whatever the sandbox started, its supervisor included.
    fn end_all(&self, id: &SandboxId) -> io::Result<()> {
        let identity = Identity::load(&self.dir(id).join(STATE))?;
        kill::kill_all(&self.mark(id), identity.as_ref())
    }

    fn remove(&self, id: &SandboxId) -> io::Result<()> {
        let dir = self.dir(id);
        self.end_all(id)?;
        self.reap(id, &dir)?;
        self.folders.remove(&dir)
    }

    fn list(&self) -> io::Result<Vec<FoundSandbox>> {
        let mut found = Vec::new();
        for item in fs::read_dir(self.folders.sandboxes())? {
            let path = item?.path();
            let Some(id) = path.file_name().and_then(|name| name.to_str()).and_then(|name| SandboxId::parse(name).ok()) else {
                continue;
            };
            let Ok(order) = fs::read(path.join(ORDER)) else {
                self.sweep(&id)?;
                continue;
            };
            let order: Order = serde_json::from_slice(&order)?;
            let status = self.status(&id)?;
            found.push(FoundSandbox { handle: SandboxHandle(id.to_string()), purpose: order.purpose, status, id });
        }
        Ok(found)
    }

    /// Removes a sandbox that was never finished, unless somebody is about to.
    fn sweep(&self, id: &SandboxId) -> io::Result<()> {
        let dir = self.dir(id);
        let making = locked(&self.making);
        if making.contains_key(id) || dir.join(ORDER).exists() {
            return Ok(());
        }
        tracing::info!(sandbox.id = %id, "removing a sandbox that was never finished");
        let away = self.folders.put_away(&dir)?;
        drop(making);
        files::remove_tree(&away)
    }

    fn runs(&self) -> io::Result<Vec<RunId>> {
        let items = fs::read_dir(self.folders.homes())?;
        items
            .map(|item| Ok(item?.file_name()))
            .filter_map(|name| name.map(|name| RunId::parse(name.to_str()?).ok()).transpose())
            .collect()
    }

    fn remove_home(&self, run: &RunId) -> io::Result<()> {
        let home = self.home_of(run);
        let making = locked(&self.making);
        let has_it = |id: &dyn std::fmt::Display| io::Error::other(format!("sandbox {id} still has it"));
        if let Some((id, _)) = making.iter().find(|(_, its)| **its == home) {
            return Err(has_it(id));
        }
        for item in fs::read_dir(self.folders.sandboxes())? {
            let path = item?.path();
            let order = fs::read(path.join(ORDER)).ok().and_then(|bytes| serde_json::from_slice::<Order>(&bytes).ok());
            if order.is_some_and(|order| order.home == home) {
                return Err(has_it(&path.file_name().unwrap_or_default().to_string_lossy()));
            }
        }
        let away = self.folders.put_away(&home)?;
        drop(making);
        files::remove_tree(&away)
    }

    fn log_last_words(&self, id: &SandboxId, status: &SandboxStatus) {
        let SandboxStatus::Exited { code, .. } = status else { return };
        if *code == Some(0) {
            return;
        }
        let bytes = fs::read(self.dir(id).join(LOG)).unwrap_or_default();
        let words = String::from_utf8_lossy(&bytes[bytes.len().saturating_sub(4096)..]).escape_debug().to_string();
        tracing::warn!(sandbox.id = %id, exit.code = code, sandbox.last_words = %words, "a sandbox ended badly");
    }
}

/// Whether the user can read everything below `dir`.
fn is_readable(dir: &Path, user: User) -> io::Result<bool> {
    for item in fs::read_dir(dir)? {
        let item = item?;
        let meta = item.metadata()?;
        let readable = if meta.is_dir() {
            files::may(&meta, user, 0o5) && is_readable(&item.path(), user)?
        } else {
            meta.is_symlink() || files::may(&meta, user, 0o4)
        };
        if !readable {
            return Ok(false);
        }
    }
    Ok(files::may(&fs::metadata(dir)?, user, 0o5))
}

fn sandbox_id(handle: &SandboxHandle, what: &str) -> Result<SandboxId, RunnerError> {
    SandboxId::parse(&handle.0).map_err(|error| RunnerError::Failed { what: what.to_owned(), why: error.to_string() })
}

/// Returns when the process has ended. Cancel-safe.
async fn ended(process: OwnedFd) -> io::Result<()> {
    #[expect(deprecated, reason = "its successor is unsafe for types that may change their descriptor; an OwnedFd never does")]
    let process = AsyncFd::with_interest(process, Interest::READABLE)?;
    process.readable().await.map(|_| ())
}

#[async_trait::async_trait]
impl Runner for ProcessRunner {
    async fn info(&self) -> Result<RunnerInfo, RunnerError> {
        let whose = match self.inner.user {
            Some(user) => format!("as user {}", user.uid),
            None => "as the user that runs Strawboss, with all that this user may read and change".to_owned(),
        };
        let detail = format!(
            "NO ISOLATION: agents run on this machine itself, {whose}, with its network and no limit on memory or processors; folders in {}",
            self.inner.folders.root().display()
        );
        Ok(RunnerInfo { kind: "process".to_owned(), detail, isolated: false, gpus: 0 })
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<SandboxHandle, RunnerError> {
        let handle = SandboxHandle(spec.id.to_string());
        let spec = spec.clone();
        self.blocking(format!("create sandbox {}", handle.0), &handle.0, move |inner| inner.create(&spec)).await?;
        Ok(handle)
    }

    async fn start(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        let what = format!("start sandbox {}", handle.0);
        let id = sandbox_id(handle, &what)?;
        self.blocking(what, &handle.0, move |inner| inner.start(&id)).await
    }

    async fn stop(&self, handle: &SandboxHandle, grace: Duration) -> Result<(), RunnerError> {
        let what = format!("stop sandbox {}", handle.0);
        let id = sandbox_id(handle, &what)?;
        let asked = id.clone();
        let process = self
            .blocking(what.clone(), &handle.0, move |inner| {
                let process = inner.process(&asked)?;
                if let Some(process) = &process {
                    state::signal(process, Signal::TERM)?;
                }
                Ok(process)
            })
            .await?;
        if let Some(process) = process {
            // The grace running out is no error: what is left is ended below.
            if let Ok(Err(error)) = tokio::time::timeout(grace, ended(process)).await {
                return Err(RunnerError::Failed { what, why: error.to_string() });
            }
        }
        self.blocking(what, &handle.0, move |inner| {
            inner.end_all(&id)?;
            inner.reap(&id, &inner.dir(&id))
        })
        .await
    }

    async fn remove(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        let what = format!("remove sandbox {}", handle.0);
        let id = sandbox_id(handle, &what)?;
        self.blocking(what, &handle.0, move |inner| inner.remove(&id)).await
    }

    async fn status(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        let what = format!("look at sandbox {}", handle.0);
        let id = sandbox_id(handle, &what)?;
        self.blocking(what, &handle.0, move |inner| inner.status(&id)).await
    }

    async fn wait(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        let what = format!("wait for sandbox {}", handle.0);
        let id = sandbox_id(handle, &what)?;
        loop {
            let asked = id.clone();
            let (status, process) =
                self.blocking(what.clone(), &handle.0, move |inner| Ok((inner.status(&asked)?, inner.process(&asked)?))).await?;
            match (status, process) {
                (SandboxStatus::Gone, _) => return Ok(SandboxStatus::Gone),
                (status @ SandboxStatus::Exited { .. }, _) => {
                    // Like a container: when its first process has ended, nothing of it lives on.
                    return self
                        .blocking(what, &handle.0, move |inner| {
                            inner.end_all(&id)?;
                            inner.log_last_words(&id, &status);
                            Ok(status)
                        })
                        .await;
                }
                (_, Some(process)) => {
                    ended(process).await.map_err(|error| RunnerError::Failed { what: what.clone(), why: error.to_string() })?;
                }
                (_, None) => tokio::time::sleep(LOOK).await,
            }
        }
    }

    async fn sandboxes(&self) -> Result<Vec<FoundSandbox>, RunnerError> {
        self.blocking("list sandboxes".to_owned(), "", Inner::list).await
    }

    async fn run_volumes(&self) -> Result<Vec<RunId>, RunnerError> {
        self.blocking("list the runs' folders".to_owned(), "", Inner::runs).await
    }

    async fn kept(&self, _: &[Tool]) -> Result<Vec<KeptFolder>, RunnerError> {
        self.blocking("list kept folders".to_owned(), "", Inner::kept).await
    }

    async fn kept_remove(&self, key: &str) -> Result<bool, RunnerError> {
        let key = key.to_owned();
        self.blocking(format!("remove the folder {key}"), "", move |inner| inner.remove_kept(&key)).await
    }

    async fn run_volume_remove(&self, run: &RunId) -> Result<(), RunnerError> {
        let run = run.clone();
        self.blocking(format!("remove the folder of run {run}"), "", move |inner| inner.remove_home(&run)).await
    }
}
