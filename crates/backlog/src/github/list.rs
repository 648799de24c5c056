//! The whole list of issues, read so that it is one that there was: pages are asked for again, at no cost, until none of
//! them changed.

use super::client::Failure;
use super::model::{Comment, Issue, ProjectItem};
use super::{GithubBacklog, GithubProject, labels, text};
use crate::remote::link_next;
use reqwest::{Method, StatusCode};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use strawboss_core::Date;
use strawboss_core::backlog::{BacklogStatus, SourceItem, SourceProblem};

/// How often the pages are read until they hold still.
const PASSES: usize = 6;
/// How many pages of a hundred issues are read.
const PAGES: usize = 100;
/// How many pages of the newest comments of an issue are read: what an agent is told has room for less.
const COMMENT_PAGES: u64 = 2;
/// How long a closed issue is still read, in days: whoever closed it while this service was down is heard.
const CLOSED_DAYS: i64 = 30;

/// What is known from earlier readings, so that what did not change is not asked for again.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Pages of the lists, by address.
    pages: HashMap<String, Page<Issue>>,
    /// Pages of the GitHub Project's items, by address.
    project: HashMap<String, Page<ProjectItem>>,
    /// What belongs to an issue, by number.
    details: HashMap<u64, Details>,
}

#[derive(Debug)]
struct Page<T> {
    etag: Option<String>,
    body: Vec<u8>,
    listed: Vec<T>,
    next: Option<String>,
}

/// What is asked for by issue, and for which state of the issue.
#[derive(Debug)]
struct Details {
    of: (String, u64, u64),
    comments: Vec<Comment>,
    /// Numbers of open issues of the same repository, and names of others'.
    blocked_by: Vec<String>,
}

impl GithubBacklog {
    /// All items as of now.
    pub(super) async fn list(&self, known: &mut Known) -> Result<(Vec<SourceItem>, Vec<SourceProblem>), Failure> {
        let own = self.own_login().await?.map(str::to_owned);
        let mut issues = BTreeMap::new();
        'passes: for pass in 0.. {
            if pass == PASSES {
                return Err(Failure::Changing);
            }
            let mut seen = BTreeSet::new();
            let mut changed = false;
            for state in ["open", "closed"] {
                changed |= self.pass(&mut known.pages, self.first_page(state)?, &mut seen).await?;
            }
            known.pages.retain(|address, _| seen.contains(address));
            let chosen = match &self.config.github_project {
                Some(project) => {
                    changed |= self.project_pass(known, project).await?;
                    let items = known.project.values().flat_map(|page| &page.listed);
                    Some(items.filter_map(|item| item.issue_of(&self.config.repository)).collect::<BTreeSet<u64>>())
                }
                None => None,
            };
            // What was read at several moments is whole when none of it changed from the first to the last.
            if changed {
                continue;
            }
            issues = known
                .pages
                .values()
                .flat_map(|page| &page.listed)
                .filter(|issue| issue.pull_request.is_none() && self.selects(issue))
                // What was closed is heard of wherever it was moved to then.
                .filter(|issue| issue.is_closed() || chosen.as_ref().is_none_or(|chosen| chosen.contains(&issue.number)))
                .map(|issue| (issue.number, issue.clone()))
                .collect();
            for issue in issues.values().filter(|issue| !issue.is_closed()) {
                match self.details(known, issue).await {
                    Ok(()) => {}
                    // It went after the list was read.
                    Err(Failure::NotFound | Failure::Gone | Failure::Moved) => continue 'passes,
                    Err(failure) => return Err(failure),
                }
            }
            break;
        }
        known.details.retain(|number, _| issues.contains_key(number));
        let items = issues.values().map(|issue| self.item(issue, known.details.get(&issue.number), &issues, own.as_deref()));
        Ok((items.collect(), Vec::new()))
    }

    /// Reads all pages of the GitHub Project's items; whether any differs from what is known.
    async fn project_pass(&self, known: &mut Known, project: &GithubProject) -> Result<bool, Failure> {
        let mut query = vec![("per_page", "100")];
        query.extend(project.query.as_deref().map(|filter| ("q", filter)));
        let mut seen = BTreeSet::new();
        let passed = self.pass(&mut known.project, self.query(&project.path(), query)?, &mut seen).await;
        known.project.retain(|address, _| seen.contains(address));
        passed.map_err(|failure| {
            let why = match failure {
                Failure::NotFound | Failure::Gone => "404: it is not there, or the token may not see it".to_owned(),
                Failure::Forbidden(said) => format!("403: {said}"),
                Failure::Refused(status, said) => format!("{status}: {said}"),
                Failure::Moved => "its owner was renamed".to_owned(),
                other => return other,
            };
            Failure::Project(project.to_string(), why)
        })
    }

    /// Reads all pages of a list; whether any differs from what is known.
    async fn pass<T: DeserializeOwned>(
        &self,
        pages: &mut HashMap<String, Page<T>>,
        first: String,
        seen: &mut BTreeSet<String>,
    ) -> Result<bool, Failure> {
        let mut address = Some(first);
        let mut changed = false;
        for _ in 0..PAGES {
            let Some(at) = address else { return Ok(changed) };
            seen.insert(at.clone());
            let etag = pages.get(&at).and_then(|page| page.etag.clone());
            let answer = self.client.call(&self.pace, Method::GET, &at, None, etag.as_deref()).await?;
            if answer.status != StatusCode::NOT_MODIFIED {
                let next = link_next(&answer);
                if next.as_ref().is_some_and(|next| !self.client.is_ours(next)) {
                    return Err(Failure::NotJson("its next page is on another server".to_owned()));
                }
                // A proxy may take the ETag away: the page itself tells as well.
                changed |= pages.get(&at).is_none_or(|page| page.body != answer.body || page.next != next);
                let listed = answer.json()?;
                let etag = answer.header("etag").map(str::to_owned);
                pages.insert(at.clone(), Page { etag, listed, next, body: answer.body });
            }
            address = pages.get(&at).and_then(|page| page.next.clone());
        }
        if address.is_some() { Err(Failure::TooMany(PAGES * 100)) } else { Ok(changed) }
    }

    /// The address of the first page of the query.
    fn first_page(&self, state: &str) -> Result<String, Failure> {
        let mut query = vec![("state", state.to_owned()), ("per_page", "100".to_owned())];
        query.extend([("sort", "created".to_owned()), ("direction", "asc".to_owned())]);
        if !self.config.labels.is_empty() {
            query.push(("labels", self.config.labels.join(",")));
        }
        query.extend(self.config.assignee.clone().map(|assignee| ("assignee", assignee)));
        if state == "closed" {
            // The same for a day, so that what did not change is known to be so.
            let hours = CLOSED_DAYS * 24;
            let since = jiff::Timestamp::now() - jiff::SignedDuration::from_hours(hours);
            query.push(("since", since.strftime("%Y-%m-%dT00:00:00Z").to_string()));
        }
        self.query(&self.path("/issues"), query)
    }

    /// The address of a path with these parameters.
    fn query<T: AsRef<str>>(&self, path: &str, parameters: Vec<(&str, T)>) -> Result<String, Failure> {
        let address = self.client.address(path);
        let url = reqwest::Url::parse_with_params(&address, parameters);
        url.map(String::from).map_err(|error| Failure::NotJson(format!("{address} is no address: {error}")))
    }

    fn selects(&self, issue: &Issue) -> bool {
        let wanted = self.config.milestone.as_deref();
        wanted.is_none_or(|title| issue.milestone.as_ref().is_some_and(|milestone| milestone.title == title))
    }

    /// Asks for an open issue's comments and blockers, unless they are known for the issue as it is.
    async fn details(&self, known: &mut Known, issue: &Issue) -> Result<(), Failure> {
        let blockers = issue.issue_dependencies_summary.as_ref().map_or(0, |summary| summary.blocked_by);
        let of = (issue.updated_at.clone(), issue.comments, blockers);
        if known.details.get(&issue.number).is_some_and(|details| details.of == of) {
            return Ok(());
        }
        let mut comments: Vec<Comment> = Vec::new();
        let last = issue.comments.div_ceil(100);
        for page in last.saturating_sub(COMMENT_PAGES).saturating_add(1).max(1)..=last {
            let path = self.path(&format!("/issues/{}/comments?per_page=100&page={page}", issue.number));
            comments.extend(self.client.get(&self.pace, &path).await?.json::<Vec<Comment>>()?);
        }
        let mut blocked_by = Vec::new();
        if blockers > 0 {
            let path = self.path(&format!("/issues/{}/dependencies/blocked_by?per_page=100", issue.number));
            match self.client.get(&self.pace, &path).await {
                Ok(answer) => {
                    let blocking: Vec<Issue> = answer.json()?;
                    let open = blocking.iter().filter(|blocker| !blocker.is_closed());
                    blocked_by.extend(open.map(|blocker| self.name_of(blocker)));
                }
                // The server counts them and does not list them.
                Err(Failure::NotFound | Failure::Gone) => {}
                Err(failure) => return Err(failure),
            }
        }
        known.details.insert(issue.number, Details { of, comments, blocked_by });
        Ok(())
    }

    /// The name of an issue that may be another repository's.
    fn name_of(&self, issue: &Issue) -> String {
        let repository = issue.repository_url.split_once("/repos/").map(|(_, repository)| repository);
        match repository.filter(|repository| !repository.eq_ignore_ascii_case(&self.config.repository)) {
            Some(other) => format!("github:{other}#{}", issue.number),
            None => self.native_ref(issue.number),
        }
    }

    fn item(&self, issue: &Issue, details: Option<&Details>, issues: &BTreeMap<u64, Issue>, own: Option<&str>) -> SourceItem {
        let people = details.iter().flat_map(|details| &details.comments).filter(|comment| !Self::is_own(comment, own));
        let (trusted, others): (Vec<_>, Vec<_>) =
            people.partition(|comment| self.trusts(comment.user.as_ref(), &comment.author_association));
        let mut depends_on: Vec<String> = details.map(|details| details.blocked_by.clone()).unwrap_or_default();
        // What a description names and is not in the list is not waited for: it may be long closed.
        let named = text::blocked_by(issue.body.as_deref().unwrap_or_default());
        let named = named.into_iter().filter(|number| *number != issue.number && issues.contains_key(number));
        depends_on.extend(named.map(|number| self.native_ref(number)));
        let mut seen = BTreeSet::new();
        depends_on.retain(|name| seen.insert(name.clone()));
        let due = issue.milestone.as_ref().and_then(|milestone| milestone.due_on.as_deref()?.get(..10));
        SourceItem {
            native_ref: self.native_ref(issue.number),
            project: self.config.project.clone(),
            action: text::action(issue, &trusted, others.len()),
            priority: self.labels.priority(&issue.labels),
            status: self.labels.status(issue),
            status_unclear: false,
            agent: labels::valued(&issue.labels, "agent"),
            deadline: due.and_then(Date::parse),
            needs_gpu: issue.has_label("gpu"),
            model: labels::valued(&issue.labels, "model"),
            depends_on,
            line: issue.number,
            url: Some(issue.html_url.clone()).filter(|url| url.starts_with("https://") || url.starts_with("http://")),
            needs_approval: !self.trusts(issue.user.as_ref(), &issue.author_association),
            is_ticket: true,
            ticket: None,
        }
    }

    /// An issue as it is now; none: it was deleted or moved to another repository.
    pub(super) async fn issue(&self, number: u64) -> Result<Option<Issue>, Failure> {
        match self.client.get(&self.pace, &self.path(&format!("/issues/{number}"))).await {
            Ok(answer) => {
                let issue: Issue = answer.json()?;
                Ok(Some(issue).filter(|issue| issue.number == number))
            }
            Err(Failure::Gone) => Ok(None),
            Err(Failure::NotFound | Failure::Moved) => {
                // It alone, or the whole repository, or the token's right to it?
                self.client.get(&self.pace, &self.path("")).await.map(|_| None)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Whether what a status is written over was set by a person meanwhile.
    pub(super) fn overtaken(known: Option<BacklogStatus>, now: BacklogStatus, wanted: BacklogStatus) -> bool {
        known.is_some_and(|known| known != now && wanted != now)
    }
}
