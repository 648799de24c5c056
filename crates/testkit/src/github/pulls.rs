//! Pull requests of the local GitHub, on a real repository that git pushes to.

use super::answers::{complaint, paged};
use super::state::State;
use super::{REPOSITORY, Repository};
use crate::repository;
use crate::script::{Reply, lock};
use anyhow::{Context as _, Result, ensure};
use axum::http::{Method, Uri};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What it holds of them.
#[derive(Default)]
pub(super) struct Pulls {
    /// The bare repository.
    pub(super) git: PathBuf,
    all: BTreeMap<u64, Value>,
    reviews: BTreeMap<u64, Vec<Value>>,
    /// A review's comments, by its id.
    remarks: BTreeMap<u64, Vec<Value>>,
    /// What people may do, by login.
    permissions: BTreeMap<String, String>,
    /// Why nothing may be merged.
    protected: Option<String>,
    /// How may be merged; empty: in every way.
    methods: Vec<String>,
    last_review: u64,
}

/// Runs git in a repository; what it printed, trimmed.
fn git(dir: &Path, args: &[&str]) -> Result<String> {
    let mut command = Command::new("git");
    command.args(["-c", "safe.directory=*", "-c", "user.name=GitHub", "-c", "user.email=noreply@github.com"]);
    let done = command.args(args).current_dir(dir).env("GIT_CONFIG_GLOBAL", "/dev/null").output()?;
    ensure!(done.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&done.stderr));
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

impl Pulls {
    fn commit(&self, branch: &str) -> Option<String> {
        git(&self.git, &["rev-parse", "--verify", "--quiet", &format!("refs/heads/{branch}")]).ok()
    }

    /// One as it is now.
    fn seen(&self, number: u64) -> Option<Value> {
        let mut pull = self.all.get(&number)?.clone();
        if pull["state"] != "open" {
            return Some(pull);
        }
        let end = |key: &str| self.commit(pull[key]["ref"].as_str().unwrap_or_default());
        let (head, base) = (end("head")?, end("base")?);
        let clean = git(&self.git, &["merge-tree", "--write-tree", "--no-messages", &base, &head]).is_ok();
        pull["head"]["sha"] = head.into();
        pull["base"]["sha"] = base.into();
        let state = match (clean, &self.protected) {
            (false, _) => "dirty",
            (true, Some(_)) => "blocked",
            (true, None) => "clean",
        };
        pull["mergeable_state"] = state.into();
        Some(pull)
    }

    /// Merges one as GitHub does; the commit, or a status and why not.
    fn merge(&mut self, number: u64, method: &str, sha: Option<&str>) -> Result<String, (u16, String)> {
        let refused = |status: u16, why: &str| (status, why.to_owned());
        let broken = |error: anyhow::Error| (500, error.to_string());
        let pull = self.seen(number).ok_or_else(|| refused(404, "Not Found"))?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (head, base, target) = (text(&pull["head"]["sha"]), text(&pull["base"]["sha"]), text(&pull["base"]["ref"]));
        if pull["state"] != "open" || pull["draft"] == true || pull["mergeable_state"] == "dirty" {
            return Err(refused(405, "Pull Request is not mergeable"));
        }
        if let Some(why) = &self.protected {
            return Err(refused(405, why));
        }
        if !self.methods.is_empty() && !self.methods.iter().any(|known| known == method) {
            return Err(refused(405, "This merge method is not allowed on this repository."));
        }
        if sha.is_some_and(|sha| sha != head) {
            return Err(refused(409, "Head branch was modified. Review and try the merge again."));
        }
        let tree = git(&self.git, &["merge-tree", "--write-tree", "--no-messages", &base, &head]).map_err(broken)?;
        let message = format!("Merge pull request #{number}");
        let mut commit = vec!["commit-tree", &tree, "-p", &base, "-m", &message];
        if method == "merge" {
            commit.extend(["-p", &head]);
        }
        let commit = git(&self.git, &commit).map_err(broken)?;
        git(&self.git, &["update-ref", &format!("refs/heads/{target}"), &commit, &base]).map_err(broken)?;
        if let Some(pull) = self.all.get_mut(&number) {
            pull["state"] = "closed".into();
            pull["merged"] = true.into();
            pull["merge_commit_sha"] = commit.as_str().into();
            pull["head"]["sha"] = head.into();
        }
        Ok(commit)
    }
}

/// The issues of the same repository that a description says merging closes.
fn closes(body: &str) -> Vec<u64> {
    let lines = body.lines().filter_map(|line| line.strip_prefix("Closes #"));
    lines.filter_map(|number| number.trim().parse().ok()).collect()
}

impl State {
    /// Opens one as whoever asks.
    fn open_pull(&mut self, body: &Value) -> Result<u64, String> {
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let (head, base) = (text("head"), text("base"));
        let open = |pull: &Value| pull["state"] == "open" && pull["head"]["ref"] == head.as_str();
        if self.pulls.all.values().any(open) {
            return Err(format!("Validation Failed: A pull request already exists for {}:{head}.", owner()));
        }
        let (Some(at), Some(from)) = (self.pulls.commit(&head), self.pulls.commit(&base)) else {
            return Err("Validation Failed: head or base is invalid".to_owned());
        };
        if git(&self.pulls.git, &["merge-base", "--is-ancestor", &at, &from]).is_ok() {
            return Err(format!("Validation Failed: No commits between {base} and {head}"));
        }
        let number = self.open(&self.asking(), "NONE", &text("title"), &text("body"));
        self.edit(number, |issue| issue["pull_request"] = json!({ "url": "" }));
        let repo = json!({ "full_name": REPOSITORY });
        let pull = json!({
            "number": number,
            "html_url": format!("https://github.com/{REPOSITORY}/pull/{number}"),
            "state": "open",
            "draft": body["draft"] == true,
            "merged": false,
            "merge_commit_sha": null,
            "title": text("title"),
            "body": text("body"),
            "head": { "ref": head, "sha": at, "repo": repo },
            "base": { "ref": base, "sha": from, "repo": repo },
        });
        self.pulls.all.insert(number, pull);
        Ok(number)
    }

    fn close_pull(&mut self, number: u64, by: &str) {
        if let Some(pull) = self.pulls.all.get_mut(&number) {
            pull["state"] = "closed".into();
        }
        self.edit(number, |issue| {
            issue["state"] = "closed".into();
            issue["closed_by"] = json!({ "login": by, "type": "User" });
        });
    }

    fn merge_pull(&mut self, number: u64, method: &str, sha: Option<&str>) -> Result<String, (u16, String)> {
        let commit = self.pulls.merge(number, method, sha)?;
        let pull = self.pulls.all.get(&number).cloned().unwrap_or_default();
        self.edit(number, |issue| issue["state"] = "closed".into());
        let by_itself =
            if pull["base"]["ref"] == "main" { closes(pull["body"].as_str().unwrap_or_default()) } else { Vec::new() };
        for issue in by_itself {
            self.edit(issue, |issue| {
                issue["state"] = "closed".into();
                issue["state_reason"] = "completed".into();
            });
        }
        Ok(commit)
    }
}

fn owner() -> &'static str {
    REPOSITORY.split('/').next().unwrap_or_default()
}

/// Answers what is below `/pulls`, and what people may do.
pub(super) fn answer(
    state: &mut State,
    address: &str,
    method: &Method,
    uri: &Uri,
    segments: &[&str],
    body: &Value,
) -> Option<Reply> {
    let not_found = || complaint(404, "Not Found");
    if let ("GET", ["collaborators", login, "permission"]) = (method.as_str(), segments) {
        let permission = state.pulls.permissions.get(*login).map_or("read", String::as_str);
        return Some(Reply::json(200, &json!({ "permission": permission })));
    }
    let ["pulls", rest @ ..] = segments else { return None };
    if method != Method::GET && !state.may("pull_requests") {
        return Some(complaint(403, "Resource not accessible by integration"));
    }
    let number: u64 = rest.first().and_then(|number| number.parse().ok()).unwrap_or_default();
    Some(match (method.as_str(), rest) {
        ("GET", []) => {
            let query = super::answers::query(uri);
            let wanted = |key: &str| query.get(key).map(String::as_str).unwrap_or_default();
            let pulls: Vec<Value> = state.pulls.all.keys().filter_map(|number| state.pulls.seen(*number)).collect();
            let is = |pull: &&Value| {
                let head = format!("{}:{}", owner(), pull["head"]["ref"].as_str().unwrap_or_default());
                pull["state"] == wanted("state") && (wanted("head").is_empty() || wanted("head") == head)
            };
            let pulls: Vec<Value> = pulls.iter().filter(is).cloned().collect();
            paged(state, address, uri, &pulls)
        }
        ("POST", []) => match state.open_pull(body) {
            Ok(number) => Reply::json(201, &state.pulls.seen(number).unwrap_or_default()),
            Err(why) => complaint(422, &why),
        },
        ("GET", [_]) => state.pulls.seen(number).map_or_else(not_found, |pull| Reply::json(200, &pull)),
        ("PATCH", [_]) => {
            if body["state"] == "closed" {
                let by = state.asking();
                state.close_pull(number, &by);
            }
            let Some(pull) = state.pulls.all.get_mut(&number) else { return Some(not_found()) };
            if let Some(text) = body["body"].as_str() {
                pull["body"] = text.into();
            }
            if let Some(base) = body["base"].as_str() {
                pull["base"]["ref"] = base.into();
            }
            Reply::json(200, &pull.clone())
        }
        ("PUT", [_, "merge"]) => {
            let way = body["merge_method"].as_str().unwrap_or("merge").to_owned();
            match state.merge_pull(number, &way, body["sha"].as_str()) {
                Ok(sha) => {
                    Reply::json(200, &json!({ "sha": sha, "merged": true, "message": "Pull Request successfully merged" }))
                }
                Err((status, why)) => complaint(status, &why),
            }
        }
        ("GET", [_, "reviews"]) => {
            let reviews = state.pulls.reviews.get(&number).cloned().unwrap_or_default();
            paged(state, address, uri, &reviews)
        }
        ("GET", [_, "reviews", id, "comments"]) => {
            let remarks = state.pulls.remarks.get(&id.parse().unwrap_or_default()).cloned().unwrap_or_default();
            paged(state, address, uri, &remarks)
        }
        _ => not_found(),
    })
}

impl Repository {
    /// Hosts what a person's repository holds; gives the bare one that git pushes to.
    pub fn host(&self, folder: &Path, from: &repository::Repository) -> Result<()> {
        let bare = folder.join("github.git");
        let (source, target) = (from.path().to_string_lossy(), bare.to_string_lossy());
        git(folder, &["clone", "--quiet", "--bare", &source, &target])?;
        git(&bare, &["config", "http.receivepack", "true"])?;
        self.state().pulls.git = bare;
        self.permit("owner", "admin");
        Ok(())
    }

    /// What somebody may do with the repository: `admin`, `write`, `read`.
    pub fn permit(&self, login: &str, permission: &str) {
        self.state().pulls.permissions.insert(login.to_owned(), permission.to_owned());
    }

    /// Rules of the branch keep everything from being merged, or no longer.
    pub fn protect(&self, why: Option<&str>) {
        self.state().pulls.protected = why.map(str::to_owned);
    }

    /// How the repository lets people merge.
    pub fn merge_methods(&self, methods: &[&str]) {
        self.state().pulls.methods = methods.iter().map(|method| (*method).to_owned()).collect();
    }

    /// The commit of a branch.
    pub fn branch(&self, name: &str) -> Option<String> {
        self.state().pulls.commit(name)
    }

    /// A file as a branch has it.
    pub fn file(&self, branch: &str, name: &str) -> Option<String> {
        git(&self.state().pulls.git, &["show", &format!("refs/heads/{branch}:{name}")]).ok()
    }

    /// Somebody commits a file to a branch; the commit.
    pub fn push(&self, branch: &str, name: &str, text: &str) -> Result<String> {
        let dir = self.state().pulls.git.clone();
        let work = tempfile::tempdir()?;
        let (bare, clone) = (dir.to_string_lossy().into_owned(), work.path().join("work"));
        git(work.path(), &["clone", "--quiet", "--branch", branch, "--", &bare, &clone.to_string_lossy()])?;
        std::fs::write(clone.join(name), text)?;
        git(&clone, &["add", "--all"])?;
        git(&clone, &["commit", "--quiet", "-m", "By hand"])?;
        git(&clone, &["push", "--quiet", "origin", branch])?;
        self.branch(branch).context("the branch is gone")
    }

    /// Somebody deletes a branch; its open pull requests are closed with it.
    pub fn delete_branch(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        let of = |pull: &Value| pull["state"] == "open" && pull["head"]["ref"] == name;
        let numbers: Vec<u64> = state.pulls.all.iter().filter(|(_, pull)| of(pull)).map(|(number, _)| *number).collect();
        git(&state.pulls.git, &["update-ref", "-d", &format!("refs/heads/{name}")])?;
        for number in numbers {
            state.close_pull(number, "owner");
        }
        Ok(())
    }

    /// Every pull request as it is.
    pub fn pulls(&self) -> Vec<Value> {
        let state = self.state();
        state.pulls.all.keys().filter_map(|number| state.pulls.seen(*number)).collect()
    }

    /// A person changes one's description.
    pub fn describe(&self, number: u64, text: &str) {
        if let Some(pull) = self.state().pulls.all.get_mut(&number) {
            pull["body"] = text.into();
        }
    }

    /// A person merges one.
    pub fn merge(&self, number: u64) -> Result<String> {
        self.state().merge_pull(number, "merge", None).map_err(|(status, why)| anyhow::anyhow!("{status}: {why}"))
    }

    /// A person closes one.
    pub fn close(&self, number: u64, by: &str) {
        self.state().close_pull(number, by);
    }

    /// Somebody reviews one, with comments at lines; the review's id.
    pub fn review(&self, number: u64, login: &str, verdict: &str, body: &str, remarks: &[(&str, u64, &str)]) -> u64 {
        let mut state = self.state();
        state.pulls.last_review += 1;
        let id = state.pulls.last_review;
        let user = json!({ "login": login, "type": "User" });
        let at = state.now();
        let review = json!({
            "id": id, "user": user, "body": body, "state": verdict, "author_association": "NONE", "submitted_at": at
        });
        state.pulls.reviews.entry(number).or_default().push(review);
        let remark = |(path, line, text): &(&str, u64, &str)| json!({ "path": path, "line": line, "body": text, "user": user });
        let remarks = remarks.iter().map(remark).collect();
        state.pulls.remarks.insert(id, remarks);
        id
    }

    /// A review is taken back.
    pub fn dismiss(&self, number: u64, review: u64) {
        let mut state = self.state();
        let reviews = state.pulls.reviews.get_mut(&number);
        for one in reviews.into_iter().flatten().filter(|one| one["id"] == review) {
            one["state"] = "DISMISSED".into();
        }
    }

    /// What was asked and how many of it held this.
    pub fn count_asked(&self, line: &str) -> usize {
        let asked = lock(&self.script.asked);
        asked.iter().filter(|asked| format!("{} {}", asked.method, asked.path).contains(line)).count()
    }
}
