//! A runner that starts nothing: it remembers what it was asked for, and a test says what becomes of it.

use super::store::Gate;
use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use strawboss_core::runner::{
    FoundSandbox, KeptFolder, Purpose, Runner, RunnerError, RunnerInfo, SandboxHandle, SandboxSpec, SandboxStatus, SandboxVolume,
    Tool,
};
use strawboss_core::{RunId, SandboxId};
use strawboss_engine::ports::Doors;
use tokio::sync::Notify;

#[derive(Default)]
struct State {
    sandboxes: HashMap<String, (SandboxSpec, SandboxStatus)>,
    volumes: BTreeSet<RunId>,
    kept: Vec<KeptFolder>,
    /// Kept folders that sandboxes have.
    in_use: BTreeSet<String>,
    /// Everything that was asked for, in order: `create a-1.1-agent`, `remove …`, `volume remove …`.
    asked: Vec<String>,
    failing: HashMap<(&'static str, Purpose), RunnerError>,
    gates: HashMap<(&'static str, Purpose), Arc<Gate>>,
}

/// See the module.
#[derive(Default)]
pub(crate) struct PlayedRunner {
    state: Mutex<State>,
    changed: Notify,
}

impl PlayedRunner {
    pub(crate) fn asked(&self, what: &str) -> bool {
        self.state.lock().unwrap().asked.iter().any(|asked| asked == what)
    }

    pub(crate) fn all_asked(&self) -> Vec<String> {
        self.state.lock().unwrap().asked.clone()
    }

    /// The folders that a sandbox keeps for the next one like it.
    pub(crate) fn caches(&self, sandbox: &SandboxId) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let (spec, _) = state.sandboxes.values().find(|(spec, _)| spec.id == *sandbox).unwrap();
        spec.caches.iter().map(|cache| cache.path.clone()).collect()
    }

    pub(crate) fn has_volume(&self, run: &RunId) -> bool {
        self.state.lock().unwrap().volumes.contains(run)
    }

    /// There is such a folder.
    pub(crate) fn keep(&self, folder: KeptFolder) {
        self.state.lock().unwrap().kept.push(folder);
    }

    pub(crate) fn kept_keys(&self) -> Vec<String> {
        self.state.lock().unwrap().kept.iter().map(|folder| folder.key.clone()).collect()
    }

    /// A volume that a start which failed left behind.
    pub(crate) fn leave_volume(&self, run: &RunId) {
        self.state.lock().unwrap().volumes.insert(run.clone());
    }

    /// A sandbox has it.
    pub(crate) fn use_kept(&self, key: &str) {
        self.state.lock().unwrap().in_use.insert(key.to_owned());
    }

    /// A step (`create`, `start`, `stop`, `remove`) for this purpose fails from now on.
    pub(crate) fn fail(&self, step: &'static str, purpose: Purpose, error: RunnerError) {
        self.state.lock().unwrap().failing.insert((step, purpose), error);
    }

    /// It works again.
    pub(crate) fn mend(&self) {
        self.state.lock().unwrap().failing.clear();
    }

    /// A step for this purpose waits from now on until the gate is open.
    pub(crate) fn gate(&self, step: &'static str, purpose: Purpose) -> Arc<Gate> {
        let gate = Gate::new();
        self.state.lock().unwrap().gates.insert((step, purpose), Arc::clone(&gate));
        gate
    }

    /// A sandbox ends without a word.
    pub(crate) fn end(&self, id: &SandboxId) {
        let ended = SandboxStatus::Exited { code: Some(1), out_of_memory: false };
        if let Some((_, status)) = self.state.lock().unwrap().sandboxes.get_mut(id.as_str()) {
            *status = ended;
        }
        self.changed.notify_waiters();
    }

    async fn step(&self, step: &'static str, purpose: Option<Purpose>, id: &str) -> Result<(), RunnerError> {
        let gate = {
            let mut state = self.state.lock().unwrap();
            state.asked.push(format!("{step} {id}"));
            purpose.and_then(|purpose| state.gates.get(&(step, purpose)).cloned())
        };
        if let Some(gate) = gate {
            gate.pass().await;
        }
        let state = self.state.lock().unwrap();
        purpose.and_then(|purpose| state.failing.get(&(step, purpose)).cloned()).map_or(Ok(()), Err)
    }

    fn purpose(&self, handle: &SandboxHandle) -> Option<Purpose> {
        self.state.lock().unwrap().sandboxes.get(&handle.0).map(|(spec, _)| spec.purpose)
    }
}

#[async_trait::async_trait]
impl Runner for PlayedRunner {
    async fn info(&self) -> Result<RunnerInfo, RunnerError> {
        Ok(RunnerInfo { kind: "played".to_owned(), detail: "a test's".to_owned(), isolated: true, gpus: 0 })
    }

    async fn create(&self, spec: &SandboxSpec) -> Result<SandboxHandle, RunnerError> {
        self.step("create", Some(spec.purpose), spec.id.as_str()).await?;
        let handle = SandboxHandle(spec.id.to_string());
        let mut state = self.state.lock().unwrap();
        if let SandboxVolume::OfRun(run) = &spec.volume {
            state.volumes.insert(run.clone());
        }
        state.sandboxes.entry(handle.0.clone()).or_insert_with(|| (spec.clone(), SandboxStatus::Created));
        Ok(handle)
    }

    async fn start(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        self.step("start", self.purpose(handle), &handle.0).await?;
        if let Some((_, status)) = self.state.lock().unwrap().sandboxes.get_mut(&handle.0) {
            *status = SandboxStatus::Running;
        }
        Ok(())
    }

    async fn stop(&self, handle: &SandboxHandle, _grace: Duration) -> Result<(), RunnerError> {
        self.step("stop", self.purpose(handle), &handle.0).await?;
        if let Some((_, status)) = self.state.lock().unwrap().sandboxes.get_mut(&handle.0) {
            *status = SandboxStatus::Exited { code: None, out_of_memory: false };
        }
        self.changed.notify_waiters();
        Ok(())
    }

    async fn remove(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        self.step("remove", self.purpose(handle), &handle.0).await?;
        self.state.lock().unwrap().sandboxes.remove(&handle.0);
        self.changed.notify_waiters();
        Ok(())
    }

    async fn status(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        Ok(self.state.lock().unwrap().sandboxes.get(&handle.0).map_or(SandboxStatus::Gone, |(_, status)| status.clone()))
    }

    async fn wait(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        loop {
            let changed = self.changed.notified();
            match self.status(handle).await? {
                SandboxStatus::Created | SandboxStatus::Running => changed.await,
                over => return Ok(over),
            }
        }
    }

    async fn sandboxes(&self) -> Result<Vec<FoundSandbox>, RunnerError> {
        let state = self.state.lock().unwrap();
        let found = state.sandboxes.iter().map(|(handle, (spec, status))| FoundSandbox {
            id: spec.id.clone(),
            handle: SandboxHandle(handle.clone()),
            purpose: spec.purpose,
            status: status.clone(),
        });
        Ok(found.collect())
    }

    async fn run_volumes(&self) -> Result<Vec<RunId>, RunnerError> {
        Ok(self.state.lock().unwrap().volumes.iter().cloned().collect())
    }

    async fn run_volume_remove(&self, run: &RunId) -> Result<(), RunnerError> {
        let mut state = self.state.lock().unwrap();
        state.asked.push(format!("volume remove {run}"));
        state.volumes.remove(run);
        Ok(())
    }

    async fn kept(&self, tools: &[Tool]) -> Result<Vec<KeptFolder>, RunnerError> {
        assert!(tools.iter().any(|tool| tool.name == "supervisor"), "the current tools are named");
        Ok(self.state.lock().unwrap().kept.clone())
    }

    async fn kept_remove(&self, key: &str) -> Result<bool, RunnerError> {
        let mut state = self.state.lock().unwrap();
        let free = !state.in_use.contains(key);
        state.kept.retain(|folder| !free || folder.key != key);
        Ok(free)
    }
}

/// Doors that are only remembered.
pub(crate) struct PlayedDoors {
    pub(crate) dir: PathBuf,
    open: Mutex<BTreeSet<SandboxId>>,
}

impl PlayedDoors {
    pub(crate) fn new(dir: PathBuf) -> Self {
        Self { dir, open: Mutex::default() }
    }

    pub(crate) fn has(&self, id: &SandboxId) -> bool {
        self.open.lock().unwrap().contains(id)
    }
}

#[async_trait::async_trait]
impl Doors for PlayedDoors {
    async fn open(&self, sandbox: &SandboxId) -> std::io::Result<PathBuf> {
        self.open.lock().unwrap().insert(sandbox.clone());
        Ok(self.dir.clone())
    }

    async fn close(&self, sandbox: &SandboxId) -> std::io::Result<()> {
        self.open.lock().unwrap().remove(sandbox);
        Ok(())
    }

    async fn list(&self) -> std::io::Result<Vec<SandboxId>> {
        Ok(self.open.lock().unwrap().iter().cloned().collect())
    }
}
