//! The command line: what there is, and who does it.

use crate::commands::{
    account, agent, config, db, docker_proxy, doctor, init, logs, mock_model, plan, project, retention, review, run, session,
    status, task, token,
};
use crate::context::{Context, Global};
use crate::environment::Environment;
use crate::failure::{ExitStatus, Failure, io};
use crate::output::{self, style};
use crate::{logging, serve};
use clap::{CommandFactory as _, Parser, Subcommand};

/// Takes a backlog, runs a crew of coding agents on it, each in a sandbox of its own, and hands back finished, checked
/// branches to review
#[derive(Debug, Parser)]
#[command(
    name = "strawboss",
    version,
    max_term_width = 120,
    disable_help_subcommand = true,
    after_help = "\
Start:
  strawboss init                    in your repository's folder
  strawboss doctor                  what is missing, and how to mend it
  strawboss serve                   the service and its dashboard

Exit codes: 0 done, 1 not done, 2 wrong command line or configuration, 3 no answer, 4 not allowed, 5 no such thing,
6 not in this state, 130 interrupted. docs/cli.md says more."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::InitArgs),
    Serve(serve::ServeArgs),
    Doctor(doctor::DoctorArgs),
    Status(status::StatusArgs),
    Task(task::TaskArgs),
    Run(run::RunArgs),
    Review(review::ReviewArgs),
    Plan(plan::PlanArgs),
    Logs(logs::LogsArgs),
    Session(session::SessionArgs),
    Project(project::ProjectArgs),
    Agent(agent::AgentArgs),
    Retention(retention::RetentionArgs),
    Token(token::TokenArgs),
    Account(account::AccountArgs),
    Config(config::ConfigArgs),
    Db(db::DbArgs),
    /// Print the API's description
    Openapi,
    MockModel(mock_model::MockModelArgs),
    DockerProxy(docker_proxy::DockerProxyArgs),
    /// Print a shell's completion script
    #[command(after_help = "Example:\n  strawboss completion bash >/etc/bash_completion.d/strawboss")]
    Completion {
        /// Which shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Reads the command line and does what it says.
pub(crate) fn main() -> Result<ExitStatus, Failure> {
    let cli = Cli::parse();
    style::choose(cli.global.color);
    let context = Context { global: cli.global, environment: Environment::of_process() };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(io("start the runtime"))?;
    // Refused only when it is installed already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let done = runtime.block_on(carry_out(cli.command, &context));
    // Blocking work that nobody waits for must not hold up the end.
    runtime.shutdown_background();
    done
}

async fn carry_out(command: Command, context: &Context) -> Result<ExitStatus, Failure> {
    if !matches!(command, Command::Serve(_) | Command::MockModel(_) | Command::DockerProxy(_)) {
        logging::start_for_command(&context.environment);
    }
    match command {
        Command::Init(args) => init::run(args, context).await,
        Command::Serve(args) => serve::run(args, context).await,
        Command::Doctor(args) => doctor::run(args, context).await,
        Command::Status(args) => status::run(args, context).await,
        Command::Task(args) => task::run(args, context).await,
        Command::Run(args) => run::run(args, context).await,
        Command::Review(args) => review::run(args, context).await,
        Command::Plan(args) => plan::run(args, context).await,
        Command::Logs(args) => logs::run(args, context).await,
        Command::Session(args) => session::run(args, context).await,
        Command::Project(args) => project::run(args, context).await,
        Command::Agent(args) => agent::run(args, context).await,
        Command::Retention(args) => retention::run(args, context).await,
        Command::Token(args) => token::run(args, context).await,
        Command::Account(args) => account::run(args, context).await,
        Command::Config(args) => config::run(args, context).await,
        Command::Db(args) => db::run(args, context).await,
        Command::MockModel(args) => mock_model::run(args, context).await,
        Command::DockerProxy(args) => docker_proxy::run(args, context).await,
        Command::Openapi => {
            let text = strawboss_server::openapi::openapi_json()
                .map_err(|error| Failure::new(format!("could not write the description: {error}")))?;
            output::print(&text)?;
            Ok(ExitStatus::Success)
        }
        Command::Completion { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "strawboss", &mut script);
            output::bytes(&script)?;
            Ok(ExitStatus::Success)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use crate::failure::ExitStatus;
    use clap::{Command, CommandFactory as _};
    use std::fmt::Write as _;
    use std::path::Path;

    fn describe(command: &mut Command, path: &str, level: usize, text: &mut String) {
        let path = if path.is_empty() { command.get_name().to_owned() } else { format!("{path} {}", command.get_name()) };
        let help = command.clone().bin_name(&path).render_long_help().to_string();
        let help: Vec<&str> = help.lines().map(str::trim_end).collect();
        let _ = writeln!(text, "{} {path}\n\n```text\n{}\n```\n", "#".repeat(level.min(3)), help.join("\n").trim_end());
        for inner in command.get_subcommands_mut() {
            describe(inner, &path, level + 1, text);
        }
    }

    fn document() -> String {
        let mut text = String::from(
            "# The command line\n\nMade from the program's own help; a test compares the two. Variables: [environment.md](environment.md).\n\n\
             ## Exit codes\n\n| Code | Meaning |\n|---|---|\n",
        );
        for (status, meaning) in ExitStatus::ALL {
            let _ = writeln!(text, "| {} | {meaning} |", status.code());
        }
        text.push_str(
            "\nAnswers go to standard output, everything else to standard error. Every list and show has `--json`; times in it are\n\
             milliseconds since 1970 UTC. Colours follow `--color`, `NO_COLOR` and whether there is a terminal.\n\n",
        );
        let mut command = Cli::command().term_width(100);
        command.build();
        describe(&mut command, "", 2, &mut text);
        text.truncate(text.trim_end().len());
        text.push('\n');
        text
    }

    #[test]
    fn the_page_says_what_the_help_says() {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/cli.md");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&page, document()).unwrap();
        }
        assert_eq!(std::fs::read_to_string(&page).unwrap_or_default(), document(), "run the test again with UPDATE_DOCS=1");
    }

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    /// Every list and show can be read by programs.
    #[test]
    fn lists_and_shows_have_json() {
        fn look(command: &Command, path: &str) {
            for inner in command.get_subcommands() {
                let path = format!("{path} {}", inner.get_name());
                let shows = matches!(inner.get_name(), "list" | "show" | "status" | "doctor" | "diff");
                assert!(!shows || inner.get_arguments().any(|argument| argument.get_id() == "json"), "{path} has no --json");
                look(inner, &path);
            }
        }
        look(&Cli::command(), "");
    }
}
