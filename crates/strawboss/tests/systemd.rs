//! The unit for those without Compose: judged by systemd's own tool.

use std::path::Path;
use std::process::Command;
use strawboss_testkit::programs;

/// What `systemd-analyze security` may find at most, in tenths: 0 is walled off from everything, 100 from nothing.
const MOST_EXPOSED: &str = "20";

#[test]
fn the_unit_is_sound_and_walled_off() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/systemd/strawboss.service");
    let text = std::fs::read_to_string(unit).unwrap();
    // The program and its user are not installed on the machine that tests.
    let installed = text
        .replace("/usr/bin/strawboss", env!("CARGO_BIN_EXE_strawboss"))
        .replace("User=strawboss", "User=daemon")
        .replace("Group=strawboss", "Group=daemon")
        .replace("SupplementaryGroups=docker\n", "");
    assert_eq!(installed.matches("strawboss serve").count(), 1, "it starts the service");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("strawboss.service");
    std::fs::write(&file, installed).unwrap();
    let analyze = |args: &[&str]| programs::run(Command::new("systemd-analyze").args(args).arg(&file)).unwrap();
    analyze(&["verify", "--man=no"]);
    let said = analyze(&["security", "--no-pager", "--offline=true", &format!("--threshold={MOST_EXPOSED}")]);
    assert!(said.contains("Overall exposure level"), "{said}");
}
