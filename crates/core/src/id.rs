//! Typed names of things. Each is a short string that is safe in a path, a container name, a git ref and a URL.

use serde::{Deserialize, Serialize};

/// Why a text is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no {what}: {rule}")]
pub struct IdError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

macro_rules! string_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $rule:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Checks a text that comes from outside.
            pub fn parse(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                if !text.is_empty() && text.len() <= $max && valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    let text = text.chars().take(80).collect();
                    Err(IdError { what: $what, text, rule: $rule })
                }
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = IdError;
            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::parse(text)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

fn is_slug(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
}

string_id!(
    /// A task's key, which people type: `antenna-ml-pipeline-3`. Its branch is `strawboss/<key>`.
    TaskId, "task key", 64, "lower-case letters, digits and inner dashes, 64 at most", is_slug
);

string_id!(
    /// A run: its task's key and which attempt it is, `antenna-ml-pipeline-3.1`.
    RunId, "run id", 72, "a task key, a dot and a number from 1", |text| {
        text.rsplit_once('.').is_some_and(|(task, attempt)| {
            is_slug(task) && !task.is_empty() && task.len() <= 64
                && !attempt.starts_with('0') && attempt.parse::<u32>().is_ok_and(|n| n.to_string() == attempt)
        })
    }
);

string_id!(
    /// A sandbox: its run and what it is for, `antenna-ml-pipeline-3.1-agent`. The last part is never reused within a run.
    SandboxId, "sandbox id", 96, "a run id, a dash and `agent`, `checks` or `rescue` with a number", |text| {
        text.rsplit_once('-').is_some_and(|(run, purpose)| {
            let word = purpose.trim_end_matches(|c: char| c.is_ascii_digit());
            matches!(word, "agent" | "checks" | "rescue") && purpose.len() - word.len() <= 6
                && RunId::parse(run).is_ok()
        })
    }
);

string_id!(
    /// A project's name as people write it in the Project column: any text on one line.
    ProjectName, "project name", 200, "one line of text, 200 bytes at most, no control characters", |text| {
        !text.chars().any(char::is_control) && text.trim() == text
    }
);

string_id!(
    /// A session that stands free of runs.
    SessionId, "session id", 64, "letters, digits, dashes and underscores, 64 at most", |text| {
        text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    }
);

impl SessionId {
    /// What is left of a text when everything that no id has is dropped; none: nothing is left.
    pub fn kept(text: &str) -> Option<Self> {
        let kept: String = text.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')).take(64).collect();
        (!kept.is_empty()).then_some(Self(kept))
    }
}

impl TaskId {
    /// The key of the `number`th task of a project: the project's name as a slug of at most 48 bytes, and the number.
    pub fn nth(project: &ProjectName, number: u64) -> Self {
        Self(format!("{}-{number}", project.slug()))
    }

    /// The branch that the task's runs work on, without `refs/heads/`.
    pub fn branch(&self) -> String {
        format!("strawboss/{}", self.0)
    }

    /// The task's `attempt`th run, counted from 1.
    pub fn run(&self, attempt: u32) -> RunId {
        RunId(format!("{}.{}", self.0, attempt.max(1)))
    }
}

impl ProjectName {
    /// The name as lower-case letters, digits and inner dashes, 48 bytes at most; `task` when nothing is left.
    /// Two names may share one.
    pub fn slug(&self) -> String {
        let mut slug = String::new();
        for c in self.0.chars() {
            if slug.len() >= 48 {
                break;
            }
            if c.is_ascii_alphanumeric() {
                slug.push(c.to_ascii_lowercase());
            } else if !slug.is_empty() && !slug.ends_with('-') {
                slug.push('-');
            }
        }
        let slug = slug.trim_end_matches('-');
        if slug.is_empty() { "task".to_owned() } else { slug.to_owned() }
    }
}

impl RunId {
    /// The task that this is a run of.
    pub fn task(&self) -> TaskId {
        TaskId(self.0.rsplit_once('.').map_or_else(|| self.0.clone(), |(task, _)| task.to_owned()))
    }

    /// Which attempt, from 1.
    pub fn attempt(&self) -> u32 {
        self.0.rsplit_once('.').and_then(|(_, n)| n.parse().ok()).unwrap_or(1)
    }

    /// The `number`th sandbox of this run for `purpose`, counted from 1.
    pub fn sandbox(&self, purpose: crate::runner::Purpose, number: u32) -> SandboxId {
        let word = purpose.word();
        if number <= 1 { SandboxId(format!("{}-{word}", self.0)) } else { SandboxId(format!("{}-{word}{number}", self.0)) }
    }

    /// The ref that keeps work in progress of this run, pushed before its sandbox is stopped.
    pub fn saved_ref(&self) -> String {
        format!("refs/strawboss/saved/{}", self.0)
    }
}

impl SandboxId {
    /// The run that this is a sandbox of.
    pub fn run(&self) -> RunId {
        RunId(self.0.rsplit_once('-').map_or_else(|| self.0.clone(), |(run, _)| run.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::{ProjectName, RunId, SandboxId, SessionId, TaskId};
    use crate::runner::Purpose;

    #[test]
    fn names_are_made_safe_and_lead_back() {
        let project = ProjectName::parse("Antenna ML: \"Pipeline\"").unwrap();
        let task = TaskId::nth(&project, 3);
        assert_eq!(task.as_str(), "antenna-ml-pipeline-3");
        let run = task.run(2);
        assert_eq!((run.as_str(), run.attempt()), ("antenna-ml-pipeline-3.2", 2));
        let sandbox = run.sandbox(Purpose::Checks, 2);
        assert_eq!(sandbox.as_str(), "antenna-ml-pipeline-3.2-checks2");
        assert_eq!(SandboxId::parse(sandbox.as_str()).unwrap().run(), run);
        assert_eq!(run.task(), task);
        assert_eq!(TaskId::nth(&ProjectName::parse("日本").unwrap(), 1).as_str(), "task-1");
    }

    #[test]
    fn of_a_sessions_id_only_what_is_safe_is_kept() {
        for (text, kept) in
            [("build_1-A", "build_1-A"), ("../etc/pass wd", "etcpasswd"), ("=$1:0.%2", "102"), ("ü;kill-server", "kill-server")]
        {
            assert_eq!(SessionId::kept(text).unwrap().as_str(), kept);
        }
        assert_eq!(SessionId::kept(&"x".repeat(90)).unwrap().as_str(), "x".repeat(64));
        assert_eq!(SessionId::kept("…/."), None);
    }

    #[test]
    fn what_could_leave_a_path_is_no_id() {
        for wrong in ["", "../x", "a/b", "A", "-a", "a-", "a b", "a\n", "a.1", &"a".repeat(65)] {
            assert!(TaskId::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a", "a.", "a.0", "a.01", "a.1.1x", "a.4294967296", "../a.1"] {
            assert!(RunId::parse(wrong).is_err(), "{wrong}");
        }
        for wrong in ["a.1-shell", "a.1", "a-agent", "a.1-agent1234567"] {
            assert!(SandboxId::parse(wrong).is_err(), "{wrong}");
        }
        assert!(ProjectName::parse("two\nlines").is_err());
    }
}
