//! Backlogs as the engine reads them, with secrets from where the configuration says they are.

use super::plane;
use crate::config::settings::{Backlog, Csv, Github, GithubAccess, PlanFile, PullRequests, SecretSource, Sheets};
use crate::environment::Environment;
use crate::failure::{ExitStatus, Failure};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use strawboss_backlog::github::{Access, App, Token};
use strawboss_backlog::plan::{PlanBacklog, PlanConfig};
use strawboss_backlog::{CsvBacklog, CsvConfig, GithubBacklog, GithubConfig, GithubPulls, GithubPullsConfig, SheetsBacklog};
use strawboss_core::ProjectName;
use strawboss_core::backlog::BacklogStatus;
use strawboss_engine::Source;

/// What is needed to open any of them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opener<'a> {
    /// The configuration's file.
    pub(crate) config: &'a Path,
    /// Where a source may keep what it must know after a restart; none: it only looks.
    pub(crate) data_dir: Option<&'a Path>,
    pub(crate) environment: &'a Environment,
}

impl Opener<'_> {
    /// One, or what is wrong with it.
    pub(crate) fn open(&self, backlog: &Backlog) -> Result<Source, Failure> {
        match backlog {
            Backlog::Csv(configured) => self.csv(configured),
            Backlog::Plan(configured) => Ok(self.plan(configured)),
            Backlog::Github(configured) => self.github(configured),
            Backlog::Sheets(configured) => sheets(configured),
            Backlog::Plane(configured) => plane::open(self, configured),
        }
    }

    /// A file and the folder that it is relative to: as written, so that its name stays when the folder moves.
    fn place(&self, written: &str, file: &Path) -> (PathBuf, Option<PathBuf>) {
        let relative = !Path::new(written).is_absolute() && !written.starts_with('~');
        let named = if relative { PathBuf::from(written) } else { file.to_owned() };
        (named, self.config.parent().map(Path::to_owned).filter(|_| relative))
    }

    /// A secret from where the configuration says it is; `lacking` says of its variable why there is none.
    pub(super) fn secret(&self, from: &SecretSource, lacking: impl Fn(String, &str) -> Failure) -> Result<Token, Failure> {
        let variable = match from {
            SecretSource::File(path) => return Ok(Token::File(path.clone())),
            SecretSource::Env(variable) => variable,
        };
        let found = self.environment.secret(variable).map_err(|why| lacking(why, variable))?;
        let found = found.ok_or_else(|| lacking(format!("the variable {variable} is not set"), variable))?;
        // What stands in a file may be replaced while the service runs.
        Ok(found.file.map_or(Token::Value(found.value), Token::File))
    }

    /// What a GitHub is asked with, for whom.
    fn github_access(&self, configured: &GithubAccess, whose: &str) -> Result<Access, Failure> {
        let lacking = |what: &'static str, file: &'static str| {
            move |why: String, variable: &str| {
                Failure::new(format!("{whose} has no {what}: {why}"))
                    .fix(format!("Set {variable}, or name a file with `{file}`."))
                    .status(ExitStatus::Usage)
            }
        };
        Ok(match configured {
            GithubAccess::Token(token) => Access::Token(self.secret(token, lacking("token", "token_file"))?),
            GithubAccess::App { id, installation, key } => Access::App(App {
                id: id.clone(),
                installation: *installation,
                key: self.secret(key, lacking("key of its GitHub App", "app.key_file"))?,
            }),
        })
    }

    /// Where a project's work is proposed, or what is wrong with that.
    pub(crate) fn pull_requests(&self, project: &ProjectName, configured: &PullRequests) -> Result<GithubPulls, Failure> {
        let access = self.github_access(&configured.access, &format!("`pull_request` of the project `{project}`"))?;
        let pulls = GithubPulls::new(GithubPullsConfig {
            repository: configured.repository.clone(),
            base_url: configured.base_url.clone(),
            access,
            remote: configured.remote.clone(),
            merge: configured.merge,
            draft: configured.draft,
            poll_interval: configured.poll_interval,
        });
        pulls.map_err(|error| Failure::usage(error.to_string()))
    }

    fn csv(&self, configured: &Csv) -> Result<Source, Failure> {
        let (file, base) = self.place(&configured.written, &configured.file);
        let mut csv = CsvConfig::new(file);
        csv.base = base;
        csv.watch_interval = configured.watch_interval;
        csv.encoding.clone_from(&configured.encoding);
        csv.data_dir = self.data_dir.map(Path::to_owned);
        let read = CsvBacklog::new(csv).map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Source { backlog: Arc::new(read), in_review: configured.in_review })
    }

    fn plan(&self, configured: &PlanFile) -> Source {
        let (file, base) = self.place(&configured.written, &configured.file);
        let (watch_interval, project) = (configured.watch_interval, configured.project.clone());
        let read = PlanBacklog::new(PlanConfig { file, base, watch_interval, project });
        Source { backlog: Arc::new(read), in_review: configured.in_review }
    }

    fn github(&self, configured: &Github) -> Result<Source, Failure> {
        let access = self.github_access(&configured.access, &format!("the backlog `{}`", configured.issues.repository))?;
        let backlog = GithubBacklog::new(GithubConfig { access, ..configured.issues.clone() });
        let backlog = backlog.map_err(|error| Failure::usage(error.to_string()))?;
        Ok(Source { backlog: Arc::new(backlog), in_review: BacklogStatus::InReview })
    }
}

fn sheets(configured: &Sheets) -> Result<Source, Failure> {
    let backlog = SheetsBacklog::new(configured.worksheet.clone()).map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Source { backlog: Arc::new(backlog), in_review: configured.in_review })
}
