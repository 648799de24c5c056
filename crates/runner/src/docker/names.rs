//! What things are called on the engine, and the labels that say whose they are.

use crate::short_hash;
use std::collections::HashMap;
use strawboss_core::runner::{Cache, Purpose, SandboxSpec};
use strawboss_core::{RunId, SandboxId};

/// Which installation an object belongs to. Nothing without ours is ever touched.
pub(super) const INSTALLATION: &str = "strawboss.installation";
pub(super) const RUN: &str = "strawboss.run";
pub(super) const SANDBOX: &str = "strawboss.sandbox";
pub(super) const PURPOSE: &str = "strawboss.purpose";
pub(super) const PROJECT: &str = "strawboss.project";
pub(super) const IMAGE: &str = "strawboss.image";
/// On containers that fill volumes or probe images; its value is the process that made it.
pub(super) const HELPER: &str = "strawboss.helper";
/// On volumes: `home`, `cache` or `tool`.
pub(super) const VOLUME: &str = "strawboss.volume";
pub(super) const CACHE_PATH: &str = "strawboss.cache";
pub(super) const TOOL: &str = "strawboss.tool";
pub(super) const CONTENT: &str = "strawboss.content";
/// The installation that filled a tool's volume; it belongs to all.
pub(super) const FILLED_BY: &str = "strawboss.filled-by";

pub(super) type Labels = HashMap<String, String>;

/// Names within one installation.
pub(super) struct Names {
    pub(super) installation: String,
    short: String,
}

impl Names {
    pub(super) fn new(installation: &str) -> Self {
        Self { installation: installation.to_owned(), short: short_hash(installation.as_bytes(), 8) }
    }

    pub(super) fn container(&self, id: &SandboxId) -> String {
        format!("strawboss-{}-{id}", self.short)
    }

    pub(super) fn home(&self, run: &RunId) -> String {
        format!("strawboss-{}-{run}-home", self.short)
    }

    pub(super) fn cache(&self, cache: &Cache) -> String {
        let what = format!("{}\n{}\n{}", cache.project, cache.purpose.word(), cache.path);
        format!("strawboss-{}-cache-{}-{}", self.short, cache.purpose.word(), short_hash(what.as_bytes(), 16))
    }

    pub(super) fn quota_probe(&self) -> String {
        format!("strawboss-{}-quota-probe", self.short)
    }

    pub(super) fn labels<const N: usize>(&self, more: [(&str, &str); N]) -> Labels {
        std::iter::once((INSTALLATION, self.installation.as_str()))
            .chain(more)
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .collect()
    }

    pub(super) fn sandbox_labels(&self, spec: &SandboxSpec, image: &str) -> Labels {
        self.labels([
            (RUN, spec.run.as_str()),
            (SANDBOX, spec.id.as_str()),
            (PURPOSE, spec.purpose.word()),
            (PROJECT, spec.project.as_str()),
            (IMAGE, image),
        ])
    }

    pub(super) fn are_ours(&self, labels: Option<&Labels>) -> bool {
        labels.and_then(|labels| labels.get(INSTALLATION)) == Some(&self.installation)
    }
}

/// The volume of a tool's content: the same for every installation on the engine, since its name is its content.
pub(super) fn tool_volume(name: &str, content: &str, arch: &str) -> String {
    format!("strawboss-tool-{name}-{}-{arch}", &content[..content.len().min(16)])
}

pub(super) fn purpose(word: &str) -> Option<Purpose> {
    [Purpose::Agent, Purpose::Checks, Purpose::Rescue].into_iter().find(|purpose| purpose.word() == word)
}

#[cfg(test)]
mod tests {
    use super::Names;
    use strawboss_core::runner::{Cache, Purpose};
    use strawboss_core::{ProjectName, RunId, SandboxId};

    #[test]
    fn names_are_what_an_engine_takes_and_differ_where_they_must() {
        let (one, two) = (Names::new("first"), Names::new("second"));
        let id = SandboxId::parse(&format!("{}.1234567-rescue123456", "a".repeat(64))).unwrap();
        let run = RunId::parse("a.1").unwrap();
        assert_ne!(one.container(&id), two.container(&id));
        assert_ne!(one.home(&run), two.home(&run));
        let cache = |project: &str, purpose| Cache {
            project: ProjectName::parse(project).unwrap(),
            purpose,
            path: "/home/agent/.cargo".to_owned(),
        };
        assert_ne!(one.cache(&cache("ü / ö", Purpose::Agent)), one.cache(&cache("ü / ä", Purpose::Agent)));
        assert_ne!(one.cache(&cache("x", Purpose::Agent)), one.cache(&cache("x", Purpose::Checks)));
        for name in [one.container(&id), one.home(&run), one.cache(&cache("ü / ö", Purpose::Checks))] {
            assert!(name.len() < 128 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b)), "{name}");
        }
    }
}
