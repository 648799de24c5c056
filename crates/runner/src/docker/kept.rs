//! What lies on the engine beside sandboxes and runs' volumes: caches of projects, and tools that this installation
//! brought there. The engine itself refuses to remove what a container still has.

use super::DockerRunner;
use super::engine::{CallErrorKind, QUICK, SLOW};
use super::names;
use bollard::models::Volume;
use bollard::query_parameters::{ListVolumesOptionsBuilder, RemoveVolumeOptions};
use std::collections::{HashMap, HashSet};
use strawboss_core::runner::{Cache, KeptFolder, KeptKind, RunnerError, Tool};
use strawboss_core::{ProjectName, Timestamp};

impl DockerRunner {
    pub(super) async fn list_kept(&self, tools: &[Tool]) -> Result<Vec<KeptFolder>, RunnerError> {
        let ours = format!("{}={}", names::INSTALLATION, self.names.installation);
        let caches = self.labelled("list caches", vec![ours, format!("{}=cache", names::VOLUME)]).await?;
        let mut kept: Vec<KeptFolder> = caches
            .into_iter()
            .filter_map(|volume| {
                let label = |name| volume.labels.get(name);
                let cache = Cache {
                    project: ProjectName::parse(label(names::PROJECT)?).ok()?,
                    purpose: names::purpose(label(names::PURPOSE)?)?,
                    path: label(names::CACHE_PATH)?.clone(),
                };
                Some(KeptFolder { kind: KeptKind::Cache(Some(cache)), bytes: None, used_at: made_at(&volume), key: volume.name })
            })
            .collect();
        kept.extend(self.old_tools(tools).await?);
        Ok(kept)
    }

    /// Tools that this installation brought and that are none of these.
    async fn old_tools(&self, tools: &[Tool]) -> Result<Vec<KeptFolder>, RunnerError> {
        let arch = self.engine.connected().await?.arch.clone();
        let mut current = HashSet::new();
        for tool in tools {
            current.insert(names::tool_volume(&tool.name, &self.volumes.content(tool).await?.1, &arch));
        }
        let labels = vec![format!("{}={}", names::FILLED_BY, self.names.installation), format!("{}=tool", names::VOLUME)];
        let found = match self.labelled("list tools' volumes", labels).await {
            Ok(found) => found,
            // Tools belong to every installation of an engine, and the docker-proxy shows one its own things only.
            Err(RunnerError::Failed { why, .. }) => {
                tracing::debug!(engine.answer = %why, "the engine does not say which tools it has");
                return Ok(Vec::new());
            }
            Err(error) => return Err(error),
        };
        let old = found.into_iter().filter(|volume| !current.contains(&volume.name));
        Ok(old
            .map(|volume| {
                let name = volume.labels.get(names::TOOL).cloned().unwrap_or_default();
                KeptFolder { kind: KeptKind::Tool(name), bytes: None, used_at: made_at(&volume), key: volume.name }
            })
            .collect())
    }

    pub(super) async fn remove_kept(&self, key: &str) -> Result<bool, RunnerError> {
        let what = format!("remove volume {key}");
        let refused = |why: &str| RunnerError::Failed { what: what.clone(), why: why.to_owned() };
        let found = match self.engine.call(&what, QUICK, |docker| async move { docker.inspect_volume(key).await }).await {
            Ok(found) => found,
            Err(error) if error.is(404) => return Ok(true),
            Err(error) => return Err(error.into()),
        };
        let brought = found.labels.get(names::FILLED_BY) == Some(&self.names.installation);
        match found.labels.get(names::VOLUME).map(String::as_str) {
            Some("cache") if self.names.are_ours(Some(&found.labels)) => {}
            Some("tool") if brought => {}
            _ => return Err(refused("it is no cache or tool of this installation of Strawboss; it is left alone")),
        }
        // Before it is gone: the next sandbox makes it anew.
        self.volumes.forget_kept(key);
        match self
            .engine
            .call(&what, SLOW, |docker| async move { docker.remove_volume(key, None::<RemoveVolumeOptions>).await })
            .await
        {
            Ok(()) => Ok(true),
            Err(error) if error.is(404) => Ok(true),
            Err(error) if error.is(409) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn labelled(&self, what: &str, labels: Vec<String>) -> Result<Vec<Volume>, RunnerError> {
        let options = ListVolumesOptionsBuilder::default().filters(&HashMap::from([("label", labels)])).build();
        let listed = self.engine.call(what, SLOW, |docker| async move { docker.list_volumes(Some(options)).await }).await;
        match listed {
            Ok(listed) => Ok(listed.volumes.unwrap_or_default()),
            Err(error) if error.kind == CallErrorKind::Unreachable => Err(error.into()),
            Err(error) => Err(RunnerError::Failed { what: what.to_owned(), why: error.why }),
        }
    }
}

/// When the engine made a volume; what cannot be read was made just now, so that nothing takes it for old.
fn made_at(volume: &Volume) -> Timestamp {
    volume.created_at.as_deref().and_then(rfc3339).unwrap_or(Timestamp(i64::MAX))
}

/// Reads `2026-11-21T14:33:17Z`, with a fraction or an offset.
pub(super) fn rfc3339(text: &str) -> Option<Timestamp> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let rest = text.get(19..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match (rest.get(..1)?, rest) {
        (_, "Z" | "z") => 0,
        (sign @ ("+" | "-"), _) => {
            let minutes = rest.get(1..3)?.parse::<i64>().ok()? * 60 + rest.get(4..6)?.parse::<i64>().ok()?;
            if sign == "+" { minutes } else { -minutes }
        }
        _ => return None,
    };
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    // Days since 1970 of a day in a year that begins in March, so that a leap day is its last.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + (153 * month + 2) / 5 + day - 719_469;
    Some(Timestamp((((days * 24 + hour) * 60 + minute - offset) * 60 + second) * 1000))
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn engines_times_are_read() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", 0),
            ("2000-02-29T23:59:59Z", 951_868_799),
            ("2026-11-21T14:33:17.123456789Z", 1_795_271_597),
            ("2026-11-21T15:33:17+01:00", 1_795_271_597),
            ("2026-11-21T09:03:17-05:30", 1_795_271_597),
        ] {
            assert_eq!(rfc3339(text).map(|at| at.0), Some(seconds * 1000), "{text}");
        }
        for wrong in ["", "2026-11-21", "2026-13-21T14:33:17Z", "2026-11-21T14:33:17", "never", "２026-11-21T14:33:17Z"] {
            assert_eq!(rfc3339(wrong), None, "{wrong}");
        }
    }
}
