//! A Plane of one workspace, over real HTTP on a free port: projects, states, labels, tickets, comments, relations, attachments,
//! pages, limits and faults on demand, as Plane's own source and the documentation of its REST API have them.
//!
//! The methods are what people do in the browser; the program under test speaks HTTP.

mod answers;
mod state;

pub use crate::github::{Asked, Fault};
use anyhow::Result;
use serde_json::{Value, json};
use state::State;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;

/// The key that it takes.
pub const API_KEY: &str = "plane_api_of-the-local-plane";
/// Its workspace.
pub const WORKSPACE: &str = "acme";
/// The identifier of the project that is there from the start.
pub const PROJECT: &str = "WEB";
/// The key's owner, a member.
pub const BOT: &str = "00000000-0000-4000-8000-00000000b07a";
/// An admin.
pub const OWNER: &str = "00000000-0000-4000-8000-00000000ad01";
/// A guest, who may open tickets and comment.
pub const GUEST: &str = "00000000-0000-4000-8000-00000000e501";

/// What is done once a request was answered.
type Change = Box<dyn FnOnce(&Workspace) + Send>;

/// See the module.
pub struct Plane {
    address: String,
    workspace: Arc<Workspace>,
    serving: JoinHandle<()>,
}

impl Drop for Plane {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// Its one workspace, as people see and change it.
pub struct Workspace {
    state: Mutex<State>,
    /// By a part of the path that they wait for.
    changes: Mutex<Vec<(String, Change)>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A status with Plane's form of a complaint, for every request until it is mended.
pub fn complaint(status: u16, said: &str) -> Fault {
    Fault { body: json!({ "detail": said }).to_string(), ..Fault::status(status, "") }
}

impl Plane {
    /// Starts one with an empty project [`PROJECT`].
    pub async fn start() -> Result<Self> {
        // Whoever speaks to it may need it, and a second one of the same process is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let workspace = Arc::new(Workspace { state: Mutex::new(State::new()), changes: Mutex::default() });
        let router = answers::router(Arc::clone(&workspace));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the local Plane ended: {error}");
            }
        });
        Ok(Self { address, workspace, serving })
    }

    /// Where it is, without `/api/v1`.
    pub fn url(&self) -> &str {
        &self.address
    }
}

impl std::ops::Deref for Plane {
    type Target = Workspace;

    fn deref(&self) -> &Workspace {
        &self.workspace
    }
}

impl Workspace {
    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// A person makes another project, with the usual states; its id.
    pub fn project(&self, identifier: &str) -> String {
        self.state().project(identifier)
    }

    /// The id of a project.
    pub fn project_id(&self, identifier: &str) -> String {
        self.state().project_id(identifier)
    }

    /// A person adds a state to every project.
    pub fn add_state(&self, name: &str, group: &str) {
        self.state().add_state(name, group);
    }

    /// The owner makes a ticket in [`PROJECT`]; its id.
    pub fn create(&self, name: &str, html: &str) -> String {
        self.create_as(PROJECT, OWNER, name, html)
    }

    /// Somebody makes a ticket.
    pub fn create_as(&self, project: &str, user: &str, name: &str, html: &str) -> String {
        self.state().create(project, user, name, html)
    }

    /// A person changes a ticket in any way.
    pub fn edit(&self, id: &str, change: impl FnOnce(&mut Value)) {
        self.state().edit(id, change);
    }

    /// A person gives a ticket a label.
    pub fn label(&self, id: &str, name: &str) {
        self.state().label(id, name);
    }

    /// A person moves a ticket to the state of a name.
    pub fn move_to(&self, id: &str, state: &str) {
        self.state().move_to(id, state);
    }

    /// Somebody moves a ticket to the state of a name.
    pub fn move_to_as(&self, user: &str, id: &str, state: &str) {
        let mut locked = self.state();
        locked.move_to(id, state);
        locked.edit(id, |ticket| ticket["updated_by"] = user.into());
    }

    /// Somebody comments.
    pub fn comment(&self, id: &str, user: &str, html: &str) {
        self.state().comment(id, user, &json!({ "comment_html": html }));
    }

    /// A person makes a ticket wait for another one.
    pub fn block(&self, id: &str, by: &str) {
        self.state().block(id, by);
    }

    /// Somebody changes the name that they are shown by, as anybody may, to any.
    pub fn call_oneself(&self, user: &str, name: &str) {
        for member in self.state().members.iter_mut().filter(|member| member["id"] == user) {
            member["display_name"] = name.into();
        }
    }

    /// A person attaches a file.
    pub fn attach(&self, id: &str, name: &str) {
        self.state().attach(id, name);
    }

    /// A person deletes a ticket.
    pub fn delete(&self, id: &str) {
        self.state().tickets.remove(id);
    }

    /// A person archives a ticket: it is in no list any more, and still in the relations of others.
    pub fn archive(&self, id: &str) {
        self.edit(id, |ticket| ticket["archived_at"] = "2026-02-01".into());
    }

    /// A person takes a ticket out of the archive.
    pub fn restore(&self, id: &str) {
        self.edit(id, |ticket| ticket["archived_at"] = Value::Null);
    }

    /// A person moves a ticket to another project.
    pub fn transfer(&self, id: &str, project: &str) {
        self.state().transfer(id, project);
    }

    /// A ticket as it is.
    pub fn ticket(&self, id: &str) -> Option<Value> {
        self.state().tickets.get(id).cloned()
    }

    /// The id of a ticket by its title.
    pub fn id_of(&self, name: &str) -> Option<String> {
        self.state().tickets.iter().find(|(_, ticket)| ticket["name"] == name).map(|(id, _)| id.clone())
    }

    /// The name of a ticket's state.
    pub fn state_of(&self, id: &str) -> Option<String> {
        self.state().state_name(id)
    }

    /// The texts of a ticket's comments, the oldest first.
    pub fn comments(&self, id: &str) -> Vec<String> {
        let state = self.state();
        let comments = state.comments.get(id).into_iter().flatten();
        comments.map(|comment| comment["comment_html"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// The most that a page holds, whatever is asked for.
    pub fn page_size(&self, most: usize) {
        self.state().page_cap = most;
    }

    /// It is a server of before 1.1: tickets are issues, and nobody tells of relations.
    pub fn is_old(&self) {
        self.state().old = true;
    }

    /// What answers instead, for as many requests as it says.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Everything answers again.
    pub fn mend(&self) {
        self.state().faults.clear();
    }

    /// How many requests are left until the limit resets, in so many seconds.
    pub fn limit(&self, remaining: u64, resets_in: i64) {
        self.state().rate = Some((remaining, jiff::Timestamp::now().as_second() + resets_in));
    }

    /// What was asked since this was last called.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state().asked)
    }

    /// Does something once a request was answered whose path holds this.
    pub fn once_asked(&self, path: &str, change: impl FnOnce(&Self) + Send + 'static) {
        lock(&self.changes).push((path.to_owned(), Box::new(change)));
    }

    fn answered(&self, path: &str) {
        let change = {
            let mut changes = lock(&self.changes);
            changes.iter().position(|(part, _)| path.contains(part.as_str())).map(|at| changes.remove(at))
        };
        if let Some((_, change)) = change {
            change(self);
        }
    }
}
