//! `strawboss docker-proxy`: the one holder of the Docker engine's socket, between it and the control plane.

use crate::context::Context;
use crate::environment;
use crate::failure::{ExitStatus, Failure, io};
use std::path::{Path, PathBuf};
use strawboss_docker_proxy::{Config, DoorsConfig, Orphaned, Proxy, SocketFile, health};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

const ENGINE: &str = "unix:///var/run/docker.sock";

/// Stand between the control plane and the Docker engine: pass what Strawboss needs, refuse everything else
#[derive(Debug, clap::Args)]
#[command(after_help = "\
docs/deploy/docker-proxy.md says what passes and what is refused.

Examples:
  strawboss docker-proxy --socket-uid 1000 --doors /doors --doors-volume strawboss_doors
  strawboss docker-proxy --health
and for the control plane:
  runner: { host: \"unix:///run/docker-proxy/docker.sock\" }")]
pub(crate) struct DockerProxyArgs {
    /// The engine; without it DOCKER_HOST, else unix:///var/run/docker.sock
    #[arg(long, value_name = "unix://PATH", value_parser = socket)]
    engine: Option<PathBuf>,
    /// Where to listen
    #[arg(long, value_name = "unix://PATH", value_parser = socket, default_value = "unix:///run/docker-proxy/docker.sock")]
    listen: PathBuf,
    /// Permissions of that socket, in octal
    #[arg(long, value_name = "MODE", value_parser = mode, default_value = "0600")]
    socket_mode: u32,
    /// The control plane's user: owner of the socket and of the folder in which it makes doors
    #[arg(long, value_name = "UID")]
    socket_uid: Option<u32>,
    /// The control plane's group
    #[arg(long, value_name = "GID")]
    socket_gid: Option<u32>,
    /// Whose containers and volumes pass; without it, from its first call on, those of the first that comes
    #[arg(long, value_name = "ID")]
    installation: Option<String>,
    /// The folder below which containers may bind doors; taken over, so that nobody else may write it
    #[arg(long, value_name = "FOLDER")]
    doors: Option<PathBuf>,
    /// The volume that is mounted there; without it the engine knows the folder by the same path
    #[arg(long, value_name = "NAME", requires = "doors")]
    doors_volume: Option<String>,
    /// Ask through the proxy that listens whether the engine answers: a container's health check
    #[arg(long)]
    health: bool,
}

fn socket(text: &str) -> Result<PathBuf, String> {
    let path = text.strip_prefix("unix://").map(Path::new).filter(|path| path.is_absolute());
    path.map(Path::to_owned).ok_or_else(|| "must be unix:// and an absolute path: who may use a port cannot be said".to_owned())
}

fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        // Who may write may connect, and who may connect may do all that passes.
        Ok(mode) if mode & !0o660 == 0 && mode & 0o600 == 0o600 => Ok(mode),
        _ => Err("must be 0600, 0660 or 0640: others have no business with it".to_owned()),
    }
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: DockerProxyArgs, context: &Context) -> Result<ExitStatus, Failure> {
    crate::logging::start_for_service(&context.environment);
    if args.health {
        return match health(&args.listen).await {
            Ok(()) => Ok(ExitStatus::Success),
            Err(why) => Err(Failure::new(why).fix("Look at the proxy's log, and at `docker info` on the host.")),
        };
    }
    let mut terminate = signal(SignalKind::terminate()).map_err(io("listen for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("listen for signals"))?;
    let engine = if let Some(engine) = args.engine {
        engine
    } else {
        let host = context.environment.get(&environment::DOCKER_HOST).unwrap_or(ENGINE);
        socket(host).map_err(|why| {
            Failure::usage(format!("DOCKER_HOST is `{host}`, and {why}")).fix("Name the engine's socket with `--engine`.")
        })?
    };
    if engine == args.listen {
        return Err(Failure::usage("`--engine` and `--listen` are the same socket").fix("Listen on another one."));
    }
    let shown = (engine.display().to_string(), args.listen.display().to_string());
    let proxy = Proxy::bind(Config {
        engine,
        listen: args.listen,
        socket: SocketFile { mode: args.socket_mode, uid: args.socket_uid, gid: args.socket_gid },
        installation: args.installation,
        doors: args.doors.map(|folder| DoorsConfig {
            folder,
            volume: args.doors_volume,
            uid: args.socket_uid,
            gid: args.socket_gid,
        }),
    })
    .map_err(|error| {
        Failure::new(format!("the proxy could not start: {error}"))
            .fix("It runs as root, with the capabilities CHOWN and DAC_OVERRIDE; docs/deploy/docker-proxy.md has a service.")
    })?;
    tracing::info!(engine.socket = %shown.0, proxy.socket = %shown.1, "the proxy serves");
    let stop = CancellationToken::new();
    let mut serving = tokio::spawn(proxy.serve(stop.clone()));
    let name = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        ended = &mut serving => return outcome(ended),
    };
    tracing::info!(signal.name = name, "draining");
    stop.cancel();
    outcome(serving.await)
}

fn outcome(ended: Result<Result<(), Orphaned>, JoinError>) -> Result<ExitStatus, Failure> {
    match ended {
        Ok(Ok(())) => Ok(ExitStatus::Success),
        Ok(Err(error)) => Err(Failure::new(format!("the proxy ends: {error}"))
            .fix("Start it again. With `restart: always` the engine does so, and mounts the new socket.")),
        Err(error) => Err(Failure::new(format!("the proxy ended by itself: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::{mode, socket};

    #[test]
    fn only_sockets_that_files_guard_are_taken() {
        assert_eq!(socket("unix:///run/x.sock"), Ok("/run/x.sock".into()));
        for wrong in ["tcp://127.0.0.1:2375", "/run/x.sock", "unix://x.sock", "unix://", "npipe:////./pipe/x"] {
            assert!(socket(wrong).is_err(), "{wrong}");
        }
        assert_eq!((mode("0660"), mode("600")), (Ok(0o660), Ok(0o600)));
        for wrong in ["0666", "0777", "0060", "8", "-1", ""] {
            assert!(mode(wrong).is_err(), "{wrong}");
        }
    }
}
