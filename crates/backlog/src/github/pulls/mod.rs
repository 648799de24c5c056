//! Pull requests of one GitHub repository: opened for finished work, followed, merged and closed.
//!
//! Every step looks first, so that one that was cut short and is repeated does only what is missing. What people wrote in a
//! pull request is data: only who may write to the repository can ask for changes. It decides nothing about work.

mod follow;
mod model;
mod text;

use super::access::Access;
use super::client::{Client, Failure};
use super::{GithubConfig, GithubConfigError, base_of};
use crate::remote::Pace;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use model::Pull;
use reqwest::Method;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;
use strawboss_core::Timestamp;
use strawboss_core::pull_request::{Merged, Proposal, PullRequest, PullRequestError, PullRequests, PushRemote, Standing};

/// What an App needs for pull requests and the branches of them.
const NEEDS: [super::access::Permission; 4] =
    [("contents", "write"), ("issues", "write"), ("metadata", "read"), ("pull_requests", "write")];

/// How GitHub merges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MergeMethod {
    /// With a merge commit.
    #[default]
    Merge,
    /// As one commit.
    Squash,
    /// Commit by commit.
    Rebase,
}

impl MergeMethod {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Merge, Self::Squash, Self::Rebase];

    /// GitHub's word, and the configuration's.
    pub fn word(self) -> &'static str {
        match self {
            Self::Merge => "merge",
            Self::Squash => "squash",
            Self::Rebase => "rebase",
        }
    }
}

/// Where pull requests are opened, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubPullsConfig {
    /// `owner/name`.
    pub repository: String,
    /// Where the API is: [`super::GITHUB_COM`], or `https://HOST/api/v3`.
    pub base_url: String,
    /// What it is asked with.
    pub access: Access,
    /// Where git pushes to with its own credentials; none: to the repository over HTTPS, with what the API is asked with.
    pub remote: Option<String>,
    /// How it merges.
    pub merge: MergeMethod,
    /// Whether they are opened as drafts.
    pub draft: bool,
    /// How often they are looked at.
    pub poll_interval: Duration,
}

/// See the module.
#[derive(Debug)]
pub struct GithubPulls {
    name: String,
    config: GithubPullsConfig,
    client: Client,
    pace: Pace,
    /// The last answers with their ETags, by path: what did not change costs nothing.
    seen: tokio::sync::Mutex<HashMap<String, (String, crate::remote::Answer)>>,
}

impl GithubPulls {
    /// The pull requests of this repository; nothing is asked for yet.
    pub fn new(config: GithubPullsConfig) -> Result<Self, GithubConfigError> {
        if !GithubConfig::is_repository(&config.repository) {
            return Err(GithubConfigError::Repository(config.repository));
        }
        let base = base_of(&config.base_url)?;
        Ok(Self {
            name: format!("github:{}", config.repository),
            client: Client::new(base, config.access.clone(), &config.repository, &NEEDS).map_err(GithubConfigError::Client)?,
            pace: Pace::new(config.poll_interval),
            seen: tokio::sync::Mutex::default(),
            config,
        })
    }

    /// Whether it can be asked and may be written to, in words for a person.
    pub async fn check(&self) -> Result<String, PullRequestError> {
        let repository = &self.config.repository;
        let what = || format!("look at {repository} for pull requests");
        let place: model::Whole = match self.client.get(&self.pace, &self.path("")).await.and_then(|answer| Ok(answer.json()?)) {
            Ok(place) => place,
            Err(failure) => return Err(self.error(what(), &failure)),
        };
        let may_not =
            |why: &str, fix: &str| PullRequestError { what: what(), why: why.to_owned(), fix: fix.to_owned(), is_general: true };
        if place.archived {
            return Err(may_not("it is archived", "Lift that in its settings, or name another repository."));
        }
        // An App is not told; its token was asked for with what is needed.
        if place.permissions.is_some_and(|may| !may.push) && matches!(self.config.access, Access::Token(_)) {
            let fix = "Give the token's owner the right to push, and the token `Contents: read and write`.";
            return Err(may_not("the token may not push to it", fix));
        }
        Ok(format!("pull requests are opened on {repository}"))
    }

    fn path(&self, rest: &str) -> String {
        format!("/repos/{}{rest}", self.config.repository)
    }

    async fn send(&self, method: Method, path: &str, body: &serde_json::Value) -> Result<crate::remote::Answer, Failure> {
        let address = self.client.address(&self.path(path));
        self.client.call(&self.pace, method, &address, Some(body), None).await
    }

    async fn pull(&self, number: u64) -> Result<Pull, Failure> {
        Ok(self.client.get(&self.pace, &self.path(&format!("/pulls/{number}"))).await?.json()?)
    }

    /// The open pull request of a branch.
    async fn open_of(&self, branch: &str) -> Result<Option<Pull>, Failure> {
        let owner = self.config.repository.split('/').next().unwrap_or_default();
        let path = self.path(&format!("/pulls?state=open&per_page=100&head={owner}:{branch}"));
        let pulls: Vec<Pull> = self.client.get(&self.pace, &path).await?.json()?;
        // A server that does not know the query gives others as well.
        Ok(pulls.into_iter().find(|pull| pull.head.name == branch && pull.is_of(&self.config.repository)))
    }

    async fn propose_once(&self, proposal: &Proposal) -> Result<PullRequest, Failure> {
        let body = text::body(proposal, &self.config.repository);
        let pull = if let Some(pull) = self.open_of(&proposal.branch).await? {
            self.update(pull, proposal, &body).await?
        } else {
            let wanted = json!({
                "title": proposal.title,
                "head": proposal.branch,
                "base": proposal.base,
                "body": body,
                "draft": self.config.draft,
            });
            match self.send(Method::POST, "/pulls", &wanted).await {
                Ok(answer) => answer.json()?,
                // One that was made while we looked.
                Err(Failure::Refused(422, said)) if said.contains("already exists") => {
                    let there = self.open_of(&proposal.branch).await?;
                    self.update(there.ok_or(Failure::Refused(422, said))?, proposal, &body).await?
                }
                Err(failure) => return Err(failure),
            }
        };
        // People follow it.
        if !["https://", "http://"].iter().any(|scheme| pull.html_url.starts_with(scheme)) {
            return Err(Failure::NotJson("its answer names no address of the pull request".to_owned()));
        }
        Ok(PullRequest { number: pull.number, url: pull.html_url })
    }

    /// Brings one up to date: our part of its description, and what it shall be merged into. The rest is people's.
    async fn update(&self, pull: Pull, proposal: &Proposal, body: &str) -> Result<Pull, Failure> {
        let now = pull.body.as_deref().unwrap_or_default();
        let mut changes = serde_json::Map::new();
        if let Some(wanted) = text::merged(now, body, proposal).filter(|wanted| wanted != now) {
            changes.insert("body".to_owned(), json!(wanted));
        }
        if pull.base.name != proposal.base {
            changes.insert("base".to_owned(), json!(proposal.base));
        }
        if changes.is_empty() {
            return Ok(pull);
        }
        Ok(self.send(Method::PATCH, &format!("/pulls/{}", pull.number), &changes.into()).await?.json()?)
    }

    fn error(&self, what: String, failure: &Failure) -> PullRequestError {
        let repository = &self.config.repository;
        let (why, fix) = match failure {
            Failure::Forbidden(said) => (
                format!("{repository} may not be written to (403: {said})"),
                "Give the token or the App `Contents: read and write` and `Pull requests: read and write` on it.".to_owned(),
            ),
            Failure::Refused(422, said) => (
                format!("GitHub refused it (422: {said})"),
                "Check that the target branch is there under the same name, and what it says.".to_owned(),
            ),
            failure => failure.words(repository),
        };
        let is_general = !matches!(failure, Failure::Forbidden(_) | Failure::NotFound | Failure::Gone | Failure::Refused(..));
        PullRequestError { what, why, fix, is_general }
    }

    async fn close_once(&self, number: u64, why: &str) -> Result<(), Failure> {
        if self.pull(number).await?.state != "open" {
            return Ok(());
        }
        let closed: Pull = self.send(Method::PATCH, &format!("/pulls/{number}"), &json!({ "state": "closed" })).await?.json()?;
        if closed.state != "closed" {
            return Err(Failure::NotJson("its answer does not show that the pull request is closed".to_owned()));
        }
        // Closed is what counts; the word on it is for people, and one that is lost is not said twice.
        let said = self.send(Method::POST, &format!("/issues/{number}/comments"), &json!({ "body": text::closed(why) })).await;
        if let Err(failure) = said {
            tracing::info!(number, why = ?failure, "a pull request was closed without a comment");
        }
        Ok(())
    }
}

/// Where git finds a repository of a GitHub whose API is there.
fn git_address(base: &str, repository: &str) -> String {
    let host = match base.trim_end_matches('/') {
        super::GITHUB_COM => "https://github.com",
        other => other.strip_suffix("/api/v3").unwrap_or(other),
    };
    format!("{host}/{repository}.git")
}

#[async_trait::async_trait]
impl PullRequests for GithubPulls {
    fn name(&self) -> &str {
        &self.name
    }

    async fn due(&self, went_well: bool) {
        if went_well {
            self.pace.went_well();
        } else {
            self.pace.failed();
        }
        self.pace.due().await;
    }

    async fn remote(&self) -> Result<PushRemote, PullRequestError> {
        if let Some(url) = &self.config.remote {
            return Ok(PushRemote { url: url.clone(), authorization: None });
        }
        let token = self.client.token(&self.pace).await;
        let token = token.map_err(|failure| self.error(format!("push to {}", self.config.repository), &failure))?;
        let credentials = STANDARD.encode(format!("x-access-token:{token}"));
        let url = git_address(&self.config.base_url, &self.config.repository);
        Ok(PushRemote { url, authorization: Some(format!("Basic {credentials}")) })
    }

    async fn propose(&self, proposal: &Proposal) -> Result<PullRequest, PullRequestError> {
        let what = || format!("open a pull request of {} for {}", self.config.repository, proposal.branch);
        self.propose_once(proposal).await.map_err(|failure| self.error(what(), &failure))
    }

    fn knows(&self, url: &str) -> bool {
        let path = url.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map(|(_, path)| path.to_lowercase());
        path.is_some_and(|path| path.starts_with(&format!("{}/pull/", self.config.repository.to_lowercase())))
    }

    async fn standing(&self, number: u64, heard: Option<Timestamp>) -> Result<Standing, PullRequestError> {
        let what = || format!("look at the pull request #{number} of {}", self.config.repository);
        self.look(number, heard).await.map_err(|failure| self.error(what(), &failure))
    }

    async fn merge(&self, number: u64, head: &str, base: &str) -> Result<Merged, PullRequestError> {
        let what = || format!("merge the pull request #{number} of {}", self.config.repository);
        self.merge_once(number, head, base).await.map_err(|failure| self.error(what(), &failure))
    }

    async fn close(&self, number: u64, why: &str) -> Result<(), PullRequestError> {
        let what = || format!("close the pull request #{number} of {}", self.config.repository);
        self.close_once(number, why).await.map_err(|failure| self.error(what(), &failure))
    }
}

#[cfg(test)]
mod tests {
    use super::git_address;

    #[test]
    fn branches_are_pushed_to_where_the_api_is() {
        assert_eq!(git_address("https://api.github.com", "acme/horn"), "https://github.com/acme/horn.git");
        assert_eq!(git_address("https://hub.example.org/api/v3/", "acme/horn"), "https://hub.example.org/acme/horn.git");
    }
}
