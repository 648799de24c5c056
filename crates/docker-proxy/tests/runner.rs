//! The runner's own suites against a real engine, with a proxy between the two: all that it does passes.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail by panicking")]

#[path = "../../runner/tests/docker/calls.rs"]
mod calls;
#[path = "../../runner/tests/docker/engine.rs"]
mod engine;
#[path = "runner/hostile.rs"]
mod hostile;
#[path = "../../runner/tests/docker/lab.rs"]
mod lab;
#[path = "../../runner/tests/docker/volumes.rs"]
mod volumes;
#[path = "../../runner/tests/docker/wall.rs"]
mod wall;

use std::time::Duration;
use strawboss_core::runner::SandboxStatus;

const GRACE: Duration = Duration::from_secs(20);

fn exited(code: i64) -> SandboxStatus {
    SandboxStatus::Exited { code: Some(code), out_of_memory: false }
}

mod line {
    use std::path::Path;
    use strawboss_docker_proxy::{Config, DoorsConfig, Proxy, SocketFile};
    use tokio_util::sync::{CancellationToken, DropGuard};

    /// Tools belong to every installation, so the proxy shows them to none.
    pub(crate) const LISTS_TOOLS: bool = false;

    /// A proxy of the lab's own, with the lab's folder for doors.
    pub(crate) struct Line {
        pub(crate) host: String,
        _stop: DropGuard,
    }

    pub(crate) fn open(dir: &Path) -> Line {
        open_with(dir, DoorsConfig { folder: dir.to_owned(), volume: None, uid: None, gid: None })
    }

    pub(crate) fn open_with(dir: &Path, doors: DoorsConfig) -> Line {
        let listen = tempfile::Builder::new().prefix("line").tempdir_in(dir).unwrap().keep().join("proxy.sock");
        let engine = super::lab::host();
        let proxy = Proxy::bind(Config {
            engine: engine.strip_prefix("unix://").unwrap().into(),
            listen: listen.clone(),
            socket: SocketFile { mode: 0o600, uid: None, gid: None },
            installation: None,
            doors: Some(doors),
        });
        let stop = CancellationToken::new();
        tokio::spawn(proxy.unwrap().serve(stop.clone()));
        Line { host: format!("unix://{}", listen.display()), _stop: stop.drop_guard() }
    }
}
