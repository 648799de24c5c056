//! What happens to a container after it was made: start, stop, wait, remove, and finding what was left behind. Each
//! call can be repeated; a container or volume that is not ours is never touched.

use super::engine::{CallError, CallErrorKind, QUICK, SLOW};
use super::{DockerRunner, names};
use crate::keyed::locked;
use bollard::container::LogOutput;
use bollard::models::{ContainerState, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum};
use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, ListVolumesOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, RemoveVolumeOptions, StartContainerOptions, StopContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::time::Duration;
use strawboss_core::runner::{FoundSandbox, RunnerError, SandboxHandle, SandboxStatus};
use strawboss_core::{RunId, SandboxId};

/// An open wait is asked anew after so long, in case the connection died unseen.
const WAIT_ANEW: Duration = Duration::from_mins(1);
/// The same for a container that was not started yet, whose start could be missed in between.
const WAIT_ANEW_CREATED: Duration = Duration::from_secs(5);
/// Between attempts to reach an engine that went away.
const ENGINE_BACK_FIRST: Duration = Duration::from_millis(200);
const ENGINE_BACK_MOST: Duration = Duration::from_secs(5);
/// A removal that another call began must end within this.
const REMOVAL: Duration = Duration::from_mins(1);
/// How much of a failed sandbox's last words goes to our log, in bytes.
const LAST_WORDS: usize = 4096;

/// A container's state and labels, when it is there.
type Inspected = Option<(ContainerState, Option<names::Labels>)>;

impl DockerRunner {
    async fn inspect(&self, handle: &SandboxHandle, what: &str) -> Result<Inspected, CallError> {
        let id = handle.0.as_str();
        match self
            .engine
            .call(what, QUICK, |docker| async move { docker.inspect_container(id, None::<InspectContainerOptions>).await })
            .await
        {
            Ok(found) => Ok(Some((found.state.unwrap_or_default(), found.config.and_then(|config| config.labels)))),
            Err(error) if error.is(404) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The container's state; refuses one without our label.
    async fn state(&self, handle: &SandboxHandle, what: &str) -> Result<Option<ContainerState>, RunnerError> {
        if !is_container_id(&handle.0) {
            return Err(RunnerError::Failed {
                what: what.to_owned(),
                why: format!("`{}` is no container's id", handle.0.escape_debug()),
            });
        }
        match self.inspect(handle, what).await? {
            None => {
                locked(&self.ours).remove(&handle.0);
                Ok(None)
            }
            Some((state, labels)) if self.names.are_ours(labels.as_ref()) => {
                locked(&self.ours).insert(handle.0.clone());
                Ok(Some(state))
            }
            Some(_) => Err(RunnerError::Failed {
                what: what.to_owned(),
                why: format!("container {} was not made by this installation of Strawboss; it is left alone", handle.0),
            }),
        }
    }

    /// Whether the container is ours, `false` when it is gone. Asks the engine only about containers not seen yet.
    async fn is_there(&self, handle: &SandboxHandle, what: &str) -> Result<bool, RunnerError> {
        if locked(&self.ours).contains(&handle.0) {
            return Ok(true);
        }
        Ok(self.state(handle, what).await?.is_some())
    }

    pub(super) async fn start_container(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        let what = format!("start sandbox {}", short(handle));
        let id = handle.0.as_str();
        if !self.is_there(handle, &what).await? {
            return Err(RunnerError::Failed { what, why: "it is gone".to_owned() });
        }
        match self
            .engine
            .call(&what, SLOW, |docker| async move { docker.start_container(id, None::<StartContainerOptions>).await })
            .await
        {
            Ok(()) => Ok(()),
            Err(error) => {
                if error.why.contains("no such file or directory") {
                    // The supervisor's volume may have been emptied by a person: look at it again before the next one.
                    self.volumes.forget();
                }
                Err(error.into())
            }
        }
    }

    pub(super) async fn stop_container(&self, handle: &SandboxHandle, grace: Duration) -> Result<(), RunnerError> {
        let what = format!("stop sandbox {}", short(handle));
        let id = handle.0.as_str();
        if !self.is_there(handle, &what).await? {
            return Ok(());
        }
        let seconds = grace.as_secs() + u64::from(grace.subsec_nanos() > 0);
        let options = StopContainerOptionsBuilder::default().t(i32::try_from(seconds).unwrap_or(i32::MAX)).build();
        match self.engine.call(&what, SLOW + grace, |docker| async move { docker.stop_container(id, Some(options)).await }).await
        {
            Ok(()) => Ok(()),
            Err(error) if error.is(404) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) async fn remove_container(&self, handle: &SandboxHandle) -> Result<(), RunnerError> {
        let what = format!("remove sandbox {}", short(handle));
        let id = handle.0.as_str();
        if !self.is_there(handle, &what).await? {
            return Ok(());
        }
        let deadline = tokio::time::Instant::now() + REMOVAL;
        loop {
            // With `v` the engine removes the container's unnamed volumes: its fresh home, and any the image declares.
            let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
            match self.engine.call(&what, SLOW, |docker| async move { docker.remove_container(id, Some(options)).await }).await {
                Ok(()) => break,
                Err(error) if error.is(404) => break,
                // Another removal is under way, or the kernel still holds a mount of a container that ended just now.
                Err(error) if (error.is(409) || error.is(500)) && tokio::time::Instant::now() < deadline => {
                    tracing::debug!(error.message = %error, "removing again");
                    tokio::time::sleep(ENGINE_BACK_FIRST).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
        locked(&self.ours).remove(id);
        Ok(())
    }

    pub(super) async fn container_status(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        let state = self.state(handle, &format!("look at sandbox {}", short(handle))).await?;
        Ok(state.map_or(SandboxStatus::Gone, |state| status_of(&state)))
    }

    /// Holds on while the engine is away: only the engine's own word, or that a container is not ours, ends the wait.
    pub(super) async fn wait_container(&self, handle: &SandboxHandle) -> Result<SandboxStatus, RunnerError> {
        let what = format!("wait for sandbox {}", short(handle));
        let id = handle.0.as_str();
        let mut pause = ENGINE_BACK_FIRST;
        loop {
            let (condition, anew) = match self.state(handle, &what).await {
                Ok(None) => return Ok(SandboxStatus::Gone),
                Ok(Some(state)) => match status_of(&state) {
                    SandboxStatus::Running => ("not-running", WAIT_ANEW),
                    SandboxStatus::Created => ("next-exit", WAIT_ANEW_CREATED),
                    ended => {
                        self.log_last_words(handle, &ended).await;
                        return Ok(ended);
                    }
                },
                Err(RunnerError::Unreachable { why, .. }) => {
                    tracing::warn!(sandbox.handle = %short(handle), error.message = %why, "the engine is away; waiting for it");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ENGINE_BACK_MOST);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let options = WaitContainerOptionsBuilder::default().condition(condition).build();
            let waited = self
                .engine
                .call(&what, anew, |docker| async move {
                    // Whatever it says, the state is looked at again; a failure may be an engine that is going down.
                    Ok(docker.wait_container(id, Some(options)).next().await)
                })
                .await;
            match waited {
                Ok(Some(Ok(_) | Err(bollard::errors::Error::DockerContainerWaitError { .. }))) => pause = ENGINE_BACK_FIRST,
                // The time was up: ask anew at once.
                Err(CallError { kind: CallErrorKind::Unreachable, .. }) => {}
                Ok(_) | Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(ENGINE_BACK_MOST);
                }
            }
        }
    }

    /// What a sandbox that failed said to the engine's log, for whoever looks into why.
    async fn log_last_words(&self, handle: &SandboxHandle, status: &SandboxStatus) {
        let SandboxStatus::Exited { code, out_of_memory } = status else { return };
        if *code == Some(0) {
            return;
        }
        let id = handle.0.as_str();
        let options = LogsOptionsBuilder::default().stdout(true).stderr(true).tail("20").build();
        let words = self
            .engine
            .call("read a sandbox's last words", QUICK, |docker| async move {
                let mut lines = docker.logs(id, Some(options));
                let mut text = Vec::new();
                while let Some(line) = lines.next().await {
                    if let LogOutput::StdErr { message } | LogOutput::StdOut { message } | LogOutput::Console { message } = line?
                    {
                        text.extend_from_slice(&message[..message.len().min(LAST_WORDS - text.len())]);
                    }
                    if text.len() >= LAST_WORDS {
                        break;
                    }
                }
                Ok(text)
            })
            .await;
        let words = words.map(|words| String::from_utf8_lossy(&words).escape_debug().to_string()).unwrap_or_default();
        tracing::warn!(sandbox.handle = %short(handle), exit.code = code, exit.out_of_memory = out_of_memory, sandbox.last_words = %words, "a sandbox ended badly");
    }

    pub(super) async fn list_sandboxes(&self) -> Result<Vec<FoundSandbox>, RunnerError> {
        let mut sandboxes = Vec::new();
        for container in self.list_containers("list sandboxes").await? {
            let (Some(id), Some(labels)) = (container.id.clone(), container.labels.as_ref()) else { continue };
            let handle = SandboxHandle(id);
            if let Some(mark) = labels.get(names::HELPER) {
                // Of a process that was killed while it filled a volume or probed an image.
                if *mark != super::process_mark() {
                    tracing::info!(container.id = %short(&handle), "removing a helper container that was left behind");
                    if let Err(error) = self.remove_container(&handle).await {
                        tracing::warn!(error.message = %error, "it stays for now");
                    }
                }
                continue;
            }
            let purpose = labels.get(names::PURPOSE).and_then(|word| names::purpose(word));
            let sandbox = labels.get(names::SANDBOX).and_then(|id| SandboxId::parse(id).ok());
            let (Some(purpose), Some(sandbox)) = (purpose, sandbox) else {
                tracing::warn!(container.id = %short(&handle), "a container has our label but not the rest; it is left alone");
                continue;
            };
            locked(&self.ours).insert(handle.0.clone());
            let status = match container.state {
                Some(
                    ContainerSummaryStateEnum::RUNNING
                    | ContainerSummaryStateEnum::PAUSED
                    | ContainerSummaryStateEnum::RESTARTING,
                ) => SandboxStatus::Running,
                Some(ContainerSummaryStateEnum::CREATED) => SandboxStatus::Created,
                // The list has no exit codes.
                _ => match self.container_status(&handle).await? {
                    SandboxStatus::Gone => continue,
                    status => status,
                },
            };
            sandboxes.push(FoundSandbox { id: sandbox, handle, purpose, status });
        }
        Ok(sandboxes)
    }

    async fn list_containers(&self, what: &str) -> Result<Vec<ContainerSummary>, RunnerError> {
        let filter = HashMap::from([("label", vec![format!("{}={}", names::INSTALLATION, self.names.installation)])]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filter).build();
        Ok(self.engine.call(what, SLOW, |docker| async move { docker.list_containers(Some(options)).await }).await?)
    }

    pub(super) async fn list_run_volumes(&self) -> Result<Vec<RunId>, RunnerError> {
        let filter = HashMap::from([(
            "label",
            vec![format!("{}={}", names::INSTALLATION, self.names.installation), format!("{}=home", names::VOLUME)],
        )]);
        let options = ListVolumesOptionsBuilder::default().filters(&filter).build();
        let listed = self
            .engine
            .call("list the runs' volumes", SLOW, |docker| async move { docker.list_volumes(Some(options)).await })
            .await?;
        let volumes = listed.volumes.unwrap_or_default();
        let runs = volumes.iter().filter_map(|volume| {
            let run = volume.labels.get(names::RUN).and_then(|run| RunId::parse(run).ok());
            if run.is_none() {
                tracing::warn!(volume.name = %volume.name, "a run's volume does not say whose it is; it is left alone");
            }
            run
        });
        Ok(runs.collect())
    }

    pub(super) async fn remove_run_volume(&self, run: &RunId) -> Result<(), RunnerError> {
        let name = self.names.home(run);
        let volume = name.as_str();
        let what = format!("remove the volume of run {run}");
        let found = match self.engine.call(&what, QUICK, |docker| async move { docker.inspect_volume(volume).await }).await {
            Ok(found) => found,
            Err(error) if error.is(404) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if !self.names.are_ours(Some(&found.labels)) {
            return Err(RunnerError::Failed {
                what,
                why: format!("volume {name} was not made by this installation of Strawboss; it is left alone"),
            });
        }
        self.volumes.forget_volume(volume);
        match self
            .engine
            .call(&what, SLOW, |docker| async move { docker.remove_volume(volume, None::<RemoveVolumeOptions>).await })
            .await
        {
            Ok(()) => Ok(()),
            Err(error) if error.is(404) => Ok(()),
            Err(error) if error.is(409) => {
                Err(RunnerError::Failed { what, why: format!("a sandbox still has it: {}", error.why) })
            }
            Err(error) => Err(error.into()),
        }
    }
}

fn status_of(state: &ContainerState) -> SandboxStatus {
    match state.status {
        Some(ContainerStateStatusEnum::CREATED) => SandboxStatus::Created,
        Some(ContainerStateStatusEnum::RUNNING | ContainerStateStatusEnum::PAUSED | ContainerStateStatusEnum::RESTARTING) => {
            SandboxStatus::Running
        }
        _ => SandboxStatus::Exited { code: state.exit_code, out_of_memory: state.oom_killed == Some(true) },
    }
}

fn is_container_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

fn short(handle: &SandboxHandle) -> &str {
    handle.0.get(..12).unwrap_or(&handle.0)
}
