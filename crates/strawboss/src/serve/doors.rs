//! The runner's sockets with the server's side of the door behind them.
//!
//! Doors are opened before anybody can serve them only in the order of the wiring: the engine needs its doors to be
//! made, and what stands behind them needs the engine. [`OpenDoors::serve`] closes that circle.

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use strawboss_core::SandboxId;
use strawboss_engine::ports::Doors;
use strawboss_runner::{Door as _, SocketDoor, SocketDoors};
use strawboss_server::door::{Door, DoorContext, serve_connection};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// One open door.
struct Opened {
    door: Arc<Door>,
    /// Ends its listener.
    stop: CancellationToken,
}

/// Opens and closes doors, and serves what comes through them.
pub(crate) struct OpenDoors {
    sockets: SocketDoors,
    behind: OnceLock<DoorContext>,
    open: Mutex<HashMap<SandboxId, Opened>>,
    stop: CancellationToken,
    tracker: TaskTracker,
}

impl OpenDoors {
    /// Doors that end in order when `stop` is cancelled.
    pub(crate) fn new(sockets: SocketDoors, stop: CancellationToken) -> Self {
        Self { sockets, behind: OnceLock::new(), open: Mutex::default(), stop, tracker: TaskTracker::new() }
    }

    /// Says what stands behind the doors, once, before the first is opened.
    pub(crate) fn serve(&self, context: DoorContext) {
        // The wiring calls this once; what stands there already is as good.
        let _ = self.behind.set(context);
    }

    /// Returns when every door's work has ended. After `stop` only.
    pub(crate) async fn drained(&self) {
        let doors: Vec<Opened> = self.opened().drain().map(|(_, opened)| opened).collect();
        for opened in doors {
            opened.door.close();
        }
        self.tracker.close();
        self.tracker.wait().await;
        if let Some(context) = self.behind.get() {
            context.drained().await;
        }
    }

    fn opened(&self) -> MutexGuard<'_, HashMap<SandboxId, Opened>> {
        // Each change is one insert or remove: a panic leaves nothing half-done.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes connections until it is told to stop. A broken socket is opened again.
async fn accept(sockets: SocketDoors, mut socket: SocketDoor, door: Arc<Door>, stop: CancellationToken, tracker: TaskTracker) {
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = socket.accept() => accepted,
        };
        match accepted {
            Ok(stream) => {
                tracker.spawn(serve_connection(Arc::clone(&door), stream));
            }
            Err(error) => {
                tracing::warn!(sandbox.id = %door.sandbox(), %error, "a door broke and is opened again");
                match sockets.open(door.sandbox()) {
                    Ok(fresh) => socket = fresh,
                    Err(error) => {
                        tracing::error!(sandbox.id = %door.sandbox(), %error, "a door could not be opened again");
                        return;
                    }
                }
            }
        }
    }
}

#[async_trait::async_trait]
impl Doors for OpenDoors {
    async fn open(&self, sandbox: &SandboxId) -> io::Result<PathBuf> {
        let dir = self.sockets.dir(sandbox);
        let Some(context) = self.behind.get() else {
            return Err(io::Error::other("nothing stands behind the doors yet"));
        };
        let mut open = self.opened();
        if open.contains_key(sandbox) {
            return Ok(dir);
        }
        let socket = self.sockets.open(sandbox).map_err(io::Error::other)?;
        let door = Door::open(context.clone(), sandbox.clone());
        let stop = self.stop.child_token();
        self.tracker.spawn(accept(self.sockets.clone(), socket, Arc::clone(&door), stop.clone(), self.tracker.clone()));
        open.insert(sandbox.clone(), Opened { door, stop });
        Ok(dir)
    }

    async fn close(&self, sandbox: &SandboxId) -> io::Result<()> {
        if let Some(opened) = self.opened().remove(sandbox) {
            opened.stop.cancel();
            opened.door.close();
        }
        self.sockets.close(sandbox).map_err(io::Error::other)
    }

    async fn list(&self) -> io::Result<Vec<SandboxId>> {
        self.sockets.list().map_err(io::Error::other)
    }

    async fn check(&self) -> Result<String, String> {
        if self.behind.get().is_none() {
            return Err("nothing stands behind the doors yet".to_owned());
        }
        if self.stop.is_cancelled() {
            return Err("the doors are closed: Strawboss is shutting down".to_owned());
        }
        self.sockets.list().map_err(|error| format!("the doors' folder cannot be read: {error}"))?;
        Ok(format!("{} doors are open", self.opened().len()))
    }
}
