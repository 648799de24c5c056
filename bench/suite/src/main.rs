//! Measures the whole of Strawboss as it is shipped, against peers on the same machine in the same run.
//!
//! It needs the programs (`STRAWBOSS_BIN_DIR`, `STRAWBOSS_SUPERVISOR_DIR`): `bench/run.sh` builds and names them. It
//! prints one table (Markdown) to stdout and writes one JSON file. It judges nothing: a missed aim is no error.

mod measure;
mod proc;
mod samples;
mod table;
mod yardstick;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use measure::{Size, say};
use std::path::{Path, PathBuf};

/// Measures Strawboss.
#[derive(Debug, Parser)]
#[command(name = "strawboss-bench", version, about)]
struct Arguments {
    /// Only see whether every measurement works: small sizes, few repetitions
    #[arg(long, global = true)]
    quick: bool,
    /// Write the results here, as JSON
    #[arg(long, global = true, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Results of bench/gateway, to be taken into the table
    #[arg(long, global = true, value_name = "FILE")]
    gateway: Option<PathBuf>,
    /// The image that the system is compared with
    #[arg(long, global = true, value_name = "IMAGE")]
    peer: Option<String>,
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Clone, PartialEq, Eq, Subcommand)]
enum What {
    /// Everything
    All,
    /// Scheduling decisions over backlogs of three sizes
    Decisions,
    /// From a row to the agent's first byte, and whole runs
    Start,
    /// Clone, push and merge of a large repository
    Repository,
    /// The control plane at rest
    Idle,
    /// The whole system in containers (--peer)
    System,
    /// One viewer's echo, and a stream
    Terminal,
    /// What bench/gateway measured (--gateway)
    Gateway,
    /// Serve the terminal that others are compared with
    #[command(hide = true)]
    Yardstick {
        /// Where to write the address
        #[arg(long)]
        address_file: PathBuf,
        /// What each connection runs
        command: String,
    },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    // The yardstick gets as many threads as the server that it is compared with.
    let mut runtime = match &arguments.what {
        What::Yardstick { .. } => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    runtime.enable_all().build()?.block_on(run(arguments))
}

async fn run(arguments: Arguments) -> Result<()> {
    if let What::Yardstick { address_file, command } = arguments.what {
        return yardstick::serve(command, &address_file).await;
    }
    let size = Size { quick: arguments.quick };
    let machine = proc::machine();
    let mut rows = Vec::new();
    let wanted = |what: What| arguments.what == What::All || arguments.what == what;
    if wanted(What::Decisions) {
        rows.extend(measure::decisions::measure(size).await.context("decisions")?);
    }
    if wanted(What::Start) {
        rows.extend(measure::start::measure(size).await.context("start")?);
    }
    if wanted(What::Repository) {
        rows.extend(measure::repository::measure(size).await.context("repository")?);
    }
    if wanted(What::Idle) {
        rows.extend(measure::idle::measure(size).await.context("idle")?);
    }
    if wanted(What::System) {
        rows.extend(measure::system::measure(size, arguments.peer.as_deref()).await.context("system")?);
    }
    if wanted(What::Terminal) {
        rows.extend(measure::terminal::measure(size).await.context("terminal")?);
    }
    if wanted(What::Gateway) {
        match &arguments.gateway {
            Some(file) => rows.extend(measure::gateway::rows(file).context("gateway")?),
            None => say!("no --gateway: its rows are left out"),
        }
    }
    println!("{}", proc::machine_words(&machine));
    print!("{}", table::markdown(&rows));
    println!("\nLoad at the end: {}.", proc::load());
    match &arguments.out {
        Some(out) => write(out, &table::results(&machine, size.quick, &rows)),
        None => Ok(()),
    }
}

fn write(path: &Path, results: &serde_json::Value) -> Result<()> {
    std::fs::write(path, serde_json::to_string_pretty(results)? + "\n").with_context(|| path.display().to_string())
}
