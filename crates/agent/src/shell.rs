//! `shell`: a configured command in a terminal. It speaks no protocol: what it prints is for people, and its exit code
//! is all that is understood.

use crate::{Agent, Exit, Launch, LaunchContext, LaunchError, LaunchIo, Outcome, Understood};
use std::collections::BTreeMap;
use strawboss_core::project::AgentKind;
use strawboss_protocol::supervisor::{AgentEvent, MAX_REPORT_TEXT};

/// The longest prompt, in bytes: Linux bounds one environment variable at 128 KiB, its name included.
pub(crate) const MAX_PROMPT: usize = 127 * 1024;

/// The agent `shell`.
#[derive(Debug, Clone, Default)]
pub struct Shell {
    summary: Option<String>,
}

impl Agent for Shell {
    fn kind(&self) -> AgentKind {
        AgentKind::Shell
    }

    fn launch(&mut self, context: &LaunchContext<'_>) -> Result<Launch, LaunchError> {
        let command =
            context.orders.command.as_deref().filter(|command| !command.trim().is_empty()).ok_or(LaunchError::NoCommand)?;
        if context.prompt.len() > MAX_PROMPT {
            return Err(LaunchError::PromptTooLong(context.prompt.len()));
        }
        let mut env = BTreeMap::from([
            // An environment variable cannot hold NUL; nothing else is changed.
            ("STRAWBOSS_PROMPT".to_owned(), context.prompt.replace('\0', "")),
            ("STRAWBOSS_TASK".to_owned(), context.task.to_owned()),
            ("STRAWBOSS_COMPLETION".to_owned(), context.completion.display().to_string()),
            ("STRAWBOSS_MCP".to_owned(), format!("{}/mcp", context.relay)),
            ("STRAWBOSS_TITLE".to_owned(), context.orders.title.replace('\0', "")),
        ]);
        if let Some(model) = &context.orders.model {
            env.insert("STRAWBOSS_MODEL".to_owned(), model.replace('\0', ""));
        }
        if let Some(gateway) = &context.orders.gateway {
            env.insert("STRAWBOSS_GATEWAY".to_owned(), format!("{}{gateway}", context.relay));
        }
        Ok(Launch {
            program: "/bin/sh".into(),
            args: vec!["-c".into(), command.into()],
            env,
            io: LaunchIo::Terminal,
            files: Vec::new(),
        })
    }

    fn say(&self, text: &str) -> Vec<u8> {
        format!("{text}\n").into_bytes()
    }

    fn told(&self, text: &str) -> Understood {
        // No transcript: the terminal echoes what is typed into it.
        let event = AgentEvent::Told { text: crate::text::cut(text, MAX_REPORT_TEXT) };
        Understood { events: vec![event], ..Understood::default() }
    }

    fn understand(&mut self, _line: &[u8], _whole: bool) -> Understood {
        Understood::default()
    }

    fn session(&self) -> Option<&str> {
        None
    }

    /// Its command goes on: only its own end ends it.
    fn complete(&mut self, summary: &str) {
        self.summary = Some(crate::text::cut(summary, MAX_REPORT_TEXT)).filter(|summary| !summary.is_empty());
    }

    fn outcome(&self, exit: &Exit<'_>) -> Outcome {
        if exit.code == Some(0) {
            Outcome::Complete { summary: self.summary.clone() }
        } else {
            Outcome::Failed { detail: format!("the command {}", exit.words()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shell;
    use crate::{Agent, Exit, LaunchContext, LaunchError, LaunchIo, Outcome};
    use std::path::Path;
    use strawboss_core::project::{AgentKind, AgentMode};
    use strawboss_protocol::supervisor::AgentOrders;

    fn orders(command: Option<&str>) -> AgentOrders {
        AgentOrders {
            kind: AgentKind::Shell,
            command: command.map(str::to_owned),
            model: None,
            prompt: "-rf \"it's\"\nquoted\0".to_owned(),
            resume_session: None,
            gateway: None,
            mode: AgentMode::Headless,
            completion: Vec::new(),
            session: false,
            title: "A title".to_owned(),
        }
    }

    #[test]
    fn the_prompt_goes_in_by_the_environment_and_never_by_argument() {
        let orders = orders(Some("make"));
        let context = LaunchContext {
            orders: &orders,
            prompt: &orders.prompt,
            resume: None,
            tools: Path::new("/t"),
            relay: "http://127.0.0.1:1",
            task: "a-1",
            home: Path::new("/h"),
            workspace: Path::new("/h/workspace"),
            reporter: Path::new("/t/reporter"),
            completion: Path::new("/tmp/completion-a-1.txt"),
            root: false,
        };
        let launch = Shell::default().launch(&context).unwrap();
        assert_eq!(launch.args, ["-c", "make"]);
        assert_eq!(launch.io, LaunchIo::Terminal);
        assert_eq!(launch.env["STRAWBOSS_PROMPT"], "-rf \"it's\"\nquoted");
        assert_eq!(launch.env["STRAWBOSS_TASK"], "a-1");
        assert_eq!(launch.env["STRAWBOSS_MCP"], "http://127.0.0.1:1/mcp");
        assert!(!launch.env.contains_key("STRAWBOSS_MODEL"));
    }

    #[test]
    fn without_a_command_it_says_what_to_set() {
        for none in [None, Some("  ")] {
            let orders = orders(none);
            let context = LaunchContext {
                orders: &orders,
                prompt: "",
                resume: None,
                tools: Path::new("/t"),
                relay: "",
                task: "a-1",
                home: Path::new("/h"),
                workspace: Path::new("/h/workspace"),
                reporter: Path::new("/t/reporter"),
                completion: Path::new("/tmp/completion-a-1.txt"),
                root: false,
            };
            assert_eq!(Shell::default().launch(&context), Err(LaunchError::NoCommand));
        }
    }

    #[test]
    fn only_code_0_is_complete() {
        let exit = |code, signal| Shell::default().outcome(&Exit { code, signal, error_tail: "" });
        assert_eq!(exit(Some(0), None), Outcome::Complete { summary: None });
        assert_eq!(exit(Some(3), None), Outcome::Failed { detail: "the command ended with code 3".to_owned() });
        assert_eq!(exit(None, Some(9)), Outcome::Failed { detail: "the command was ended by signal 9".to_owned() });
    }
}
