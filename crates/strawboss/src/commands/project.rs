//! `strawboss project …`

use crate::client::Api;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure};
use crate::output::style::{self, Tone, paint};
use crate::output::table::{Table, cell, plain};
use crate::output::{self, words};
use strawboss_protocol::api::ProjectView;

/// See projects
#[derive(Debug, clap::Args)]
pub(crate) struct ProjectArgs {
    #[command(subcommand)]
    command: ProjectCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ProjectCommand {
    /// List projects as configured, with what is wrong with their repositories
    #[command(visible_alias = "ls")]
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Show one project
    Show {
        /// Its name
        #[arg(value_name = "NAME")]
        name: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Does what `project` says.
pub(crate) async fn run(args: ProjectArgs, context: &Context) -> Result<ExitStatus, Failure> {
    let api = Api::of(context)?;
    let answer = api.get::<Vec<ProjectView>>("/api/v1/projects").await?;
    match args.command {
        ProjectCommand::List { json: true } => output::json(&answer.raw)?,
        ProjectCommand::List { json: false } => {
            let mut table = Table::new(&["PROJECT", "AGENT", "BRANCH", "APPROVAL", "REVIEW", "REPOSITORY", "PROBLEM"]);
            for project in &answer.value {
                table.row(vec![
                    cell(words::one_line(&project.name), Tone::Strong),
                    plain(project.agent.clone()),
                    plain(project.branch.as_deref().map_or_else(|| "(HEAD)".to_owned(), words::one_line)),
                    plain(project.approval.clone()),
                    plain(project.review.clone()),
                    plain(words::one_line(&project.repository)),
                    cell(project.problem.as_deref().map(words::clean).unwrap_or_default(), Tone::Bad),
                ]);
            }
            output::line(&table.finish("No project is configured: add one under `projects:` in strawboss.yaml."))?;
        }
        ProjectCommand::Show { name, json } => {
            let found = answer.value.iter().position(|project| project.name == name);
            let Some(at) = found else {
                let known: Vec<&str> = answer.value.iter().map(|project| project.name.as_str()).collect();
                return Err(Failure::new(format!("there is no project `{name}`"))
                    .fix(crate::config::suggest::hint(&name, &known))
                    .status(ExitStatus::NotFound));
            };
            if json { output::json(&answer.raw[at])? } else { output::print(&described(&answer.value[at]))? }
        }
    }
    Ok(ExitStatus::Success)
}

fn described(project: &ProjectView) -> String {
    let colour = style::stdout();
    let entry = |name: &str, value: &str| words::entry(name, &words::clean(value), colour);
    let mut text = format!("{}\n", paint(&words::one_line(&project.name), Tone::Strong, colour));
    text.push_str(&entry("problem", project.problem.as_deref().unwrap_or_default()));
    text.push_str(&entry("repository", &project.repository));
    text.push_str(&entry("branch", project.branch.as_deref().unwrap_or("the repository's HEAD")));
    text.push_str(&entry("agent", &project.agent));
    text.push_str(&entry("image", project.image.as_deref().unwrap_or("the default one")));
    text.push_str(&entry("approval", &project.approval));
    text.push_str(&entry("review", &project.review));
    for check in &project.checks {
        text.push_str(&entry("check", check));
    }
    let allow = if project.allow.is_empty() { "nothing but model and git".to_owned() } else { project.allow.join(", ") };
    text.push_str(&entry("may reach", &allow));
    text
}
