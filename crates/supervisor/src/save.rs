//! Saving: a commit of what the agent left uncommitted, and its push to the mirror.
//!
//! By now no process of the agent lives, but its repository's configuration may say anything. So commit and push happen
//! in a folder of the supervisor's own that borrows only the workspace's objects, files and index ("the room"): the
//! workspace's configuration, hooks, filters, attributes of its info folder and URL rewrites have no say.

mod elsewhere;

use crate::git::{Git, GitError, LONG, is_commit, parts};
use crate::link::Backoff;
use crate::site::Site;
use crate::workspace::{self, Look, file};
use elsewhere::Tip;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;
use strawboss_protocol::supervisor::ReportBody;

/// For how long a mirror that does not answer is tried again: a control plane that restarts is back long before.
const PERSIST: Duration = Duration::from_hours(1);
/// The same while the control plane itself does answer.
const PERSIST_CONNECTED: Duration = Duration::from_mins(5);
/// The same when the sandbox itself is about to end.
const PERSIST_TERMINATED: Duration = Duration::from_secs(5);
/// The largest index that is borrowed, in bytes; a larger one is made anew.
const MAX_INDEX: u64 = 1 << 30;

/// From which size a file of an overfull workspace is left out, in bytes.
const LARGE: u64 = 64 << 20;
/// How many repositories within the workspace are taken in, and how deep they may lie in each other.
const MAX_WITHIN: usize = 64;
const MAX_DEPTH: usize = 3;

/// Tries again, with growing waits, for as long as it makes sense.
pub(crate) struct Tries<'a> {
    site: &'a Site,
    backoff: Backoff,
    began: tokio::time::Instant,
    connected_for: Duration,
}

impl<'a> Tries<'a> {
    pub(crate) fn new(site: &'a Site) -> Self {
        Self { site, backoff: Backoff::default(), began: tokio::time::Instant::now(), connected_for: Duration::ZERO }
    }

    /// Waits; false when it is enough.
    pub(crate) async fn again(&mut self) -> bool {
        let terminated = self.site.halts.is_terminated();
        let persist = if terminated { PERSIST_TERMINATED } else { PERSIST };
        if self.began.elapsed() >= persist || self.connected_for >= PERSIST_CONNECTED {
            return false;
        }
        let (connected, now) = (self.site.outbox.is_connected(), tokio::time::Instant::now());
        tokio::select! {
            () = self.backoff.wait() => {}
            () = self.site.halts.terminated(), if !terminated => {}
        }
        if connected {
            self.connected_for += now.elapsed();
        }
        true
    }
}

/// What was saved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Saved {
    pub(crate) commit: String,
}

/// What is to be saved where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Where {
    /// Finished work, to the branch.
    Branch,
    /// Work in progress, to the saved ref; the workspace stays as it is.
    SavedRef,
}

/// What is not saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaveOut {
    /// Nothing but what is ignored.
    Nothing,
    /// Files of more than [`LARGE`] that no commit has: most likely what has filled the disk.
    LargeUntracked,
}

/// Commits and pushes. None: there is no workspace, so there is nothing to save.
pub(crate) async fn save(site: &Site, target: Where) -> Result<Option<Saved>, GitError> {
    save_without(site, target, LeaveOut::Nothing).await
}

/// The same, without some of the files.
pub(crate) async fn save_without(site: &Site, target: Where, leave_out: LeaveOut) -> Result<Option<Saved>, GitError> {
    let Some((branch, saved_ref)) = site.orders.git.branch.as_deref().zip(site.orders.git.saved_ref.as_deref()) else {
        return Ok(None);
    };
    let job = Job { target, leave_out, branch, saved_ref };
    if !site.place.workspace().is_dir() {
        return Ok(None);
    }
    workspace::unlock(site);
    let look = if let Some(look) = workspace::look(site).await {
        look
    } else {
        site.note("the workspace's repository is gone or was replaced: its files go on top of the commit that they started from");
        mended(site, job).await?
    };
    match attempt(site, look, job).await {
        Ok(saved) => Ok(Some(saved)),
        Err(error) if stays_so(site, &error) || matches!(error, GitError::Elsewhere { .. }) => Err(error),
        Err(error) => {
            // Objects are missing, or the mirror refuses some of the agent's own commits: the files can still be saved.
            site.note(&format!("{error}; trying once more with a fresh repository"));
            attempt(site, mended(site, job).await?, job).await.map(Some)
        }
    }
}

/// Whether it would fail with a fresh repository just as well.
fn stays_so(site: &Site, error: &GitError) -> bool {
    error.is_transport() || error.is_disk_full(site) || matches!(error, GitError::TimedOut { .. })
}

/// What is to be done.
#[derive(Debug, Clone, Copy)]
struct Job<'a> {
    target: Where,
    leave_out: LeaveOut,
    branch: &'a str,
    saved_ref: &'a str,
}

/// A fresh repository, unless work in progress lies in the old one where nothing else would find it again.
async fn mended(site: &Site, job: Job<'_>) -> Result<Look, GitError> {
    if job.target == Where::SavedRef
        && let Some(tip) = elsewhere::in_broken(site, job.branch).await?
    {
        let why = format!("the repository is broken, and a fresh one would be without {}", tip.name);
        return Err(GitError::Elsewhere { why });
    }
    workspace::mend(site).await?;
    workspace::look(site).await.ok_or(GitError::Answer { what: "rev-parse" })
}

async fn attempt(site: &Site, look: Look, job: Job<'_>) -> Result<Saved, GitError> {
    let Job { target, leave_out, branch, saved_ref } = job;
    let room = Room::open(site, look)?;
    if leave_out == LeaveOut::LargeUntracked {
        room.leave_out_large().await?;
    }
    let tip = room.commit_what_is_left(target).await?;
    // Checked out, the branch is what was just looked at.
    let own = if room.is_checked_out(branch) { None } else { room.resolve(&format!("refs/heads/{branch}")).await };
    let (commit, aside) = match own {
        // The branch is behind what is checked out, or is it: the usual case.
        None => (tip, None),
        Some(own) if own == tip || room.is_ancestor(&own, &tip).await => (tip, None),
        // The agent went back and left its work on the branch.
        Some(own) if room.is_ancestor(&tip, &own).await => (own, None),
        // Both hold work: what is checked out counts, and the other is kept.
        Some(own) => (tip, Some(own)),
    };
    let branch_ref = format!("refs/heads/{branch}");
    match target {
        Where::Branch => {
            if let Some(own) = aside {
                site.note(&format!("{branch} and what is checked out went apart; {branch} is kept in {saved_ref}"));
                room.push(&own, saved_ref, Force::Always).await?;
            }
            room.push(&commit, &branch_ref, Force::WithLease).await?;
        }
        Where::SavedRef => {
            // The run's own branch is one of them, where it went apart.
            let others = elsewhere::beside(&room, &commit).await?;
            if others.is_empty() {
                room.push(&commit, saved_ref, Force::Always).await?;
            } else {
                let lost = |error| if stays_so(site, &error) { error } else { GitError::Elsewhere { why: error.to_string() } };
                let joined = room.join(&commit, &others).await.map_err(lost)?;
                room.push(&joined, saved_ref, Force::Always).await.map_err(lost)?;
            }
        }
    }
    room.close();
    Ok(Saved { commit })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Force {
    /// Only the run moves the ref, and only forth in time.
    Always,
    /// First without; when the agent has rewritten its branch, over exactly what the mirror shows.
    WithLease,
}

/// See the module.
struct Room<'a> {
    site: &'a Site,
    dir: PathBuf,
    look: Look,
    env: Vec<(&'static str, OsString)>,
}

impl<'a> Room<'a> {
    fn open(site: &'a Site, look: Look) -> Result<Self, GitError> {
        let workspace = site.place.workspace();
        let dir = site.place.state().join("room");
        workspace::put_away(site, &dir)?;
        for folder in [dir.join("objects"), dir.join("refs"), dir.join("info")] {
            std::fs::create_dir_all(&folder).map_err(file("make", &folder))?;
        }
        let sha256 = site.orders.git.commit.len() == 64;
        let version = if sha256 { "1\n[extensions]\n\tobjectFormat = sha256" } else { "0" };
        write(&dir.join("HEAD"), "ref: refs/heads/nothing\n")?;
        write(&dir.join("config"), &format!("[core]\n\trepositoryFormatVersion = {version}\n"))?;
        // Plain lists that do no harm: what is ignored on purpose, and where a shallow history ends.
        let personal = site.place.home.join(".config").join("git").join("ignore");
        let ignored = [look.folder.join("info").join("exclude"), personal].map(|list| small(&list).unwrap_or_default());
        write(&dir.join("info").join("exclude"), &ignored.join("\n"))?;
        if let Some(shallow) = small(&look.folder.join("shallow")) {
            write(&dir.join("shallow"), &shallow)?;
        }
        borrow_index(&look.index, &dir.join("index"));
        let env = vec![
            ("GIT_DIR", dir.clone().into()),
            ("GIT_WORK_TREE", workspace.into()),
            ("GIT_INDEX_FILE", dir.join("index").into()),
            ("GIT_OBJECT_DIRECTORY", look.objects.clone().into()),
        ];
        Ok(Self { site, dir, look, env })
    }

    /// Ignores large files; what a commit has already is never ignored.
    async fn leave_out_large(&self) -> Result<(), GitError> {
        let workspace = self.site.place.workspace();
        let large = tokio::task::spawn_blocking(move || crate::measure::large_files(&workspace, LARGE)).await;
        let list = self.dir.join("info").join("exclude");
        let mut text = std::fs::read_to_string(&list).map_err(file("read", &list))?;
        for (path, bytes) in large.unwrap_or_default() {
            let Some(path) = path.to_str().filter(|path| !path.contains('\n')) else { continue };
            self.site.note(&format!("{path} ({} MiB) is left out", bytes >> 20));
            text.push_str(&workspace::ignore_line(path));
        }
        write(&list, &text)
    }

    fn close(self) {
        let _ = workspace::put_away(self.site, &self.dir);
    }

    fn git(&self, what: &str) -> Git<'_> {
        parts(&self.env, Git::new(self.site, what)).dir(&self.site.place.workspace())
    }

    /// What a ref of the workspace's repository points to.
    async fn resolve(&self, reference: &str) -> Option<String> {
        let git = Git::new(self.site, "rev-parse").env("GIT_DIR", &self.look.folder);
        let id = git.args(["--verify", "--quiet"]).arg(format!("{reference}^{{commit}}")).ask().await?;
        is_commit(&id).then_some(id)
    }

    /// Whether the workspace has this branch checked out.
    fn is_checked_out(&self, branch: &str) -> bool {
        small(&self.look.folder.join("HEAD")).is_some_and(|head| head.trim_end() == format!("ref: refs/heads/{branch}"))
    }

    async fn is_ancestor(&self, old: &str, new: &str) -> bool {
        self.git("merge-base").args(["--is-ancestor", old, new]).ask().await.is_some()
    }

    /// Commits the files as they are on top of what is checked out, when they differ from it.
    async fn commit_what_is_left(&self, target: Where) -> Result<String, GitError> {
        let (workspace, index, head) = (self.site.place.workspace(), self.dir.join("index"), self.look.head.as_str());
        let tree = match self.tree(&workspace, &index, 0).await {
            Err(error) if !error.is_disk_full(self.site) => {
                // The borrowed index is broken, or of a kind that needs its own folder.
                let _ = std::fs::remove_file(&index);
                self.git("read-tree").limit(LONG).arg(head).run().await?;
                self.tree(&workspace, &index, 0).await?
            }
            tree => tree?,
        };
        if tree == self.look.tree {
            return Ok(head.to_owned());
        }
        let message = self.site.orders.git.message.replace('\0', "");
        let commit = self.git("commit-tree").arg(&tree).args(["-p", head, "-m"]).arg(message).run().await?;
        if !is_commit(&commit) {
            return Err(GitError::Answer { what: "commit-tree" });
        }
        if target == Where::Branch {
            // So that a later run in this workspace goes on from here; the push below does not depend on it.
            let git = Git::new(self.site, "update-ref").env("GIT_DIR", &self.look.folder);
            let moved = git.args(["-m", "strawboss: what was left uncommitted", "HEAD", &commit, head]).ask().await;
            if moved.is_some() {
                let _ = std::fs::copy(self.dir.join("index"), &self.look.index);
            }
        }
        Ok(commit)
    }

    /// The files of a folder as a tree. A repository of its own within it would become a link to a commit that nobody
    /// else has: its files are taken in its place.
    async fn tree(&self, folder: &Path, index: &Path, depth: usize) -> Result<String, GitError> {
        let git = |what| self.git(what).dir(folder).env("GIT_WORK_TREE", folder).env("GIT_INDEX_FILE", index).limit(LONG);
        let mut without_commit = Vec::new();
        let within = loop {
            let excluded = without_commit.iter().map(|path| format!(":(exclude,top,literal){path}"));
            match git("add").args(["--all", "--", "."]).args(excluded).run_with_words().await {
                Ok((_, words)) => break embedded(&words),
                Err(error) => match no_commit(error.message()) {
                    Some(path) if without_commit.len() < MAX_WITHIN && !without_commit.contains(&path) => {
                        without_commit.push(path);
                    }
                    _ => return Err(error),
                },
            }
        };
        for (number, path) in within.iter().chain(&without_commit).take(MAX_WITHIN).enumerate() {
            git("update-index").args(["--force-remove", "--", path]).run().await?;
            // Another work tree of this very repository has a file in place of a folder; its work is on its own branch.
            if depth < MAX_DEPTH && folder.join(path).join(".git").is_dir() {
                let own_index = self.dir.join(format!("index-{depth}-{number}"));
                let tree = Box::pin(self.tree(&folder.join(path), &own_index, depth + 1)).await?;
                git("read-tree").arg(format!("--prefix={path}/")).arg(tree).run().await?;
                self.site.note(&format!("{path} is a repository of its own: its files are taken, its history is not"));
            } else {
                self.site.note(&format!("{path} is another work tree: left out"));
            }
        }
        git("write-tree").run().await
    }

    /// A commit that looks like `tip` and has all of them in its history; its message says which is which.
    async fn join(&self, tip: &str, others: &[Tip]) -> Result<String, GitError> {
        let mut message = "Work in progress in several places\n\nBeside what was checked out:\n".to_owned();
        let mut git = self.git("commit-tree").arg(format!("{tip}^{{tree}}")).args(["-p", tip]);
        for Tip { commit, name } in others {
            git = git.args(["-p", commit]);
            message.extend([commit, " ", name, "\n"]);
        }
        git.arg("-m").arg(message).run().await
    }

    async fn push(&self, commit: &str, reference: &str, force: Force) -> Result<(), GitError> {
        let plus = if force == Force::Always { "+" } else { "" };
        let mut lease: Option<String> = None;
        let mut tries = Tries::new(self.site);
        loop {
            let push = self.git("push").limit(LONG).args(["--quiet", "--no-verify"]);
            let push = match &lease {
                Some(seen) => push.arg(format!("--force-with-lease={reference}:{seen}")),
                None => push,
            };
            let pushed = push.arg(workspace::mirror(self.site)).arg(format!("{plus}{commit}:{reference}")).run().await;
            match pushed {
                Ok(_) => break,
                Err(error) if error.is_transport() => {
                    if !tries.again().await {
                        return Err(error);
                    }
                }
                Err(error) if force == Force::WithLease && lease.is_none() => {
                    let Some(seen) = self.seen(reference).await else { return Err(error) };
                    lease = Some(seen);
                }
                Err(error) => return Err(error),
            }
        }
        self.site.outbox.report(ReportBody::Pushed { reference: reference.to_owned(), commit: commit.to_owned() });
        Ok(())
    }

    /// What the mirror shows for a ref.
    async fn seen(&self, reference: &str) -> Option<String> {
        let list = self.git("ls-remote").arg(workspace::mirror(self.site)).arg(reference).ask().await?;
        let id = list.lines().find(|line| line.ends_with(reference))?.split_whitespace().next()?;
        is_commit(id).then(|| id.to_owned())
    }
}

/// Where `git add` found repositories within the work tree.
fn embedded(words: &str) -> Vec<String> {
    let paths = words.lines().filter_map(|line| line.strip_prefix("warning: adding embedded git repository: "));
    paths.map(|path| path.trim_end_matches('/').to_owned()).collect()
}

/// Where `git add` found one without any commit, which it refuses.
fn no_commit(words: &str) -> Option<String> {
    let line = words.lines().find(|line| line.ends_with("does not have a commit checked out"))?;
    Some(line.split('\'').nth(1)?.trim_end_matches('/').to_owned())
}

fn write(path: &Path, text: &str) -> Result<(), GitError> {
    std::fs::write(path, text).map_err(file("write", path))
}

/// A small plain file's text.
fn small(path: &Path) -> Option<String> {
    let meta = path.symlink_metadata().ok()?;
    (meta.is_file() && meta.len() <= 1 << 20).then(|| std::fs::read_to_string(path).ok()).flatten()
}

/// The index knows which files have not changed since they were last read, so that a large tree is not read again. Its
/// time counts in that, and is kept.
fn borrow_index(from: &Path, to: &Path) {
    let Ok(meta) = from.symlink_metadata() else { return };
    if !meta.is_file() || meta.len() > MAX_INDEX || std::fs::copy(from, to).is_err() {
        return;
    }
    let kept = meta.modified().and_then(|time| std::fs::File::options().write(true).open(to)?.set_modified(time));
    if kept.is_err() {
        let _ = std::fs::remove_file(to);
    }
}
