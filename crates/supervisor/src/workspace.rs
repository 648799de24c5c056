//! The workspace: making it from the mirror, going on with one that is there, and mending one whose repository an agent
//! (or a kill) has broken.
//!
//! A clone is made aside and renamed when it is whole, so a folder `workspace` is never half a clone.

use crate::git::{Git, GitError, LONG, is_commit};
use crate::site::Site;
use std::path::{Path, PathBuf};
use std::time::Instant;
use strawboss_protocol::supervisor::ReportBody;

/// How many paths that set-up commands left are ignored; a folder that git knows nothing of is one.
const MAX_LEFTOVERS: usize = 1000;

/// The mirror's URL.
pub(crate) fn mirror(site: &Site) -> String {
    format!("{}/git/mirror.git", site.relay)
}

/// Makes the workspace ready: a fresh clone, or the one that is there when the orders say so.
pub(crate) async fn prepare(site: &Site) -> Result<(), GitError> {
    let began = Instant::now();
    introduce(site)?;
    let workspace = site.place.workspace();
    let (name, done) = if site.orders.git.keep_workspace && workspace.is_dir() {
        ("workspace", go_on(site).await)
    } else {
        ("clone", clone(site).await)
    };
    site.outbox.report(ReportBody::Step {
        name: name.to_owned(),
        ok: done.is_ok(),
        duration_ms: began.elapsed().as_millis() as u64,
        output_tail: done.as_ref().err().map(ToString::to_string),
    });
    if done.is_ok() {
        let commit = site.orders.git.commit.get(..12).unwrap_or_default();
        let words = if name == "clone" { "cloned" } else { "going on from" };
        site.note(&format!("{words} {commit} in {} ms", began.elapsed().as_millis()));
    }
    done
}

/// Ignores what the set-up commands left untracked: environments, packages and build products are none of the work. Only
/// in a fresh clone, where nobody but they can have left it.
pub(crate) async fn ignore_leftovers(site: &Site) -> Result<(), GitError> {
    let workspace = site.place.workspace();
    let git = Git::new(site, "ls-files").dir(&workspace).limit(LONG);
    let left = git.args(["--others", "--exclude-standard", "--directory", "--no-empty-directory", "-z"]).run().await?;
    let left: Vec<&str> = left.split('\0').filter(|path| !path.is_empty() && !path.contains('\n')).collect();
    let Some(first) = left.first() else { return Ok(()) };
    let more = if left.len() > 1 { format!(" and {} more", left.len() - 1) } else { String::new() };
    site.note(&format!("set-up left {first}{more}: ignored from here on"));
    let list = workspace.join(".git").join("info").join("exclude");
    let mut text = std::fs::read_to_string(&list).unwrap_or_default();
    for path in left.into_iter().take(MAX_LEFTOVERS) {
        text.push_str(&ignore_line(path));
    }
    std::fs::write(&list, text).map_err(file("write", &list))
}

/// A line that makes git ignore exactly this path of the workspace.
pub(crate) fn ignore_line(path: &str) -> String {
    let special = |c: char| if "\\*?[]!# ".contains(c) { format!("\\{c}") } else { c.to_string() };
    format!("\n/{}\n", path.chars().map(special).collect::<String>())
}

/// Tells git who commits, for the agent's own commits anywhere. A file of that name that is there is somebody's own.
fn introduce(site: &Site) -> Result<(), GitError> {
    let config = site.place.home.join(".gitconfig");
    if config.symlink_metadata().is_ok() {
        return Ok(());
    }
    let quoted = |text: &str| {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    };
    let git = &site.orders.git;
    let (name, email) = (quoted(&git.user_name), quoted(&git.user_email));
    let text =
        format!("[user]\n\tname = {name}\n\temail = {email}\n[init]\n\tdefaultBranch = main\n[advice]\n\tdetachedHead = false\n");
    std::fs::write(&config, text).map_err(file("write", &config))
}

async fn clone(site: &Site) -> Result<(), GitError> {
    let aside = aside(site, "clone")?;
    init(site, &aside)?;
    fetch(site, &aside).await?;
    let checkout = Git::new(site, "checkout").dir(&aside).limit(LONG).arg("--quiet");
    let checkout = match &site.orders.git.branch {
        Some(branch) => checkout.args(["-B", branch]),
        None => checkout.arg("--detach"),
    };
    checkout.arg(&site.orders.git.commit).run().await?;
    put_away(site, &site.place.workspace())?;
    rename(&aside, &site.place.workspace())
}

/// Goes on with the workspace that is there: the agent's own files stay as they are.
async fn go_on(site: &Site) -> Result<(), GitError> {
    unlock(site);
    if look(site).await.is_some() {
        // The relay has another port in every sandbox.
        let git = Git::new(site, "config").dir(&site.place.workspace());
        git.args(["remote.origin.url", &mirror(site)]).run().await?;
        return Ok(());
    }
    mend(site).await
}

/// The workspace's repository, as it answers.
#[derive(Debug)]
pub(crate) struct Look {
    /// Its folder, wherever it lies.
    pub(crate) folder: PathBuf,
    pub(crate) objects: PathBuf,
    pub(crate) index: PathBuf,
    /// The commit that is checked out.
    pub(crate) head: String,
    /// That commit's tree.
    pub(crate) tree: String,
}

/// Looks at the workspace's repository. None when it does not answer, or belongs to another history than the commit that
/// it started from.
pub(crate) async fn look(site: &Site) -> Option<Look> {
    let commit = &site.orders.git.commit;
    let look = if let Some(look) = answer(site).await {
        look
    } else {
        // The ordered commit came into being elsewhere, or its object was removed; or nothing answers at all.
        let workspace = site.place.workspace();
        let git = Git::new(site, "rev-parse").dir(&workspace).env("GIT_DIR", workspace.join(".git"));
        git.args(["--verify", "--quiet", "HEAD^{commit}"]).ask().await?;
        fetch(site, &workspace).await.ok()?;
        answer(site).await?
    };
    if look.head != *commit {
        let git = Git::new(site, "merge-base").env("GIT_DIR", &look.folder);
        git.args([&look.head, commit]).ask().await?;
    }
    Some(look)
}

/// Everything that is asked of the repository, in one call: most of what a run costs is starting programs.
async fn answer(site: &Site) -> Option<Look> {
    let workspace = site.place.workspace();
    let git = Git::new(site, "rev-parse").dir(&workspace).env("GIT_DIR", workspace.join(".git"));
    let commit = format!("{}^{{commit}}", site.orders.git.commit);
    let paths = ["--absolute-git-dir", "--git-path", "objects", "--git-path", "index"];
    let text = git.args(paths).args(["HEAD^{commit}", "HEAD^{tree}", &commit]).ask().await?;
    let lines: Vec<&str> = text.lines().collect();
    let [folder, objects, index, head, tree, _] = lines[..] else { return None };
    if !is_commit(head) || !is_commit(tree) {
        return None;
    }
    Some(Look {
        folder: folder.into(),
        objects: workspace.join(objects),
        index: workspace.join(index),
        head: head.to_owned(),
        tree: tree.to_owned(),
    })
}

/// Gives the workspace a fresh repository at the ordered commit, and leaves its files as they are: what differs shows as
/// uncommitted changes.
pub(crate) async fn mend(site: &Site) -> Result<(), GitError> {
    let workspace = site.place.workspace();
    let fresh = aside(site, "mend")?;
    init(site, &fresh)?;
    fetch(site, &fresh).await?;
    let commit = &site.orders.git.commit;
    let reference = match &site.orders.git.branch {
        Some(branch) => format!("refs/heads/{branch}"),
        None => "HEAD".to_owned(),
    };
    Git::new(site, "update-ref").dir(&fresh).args(["--no-deref", &reference, commit]).run().await?;
    Git::new(site, "read-tree").dir(&fresh).arg(commit).run().await?;
    std::fs::create_dir_all(&workspace).map_err(file("make", &workspace))?;
    put_away(site, &workspace.join(".git"))?;
    rename(&fresh.join(".git"), &workspace.join(".git"))?;
    put_away(site, &fresh)
}

/// What `git init` makes, without a program: it is a few files.
fn init(site: &Site, dir: &Path) -> Result<(), GitError> {
    let orders = &site.orders.git;
    let git = dir.join(".git");
    for folder in ["objects/info", "objects/pack", "refs/heads", "refs/tags", "info", "hooks"] {
        let folder = git.join(folder);
        std::fs::create_dir_all(&folder).map_err(file("make", &folder))?;
    }
    let version = if orders.commit.len() == 64 { "1\n[extensions]\n\tobjectFormat = sha256\n[core]" } else { "0" };
    let config = format!(
        "[core]\n\trepositoryformatversion = {version}\n\tfilemode = true\n\tbare = false\n\tlogallrefupdates = true\n\
         [remote \"origin\"]\n\turl = {}\n\tfetch = +refs/heads/*:refs/remotes/origin/*\n",
        mirror(site)
    );
    let head = format!("ref: refs/heads/{}\n", orders.branch.as_deref().unwrap_or("work"));
    for (name, text) in [("config", config), ("HEAD", head)] {
        let path = git.join(name);
        std::fs::write(&path, text).map_err(file("write", &path))?;
    }
    Ok(())
}

async fn fetch(site: &Site, dir: &Path) -> Result<(), GitError> {
    let from = &site.orders.git.fetch_ref;
    let to = match from.strip_prefix("refs/heads/") {
        Some(branch) => format!("refs/remotes/origin/{branch}"),
        None => "refs/strawboss/start".to_owned(),
    };
    let mut tries = crate::save::Tries::new(site);
    loop {
        let fetched = Git::new(site, "fetch")
            .dir(dir)
            .limit(LONG)
            .args(["--quiet", "--no-tags", "--no-write-fetch-head"])
            .arg(mirror(site))
            .arg(format!("+{from}:{to}"))
            .run()
            .await;
        match fetched {
            Err(error) if error.is_transport() && tries.again().await => {}
            other => return other.map(drop),
        }
    }
}

/// Removes what a killed git leaves behind and the next one stumbles over.
pub(crate) fn unlock(site: &Site) {
    let git = site.place.workspace().join(".git");
    let branch = site.orders.git.branch.iter().map(|branch| format!("refs/heads/{branch}.lock"));
    let fixed = ["index.lock", "HEAD.lock", "config.lock", "packed-refs.lock", "shallow.lock"].map(str::to_owned);
    for lock in fixed.into_iter().chain(branch) {
        let _ = std::fs::remove_file(git.join(lock));
    }
}

/// A path for something that is made aside; what an earlier supervisor left there is removed.
fn aside(site: &Site, name: &str) -> Result<PathBuf, GitError> {
    let state = site.place.state();
    std::fs::create_dir_all(&state).map_err(file("make", &state))?;
    let path = state.join(name);
    put_away(site, &path)?;
    Ok(path)
}

/// Removes a path whatever it is. It is renamed first, so that it is gone at once even if it takes long to empty.
pub(crate) fn put_away(site: &Site, path: &Path) -> Result<(), GitError> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    let state = site.place.state();
    std::fs::create_dir_all(&state).map_err(file("make", &state))?;
    let gone = (0..10_000).map(|number| state.join(format!("gone-{number}"))).find(|path| path.symlink_metadata().is_err());
    let gone = gone.unwrap_or_else(|| state.join("gone"));
    rename(path, &gone)?;
    tokio::task::spawn_blocking(move || remove(&gone));
    Ok(())
}

fn remove(path: &Path) {
    if std::fs::symlink_metadata(path).is_ok_and(|meta| !meta.is_dir()) {
        let _ = std::fs::remove_file(path);
    } else if std::fs::remove_dir_all(path).is_err() {
        // Folders that were made unwritable (Go's module cache is) are made writable and tried once more.
        make_writable(path, 0);
        let _ = std::fs::remove_dir_all(path);
    }
}

fn make_writable(dir: &Path, depth: usize) {
    use std::os::unix::fs::PermissionsExt as _;
    let _ = std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700));
    if depth > 200 {
        return;
    }
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_writable(&entry.path(), depth + 1);
        }
    }
}

pub(crate) fn rename(from: &Path, to: &Path) -> Result<(), GitError> {
    let what = || format!("move {} to {}", from.display(), to.display());
    std::fs::rename(from, to).map_err(|why| GitError::File { what: what(), why })
}

pub(crate) fn file(verb: &str, path: &Path) -> impl FnOnce(std::io::Error) -> GitError {
    let what = format!("{verb} {}", path.display());
    move |why| GitError::File { what, why }
}
