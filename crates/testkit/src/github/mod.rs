//! A GitHub of one repository, over real HTTP on a free port: issues, comments, labels, dependencies, pull requests on
//! a real git repository, an App, paging, ETags, limits and faults on demand, as GitHub's documentation of its REST API describes them.
//!
//! The methods are what people do in the browser; the program under test speaks HTTP.

mod answers;
mod app;
mod git;
mod projects;
mod pulls;
mod state;

pub use crate::script::{Asked, Fault};
use crate::script::{Script, lock, router};
use anyhow::Result;
pub use app::INSTALLATION;
use serde_json::Value;
use state::State;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::task::JoinHandle;

/// The token that it takes.
pub const TOKEN: &str = "ghp_of-the-local-github";
/// The login that the token belongs to.
pub const BOT: &str = "crew-bot";
/// The client ID of the App; its number is 1001.
pub const APP_ID: &str = "Iv23liLocalGitHub";
/// What comes before `[bot]` in the App's login.
pub const APP_SLUG: &str = "crew-app";
/// Its repository.
pub const REPOSITORY: &str = "acme/antenna";

/// See the module.
pub struct GitHub {
    address: String,
    repository: Arc<Repository>,
    serving: JoinHandle<()>,
}

impl Drop for GitHub {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Its one repository, as people see and change it.
#[derive(Default)]
pub struct Repository {
    state: Mutex<State>,
    script: Script<Self>,
}

impl GitHub {
    /// Starts an empty one.
    pub async fn start() -> Result<Self> {
        // Whoever speaks to it may need it, and a second one of the same process is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let repository = Arc::new(Repository::default());
        repository.state().address.clone_from(&address);
        let router = git::routed(router(Arc::clone(&repository)), Arc::clone(&repository));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the local GitHub ended: {error}");
            }
        });
        Ok(Self { address, repository, serving })
    }

    /// Its `base_url`.
    pub fn url(&self) -> &str {
        &self.address
    }
}

impl std::ops::Deref for GitHub {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

impl Repository {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The owner opens an issue; its number.
    pub fn open(&self, title: &str, body: &str) -> u64 {
        self.open_as("owner", "OWNER", title, body)
    }

    /// Somebody opens an issue.
    pub fn open_as(&self, login: &str, association: &str, title: &str, body: &str) -> u64 {
        self.state().open(login, association, title, body)
    }

    /// A person changes an issue in any way.
    pub fn edit(&self, number: u64, change: impl FnOnce(&mut Value)) {
        self.state().edit(number, change);
    }

    /// A person gives an issue a label.
    pub fn label(&self, number: u64, name: &str) {
        self.state().label(number, name);
    }

    /// A person takes a label from an issue.
    pub fn unlabel(&self, number: u64, name: &str) -> bool {
        self.state().unlabel(number, name)
    }

    /// A person closes or reopens it.
    pub fn set_state(&self, number: u64, state: &str) {
        self.edit(number, |issue| issue["state"] = state.into());
    }

    /// Somebody comments.
    pub fn comment(&self, number: u64, login: &str, association: &str, body: &str) {
        self.state().comment(number, login, association, body);
    }

    /// A person makes an issue wait for another one.
    pub fn block(&self, number: u64, by: u64) {
        self.state().block(number, by);
    }

    /// A person puts an issue into a column of project 7 of its organisation; none: takes it out.
    pub fn put_into_project(&self, number: u64, column: Option<&str>) {
        let project = &mut self.state().project;
        match column {
            Some(column) => drop(project.insert(number, column.to_owned())),
            None => drop(project.remove(&number)),
        }
    }

    /// A person deletes an issue.
    pub fn delete(&self, number: u64) {
        self.state().remove(number, false);
    }

    /// A person moves an issue to another repository.
    pub fn transfer(&self, number: u64) {
        self.state().remove(number, true);
    }

    /// Somebody makes a key of the App, of two at most: the file that is downloaded. With the first it is installed.
    pub fn app_key(&self) -> Result<String> {
        self.state().app.make_key()
    }

    /// Somebody deletes the App's keys.
    pub fn delete_app_keys(&self) {
        self.state().app.delete_keys();
    }

    /// Somebody installs the App, or removes it, and its tokens with it.
    pub fn install_app(&self, installed: bool) {
        let app = &mut self.state().app;
        app.installed = installed;
        app.tokens.clear();
    }

    /// Somebody suspends the App's installation, or lifts that.
    pub fn suspend_app(&self, suspended: bool) {
        let app = &mut self.state().app;
        app.suspended = suspended;
        app.tokens.clear();
    }

    /// Whether the App's installation reaches the repository.
    pub fn app_reaches(&self, reaches: bool) {
        self.state().app.reaches = reaches;
    }

    /// Takes a permission from the App.
    pub fn deny_app(&self, permission: &str) {
        self.state().app.permissions.remove(permission);
    }

    /// Ends the App's tokens before their time.
    pub fn revoke_app_tokens(&self) {
        self.state().app.tokens.clear();
    }

    /// How many tokens the App was given.
    pub fn app_tokens(&self) -> usize {
        self.state().app.given
    }

    /// How long the App's next tokens hold, in seconds.
    pub fn app_token_life(&self, seconds: i64) {
        self.state().app.token_life = seconds;
    }

    /// How far GitHub's clock is ahead of this machine's.
    pub fn clock_ahead(&self, seconds: i64) {
        self.state().app.ahead = seconds;
    }

    /// The repository gets another name.
    pub fn rename(&self) {
        self.state().renamed = true;
    }

    /// An issue as it is.
    pub fn issue(&self, number: u64) -> Option<Value> {
        self.state().issue(number)
    }

    /// The number of an issue by its title.
    pub fn number_of(&self, title: &str) -> Option<u64> {
        self.state().issues.iter().find(|(_, issue)| issue["title"] == title).map(|(number, _)| *number)
    }

    /// The names of an issue's labels.
    pub fn labels(&self, number: u64) -> Vec<String> {
        self.state().label_names(number)
    }

    /// The texts of an issue's comments.
    pub fn comments(&self, number: u64) -> Vec<String> {
        let texts = |comment: &Value| comment["body"].as_str().unwrap_or_default().to_owned();
        self.state().comments.get(&number).map(|comments| comments.iter().map(texts).collect()).unwrap_or_default()
    }

    /// The most that a page holds, whatever is asked for.
    pub fn page_size(&self, most: usize) {
        self.state().page_cap = most;
    }

    /// What answers instead, for as many requests as it says.
    pub fn fail(&self, fault: Fault) {
        lock(&self.script.faults).push(fault);
    }

    /// Everything answers again.
    pub fn mend(&self) {
        lock(&self.script.faults).clear();
    }

    /// How many requests are left until the limit resets, in so many seconds.
    pub fn limit(&self, remaining: u64, resets_in: i64) {
        self.state().limit(remaining, resets_in);
    }

    /// What was asked since this was last called.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut lock(&self.script.asked))
    }

    /// Does something once a request was answered whose method and path hold this.
    pub fn once_asked(&self, line: &str, change: impl FnOnce(&Self) + Send + 'static) {
        lock(&self.script.changes).push((line.to_owned(), Box::new(change)));
    }
}
