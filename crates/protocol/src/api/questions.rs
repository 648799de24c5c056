//! What agents ask people, and what they say of their work.

use serde::{Deserialize, Serialize};

/// What an agent asks people. Text of a sandbox: to be shown as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct QuestionView {
    /// From 1, counted in its run.
    pub number: u32,
    /// What it asks.
    pub text: String,
    /// The answers that it offers; any other may be given.
    pub choices: Vec<String>,
    /// When, milliseconds since 1970 UTC.
    pub at: i64,
    /// What it was answered.
    pub answer: Option<AnswerView>,
}

/// A person's answer to an agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnswerView {
    /// What they said.
    pub text: String,
    /// Who: the label of what they signed in with.
    pub by: String,
    /// When, milliseconds since 1970 UTC.
    pub at: i64,
    /// When it was seen that the answer reached the agent.
    pub told_at: Option<i64>,
}

/// A phase of a run's plan, other than its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PhaseView {
    /// Which, from 0.
    pub phase: u32,
    /// Its title.
    pub title: String,
}

/// An answer to what a run's agent asks: `POST /api/v1/runs/{id}/answer`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct AnswerQuestion {
    /// The number of the question that is meant.
    pub question: u32,
    /// The answer, 16 000 bytes at most.
    pub text: String,
}

/// How far an agent says that it is: its own word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProgressView {
    /// What it says.
    pub text: String,
    /// How much of the task is done, 0 to 100.
    pub percent: Option<u8>,
    /// When it said so, milliseconds since 1970 UTC.
    pub at: i64,
}
