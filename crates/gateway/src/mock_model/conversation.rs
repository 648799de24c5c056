//! A request to the Messages API as far as a script looks at it: who said what, and whose turn it is.

use serde_json::Value;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Conversation {
    pub(super) model: String,
    pub(super) system: String,
    /// What a person said first and last, without what agents put around it.
    pub(super) prompt: String,
    pub(super) said: String,
    /// What the last tool answered.
    pub(super) result: String,
    /// Answers of the model since a person spoke last.
    pub(super) turn: usize,
    pub(super) offers_tools: bool,
    pub(super) stream: bool,
    /// The schema that the answer's text must follow, if one is asked for.
    pub(super) schema: Option<Value>,
    /// A guess at its tokens.
    pub(super) input_tokens: u64,
}

impl Conversation {
    /// Reads a request, or says what the API would complain about. `counted`: no answer is asked for, only its tokens.
    pub(super) fn read(body: &[u8], counted: bool) -> Result<Self, String> {
        let request: Value =
            serde_json::from_slice(body).map_err(|error| format!("The request body is not valid JSON: {error}"))?;
        let model = request["model"].as_str().filter(|model| !model.is_empty()).ok_or("model: Field required")?;
        if !counted && request["max_tokens"].as_u64().is_none_or(|most| most == 0) {
            return Err("max_tokens: Field required, a positive integer".to_owned());
        }
        let messages = request["messages"].as_array().filter(|messages| !messages.is_empty());
        let messages = messages.ok_or("messages: at least one message is required")?;
        let mut read = Self {
            model: model.to_owned(),
            system: text(&request["system"]),
            offers_tools: request["tools"].as_array().is_some_and(|tools| !tools.is_empty()),
            stream: request["stream"].as_bool().unwrap_or(false),
            schema: request.pointer("/output_config/format/schema").or(request.pointer("/output_format/schema")).cloned(),
            // About four characters a token; only the order of magnitude matters.
            input_tokens: (body.len() as u64).div_ceil(4),
            ..Self::default()
        };
        let mut first = true;
        let mut assistant_before = false;
        for message in messages {
            match message["role"].as_str() {
                Some("user") => {
                    read.user(&message["content"], &mut first, assistant_before);
                    assistant_before = false;
                }
                Some("assistant") => {
                    // Two in a row are one answer, cut in two.
                    if !assistant_before {
                        read.turn += 1;
                    }
                    assistant_before = true;
                }
                // Agents put notes of their own between the messages.
                Some("system") => read.system.push_str(&text(&message["content"])),
                _ => return Err("messages: role must be `user`, `assistant` or `system`".to_owned()),
            }
        }
        Ok(read)
    }

    fn user(&mut self, content: &Value, first: &mut bool, after_assistant: bool) {
        let results: Vec<&Value> = content
            .as_array()
            .map(|blocks| blocks.iter().filter(|block| block["type"] == "tool_result").collect())
            .unwrap_or_default();
        if let Some(result) = results.last() {
            self.result = text(&result["content"]);
            return;
        }
        let said = without_reminders(&text(content));
        if said.trim().is_empty() {
            return;
        }
        if *first || (self.turn == 0 && !after_assistant) {
            join(&mut self.prompt, &said);
        }
        // Several messages in a row are one utterance.
        if self.turn > 0 || *first {
            self.said = said;
        } else {
            join(&mut self.said, &said);
        }
        *first = false;
        self.turn = 0;
    }
}

fn join(text: &mut String, more: &str) {
    if !text.is_empty() {
        text.push('\n');
    }
    text.push_str(more);
}

/// A text, or the texts of a list of blocks.
fn text(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => blocks.iter().filter_map(|block| block["text"].as_str()).collect::<Vec<_>>().join("\n"),
        _ => String::new(),
    }
}

/// Without what an agent adds to a person's words.
fn without_reminders(text: &str) -> String {
    const OPEN: &str = "<system-reminder>";
    const CLOSE: &str = "</system-reminder>";
    let mut kept = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(OPEN) {
        kept.push_str(before);
        rest = after.split_once(CLOSE).map_or("", |(_, after)| after);
    }
    kept.push_str(rest);
    kept.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::Conversation;
    use serde_json::{Value, json};

    fn read(messages: &Value) -> Conversation {
        let request = json!({"model": "m", "max_tokens": 10, "messages": messages, "tools": [{"name": "Bash"}], "stream": true});
        Conversation::read(request.to_string().as_bytes(), false).unwrap()
    }

    #[test]
    fn turns_are_counted_from_what_a_person_said_last() {
        let call = json!({"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "Bash", "input": {}}]});
        let result = json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "42"}]},
            {"type": "text", "text": "<system-reminder>noise</system-reminder>"}]});
        let prompt = json!({"role": "user", "content": [{"type": "text", "text": "<system-reminder>a\nb</system-reminder>"}, {"type": "text", "text": "Fix the adder"}]});
        let note = json!({"role": "system", "content": "a note"});
        let start = read(&json!([prompt, note]));
        assert_eq!((start.turn, start.prompt.as_str(), start.said.as_str()), (0, "Fix the adder", "Fix the adder"));
        assert!(start.system.contains("a note") && start.offers_tools && start.stream);
        let second = read(&json!([prompt, note, call, call, result]));
        assert_eq!((second.turn, second.said.as_str(), second.result.as_str()), (1, "Fix the adder", "42"));
        let third = read(&json!([prompt, note, call, result, call, result]));
        assert_eq!(third.turn, 2);
        let back = read(
            &json!([prompt, note, call, result, {"role": "assistant", "content": "Done"}, {"role": "user", "content": "The test is red"}]),
        );
        assert_eq!((back.turn, back.prompt.as_str(), back.said.as_str()), (0, "Fix the adder", "The test is red"));
        let again = read(
            &json!([prompt, {"role": "assistant", "content": "Done"}, {"role": "user", "content": "The test is red"}, call, result]),
        );
        assert_eq!((again.turn, again.said.as_str()), (1, "The test is red"));
        let split = read(&json!([{"role": "user", "content": "one"}, {"role": "user", "content": "two"}]));
        assert_eq!((split.prompt.as_str(), split.said.as_str()), ("one\ntwo", "one\ntwo"));
    }

    #[test]
    fn what_the_api_refuses_is_refused() {
        for (body, part) in [
            ("{", "JSON"),
            ("{}", "model"),
            (r#"{"model":"m","messages":[{"role":"user","content":"x"}]}"#, "max_tokens"),
            (r#"{"model":"m","max_tokens":1,"messages":[]}"#, "messages"),
            (r#"{"model":"m","max_tokens":1,"messages":[{"role":"tool"}]}"#, "role"),
        ] {
            assert!(Conversation::read(body.as_bytes(), false).unwrap_err().contains(part), "{body}");
        }
    }
}
