//! `strawboss init`: a first configuration from what is in a folder. It writes two files, and never over one.

mod detect;
mod write;

use crate::config;
use crate::context::Context;
use crate::failure::{ExitStatus, Failure, io};
use crate::output;
use crate::output::style::{self, Tone, paint};
use detect::Found;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// The sample backlog's name.
const BACKLOG: &str = "priorities.csv";

/// Write a first strawboss.yaml and priorities.csv from what is in a folder
#[derive(Debug, clap::Args)]
#[command(after_help = "\
It looks at languages, lock files, branches and test commands, and writes over nothing. The sample row is Paused: nothing
starts until you change it.

Examples:
  strawboss init
  strawboss init ~/Projects/antenna")]
pub(crate) struct InitArgs {
    /// The repository's folder
    #[arg(value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
    /// The project's name, instead of the folder's
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
}

/// Looks and writes.
pub(crate) async fn run(args: InitArgs, _context: &Context) -> Result<ExitStatus, Failure> {
    let folder = args.folder.canonicalize().map_err(io(format_args!("enter {}", args.folder.display())))?;
    if !folder.is_dir() {
        return Err(Failure::usage(format!("{} is no folder", folder.display())).fix("Name your repository's folder."));
    }
    let yaml = folder.join(config::FILE);
    if yaml.exists() {
        return Err(Failure::new(format!("{} is there already; it was not touched", yaml.display()))
            .fix("Change it by hand (`strawboss config check` looks at it), or move it away first.")
            .status(ExitStatus::Conflict));
    }
    let found = detect::look(&folder, args.name).await?;
    let csv = folder.join(BACKLOG);
    let csv_is_new = !csv.exists();
    create(&yaml, &write::yaml(&found))?;
    if csv_is_new {
        create(&csv, &write::csv(&found))?;
    }
    say(&folder, &found, csv_is_new)?;
    Ok(ExitStatus::Success)
}

/// Writes a file that must not be there yet.
fn create(path: &Path, text: &str) -> Result<(), Failure> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .open(path)
        .map_err(io(format_args!("write {}", path.display())))?;
    file.write_all(text.as_bytes()).map_err(io(format_args!("write {}", path.display())))
}

fn say(folder: &Path, found: &Found, csv_is_new: bool) -> Result<(), Failure> {
    let colour = style::stdout();
    let mut text = format!("Wrote {}", folder.join(config::FILE).display());
    if csv_is_new {
        let _ = write!(text, " and {BACKLOG}");
    } else {
        let _ = write!(text, "; {BACKLOG} was there and was not touched");
    }
    text.push_str(".\n");
    let what: Vec<&str> = found.languages.iter().map(|language| language.name).collect();
    if what.is_empty() {
        text.push_str("No language was recognised: add `checks:` that prove work, and an `image:` with what they need.\n");
    } else {
        let _ = writeln!(text, "Recognised: {}.", what.join(", "));
    }
    for problem in &found.problems {
        let _ = writeln!(text, "{} {problem}", paint("Before you start:", Tone::Doubt, colour));
    }
    text.push_str("\nNext:\n");
    let steps = [
        ("$EDITOR strawboss.yaml", "look it over"),
        ("strawboss agent install claude", "once per machine"),
        ("export ANTHROPIC_API_KEY=…", "or a provider of your own"),
        ("strawboss doctor", "what is missing, and how to mend it"),
        ("strawboss serve", "then set the row in priorities.csv to Pending"),
    ];
    for (command, why) in steps {
        let _ = writeln!(text, "  {command:<32}{}", paint(&format!("# {why}"), Tone::Faint, colour));
    }
    output::print(&text)
}

#[cfg(test)]
mod tests;
