//! How a pull request stands, what its reviewers ask for, and merging it.

use super::super::client::Failure;
use super::model::{Closing, MergeAnswer, Permission, Pull, Remark, Review};
use super::{GithubPulls, text};
use crate::remote::{Answer, link_next};
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::json;
use std::collections::BTreeMap;
use strawboss_core::Timestamp;
use strawboss_core::pull_request::{ChangesRequested, Merged, Standing};

/// How many pages of reviews, or of a review's comments, are read.
const PAGES: usize = 20;
/// How many answers are remembered; past that all are asked for anew.
const SEEN_LIMIT: usize = 2000;

impl GithubPulls {
    /// Asks for something that was mostly asked for before.
    async fn again(&self, address: &str) -> Result<Answer, Failure> {
        let known = self.seen.lock().await.get(address).cloned();
        let etag = known.as_ref().map(|(etag, _)| etag.as_str());
        let answer = self.client.call(&self.pace, Method::GET, address, None, etag).await?;
        if let (StatusCode::NOT_MODIFIED, Some((_, before))) = (answer.status, known) {
            return Ok(before);
        }
        if let Some(etag) = answer.header("etag").map(str::to_owned) {
            let mut seen = self.seen.lock().await;
            if seen.len() >= SEEN_LIMIT {
                seen.clear();
            }
            seen.insert(address.to_owned(), (etag, answer.clone()));
        }
        Ok(answer)
    }

    async fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let mut address = self.client.address(&self.path(path));
        let mut all = Vec::new();
        for _ in 0..PAGES {
            let answer = self.again(&address).await?;
            all.extend(answer.json::<Vec<T>>()?);
            match link_next(&answer).filter(|next| self.client.is_ours(next)) {
                Some(next) => address = next,
                None => break,
            }
        }
        Ok(all)
    }

    /// How one stands.
    pub(super) async fn look(&self, number: u64, heard: Option<Timestamp>) -> Result<Standing, Failure> {
        let address = self.client.address(&self.path(&format!("/pulls/{number}")));
        let pull: Pull = self.again(&address).await?.json()?;
        if pull.merged {
            return Ok(Standing::Merged { commit: pull.merge_commit_sha.unwrap_or(pull.head.sha) });
        }
        if pull.state != "open" {
            return Ok(Standing::Closed { by: self.closed_by(number).await });
        }
        Ok(Standing::Open { changes: self.changes(&pull, heard).await? })
    }

    /// Who closed it; nothing depends on it.
    async fn closed_by(&self, number: u64) -> Option<String> {
        let answer = self.client.get(&self.pace, &self.path(&format!("/issues/{number}"))).await.ok()?;
        Some(answer.json::<Closing>().ok()?.closed_by?.login)
    }

    /// What those who may write to the repository ask for and did not take back, if any of it came after `heard`.
    async fn changes(&self, pull: &Pull, heard: Option<Timestamp>) -> Result<Option<ChangesRequested>, Failure> {
        let reviews: Vec<Review> = self.all(&format!("/pulls/{}/reviews?per_page=100", pull.number)).await?;
        let mut by_login: BTreeMap<String, Vec<Review>> = BTreeMap::new();
        for review in reviews {
            let Some(login) = review.user.as_ref().map(|user| user.login.clone()) else { continue };
            if matches!(review.state.as_str(), "APPROVED" | "CHANGES_REQUESTED" | "DISMISSED") {
                by_login.entry(login).or_default().push(review);
            }
        }
        let mut asked = Vec::new();
        for (login, mut reviews) in by_login {
            // A review has its number from when it was begun, and counts from when it was submitted.
            reviews.sort_by_key(Review::at);
            let asks = reviews.last().is_some_and(Review::asks_for_changes);
            reviews.retain(|review| review.asks_for_changes() && heard.is_none_or(|heard| review.at() > heard));
            if !asks || reviews.is_empty() || !self.may_write(&login).await? {
                continue;
            }
            for review in reviews {
                let remarks: Vec<Remark> =
                    self.all(&format!("/pulls/{}/reviews/{}/comments?per_page=100", pull.number, review.id)).await?;
                asked.push((login.clone(), review, remarks));
            }
        }
        let newest = asked.iter().map(|(_, review, _)| review.at()).max();
        Ok(newest.map(|at| ChangesRequested { at, text: text::changes(&pull.html_url, &asked) }))
    }

    /// Whether somebody may write to the repository, by GitHub's own word: what an author is called says less.
    async fn may_write(&self, login: &str) -> Result<bool, Failure> {
        let sound = login.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
        if !sound {
            return Ok(false);
        }
        let address = self.client.address(&self.path(&format!("/collaborators/{login}/permission")));
        match self.again(&address).await {
            Ok(answer) => Ok(matches!(answer.json::<Permission>()?.permission.as_str(), "admin" | "write")),
            Err(Failure::NotFound) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// Merges it, if GitHub lets us.
    pub(super) async fn merge_once(&self, number: u64, head: &str, base: &str) -> Result<Merged, Failure> {
        let pull = self.pull(number).await?;
        let url = &pull.html_url;
        let refused = |why: String| Ok(Merged::Refused(why));
        if pull.merged {
            return Ok(Merged::At(pull.merge_commit_sha.unwrap_or(pull.head.sha)));
        }
        if pull.state != "open" {
            return refused(format!("The pull request {url} is closed. Open it again there, or discard the work."));
        }
        if pull.draft {
            return refused(format!("The pull request {url} is a draft. Mark it ready for review there, then approve again."));
        }
        if pull.head.sha != head {
            return refused(format!(
                "The branch of {url} is at {}, which was not checked here: somebody pushed to it. Merge it there if that is what you want.",
                text::short(&pull.head.sha)
            ));
        }
        if pull.base.name != base {
            return refused(format!(
                "The pull request {url} goes into `{}` by now, not into `{base}`. Merge it there if that is what you want, or set it back.",
                pull.base.name
            ));
        }
        let method = self.config.merge.word();
        let wanted = json!({ "merge_method": method, "sha": head });
        match self.send(Method::PUT, &format!("/pulls/{number}/merge"), &wanted).await {
            Ok(answer) => Ok(Merged::At(answer.json::<MergeAnswer>()?.sha)),
            Err(Failure::Refused(405 | 409, said)) if said.contains("Base branch was modified") => {
                Err(Failure::Refused(405, said))
            }
            Err(Failure::Refused(status @ (405 | 409 | 422), said)) => {
                let fix = match pull.mergeable_state.as_str() {
                    "dirty" => "It conflicts with its target: send it back with a word on how to resolve that".to_owned(),
                    "behind" => "Its target moved, and a rule wants it up to date: update the branch there".to_owned(),
                    "blocked" | "unstable" => "A rule of the branch wants more, reviews or checks: see there".to_owned(),
                    _ if said.to_lowercase().contains("method") || said.contains("merges are not allowed") => {
                        format!("The repository does not take `{method}`: set `pull_request.merge` of the project to another")
                    }
                    _ => "See there what it waits for".to_owned(),
                };
                refused(format!("GitHub does not merge {url} ({status}: {said}). {fix}, then approve again."))
            }
            Err(Failure::Forbidden(said)) => refused(format!(
                "GitHub does not let us merge {url} (403: {said}). Merge it there, or give the token or the App \
                 `Contents: read and write` and a place among those who may merge, then approve again."
            )),
            Err(failure) => Err(failure),
        }
    }
}
