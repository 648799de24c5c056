//! What an agent is told.

use std::fmt::Write as _;
use strawboss_core::Task;
use strawboss_core::project::{AgentMode, Project};
use strawboss_core::run::Run;

/// The longest subject line of a commit, in characters.
const SUBJECT_LIMIT: usize = 72;

/// What a run's agent is told first.
pub(crate) fn first(task: &Task, project: &Project, branch: &str, mode: AgentMode) -> String {
    let company = match mode {
        AgentMode::Headless => {
            "Nobody sits beside you: decide yourself what you can, and say in your last message what you decided. What only a person \
             can decide, ask with the tool `ask_human`, if you have it."
        }
        AgentMode::Interactive => {
            "A person may sit at this terminal: ask when you need to, and wait for the answer. The task is complete when that person \
             says `/complete`, or when you have done all of it and the person has nothing more to say: then run `/complete` yourself."
        }
    };
    let mut text = format!(
        "{}\n\n---\nYou work in a sandbox, in a clone of the project `{}`, on the branch `{branch}`. {company} Commit your work in small steps with clear messages; do not push. There is no \
         network but for the hosts that this project allows, through the proxy in the environment.",
        task.action.trim(),
        project.name
    );
    if !project.checks.is_empty() {
        text.push_str(
            "\n\nWhen you are done, these checks are run on a fresh clone of your last commit, and all must end with 0:\n",
        );
        for check in &project.checks {
            text.push_str("    ");
            text.push_str(check);
            text.push('\n');
        }
    }
    text
}

/// What an agent is told that goes on with an earlier session; without that session it is told everything again.
pub(crate) fn resumed(
    task: &Task,
    project: &Project,
    branch: &str,
    comment: Option<&str>,
    has_session: bool,
    mode: AgentMode,
) -> String {
    let more = match comment {
        Some(comment) => format!("Your work was looked at and sent back with this comment:\n\n{}", comment.trim()),
        None => "You were interrupted. Look at what is there and go on until the work is done.".to_owned(),
    };
    if has_session {
        more
    } else {
        format!("{}\n\n---\nThis work was begun before and is on the branch. {more}", first(task, project, branch, mode))
    }
}

/// What an agent is told when checks are red and nobody needs to look first.
pub(crate) fn red_checks(run: &Run) -> String {
    let mut text = String::from("These checks failed on a fresh clone of your last commit. Mend the work, not the checks.\n");
    for check in run.checks.iter().filter(|check| !check.passed()) {
        let how = check
            .exit_code
            .map_or_else(|| "was ended by a signal or the time limit".to_owned(), |code| format!("exited with {code}"));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n$ {}\n{how}; the end of what it printed:\n{}\n", check.command, check.output_tail.trim_end());
    }
    text
}

/// One line for people and commits.
pub(crate) fn title(action: &str) -> String {
    let line = action.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("work");
    let clean: String = line.chars().filter(|c| !c.is_control()).collect();
    if clean.chars().count() <= SUBJECT_LIMIT {
        clean
    } else {
        let cut: String = clean.chars().take(SUBJECT_LIMIT - 1).collect();
        format!("{}…", cut.trim_end())
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_title_is_one_short_line() {
        assert_eq!(super::title("\n  Add a test\nand more"), "Add a test");
        assert_eq!(super::title(""), "work");
        assert_eq!(super::title(&"ä".repeat(100)).chars().count(), 72);
    }
}
