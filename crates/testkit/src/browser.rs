//! A person with a browser: a script that drives a real Chromium on the program's own pages.

use crate::world::World;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::Command;

/// Nothing here takes a tenth of it.
const DEADLINE: Duration = Duration::from_mins(5);

impl World {
    /// Runs a script of `web/tests/person` to its end, with the link that signs a browser in.
    pub async fn browse(&self, script: &str) -> Result<()> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/tests/person").join(script);
        let mut command = Command::new("node");
        command.arg(&file).env("STRAWBOSS_LINK", format!("http://{}/#token={}", self.address(), self.token()?));
        let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
        let output = tokio::time::timeout(DEADLINE, output).await.with_context(|| format!("{script} did not end"))??;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{script}: {}\n{said}\nlog:\n{}", output.status, self.log());
        Ok(())
    }
}
