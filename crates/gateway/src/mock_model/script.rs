//! What the mock model says, as a person writes it down: docs/mock-model.md describes the format.

use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A script is read whole; a larger one is a mistake.
const MAX_SCRIPT: u64 = 4 * 1024 * 1024;

/// A whole script.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Script {
    /// The key that callers must send; none: any or none.
    #[serde(default)]
    pub api_key: Option<String>,
    /// What `GET /v1/models` lists.
    #[serde(default)]
    pub models: Vec<String>,
    /// How fast it speaks, where a turn does not say.
    #[serde(default)]
    pub pace: Pace,
    /// Tried in order; the first that fits answers.
    #[serde(default)]
    pub rules: Vec<Rule>,
}

/// How fast an answer comes.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pace {
    /// Milliseconds before the answer begins.
    #[serde(default)]
    pub delay_ms: Option<u64>,
    /// Milliseconds between two pieces of a stream.
    #[serde(default)]
    pub pause_ms: Option<u64>,
    /// Characters in one piece of a stream.
    #[serde(default)]
    pub chunk: Option<usize>,
}

/// What is answered to which conversations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// For the log.
    #[serde(default)]
    pub name: Option<String>,
    /// Which conversations; all parts must fit.
    #[serde(default)]
    pub when: When,
    /// What is said: the first when a person has just spoken, the next after each answer of the model.
    pub turns: Vec<Turn>,
}

/// Which conversations a rule is for. Texts fit where they are contained, as written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct When {
    /// In what a person said first.
    #[serde(default)]
    pub prompt: Option<String>,
    /// In what a person said last.
    #[serde(default)]
    pub said: Option<String>,
    /// In the system prompt.
    #[serde(default)]
    pub system: Option<String>,
    /// In the model's name.
    #[serde(default)]
    pub model: Option<String>,
    /// Whether tools are offered. Agents' requests on the side (titles, summaries) offer none, and quote the prompt.
    #[serde(default = "yes")]
    pub tools: Option<bool>,
}

#[expect(clippy::unnecessary_wraps, reason = "serde's defaults have the field's type")]
fn yes() -> Option<bool> {
    Some(true)
}

/// One answer.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Turn {
    /// Said first.
    #[serde(default)]
    pub text: Option<String>,
    /// Asked for then.
    #[serde(default)]
    pub tools: Vec<ToolCall>,
    /// How fast.
    #[serde(default)]
    pub pace: Pace,
    /// What it claims to have used.
    #[serde(default)]
    pub usage: Numbers,
    /// Answered instead, always or the first few times.
    #[serde(default)]
    pub error: Option<Fault>,
    /// Breaks the connection off after so many events of the stream.
    #[serde(default)]
    pub cut_after: Option<usize>,
}

/// A tool that the model wants run.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ToolCall {
    /// Its name, `Bash` say.
    pub name: String,
    /// Its input.
    #[serde(default)]
    pub input: serde_json::Value,
}

/// Tokens; what is not said is estimated from the text.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    /// Read.
    #[serde(default)]
    pub input_tokens: Option<u64>,
    /// Written.
    #[serde(default)]
    pub output_tokens: Option<u64>,
    /// Read from a cache.
    #[serde(default)]
    pub cache_read_input_tokens: u64,
    /// Written to a cache.
    #[serde(default)]
    pub cache_creation_input_tokens: u64,
}

/// An error.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// HTTP status, 400 to 599: 429 and 529 above all.
    pub status: u16,
    /// Its text.
    #[serde(default)]
    pub message: Option<String>,
    /// Seconds, sent as `retry-after`.
    #[serde(default)]
    pub retry_after: Option<u64>,
    /// Seconds until the limit resets, sent in the rate limit headers of a 429; `retry_after` when not said.
    #[serde(default)]
    pub reset_after: Option<u64>,
    /// Sends a subscription's headers instead of an API key's.
    #[serde(default)]
    pub subscription: bool,
    /// Only the first so many times; none: always.
    #[serde(default)]
    pub times: Option<u32>,
}

/// Why a script cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It cannot be read.
    #[error("could not read the script {}: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is too large.
    #[error("the script {} is larger than 4 MiB", .0.display())]
    TooLarge(PathBuf),
    /// It is no YAML of this shape.
    #[error("the script is not in the form that docs/mock-model.md describes: {0}")]
    Form(String),
    /// It has the shape, and makes no sense.
    #[error("rule {rule} of the script: {problem}")]
    Rule {
        /// Its name, or its number from 1.
        rule: String,
        /// What is wrong.
        problem: String,
    },
}

impl Script {
    /// Reads a file, YAML or JSON.
    pub fn load(path: &Path) -> Result<Self, ScriptError> {
        let wrong = |source| ScriptError::Read { path: path.to_owned(), source };
        if std::fs::metadata(path).map_err(wrong)?.len() > MAX_SCRIPT {
            return Err(ScriptError::TooLarge(path.to_owned()));
        }
        Self::parse(&std::fs::read_to_string(path).map_err(wrong)?)
    }

    /// Reads a text, YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, ScriptError> {
        let script: Self = serde_saphyr::from_str(text).map_err(|error| ScriptError::Form(error.to_string()))?;
        for (number, rule) in script.rules.iter().enumerate() {
            let wrong = |problem: String| ScriptError::Rule { rule: rule.label(number), problem };
            if rule.turns.is_empty() {
                return Err(wrong("it has no turns".to_owned()));
            }
            for (turn, said) in rule.turns.iter().enumerate() {
                if said.text.is_none() && said.tools.is_empty() && said.error.is_none() {
                    return Err(wrong(format!("turn {} says nothing: give it `text`, `tools` or `error`", turn + 1)));
                }
                if let Some(fault) = &said.error
                    && !(400..=599).contains(&fault.status)
                {
                    return Err(wrong(format!("turn {}: the error status {} is not from 400 to 599", turn + 1, fault.status)));
                }
                if let Some(call) = said.tools.iter().find(|call| !call.input.is_null() && !call.input.is_object()) {
                    return Err(wrong(format!("turn {}: the input of `{}` must be a mapping", turn + 1, call.name)));
                }
            }
        }
        Ok(script)
    }
}

impl Rule {
    pub(super) fn label(&self, number: usize) -> String {
        self.name.clone().unwrap_or_else(|| (number + 1).to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::Script;

    #[test]
    fn a_script_is_read_as_yaml_or_json() {
        let yaml = Script::parse(
            "rules:\n  - name: fix\n    when: {prompt: adder}\n    turns:\n      - tools: [{name: Bash, input: {command: \"echo 'a b' > f\"}}]\n      - text: Done.\n",
        )
        .unwrap();
        assert_eq!(yaml.rules[0].turns[0].tools[0].input["command"], "echo 'a b' > f");
        assert_eq!(yaml.rules[0].when.tools, Some(true));
        assert_eq!(Script::parse(r#"{"rules": [{"turns": [{"text": "x"}]}], "api_key": "k"}"#).unwrap().rules.len(), 1);
        assert!(Script::parse("{}").unwrap().rules.is_empty());
    }

    #[test]
    fn a_wrong_script_says_where() {
        for (text, part) in [
            ("rules: [{turns: []}]", "rule 1"),
            ("rules: [{name: a, turns: [{}]}]", "rule a"),
            ("rules: [{turns: [{text: x}, {error: {status: 200}}]}]", "turn 2"),
            ("rules: [{turns: [{tools: [{name: Bash, input: 3}]}]}]", "mapping"),
            ("rulez: []", "rulez"),
            ("rules: [", "form"),
        ] {
            let error = Script::parse(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
