//! The runner that is configured, or why there is none.

use crate::config::DEFAULT_IMAGE;
use crate::config::settings::{RunnerKind, Settings};
use crate::failure::{ExitStatus, Failure};
use std::path::Path;
use std::sync::Arc;
use strawboss_core::runner::Runner;
use strawboss_runner::process::LAUNCH_COMMAND;
use strawboss_runner::{DockerConfig, DockerRunner, DoorsVolume, ProcessConfig, ProcessRunner};

/// How the docker runner is set up.
pub(crate) fn docker_config(settings: &Settings, installation: &str) -> DockerConfig {
    let configured = &settings.runner;
    let fix = if configured.image == DEFAULT_IMAGE {
        "Build it with `docker build --tag strawboss/sandbox images/sandbox` in Strawboss's repository or its release's archive, or \
         give the project an `image:` of its own"
    } else {
        "Correct `runner.image` in strawboss.yaml"
    };
    DockerConfig {
        host: configured.host.clone(),
        installation: installation.to_owned(),
        doors: configured.doors_volume.clone().map(|volume| DoorsVolume { volume, folder: settings.server.doors_dir.clone() }),
        default_image: configured.image.clone(),
        default_image_fix: Some(fix.to_owned()),
        gpus: configured.gpus.clone(),
    }
}

/// What to do when no engine answers.
pub(crate) const NO_ENGINE: &str = "Start Docker and make sure that this user may use it (`docker info` says), or name the process \
     runner (`--runner process`): its agents are plain processes of this machine, with NO isolation.";

/// Makes the runner.
pub(super) async fn runner(settings: &Settings, data_dir: &Path, installation: &str) -> Result<Arc<dyn Runner>, Failure> {
    match settings.runner.kind {
        RunnerKind::Process => {
            let program = std::env::current_exe().map_err(crate::failure::io("find this program's own file"))?;
            let config = ProcessConfig {
                installation: installation.to_owned(),
                data_dir: data_dir.to_owned(),
                launcher: vec![program.into(), LAUNCH_COMMAND.into()],
            };
            let runner = ProcessRunner::new(config).map_err(|error| Failure::new(error.to_string()))?;
            Ok(Arc::new(runner))
        }
        RunnerKind::Docker => {
            let runner = DockerRunner::new(docker_config(settings, installation));
            if let Err(error) = runner.info().await {
                tracing::warn!(%error, "the Docker engine does not answer yet: nothing starts until it does");
            }
            Ok(Arc::new(runner))
        }
        RunnerKind::Auto => match DockerRunner::connect(docker_config(settings, installation)).await {
            Ok(runner) => Ok(Arc::new(runner)),
            Err(error) => Err(Failure::new(format!("there is no Docker engine to run sandboxes on: {error}"))
                .fix(NO_ENGINE)
                .status(ExitStatus::Unreachable)),
        },
    }
}
