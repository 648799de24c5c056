//! Writes how a task stands to its issue: a comment on how work ended, the label of its status, closed when it is done.
//!
//! Each step looks first, so that a write that was cut short and is repeated does only what is missing.

use super::GithubBacklog;
use super::client::Failure;
use super::model::{Comment, Issue, Label};
use super::text;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::json;
use strawboss_core::backlog::{BacklogStatus, Report, WriteBack, WriteOutcome};

/// How many pages of comments are looked through for our own.
const COMMENT_PAGES: u64 = 50;

impl GithubBacklog {
    /// Writes one.
    pub(super) async fn write(&self, write: &WriteBack) -> Result<WriteOutcome, Failure> {
        let number = write.native_ref.rsplit_once('#').and_then(|(_, number)| number.parse::<u64>().ok());
        let Some(number) = number.filter(|number| self.native_ref(*number) == write.native_ref) else {
            return Ok(WriteOutcome::RowGone);
        };
        let Some(issue) = self.issue(number).await? else { return Ok(WriteOutcome::RowGone) };
        // Whatever a person did meanwhile: how work ended is news, and moves nothing.
        for (status, report) in write.reports() {
            self.tell(&issue, status, report).await?;
        }
        if Self::overtaken(write.known, self.labels.status(&issue), write.status) {
            return Ok(WriteOutcome::Overtaken);
        }
        // What a person closed stays so where completing does not close.
        let closed = write.status == BacklogStatus::Completed && (self.config.done_close || issue.is_closed());
        // Cut short anywhere, the issue says what it said before or what it shall: a third would be a person's word.
        if closed && !issue.is_closed() {
            self.set_state(number, "closed", "completed").await?;
        }
        self.label(&issue, write.status).await?;
        if !closed && issue.is_closed() {
            self.set_state(number, "open", "reopened").await?;
        }
        Ok(WriteOutcome::Written)
    }

    async fn set_state(&self, number: u64, state: &str, reason: &str) -> Result<(), Failure> {
        let body = json!({ "state": state, "state_reason": reason });
        let now: Issue = self.send(Method::PATCH, &format!("/issues/{number}"), &body).await?;
        shown(now.state == state)
    }

    /// Writes something, and reads what it is now: a proxy may answer with a page of its own and 200, which is no write.
    async fn send<T: DeserializeOwned>(&self, method: Method, path: &str, body: &serde_json::Value) -> Result<T, Failure> {
        let address = self.client.address(&self.path(path));
        Ok(self.client.call(&self.pace, method, &address, Some(body), None).await?.json()?)
    }

    /// Says how a run's work ended: one comment a run, rewritten when more is known.
    async fn tell(&self, issue: &Issue, status: BacklogStatus, report: &Report) -> Result<(), Failure> {
        let body = text::comment(status, report);
        let (method, path) = match self.own_comment(issue, report).await? {
            Some(ours) if ours.body.as_deref().is_some_and(|said| said.trim_end() == body.trim_end()) => return Ok(()),
            Some(ours) => (Method::PATCH, format!("/issues/comments/{}", ours.id)),
            None => (Method::POST, format!("/issues/{}/comments", issue.number)),
        };
        self.send::<Comment>(method, &path, &json!({ "body": body })).await.map(drop)
    }

    /// Our comment about a run, the newest pages first.
    async fn own_comment(&self, issue: &Issue, report: &Report) -> Result<Option<Comment>, Failure> {
        let own = self.own_login().await?;
        let last = issue.comments.div_ceil(100);
        // One that was made since the issue was read is on the page after.
        for page in (last.saturating_sub(COMMENT_PAGES).max(1)..=last + 1).rev() {
            let path = self.path(&format!("/issues/{}/comments?per_page=100&page={page}", issue.number));
            let comments: Vec<Comment> = self.client.get(&self.pace, &path).await?.json()?;
            let about = |comment: &Comment| text::is_about(comment.body.as_deref().unwrap_or_default(), report);
            if let Some(ours) = comments.into_iter().rfind(|comment| about(comment) && Self::is_own(comment, own)) {
                return Ok(Some(ours));
            }
        }
        Ok(None)
    }

    /// Gives an issue the label of its status and takes the others of ours from it.
    async fn label(&self, issue: &Issue, status: BacklogStatus) -> Result<(), Failure> {
        let wanted = self.labels.of(status);
        // First the new one: a reading in between sees one of the two.
        if let Some((name, colour)) = wanted.as_ref().filter(|(name, _)| !issue.has_label(name)) {
            let made = json!({ "name": name, "color": colour, "description": "Where Strawboss stands with it" });
            match self.send::<Label>(Method::POST, "/labels", &made).await {
                // 422: it is there.
                Ok(_) | Err(Failure::Refused(422, _)) => {}
                Err(failure) => return Err(failure),
            }
            let path = format!("/issues/{}/labels", issue.number);
            let now: Vec<Label> = self.send(Method::POST, &path, &json!({ "labels": [name] })).await?;
            shown(!now.is_empty())?;
        }
        let keeps = |name: &str| wanted.as_ref().is_some_and(|(wanted, _)| wanted.eq_ignore_ascii_case(name));
        for name in self.labels.all().iter().filter(|name| issue.has_label(name) && !keeps(name)) {
            let mut url = reqwest::Url::parse(&self.client.address(&self.path(&format!("/issues/{}/labels", issue.number))))
                .map_err(|error| Failure::NotJson(error.to_string()))?;
            if let Ok(mut segments) = url.path_segments_mut() {
                segments.push(name);
            }
            match self.client.call(&self.pace, Method::DELETE, url.as_str(), None, None).await {
                Ok(answer) => drop(answer.json::<Vec<Label>>()?),
                // Somebody else took it away.
                Err(Failure::NotFound) => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(())
    }
}

/// Whether an answer shows what was asked for; else it is none of GitHub's.
fn shown(shown: bool) -> Result<(), Failure> {
    if shown { Ok(()) } else { Err(Failure::NotJson("its answer does not show what was written".to_owned())) }
}
