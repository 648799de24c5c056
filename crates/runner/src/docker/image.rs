//! Images: there, pulled when missing, and proven once to be able to serve as a sandbox. It builds none.

use super::container;
use super::engine::{CallError, CallErrorKind, Engine, QUICK, SLOW};
use super::names::{HELPER, Names};
use crate::keyed::{KeyedLocks, locked};
use bollard::query_parameters::{
    CreateContainerOptions, CreateImageOptionsBuilder, InspectContainerOptions, RemoveContainerOptionsBuilder,
    StartContainerOptions, WaitContainerOptions,
};
use futures_util::StreamExt;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use strawboss_core::runner::RunnerError;

/// A pull that shows no progress for so long is given up.
const PULL_SILENCE: Duration = Duration::from_mins(3);
/// A pull is given up after so long in all.
const PULL_TOTAL: Duration = Duration::from_hours(1);
/// Looks for what a sandbox needs and says by its exit code what it found.
const PROBE: &str = r#"found=64
command -v git >/dev/null 2>&1 && found=$((found + 1))
for loader in /lib64/ld-linux-x86-64.so.2 /lib/ld-linux-aarch64.so.1; do
  if [ -e "$loader" ]; then found=$((found + 2)); break; fi
done
[ -O /home/agent ] && found=$((found + 4))
read -r flags < /sys/class/net/lo/flags && case $flags in 0x*[13579bdf]) found=$((found + 8)) ;; esac
exit $found"#;

/// An image that can serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Usable {
    pub(super) id: String,
    /// Its `/home/agent` belongs to the sandbox's user.
    pub(super) home_is_ours: bool,
    /// A container of it without any network has a loopback.
    pub(super) loopback: bool,
}

/// What was found out about images, by id: an id's content never changes.
#[derive(Default)]
pub(super) struct Images {
    probed: Mutex<HashMap<String, Result<Usable, RunnerError>>>,
    locks: KeyedLocks,
    /// The engine was seen to be refused our limit of open files: rootless ones, and those in a container, are.
    files_refused: AtomicBool,
}

impl Images {
    /// Whether the engine may set the limit of open files, as far as was seen.
    pub(super) fn may_limit_files(&self) -> bool {
        !self.files_refused.load(Ordering::Relaxed)
    }

    /// The image by its name, pulled when missing and probed when new. `fix` completes the advice when it cannot be had.
    pub(super) async fn ensure(
        &self,
        engine: &Engine,
        names: &Names,
        image: &str,
        fix: Option<&str>,
    ) -> Result<Usable, RunnerError> {
        let mut id = inspect(engine, image).await?;
        if id.is_none() {
            let _guard = self.locks.lock(image).await;
            id = inspect(engine, image).await?;
            if id.is_none() {
                id = Some(pull(engine, image, fix).await?);
            }
        }
        let Some(id) = id else { return Err(missing(image, fix, "the engine does not say its id")) };
        if let Some(known) = locked(&self.probed).get(&id).cloned() {
            return known;
        }
        let _guard = self.locks.lock(&id).await;
        if let Some(known) = locked(&self.probed).get(&id).cloned() {
            return known;
        }
        let limited = self.may_limit_files();
        let mut result = probe(engine, names, image, &id, limited).await;
        if let Err(RunnerError::Failed { why, .. }) = &result
            && limited
            && why.contains("rlimit")
        {
            self.files_refused.store(true, Ordering::Relaxed);
            tracing::info!(engine.answer = %why, "the engine may not set the limit of open files; its own holds");
            result = probe(engine, names, image, &id, false).await;
        }
        if matches!(result, Ok(_) | Err(RunnerError::Image { .. })) {
            locked(&self.probed).insert(id, result.clone());
        }
        result
    }
}

async fn inspect(engine: &Engine, image: &str) -> Result<Option<String>, RunnerError> {
    let what = format!("look at image `{image}`");
    match engine.call(&what, QUICK, |docker| async move { docker.inspect_image(image).await }).await {
        Ok(found) => match found.id {
            Some(id) => Ok(Some(id)),
            None => Err(RunnerError::Failed { what, why: "the engine gave no image id".to_owned() }),
        },
        Err(error) if error.is(404) => Ok(None),
        Err(error) if error.is(400) || error.is(500) && error.why.contains("invalid reference") => Err(RunnerError::Image {
            image: image.to_owned(),
            why: format!("it is no image name: {}", error.why),
            fix: "Write it as `name:tag` or `registry/name:tag`.".to_owned(),
        }),
        Err(error) => Err(error.into()),
    }
}

async fn pull(engine: &Engine, image: &str, fix: Option<&str>) -> Result<String, RunnerError> {
    tracing::info!(image.name = %image, "image is not there, pulling it");
    let (name, tag) = split(image);
    let options = CreateImageOptionsBuilder::default().from_image(name).tag(tag).build();
    let what = format!("pull image `{image}`");
    let pulling = engine.call(&what, PULL_TOTAL, |docker| async move {
        let mut progress = docker.create_image(Some(options), None, None);
        let mut last = String::new();
        loop {
            match tokio::time::timeout(PULL_SILENCE, progress.next()).await {
                Ok(None) => return Ok(()),
                Ok(Some(step)) => {
                    let status = step?.status.unwrap_or_default();
                    if status != last {
                        tracing::debug!(image.name = %image, image.progress = %status, "pulling");
                        last = status;
                    }
                }
                Err(_) => {
                    let error = format!("no progress for {} s", PULL_SILENCE.as_secs());
                    return Err(bollard::errors::Error::DockerStreamError { error });
                }
            }
        }
    });
    match pulling.await {
        Ok(()) => inspect(engine, image).await?.ok_or_else(|| missing(image, fix, "the pull ended without it")),
        Err(CallError { kind: CallErrorKind::Unreachable, what, why }) => Err(RunnerError::Unreachable { what, why }),
        Err(error) => Err(missing(image, fix, &error.why)),
    }
}

fn missing(image: &str, fix: Option<&str>, why: &str) -> RunnerError {
    RunnerError::Image {
        image: image.to_owned(),
        why: format!("it is not on the engine and could not be pulled: {why}"),
        fix: fix.map_or_else(
            || {
                format!(
                    "Check the name, or bring the image there yourself: `docker pull {image}` (a private registry: `docker login` first) or `docker build -t {image} …`."
                )
            },
            str::to_owned,
        ),
    }
}

/// Name and tag as the engine's pull wants them. Without a tag it would pull every one.
fn split(image: &str) -> (&str, &str) {
    if image.contains('@') {
        return (image, "");
    }
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

async fn probe(engine: &Engine, names: &Names, image: &str, id: &str, open_files: bool) -> Result<Usable, RunnerError> {
    let what = format!("probe image `{image}`");
    let unfit = |why: String, fix: &str| RunnerError::Image { image: image.to_owned(), why, fix: fix.to_owned() };
    let body = container::probe(id, names.labels([(HELPER, &super::process_mark())]), PROBE, open_files);
    let created = engine
        .call(&what, SLOW, |docker| async move { docker.create_container(None::<CreateContainerOptions>, body).await })
        .await?;
    let container = created.id.as_str();
    let outcome = async {
        engine
            .call(&what, SLOW, |docker| async move { docker.start_container(container, None::<StartContainerOptions>).await })
            .await?;
        engine
            .call(&what, SLOW, |docker| async move {
                // The exit code of the wait is an error to the client; the inspection below reads it.
                let _ = docker.wait_container(container, None::<WaitContainerOptions>).next().await;
                docker.inspect_container(container, None::<InspectContainerOptions>).await
            })
            .await
    }
    .await;
    let remove = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
    let removed = engine.call(&what, SLOW, |docker| async move { docker.remove_container(container, Some(remove)).await }).await;
    if let Err(error) = removed {
        tracing::warn!(error.message = %error, "a probe container was left behind; it is removed later");
    }
    match outcome {
        Ok(found) => {
            let code = found.state.and_then(|state| state.exit_code).unwrap_or(-1);
            match code {
                64..=79 if code & 1 == 0 => Err(unfit(
                    "it has no `git`".to_owned(),
                    "Add git to it, for instance `RUN apt-get update && apt-get install -y --no-install-recommends git ca-certificates`.",
                )),
                64..=79 if code & 2 == 0 => Err(unfit(
                    "it has no glibc, which the agents' programs need (an Alpine image?)".to_owned(),
                    "Use an image on Debian, Ubuntu, Fedora or the like, for instance the `-bookworm` tag instead of the `-alpine` one.",
                )),
                64..=79 => Ok(Usable { id: id.to_owned(), home_is_ours: code & 4 != 0, loopback: code & 8 != 0 }),
                _ => Err(unfit(
                    format!("a shell in it, run as an unprivileged user without network, ended with {code}"),
                    "Check that `docker run --rm --user 10001:10001 --network none --read-only --entrypoint /bin/sh IMAGE -c true` works.",
                )),
            }
        }
        Err(error) if error.why.contains("exec format error") => Err(unfit(
            "it is made for another processor than the engine's".to_owned(),
            "Pull or build it for the engine's platform (`--platform`).",
        )),
        Err(error) if error.why.contains("no such file or directory") || error.why.contains("executable file not found") => {
            Err(unfit(
                "it has no /bin/sh (a `distroless` or `scratch` image?)".to_owned(),
                "Use an image with a shell, glibc and git.",
            ))
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_name_without_a_tag_never_means_all_tags() {
        for (image, name, tag) in [
            ("rust", "rust", "latest"),
            ("rust:1-bookworm", "rust", "1-bookworm"),
            ("host:5000/a/b", "host:5000/a/b", "latest"),
            ("host:5000/a/b:2", "host:5000/a/b", "2"),
            ("a@sha256:00", "a@sha256:00", ""),
        ] {
            assert_eq!(split(image), (name, tag), "{image}");
        }
    }
}
