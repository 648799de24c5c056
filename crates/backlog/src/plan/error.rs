//! Why a plan file, or something in it, cannot be used: what is wrong, and what a person does about it.

use crate::csv::Fault;

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// There is no file.
    #[error("there is no such file")]
    Missing,
    /// There is one already.
    #[error("the file is there already")]
    Exists,
    /// Not one byte, or blanks alone.
    #[error("the file is empty")]
    Empty,
    /// Bytes that are no text.
    #[error("byte {byte} on line {line} (0x{value:02X}) is not UTF-8")]
    NotUtf8 {
        /// Where, from 1.
        line: u64,
        /// Where on it, from 1.
        byte: usize,
        /// Which.
        value: u8,
    },
    /// No JSON.
    #[error("it is no JSON: {why}")]
    NotJson {
        /// Where, from 1.
        line: u64,
        /// What serde_json says.
        why: String,
    },
    /// JSON, but no plans.
    #[error("it holds no plans: it is {what}")]
    NoPlans {
        /// What it is.
        what: &'static str,
    },
    /// No plan of that name.
    #[error("there is no plan `{id}`")]
    NoPlan {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// No phase of that number.
    #[error("the plan `{id}` has no phase {phase}: it has {count}, counted from 0")]
    NoPhase {
        /// The plan.
        id: String,
        /// What was asked for.
        phase: usize,
        /// How many there are.
        count: usize,
    },
    /// The plan or phase cannot be edited as it is.
    #[error("{what} cannot be used: {why}")]
    Flawed {
        /// Which.
        what: String,
        /// Why.
        why: String,
    },
    /// A plan of that name is there already, and another one.
    #[error("there already is another plan `{id}`")]
    Taken {
        /// Its name.
        id: String,
    },
    /// Markdown without a phase.
    #[error("there is no phase in it: neither a heading `## Phase 0: …` nor a line `- [ ] …`")]
    NoPhases,
    /// An answer of the operating system, or a file that does not stand still.
    #[error("{why}")]
    File {
        /// Why.
        why: String,
        /// What to do.
        fix: &'static str,
        /// Whether it may pass by itself.
        passes: bool,
    },
}

/// How many names are told of those that there are.
const TOLD: usize = 10;

impl PlanError {
    pub(crate) fn not_utf8(bytes: &[u8], at: usize) -> Self {
        let before = &bytes[..at];
        let line = memchr::memchr_iter(b'\n', before).count() as u64 + 1;
        let begins = memchr::memrchr(b'\n', before).map_or(0, |end| end + 1);
        Self::NotUtf8 { line, byte: at - begins + 1, value: bytes.get(at).copied().unwrap_or_default() }
    }

    pub(crate) fn no_plan<'a>(id: &str, known: impl Iterator<Item = &'a str>) -> Self {
        Self::NoPlan { id: id.to_owned(), known: known.filter(|id| !id.is_empty()).take(TOLD).map(str::to_owned).collect() }
    }

    /// What to do.
    pub fn fix(&self) -> String {
        match self {
            Self::Missing => "Begin one with `strawboss plan new DESCRIPTION` or `strawboss plan import FILE`.".to_owned(),
            Self::Exists => "Name another file.".to_owned(),
            Self::Empty => "Write `[]` into it, or delete it and begin one with `strawboss plan new DESCRIPTION`.".to_owned(),
            Self::NotUtf8 { .. } => {
                "Save it as UTF-8; the file was left as it is. `iconv -f WINDOWS-1252 -t UTF-8` changes a file of Windows."
                    .to_owned()
            }
            Self::NotJson { .. } => "Correct it there; the file was left as it is.".to_owned(),
            Self::NoPlans { .. } => {
                "Plans stand in a list `[{\"id\": …, \"todos\": […]}]`, in `{\"tasks\": […]}`, or in an object by their ids."
                    .to_owned()
            }
            Self::NoPlan { known, .. } if known.is_empty() => "There is none: begin one with `strawboss plan new`.".to_owned(),
            Self::NoPlan { known, .. } => format!("There are: {}.", known.join(", ")),
            Self::NoPhase { .. } => "`strawboss plan show` lists them with their numbers.".to_owned(),
            Self::Flawed { .. } => "Correct it in the file; `strawboss plan lint` says all that is wrong.".to_owned(),
            Self::Taken { .. } => "Take another id with `--id`, or replace what is there with `--replace`.".to_owned(),
            Self::NoPhases => "Write each phase as a heading `## Phase 0: …` with its text below.".to_owned(),
            Self::File { fix, .. } => (*fix).to_owned(),
        }
    }

    /// Whether it may be a moment between two states of a file that is being saved.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Missing | Self::Empty | Self::NotUtf8 { .. } | Self::NotJson { .. } | Self::NoPlans { .. } => true,
            Self::File { passes, .. } => *passes,
            _ => false,
        }
    }

    /// The line that it is about, from 1; 0 for the whole.
    pub(crate) fn line(&self) -> u64 {
        match self {
            Self::NotUtf8 { line, .. } | Self::NotJson { line, .. } => *line,
            _ => 0,
        }
    }
}

impl From<Fault> for PlanError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Missing => Self::Missing,
            fault @ Fault::TooBig { .. } => {
                Self::File { why: fault.why(), passes: false, fix: "Move plans that are archived to another file." }
            }
            fault => Self::File { why: fault.why(), passes: fault.may_pass(), fix: fault.fix() },
        }
    }
}
