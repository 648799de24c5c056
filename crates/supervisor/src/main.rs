//! `strawboss-supervisor`: PID 1 in a sandbox. It dials home through the door, gets its orders, owns workspace,
//! terminal and agent, and reports. It holds no server code but the relay on the loopback.
//!
//! Exit codes: 0 the work is over and everything was stored, or nothing was begun; 1 something failed (standard error
//! says what); 2 wrong usage or environment; 3 somebody else took the control token first.

mod asked;
mod command;
mod complain;
mod completion;
mod drive;
mod environment;
mod git;
mod halt;
mod harden;
mod home;
mod hooks;
mod inbox;
mod link;
mod measure;
mod outbox;
mod place;
mod processes;
mod relay;
mod save;
mod site;
mod terminal;
mod token;
mod work;
mod workspace;

use crate::asked::Asked;
use crate::complain::complain;
use crate::halt::{Halt, Halts};
use crate::inbox::Inbox;
use crate::link::Link;
use crate::outbox::Outbox;
use crate::place::Place;
use crate::processes::Processes;
use crate::site::Site;
use anyhow::Context as _;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use strawboss_protocol::supervisor::ReportBody;
use tokio::signal::unix::{SignalKind, signal};

/// How long an agent has to end by itself when the sandbox itself is told to end (SIGTERM): the engine's own patience
/// is ten seconds by default, and the work must be saved within it.
const TERM_GRACE: Duration = Duration::from_secs(2);
/// How long the last reports may take to be stored after a SIGTERM.
const TERM_FAREWELL: Duration = Duration::from_secs(5);
/// How long past its time limit a supervisor waits for a control plane that does not answer before it gives up.
const LINGER: Duration = Duration::from_hours(1);

fn main() -> ExitCode {
    // Before anything else: from here on nobody of the same user can read this process's memory, environment or files.
    let hardened = harden::harden();
    match std::env::args().nth(1).as_deref() {
        None => {}
        Some("--version") => {
            println!("strawboss-supervisor {}", env!("CARGO_PKG_VERSION"));
            return ExitCode::SUCCESS;
        }
        Some("--probe") => {
            println!("{}", place::probe());
            return ExitCode::SUCCESS;
        }
        Some("--hook") => return hooks::report(),
        Some(other) => {
            complain(format!("unknown argument `{other}`; there are --version, --probe and --hook, and none to work"));
            return ExitCode::from(2);
        }
    }
    if let Err(error) = hardened {
        complain(format!("cannot shut other processes out of its memory: {error}"));
        return ExitCode::FAILURE;
    }
    let place = match Place::from_env() {
        Ok(place) => place,
        Err(error) => {
            complain(error);
            return ExitCode::from(2);
        }
    };
    let done = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .context("start the runtime")
        .and_then(|runtime| runtime.block_on(supervise(place)));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format!("{error:#}"));
            if error.downcast_ref::<token::Taken>().is_some() { ExitCode::from(3) } else { ExitCode::FAILURE }
        }
    }
}

async fn supervise(place: Place) -> anyhow::Result<()> {
    let halts = Arc::new(Halts::default());
    let mut terminate = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    tokio::spawn({
        let halts = Arc::clone(&halts);
        async move {
            loop {
                tokio::select! {
                    Some(()) = terminate.recv() => {}
                    Some(()) = interrupt.recv() => {}
                    else => return,
                }
                halts.terminate(TERM_GRACE);
            }
        }
    });
    let token = tokio::select! {
        token = token::take(&place.door) => token?,
        () = halts.terminated() => return Ok(()),
    };
    let processes = Arc::new(Processes::new().context("listen for ended children")?);
    tokio::spawn(Arc::clone(&processes).reap_forever());
    let relay = relay::start(place.door.clone()).await.context("listen on the loopback")?;
    let (outbox, inbox, asked) = (Arc::new(Outbox::default()), Arc::new(Inbox::default()), Arc::new(Asked::default()));
    let ends = (Arc::clone(&outbox), Arc::clone(&inbox), Arc::clone(&asked));
    let link = Arc::new(Link::new(place.door.clone(), token, ends, Arc::clone(&halts)));
    tokio::spawn({
        let link = Arc::clone(&link);
        async move { link.keep().await }
    });
    let orders = tokio::select! {
        orders = link.orders() => orders,
        () = halts.terminated() => return Ok(()),
        () = halts.dismissed() => return Ok(()),
    };
    let limit = Duration::from_millis(orders.timeout_ms);
    tokio::spawn({
        let (halts, asked) = (Arc::clone(&halts), Arc::clone(&asked));
        async move {
            asked.limit(limit).await;
            halts.ask(Halt::TimedOut { limit });
        }
    });
    let site = Arc::new(Site { place, orders, relay, outbox, inbox, asked, halts, processes });
    tokio::spawn(measure::forever(Arc::clone(&site)));
    let end = tokio::select! {
        end = work::carry_out(&site) => Some(end),
        () = site.halts.dismissed() => None,
    };
    if let Some(end) = end {
        site.outbox.report(ReportBody::Done { end });
    }
    let farewell = async {
        site.halts.terminated().await;
        let _ = tokio::time::timeout(TERM_FAREWELL, site.outbox.everything_stored()).await;
    };
    tokio::select! {
        () = site.halts.dismissed() => {}
        () = farewell => {}
        () = tokio::time::sleep(limit.saturating_add(LINGER)) => {}
    }
    site.processes.end_all().await;
    anyhow::ensure!(
        site.halts.is_dismissed() || site.outbox.is_everything_stored(),
        "the last reports could not be handed over: the control plane did not answer"
    );
    Ok(())
}
