//! What only one can have, and configurations that are wrong: refused at once, and clearly.

use anyhow::Result;
use std::process::{Command, Output, Stdio};
use strawboss_testkit::{World, WorldOptions, programs};

fn serve(arguments: &[&str]) -> Result<(Output, String)> {
    let mut command = Command::new(programs::strawboss()?);
    command.arg("serve").args(arguments).env("STRAWBOSS_SUPERVISOR_DIR", programs::supervisor_tool()?).stdin(Stdio::null());
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    Ok((output, said))
}

fn text(path: &std::path::Path) -> String {
    path.to_string_lossy().into_owned()
}

#[tokio::test]
async fn a_second_control_plane_on_a_data_directory_is_refused_and_told_who_holds_it() -> Result<()> {
    let mut world = World::new(WorldOptions::default())?;
    world.project("One", &[("a", "a\n")], "agent: shell\nreview: auto\nchecks: [\"true\"]\n")?;
    world.start().await?;
    let config = text(&world.write_config()?);
    let (second, said) = serve(&["--config", &config])?;
    assert_eq!(second.status.code(), Some(6), "{said}");
    assert!(said.contains("in use by another control plane") && said.contains(&format!("process {}", world.pid()?)), "{said}");
    assert!(said.contains("--data-dir"), "it says what to do: {said}");
    // The first one never noticed.
    world.backlog().append("One", "1", "Pending", "echo still > still.txt", ",,")?;
    world.until_statuses(&["Completed"]).await?;
    // A lock dies with its holder, however that ended.
    world.kill()?;
    world.start().await?;
    world.stop().await
}

#[tokio::test]
async fn a_port_in_use_is_an_error_that_names_it() -> Result<()> {
    let taken = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = taken.local_addr()?.to_string();
    let world = World::new(WorldOptions::default())?;
    let (output, said) = serve(&["--config", &text(&world.write_config()?), "--listen", &address])?;
    assert_eq!(output.status.code(), Some(6), "{said}");
    assert!(said.contains(&address) && said.contains("taken by process"), "{said}");
    Ok(())
}

#[tokio::test]
async fn five_errors_in_a_configuration_are_reported_at_once_with_their_lines() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("strawboss.yaml");
    let yaml = "server: { listen: nowhere }\nbacklogs:\n  - { type: cvs, file: a.csv }\nprojects:\n  One: { directory: ., agnet: shell }\n  Two: { directory: ., limits: { memory: lots } }\nrunner: { type: podman }\n";
    std::fs::write(&file, yaml)?;
    let (output, said) = serve(&["--config", &text(&file)])?;
    assert_eq!(output.status.code(), Some(2), "{said}");
    for (line, word) in [(1, "nowhere"), (3, "cvs"), (5, "agnet"), (6, "lots"), (7, "podman")] {
        assert!(said.contains(&format!("strawboss.yaml:{line}")) && said.contains(word), "{word} in line {line}: {said}");
    }
    assert!(!folder.path().join(".strawboss").exists(), "nothing was begun");
    Ok(())
}
