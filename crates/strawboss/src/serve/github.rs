//! GitHub issues as the engine reads them, with the token from where the configuration says it is.

use crate::config::settings::{Github, SecretSource};
use crate::environment::Environment;
use crate::failure::{ExitStatus, Failure};
use std::sync::Arc;
use strawboss_backlog::github::Token;
use strawboss_backlog::{GithubBacklog, GithubConfig};
use strawboss_core::backlog::BacklogStatus;
use strawboss_engine::Source;

/// One, or what is wrong with it.
pub(crate) fn source(configured: &Github, environment: &Environment) -> Result<Source, Failure> {
    let token = match &configured.token {
        SecretSource::File(path) => Token::File(path.clone()),
        SecretSource::Env(variable) => {
            let lacking = |why: String| {
                Failure::new(format!("the backlog `{}` has no token: {why}", configured.issues.repository))
                    .fix(format!("Set {variable}, or name a file with `token_file`."))
                    .status(ExitStatus::Usage)
            };
            let found = environment.secret(variable).map_err(&lacking)?;
            let found = found.ok_or_else(|| lacking(format!("the variable {variable} is not set")))?;
            // What stands in a file may be replaced while the service runs.
            found.file.map_or(Token::Value(found.value), Token::File)
        }
    };
    let backlog = GithubBacklog::new(GithubConfig { token, ..configured.issues.clone() });
    let backlog = backlog.map_err(|error| Failure::usage(error.to_string()))?;
    Ok(Source { backlog: Arc::new(backlog), in_review: BacklogStatus::InReview })
}
