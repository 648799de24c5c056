//! `strawboss task …`

use crate::client::{Api, part};
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use std::fmt::Write as _;
use strawboss_core::TaskState;
use strawboss_core::project::AgentMode;
use strawboss_protocol::api::{BlockTask, NewTask, Page, TaskView};

/// How many tasks are asked for at once.
const PAGE: usize = 1000;

/// See and steer tasks
#[derive(Debug, clap::Args)]
pub(crate) struct TaskArgs {
    #[command(subcommand)]
    command: TaskCommand,
}

#[derive(Debug, clap::Subcommand)]
enum TaskCommand {
    /// List tasks, newest last; those that are over only with --all
    #[command(
        visible_alias = "ls",
        after_help = "\
Examples:
  strawboss task list
  strawboss task list --state review,blocked
  strawboss task list --all --json | jq -r '.[].id'"
    )]
    List {
        /// Only these states, with commas between: pending, queued, running, review, done, paused, blocked, cancelled
        #[arg(long, value_name = "STATES", value_delimiter = ',', value_parser = state)]
        state: Vec<TaskState>,
        /// Only of this project
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
        /// Done and cancelled ones too
        #[arg(long, short)]
        all: bool,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one task
    #[command(after_help = "Example:\n  strawboss task show antenna-3")]
    Show {
        /// The task's key
        #[arg(value_name = "TASK")]
        task: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Add a task by hand, beside the backlogs
    #[command(after_help = "\
Examples:
  strawboss task add --project Antenna \"Make `parse` reject trailing commas, with a test\"
  strawboss task add --project Antenna --priority 1 --model \"Sonnet 4\" - <prompt.md")]
    Add {
        /// What shall be done; `-` reads it from standard input
        #[arg(value_name = "TEXT", allow_hyphen_values = true)]
        action: String,
        /// Its project
        #[arg(long, short, value_name = "NAME")]
        project: String,
        /// 1 first
        #[arg(long, value_name = "NUMBER")]
        priority: Option<u32>,
        /// The day it is due, YYYY-MM-DD
        #[arg(long, value_name = "DAY")]
        deadline: Option<String>,
        /// An agent instead of the project's
        #[arg(long, value_name = "AGENT")]
        agent: Option<String>,
        /// A key of `models:` instead of the project's
        #[arg(long, value_name = "MODEL")]
        model: Option<String>,
        /// How its agent works, instead of as the project says: headless or interactive
        #[arg(long, value_name = "MODE", value_parser = mode)]
        mode: Option<AgentMode>,
        /// It needs a GPU
        #[arg(long)]
        gpu: bool,
        /// A task that must be done before; may be given more than once
        #[arg(long, value_name = "TASK")]
        depends_on: Vec<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Let an agent start on a task that waits for approval
    #[command(after_help = "\
An approved ticket is opened interactively, in the agent's own interface, unless its project has a `mode`.

Examples:
  strawboss task approve antenna-3
  strawboss task approve antenna-3 --mode headless")]
    Approve {
        #[command(flatten)]
        one: One,
        /// How the agent works: headless or interactive
        #[arg(long, value_name = "MODE", value_parser = mode)]
        mode: Option<AgentMode>,
    },
    /// Queue a task that is paused, pending, blocked or cancelled; a paused one goes on with its session
    Start(One),
    /// Stop a task's run (its work is saved), or take it out of the queue
    Stop(One),
    /// Queue a task with a fresh run from the target's newest commit
    Retry(One),
    /// Keep a task from running, with a reason
    #[command(after_help = "Example:\n  strawboss task block antenna-3 --reason \"Waits for the new schema\"")]
    Block {
        /// The task's key
        #[arg(value_name = "TASK")]
        task: String,
        /// Why, for people
        #[arg(long, short, value_name = "TEXT", allow_hyphen_values = true)]
        reason: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Debug, clap::Args)]
struct One {
    /// The task's key
    #[arg(value_name = "TASK")]
    task: String,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn state(word: &str) -> Result<TaskState, String> {
    let known: Vec<&str> = TaskState::ALL.iter().map(|state| state.word()).collect();
    TaskState::from_word(word).ok_or_else(|| crate::config::suggest::hint(word, &known))
}

fn mode(word: &str) -> Result<AgentMode, String> {
    let known = AgentMode::ALL.map(AgentMode::word);
    AgentMode::ALL.into_iter().find(|mode| mode.word() == word).ok_or_else(|| crate::config::suggest::hint(word, &known))
}

/// Does what `task` says.
pub(crate) async fn run(args: TaskArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    match args.command {
        TaskCommand::List { state, project, all, json } => list(&api, &state, project.as_deref(), all, json).await,
        TaskCommand::Show { task, json } => {
            let answer = api.get::<TaskView>(&format!("/api/v1/tasks/{}", part(&task))).await?;
            if json {
                output::json(&answer.raw)?;
            } else {
                output::print(&described(&answer.value))?;
            }
            Ok(ExitStatus::Success)
        }
        TaskCommand::Add { action, project, priority, deadline, agent, model, mode, gpu, depends_on, json } => {
            let action = text_or_stdin(action)?;
            let new = NewTask { project, action, priority, deadline, needs_gpu: gpu, agent, model, mode, depends_on };
            let answer = api.post::<TaskView>("/api/v1/tasks", Some(&new)).await?;
            done(&answer, json)
        }
        TaskCommand::Approve { one, mode } => {
            let how = mode.map(|mode| format!("?mode={}", mode.word())).unwrap_or_default();
            tell(&api, one, &format!("approve{how}")).await
        }
        TaskCommand::Start(one) => tell(&api, one, "start").await,
        TaskCommand::Stop(one) => tell(&api, one, "stop").await,
        TaskCommand::Retry(one) => tell(&api, one, "retry").await,
        TaskCommand::Block { task, reason, json } => {
            let path = format!("/api/v1/tasks/{}/block", part(&task));
            let answer = api.post::<TaskView>(&path, Some(&BlockTask { reason })).await?;
            done(&answer, json)
        }
    }
}

/// A text from the command line, or all of standard input for `-`.
pub(super) fn text_or_stdin(text: String) -> Result<String, Failure> {
    if text != "-" {
        return Ok(text);
    }
    std::io::read_to_string(std::io::stdin()).map_err(crate::failure::io("read standard input"))
}

async fn tell(api: &Api, one: One, step: &str) -> Result<ExitStatus, Failure> {
    let path = format!("/api/v1/tasks/{}/{step}", part(&one.task));
    let answer = api.post::<TaskView>(&path, None::<&()>).await?;
    done(&answer, one.json)
}

fn done(answer: &crate::client::Answer<TaskView>, json: bool) -> Result<ExitStatus, Failure> {
    if json {
        output::json(&answer.raw)?;
    } else {
        let task = &answer.value;
        let state = paint(task.state.word(), words::task_tone(task.state), style::stdout());
        let waits = task.waits_for.as_ref().map(|why| format!(" ({})", words::clean(why))).unwrap_or_default();
        output::line(&format!("{} {state}{waits}", task.id))?;
    }
    Ok(ExitStatus::Success)
}

async fn list(api: &Api, states: &[TaskState], project: Option<&str>, all: bool, json: bool) -> Result<ExitStatus, Failure> {
    let chosen: Vec<TaskState> = match states {
        [] if all => Vec::new(),
        [] => TaskState::ALL.into_iter().filter(|state| !state.is_over()).collect(),
        states => states.to_vec(),
    };
    let mut query = format!("limit={PAGE}");
    if !chosen.is_empty() {
        let chosen: Vec<&str> = chosen.iter().map(|state| state.word()).collect();
        let _ = write!(query, "&state={}", chosen.join(","));
    }
    if let Some(project) = project {
        let _ = write!(query, "&project={}", part(project));
    }
    let mut raw: Vec<serde_json::Value> = Vec::new();
    let mut tasks: Vec<TaskView> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let from = after.map(|after| format!("&after={}", part(&after))).unwrap_or_default();
        let mut page = api.get::<Page<TaskView>>(&format!("/api/v1/tasks?{query}{from}")).await?;
        if let Some(items) = page.raw["items"].as_array_mut() {
            raw.append(items);
        }
        tasks.append(&mut page.value.items);
        after = page.value.next;
        if after.is_none() {
            break;
        }
    }
    if json {
        output::json(&raw)?;
        return Ok(ExitStatus::Success);
    }
    let now = words::now();
    let mut table = Table::new(&["TASK", "STATE", "PRIO", "PROJECT", "ACTION", "SINCE"]);
    for task in &tasks {
        let mut action = words::shortened(&words::one_line(&task.action), 200);
        let why = task.block.as_ref().map(|block| block.message.clone()).or_else(|| task.waits_for.clone());
        if let Some(why) = why.or_else(|| standing(task, now)) {
            let _ = write!(action, "\n→ {}", words::shortened(&words::one_line(&why), 200));
        }
        let priority = if task.priority == 999 { "-".to_owned() } else { task.priority.to_string() };
        table.row(vec![
            cell(task.id.clone(), Tone::Strong),
            cell(task.state.word(), words::task_tone(task.state)),
            plain(priority),
            plain(words::one_line(&task.project)),
            plain(action),
            cell(words::ago(task.updated_at, now), Tone::Faint),
        ]);
    }
    let nothing =
        if all || !states.is_empty() { "There is no such task." } else { "Nothing is to do. `--all` lists what is over, too." };
    output::line(&table.finish(nothing))?;
    Ok(ExitStatus::Success)
}

/// What the agent of a task that runs asks, or how far it says that it is.
fn standing(task: &TaskView, now: i64) -> Option<String> {
    let run = task.run.as_ref().filter(|_| task.state == TaskState::Running)?;
    let asks = run.question.as_ref().map(|asked| format!("asks: {}", asked.text));
    asks.or_else(|| run.progress.as_ref().map(|said| words::progress(said, now)))
}

/// A task in full.
pub(super) fn described(task: &TaskView) -> String {
    let colour = style::stdout();
    let now = words::now();
    let entry = |name: &str, value: &str| words::entry(name, &words::clean(value), colour);
    let mut text = String::new();
    let state = paint(task.state.word(), words::task_tone(task.state), colour);
    let _ = writeln!(text, "{} {state}", paint(&task.id, Tone::Strong, colour));
    text.push_str(&entry("project", &task.project));
    text.push_str(&entry("action", &task.action));
    if let Some(block) = &task.block {
        text.push_str(&entry("blocked", &block.message));
        text.push_str(&entry("what to do", &block.fix));
    }
    let depends_on: Vec<String> =
        task.depends_on.iter().map(|needed| words::one_line(needed.task.as_ref().unwrap_or(&needed.name))).collect();
    text.push_str(&entry("depends on", &depends_on.join(", ")));
    text.push_str(&entry("waits", task.waits_for.as_deref().unwrap_or_default()));
    text.push_str(&entry("priority", &task.priority.to_string()));
    text.push_str(&entry("deadline", task.deadline.as_deref().unwrap_or_default()));
    text.push_str(&entry("agent", task.agent.as_deref().unwrap_or_default()));
    text.push_str(&entry("model", task.model.as_deref().unwrap_or_default()));
    text.push_str(&entry("mode", task.mode.map(AgentMode::word).unwrap_or_default()));
    text.push_str(&entry("GPU", if task.needs_gpu { "needed" } else { "" }));
    text.push_str(&entry("source", task.source.as_deref().unwrap_or_default()));
    text.push_str(&entry("ticket", task.ticket.as_deref().unwrap_or_default()));
    text.push_str(&entry("at", task.source_url.as_deref().unwrap_or_default()));
    if let Some(pull) = &task.pull_request {
        text.push_str(&entry("pull request", &format!("{} ({})", pull.url, pull.state)));
    }
    text.push_str(&entry("made", &words::at(task.created_at, now)));
    text.push_str(&entry("changed", &words::at(task.updated_at, now)));
    text.push_str(&entry("attempts", &task.attempts.to_string()));
    if let Some(run) = &task.run {
        let (word, tone) = words::run_word(run.state, run.outcome);
        text.push_str(&words::entry("last run", &format!("{} {}", run.id, paint(word, tone, colour)), colour));
        text.push_str(&entry("progress", &run.progress.as_ref().map(|said| words::progress(said, now)).unwrap_or_default()));
        if let Some(asked) = &run.question {
            text.push_str(&entry("asks", &words::question(asked)));
            text.push_str(&entry("answer", &format!("strawboss run answer {} \"…\"", run.id)));
        }
        text.push_str(&entry("branch", &run.branch));
        text.push_str(&entry("used", &words::usage(&run.usage)));
        let next = match task.state {
            TaskState::Running => format!("strawboss run attach {}", run.id),
            TaskState::Review => format!("strawboss review show {}", task.id),
            _ => format!("strawboss run show {}", run.id),
        };
        text.push_str(&entry("see", &next));
    }
    text
}
