//! `strawboss mock-model`: a scripted stand-in for the Messages API.

use crate::context::Context;
use crate::failure::{ExitStatus, Failure, io};
use crate::output;
use crate::serve::data_dir;
use std::path::PathBuf;
use std::sync::Arc;
use strawboss_gateway::mock_model::{MockModel, Script, serve};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// Serve a scripted stand-in for the Messages API, for demos and tests
#[derive(Debug, clap::Args)]
#[command(after_help = "\
docs/mock-model.md describes the script.

Example:
  strawboss mock-model --script demo/model.yaml --listen 127.0.0.1:7171
and in strawboss.yaml:
  providers: { anthropic: { base_url: \"http://127.0.0.1:7171\" } }")]
pub(crate) struct MockModelArgs {
    /// What it says
    #[arg(long, value_name = "FILE")]
    script: PathBuf,
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: std::net::SocketAddr,
    /// Write the address here once it serves
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

/// Serves until it is told to stop.
pub(crate) async fn run(args: MockModelArgs, context: &Context) -> Result<ExitStatus, Failure> {
    crate::logging::start_for_service(&context.environment);
    let script = Script::load(&args.script).map_err(|error| Failure::usage(error.to_string()))?;
    let mut terminate = signal(SignalKind::terminate()).map_err(io("listen for signals"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(io("listen for signals"))?;
    let listener = TcpListener::bind(args.listen).await.map_err(io(format_args!("listen on {}", args.listen)))?;
    let address = listener.local_addr().map_err(io("find the address"))?;
    if let Some(file) = &args.address_file {
        data_dir::write_whole(file, &format!("{address}\n")).map_err(io(format_args!("write {}", file.display())))?;
    }
    output::line(&format!("The mock model serves on http://{address}"))?;
    let stop = CancellationToken::new();
    let serving = tokio::spawn(serve(listener, Arc::new(MockModel::new(script)), stop.clone()));
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    match serving.await {
        Ok(ended) => ended.map_err(io("serve"))?,
        Err(error) => return Err(Failure::new(format!("the mock model ended by itself: {error}"))),
    }
    Ok(ExitStatus::Success)
}
